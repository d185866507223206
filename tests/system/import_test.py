#!/usr/bin/env python3
"""Files into the archive and out again: the pictures of a clip are the file's, by the hashes of ffmpeg; times are
right to a frame; what cannot be kept is refused and leaves nothing; a crash leaves what was kept, on record as begun.
"""

import csv
import hashlib
import json
import os
import signal
import subprocess
import unittest

import harness
from harness import STREET, STREET_BFRAMES, Site, US, decode_errors, duration_s, time_text, time_us, wait_for

START = time_us("2026-05-04T20:00:00Z")
FRAME = US // 25


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments], check=True, timeout=120)


def frame_hashes(path):
    done = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-map", "0:v", "-fps_mode", "passthrough",
                           "-f", "framehash", "-hash", "md5", "-"], capture_output=True, text=True, timeout=120)
    return [line.rsplit(",", 1)[1].strip() for line in done.stdout.splitlines() if line[0] != "#"]


def packet_hashes(path):
    """Of the packets as they stand in an MP4: NAL units behind lengths."""
    done = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-map", "0:v", "-c", "copy", "-f", "framehash",
                           "-hash", "sha256", "-"], capture_output=True, text=True, timeout=120)
    return [line.rsplit(",", 1)[1].strip() for line in done.stdout.splitlines() if line[0] != "#"]


