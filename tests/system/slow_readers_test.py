"""Many readers that take a kilobyte a second: they cost little memory, and no other client anything.

LOOKBACK_SLOW says how many (300; 1,000 in the long form). Half of them read one clip of an hour, the others each another
one of a minute.
"""

import os
import re
import resource
import selectors
import socket
import subprocess
import time
import unittest

from harness import STREET, US, Site, program, time_text, time_us

SLOW = int(os.environ.get("LOOKBACK_SLOW", "300"))
SECONDS = 8  # For which they read.
START = "2026-05-04T22:00:00Z"
HOUR_S = 3600
BYTES_A_SECOND = 1024
RECEIVE_BUFFER_BYTES = 4096
MAX_GROWTH_KIB = 256 << 10
# How much longer than alone another client may wait for a clip beside them: these programs share its processors.
MAX_SLOWER = 3
LEAST_S = 1


class SlowReader:
    """One request for a clip, whose answer is taken a little at a time."""

    def __init__(self, site, token, query):
        self.query = query
        self.body = b""
        self.head = b""
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self.socket.settimeout(60)
        host, port = site.server.split("//")[1].rsplit(":", 1)
        self.socket.connect((host, int(port)))
        self.socket.sendall(f"GET {query} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n\r\n".encode())

    def take(self):
        got = self.socket.recv(BYTES_A_SECOND)
        assert got, f"{self.query}: the answer ended after {len(self.head) + len(self.body)} bytes"
        if b"\r\n\r\n" in self.head:
            self.body += got
        else:
            self.head, end, self.body = (self.head + got).partition(b"\r\n\r\n")
            self.head += end


def socket_kib():
    """What the kernel holds for TCP, of all programs."""
    with open("/proc/net/sockstat", encoding="ascii") as file:
        return int(re.search(r"TCP:.* mem (\d+)", file.read()).group(1)) * resource.getpagesize() // 1024


def clip(first_s, seconds):
    start = time_us(START) + first_s * US
    return f"/api/v1/cameras/cam1/clip.mp4?start={time_text(start)}&end={time_text(start + seconds * US)}"


class SlowReaders(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        cls.site = Site()
        cls.addClassCleanup(cls.site.__exit__, None, None, None)
        subprocess.run([program("make_store"), "--data", cls.site.data, "--footage", STREET, "--start", START,
                        "--seconds", str(HOUR_S)], check=True, timeout=300, stderr=subprocess.DEVNULL)
        cls.site.start_recorder()

    def quick_s(self):
        """How long a client without haste of its own waits for ten minutes of footage."""
        began = time.monotonic()
        status, _, body = self.site.http(clip(60, 600))
        self.assertEqual(status, 200)
        self.assertGreater(len(body), 1 << 20)
        return time.monotonic() - began

    def memory_kib(self):
        """Of the recorder and of what waits in the kernel, (itself, both)."""
        own_kib = self.site.recorder.rss_kib()
        return own_kib, own_kib + socket_kib()

    def test_they_cost_little_and_hold_up_nobody(self):
        self.quick_s()
        alone_s = min(self.quick_s() for _ in range(3))
        before_kib = self.memory_kib()
        with open(self.site.token_file, encoding="ascii") as file:
            token = file.read().strip()
        readers = [SlowReader(self.site, token, clip(0, HOUR_S) if number % 2 else clip(number, 60))
                   for number in range(SLOW)]
        try:
            beside_s, highest_kib = self.read(readers)
        finally:
            for reader in readers:
                reader.socket.close()
        own_kib, all_kib = (high - low for high, low in zip(highest_kib, before_kib))
        print(f"{SLOW} slow readers: {own_kib / 1024:.1f} MiB above idle, {all_kib / 1024:.1f} MiB with what waits in the "
              f"kernel; ten minutes of footage took another client {alone_s:.2f} s before and {beside_s:.2f} s beside them")
        self.assertLess(all_kib, MAX_GROWTH_KIB)
        self.assertLess(beside_s, max(LEAST_S, MAX_SLOWER * alone_s))
        for reader in readers:
            self.assertTrue(reader.head.startswith(b"HTTP/1.1 200 "), (reader.query, reader.head))
        for reader in readers[:: max(1, SLOW // 20)]:
            status, _, part = self.site.http(reader.query, {"Range": f"bytes=0-{len(reader.body) - 1}"})
            self.assertEqual((status, part), (206, reader.body))

    def read(self, readers):
        """Lets each take its kilobyte in each second; (how long others waited, the recorder's highest memory)."""
        with selectors.DefaultSelector() as ready:
            for reader in readers:
                ready.register(reader.socket, selectors.EVENT_READ, reader)
            waits, highest_kib = [], (0, 0)
            for second in range(SECONDS):
                deadline = time.monotonic() + 1
                waiting = set(readers)
                while waiting and (time.monotonic() < deadline or second == 0):
                    for key, _ in ready.select(1):
                        if key.data in waiting:
                            key.data.take()
                            waiting.discard(key.data)
                self.assertLess(len(waiting), len(readers))
                waits.append(self.quick_s())
                highest_kib = max(highest_kib, self.memory_kib(), key=lambda memory: memory[1])
            return sorted(waits)[len(waits) // 2], highest_kib


if __name__ == "__main__":
    unittest.main()
