"""What system tests stand on: the simulator, the recorder, and independent eyes.

A test makes a Site, which is a temporary directory with a fleet and a recorder in it:

    with Site() as site:
        site.start_cameras(count=2)
        site.start_recorder()
        site.add_cameras()
        site.await_footage("cam1", seconds=10)
        report = site.cli("clip", "cam1", "--start", ..., "--end", ..., "-o", ...)

Everything listens on loopback, on ports that the kernel chose, and is stopped by pid when the block ends.
Nothing sleeps for luck: what is waited for is polled, up to a limit, and a miss is a failure that shows
the logs. LOOKBACK_BUILD names the build to test.
"""

import contextlib
import datetime
import json
import os
import re
import shutil
import signal as signals
import subprocess
import tempfile
import time
import urllib.request

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("LOOKBACK_BUILD", os.path.join(ROOT, "build", "release"))
FOOTAGE = os.path.join(ROOT, "apps", "camera_sim", "footage")
STREET = os.path.join(FOOTAGE, "street.mp4")
STREET_SUB = os.path.join(FOOTAGE, "street-sub.mp4")
STREET_BFRAMES = os.path.join(FOOTAGE, "street-bframes.mp4")

READY_S = 30
STOP_S = 30
US = 1_000_000


def program(name):
    path = os.path.join(BUILD, name)
    if not os.path.exists(path):
        raise AssertionError(f"{path} is not built")
    return path


def time_text(us):
    """RFC 3339 of microseconds since 1970."""
    whole = datetime.datetime.fromtimestamp(us // US, datetime.timezone.utc)
    return whole.strftime("%Y-%m-%dT%H:%M:%S") + f".{us % US:06d}Z"


def time_us(text):
    match = re.fullmatch(r"(\d+-\d+-\d+T\d+:\d+:\d+)(?:\.(\d+))?(?:Z|\+00:00)", text)
    if not match:
        raise AssertionError(f"not a time in UTC: {text}")
    whole = datetime.datetime.strptime(match.group(1) + "+0000", "%Y-%m-%dT%H:%M:%S%z")
    return int(whole.timestamp()) * US + int((match.group(2) or "0").ljust(6, "0")[:6])


def now_us():
    return time.time_ns() // 1000


def wait_for(what, probe, limit_s=READY_S):
    """Polls until `probe` gives something true, and returns it."""
    deadline = time.monotonic() + limit_s
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {limit_s} s")
        time.sleep(0.05)


class Process:
    """A program whose output goes to files, and that ends with its owner."""

    def __init__(self, name, arguments, directory, env=None):
        self.name = name
        self.out_path = os.path.join(directory, f"{name}.out")
        self.err_path = os.path.join(directory, f"{name}.err")
        with open(self.out_path, "ab") as out, open(self.err_path, "ab") as err:
            self.out_start = out.tell()
            self.popen = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=out,
                                          stderr=err, env={**os.environ, **(env or {})})
        self.pid = self.popen.pid

    def output(self):
        with open(self.out_path, encoding="utf-8", errors="replace") as file:
            file.seek(self.out_start)
            return file.read()

    def errors(self):
        with open(self.err_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def running(self):
        return self.popen.poll() is None

    def await_line(self, pattern, limit_s=READY_S):
        def probe():
            if not self.running():
                raise AssertionError(f"{self.name} ended with {self.popen.returncode}:\n"
                                     + self.errors()[-4000:])
            return re.search(pattern, self.output())
        return wait_for(f"{self.name} says {pattern}", probe, limit_s)

    def signal(self, number):
        if self.running():
            self.popen.send_signal(number)

    def stop(self, number=signals.SIGTERM):
        """Ends it and returns its exit code."""
        self.signal(number)
        try:
            return self.popen.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f"{self.name} did not stop within {STOP_S} s:\n"
                                 + self.errors()[-4000:]) from None

    def rss_kib(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))


