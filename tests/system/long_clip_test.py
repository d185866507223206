"""A clip of a whole hour: right in length, sliceable anywhere, and no burden on the recorder's memory.

The hour is not recorded but made, with make_store, since nobody waits an hour for a test.
"""

import os
import random
import subprocess
import time
import unittest
import urllib.request

from harness import STREET, US, Site, duration_s, program, time_text, time_us

SEED = int(os.environ.get("LOOKBACK_SEED", random.randrange(1 << 30)))
START = "2026-05-04T22:00:00Z"
HOUR_S = 3600
FRAME_S = 1 / 25
SLICES = 8
SLICE_BYTES = 100_000
READ_BYTES = 1 << 20
# The promise: memory stays flat, whatever the clip's length.
GROWTH_KIB = 8 * 1024


class LongClip(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        print(f"LOOKBACK_SEED={SEED}")
        cls.site = Site()
        cls.addClassCleanup(cls.site.__exit__, None, None, None)
        began = time.monotonic()
        subprocess.run([program("make_store"), "--data", cls.site.data, "--footage", STREET,
                        "--start", START, "--seconds", str(HOUR_S)], check=True, timeout=300,
                       stderr=subprocess.DEVNULL)
        print(f"one hour of footage made in {time.monotonic() - began:.1f} s")
        cls.site.start_recorder()
        cls.start = time_us(START)
        cls.query = (f"/api/v1/cameras/cam1/clip.mp4?start={START}"
                     f"&end={time_text(cls.start + HOUR_S * US)}")

    def request(self, headers=None):
        with open(self.site.token_file, encoding="ascii") as file:
            token = file.read().strip()
        request = urllib.request.Request(
            self.site.server + self.query,
            headers={"Authorization": f"Bearer {token}", **(headers or {})})
        return urllib.request.urlopen(request, timeout=120)

    def take_hour(self, path):
        """Downloads the hour; seconds to the first byte, seconds in all."""
        began = time.monotonic()
        with self.request() as answer, open(path, "wb") as file:
            block = answer.read(1)
            first = time.monotonic() - began
            while block:
                file.write(block)
                block = answer.read(READ_BYTES)
        return first, time.monotonic() - began

    def test_over_http_it_is_whole_and_memory_stays_flat(self):
        path = self.site.path("hour.mp4")
        for name in ("cold", "warm"):
            before_kib = self.site.recorder.rss_kib()
            first_s, all_s = self.take_hour(path)
            growth_kib = self.site.recorder.rss_kib() - before_kib
            size = os.path.getsize(path)
            print(f"{name}: first byte after {first_s * 1000:.1f} ms, {size / 1e6:.0f} MB in "
                  f"{all_s:.1f} s, VmRSS {before_kib} KiB {growth_kib:+d} KiB")
        self.assertLess(growth_kib, GROWTH_KIB)
        self.assertAlmostEqual(duration_s(path), HOUR_S, delta=FRAME_S)

        random.seed(SEED)
        with open(path, "rb") as file:
            for _ in range(SLICES):
                first = random.randrange(size - SLICE_BYTES)
                last = first + random.randrange(SLICE_BYTES)
                with self.request({"Range": f"bytes={first}-{last}"}) as answer:
                    self.assertEqual(answer.status, 206)
                    file.seek(first)
                    self.assertEqual(answer.read(), file.read(last - first + 1))

    def test_by_the_command_line_it_is_the_same(self):
        path, report = self.site.clip("cam1", self.start, self.start + HOUR_S * US)
        self.assertEqual(report["missing_us"], 0)
        self.assertEqual(report["bytes"], os.path.getsize(path))
        self.assertAlmostEqual(duration_s(path), HOUR_S, delta=FRAME_S)


if __name__ == "__main__":
    unittest.main()
