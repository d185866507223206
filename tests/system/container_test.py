#!/usr/bin/env python3
"""Cameras that are not behind RTSP: MPEG-TS and HLS over HTTP, FLV over RTMP, JPEG pictures over HTTP, and
servers that stall, close, send garbage or lead elsewhere. ffmpeg serves, and ffmpeg judges: the pictures of a
clip are, one after the other, those of the file that was served.
"""

import http.server
import os
import socket
import subprocess
import threading
import time
import unittest

import harness
from harness import STREET, Site, US, decode_errors, now_us, wait_for


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def frame_hashes(path):
    """The MD5 of each picture of a file, decoded, in the order of showing."""
    done = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-f",
                           "framehash", "-hash", "md5", "-"], capture_output=True, text=True, timeout=120)
    return [line.rsplit(",", 1)[1].strip() for line in done.stdout.splitlines() if line[0] != "#"]


class FfmpegServer:
    """ffmpeg serving the street over and over to whoever connects, one after the other."""

    def __init__(self, site, url, *options):
        self.url = url
        self.options = options
        self.log = open(site.path("ffmpeg.err"), "ab")
        self.stopping = False
        self.popen = None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopping:
            self.popen = subprocess.Popen(
                ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", STREET, *self.options,
                 "-listen", "1", self.url],
                stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
            self.popen.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping = True
        while self.thread.is_alive():
            self.popen.kill()
            self.thread.join(0.1)
        self.log.close()


class ScriptedServer:
    """An HTTP server on loopback whose answer the test scripts; threads end with it."""

    def __init__(self, answer):
        self.closing = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                try:
                    outer.answer(self)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        self.answer = answer
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def begin(request, content_type):
    request.send_response(200)
    request.send_header("Content-Type", content_type)
    request.end_headers()


