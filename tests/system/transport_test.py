#!/usr/bin/env python3
"""Each way that RTP can come: over TCP, UDP and TLS, after a redirect, and over a network that loses,
delays and reorders. What the archive says of it is held against the simulator's log, the network's own
count, and ffmpeg.
"""

import collections
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest

import harness
from harness import Site, US, decode_errors, sei, wait_for

LOSSY_LINK = os.path.join(harness.ROOT, "tests", "support", "lossy_link.py")
SEED = int(os.environ.get("LOOKBACK_SEED", "1"))

# LKFR, from docs/format.md.
LKFR = bytes.fromhex("4c4b46526c6f4f6b8261636b2d736567")
STARTS_INSIDE, DAMAGED = 1, 4

Fragment = collections.namedtuple("Fragment", "flags lost bytes")


def fragments_of(path):
    """(init section, fragments) of a segment file, by its boxes alone."""
    with open(path, "rb") as file:
        data = file.read()
    init, fragments, at, begin = b"", [], 0, None
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at:at + 4], "big"), data[at + 4:at + 8]
        if kind in (b"ftyp", b"moov"):
            init += data[at:at + size]
        elif kind == b"prft":
            begin = at
        elif kind == b"uuid" and data[at + 8:at + 24] == LKFR:
            number = lambda offset: int.from_bytes(data[at + offset:at + offset + 4], "big")
            length = number(68)
            fragments.append(Fragment(number(48), number(72), data[begin:begin + length]))
        at += size
    return init, fragments


def gops_of(path):
    """(init section, [fragments from one sync sample to the next])."""
    init, fragments = fragments_of(path)
    gops = []
    for fragment in fragments:
        if not fragment.flags & STARTS_INSIDE:
            gops.append([])
        gops[-1].append(fragment)
    return init, gops


