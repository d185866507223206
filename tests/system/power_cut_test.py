"""The power goes at any moment, on real file systems: what `durable_until` promised is there afterwards.

XFS and ext4 stand on loop devices; the shutdown ioctl (`xfs_io -x -c shutdown`) forgets whatever the kernel had not
written, as a power cut does. An outside process, this one, reads the promises until the moment of the cut, and the
simulator's log says which pictures they cover. LOOKBACK_CUTS says how often on each file system (5 in the short form,
250 in the long); the seed is printed. Without the right to mount there is nothing to try: then it is skipped, and says so.
"""

import json
import os
import random
import signal
import subprocess
import threading
import time
import unittest

from harness import US, Site, now_us, sei, time_us, wait_for

SEED = int(os.environ.get("LOOKBACK_SEED", random.randrange(1 << 30)))
CUTS = int(os.environ.get("LOOKBACK_CUTS", "5"))
CUTS_OF_DISK = 25  # Then a new one is made.
DISK_BYTES = 512 << 20
CAMERAS = 4
MAKE = {"xfs": ["mkfs.xfs", "-q"], "ext4": ["mkfs.ext4", "-q"]}
# A picture is captured a little before it is received, which is the time that a promise speaks of.
ON_THE_WAY_US = US // 10


def command(*arguments):
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(arguments)}: {done.stderr}")


def why_no_mount():
    """None where loop devices can be mounted, as by root on a machine of its own."""
    with Site() as site:
        try:
            Disk(site, "ext4").remove()
        except (AssertionError, OSError) as error:
            return str(error)
    return None


class Disk:
    """A file system on a loop device, mounted in `site`, with the store on it."""

    def __init__(self, site, kind):
        self.image = site.path("disk.img")
        self.mount_point = site.path("disk")
        os.makedirs(self.mount_point, exist_ok=True)
        with open(self.image, "wb") as file:
            file.truncate(DISK_BYTES)
        command(*MAKE[kind], self.image)
        self.mount()

    def mount(self):
        command("mount", "-o", "loop", self.image, self.mount_point)

    def cut_power(self):
        # Of xfs_io; -x lets it shut down, -F takes other file systems than XFS.
        command("xfs_io", "-x", "-F", "-c", "shutdown", self.mount_point)

    def unmount(self):
        command("umount", self.mount_point)

    def remove(self):
        self.unmount()
        os.remove(self.image)


class Promises(threading.Thread):
    """What the recorder says is durable, asked again and again until it answers no more."""

    def __init__(self, site):
        super().__init__()
        self.site = site
        self.until_us = {}
        self.cut = threading.Event()
        self.start()

    def run(self):
        while not self.cut.is_set():
            for camera in self.site.urls:
                try:
                    text = self.site.status(camera)["durable_until"]
                except (OSError, ValueError):
                    return
                # An answer that came after the cut began proves nothing: it may have been on its way.
                if text and not self.cut.is_set():
                    self.until_us[camera] = time_us(text)


class FrameLog:
    """The simulator's log, read on from where the last reading ended."""

    def __init__(self, path):
        self.path = path
        self.at = 0

    def read(self, frames):
        with open(self.path, "rb") as file:
            file.seek(self.at)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self.at += len(line)
                entry = json.loads(line)
                if "frame" in entry and entry["sent"] > 0:
                    frames.setdefault(entry["camera"], {})[entry["frame"]] = entry["capture_us"]


class PowerCut(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if why := why_no_mount():
            raise unittest.SkipTest(f"no file system can be mounted here: {why}")

    def test_what_was_promised_survives_on_xfs(self):
        self.cut_again_and_again("xfs")

    def test_what_was_promised_survives_on_ext4(self):
        self.cut_again_and_again("ext4")

    def cut_again_and_again(self, kind):
        print(f"LOOKBACK_SEED={SEED}, {kind}", flush=True)
        choice = random.Random(f"{SEED}{kind}")
        promised = worst_start_us = 0
        with Site() as site:
            site.start_cameras(count=CAMERAS)
            log = FrameLog(site.frame_log)
            site.data = os.path.join(site.path("disk"), "data")
            for done in range(0, CUTS, CUTS_OF_DISK):
                disk = Disk(site, kind)
                try:
                    site.start_recorder()
                    site.add_cameras()
                    for _ in range(min(CUTS_OF_DISK, CUTS - done)):
                        frames, start_us = self.cut_once(site, disk, choice, log)
                        promised += frames
                        worst_start_us = max(worst_start_us, start_us)
                    site.stop_recorder()
                    self.assertEqual([f for f in site.fsck()["findings"] if f["fault"]], [])
                finally:
                    if site.recorder.running():
                        site.recorder.stop(signal.SIGKILL)
                    disk.remove()
                if CUTS > CUTS_OF_DISK:
                    print(f"{min(CUTS, done + CUTS_OF_DISK)} cuts, {promised} pictures", flush=True)
        self.assertGreater(promised, CUTS * CAMERAS)
        print(f"{kind}: {CUTS} cuts, {promised} promised pictures, none is missing; "
              f"answers again {worst_start_us / US:.2f} s after the start at the latest")

    def cut_once(self, site, disk, choice, log):
        """Returns how many pictures had been promised, all of which are there, and how long the start took."""
        began_us = now_us()
        for camera in site.urls:
            site.await_recorded(camera, began_us)
        began_us = max(site.recorded_until_us(camera) for camera in site.urls)
        promises = Promises(site)
        moment = time.monotonic() + choice.uniform(3, 12)
        wait_for("the moment", lambda: time.monotonic() >= moment)
        promises.cut.set()
        disk.cut_power()
        site.recorder.stop(signal.SIGKILL)
        promises.join()

        disk.unmount()
        disk.mount()
        start_us = now_us()
        site.start_recorder()
        start_us = now_us() - start_us
        wait_for("the end of recovery", lambda: site.cli("status")["recovery"]["finished"])
        self.assertEqual([f for f in site.fsck()["findings"] if f["fault"]], [])

        sent, count = {}, 0
        log.read(sent)
        for camera, until_us in promises.until_us.items():
            wanted = {frame for frame, capture_us in sent[camera].items()
                      if began_us <= capture_us < until_us - ON_THE_WAY_US}
            stored = set()
            for path in site.segment_files(camera):
                # A segment lasts two minutes at most.
                if int(os.path.basename(path).split("_")[0]) > began_us // 1000 - 180_000:
                    stored |= {picture["frame"] for picture in sei(path, "--packets")}
            self.assertEqual(sorted(wanted - stored), [], f"{camera}, durable until {until_us}")
            count += len(wanted)
        return count, start_us


if __name__ == "__main__":
    unittest.main()