def paced(request, data, seconds, closing, limit=None):
    """Sends `data` over `seconds`, over and over; `limit`: so many bytes of it and no more."""
    piece = max(1, len(data) // int(seconds * 20))
    sent = 0
    while not closing.is_set():
        for at in range(0, len(data), piece):
            if closing.wait(0.05) or (limit is not None and sent >= limit):
                return
            request.wfile.write(data[at:at + piece])
            sent += piece


class ContainerTest(unittest.TestCase):
    def expect_pictures_of(self, source, clip):
        """The clip's pictures are the source's, in order, none left out, round and round."""
        served, got = frame_hashes(source), frame_hashes(clip)
        self.assertGreater(len(got), 20)
        at = served.index(got[0])
        expected = [served[(at + i) % len(served)] for i in range(len(got))]
        self.assertEqual(got, expected)

    def record(self, site, url, *options, seconds=6):
        site.start_recorder()
        site.run("camera", "add", "cam", url, *options)
        return site.await_span("cam", seconds, 60)

    def expect_recorded_as_served(self, url, transport, *options):
        with Site() as site:
            with FfmpegServer(site, url, *options):
                start, end = self.record(site, url)
                status = site.status("cam")
                self.assertEqual((status["state"], status["transport"]), ("recording", transport))
                self.assertEqual(status["last_error"], "")
                clip, _ = site.clip("cam", start, end - US)
                self.expect_pictures_of(STREET, clip)
                self.assertEqual(decode_errors(clip), "")
                self.assertEqual(len(site.timeline("cam", start, end)["spans"]), 1)
                # What was just taken is of now, however long opening looked ahead.
                self.assertLess(abs(now_us() - site.recorded_until_us("cam")), 4 * US)
                site.stop_recorder()
                site.fsck()

    def test_mpeg_ts_over_http(self):
        self.expect_recorded_as_served(f"http://127.0.0.1:{free_port()}/cam.ts", "http", "-c",
                                       "copy", "-an", "-f", "mpegts")

    def test_flv_over_rtmp(self):
        self.expect_recorded_as_served(f"rtmp://127.0.0.1:{free_port()}/live/cam", "rtmp", "-c",
                                       "copy", "-an", "-f", "flv")

    def test_sound_stands_beside_its_pictures(self):
        port = free_port()
        url = f"http://127.0.0.1:{port}/cam.ts"
        with Site() as site:
            tone = ("-f", "lavfi", "-i", "sine=f=440:r=48000", "-map", "0:v", "-map", "1:a", "-c:v",
                    "copy", "-c:a", "aac", "-f", "mpegts")
            with FfmpegServer(site, url, *tone):
                start, end = self.record(site, url, "--audio")
                self.assertIn("mp4a.40.2", site.status("cam")["tracks"])
                clip, _ = site.clip("cam", start, end - US)
                times = subprocess.run(
                    ["ffprobe", "-v", "error", "-show_entries", "stream=codec_type,start_time,duration",
                     "-of", "csv=p=0", clip], capture_output=True, text=True, timeout=60).stdout
                rows = {line.split(",")[0]: [float(n) for n in line.split(",")[1:3]]
                        for line in times.split()}
                self.assertLess(abs(rows["video"][0] - rows["audio"][0]), 0.2, rows)
                self.assertLess(abs(rows["video"][1] - rows["audio"][1]), 0.5, rows)

    def test_hls(self):
        with Site() as site:
            folder = site.path("hls")
            os.mkdir(folder)
            with open(site.path("hls.err"), "wb") as log:
                maker = subprocess.Popen(
                    ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", STREET, "-c",
                     "copy", "-an", "-f", "hls", "-hls_time", "1", "-hls_list_size", "5",
                     "-hls_flags", "delete_segments", os.path.join(folder, "cam.m3u8")],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)

            def answer(request):
                name = os.path.basename(request.path)
                try:
                    with open(os.path.join(folder, name), "rb") as file:
                        data = file.read()
                except OSError:
                    return request.send_error(404)
                begin(request, "application/octet-stream")
                request.wfile.write(data)

            try:
                wait_for("a playlist", lambda: os.path.exists(os.path.join(folder, "cam.m3u8")))
                with ScriptedServer(answer) as server:
                    start, end = self.record(site, server.url + "/cam.m3u8", seconds=8)
                    clip, _ = site.clip("cam", start, end - US)
                    self.expect_pictures_of(STREET, clip)
                    self.assertEqual(len(site.timeline("cam", start, end)["spans"]), 1)
            finally:
                maker.kill()
                maker.wait()

    def test_jpeg_pictures_over_http(self):
        with Site() as site:
            source = site.path("jpegs.avi")
            subprocess.run(["ffmpeg", "-v", "error", "-i", STREET, "-t", "4", "-c:v", "mjpeg",
                            source], check=True, timeout=60)
            subprocess.run(["ffmpeg", "-v", "error", "-i", source, "-c", "copy", "-f", "image2",
                            site.path("%03d.jpg")], check=True, timeout=60)
            pictures = []
            for name in sorted(os.listdir(site.directory)):
                if name.endswith(".jpg"):
                    with open(site.path(name), "rb") as file:
                        pictures.append(file.read())

            def answer(request):
                begin(request, "multipart/x-mixed-replace;boundary=part")
                while not server.closing.is_set():
                    for jpeg in pictures:
                        if server.closing.wait(0.04):
                            return
                        request.wfile.write(b"--part\r\nContent-Type: image/jpeg\r\nContent-Length: "
                                            + str(len(jpeg)).encode() + b"\r\n\r\n" + jpeg + b"\r\n")

            with ScriptedServer(answer) as server:
                start, end = self.record(site, server.url + "/video.cgi")
                self.assertIn("mp4v", site.status("cam")["tracks"])
                clip, _ = site.clip("cam", start, end - US)
                self.expect_pictures_of(source, clip)

    def test_sick_servers_cost_a_gap_with_its_cause_and_heal(self):
        with Site() as site:
            source = site.path("street.ts")
            subprocess.run(["ffmpeg", "-v", "error", "-i", STREET, "-c", "copy", "-an", source],
                           check=True, timeout=60)
            with open(source, "rb") as file:
                data = file.read()
            seconds = harness.duration_s(source)
            mood = {"now": "well"}

            def answer(request):
                now = mood["now"]
                if now == "locked":
                    request.send_response(401)
                    request.send_header("WWW-Authenticate", "Basic realm=cam")
                    return request.end_headers()
                if now == "gone":
                    return request.send_error(404)
                if now == "silent":
                    server.closing.wait(60)
                    return None
                begin(request, "video/mp2t")
                if now == "garbage":
                    request.wfile.write(os.urandom(6 << 20))
                elif now == "file":
                    playlist = ("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n"
                                f"file://{source}\n#EXTINF:4,\n{source}\n")
                    request.wfile.write(playlist.encode())
                elif now == "stalls":
                    paced(request, data, seconds, server.closing, limit=len(data) // 4)
                    server.closing.wait(60)
                else:
                    stop = threading.Event()

                    def watch():
                        while mood["now"] == "well" and not server.closing.wait(0.05):
                            pass
                        stop.set()

                    threading.Thread(target=watch, daemon=True).start()
                    paced(request, data, seconds, stop)
                return None

            with ScriptedServer(answer) as server:
                self.record(site, server.url + "/cam.ts", seconds=3)
                for ill, cause, detail in [
                        ("garbage", "camera fault", "no stream that can be read"),
                        ("gone", "camera fault", "404"),
                        ("file", "camera fault", "it leads to file:"),
                        ("locked", "camera fault", "401"),
                        ("stalls", "network", "no data for 10 s"),
                        ("silent", "network", "no data for 10 s")]:
                    with self.subTest(ill):
                        since = now_us()
                        mood["now"] = ill
                        wait_for(f"{ill}: {detail}",
                                 lambda: self.waits_for(site, detail, ill), 60)
                        gaps = site.timeline("cam", since, now_us())["gaps"]
                        mood["now"] = "well"
                        if ill == "locked":  # A minute, since cameras lock accounts.
                            site.run("camera", "set", "cam", "--disable")
                            site.run("camera", "set", "cam", "--enable")
                        back = now_us()
                        site.await_recorded("cam", back + 2 * US, 90)
                        gaps += site.timeline("cam", since, now_us())["gaps"]
                        self.assertTrue(any(gap["cause"] == cause and detail in gap["detail"]
                                            for gap in gaps), (ill, gaps))
                site.stop_recorder()
                site.fsck()

    def waits_for(self, site, detail, ill):
        status = site.status("cam")
        told = status["last_error"] and detail in status["last_error"]
        return told and (status["state"] == "waiting" or ill == "silent")

    def test_a_url_never_leads_to_a_file_and_more_threads_than_allowed_are_refused(self):
        with Site() as site:
            site.start_recorder("--max-container-cameras", "1")
            for url in ["file:///etc/hostname", "concat:/etc/hostname", "data:,x", "/etc/hostname"]:
                code, _, error = site.run("camera", "add", "cam", url, ok=(1, 2))
                self.assertIn("rtsp://", error)
            site.run("camera", "add", "one", "http://127.0.0.1:9/a.ts")
            _, _, error = site.run("camera", "add", "two", "http://127.0.0.1:9/b.ts",
                                   ok=tuple(range(1, 20)))
            self.assertIn("--max-container-cameras", error)
            names = [camera["id"] for camera in site.cli("camera", "list")["cameras"]]
            self.assertEqual(names, ["one"])


if __name__ == "__main__":
    unittest.main()
