"""One version of the recorder after another, under load: a gap `upgrade` of seconds a camera, by the simulator's own
stamps; and a store of a newer format, which an older program leaves as it is.

LOOKBACK_CAMERAS and LOOKBACK_MBITS name the size, LOOKBACK_OLD a program of an older version.
Without it the present one stands for it, and store.json is made to say so.
"""

import hashlib
import json
import os
import statistics
import subprocess
import time
import unittest

from harness import READY_S, US, Process, now_us, program
from load import LoadSite

CAMERAS = int(os.environ.get("LOOKBACK_CAMERAS", 6))
MBITS = float(os.environ.get("LOOKBACK_MBITS", 1))
OLD = os.environ.get("LOOKBACK_OLD", "")
OLDER_VERSION = "0.0.9"  # Where there is no older program.
START_S = 60
FOOTAGE_S = 4  # Before the stop, and after the start.
GAP_S = 10
NEWER_FORMAT = 1000


def version_of(path):
    return subprocess.run([path, "version"], capture_output=True, text=True, check=True, timeout=30).stdout.split()[1]


def tree(directory):
    """Every file by its SHA-256, but for the lock, which holds nothing."""
    files = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                files[path] = hashlib.sha256(file.read()).hexdigest()
    return {path: digest for path, digest in files.items() if os.path.basename(path) != "lock"}


class Upgrade(unittest.TestCase):
    def start(self, site, path, *options):
        site.recorder = Process("lookback", [path, "serve", "--data", site.data, "--listen", "127.0.0.1:0", "--token-file",
                                             site.token_file, *options], site.directory)
        site.server = site.recorder.await_line(r"listening on (https?://\S+)", READY_S).group(1)

    def rewrite(self, site, **members):
        path = os.path.join(site.data, "store.json")
        with open(path, encoding="utf-8") as file:
            store = json.load(file)
        with open(path, "w", encoding="utf-8") as file:
            json.dump({**store, **members}, file)

    def gaps(self, site, name, since_us):
        """Those since its first recording."""
        return [gap for gap in site.gaps(name, since_us, now_us()) if gap[0] != "unknown"]

    def await_footage(self, site, since_us):
        site.await_all_recording(START_S)
        for name in site.names:
            site.await_recorded(name, since_us + FOOTAGE_S * US, START_S)

    def test_an_upgrade_under_load_is_one_gap_of_seconds_a_camera_and_says_from_what_to_what(self):
        new = program("lookback")
        versions = (version_of(OLD) if OLD else OLDER_VERSION, version_of(new))
        with LoadSite() as site:
            site.start_load(CAMERAS, MBITS)
            self.start(site, OLD or new)
            site.post_cameras()
            began_us = now_us()
            self.await_footage(site, began_us)

            stopping = time.monotonic()
            site.stop_recorder()
            if not OLD:
                self.rewrite(site, used_by=OLDER_VERSION)
            stopped = time.monotonic()
            self.start(site, new)
            started = time.monotonic()
            self.await_footage(site, now_us())

            gaps = site.each(lambda name: self.gaps(site, name, began_us))
            site.stop_recorder()
            self.assertEqual(site.cameras.stop(), 0)
            for name, of_camera in gaps.items():
                self.assertEqual([(cause, detail) for cause, _, detail in of_camera],
                                 [("upgrade", " to ".join(versions))], name)
            told = [of_camera[0][1] for of_camera in gaps.values()]
            missing = self.missing_s(site)
            print(f"{CAMERAS} cameras of {MBITS} Mbit/s, {' to '.join(versions)}: stopped in {stopped - stopping:.1f} s, "
                  f"answers after {started - stopped:.1f} s; gaps of {statistics.median(told):.2f} s, {max(told):.2f} s at "
                  f"most; by the cameras' own stamps {statistics.median(missing):.2f} s, {max(missing):.2f} s at most; "
                  f"load average {os.getloadavg()[0]:.1f}")
            self.assertLess(max(missing), GAP_S)
            self.assertLess(max(told), GAP_S)
            self.assertEqual(site.fsck()["findings"], [])

    def missing_s(self, site):
        """Of each camera, what lies between the last picture of the one and the first of the other; nothing else is missing."""
        sent = site.sent_frames()

        def look(name):
            frames, _ = site.recorded_frames(name)
            holes = [(a, b) for a, b in zip(frames, frames[1:]) if b != a + 1]
            return holes, [(sent[name][b] - sent[name][a]) / US for a, b in holes]

        found = site.each(look)
        for name, (holes, _) in found.items():
            self.assertEqual(len(holes), 1, (name, holes))
        return [seconds[0] for _, seconds in found.values()]

    def test_a_start_that_follows_no_upgrade_says_how_the_one_before_ended(self):
        with LoadSite() as site:
            site.start_load(1, MBITS)
            began_us = now_us()
            site.start_recorder()
            site.post_cameras()
            for end in (9, 15):
                self.await_footage(site, now_us())
                site.recorder.stop(end)
                site.start_recorder()
            self.await_footage(site, now_us())
            gaps = self.gaps(site, site.names[0], began_us)
            self.assertEqual([gap[0] for gap in gaps], ["recorder down"] * 2)
            self.assertIn("without a stop", gaps[0][2])
            self.assertEqual(gaps[1][2], "stopped in good order")
            site.stop_recorder()

    def test_a_newer_format_is_refused_and_nothing_of_it_is_touched(self):
        with LoadSite() as site:
            volume = site.path("footage")
            site.start_recorder("--volume", volume)
            site.stop_recorder()
            self.rewrite(site, format=NEWER_FORMAT)
            before = tree(site.directory)
            for path in {OLD or program("lookback"), program("lookback")}:
                for command in (["serve", "--listen", "127.0.0.1:0", "--volume", volume], ["fsck"], ["fsck", "--repair"],
                                ["rebuild"]):
                    done = subprocess.run([path, *command, "--data", site.data], stdin=subprocess.DEVNULL,
                                          capture_output=True, text=True, timeout=60)
                    self.assertEqual(done.returncode, 7, (command, done.stdout, done.stderr))
                    self.assertRegex(done.stderr, rf"store\.json has format {NEWER_FORMAT}; this program knows formats up to \d")
            now = tree(site.directory)
            self.assertEqual({path: now[path] for path in before}, before)
            self.assertEqual([path for path in now if path.startswith((site.data, volume)) and path not in before], [])


if __name__ == "__main__":
    unittest.main()
