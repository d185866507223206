"""A small RTSP client over interleaved TCP: what the simulator's tests look at its wire with.

It shares nothing with the product or with GStreamer: sockets and struct only.
"""

import base64
import hashlib
import re
import socket
import struct
import time

NTP_TO_UNIX_SECONDS = 2_208_988_800
MARK_UUID = b"lookback-sim-sei"


class Refused(Exception):
    """The server answered with a status that is not 200."""


class RtspProbe:
    """Plays one stream. `rtp` and `reports` come out of read()."""

    def __init__(self, url, user=None, password=None):
        self.url, self.user, self.password = url, user, password
        host, port = re.match(r"rtsp://([^:/]+):(\d+)/", url).groups()
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        self.file = self.socket.makefile("rb")
        self.cseq = 0
        self.authorization = None

    def close(self):
        self.file.close()
        self.socket.close()

    def _request(self, method, url, headers):
        self.cseq += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self.cseq}"]
        if self.authorization:
            lines.append("Authorization: " + self.authorization(method, url))
        lines += [f"{k}: {v}" for k, v in headers.items()]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        status = int(self.file.readline().split()[1])
        answer = {}
        while line := self.file.readline().strip():
            key, value = line.decode().split(":", 1)
            answer[key.strip().lower()] = value.strip()
        body = self.file.read(int(answer.get("content-length", 0))).decode()
        return status, answer, body

    def request(self, method, url, **headers):
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        status, answer, body = self._request(method, url, headers)
        if status == 401 and self.user and not self.authorization:
            self.authorization = self._answer_to(answer["www-authenticate"])
            status, answer, body = self._request(method, url, headers)
        if status != 200:
            raise Refused(f"{method} {url}: {status} {answer.get('www-authenticate', '')}")
        return answer, body

    def _answer_to(self, challenge):
        if challenge.startswith("Basic"):
            token = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            return lambda method, url: "Basic " + token
        fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        md5 = lambda text: hashlib.md5(text.encode()).hexdigest()

        def digest(method, url):
            ha1 = md5(f"{self.user}:{fields['realm']}:{self.password}")
            response = md5(f"{ha1}:{fields['nonce']}:" + md5(f"{method}:{url}"))
            return (
                f'Digest username="{self.user}", realm="{fields["realm"]}", '
                f'nonce="{fields["nonce"]}", uri="{url}", response="{response}"'
            )

        return digest

    def play(self):
        """DESCRIBE, SETUP of every track (channels 0-1, 2-3, ...), PLAY. Returns (sdp, answer)."""
        _, sdp = self.request("DESCRIBE", self.url, Accept="application/sdp")
        session = {}
        controls = [c for c in re.findall(r"a=control:(\S+)", sdp) if c.startswith("stream=")]
        for i, control in enumerate(controls):
            answer, _ = self.request(
                "SETUP",
                f"{self.url}/{control}",
                Transport=f"RTP/AVP/TCP;unicast;interleaved={2 * i}-{2 * i + 1}",
                **session,
            )
            session = {"Session": answer["session"].split(";")[0]}
        answer, _ = self.request("PLAY", self.url, Range="npt=0-", **session)
        return sdp, answer

    def packets(self, seconds):
        """Yields (channel, bytes, arrival) until `seconds` are over or the server hangs up."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            head = self.file.read(4)
            if len(head) < 4:
                return
            if head[0] != 0x24:
                raise AssertionError(f"not an interleaved frame: {head!r}")
            channel, length = head[1], struct.unpack(">H", head[2:])[0]
            yield channel, self.file.read(length), time.time()


def parse_rtp(packet):
    """Returns (marker, payload type, sequence, timestamp, payload)."""
    first, second, sequence, timestamp, _ = struct.unpack(">BBHII", packet[:12])
    assert first >> 6 == 2 and not first & 0x3F, "RTP with padding, extension or CSRCs"
    return second >> 7, second & 0x7F, sequence, timestamp, packet[12:]


def parse_sender_report(packet):
    """Returns (UTC in µs, RTP timestamp) of a compound packet's sender report, or None."""
    if packet[1] != 200:
        return None
    seconds, fraction, rtp = struct.unpack(">III", packet[8:20])
    return (seconds - NTP_TO_UNIX_SECONDS) * 1_000_000 + fraction * 1_000_000 // 2**32, rtp


def parse_mark(payload):
    """Returns (camera, frame, capture_us) of a single-NAL SEI packet with a mark, or None."""
    at = payload.find(MARK_UUID)
    if payload[0] & 0x1F != 6 or at < 0:
        return None
    raw = payload[at + len(MARK_UUID) :].replace(b"\0\0\3", b"\0\0")
    version, frame, capture_us, length = struct.unpack(">BQqB", raw[:18])
    assert version == 1
    return raw[18 : 18 + length].decode(), frame, capture_us
