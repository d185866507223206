"""A range over three segments, a run border and a gap: told, shown and timed right."""

import datetime
import json
import os
import subprocess
import unittest

from harness import (US, Site, decode_errors, duration_s, now_us, sei, subtitles, time_us,
                     wait_for)

FRAME_S = 1 / 25
# How far the recorder's clock map may be from the camera's stamps.
CLOCK_S = 0.1
NO_FOOTAGE = " no footage"


class Gaps(unittest.TestCase):
    def test_both_gap_modes_over_three_segments_and_two_run_borders(self):
        with Site() as site:
            site.start_cameras(count=1)
            site.start_recorder()
            site.add_cameras()
            start, _ = site.await_span("cam1", seconds=8)
            for runs in (2, 3):
                site.recorder.signal(9)
                site.recorder.stop()
                site.start_recorder()
                spans = wait_for(
                    "footage after the gap",
                    lambda: (lambda s: s if len(s) == runs else None)(
                        site.timeline("cam1", start, now_us())["spans"]))
                last = time_us(spans[-1]["start"])
                site.await_recorded("cam1", last + 8 * US)
            asked = (start + 2 * US, last + 5 * US)
            timeline = site.timeline("cam1", *asked)
            self.assertEqual([gap["cause"] for gap in timeline["gaps"]], ["recorder down"] * 2)
            self.assertEqual(len(site.segment_files("cam1")), 3)
            gaps = [(time_us(gap["start"]), time_us(gap["end"])) for gap in timeline["gaps"]]
            missing = sum(end - begin for begin, end in gaps)

            kept, report = site.clip("cam1", *asked, "--gaps", "keep", name="keep.mp4")
            self.assertEqual(report["missing_us"], missing)
            self.assertAlmostEqual(duration_s(kept), (asked[1] - asked[0]) / US, delta=FRAME_S)
            closed, _ = site.clip("cam1", *asked, "--gaps", "close", name="close.mp4")
            self.assertAlmostEqual(duration_s(closed), (asked[1] - asked[0] - missing) / US,
                                   delta=3 * FRAME_S)
            for path in (kept, closed):
                self.assertEqual(decode_errors(path), "")
            shown = sei(kept)
            self.assertEqual([p["frame"] for p in shown], [p["frame"] for p in sei(closed)])
            for begin, end in gaps:
                # What a viewer sees in the middle of a kept gap is the last picture before it.
                before = [p for p in shown if p["capture_us"] < begin][-1]
                middle = (begin + end) / 2 - asked[0]
                seen = [p for p in shown if p["pts"] <= middle / US][-1]
                self.assertEqual(seen["frame"], before["frame"])
            self.check_subtitles(site, asked, gaps)

    def check_subtitles(self, site, asked, gaps):
        """The time on screen is that at which the camera took the picture, by its own stamp."""
        for mode in ("keep", "close"):
            path, _ = site.clip("cam1", *asked, "--gaps", mode, "--subtitles", "--tz",
                                "Asia/Kolkata", name=f"{mode}_timed.mp4")
            self.assertEqual(decode_errors(path), "")
            shown = subtitles(path)
            for _, _, text in shown:
                self.assertTrue(text.removesuffix(NO_FOOTAGE).endswith(" +05:30"), text)
            for (_, end, _), (start, _, _) in zip(shown, shown[1:]):
                self.assertAlmostEqual(end, start, delta=0.0015)  # SubRip has milliseconds.
            pictures = sei(path)
            for picture in pictures:
                text = [text for start, _, text in shown if start <= picture["pts"] + 0.001][-1]
                second = datetime.datetime.strptime(text, "%Y-%m-%d %H:%M:%S %z").timestamp()
                capture = picture["capture_us"] / US
                self.assertLess(second, capture + CLOCK_S, (text, picture))
                self.assertGreater(second + 1, capture - CLOCK_S, (text, picture))
            without = sum(end - start for start, end, text in shown if text.endswith(NO_FOOTAGE))
            missing = sum(end - begin for begin, end in gaps) / US if mode == "keep" else 0
            self.assertAlmostEqual(without, missing, delta=2 * FRAME_S)
            self.check_chapters(path, pictures, gaps)

    def check_chapters(self, path, pictures, gaps):
        """One at the start, and one at the first picture behind each gap."""
        done = subprocess.run(["ffprobe", "-v", "error", "-show_chapters", "-of", "json", path],
                              capture_output=True, text=True, check=True, timeout=60)
        chapters = json.loads(done.stdout)["chapters"]
        begins = [pictures[0]["pts"]]
        begins += [next(p["pts"] for p in pictures if p["capture_us"] / US > end / US - CLOCK_S)
                   for _, end in gaps]
        self.assertEqual(len(chapters), len(begins))
        for chapter, begin in zip(chapters, begins):
            self.assertAlmostEqual(float(chapter["start_time"]), begin, delta=FRAME_S)
        for chapter in chapters[1:]:
            self.assertRegex(chapter["tags"]["title"], r" \+05:30 after a gap of .* s \(recorder down\)$")

    def test_an_init_section_and_ranges_joined_by_hand_play(self):
        with Site() as site:
            site.start_cameras(count=1)
            site.start_recorder()
            site.add_cameras()
            site.await_span("cam1", seconds=10)
            site.stop_recorder()
            path = site.segment_files("cam1")[0]
            boxes = list(top_boxes(path))
            init = boxes[0][2] + boxes[1][2]
            self.assertEqual([kind for kind, _, _ in boxes[:3]], ["ftyp", "moov", "uuid"])
            third = [offset for kind, offset, _ in boxes if kind == "prft"][2]
            joined = site.path("joined.mp4")
            with open(joined, "wb") as out:
                subprocess.run(["dd", f"if={path}", "bs=1", f"count={init}", "status=none"],
                               stdout=out, check=True)
                subprocess.run(["dd", f"if={path}", "iflag=skip_bytes", f"skip={third}", "bs=64K",
                                "status=none"], stdout=out, check=True)
            self.assertEqual(decode_errors(joined), "")
            whole = [p["frame"] for p in sei(path, "--packets")]
            part = [p["frame"] for p in sei(joined, "--packets")]
            self.assertEqual(part, whole[-len(part):])
            self.assertGreater(len(part), 50)


def top_boxes(path):
    """(type, offset, size) of each box of a file, read apart from the product."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        offset = 0
        while offset < size:
            file.seek(offset)
            head = file.read(16)
            length = int.from_bytes(head[:4], "big")
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            yield head[4:8].decode("latin-1"), offset, length
            offset += length


if __name__ == "__main__":
    unittest.main()
