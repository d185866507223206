"""Cameras that are cut off at random, for as long as it takes: no memory or descriptor leaks away, no gap lacks a cause.

LOOKBACK_CAMERAS, LOOKBACK_MBITS, LOOKBACK_SECONDS and LOOKBACK_DISCONNECT name the size; see the target soak.
"""

import os
import random
import statistics
import time
import unittest

from harness import now_us
from load import LoadSite, cpu_seconds, descriptors

CAMERAS = int(os.environ.get("LOOKBACK_CAMERAS", 8))
MBITS = float(os.environ.get("LOOKBACK_MBITS", 0.6))
SECONDS = int(os.environ.get("LOOKBACK_SECONDS", 20))
DISCONNECT_S = float(os.environ.get("LOOKBACK_DISCONNECT", 6))
SEED = int(os.environ.get("LOOKBACK_SEED", random.randrange(1 << 30)))
START_S = 60
SAMPLES = 240
REPORTS = 12
# From the first quarter to the last. What a short run shows is a start, not a leak.
GROWTH = 0.03
LONG_S = 1800
# What comes and goes: connections that end, files that are sealed.
SPARE_DESCRIPTORS = 16
CAUSES = {"network", "camera fault", "retention"}


class Soak(unittest.TestCase):
    def test_nothing_leaks_and_every_gap_has_its_cause(self):
        print(f"LOOKBACK_SEED={SEED}, {CAMERAS} cameras of {MBITS} Mbit/s, {SECONDS} s, "
              f"a disconnect a camera every {DISCONNECT_S} s or so", flush=True)
        with LoadSite() as site:
            site.start_load(CAMERAS, MBITS, "--disconnect-every", str(DISCONNECT_S), "--seed", str(SEED))
            site.start_recorder()
            began_us = now_us()
            site.post_cameras()
            site.run("retention", "set", "--max-days", "30")
            # A camera may be between two connections whenever it is looked at.
            for name in site.names:
                site.await_recorded(name, began_us, START_S)
            recorded_us = now_us()
            memory, open_files = self.watch(site)
            ended_us = now_us()

            reconnects = sum(site.metrics("lookback_camera_reconnects_total").values())
            purged = sum(site.metrics("lookback_purged_segments_total").values())
            gaps = site.each(lambda name: site.gaps(name, recorded_us, ended_us))
            site.stop_recorder()
            self.assertEqual(site.cameras.stop(), 0)
            every = [gap for of_camera in gaps.values() for gap in of_camera]
            print(f"{reconnects:.0f} reconnects, {len(every)} gaps, longest {max(gap[1] for gap in every):.1f} s; "
                  f"{purged:.0f} segments deleted under retention")
            self.assertGreater(reconnects, CAMERAS * SECONDS / DISCONNECT_S / 4)
            self.assertEqual({gap[0] for gap in every} - CAUSES, set())
            self.assertEqual([gap for gap in every if gap[0] != "retention" and not gap[2]], [])
            self.assertEqual(site.fsck()["findings"], [])

            self.assertLess(max(open_files[-len(open_files) // 4:]),
                            max(open_files[:len(open_files) // 4]) + SPARE_DESCRIPTORS)
            first, last = (statistics.median(memory[:len(memory) // 4]), statistics.median(memory[-len(memory) // 4:]))
            print(f"memory: first quarter {first / 1024:.1f} MiB, last {last / 1024:.1f} MiB, {last / first - 1:+.1%}; "
                  f"descriptors {min(open_files)} to {max(open_files)}")
            if SECONDS >= LONG_S:
                self.assertLess(last / first - 1, GROWTH)

    def watch(self, site):
        """Resident KiB and descriptors, again and again."""
        memory, open_files = [], []
        pid = site.recorder.pid
        began, cpu = time.monotonic(), cpu_seconds(pid)
        for sample in range(1, SAMPLES + 1):
            time.sleep(max(0, began + sample * SECONDS / SAMPLES - time.monotonic()))  # Time itself is tried.
            memory.append(site.recorder.rss_kib())
            open_files.append(descriptors(pid))
            if sample % (SAMPLES // REPORTS) == 0 and SECONDS >= LONG_S:
                elapsed = time.monotonic() - began
                print(f"{elapsed:5.0f} s: {memory[-1] / 1024:.1f} MiB, {open_files[-1]} descriptors, "
                      f"{(cpu_seconds(pid) - cpu) / elapsed:.2f} of a core", flush=True)
        return memory, open_files


if __name__ == "__main__":
    unittest.main()
