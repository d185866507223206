"""A long clip: right in length, sliceable anywhere, gone on with where it was cut, and no burden on the recorder's memory.

LOOKBACK_HOURS says how long (1; 8 and 720, thirty days, in the long form). They are not recorded but made, with make_store,
since nobody waits for a test that long; of more than a day with pictures of a few hundred bytes.
"""

import hashlib

import os
import random
import subprocess
import time
import unittest
import urllib.request

from harness import STREET, US, Site, duration_s, program, time_text, time_us

SEED = int(os.environ.get("LOOKBACK_SEED", random.randrange(1 << 30)))
START = "2026-05-04T22:00:00Z"
HOURS = int(os.environ.get("LOOKBACK_HOURS", "1"))
LONG_S = HOURS * 3600
FRAME_S = 1 / 25
# For more than a day: small pictures, two a second.
LIGHT = ("-f lavfi -i testsrc=size=64x48:rate=2:duration=60 -c:v libx264 -preset veryfast -g 4 -bf 0 -pix_fmt yuv420p "
         "-bsf:v dump_extra")
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
        footage = STREET
        if HOURS > 24:
            footage = cls.site.path("light.mp4")
            subprocess.run(["ffmpeg", "-v", "error", *LIGHT.split(), footage], check=True, timeout=120)
        began = time.monotonic()
        subprocess.run([program("make_store"), "--data", cls.site.data, "--footage", footage,
                        "--start", START, "--seconds", str(LONG_S)], check=True, timeout=900,
                       stderr=subprocess.DEVNULL)
        print(f"{HOURS} h of footage made in {time.monotonic() - began:.1f} s")
        cls.site.start_recorder()
        cls.start = time_us(START)
        cls.query = (f"/api/v1/cameras/cam1/clip.mp4?start={START}"
                     f"&end={time_text(cls.start + LONG_S * US)}")

    def request(self, headers=None):
        with open(self.site.token_file, encoding="ascii") as file:
            token = file.read().strip()
        request = urllib.request.Request(
            self.site.server + self.query,
            headers={"Authorization": f"Bearer {token}", **(headers or {})})
        return urllib.request.urlopen(request, timeout=120)

    def take(self, path):
        """Downloads it; seconds to the first byte, seconds in all."""
        began = time.monotonic()
        with self.request() as answer, open(path, "wb") as file:
            block = answer.read(1)
            first = time.monotonic() - began
            while block:
                file.write(block)
                block = answer.read(READ_BYTES)
        return first, time.monotonic() - began

    def test_over_http_it_is_whole_and_memory_stays_flat(self):
        path = self.site.path("long.mp4")
        for name in ("cold", "warm"):
            before_kib = self.site.recorder.rss_kib()
            first_s, all_s = self.take(path)
            growth_kib = self.site.recorder.rss_kib() - before_kib
            size = os.path.getsize(path)
            print(f"{name}: first byte after {first_s * 1000:.1f} ms, {size / 1e6:.0f} MB in "
                  f"{all_s:.1f} s, VmRSS {before_kib} KiB {growth_kib:+d} KiB")
        self.assertLess(growth_kib, GROWTH_KIB)
        self.assertAlmostEqual(duration_s(path), LONG_S, delta=FRAME_S)

        random.seed(SEED)
        self.expect_goes_on_where_it_was_cut(path, size)
        with open(path, "rb") as file:
            for _ in range(SLICES):
                first = random.randrange(size - SLICE_BYTES)
                last = first + random.randrange(SLICE_BYTES)
                with self.request({"Range": f"bytes={first}-{last}"}) as answer:
                    self.assertEqual(answer.status, 206)
                    file.seek(first)
                    self.assertEqual(answer.read(), file.read(last - first + 1))

    def expect_goes_on_where_it_was_cut(self, path, size):
        cut = random.randrange(1, size)
        with self.request() as answer:
            etag = answer.headers["ETag"]
            left, whole = cut, hashlib.sha256()
            while left > 0:
                block = answer.read(min(left, READ_BYTES))
                whole.update(block)
                left -= len(block)
        with self.request({"Range": f"bytes={cut}-", "If-Range": etag}) as answer:
            self.assertEqual(answer.headers["Content-Range"], f"bytes {cut}-{size - 1}/{size}")
            while block := answer.read(READ_BYTES):
                whole.update(block)
        with open(path, "rb") as file:
            self.assertEqual(whole.digest(), hashlib.file_digest(file, "sha256").digest())

    def test_by_the_command_line_it_is_the_same(self):
        path, report = self.site.clip("cam1", self.start, self.start + LONG_S * US)
        self.assertEqual(report["missing_us"], 0)
        self.assertEqual(report["bytes"], os.path.getsize(path))
        self.assertAlmostEqual(duration_s(path), LONG_S, delta=FRAME_S)


if __name__ == "__main__":
    unittest.main()
