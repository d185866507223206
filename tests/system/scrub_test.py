"""Rot: bytes that changed behind our back are found by the next scrub, named by camera and time, and not served."""

import hashlib
import random
import os
import unittest

from harness import US, Site, time_text, time_us, wait_for


def boxes(path):
    """(name, start, end) of the boxes of a file, `uuid` boxes by their extended type's first letters."""
    found = []
    with open(path, "rb") as file:
        data = file.read()
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at:at + 4], "big")
        name = data[at + 4:at + 8].decode("latin-1")
        if name == "uuid":
            name = data[at + 8:at + 12].decode("latin-1")
        found.append((name, at, at + size))
        at += size
    return found


def flip_a_picture(path, rng):
    """Flips one bit in an `mdat` in the middle of the file; (start, end) of its fragment by its LKFR."""
    bodies = boxes(path)
    media = [i for i, (name, _, _) in enumerate(bodies) if name == "mdat"]
    chosen = media[len(media) // 2]
    _, start, end = bodies[chosen]
    offset = rng.randrange(start + 8, end)
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1 << rng.randrange(8)]))
    trailer = next(start for name, start, _ in bodies[chosen:] if name == "LKFR")
    with open(path, "rb") as file:
        file.seek(trailer)
        box = file.read(96)
    # docs/format.md: start and end stand behind version, run, number and flags.
    return tuple(int.from_bytes(box[at:at + 8], "big") for at in (52, 60))


class Scrub(unittest.TestCase):
    def scrub(self, site, *options, ok=(0, 1)):
        return site.cli("scrub", *options, ok=ok)

    def test_rot_is_named_by_camera_and_time_and_is_a_gap_from_then_on(self):
        seed = int(os.environ.get("LOOKBACK_SEED", random.randrange(1 << 32)))
        print(f"LOOKBACK_SEED={seed}")
        rng = random.Random(seed)
        with Site() as site:
            site.start_cameras(count=3)
            site.start_recorder()
            site.add_cameras()
            spans = {camera: site.await_span(camera, seconds=8) for camera in ("cam1", "cam2", "cam3")}
            site.stop_recorder()  # Seals.
            damaged = {camera: flip_a_picture(site.segment_files(camera)[0], rng)
                       for camera in ("cam1", "cam2")}
            gone = site.segment_files("cam3")[0]
            os.rename(gone, site.path("taken"))
            before = {path: self.digest(path) for path in site.segment_files("cam1")}

            site.start_recorder()
            status, _, body = site.http("/api/v1/scrub", method="POST")
            self.assertEqual(status, 202, body)
            code, out, _ = site.run("scrub", "--wait", ok=(1,))
            state = self.scrub(site, ok=(1,))
            found = {f["camera"]: f for f in state["findings"] if f["cause"] == "corrupt"}
            self.assertEqual(set(found), set(damaged), out)
            for camera, (start, end) in damaged.items():
                self.assertEqual(time_us(found[camera]["start"]), start)
                self.assertEqual(time_us(found[camera]["end"]), end)
                self.assertIn(f"{camera} from ", out)
            self.assertEqual(before, {path: self.digest(path) for path in before})

            for camera, (start, end) in damaged.items():
                first, last = spans[camera][0], site.recorded_until_us(camera)
                _, report = site.clip(camera, first, last, name=f"{camera}.mp4")
                gaps = [(time_us(m["start"]), time_us(m["end"])) for m in report["missing"]
                        if m["cause"] == "corrupt"]
                self.assertEqual(len(gaps), 1, report["missing"])
                # A clip leaves out what cannot be decoded without the damaged pictures, too.
                self.assertLessEqual(gaps[0][0], start)
                self.assertGreaterEqual(gaps[0][1], end)
                line = site.timeline(camera, first, last)
                self.assertIn({"start": time_text(start), "end": time_text(end)},
                              [{"start": time_text(time_us(g["start"])),
                                "end": time_text(time_us(g["end"]))}
                               for g in line["gaps"] if g["cause"] == "corrupt"])

            def alarms():
                events = site.cli("events")["events"]
                return {e["camera"] for e in events if e["kind"] == "damaged-footage"}
            wait_for("alarms of both cameras", lambda: set(damaged) <= alarms())

            # A restart forgets nothing, and finds nothing else.
            site.stop_recorder()
            site.start_recorder()
            self.assertEqual(self.scrub(site, ok=(1,))["findings"], state["findings"])
            site.stop_recorder()

    @staticmethod
    def digest(path):
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()


if __name__ == "__main__":
    unittest.main()
