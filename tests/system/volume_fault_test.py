"""One volume after the other falls ill while cameras are recorded: by the simulator's log, no picture is lost.

Three volumes, ext4, XFS and ext4, each a file system on a drive of its own (disks.py). Each sickness takes one of them for a
while; then the drive is well again, or is plugged in anew, and the volume has to be used again by itself. Held against it:

- cameras of the other two volumes stay where they are, and miss nothing;
- cameras of the ill one go on in the others, and what had not been synced is written there again: while the volume is
  still ill it is in a clip, which decodes without a word. What else cannot be seen is older, and has a cause;
- an alarm stands within ten seconds of the first call that failed, or did not come back. Where the kernel writes behind
  the recorder's back, and the drive fails then, that call is the sync of the next group;
- in the end, after a start, fsck finds nothing, and each picture that was sent stands in clips, once.

LOOKBACK_CAMERAS says how many cameras there are (6; 20 in the long form), LOOKBACK_FAULTS which sicknesses, or `all`, and
LOOKBACK_ROUNDS how often each; their order and their volumes come from LOOKBACK_SEED. Without the right to mount, or
without nbdkit, it is skipped, and says so.
"""

import contextlib
import json
import os
import random
import threading
import time
import unittest

from crashes import FrameLog
from disks import Disk, why_no_drive
from harness import US, Site, decode_errors, now_us, sei, time_text, time_us, wait_for

SEED = int(os.environ.get("LOOKBACK_SEED", random.randrange(1 << 30)))
CAMERAS = int(os.environ.get("LOOKBACK_CAMERAS", "6"))
ROUNDS = int(os.environ.get("LOOKBACK_ROUNDS", "1"))
KINDS = {"a": "ext4", "b": "xfs", "c": "ext4"}
DISK_BYTES = 1 << 30
ALARM_S = 10
SYNC_S = 5  # From group to group.
GOES_ON_S = 6  # After the cameras have moved.
# A picture is captured a little before it is received.
ON_THE_WAY_US = US // 10


class Fault:
    def __init__(self, harm, failed=None, kinds=("ext4", "xfs")):
        self.harm = harm
        # Whether the drive has failed a request by now, or sits on one; None: calls fail at once, without a drive.
        self.failed = failed
        self.kinds = kinds


def said(process):
    return os.path.getsize(process.err_path) > 0


def busy(disk):
    """Requests are under way in its loop device: of a drive that hangs these never come back."""
    with open(f"/sys/block/{os.path.basename(disk.device())}/inflight", encoding="ascii") as file:
        return any(map(int, file.read().split()))


FAULTS = {
    "write error": Fault(lambda disk: disk.drive.refuse(), lambda disk: said(disk.drive.server)),
    "pulled": Fault(lambda disk: disk.drive.pull(), lambda disk: said(disk.drive.fuse)),
    "hung drive": Fault(lambda disk: disk.drive.hang(), busy),
    "hung writes": Fault(lambda disk: disk.freeze()),
    "read-only": Fault(lambda disk: disk.turn_read_only(), kinds=("ext4",)),
    "full": Fault(lambda disk: disk.fill()),
}
CHOSEN = os.environ.get("LOOKBACK_FAULTS", "write error,pulled")
CHOSEN = list(FAULTS) if CHOSEN == "all" else CHOSEN.split(",")


class Watch(threading.Thread):
    """Up to where each camera was durable on each volume while its footage went there, seen from outside."""

    def __init__(self, site):
        super().__init__(daemon=True)
        self.site = site
        self.durable_us = {}  # (Camera, volume) -> time.
        self.over = threading.Event()
        self.look()  # Some harm moves the cameras before a thread has begun.
        self.start()

    def look(self):
        for camera in self.site.cameras_now():
            status = camera["status"]
            if status["durable_until"]:
                self.durable_us[camera["id"], status["volume"]] = time_us(status["durable_until"])

    def run(self):
        # Ends with the recorder at the latest: it is stopped where the test fails in between.
        with contextlib.suppress(OSError):
            while not self.over.wait(0.1):
                self.look()


