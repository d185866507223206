"""The cookbook of docs/api.md, typed as it stands: each block runs, and does what its sentence says.

All blocks run in one bash, in order, as a reader would type them, against a camera that is simulated. After
each block stands a judgement of what it left behind, by other eyes than ours; a block without one is a failure.
"""

import calendar
import hashlib
import json
import os
import re
import subprocess
import threading
import time
import unittest
import zipfile

from harness import ROOT, US, Site, decode_errors, duration_s, now_us, sei, time_us

SECTION = "## Cookbook\n"
FOOTAGE_S = 45  # The cookbook asks for what was recorded 40 to 10 s ago.
RANGE_S = 30
BLOCK_S = 60
FRAME_S = 1 / 25
SHOWN = {"API", "START", "END", "HOLD"}  # Variables that judgements look at.


def blocks():
    """The section's fenced blocks of shell, each without its fences."""
    with open(os.path.join(ROOT, "docs", "api.md"), encoding="utf-8") as file:
        section = file.read().split("\n" + SECTION, 1)[1].split("\n## ", 1)[0]
    found = re.findall(r"(?ms)^```sh\n(.*?)^```$", section)
    assert section.count("```") == 2 * len(found), "a fence of the section that is not ```sh"
    return found


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Shell:
    """A bash that is given one block after another, and keeps its variables between them."""

    def __init__(self, directory, env):
        self.directory = directory
        self.count = 0
        self.bash = subprocess.Popen(["bash"], cwd=directory, env={**os.environ, **env}, text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.type("set -euo pipefail\n")

    def type(self, text):
        self.bash.stdin.write(text)
        self.bash.stdin.flush()

    def run(self, block):
        """Runs it, and returns what it printed and the variables of SHOWN."""
        self.count += 1
        out, err = (os.path.join(self.directory, f"{self.count}.{kind}") for kind in ("out", "err"))
        show = "; ".join(f'echo "{name}=${{{name}:-}}"' for name in sorted(SHOWN))
        self.type(f"{{\n{block}}} </dev/null >{out} 2>{err}\n{show}; echo ended\n")
        lines = self.lines()
        with open(out, encoding="utf-8") as file:
            printed = file.read()
        if lines[-1:] != ["ended"]:
            with open(err, encoding="utf-8") as file:
                raise AssertionError(f"block {self.count} failed:\n{block}{printed}{file.read()}")
        return printed, dict(line.split("=", 1) for line in lines[:-1])

    def lines(self):
        """What bash says until the block has ended, or bash has."""
        found = []
        watchdog = threading.Timer(BLOCK_S, self.bash.kill)
        watchdog.start()
        for line in self.bash.stdout:
            found.append(line.rstrip("\n"))
            if found[-1] == "ended":
                break
        watchdog.cancel()
        return found

    def end(self):
        self.bash.stdin.close()
        self.bash.stdout.close()
        return self.bash.wait(BLOCK_S)


class Cookbook(unittest.TestCase):
    def test_each_block_runs_and_does_what_its_sentence_says(self):
        with Site() as site:
            self.site = site
            site.start_cameras()
            site.start_recorder()
            with open(site.token_file, encoding="ascii") as file:
                token = file.read().strip()
            self.directory = site.path("cookbook")
            os.mkdir(self.directory)
            shell = Shell(self.directory, {"LOOKBACK_SERVER": site.server, "LOOKBACK_TOKEN": token,
                                           "CAMERA_URL": site.urls["cam1"], "TZ": "UTC"})
            try:
                self.run_all(shell)
            finally:
                code = shell.end()
            self.assertEqual(code, 0)

    def run_all(self, shell):
        judgements = [
            self.settings, self.added, self.status, self.range, self.timeline, self.calendar, self.place,
            self.nights, self.clip, self.resumed, self.picture, self.playlist, self.marker, self.hold,
            self.release, self.package, self.events, self.metrics, self.preview, self.custody]
        typed = blocks()
        self.assertEqual(len(typed), len(judgements), "each block of the section has its judgement")
        for block, judge in zip(typed, judgements, strict=True):
            if judge == self.range:
                self.site.await_span("gate", FOOTAGE_S)
            printed, self.variables = shell.run(block)
            judge(printed)
        self.assertEqual(shell.count, len(typed), "every block ran")

    def path(self, name):
        return os.path.join(self.directory, name)

    def asked_us(self):
        return time_us(self.variables["START"]), time_us(self.variables["END"])

    def settings(self, printed):
        self.assertEqual(printed, "")
        self.assertEqual(self.variables["API"], self.site.server + "/api/v1")

    def added(self, printed):
        camera = json.loads(printed)
        self.assertEqual((camera["id"], camera["url"]), ("gate", self.site.urls["cam1"]))
        self.assertEqual(camera["tags"], ["crossing", "north"])

    def status(self, printed):
        self.assertIn(json.loads(printed)["state"], ("connecting", "waiting", "recording"))

    def range(self, _):
        start_us, end_us = self.asked_us()
        self.assertLessEqual(abs(end_us - start_us - RANGE_S * US), US)
        self.assertLess(end_us, now_us())

    def timeline(self, printed):
        timeline = json.loads(printed)
        start_us, end_us = self.asked_us()
        day_us = start_us - start_us % (86_400 * US)
        self.assertEqual(timeline["covered_us"] + timeline["missing_us"], end_us - day_us)
        self.assertGreaterEqual(timeline["covered_us"], RANGE_S * US)
        for gap in timeline["gaps"]:
            self.assertLessEqual(time_us(gap["end"]), start_us, "the range itself is covered")

    def calendar(self, printed):
        calendar_ = json.loads(printed)
        self.assertIn(len(calendar_["steps"]), (30, 31, 32))
        [camera] = calendar_["cameras"]
        self.assertEqual(camera["camera"], "gate")
        self.assertEqual(len(camera["covered_s"]), len(calendar_["steps"]))
        self.assertGreaterEqual(sum(camera["covered_s"]), RANGE_S)
        self.assertLess(sum(camera["covered_s"]), 600)

    def place(self, printed):
        window = json.loads(printed)
        start_us, end_us = self.asked_us()
        self.assertEqual(window["camera"], "gate")
        self.assertEqual((time_us(window["start"]), time_us(window["end"])), (start_us, end_us))
        self.assertEqual(window["covered_us"], end_us - start_us)

    def nights(self, printed):
        windows = [json.loads(line) for line in printed.splitlines()]
        self.assertIn(len(windows), (7, 8))
        for window in windows:  # Shanghai is eight hours ahead, and changes no clocks.
            begins, ends = (time.gmtime(time_us(window[name]) // US + 8 * 3600) for name in ("start", "end"))
            self.assertTrue(begins.tm_hour >= 22 or begins.tm_hour < 5, window)
            self.assertLessEqual(calendar.timegm(ends) - calendar.timegm(begins), 7 * 3600)

    def clip(self, _):
        path = self.path("gate.mp4")
        self.assertEqual(decode_errors(path), "")
        start_us, end_us = self.asked_us()
        self.assertAlmostEqual(duration_s(path), (end_us - start_us) / US, delta=FRAME_S)
        frames = sei(path)
        self.assertTrue(frames)
        self.assertEqual({frame["camera"] for frame in frames}, {"cam1"})

    def resumed(self, _):
        self.assertEqual(digest(self.path("again.mp4")), digest(self.path("gate.mp4")))
        self.assertGreater(os.path.getsize(self.path("again.mp4")), 200_000)

    def picture(self, _):
        probed = subprocess.run(
            ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name,width", "-of", "csv=p=0",
             self.path("gate.jpg")], capture_output=True, text=True, check=True, timeout=60)
        self.assertEqual(probed.stdout.strip(), "mjpeg,640")

    def playlist(self, _):
        with open(self.path("gate.m3u8"), encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertEqual(lines[0], "#EXTM3U")
        [variant] = [line for line in lines if line and not line.startswith("#")]
        status, headers, _ = self.site.http("/api/v1/cameras/gate/" + variant)
        self.assertEqual((status, headers["Content-Type"]), (200, "application/vnd.apple.mpegurl"))

    def marker(self, printed):
        self.assertEqual(json.loads(printed)["label"], "white van")
        [marker] = self.site.cli("marker", "list")["markers"]
        self.assertEqual(marker["id"], json.loads(printed)["id"])

    def hold(self, _):
        [hold] = self.site.cli("hold", "list")["holds"]
        self.assertEqual((hold["id"], hold["case"]), (self.variables["HOLD"], "2026-114"))

    def release(self, _):
        self.assertEqual(self.site.cli("hold", "list")["holds"], [])

    def package(self, _):
        with zipfile.ZipFile(self.path("gate.zip")) as package:
            self.assertIsNone(package.testzip())
            package.extractall(self.path("package"))
        done = subprocess.run(["sha256sum", "-c", "--strict", "--quiet", "MANIFEST.sha256"],
                              cwd=self.path("package"), capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        [clip] = os.listdir(self.path("package/clips"))
        self.assertAlmostEqual(duration_s(self.path(f"package/clips/{clip}")), RANGE_S, delta=1 + FRAME_S)

    def events(self, printed):
        kinds = set(re.findall(r'"kind": "([a-z-]+)"', printed))
        self.assertLessEqual(kinds, {"clock-unsynchronised"}, "a camera that records is no alarm")

    def metrics(self, _):
        with open(self.path("metrics.txt"), encoding="utf-8") as file:
            text = file.read()
        self.assertRegex(text, r"(?m)^# TYPE lookback_\w+ (counter|gauge)$")
        self.assertIn('camera="gate"', text)

    def preview(self, printed):
        preview = json.loads(printed)
        self.assertEqual((preview["segments"], preview["bytes"]), (0, 0), "nothing is 14 days old")
        self.assertTrue(preview["sentence"])

    def custody(self, printed):
        acts = [line.split("\t") for line in printed.splitlines()]
        kinds = {act[2] for act in acts}
        self.assertLessEqual({"camera", "search", "view", "marker", "hold", "release", "export"}, kinds)
        clips = [act for act in acts if act[3].startswith("clip.mp4")]
        self.assertTrue(clips)
        self.assertEqual({act[4] for act in clips}, {"case 2026-114"})
        self.assertEqual({act[4] for act in acts if act[2] == "release"}, {"the case is closed"})
        self.assertEqual([act[0] for act in acts], sorted((act[0] for act in acts), reverse=True))


if __name__ == "__main__":
    unittest.main()
