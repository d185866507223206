"""A Site with hundreds of cameras from camera_load, and what is counted of it."""

import collections
import concurrent.futures
import json
import os
import subprocess
import urllib.parse

from harness import STREET, US, Process, Site, program, sei, time_text, time_us, wait_for

CLIENTS = 8  # Requests at once, for what is done to each camera.
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def encode(path, megabits):
    """Ten seconds of the street at a bit rate: a sync sample every two seconds, no B pictures."""
    rate = f"{int(megabits * 1000)}k"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-nostdin", "-stream_loop", "-1", "-i", STREET, "-t", "10", "-an", "-c:v", "libx264",
         "-preset", "ultrafast", "-b:v", rate, "-maxrate", rate, "-bufsize", rate, "-g", "50", "-keyint_min", "50",
         "-sc_threshold", "0", "-bf", "0", path], check=True, timeout=120)


class LoadSite(Site):
    """Many cameras and the recorder; `figures` of both by pid."""

    def __init__(self):
        super().__init__()
        self.names = []

    def start_load(self, count, megabits, *options):
        clip = self.path("load.mp4")
        encode(clip, megabits)
        self.cameras = Process(
            "camera_load", [program("camera_load"), "--count", str(count), "--footage", clip, "--log", self.frame_log,
                            *options], self.directory)
        self.cameras.await_line(rf"(?m)^rtsp://\S+/cam{count}$")
        for line in self.cameras.output().splitlines():
            if line.startswith("rtsp://"):
                self.urls[line.rsplit("/", 1)[1]] = line
        self.names = list(self.urls)

    def each(self, work, names=None):
        """What `work(name)` gives for each camera, several at a time."""
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            return dict(zip(names or self.names, pool.map(work, names or self.names)))

    def post_cameras(self):
        def add(name):
            status, _, body = self.http("/api/v1/cameras", method="POST", headers={"Content-Type": "application/json"},
                                        body=json.dumps({"id": name, "url": self.urls[name]}).encode())
            assert status == 201, (name, status, body)
        self.each(add)

    def metrics(self, name):
        """Sample values of one metric, by camera (or of the metric alone, by the empty name)."""
        values = {}
        for line in self.http("/metrics")[2].decode().splitlines():
            if line.startswith(name) and line[len(name)] in " {":
                labels, value = line[len(name):].rsplit(" ", 1)
                values[labels.partition('camera="')[2].partition('"')[0]] = float(value)
        return values

    def await_all_recording(self, limit_s):
        wait_for("footage of every camera",
                 lambda: sum(self.metrics("lookback_camera_recording").values()) == len(self.names), limit_s)

    def recorded_frames(self, name):
        """(frame numbers in the order of storage, capture time of the last)."""
        frames, last_us = [], 0
        for path in self.segment_files(name):
            for mark in sei(path, "--packets"):
                assert mark["camera"] == name, (path, mark)
                frames.append(mark["frame"])
                last_us = mark["capture_us"]
        return frames, last_us

    def sent_frames(self):
        """camera -> (frame number -> capture time) by the simulator's log."""
        sent = collections.defaultdict(dict)
        with open(self.frame_log, encoding="utf-8") as file:
            for line in file:
                if '"frame"' in line and line.endswith("}\n"):
                    entry = json.loads(line)
                    sent[entry["camera"]][entry["frame"]] = entry["capture_us"]
        return sent

    def take_clip(self, name, seconds):
        """Reads the latest seconds of a camera over HTTP; their bytes."""
        end_us = self.recorded_until_us(name)
        query = urllib.parse.urlencode({"start": time_text(end_us - seconds * US), "end": time_text(end_us)})
        status, _, body = self.http(f"/api/v1/cameras/{name}/clip.mp4?{query}")
        assert status == 200, (name, status, body[:500])
        return len(body)

    def gaps(self, name, start_us, end_us):
        query = urllib.parse.urlencode({"start": time_text(start_us), "end": time_text(end_us)})
        status, _, body = self.http(f"/api/v1/cameras/{name}/timeline?{query}")
        assert status == 200, (name, status, body)
        return [(gap["cause"], (time_us(gap["end"]) - time_us(gap["start"])) / US, gap.get("detail", ""))
                for gap in json.loads(body)["gaps"]]


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))
