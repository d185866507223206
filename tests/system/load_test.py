"""Many cameras at once, alone, beside readers of clips, and beside players and exports: of what the simulator sent, nothing
is dropped, and no player waits.

LOOKBACK_CAMERAS, LOOKBACK_MBITS, LOOKBACK_SECONDS, LOOKBACK_READERS, LOOKBACK_PLAYERS and LOOKBACK_EXPORTS name the size,
LOOKBACK_READER_MBITS what a reader takes at most (0: all it can get); see the targets soak_load and soak_players.
"""

import os
import random
import threading
import time
import unittest

from harness import US
from load import LoadSite, cpu_seconds
from players import Exporter, Player

CAMERAS = int(os.environ.get("LOOKBACK_CAMERAS", 24))
MBITS = float(os.environ.get("LOOKBACK_MBITS", 4))
SECONDS = int(os.environ.get("LOOKBACK_SECONDS", 8))  # Of each of the three parts.
READERS = int(os.environ.get("LOOKBACK_READERS", 4))
READER_MBITS = float(os.environ.get("LOOKBACK_READER_MBITS", 0))
PLAYERS = int(os.environ.get("LOOKBACK_PLAYERS", 4))
EXPORTS = int(os.environ.get("LOOKBACK_EXPORTS", 1))
EXPORTED_CAMERAS = 10
SEED = int(os.environ.get("LOOKBACK_SEED", random.randrange(1 << 30)))
CLIP_S = 5
READER_NICENESS = 19
START_S = 60  # For all cameras to be recorded.
# What a stop may leave out at the end: what was in the sockets, and the tick of the recorder that reads them.
TAIL_US = 2 * US


class Readers:
    """Clients that take one clip after another until they are stopped."""

    def __init__(self, site, count):
        self.site = site
        self.stopping = threading.Event()
        self.bytes = [0] * count
        self.clips = [0] * count
        self.errors = []
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        choice = random.Random(SEED + number)
        # They stand for other machines, and must not take the processors of this one from the recorder.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), READER_NICENESS)
        try:
            began = time.monotonic()
            while not self.stopping.is_set():
                self.bytes[number] += self.site.take_clip(choice.choice(self.site.names), CLIP_S)
                self.clips[number] += 1
                if READER_MBITS:
                    self.stopping.wait(began + self.bytes[number] * 8 / 1e6 / READER_MBITS - time.monotonic())
        except (AssertionError, OSError) as error:
            self.errors.append(error)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


class Load(unittest.TestCase):
    def part(self, site, what):
        """Records for a while, and prints what it took."""
        before = [cpu_seconds(process.pid) for process in (site.recorder, site.cameras)]
        received = sum(site.metrics("lookback_camera_received_bytes_total").values())
        began = time.monotonic()
        time.sleep(SECONDS)  # It is time itself that is tried.
        elapsed = time.monotonic() - began
        gigabytes = (sum(site.metrics("lookback_camera_received_bytes_total").values()) - received) / 1e9
        used = [cpu_seconds(process.pid) - cpu
                for process, cpu in zip((site.recorder, site.cameras), before)]
        print(f"{what}: {gigabytes * 8000 / elapsed:.0f} Mbit/s; recorder {used[0] / elapsed:.2f} of a core, "
              f"{used[0] / gigabytes:.2f} CPU s/GB; simulator {used[1] / elapsed:.2f}; "
              f"{site.recorder.rss_kib() / 1024:.0f} MiB; load average {os.getloadavg()[0]:.1f}")
        dropped = sum(site.metrics("lookback_camera_dropped_fragments_total").values())
        self.assertEqual(dropped, 0, f"{what}: {dropped:.0f} fragments found no room on their way to the disk")

    def test_no_picture_is_dropped_whoever_reads(self):
        print(f"LOOKBACK_SEED={SEED}, {CAMERAS} cameras of {MBITS} Mbit/s")
        with LoadSite() as site:
            site.start_load(CAMERAS, MBITS)
            site.start_recorder()
            began = time.monotonic()
            site.post_cameras()
            site.await_all_recording(START_S)
            print(f"all recorded after {time.monotonic() - began:.1f} s")
            site.await_recorded(site.names[-1], site.recorded_until_us(site.names[-1]) + CLIP_S * US)
            site.began_us = site.recorded_until_us(site.names[-1]) - CLIP_S * US
            self.part(site, "alone")
            if READERS:
                self.read_clips(site)
            if PLAYERS or EXPORTS:
                self.watch_and_export(site)
            self.assertEqual(sum(site.metrics("lookback_camera_reconnects_total").values()), 0)
            site.stop_recorder()
            self.assertEqual(site.cameras.stop(), 0)
            print("simulator:", site.cameras.errors().strip())
            self.judge(site)

    def read_clips(self, site):
        readers = Readers(site, READERS)
        try:
            self.part(site, f"{READERS} readers")
        finally:
            readers.stop()
        self.assertEqual(readers.errors, [])
        self.assertGreater(min(readers.clips), 0)
        print(f"readers took {sum(readers.clips)} clips, {sum(readers.bytes) / 1e9:.2f} GB")

    def watch_and_export(self, site):
        players = [Player(site, SEED + number, live=number % 2 == 0) for number in range(PLAYERS)]
        exporters = [Exporter(site, SEED - 1 - number, EXPORTED_CAMERAS) for number in range(EXPORTS)]
        try:
            self.part(site, f"{PLAYERS} players and {EXPORTS} exports")
        finally:
            for worker in players + exporters:
                worker.stop()
        self.assertEqual([worker.error for worker in players + exporters if worker.error], [])
        stalls = [stall for player in players for stall in player.stalls]
        print(f"players showed {sum(player.shown_s for player in players):.0f} s and stalled {len(stalls)} times"
              f"{f' ({max(stalls):.2f} s at most)' if stalls else ''}; {sum(one.exports for one in exporters)} exports of "
              f"{sum(one.bytes for one in exporters) / 1e9:.2f} GB, each with a good manifest")
        self.assertGreater(min((player.shown_s for player in players), default=1), 0)
        self.assertGreater(min((one.exports for one in exporters), default=1), 0)
        self.assertEqual(stalls, [])

    def judge(self, site):
        sent = site.sent_frames()
        counted, tails = 0, {}

        def look(name):
            frames, last_us = site.recorded_frames(name)
            asked = sorted(frame for frame in sent[name] if frame >= frames[0] and sent[name][frame] <= last_us)
            ended_us = max(sent[name].values())
            return frames == asked, len(frames), ended_us - last_us

        for name, (whole, frames, tail_us) in site.each(look).items():
            self.assertTrue(whole, f"{name}: its frames are not those that were sent, each once and in order")
            counted += frames
            tails[name] = tail_us
        print(f"{counted} pictures of {len(site.names)} cameras stand as they were sent; at most "
              f"{max(tails.values()) / US:.2f} s before the end of sending")
        self.assertEqual({name: tail for name, tail in tails.items() if tail >= TAIL_US}, {})
        self.assertEqual(site.fsck()["findings"], [])


if __name__ == "__main__":
    unittest.main()
