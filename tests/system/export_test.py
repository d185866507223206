"""An export: what comes is what was promised, sha256sum accepts it, and an interruption costs nothing.

The footage is made, with make_store: two cameras, an hour and a quarter, with a gap.
"""

import csv
import hashlib
import os
import random
import signal
import subprocess
import time
import unittest

from harness import STREET, US, Site, decode_errors, duration_s, now_us, program, time_text, time_us

SEED = int(os.environ.get("LOOKBACK_SEED", random.randrange(1 << 30)))
INTERRUPTIONS = int(os.environ.get("LOOKBACK_INTERRUPTIONS", 5))
START = "2026-05-04T22:00:00Z"
SECONDS = 4500
GAP_AT_S, GAP_S = 600, 30
FRAME_S = 1 / 25
ILLEGAL_ON_WINDOWS = set('<>:"\\|?*')
DEVICES = {"con", "prn", "aux", "nul"} | {f"{name}{n}" for name in ("com", "lpt") for n in range(10)}


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_below(directory):
    return sorted(os.path.relpath(os.path.join(here, name), directory)
                  for here, _, names in os.walk(directory) for name in names)


class Export(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        print(f"LOOKBACK_SEED={SEED}")
        cls.site = Site()
        cls.addClassCleanup(cls.site.__exit__, None, None, None)
        subprocess.run([program("make_store"), "--data", cls.site.data, "--footage", STREET, "--cameras", "2",
                        "--start", START, "--seconds", str(SECONDS), "--gap-at", str(GAP_AT_S),
                        "--gap-seconds", str(GAP_S)], check=True, timeout=300, stderr=subprocess.DEVNULL)
        cls.site.start_recorder()
        cls.start = time_us(START)

    def order(self, directory, *options, seconds=SECONDS):
        return ["export", "--camera", "cam1", "--camera", "cam2", "--start", START, "--end",
                time_text(self.start + seconds * US), "-o", directory, *options]

    def check_manifest(self, directory):
        """sha256sum accepts it, and it names every other file."""
        done = subprocess.run(["sha256sum", "-c", "--strict", "--quiet", "MANIFEST.sha256"], cwd=directory,
                              capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(os.path.join(directory, "MANIFEST.sha256"), encoding="utf-8") as file:
            named = [line.rstrip("\n").split("  ", 1)[1] for line in file]
        self.assertEqual(sorted(named + ["MANIFEST.sha256"]), files_below(directory))

    def holds(self):
        return self.site.cli("hold", "list")["holds"]

    def test_what_comes_is_what_the_dry_run_said(self):
        directory = self.site.path("whole")
        promised = self.site.cli(*self.order(directory, "--native", "--dry-run"))
        self.assertFalse(os.path.exists(directory))
        before = len(self.holds())
        report = self.site.cli(*self.order(directory, "--native", "--case", "2026-114", "--reason", "the van"))
        for member in ("cameras", "native", "files", "bytes"):
            self.assertEqual(report[member], promised[member], member)
        for clip, planned in zip(report["clips"], promised["clips"], strict=True):
            self.assertEqual({**planned, "sha256": clip["sha256"]}, clip)
            path = os.path.join(directory, clip["file"])
            self.assertEqual(os.path.getsize(path), clip["bytes"])
            self.assertEqual(digest(path), clip["sha256"])
            seconds = (time_us(clip["end"]) - time_us(clip["start"])) / US
            self.assertAlmostEqual(duration_s(path), seconds, delta=FRAME_S)
        self.assertEqual([clip["file"] for clip in report["clips"]],
                         [f"clips/{camera}_2026050{time}Z.mp4" for camera in ("cam1", "cam2")
                          for time in ("4T220000", "4T230000")])
        self.check_manifest(directory)
        self.check_names(directory)
        self.check_native(directory, report)
        self.check_meta(directory, report)
        self.check_hold(before, report)

    def test_clips_have_the_local_time_where_it_is_asked_for(self):
        directory = self.site.path("titled")
        report = self.site.cli(*self.order(directory, "--subtitles", "--tz", "Asia/Shanghai", "--hold-days", "0"))
        first = os.path.join(directory, report["clips"][0]["file"])
        titles = subprocess.run(["ffmpeg", "-v", "error", "-i", first, "-map", "0:s", "-f", "srt", "-"],
                                capture_output=True, text=True, check=True, timeout=120).stdout
        self.assertIn("2026-05-05 06:00:00", titles)
        self.check_manifest(directory)

    def check_names(self, directory):
        for path in files_below(directory):
            for name in path.split("/"):
                self.assertFalse(ILLEGAL_ON_WINDOWS & set(name), path)
                self.assertNotIn(name.split(".")[0].lower(), DEVICES)
                self.assertFalse(name.endswith((".", " ")), path)

    def check_native(self, directory, report):
        stored = {f"native/{camera}_main/{os.path.basename(path)}": digest(path)
                  for camera in ("cam1", "cam2") for path in self.site.segment_files(camera)}
        self.assertGreater(len(report["native"]), 2 * SECONDS // 120)
        for segment in report["native"]:
            self.assertEqual(digest(os.path.join(directory, segment["file"])), segment["sha256"])
            self.assertEqual(stored[segment["file"]], segment["sha256"])
        self.assertEqual(decode_errors(os.path.join(directory, report["native"][0]["file"])), "")

    def check_meta(self, directory, report):
        with open(os.path.join(directory, "meta", "gaps.csv"), encoding="utf-8", newline="") as file:
            gaps = list(csv.DictReader(file))
        self.assertEqual([gap["camera"] for gap in gaps], ["cam1", "cam2"])
        self.assertEqual(time_us(gaps[0]["start"]), self.start + GAP_AT_S * US)
        self.assertAlmostEqual(float(gaps[0]["seconds"]), GAP_S, delta=FRAME_S)
        self.assertEqual(report["cameras"][0]["missing_us"], round(float(gaps[0]["seconds"]) * US))
        with open(os.path.join(directory, "meta", "clock.csv"), encoding="utf-8", newline="") as file:
            self.assertIn("sender reports", {row["source"] for row in csv.DictReader(file)})
        with open(os.path.join(directory, "meta", "markers.csv"), encoding="utf-8", newline="") as file:
            self.assertIn("2026-114", {row["case"] for row in csv.DictReader(file)})

    def check_hold(self, before, report):
        holds = self.holds()
        self.assertEqual(len(holds), before + 1)
        hold = next(hold for hold in holds if hold["id"] == report["hold"]["id"])
        self.assertEqual(hold["cameras"], ["cam1", "cam2"])
        self.assertEqual((hold["case"], hold["reason"]), ("2026-114", "the van"))
        self.assertAlmostEqual(time_us(hold["expires"]), now_us() + 30 * 86400 * US, delta=300 * US)
        acts = self.site.cli("custody", "--limit", "1000")["acts"]
        self.assertEqual([(act["what"], act["reason"]) for act in acts if act["kind"] == "export"
                          and act["what"] == "export" and act["reason"]], [("export", "2026-114: the van")])
        self.assertIn("segment", {act["what"].split()[0] for act in acts if act["kind"] == "export"})

    def test_wherever_it_is_interrupted_the_same_command_goes_on_to_the_same_files(self):
        random.seed(SEED)
        env = {**os.environ, "LOOKBACK_SERVER": self.site.server, "TZ": "UTC"}
        whole = self.site.path("uninterrupted")
        began = time.monotonic()
        expected = self.site.cli(*self.order(whole, "--native", "--hold-days", "0", seconds=900))
        whole_s = time.monotonic() - began
        interrupted = 0
        for i in range(INTERRUPTIONS):
            directory = self.site.path(f"interrupted-{i}")
            order = self.order(directory, "--native", "--hold-days", "1", seconds=900)
            command = [program("lookback"), *order, "--token-file", self.site.token_file]
            instant_s = random.uniform(0, whole_s)
            number = random.choice((signal.SIGINT, signal.SIGINT, signal.SIGKILL))
            with subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True) as process:
                try:
                    process.wait(instant_s)
                except subprocess.TimeoutExpired:
                    process.send_signal(number)
                _, error = process.communicate(timeout=60)
            if process.returncode == 0:
                self.check_manifest(directory)
                continue
            interrupted += 1
            if number == signal.SIGINT and process.returncode != -signal.SIGINT:  # That is before it began.
                self.assertEqual(process.returncode, 130)
                self.assertIn("the same command goes on with it", error)
            self.assertFalse(os.path.exists(os.path.join(directory, "MANIFEST.sha256")))
            begun = os.path.exists(os.path.join(directory, "meta", "request.json"))
            holds = len(self.holds())
            report = self.site.cli(*order)
            self.assertEqual(report["resumed"], begun)
            self.assertEqual(len(self.holds()), holds + (0 if begun else 1))
            self.check_manifest(directory)
            for kind in ("clips", "native"):
                self.assertEqual([(one["file"], one["sha256"]) for one in report[kind]],
                                 [(one["file"], one["sha256"]) for one in expected[kind]])
        print(f"{interrupted} of {INTERRUPTIONS} interrupted within {whole_s:.1f} s")
        self.assertGreater(interrupted, 0)

    def test_a_finished_file_that_was_changed_is_brought_again(self):
        directory = self.site.path("changed")
        command = self.order(directory, "--hold-days", "0", seconds=4000)
        self.site.run(*command)
        # As if it had been interrupted just before the manifest.
        manifest = os.path.join(directory, "MANIFEST.sha256")
        before = digest(manifest)
        os.rename(manifest, os.path.join(directory, "MANIFEST.partial"))
        clip = os.path.join(directory, "clips", "cam1_20260504T220000Z.mp4")
        with open(clip, "r+b") as file:
            file.seek(100_000)
            file.write(b"\0" * 16)
        self.assertTrue(self.site.cli(*command)["resumed"])
        self.check_manifest(directory)
        self.assertEqual(digest(manifest), before)

    def test_a_directory_with_something_else_in_it_is_left_alone(self):
        directory = self.site.path("taken")
        os.mkdir(directory)
        with open(os.path.join(directory, "letter.txt"), "w", encoding="utf-8") as file:
            file.write("dear")
        _, _, error = self.site.run(*self.order(directory), ok=(4,))
        self.assertIn("something else than an export", error)
        self.assertEqual(files_below(directory), ["letter.txt"])
        finished = self.site.path("finished")
        self.site.run(*self.order(finished, "--hold-days", "0", seconds=60))
        _, _, error = self.site.run(*self.order(finished, "--hold-days", "0", seconds=60), ok=(4,))
        self.assertIn("holds a finished export", error)

    def test_another_request_does_not_go_on_with_an_interrupted_one(self):
        directory = self.site.path("other")
        self.site.run(*self.order(directory, "--hold-days", "0", seconds=60))
        os.remove(os.path.join(directory, "MANIFEST.sha256"))
        _, _, error = self.site.run(*self.order(directory, "--hold-days", "0", seconds=61), ok=(4,))
        self.assertIn("with another end", error)

    def test_a_view_is_h264_and_says_that_it_is_one(self):
        directory = self.site.path("view")
        report = self.site.cli(*self.order(directory, "--view", "h264", "--hold-days", "0", seconds=20))
        for clip in report["clips"]:
            view = os.path.join(directory, clip["view"])
            done = subprocess.run(
                ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name:format_tags=title", "-of",
                 "default=noprint_wrappers=1", view], capture_output=True, text=True, check=True, timeout=60)
            self.assertIn("codec_name=h264", done.stdout)
            self.assertIn("VIEW ONLY", done.stdout)
            self.assertAlmostEqual(duration_s(view), 20, delta=2 * FRAME_S)
        self.check_manifest(directory)
        path = {**os.environ, "PATH": self.site.directory, "LOOKBACK_SERVER": self.site.server}
        refused = subprocess.run([program("lookback"), *self.order(self.site.path("none"), "--view", "h264"),
                                  "--token-file", self.site.token_file], env=path, capture_output=True, text=True,
                                 timeout=60)
        self.assertEqual(refused.returncode, 7)
        self.assertIn("needs the ffmpeg program", refused.stderr)
        self.assertFalse(os.path.exists(self.site.path("none")))

    def test_a_segment_is_served_in_pieces_and_never_damaged(self):
        name = os.path.basename(self.site.segment_files("cam2")[3])
        path = f"/api/v1/cameras/cam2/segments/{name}"
        status, headers, body = self.site.http(path)
        self.assertEqual(status, 200)
        self.assertEqual(headers["ETag"], '"' + hashlib.sha256(body).hexdigest() + '"')
        status, headers, piece = self.site.http(path, {"Range": "bytes=1000-1999"})
        self.assertEqual((status, piece), (206, body[1000:2000]))
        self.assertEqual(headers["Content-Range"], f"bytes 1000-1999/{len(body)}")
        status, _, problem = self.site.http(path.replace("cam2", "cam1"))
        self.assertEqual(status, 404 if name not in
                         {os.path.basename(p) for p in self.site.segment_files("cam1")} else 200, problem)
        with open(self.site.segment_files("cam2")[3], "r+b") as file:
            file.seek(len(body) // 2)
            file.write(bytes([body[len(body) // 2] ^ 1]))
        try:
            for asked in ({}, {"Range": "bytes=0-99"}):
                status, _, problem = self.site.http(path, asked)
                self.assertEqual(status, 500)
                self.assertIn(b"/problems/corrupt", problem)
        finally:
            with open(self.site.segment_files("cam2")[3], "r+b") as file:
                file.write(body)


if __name__ == "__main__":
    unittest.main()