class ThreeVolumes(Site):
    def __enter__(self):
        self.disks = {}
        try:
            for name, kind in KINDS.items():
                disk = Disk(self.directory, name, kind, DISK_BYTES, drive=True)
                self.disks[disk.mount_point] = disk
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *error):
        for disk in self.disks.values():
            disk.heal()
        try:
            if self.recorder and self.recorder.running():
                self.recorder.stop()
        finally:
            for disk in self.disks.values():
                disk.close()
            super().__exit__(*error)

    def start(self):
        self.start_recorder(*[word for root in self.disks for word in ("--volume", root)])

    def get(self, path):
        return json.loads(self.http(path)[2])

    def cameras_now(self):
        return self.get("/api/v1/cameras?status=1")["cameras"]

    def places(self):
        """Camera -> the volume that its footage goes to."""
        return {camera["id"]: camera["status"]["volume"] for camera in self.cameras_now()}

    def state(self, root):
        return next(volume["state"] for volume in self.get("/api/v1/volumes")["volumes"] if volume["root"] == root)

    def alarms(self, root):
        return [event for event in self.get("/api/v1/events?state=open")["events"] if event["subject"] == root]

    def pictures(self, camera):
        """Frame numbers in all its segments, on all volumes; and how many fragments stand there twice."""
        frames, fragments, twice = set(), set(), 0
        for root in self.disks:
            for here, _, names in os.walk(os.path.join(root, "v1", camera)):
                for path in (os.path.join(here, name) for name in names if name.endswith(".mp4")):
                    frames |= {picture["frame"] for picture in sei(path, "--packets")}
                    own = fragments_of(path)
                    twice += len(own & fragments)
                    fragments |= own
        return frames, twice


def fragments_of(path):
    """Run and number of each, by its LKFR (docs/format.md)."""
    with open(path, "rb") as file:
        data = file.read()
    found, at = set(), 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at:at + 4], "big")
        if data[at + 4:at + 12] == b"uuidLKFR":
            found.add(data[at + 28:at + 48])
        if size < 8:
            break
        at += size
    return found


