#!/usr/bin/env python3
"""The daemon on the wire: TLS by a CA of this test's own, both versions of HTTP by curl, and clients that
are slow, greedy or hostile, by raw bytes.

LOOKBACK_IDLE says how many idle connections (3,000; 10,000 in the long form).
"""

import contextlib
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import time
import unittest

from harness import Process, Site, program, wait_for

IDLE = int(os.environ.get("LOOKBACK_IDLE", "3000"))
MAX_GROWTH_KIB = 256 << 10

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
END_STREAM, END_HEADERS = 1, 4
ENHANCE_YOUR_CALM = 0xb
# :method GET, :scheme http, :path /healthz, :authority h (HPACK: two indexed, two literal fields).
HEALTHZ = b"\x82\x86\x04\x08/healthz\x01\x01h"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


class RawHttp2:
    """A client of HTTP/2 that sends what it likes."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.seen = b""
        self.send(PREFACE + frame(SETTINGS, 0, 0))

    def send(self, data):
        with contextlib.suppress(OSError):
            self.socket.sendall(data)

    def frames(self):
        """What comes, (kind, flags, stream, payload), until the server ends it."""
        while True:
            while len(self.seen) >= 9:
                length = int.from_bytes(self.seen[:3], "big")
                if len(self.seen) < 9 + length:
                    break
                kind, flags = self.seen[3], self.seen[4]
                stream = int.from_bytes(self.seen[5:9], "big")
                payload, self.seen = self.seen[9:9 + length], self.seen[9 + length:]
                yield kind, flags, stream, payload
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                return
            if not more:
                return
            self.seen += more

    def goaway(self):
        """The code of the GOAWAY with which the server ends it; None without one."""
        code = None
        for kind, _, _, payload in self.frames():
            if kind == GOAWAY:
                code = int.from_bytes(payload[4:8], "big")
        return code


class Authority:
    """A CA, and certificates of it for 127.0.0.1."""

    def __init__(self, directory):
        self.directory = directory
        self.path = os.path.join(directory, "ca.crt")
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc",
                 "-days", "2", "-subj", "/CN=test CA", "-keyout", "ca.key", "-out", "ca.crt")

    def run(self, *arguments):
        return subprocess.run(["openssl", *arguments], cwd=self.directory, check=True,
                              capture_output=True, timeout=60).stdout

    def issue(self, name, serial):
        with open(os.path.join(self.directory, "san"), "w", encoding="ascii") as file:
            file.write("subjectAltName=IP:127.0.0.1\n")
        self.run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-subj",
                 f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        self.run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-days", "2",
                 "-set_serial", str(serial), "-extfile", "san", "-out", f"{name}.crt")
        return [os.path.join(self.directory, f"{name}.{kind}") for kind in ("crt", "key")]


def curl(*arguments):
    done = subprocess.run(["curl", "-sS", "--noproxy", "*", "--max-time", "60", *arguments],
                          capture_output=True, text=True, timeout=90)
    return done.stdout + done.stderr


def port_of(site):
    return int(site.server.rsplit(":", 1)[1])


def served_serial(port):
    """Of the certificate that a new connection is shown."""
    shown = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}"], input=b"",
                           capture_output=True, timeout=30).stdout
    text = subprocess.run(["openssl", "x509", "-noout", "-serial"], input=shown, capture_output=True,
                          timeout=30).stdout.decode()
    return int(text.strip().split("=")[1], 16) if "=" in text else None


class Tls(unittest.TestCase):
    def test_both_versions_and_a_certificate_that_is_renewed(self):
        with Site() as site:
            authority = Authority(site.directory)
            old, new = authority.issue("old", 17), authority.issue("new", 18)
            live = [site.path("live.crt"), site.path("live.key")]
            for source, target in zip(old, live):
                shutil.copy(source, target)
            site.start_recorder("--tls-certificate", live[0], "--tls-key", live[1])
            self.assertTrue(site.server.startswith("https://"), site.server)
            ask = ["--cacert", authority.path, "-o", "/dev/null", "-w", "%{http_code} %{http_version}"]
            url = site.server + "/healthz"
            self.assertEqual(curl(*ask, "--http2", url), "200 2")
            self.assertEqual(curl(*ask, "--http1.1", url), "200 1.1")
            for version in ("--http2", "--http1.1"):
                head = curl("--cacert", authority.path, "-I", version, url).lower()
                for guard in ("strict-transport-security: max-age=", "x-content-type-options: nosniff",
                              "x-frame-options: deny", "referrer-policy: no-referrer", "date: "):
                    self.assertIn(guard, head)
                self.assertNotIn("access-control", head)
            preflight = curl("--cacert", authority.path, "-i", "-X", "OPTIONS", "-H",
                             "Origin: https://elsewhere.example", site.server + "/api/v1/cameras")
            self.assertIn("204", preflight.splitlines()[0])
            self.assertNotIn("access-control", preflight.lower())

            # A connection that stands keeps its certificate; new ones get the new one.
            port = port_of(site)
            self.assertEqual(served_serial(port), 17)
            for source, target in zip(new, live):
                shutil.copy(source, target)
            wait_for("the new certificate", lambda: served_serial(port) == 18, 60)
            # One that is torn is told of, and changes nothing.
            with open(live[0], "w", encoding="ascii") as file:
                file.write("-----BEGIN CERTIFICATE-----\nAAAA\n")
            wait_for("a word about the bad one",
                     lambda: "the old one stays" in site.recorder.errors(), 60)
            self.assertIn(live[0], site.recorder.errors())
            self.assertEqual(served_serial(port), 18)
            self.assertEqual(curl(*ask, "--http2", url), "200 2")

    def test_a_start_that_cannot_have_its_certificate_says_why(self):
        with Site() as site:
            authority = Authority(site.directory)
            certificate, key = authority.issue("a", 1)
            other = authority.issue("b", 2)[1]
            for pair, said in (((certificate, other), "is not the key of the certificate"),
                               ((site.path("none"), key), site.path("none"))):
                done = subprocess.run(
                    [program("lookback"), "serve", "--data", site.data, "--listen", "127.0.0.1:0",
                     "--tls-certificate", pair[0], "--tls-key", pair[1]],
                    capture_output=True, text=True, timeout=60)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(said, done.stderr)
            self.assertFalse(os.path.exists(site.data))

    def test_plain_on_all_interfaces_is_warned_of(self):
        with Site() as site:
            site.recorder = Process(
                "lookback", [program("lookback"), "serve", "--data", site.data, "--listen", "0.0.0.0:0",
                             "--token-file", site.token_file], site.directory)
            site.recorder.await_line(r"listening on http://")
            self.assertIn("without TLS", site.recorder.errors())


class Abuse(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        cls.idle = min(IDLE, hard - 200)
        cls.site = Site()
        cls.site.__enter__()
        cls.addClassCleanup(cls.site.__exit__, None, None, None)
        cls.site.start_recorder()
        cls.port = port_of(cls.site)
        cls.before_kib = cls.site.recorder.rss_kib()

    def answer_s(self):
        """How long another client waits for its answer."""
        begin = time.monotonic()
        self.assertEqual(curl("-o", "/dev/null", "-w", "%{http_code}", self.site.server + "/healthz"), "200")
        return time.monotonic() - begin

    def assert_small(self):
        growth_kib = self.site.recorder.rss_kib() - self.before_kib
        print(f"{self.id().rsplit('.', 1)[1]}: {growth_kib / 1024:.1f} MiB above idle")
        self.assertLess(growth_kib, MAX_GROWTH_KIB)

    def test_rapid_reset_is_sent_away(self):
        client = RawHttp2(self.port)
        self.addCleanup(client.socket.close)
        for i in range(1000):
            stream = 2 * i + 1
            client.send(frame(HEADERS, END_STREAM | END_HEADERS, stream, HEALTHZ) +
                        frame(RST_STREAM, 0, stream, struct.pack(">I", 8)))
        self.assertEqual(client.goaway(), ENHANCE_YOUR_CALM)
        self.answer_s()
        self.assert_small()

    def test_pings_and_settings_are_sent_away(self):
        for kind, payload in ((PING, b"12345678"), (SETTINGS, b"")):
            client = RawHttp2(self.port)
            self.addCleanup(client.socket.close)
            client.send(frame(kind, 0, 0, payload) * 2000)
            self.assertEqual(client.goaway(), ENHANCE_YOUR_CALM)
        self.answer_s()

    def test_a_head_without_end_is_sent_away(self):
        client = RawHttp2(self.port)
        self.addCleanup(client.socket.close)
        client.send(frame(HEADERS, END_STREAM, 1, HEALTHZ))
        # Literal fields of 4 KiB, without end.
        field = b"\x00\x01x" + b"\x7f\x81\x1f" + b"a" * 4096
        for _ in range(500):
            client.send(frame(CONTINUATION, 0, 1, field))
        self.assertIsNotNone(client.goaway())
        self.answer_s()
        self.assert_small()

    def test_no_http2_is_no_crash(self):
        for garbage in (PREFACE + b"\xff" * 4096, PREFACE[:20] + b"x" * 100,
                        PREFACE + frame(DATA, 0, 1, b"x"), PREFACE + frame(HEADERS, 4, 2, HEALTHZ),
                        PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, 5, 1, b"\xff" * 100)):
            with socket.create_connection(("127.0.0.1", self.port), timeout=30) as client:
                client.sendall(garbage)
                client.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionResetError):
                    while client.recv(65536):
                        pass
        self.answer_s()

    def test_huge_bodies_are_bounded_together(self):
        head = b"POST /api/v1/markers HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\n\r\n"
        with contextlib.ExitStack() as stack:
            for _ in range(300):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", self.port), 30))
                with contextlib.suppress(OSError):
                    client.sendall(head + b"x" * ((1 << 20) - 1))
            self.answer_s()
            self.assert_small()

    def test_slow_heads_end_and_hold_up_nobody(self):
        with contextlib.ExitStack() as stack:
            slow = [stack.enter_context(socket.create_connection(("127.0.0.1", self.port), 60))
                    for _ in range(200)]
            for client in slow:
                client.sendall(b"GET / HTTP/1.1\r\nX: ")
            self.assertLess(self.answer_s(), 5)
            begin = time.monotonic()
            for client in slow:
                self.assertTrue(client.recv(4096).startswith(b"HTTP/1.1 408 "))
            self.assertLess(time.monotonic() - begin, 40)

    def test_thousands_of_idle_connections_cost_little(self):
        with contextlib.ExitStack() as stack:
            for _ in range(self.idle):
                stack.enter_context(socket.create_connection(("127.0.0.1", self.port), 60))
            self.assertLess(self.answer_s(), 5)
            self.assert_small()

    def test_a_stop_tells_streams_to_end(self):
        with Site() as site:
            site.start_recorder()
            client = RawHttp2(port_of(site))
            self.addCleanup(client.socket.close)
            client.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, HEALTHZ))
            next(kind for kind, *_ in client.frames() if kind == DATA)
            site.recorder.signal(signal.SIGTERM)
            self.assertEqual(client.goaway(), 0)


if __name__ == "__main__":
    unittest.main()
