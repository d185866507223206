"""Playback as players meet it: HLS of two runs with a gap between them, and live, by ffmpeg and by hand.

What is played is counted against the clip of the same range and against the simulator's log.
"""

import json
import re
import subprocess
import unittest
import urllib.parse

from harness import US, Site, now_us, sei, time_text, time_us, wait_for

SECONDS = 14
LIVE_S = 8


def read_playlist(text):
    """Its media segments: (url, seconds, wall clock or None, whether a discontinuity is before it)."""
    entries, seconds, clock, broken = [], 0.0, None, False
    for line in text.splitlines():
        if line.startswith("#EXTINF:"):
            seconds = float(line[8:].rstrip(","))
        elif line.startswith("#EXT-X-PROGRAM-DATE-TIME:"):
            clock = line.split(":", 1)[1]
        elif line == "#EXT-X-DISCONTINUITY":
            broken = True
        elif line and not line.startswith("#"):
            entries.append((line, seconds, clock, broken))
            clock, broken = None, False
    return entries


def number(text, tag):
    return int(re.search(rf"(?m)^#EXT-X-{tag}:(\d+)$", text).group(1))


class Playback(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site()
        cls.addClassCleanup(cls.site.__exit__, None, None, None)
        cls.site.start_cameras()
        cls.site.start_recorder()
        cls.site.add_cameras()
        cls.first, until = cls.site.await_span("cam1", SECONDS)
        cls.before = cls.live()
        # A gap, and another run behind it.
        cls.site.stop_recorder()
        cls.site.start_recorder()
        cls.site.await_recorded("cam1", max(until, now_us()) + SECONDS * US)
        cls.last = cls.site.recorded_until_us("cam1") - US

    @classmethod
    def get(cls, path, **options):
        status, headers, body = cls.site.http(f"/api/v1/cameras/cam1/{path}", **options)
        return status, headers, body.decode() if "mpegurl" in headers["Content-Type"] else body

    @classmethod
    def live(cls):
        status, _, text = cls.get("live.m3u8")
        assert status == 200, text
        return text

    def range(self):
        return f"start={time_text(self.first)}&end={time_text(self.last)}"

    def ffmpeg(self, path, *output):
        with open(self.site.token_file, encoding="ascii") as file:
            token = file.read().strip()
        return subprocess.run(
            ["ffmpeg", "-v", "error", "-y", "-headers", f"Authorization: Bearer {token}\r\n",
             "-i", f"{self.site.server}/api/v1/cameras/cam1/{path}", *output],
            capture_output=True, text=True, timeout=120)

    def frames_of(self, path):
        """The simulator's frame numbers in what ffmpeg makes of a playlist."""
        out = self.site.path("played.mp4")
        done = self.ffmpeg(path, "-map", "0:v:0", "-c", "copy", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [picture["frame"] for picture in sei(out)]

    def test_a_playlist_has_the_pictures_of_the_clip(self):
        clip, report = self.site.clip("cam1", self.first, self.last)
        expected = [picture["frame"] for picture in sei(clip)]
        played = self.frames_of(f"variant.m3u8?{self.range()}")
        self.assertTrue(set(expected) <= set(played))
        # Whole fragments: a few more at either end, each once and none between that was not sent.
        self.assertEqual(len(played), len(set(played)))
        self.assertLessEqual(len(played) - len(expected), 6 * 25)
        self.assertGreater(report["missing_us"], 0)

    def test_the_wall_clock_is_right_on_both_sides_of_the_gap(self):
        _, _, text = self.get(f"variant.m3u8?{self.range()}")
        self.assertIn("#EXT-X-ENDLIST", text)
        sent = {frame["frame"]: frame["sent"] for frame in self.site.frames_sent()["cam1"]}
        told = 0
        init = re.findall(r'#EXT-X-MAP:URI="([^"]+)"', text)[0]
        for url, _, clock, _ in read_playlist(text):
            if not clock:
                continue
            path = self.site.path("part.mp4")
            with open(path, "wb") as file:
                file.write(self.get(init)[2] + self.get(url)[2])
            shown = sei(path)[0]
            self.assertLess(abs(time_us(clock) - shown["capture_us"]), 100_000, (clock, shown))
            self.assertIn(shown["frame"], sent)
            told += 1
        self.assertGreaterEqual(told, 2)
        self.assertEqual(sum(broken for *_, broken in read_playlist(text)), 1)

    def test_each_variant_is_named_and_plays(self):
        status, headers, text = self.get(f"playlist.m3u8?{self.range()}")
        self.assertEqual(status, 200, text)
        self.assertEqual(headers["Content-Type"], "application/vnd.apple.mpegurl")
        probe = json.loads(subprocess.run(
            ["ffprobe", "-v", "error", "-of", "json", "-show_streams", self.site.clip(
                "cam1", self.first, self.first + 2 * US)[0]],
            capture_output=True, text=True, check=True, timeout=60).stdout)["streams"][0]
        self.assertIn(f"RESOLUTION={probe['width']}x{probe['height']}", text)
        uri = re.search(r"(?m)^variant\.m3u8\S+$", text).group(0)
        self.assertEqual(self.get(uri)[0], 200)
        fast = re.search(r'#EXT-X-I-FRAME-STREAM-INF:.*URI="([^"]+)"', text).group(1)
        _, _, samples = self.get(fast)
        entries = read_playlist(samples)
        self.assertGreater(len(entries), SECONDS / 2)
        init = re.findall(r'#EXT-X-MAP:URI="([^"]+)"', samples)[0]
        path = self.site.path("sample.mp4")
        with open(path, "wb") as file:
            file.write(self.get(init)[2] + self.get(entries[0][0])[2])
        self.assertEqual(len(sei(path)), 1)

    def test_live_goes_on_over_a_restart(self):
        after = self.live()
        self.assertNotIn("#EXT-X-ENDLIST", after)
        # It begins anew every 24 days.
        self.assertNotEqual(number(after, "DISCONTINUITY-SEQUENCE"),
                            number(self.before, "DISCONTINUITY-SEQUENCE"))
        highest = number(self.before, "MEDIA-SEQUENCE") + len(read_playlist(self.before))
        self.assertGreater(number(after, "MEDIA-SEQUENCE"), highest)
        # What comes later has the same number for the same fragment.
        numbers = dict((url, number(after, "MEDIA-SEQUENCE") + i)
                       for i, (url, *_) in enumerate(read_playlist(after)))
        later = wait_for("further fragments", lambda: (lambda text: text if text != after else None)(
            self.live()))
        for i, (url, *_) in enumerate(read_playlist(later)):
            self.assertEqual(numbers.get(url, number(later, "MEDIA-SEQUENCE") + i),
                             number(later, "MEDIA-SEQUENCE") + i)

    def test_a_player_follows_live(self):
        out = self.site.path("live.mp4")
        done = self.ffmpeg("live.m3u8", "-t", str(LIVE_S), "-map", "0:v:0", "-c", "copy", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        frames = [picture["frame"] for picture in sei(out)]
        self.assertGreaterEqual(len(frames), LIVE_S * 25 - 50)
        self.assertEqual(frames, list(range(frames[0], frames[0] + len(frames))))

    def test_the_view_is_on_record_once(self):
        reason = urllib.parse.quote("case 7")
        _, _, text = self.get(f"variant.m3u8?{self.range()}&reason={reason}")
        for url, *_ in read_playlist(text):
            self.assertEqual(self.get(url)[0], 200)
        acts = json.loads(self.site.http("/api/v1/custody?limit=200")[2])["acts"]
        mine = [act for act in acts if act["what"] == "playback" and time_us(act["start"]) == self.first]
        self.assertEqual(len(mine), 1, acts[:10])


if __name__ == "__main__":
    unittest.main(verbosity=2)