class Site:
    """A directory with cameras, a recorder and its store."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="lookback-site-")
        self.data = os.path.join(self.directory, "data")
        self.token_file = os.path.join(self.directory, "token")
        self.frame_log = os.path.join(self.directory, "frames.jsonl")
        self.cameras = None
        self.recorder = None
        self.urls = {}
        self.server = ""

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
            for process in (self.cameras, self.recorder):
                if process and process.running():
                    stack.callback(process.stop)
            if kind:
                for process in (self.recorder, self.cameras):
                    if process:
                        print(f"--- {process.name}\n{process.errors()[-3000:]}")

    def path(self, name):
        return os.path.join(self.directory, name)

    def start_cameras(self, *options, count=1, footage=STREET):
        self.cameras = Process(
            "camera_sim",
            [program("camera_sim"), "--count", str(count), "--port", "0", "--footage", footage,
             "--log", self.frame_log, *options], self.directory)
        self.cameras.await_line(rf"(?m)^rtsps?://\S+/cam{count}$")
        for line in self.cameras.output().splitlines():
            if line.startswith(("rtsp://", "rtsps://")):
                self.urls[line.rsplit("/", 1)[1]] = line

    def start_recorder(self, *options, limit_s=READY_S):
        self.recorder = Process(
            "lookback",
            [program("lookback"), "serve", "--data", self.data, "--listen", "127.0.0.1:0",
             "--token-file", self.token_file, *options], self.directory)
        self.server = self.recorder.await_line(r"listening on (https?://\S+)", limit_s).group(1)

    def stop_recorder(self):
        code = self.recorder.stop()
        if code != 0:
            raise AssertionError(f"lookback serve ended with {code}:\n" + self.recorder.errors()[-4000:])

    def run(self, *arguments, ok=(0,)):
        """The command line against this recorder; (exit code, standard output, standard error)."""
        env = {**os.environ, "LOOKBACK_SERVER": self.server, "TZ": "UTC"}
        done = subprocess.run(
            [program("lookback"), *arguments, *self.credentials(arguments[0])], env=env,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
        if done.returncode not in ok:
            raise AssertionError(f"lookback {' '.join(arguments)} ended with {done.returncode}: "
                                 f"{done.stderr}\n{done.stdout[-2000:]}")
        return done.returncode, done.stdout, done.stderr

    def credentials(self, command):
        if command in ("backup", "fsck", "rebuild", "restore", "version"):
            return []
        return ["--token-file", self.token_file]

    def cli(self, *arguments, ok=(0,)):
        """The same with --json, read."""
        _, out, err = self.run(*arguments, "--json", ok=ok)
        try:
            return json.loads(out)
        except ValueError:
            raise AssertionError(f"not one JSON document: {out[:500]!r} {err}") from None

    def fsck(self, *options, ok=(0,)):
        _, out, _ = self.run("fsck", "--data", self.data, "--json", *options, ok=ok)
        return json.loads(out)

    def add_cameras(self, *options):
        for name, url in self.urls.items():
            self.run("camera", "add", name, url, *options)

    def http(self, path, headers=None, method="GET", body=None):
        """(status, headers, body) of a request with this site's token."""
        with open(self.token_file, encoding="ascii") as file:
            token = file.read().strip()
        request = urllib.request.Request(
            self.server + path, method=method, data=body,
            headers={"Authorization": f"Bearer {token}", **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()

    def status(self, camera, stream="main"):
        """Of the main stream, with that of the sub stream in it; or of the latter alone."""
        status = json.loads(self.http(f"/api/v1/cameras/{camera}/status")[2])
        return status if stream == "main" else status["sub"]

    def recorded_until_us(self, camera, stream="main"):
        text = self.status(camera, stream)["recorded_until"]
        return time_us(text) if text else 0

    def await_recorded(self, camera, until_us, limit_s=60, stream="main"):
        """Waits until footage of `camera` up to an instant can be asked for."""
        return wait_for(f"footage of {camera}/{stream} up to {time_text(until_us)}",
                        lambda: self.recorded_until_us(camera, stream) >= until_us, limit_s)

    def await_span(self, camera, seconds, limit_s=None, stream="main"):
        """Waits for so many seconds of footage, and returns where they begin and end."""
        first = wait_for(f"footage of {camera}/{stream}", lambda: self.recorded_until_us(camera, stream))
        self.await_recorded(camera, first + seconds * US, limit_s or seconds + 30, stream)
        timeline = self.timeline(camera, first - 60 * US, now_us(), "--stream", stream)
        return time_us(timeline["spans"][0]["start"]), self.recorded_until_us(camera, stream)

    def timeline(self, camera, start_us, end_us, *options):
        return self.cli("timeline", camera, "--start", time_text(start_us), "--end",
                        time_text(end_us), *options)

    def clip(self, camera, start_us, end_us, *options, name="clip.mp4", ok=(0,)):
        """Takes a clip, and returns its path and what the command said of it."""
        path = self.path(name)
        report = self.cli("clip", camera, "--start", time_text(start_us), "--end",
                          time_text(end_us), "-o", path, "--force", *options, ok=ok)
        return path, report

    def frames_sent(self):
        """What the simulator logged: camera -> list of its frames that a client was sent."""
        frames = {}
        with open(self.frame_log, encoding="utf-8") as file:
            for line in file:
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue  # The line that is being written.
                if "frame" in entry and entry["sent"] > 0:
                    frames.setdefault(entry["camera"], []).append(entry)
        return frames

    def segment_files(self, camera):
        found = []
        for here, _, names in os.walk(os.path.join(self.data, "volume", "v1", camera)):
            found += [os.path.join(here, name) for name in names if name.endswith(".mp4")]
        return sorted(found, key=lambda path: int(os.path.basename(path).split("_")[0]))


def sei(path, *options):
    """What sei_dump sees in a file: a list, one entry a picture."""
    done = subprocess.run([program("sei_dump"), *options, path], capture_output=True, text=True,
                          timeout=300)
    if done.returncode != 0:
        raise AssertionError(f"sei_dump {path}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def duration_s(path):
    done = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", path],
        capture_output=True, text=True, check=True, timeout=120)
    return float(done.stdout)


def subtitles(path):
    """What a player shows beside the pictures: (from, to, text), in seconds of the file."""
    done = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-map", "0:s", "-f", "srt", "-"],
                          capture_output=True, text=True, check=True, timeout=300)

    def seconds(text):
        hours, minutes, rest = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(rest.replace(",", "."))

    shown = []
    for block in done.stdout.strip().split("\n\n"):
        _, times, text = block.split("\n", 2)
        start, end = times.split(" --> ")
        shown.append((seconds(start), seconds(end), text))
    return shown


def decode_errors(path):
    """What ffmpeg has to say when it decodes all of a file: nothing, if it is good."""
    done = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-f", "null", "-"],
                          capture_output=True, text=True, timeout=600)
    return done.stderr + ("" if done.returncode == 0 else f"exit code {done.returncode}")