class ImportTest(unittest.TestCase):
    def site(self, *options):
        site = Site()
        self.addCleanup(site.__exit__, None)
        site.start_recorder(*options)
        site.run("camera", "add", "shop", "--imported")
        return site

    def take(self, site, *files, start=START, camera="shop", options=(), ok=(0,)):
        return site.cli("import", *files, "--camera", camera, "--start", time_text(start), *options, ok=ok)

    def refusal(self, site, *arguments):
        code, _, error = site.run("import", *arguments, "--camera", "shop", ok=tuple(range(1, 20)))
        return code, error

    def expect_nothing(self, site):
        spans = site.timeline("shop", START - 3600 * US, START + 7200 * US)["spans"]
        self.assertEqual(spans, [])
        self.assertEqual(os.listdir(os.path.join(site.data, "spool")), [])

    def test_what_goes_in_comes_out_in_each_container(self):
        site = self.site()
        start = START
        for name, source, options in [
                ("a.mp4", STREET, ["-c", "copy", "-an"]),
                ("b.mkv", STREET_BFRAMES, ["-c", "copy", "-an"]),
                ("c.ts", STREET_BFRAMES, ["-c", "copy", "-an"]),
                ("d.flv", STREET, ["-c", "copy", "-an"]),
                ("e.avi", STREET, ["-c:v", "mjpeg", "-q:v", "8", "-t", "5"]),
                ("f.mp4", STREET, ["-c:v", "libx265", "-x265-params", "log-level=0", "-tag:v", "hvc1", "-t", "5"])]:
            with self.subTest(name):
                path = site.path(name)
                ffmpeg("-i", source, *options, path)
                report = self.take(site, path, start=start)["imports"][0]
                with open(path, "rb") as file:
                    self.assertEqual(report["sha256"], hashlib.sha256(file.read()).hexdigest())
                end = time_us(report["end"])
                frames = frame_hashes(path)
                self.assertEqual(report["pictures"], len(frames))
                self.assertLessEqual(abs((end - start) - len(frames) * FRAME), FRAME)
                clip, _ = site.clip("shop", start, end, name=name + ".clip.mp4")
                self.assertEqual(frame_hashes(clip), frames)
                self.assertEqual(decode_errors(clip), "")
                self.assertLess(abs(duration_s(clip) - (end - start) / US), 0.05)
                timeline = site.timeline("shop", start, end)
                self.assertTrue(all(span["imported"] for span in timeline["spans"]))
                self.assertEqual(timeline["imports"][0]["file"], name)
                self.assertEqual(timeline["gaps"], [])
                self.expect_labelled(site, name, report["sha256"], start, end)
                start = end + 60 * US
        self.assertEqual(site.status("shop")["state"], "imported")
        self.assertGreaterEqual(site.recorded_until_us("shop"), start - 61 * US)
        site.stop_recorder()
        site.fsck()
        # A catalog made anew of ledger and files knows the same.
        site.run("rebuild", "--data", site.data)
        site.start_recorder()
        self.assertTrue(site.timeline("shop", START, START + 10 * US)["spans"][0]["imported"])

    def expect_labelled(self, site, name, sha256, start, end):
        """Wherever a person meets the footage it says that it was imported, and from what."""
        span = ["--start", time_text(start), "--end", time_text(end)]
        clip = site.path("labelled.mp4")
        export = site.path("labelled-" + name)
        for command in (["timeline", "shop", *span], ["clip", "shop", *span, "-o", clip, "--force"],
                        ["export", "--camera", "shop", *span, "-o", export]):
            told = site.run(*command)[1]
            self.assertIn("imported, not recorded here", told)
            self.assertIn(name, told)
            self.assertIn(sha256, told)
        self.assertIn("(imported)", site.run("search", "--camera", "shop", *span)[1])
        with open(os.path.join(export, "meta", "imports.csv"), encoding="utf-8", newline="") as file:
            [row] = csv.DictReader(file)
        self.assertEqual((row["camera"], row["file"], row["sha256"]), ("shop", name, sha256))
        with open(os.path.join(export, "README.txt"), encoding="utf-8") as file:
            self.assertIn("imported from files", file.read())

    def test_packets_are_the_files_own(self):
        site = self.site()
        path = site.path("a.mp4")
        # Parameter sets in band in each sync sample, as a camera's footage has them: nothing is added.
        ffmpeg("-i", STREET, "-c", "copy", "-an", site.path("a.ts"))
        ffmpeg("-i", site.path("a.ts"), "-c", "copy", path)
        report = self.take(site, path)["imports"][0]
        clip, _ = site.clip("shop", START, time_us(report["end"]))
        self.assertEqual(packet_hashes(clip), packet_hashes(path))

    def test_files_follow_each_other_and_sound_comes_along(self):
        site = self.site()
        one, two = site.path("1.mp4"), site.path("2.mp4")
        for path in (one, two):
            ffmpeg("-i", STREET, "-f", "lavfi", "-i", "sine=f=440:r=48000", "-map", "0:v", "-map", "1:a", "-t",
                   "4", "-c:v", "copy", "-c:a", "aac", path)
        later = START + 600 * US
        reports = self.take(site, one, two, f"{one}@{time_text(later)}", options=("--audio",))["imports"]
        self.assertEqual(reports[0]["end"], reports[1]["start"])
        self.assertEqual(time_us(reports[2]["start"]), later)
        clip, _ = site.clip("shop", START, time_us(reports[1]["end"]))
        self.assertEqual(frame_hashes(clip), frame_hashes(one) + frame_hashes(two))
        rows = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "stream=codec_type,duration", "-of",
                               "csv=p=0", clip], capture_output=True, text=True, timeout=60).stdout
        self.assertIn("audio", rows)

    def test_the_time_of_a_phones_video_is_that_of_its_first_shown_picture(self):
        site = self.site()
        whole, cut = site.path("whole.mp4"), site.path("cut.mp4")
        # Variable rate, B-frames, and an edit list that hides what stands before 1.3 s.
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x240:r=30:d=6", "-vf", "select='not(eq(mod(n,7),3))'",
               "-fps_mode", "vfr", "-c:v", "libx264", "-bf", "2", "-g", "30", "-pix_fmt", "yuv420p", whole)
        ffmpeg("-ss", "1.3", "-i", whole, "-c", "copy", cut)
        report = self.take(site, cut)["imports"][0]
        shown = frame_hashes(cut)
        clip, _ = site.clip("shop", START, time_us(report["end"]))
        self.assertEqual(frame_hashes(clip)[-len(shown):], shown)
        self.assertLess(abs(duration_s(clip) - duration_s(cut)), 0.1)

    def test_what_cannot_be_kept_is_refused_and_leaves_nothing(self):
        site = self.site()
        good = site.path("good.mp4")
        ffmpeg("-i", STREET, "-c", "copy", "-an", "-t", "6", good)
        with open(good, "rb") as file:
            data = file.read()

        def write(name, content):
            with open(site.path(name), "wb") as file:
                file.write(content)
            return site.path(name)

        ffmpeg("-i", STREET, "-c:v", "mpeg4", "-t", "2", site.path("old.avi"))
        ffmpeg("-f", "lavfi", "-i", "sine=d=2", "-c:a", "aac", site.path("sound.mp4"))
        at = ("--start", time_text(START))
        for path, words in [(write("text.mp4", b"a text\n" * 100), "MP4"),
                            (write("empty.mp4", b""), "empty"),
                            (write("cut.mp4", data[:len(data) // 2]), "cut short"),
                            (write("zeros.mkv", bytes(1 << 20)), "MKV"),
                            (site.path("old.avi"), "H.264"), (site.path("sound.mp4"), "no video")]:
            with self.subTest(os.path.basename(path)):
                code, error = self.refusal(site, path, *at)
                self.assertIn(words, error)
        code, error = self.refusal(site, good, "--start", time_text(harness.now_us() - US))
        self.assertIn("it is", error)
        self.expect_nothing(site)
        # Over other footage, even by a frame, from either side.
        end = time_us(self.take(site, good)["imports"][0]["end"])
        for start in (START, START + 5 * US, end - FRAME, START - 5 * US):
            code, error = self.refusal(site, good, "--start", time_text(start))
            self.assertIn("has footage from", error)
        self.take(site, good, start=end)
        # What a change deletes now is shown, and not done unasked.
        _, _, err = site.run("retention", "set", "shop", "--max-days", "30", ok=(2,))
        self.assertIn("older than 30 days", err)
        site.run("retention", "set", "shop", "--max-days", "30", "--yes")
        # What the policy would delete at once, unless a hold keeps it.
        old = harness.now_us() - 400 * 86_400 * US
        code, error = self.refusal(site, good, "--start", time_text(old))
        self.assertIn("shop/1", error)
        site.run("hold", "add", "--camera", "shop", "--start", time_text(old - US), "--end", time_text(old + 60 * US),
                 "--reason", "case 7", "--case", "7")
        self.take(site, good, start=old)
        site.run("retention", "set", "shop", "--thin-days", "20", "--yes")
        code, error = self.refusal(site, good, "--start", time_text(harness.now_us() - 25 * 86_400 * US))
        self.assertIn("thins footage of shop older than 20 days", error)

    def test_a_live_camera_is_not_disturbed(self):
        with Site() as site:
            site.start_cameras(count=1)
            site.start_recorder()
            site.add_cameras()
            first, _ = site.await_span("cam1", 3)
            before = site.status("cam1")
            old = first - 7200 * US
            end = time_us(self.take(site, STREET, start=old, camera="cam1")["imports"][0]["end"])
            after = site.status("cam1")
            for name in ("recorded_until", "durable_until"):
                self.assertGreaterEqual(time_us(after[name]), time_us(before[name]))
            site.await_recorded("cam1", harness.now_us() + 2 * US)
            timeline = site.timeline("cam1", old, harness.now_us())
            self.assertEqual([span["imported"] for span in timeline["spans"]], [True, False])
            self.assertEqual(time_us(timeline["spans"][0]["end"]), end)
            kinds = {note["kind"] for note in site.cli("camera", "notes", "cam1")["notes"]}
            self.assertEqual(kinds, {"import", "import begun"})
            lines = json.loads(site.http("/api/v1/custody")[2])
            self.assertIn("import", json.dumps(lines))
            site.stop_recorder()
            site.fsck()

    def test_a_crash_leaves_what_was_kept_on_record_as_begun(self):
        site = self.site()
        path = site.path("long.mp4")
        ffmpeg("-stream_loop", "60", "-i", STREET, "-c", "copy", "-an", path)
        with open(path, "rb") as file:
            data = file.read()
        with open(site.token_file, encoding="ascii") as file:
            token = file.read().strip()

        def ask(method, route, body=b"", kind="application/json"):
            request = harness.urllib.request.Request(
                site.server + route, method=method, data=body or None,
                headers={"Authorization": f"Bearer {token}", "Content-Type": kind})
            with harness.urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read())

        def upload():
            job = ask("POST", "/api/v1/imports", json.dumps(
                {"camera": "shop", "start": time_text(START), "file": "long.mp4",
                 "bytes": len(data)}).encode())["id"]
            for at in range(0, len(data), 1 << 20):
                ask("PUT", f"/api/v1/imports/{job}/parts?offset={at}", data[at:at + (1 << 20)], "x/y")
            return job

        job = upload()
        wait_for("footage on its way", lambda: ask("GET", f"/api/v1/imports/{job}")["state"] in ("keeping", "done"))
        site.recorder.signal(signal.SIGKILL)
        site.recorder.popen.wait()
        self.assertEqual(len(os.listdir(os.path.join(site.data, "spool"))), 1)
        site.start_recorder()
        self.assertEqual(os.listdir(os.path.join(site.data, "spool")), [])
        notes = [note["kind"] for note in site.cli("camera", "notes", "shop")["notes"]]
        self.assertIn("import begun", notes)
        spans = site.timeline("shop", START, START + 3600 * US)["spans"]
        self.assertTrue(all(span["imported"] for span in spans))
        site.stop_recorder()
        site.fsck()


if __name__ == "__main__":
    unittest.main()
