"""Any range of a recorded corpus, asked for by chance: the clip has the pictures of that range and no others, byte for
byte those on disk, right in time and length, in files that other people's players open.

The corpus: three cameras (H.264 with B pictures and AAC, H.265 with open GOPs and AAC, H.264 without sound), each with
a gap where it was disabled and one where the recorder was killed. LOOKBACK_RANGES says how many ranges are asked for (24; 200 in
the long form), LOOKBACK_SEED which.
"""

import hashlib
import json
import os
import random
import subprocess
import unittest

from browser import Browser
from harness import (STREET, STREET_BFRAMES, US, Process, Site, decode_errors, duration_s, now_us, program, sei,
                     time_text, time_us, wait_for)

SEED = int(os.environ.get("LOOKBACK_SEED", random.randrange(1 << 30)))
RANGES = int(os.environ.get("LOOKBACK_RANGES", "24"))
RUN_S = 14
FRAME_US = 40_000
# The promise: a picture stands in the clip where it was captured, within this.
RIGHT_TIME_US = 100_000
# Every so many clips of H.264 are played to their end in Chromium, which has no H.265.
BROWSER_EVERY = 6
BROWSER_RATE = 8
# Of a clip that is shorter it has read all before it plays.
BROWSER_READS_AHEAD_S = 3
# Pictures in front of an open sync sample that need those before it.
LEADING = 3
# Of a run's first fragment, which dates it.
FIRST_PICTURES = 25
OPEN_GOPS = ("-c:v libx265 -preset ultrafast -tag:v hvc1 -x265-params "
             "log-level=none:scenecut=0:b-adapt=0:keyint=28:min-keyint=28:bframes=3:open-gop=1")


def reordered(path):
    """How many pictures a decoder holds back before the first that it shows."""
    return int(subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "stream=has_b_frames", "-of", "csv=p=0",
         path], capture_output=True, text=True, check=True, timeout=120).stdout)


def unspliced(sample):
    """The sample as the camera sent it: where decoding starts anew, its CRA picture stands as BLA (H.265 §3.12)."""
    kept, at = bytearray(sample), 0
    while at + 5 <= len(kept):
        if kept[at + 4] & 0x7e == 16 << 1:
            kept[at + 4] = kept[at + 4] & 0x81 | 21 << 1
        at += 4 + int.from_bytes(kept[at:at + 4], "big")
    return bytes(kept)


def samples(path, kind, splices=False):
    """The SHA-256 of each sample of the file's first track of a kind ("v", "a"), in the order of the file."""
    listed = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", kind, "-show_entries", "packet=pos,size", "-of", "json", path],
        capture_output=True, text=True, check=True, timeout=120)
    with open(path, "rb") as file:
        content = file.read()
    places = [(int(one["pos"]), int(one["size"])) for one in json.loads(listed.stdout).get("packets", [])]
    found = [content[at:at + size] for at, size in places]
    return [hashlib.sha256(unspliced(sample) if splices else sample).hexdigest() for sample in found]


