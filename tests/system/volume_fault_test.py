"""One of three volumes breaks while cameras are recorded: by the simulator's log, no picture is lost.

Each volume is a file system of its own on a loop device. One of them hangs (fsfreeze), is pulled (the shutdown ioctl:
every call fails, reads too), turns read-only, or fills up. Its cameras go on in the others; what had not been synced is
written there again; an alarm is raised within ten seconds; in the end the volume comes back. LOOKBACK_CAMERAS says how
many cameras there are (6, and the first two faults; 20 and all four in the long form, LOOKBACK_FAULTS=all). Without the
right to mount it is skipped, and says so.
"""

import json
import os
import subprocess
import time
import unittest

from harness import US, Site, now_us, sei, wait_for
from power_cut_test import command, why_no_mount

CAMERAS = int(os.environ.get("LOOKBACK_CAMERAS", "6"))
ALL = os.environ.get("LOOKBACK_FAULTS") == "all"
VOLUMES = ("a", "b", "c")
DISK_BYTES = 400 << 20
ALARM_S = 10
GOES_ON_S = 8  # After the cameras have moved.
# A picture is captured a little before it is received.
ON_THE_WAY_US = US // 10


class Disk:
    def __init__(self, site, name, kind="ext4"):
        self.image = site.path(f"{name}.img")
        self.mount_point = site.path(name)
        os.makedirs(self.mount_point)
        with open(self.image, "wb") as file:
            file.truncate(DISK_BYTES)
        command(f"mkfs.{kind}", "-q", self.image)
        self.mount()

    def mount(self):
        command("mount", "-o", "loop", self.image, self.mount_point)

    def unmount(self):
        command("umount", self.mount_point)

    def hang(self):
        command("fsfreeze", "--freeze", self.mount_point)

    def pull(self):
        command("xfs_io", "-x", "-F", "-c", "shutdown", self.mount_point)

    def turn_read_only(self):
        command("mount", "-o", "remount,abort", self.mount_point)

    def fill(self):
        with open(os.path.join(self.mount_point, "ballast"), "wb") as file:
            space = os.statvfs(self.mount_point)
            os.posix_fallocate(file.fileno(), 0, space.f_bavail * space.f_frsize - (1 << 20))

    def empty(self):
        os.remove(os.path.join(self.mount_point, "ballast"))

    def thaw(self):
        subprocess.run(["fsfreeze", "--unfreeze", self.mount_point], capture_output=True, timeout=60, check=False)


class ThreeVolumes(Site):
    def __enter__(self):
        self.disks = {}
        for name in VOLUMES:
            disk = Disk(self, name)
            self.disks[disk.mount_point] = disk
        return self

    def __exit__(self, *error):
        for disk in self.disks.values():
            disk.thaw()
        if self.recorder and self.recorder.running():
            self.recorder.stop()
        for disk in self.disks.values():
            disk.unmount()
        super().__exit__(*error)

    def start(self):
        self.start_recorder(*[word for root in self.disks for word in ("--volume", root)])

    def volume_states(self):
        return {volume["root"]: volume["state"] for volume in json.loads(self.http("/api/v1/volumes")[2])["volumes"]}

    def alarms(self):
        events = json.loads(self.http("/api/v1/events?state=open")[2])["events"]
        return {(event["kind"], event["subject"]) for event in events}

    def pictures(self, camera):
        """Frame numbers in all its segments, on all volumes."""
        found = set()
        for root in self.disks:
            for here, _, names in os.walk(os.path.join(root, "v1", camera)):
                for name in names:
                    found |= {picture["frame"] for picture in sei(os.path.join(here, name), "--packets")}
        return found


class VolumeFault(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if why := why_no_mount():
            raise unittest.SkipTest(f"no file system can be mounted here: {why}")

    def test_a_volume_that_hangs(self):
        self.try_fault("hang", lambda disk: disk.hang(), lambda disk: disk.thaw())

    def test_a_volume_that_is_pulled(self):
        self.try_fault("pull", lambda disk: disk.pull(), None)

    @unittest.skipUnless(ALL, "long form")
    def test_a_volume_that_turns_read_only(self):
        self.try_fault("read-only", lambda disk: disk.turn_read_only(), None)

    @unittest.skipUnless(ALL, "long form")
    def test_a_volume_that_fills_up(self):
        self.try_fault("fill", lambda disk: disk.fill(), lambda disk: disk.empty())

    def try_fault(self, what, harm, heal):
        with ThreeVolumes() as site:
            site.start_cameras(count=CAMERAS)
            site.start()
            site.add_cameras()
            for camera in site.urls:
                site.await_span(camera, 7)
            began_us = max(site.recorded_until_us(camera) for camera in site.urls)
            victim = site.status("cam1")["volume"]
            on_it = [camera for camera in site.urls if site.status(camera)["volume"] == victim]
            self.assertLess(len(on_it), CAMERAS)

            harm(site.disks[victim])
            harmed = time.monotonic()
            wait_for("an alarm of the volume", lambda: any(subject == victim for _, subject in site.alarms()))
            alarm_s = time.monotonic() - harmed
            wait_for("its cameras on other volumes",
                     lambda: all(site.status(camera)["volume"] != victim for camera in on_it), 60)
            moved_s = time.monotonic() - harmed
            until_us = now_us() + GOES_ON_S * US
            for camera in site.urls:
                site.await_recorded(camera, until_us)
            if heal:
                heal(site.disks[victim])
                wait_for("the volume is used again", lambda: site.volume_states()[victim] == "online")
            until_us = min(site.recorded_until_us(camera) for camera in site.urls)
            self.assertEqual(site.cameras.stop(), 0)
            site.stop_recorder()

            # It comes back, and with it what it had.
            site.disks[victim].unmount()
            site.disks[victim].mount()
            site.start()
            wait_for("the end of recovery", lambda: site.cli("status")["recovery"]["finished"])
            self.assertEqual([f for f in site.fsck()["findings"] if f["fault"]], [])
            count = 0
            for camera, frames in site.frames_sent().items():
                wanted = {frame["frame"] for frame in frames
                          if began_us <= frame["capture_us"] < until_us - ON_THE_WAY_US}
                self.assertEqual(sorted(wanted - site.pictures(camera)), [], camera)
                path, report = site.clip(camera, began_us, until_us - US, name=f"{camera}.mp4")
                seen = [picture["frame"] for picture in sei(path)]
                self.assertEqual(seen, sorted(set(seen)), "a clip shows each picture once")
                self.assertEqual(report["missing"], [], camera)
                count += len(wanted)
            self.assertLess(alarm_s, ALARM_S)
            print(f"{what}: {count} pictures of {CAMERAS} cameras, {len(on_it)} of them on the volume, none is missing; "
                  f"alarm after {alarm_s:.1f} s, moved after {moved_s:.1f} s")


if __name__ == "__main__":
    unittest.main()