class VolumeFault(unittest.TestCase):
    def test_what_falls_ill_costs_no_picture(self):
        if why := why_no_drive():
            self.skipTest(f"no drive can be made ill here: {why}")
        order = CHOSEN * ROUNDS
        choice = random.Random(SEED)
        choice.shuffle(order)
        print(f"LOOKBACK_SEED={SEED}: {', '.join(order)}", flush=True)
        with ThreeVolumes() as site:
            site.start_cameras(count=CAMERAS + len(order))
            # Some come later: what is placed anew goes to the volume that is well again.
            spare = [f"cam{CAMERAS + 1 + index}" for index in range(len(order))]
            site.start()
            # A disk that is full shall cost room, not earlier footage.
            site.run("retention", "set", "default", "--min-days", "1", "--at-floor", "stop", "--yes")
            began_us = {}
            for number in range(1, CAMERAS + 1):
                site.run("camera", "add", f"cam{number}", site.urls[f"cam{number}"])
            for number in range(1, CAMERAS + 1):
                began_us[f"cam{number}"] = site.await_span(f"cam{number}", 7)[0]
            for name, extra in zip(order, spare):
                victim = self.choose(site, choice, FAULTS[name])
                self.fall_ill(site, name, victim, began_us)
                self.recover(site, name, victim, extra, began_us)
            until_us = {camera: site.recorded_until_us(camera) for camera in began_us}
            self.assertEqual(site.cameras.stop(), 0)
            site.stop_recorder()
            site.start()
            wait_for("the end of recovery", lambda: site.get("/api/v1/status")["recovery"]["finished"])
            self.assertEqual([f for f in site.fsck("--deep", ok=(0, 1))["findings"] if f["fault"]], [])
            self.check_all(site, began_us, until_us)

    def choose(self, site, choice, fault):
        places = list(site.places().values())
        roots = sorted(root for root, disk in site.disks.items()
                       if disk.kind in fault.kinds and places.count(root) >= min(2, CAMERAS // 3))
        victim = choice.choice(roots)
        wait_for("the end of its last alarm", lambda: not site.alarms(victim), 120)
        return victim

    def fall_ill(self, site, name, victim, began_us):
        disk, fault = site.disks[victim], FAULTS[name]
        places = site.places()
        ill = sorted(camera for camera, root in places.items() if root == victim)
        watch = Watch(site)
        for process in (disk.drive.server, disk.drive.fuse):
            os.truncate(process.err_path, 0)
        fault.harm(disk)
        harmed = time.monotonic()
        wait_for("the first request that fails", lambda: not fault.failed or fault.failed(disk))
        failed = time.monotonic()
        alarm = wait_for("an alarm of the volume", lambda: site.alarms(victim))[0]
        alarm_s = time.monotonic() - failed
        wait_for("its cameras on other volumes",
                 lambda: all(site.places()[camera] not in (victim, "") for camera in ill), 60)
        moved_s = time.monotonic() - harmed
        watch.over.set()
        watch.join()
        until_us = now_us() + GOES_ON_S * US
        for camera in places:
            site.await_recorded(camera, until_us)

        # While it is ill.
        self.assertLess(alarm_s, ALARM_S + (SYNC_S if fault.failed else 0), alarm["kind"])
        now_at = site.places()
        for camera, root in places.items():
            if root != victim:
                self.assertEqual(now_at[camera], root, f"{camera} is on a volume that is well")
        unseen_us = 0
        for camera in places:
            line = site.timeline(camera, began_us[camera], until_us - US)
            gaps = [(gap["cause"], time_us(gap["start"]), time_us(gap["end"])) for gap in line["gaps"]]
            if camera not in ill:
                continue  # Of earlier footage some may be on the ill volume.
            synced_us = watch.durable_us[camera, victim]
            self.assertEqual([gap for gap in gaps if gap[0] == "unknown" or gap[2] > synced_us], [],
                             f"{camera}, durable until {time_text(synced_us)}")
            unseen_us = max([unseen_us] + [end - start for _, start, end in gaps])
            path, report = site.clip(camera, synced_us, until_us - US, name="ill.mp4")
            self.assertEqual(report["missing"], [], camera)
            self.assertEqual(decode_errors(path), "", camera)
            seen = [picture["frame"] for picture in sei(path)]
            self.assertEqual(seen, list(range(seen[0], seen[0] + len(seen))), f"{camera}, each picture once")
        print(f"{name} on {disk.kind}: {len(ill)} of {len(places)} cameras were there, moved after {moved_s:.1f} s; "
              f"{alarm['kind']} {alarm_s:.1f} s after the first failure, {failed - harmed:.1f} s after the harm; "
              f"up to {unseen_us / US:.0f} s that were synced there cannot be seen", flush=True)

    def recover(self, site, name, victim, extra, began_us):
        disk = site.disks[victim]
        disk.heal()
        plugged = not disk.works()
        if plugged:
            disk.replug()
        well = time.monotonic()
        # One that is full is online all the time.
        wait_for("the volume takes footage again",
                 lambda: site.state(victim) == "online" and (name != "full" or not site.alarms(victim)), 120)
        online_s = time.monotonic() - well
        site.run("camera", "add", extra, site.urls[extra])
        first = wait_for(f"footage of {extra}", lambda: site.recorded_until_us(extra))
        self.assertEqual(site.places()[extra], victim, "the volume that is well again has most room")
        wait_for("durable footage there",
                 lambda: time_us(site.status(extra)["durable_until"] or time_text(0)) >= first + 3 * US, 60)
        self.assertEqual(site.places()[extra], victim)
        self.assertEqual(site.state(victim), "online")
        began_us[extra] = first
        print(f"  online {online_s:.1f} s after it was {'plugged in again' if plugged else 'well'}, and recorded on",
              flush=True)

    def check_all(self, site, began_us, until_us):
        log = FrameLog(site.frame_log)
        count = replayed = 0
        for camera, start_us in began_us.items():
            end_us = until_us[camera] - US
            wanted = log.between(camera, start_us, end_us)
            stored, twice = site.pictures(camera)
            self.assertEqual(sorted(wanted - stored), [], camera)
            path, report = site.clip(camera, start_us, end_us + ON_THE_WAY_US, name="whole.mp4")
            self.assertEqual(report["missing"], [], camera)
            seen = [picture["frame"] for picture in sei(path, "--packets")]
            self.assertEqual(len(seen), len(set(seen)), f"{camera}: a clip shows each picture once")
            self.assertEqual(sorted(wanted - set(seen)), [], camera)
            count += len(wanted)
            replayed += twice
        print(f"{count} pictures of {len(began_us)} cameras, 0 missing; {replayed} fragments stand on two volumes, and in "
              "clips once", flush=True)


if __name__ == "__main__":
    unittest.main()
