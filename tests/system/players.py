"""Players and exports beside recording: who watches in real time must never wait, who exports must end with a good
manifest."""

import os
import random
import re
import shutil
import subprocess
import threading
import time

from harness import US, program, time_text

NICENESS = 19  # They stand for other machines, and must not take the processors of this one from the recorder.
AHEAD_S = 30  # Of recorded footage a player fetches so much before it is shown.
STALL_S = 0.25  # What is shorter may be this program's own, which runs last on a busy machine.
BUFFERED_SEGMENTS = 3  # Before a live one begins: RFC 8216 §6.3.3 forbids to begin nearer to the end.


class Worker(threading.Thread):
    """Something that is done over and over until it is stopped; what went wrong, if anything did."""

    def __init__(self, site, seed):
        super().__init__()
        self.site = site
        self.random = random.Random(seed)
        self.stopping = threading.Event()
        self.error = None
        self.start()

    def run(self):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        try:
            while not self.stopping.is_set():
                self.work()
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            self.error = error

    def stop(self):
        self.stopping.set()
        self.join()


class Player(Worker):
    """Plays HLS in real time, as players do: it stalls when all that it has fetched was shown."""

    def __init__(self, site, seed, live):
        self.live = live
        self.stalls = []  # Seconds.
        self.shown_s = 0.0
        super().__init__(site, seed)

    def get(self, path):
        status, _, body = self.site.http(path)
        assert status == 200, (path, status, body[:300])
        return body

    def work(self):
        camera = self.random.choice(self.site.names)
        base = f"/api/v1/cameras/{camera}/"
        if self.live:
            playlist = base + "live.m3u8"
        else:
            end_us = self.site.recorded_until_us(camera)
            start_us = max(self.site.began_us, end_us - 60 * US)
            playlist = base + f"variant.m3u8?start={time_text(start_us)}&end={time_text(end_us)}"
        self.play(base, playlist)

    def play(self, base, playlist):
        fetched, seen, began = 0.0, None, None
        self.get(base + re.search(r'URI="([^"]+)"', self.get(playlist).decode()).group(1))
        while not self.stopping.is_set():
            text = self.get(playlist).decode() if self.live or seen is None else ""
            new = self.new_segments(text, seen)
            if new:
                seen = new[-1][0]
            for _, seconds, url in new:
                self.get(base + url)
                now = time.monotonic()
                if began is not None and now - began > fetched:
                    if now - began - fetched > STALL_S:
                        self.stalls.append(now - began - fetched)
                    began = now - fetched
                fetched += seconds
                if began is None:
                    began = now
                if self.stopping.wait(0 if self.live else max(0, fetched - (now - began) - AHEAD_S)):
                    break
            if not self.live:
                self.stopping.wait(max(0, began + fetched - time.monotonic()))
                break
            self.stopping.wait(0.5)
        self.shown_s += min(fetched, time.monotonic() - began) if began else 0

    def new_segments(self, text, seen):
        """(number, seconds, url) of the playlist's segments behind `seen`; at first the last ones of a live one."""
        number = int((re.search(r"(?m)^#EXT-X-MEDIA-SEQUENCE:(\d+)$", text) or [0, 0])[1])
        segments = [(number + place, float(seconds), url) for place, (seconds, url) in
                    enumerate(re.findall(r"(?m)^#EXTINF:([\d.]+),?.*\n(?:#.*\n)*([^#\n]+)$", text))]
        if seen is None:
            return segments[-BUFFERED_SEGMENTS:] if self.live else segments
        return [segment for segment in segments if segment[0] > seen]


class Exporter(Worker):
    """Exports what there is of several cameras, again and again, and checks each by sha256sum."""

    def __init__(self, site, seed, cameras):
        self.cameras = cameras
        self.exports = self.bytes = 0
        super().__init__(site, seed)

    def work(self):
        names = self.random.sample(self.site.names, min(self.cameras, len(self.site.names)))
        end_us = min(self.site.recorded_until_us(name) for name in names)
        directory = self.site.path(f"export-{self.native_id}")
        choice = [option for name in names for option in ("--camera", name)]
        done = subprocess.run(
            ["nice", "-n", str(NICENESS), program("lookback"), "export", *choice, "--start",
             time_text(self.site.began_us), "--end", time_text(end_us), "-o", directory, "--token-file",
             self.site.token_file],
            timeout=300, capture_output=True, text=True, env={**os.environ, "LOOKBACK_SERVER": self.site.server})
        assert done.returncode == 0, done.stderr
        manifest = subprocess.run(["sha256sum", "--quiet", "-c", "MANIFEST.sha256"], cwd=directory, capture_output=True,
                                  text=True, timeout=300)
        assert manifest.returncode == 0, manifest.stderr
        self.bytes += sum(os.path.getsize(os.path.join(here, file))
                          for here, _, files in os.walk(directory) for file in files)
        self.exports += 1
        shutil.rmtree(directory)