def player_errors(path):
    """What players that are not ffmpeg's say of a file: nothing."""
    players = [["gst-launch-1.0", "-q", "playbin", f"uri=file://{path}", "video-sink=fakesink sync=false",
                "audio-sink=fakesink sync=false"],
               ["mpv", "--no-config", "--msg-level=all=warn", "--vo=null", "--ao=null", "--ao-null-untimed", "--untimed",
                path]]
    told = ""
    for player in players:
        done = subprocess.run(player, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        told += done.stderr + ("" if done.returncode == 0 else f"{player[0]} ended with {done.returncode}")
    return told


def pieces_of(part, whole):
    """Into how few pieces of `whole`, each without a break, `part` falls."""
    places = {}
    for at, sample in enumerate(whole):
        places.setdefault(sample, []).append(at)
    pieces = done = 0
    while done < len(part):
        longest = 0
        for at in places.get(part[done], []):
            length = 0
            while done + length < len(part) and whole[at + length:at + length + 1] == [part[done + length]]:
                length += 1
            longest = max(longest, length)
        if longest == 0:
            raise AssertionError(f"sample {done} of {len(part)} is not on disk")
        done += longest
        pieces += 1
    return pieces


class Ranges(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        print(f"LOOKBACK_SEED={SEED}, {RANGES} ranges")
        cls.site = Site()
        cls.addClassCleanup(cls.site.__exit__, None, None, None)
        h265 = cls.site.path("h265.mp4")
        subprocess.run(["ffmpeg", "-v", "error", "-t", "4", "-i", STREET_BFRAMES, "-an", *OPEN_GOPS.split(), h265],
                       check=True, timeout=120)
        cls.site.start_recorder()
        for name, footage, audio in (("bframes", STREET_BFRAMES, "aac"), ("open", h265, "aac"),
                                     ("plain", STREET, "none")):
            camera = Process(name, [program("camera_sim"), "--count", "1", "--prefix", name, "--port", "0", "--footage",
                                    footage, "--audio", audio], cls.site.directory)
            cls.addClassCleanup(camera.stop)
            url = camera.await_line(rf"(?m)^rtsp://\S+/{name}1$").group(0)
            cls.site.run("camera", "add", name + "1", url, "--audio")
        cls.cameras = ["bframes1", "open1", "plain1"]
        cls.begin_us = min(cls.await_run(camera, 1) for camera in cls.cameras)
        for camera in cls.cameras:
            cls.site.run("camera", "set", camera, "--disable")
        for camera in cls.cameras:
            cls.site.run("camera", "set", camera, "--enable")
            cls.await_run(camera, 2)
        cls.site.recorder.signal(9)
        cls.site.recorder.stop()
        cls.site.start_recorder()
        for camera in cls.cameras:
            cls.await_run(camera, 3)
            cls.site.run("camera", "set", camera, "--disable")
        cls.end_us = max(cls.site.recorded_until_us(camera) for camera in cls.cameras)
        cls.disk = {camera: cls.read_disk(camera) for camera in cls.cameras}
        cls.browser = cls.enterClassContext(Browser(cls.site.directory))
        cls.shown_in_browser = 0

    @classmethod
    def await_run(cls, camera, number):
        """Waits for its nth run, then for RUN_S seconds of it; where that begins."""
        def begun():
            spans = cls.site.timeline(camera, now_us() - 600 * US, now_us())["spans"]
            return len(spans) == number and time_us(spans[-1]["start"])
        start_us = wait_for(f"run {number} of {camera}", begun, 60)
        cls.site.await_recorded(camera, start_us + RUN_S * US)
        return start_us

    @classmethod
    def read_disk(cls, camera):
        """What is in the segment files: pictures with their hashes, and the hashes of sound, in their order."""
        pictures, sounds = [], []
        for path in wait_for("closed files", lambda: cls.closed_files(camera)):
            own = [{**mark, "sha256": sample}
                   for mark, sample in zip(sei(path, "--packets"), samples(path, "v"), strict=True)]
            # The simulator stamps a picture when it sends it, which a starved one does late: the earliest ones by
            # their time in the file tell how even all of them were sent, and a decoder holds pictures back. A run
            # whose first pictures were all sent late is dated so much later: nobody can know better.
            sent_us = [mark["capture_us"] - mark["pts"] * US for mark in own]
            late_us = min(sent_us[:FIRST_PICTURES]) - min(sent_us)
            held_us = FRAME_US * reordered(path)
            for mark in own:
                even_us = min(sent_us) + mark["pts"] * US
                mark["seen_us"] = (even_us, even_us + held_us + late_us)
            pictures += own
            sounds += samples(path, "a")
        return pictures, sounds

    @classmethod
    def closed_files(cls, camera):
        spans = cls.site.timeline(camera, cls.begin_us - US, cls.end_us + 60 * US)["spans"]
        state = cls.site.status(camera)["state"]
        return state == "stopped" and len(spans) == 3 and cls.site.segment_files(camera)

    def setUp(self):
        self.random = random.Random(SEED)
        self.h264_clips = 0

    def test_ranges_by_chance_are_what_was_on_disk(self):
        for number in range(RANGES):
            camera = self.random.choice(self.cameras)
            start = self.random.randrange(self.begin_us - 2 * US, self.end_us - US)
            end = start + round(US * self.random.choice([0.2, 1, 3, 10, 60]) * self.random.uniform(0.5, 1.5))
            options = [f"--gaps={self.random.choice(['keep', 'close'])}"]
            if self.random.random() < 0.2:
                options.append("--no-audio")
            with self.subTest(number=number, camera=camera, start=time_text(start), end=time_text(end), options=options):
                self.check(camera, start, end, options)
        print(f"{self.shown_in_browser} of the clips were played in Chromium")

    def check(self, camera, start, end, options):
        pictures, sounds = self.disk[camera]
        spans = [(max(start, time_us(span["start"])), min(end, time_us(span["end"])))
                 for span in self.site.timeline(camera, start, end)["spans"]]
        if not spans:
            self.site.run("clip", camera, "--start", time_text(start), "--end", time_text(end), "-o",
                          self.site.path("none.mp4"), *options, ok=(3,))
            self.assertFalse(os.path.exists(self.site.path("none.mp4")))
            return
        path, report = self.site.clip(camera, start, end, *options)
        keep = options[0] == "--gaps=keep"
        covered = sum(b - a for a, b in spans)
        length = spans[-1][1] - spans[0][0] if keep else covered
        # It begins with the whole picture that is on screen; near the end of a run one stands for those that the
        # camera did not send any more, and that are shown behind it.
        self.assertAlmostEqual(duration_s(path) * US, length, delta=(len(spans) + LEADING) * FRAME_US)
        if keep or len(spans) == 1:
            self.expect_no_picture_too_many(path, report, spans)
        self.assertEqual(report["missing_us"], end - start - covered)

        self.expect_shown(path, pictures, spans, keep)
        self.expect_samples(path, camera, pictures, len(spans))
        heard = samples(path, "a")
        if "--no-audio" in options or not sounds:
            self.assertEqual(heard, [])
        elif covered > US:
            self.assertGreater(len(heard), 0)
            self.assertLessEqual(pieces_of(heard, sounds), len(spans))
        self.assertEqual(decode_errors(path), "")
        self.assertEqual(player_errors(path), "")
        self.h264_clips += camera != "open1"
        if camera != "open1" and self.h264_clips % BROWSER_EVERY == 1:
            self.expect_plays_in_browser(path)
        self.expect_slices(camera, start, end, options, path)
        os.remove(path)

    def expect_no_picture_too_many(self, path, report, spans):
        """The first picture is on screen at the asked instant, and the last one before the end."""
        pts_us = [mark["pts"] * US for mark in sei(path)]
        first_us, end_us = (time_us(report["shown"][name]) for name in ("start", "end"))
        lasts_us = pts_us[1] if len(pts_us) > 1 else end_us - first_us
        self.assertLess(-FRAME_US / 2, spans[0][0] - first_us)
        self.assertLess(spans[0][0] - first_us, lasts_us + FRAME_US / 2)
        self.assertLess(first_us + pts_us[-1], spans[-1][1] + FRAME_US / 2)
        self.assertAlmostEqual(duration_s(path) * US, end_us - first_us, delta=FRAME_US / 2)

    def expect_shown(self, path, pictures, spans, keep):
        """The pictures of these spans, each at its time, the first one that which was on screen at the asked instant."""
        shown = sei(path)
        seen_us = {mark["frame"]: mark["seen_us"] for mark in pictures}
        first_us = spans[0][0]
        self.expect_time(shown[0], seen_us, first_us)
        got = {mark["frame"] for mark in shown}
        for mark in pictures:
            earliest, latest = mark["seen_us"]
            if any(a + RIGHT_TIME_US <= earliest and latest < b - RIGHT_TIME_US for a, b in spans):
                self.assertIn(mark["frame"], got)
            if not any(a - RIGHT_TIME_US <= latest and earliest < b + RIGHT_TIME_US for a, b in spans):
                self.assertNotIn(mark["frame"], got)
        if not keep:
            return
        for mark in shown[1:]:
            self.expect_time(mark, seen_us, first_us + mark["pts"] * US)
        for (_, gap_start), (gap_end, _) in zip(spans, spans[1:]):
            middle = (gap_start + gap_end) / 2
            before = max((mark for mark in pictures if mark["seen_us"][1] < middle), key=lambda mark: mark["seen_us"])
            seen = [mark for mark in shown if mark["pts"] * US <= middle - first_us][-1]
            self.assertEqual(seen["frame"], before["frame"])

    def expect_time(self, mark, seen_us, at_us):
        """That the picture was captured at an instant, within what is promised and a picture's length."""
        earliest, latest = seen_us[mark["frame"]]
        self.assertLess(max(earliest - at_us, at_us - latest - FRAME_US), RIGHT_TIME_US, mark)

    def expect_samples(self, path, camera, pictures, runs):
        """Each is on disk byte for byte, in that order, and none is left out but leading pictures at a start."""
        at = {mark["frame"]: place for place, mark in enumerate(pictures)}
        places = []
        for mark, sample in zip(sei(path, "--packets"), samples(path, "v", camera == "open1"), strict=True):
            self.assertEqual(sample, pictures[at[mark["frame"]]]["sha256"])
            places.append(at[mark["frame"]])
        steps = [b - a for a, b in zip(places, places[1:])]
        self.assertTrue(all(step >= 1 for step in steps))
        skips = [place for place, step in enumerate(steps) if step > 1]
        self.assertLessEqual(len(skips), runs)
        if skips:
            self.assertEqual(skips[0], 0)
            self.assertLessEqual(steps[0], 1 + LEADING)

    def expect_plays_in_browser(self, path):
        """To its end, without a complaint, and as long as ffprobe has it. Once it has read all of the file Chromium
        counts the last pictures whole, and those that were sent with them and are shown behind the clip's end."""
        page = self.site.path("page.html")
        with open(page, "w", encoding="ascii") as file:
            file.write(f'<!doctype html><video muted src="{os.path.basename(path)}"></video>')
        self.browser.go("file://" + page)
        self.browser.wait("the clip's length", "return document.querySelector('video').readyState >= 1")
        length = self.browser.run("return document.querySelector('video').duration")
        self.assertGreaterEqual(length, duration_s(path) - FRAME_US / US)
        counted_behind = LEADING if duration_s(path) < BROWSER_READS_AHEAD_S else 0
        self.assertLessEqual(length, duration_s(path) + (counted_behind + 1) * FRAME_US / US)
        self.browser.run("const video = document.querySelector('video');"
                         f"video.playbackRate = {BROWSER_RATE}; return video.play()")
        self.browser.wait("the end of the clip", "const video = document.querySelector('video');"
                                                 "return video.ended || video.error !== null")
        seen = self.browser.run("const video = document.querySelector('video');"
                                "return [video.error?.message ?? '', video.duration, video.videoWidth]")
        self.assertEqual(seen[0], "")
        self.assertAlmostEqual(seen[1], length, delta=(LEADING + 1) * FRAME_US / US)
        self.assertGreater(seen[2], 0)
        type(self).shown_in_browser += 1

    def expect_slices(self, camera, start, end, options, path):
        query = (f"/api/v1/cameras/{camera}/clip.mp4?start={time_text(start)}&end={time_text(end)}"
                 f"&gaps={options[0].split('=')[1]}&audio={0 if '--no-audio' in options else 1}")
        with open(path, "rb") as file:
            whole = file.read()
        for _ in range(3):
            first = self.random.randrange(len(whole))
            last = min(first + self.random.randrange(100_000), len(whole) - 1)
            status, headers, body = self.site.http(query, {"Range": f"bytes={first}-{last}"})
            self.assertEqual((status, headers["Content-Range"]), (206, f"bytes {first}-{last}/{len(whole)}"))
            self.assertEqual(body, whole[first:last + 1])


if __name__ == "__main__":
    unittest.main()