class LossyLink:
    """The program of tests/support between the recorder and the site's camera."""

    def __init__(self, camera_url, *options):
        self.camera = re.match(r"rtsp://([^/]+)/(.*)", camera_url)
        self.popen = subprocess.Popen(
            [sys.executable, LOSSY_LINK, "--camera", self.camera.group(1), *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.popen.stdout.readline().split()[2] + self.camera.group(2)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.popen.stdin.close()
        self.popen.wait(10)
        self.popen.stdout.close()

    def say(self, command):
        self.popen.stdin.write(command + "\n")
        self.popen.stdin.flush()
        return json.loads(self.popen.stdout.readline())


class TransportTest(unittest.TestCase):
    def record(self, site, seconds, how):
        """Records cam1 for so long, and expects each frame that was sent, once, without an error."""
        start, end = site.await_span("cam1", seconds)
        status = site.status("cam1")
        self.assertEqual(status["transport"], how)
        self.assertEqual(status["lost_packets"], 0)
        path, _ = site.clip("cam1", start, end)
        self.assertEqual(decode_errors(path), "")
        shown = [entry["frame"] for entry in sei(path)]
        self.assertGreater(len(shown), seconds * 20)
        self.assertEqual(shown, list(range(shown[0], shown[0] + len(shown))))

    def test_udp(self):
        with Site() as site:
            site.start_cameras()
            site.start_recorder()
            site.add_cameras("--transport", "udp")
            self.record(site, 4, "udp")

    def test_auto_finds_udp_where_tcp_is_refused(self):
        with Site() as site:
            site.start_cameras("--transport", "udp")
            site.start_recorder()
            site.add_cameras()
            self.record(site, 3, "udp")

    def test_udp_ports_stay_within_their_range(self):
        with Site() as site:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
                free.bind(("127.0.0.1", 0))
                first = free.getsockname()[1] & ~1
            site.start_cameras()
            site.start_recorder("--udp-ports", f"{first}-{first + 9}")
            site.add_cameras("--transport", "udp")
            self.record(site, 2, "udp")
            with open("/proc/net/udp", encoding="ascii") as file:
                ports = {int(line.split()[1].split(":")[1], 16) for line in file.readlines()[1:]}
            self.assertTrue(any(port in ports and port + 1 in ports
                                for port in range(first, first + 9, 2)), ports)

    def test_a_redirect(self):
        with Site() as site:
            site.start_cameras("--redirect")
            site.start_recorder()
            site.urls["cam1"] = site.urls["cam1"].replace("/cam1", "/moved/cam1")
            site.add_cameras()
            self.record(site, 2, "tcp")

    def test_tls_shows_what_to_pin_and_records_when_it_is_pinned(self):
        with Site() as site:
            site.start_cameras("--tls")
            site.start_recorder()
            site.add_cameras()
            error = wait_for("the refusal", lambda: site.status("cam1")["last_error"])
            pin = re.search(r"pin:[0-9A-F:]{95}", error).group(0)
            # What OpenSSL sees there, by another road than ours.
            host, port = re.match(r"rtsps://(.+):(\d+)/", site.urls["cam1"]).groups()
            seen = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((host, int(port))))
            with tempfile.NamedTemporaryFile() as der:
                der.write(seen)
                der.flush()
                done = subprocess.run(["openssl", "x509", "-inform", "der", "-in", der.name, "-noout",
                                       "-fingerprint", "-sha256"], capture_output=True, text=True,
                                      check=True)
            self.assertEqual(pin, "pin:" + done.stdout.strip().split("=")[1])
            site.run("camera", "set", "cam1", "--tls", pin)
            self.record(site, 3, "tls")

    def test_loss_jitter_and_reordering(self):
        print(f"LOOKBACK_SEED={SEED}")
        with Site() as site:
            site.start_cameras()
            site.start_recorder()
            with LossyLink(site.urls["cam1"], "--seed", str(SEED)) as link:
                site.run("camera", "add", "cam1", link.url, "--transport", "udp")
                site.await_span("cam1", 3)
                # Loss comes and goes, so that there are GOPs with and without; packets overtake each
                # other all the time.
                for _ in range(3):
                    link.say("loss on")
                    self.record_more(site, 4)
                    link.say("loss off")
                    self.record_more(site, 4)
                counts = link.say("counts")
                dropped = counts["dropped"]
                self.assertGreater(dropped, 20)
                self.assertGreater(counts["overtaken"], 200)
                status = wait_for("the loss in the status",
                                  lambda: (found := site.status("cam1"))["lost_packets"] == dropped
                                  and found)
                self.assertEqual((status["late_packets"], status["reconnects"]), (0, 0))
                site.stop_recorder()
                self.assertEqual(link.say("counts")["dropped"], dropped)
            damaged, whole = self.check_segments(site, dropped)
            print(f"{counts}; GOPs: {damaged} damaged, {whole} whole")
            self.check_ledger(site, dropped)

    def record_more(self, site, seconds):
        site.await_recorded("cam1", site.recorded_until_us("cam1") + seconds * US)

    def check_segments(self, site, dropped):
        """The fragments' own account, and whether what they call whole is whole."""
        lost = damaged = whole = 0
        for path in site.segment_files("cam1"):
            init, gops = gops_of(path)
            for gop in gops:
                lost += sum(fragment.lost for fragment in gop)
                for fragment in gop:
                    if fragment.lost:
                        self.assertTrue(fragment.flags & DAMAGED)
                if any(fragment.flags & DAMAGED for fragment in gop):
                    damaged += 1
                    continue
                whole += 1
                with open(site.path("gop.mp4"), "wb") as file:
                    file.write(init + b"".join(fragment.bytes for fragment in gop))
                self.assertEqual(decode_errors(site.path("gop.mp4")), "")
                frames = [entry["frame"] for entry in sei(site.path("gop.mp4"))]
                self.assertEqual(frames, list(range(frames[0], frames[0] + len(frames))))
        self.assertEqual(lost, dropped)
        self.assertGreater(damaged, 2)
        self.assertGreater(whole, 2)
        return damaged, whole

    def check_ledger(self, site, dropped):
        """SEAL counts the same, and fsck finds files, ledger and catalog agreed."""
        site.fsck()
        site.start_recorder()
        timeline = site.timeline("cam1", harness.now_us() - 600 * US, harness.now_us())
        self.assertEqual(sum(span["lost_packets"] for span in timeline["spans"]), dropped)


if __name__ == "__main__":
    unittest.main()
