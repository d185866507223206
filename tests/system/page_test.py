"""The page at "/", as a person uses it: from login to a downloaded export, in Chromium.

What is shown is held against the simulator's marks in the pictures, what is downloaded against sha256sum, and
what the browser asked for against its own log: nothing may go elsewhere, and nothing be complained of.
LOOKBACK_SCREENSHOTS names a directory that keeps pictures of the page.
"""

import csv
import datetime
import json
import os
import subprocess
import unittest
import urllib.parse
import zoneinfo

from browser import Browser
from harness import US, Site, decode_errors, now_us, sei, time_text, time_us, wait_for

SECONDS = 8  # Of footage on either side of a gap.
RIGHT = "\ue014"


def site_zone():
    """A zone with an odd offset, where it is not about midnight now."""
    for name in ("Asia/Kolkata", "America/St_Johns"):
        zone = zoneinfo.ZoneInfo(name)
        if 1 <= datetime.datetime.now(zone).hour <= 22:
            return zone
    raise AssertionError("it is about midnight in both")


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.zone = site_zone()
        cls.site = Site()
        cls.addClassCleanup(cls.site.__exit__, None, None, None)
        cls.site.start_cameras(count=2)
        os.environ["TZ"] = cls.zone.key  # The daemon's; the browser's is UTC.
        cls.addClassCleanup(os.environ.pop, "TZ")
        cls.site.start_recorder()
        cls.site.add_cameras("--name", "市场路口东")
        cls.first, until = cls.site.await_span("cam1", SECONDS)
        cls.site.stop_recorder()
        cls.site.start_recorder()
        cls.site.await_recorded("cam1", max(until, now_us()) + SECONDS * US)
        cls.last = cls.site.recorded_until_us("cam1")
        timeline = cls.site.timeline("cam1", cls.first, cls.last)
        cls.gap = [time_us(timeline["gaps"][0][end]) for end in ("start", "end")]
        cls.browser = cls.enterClassContext(Browser(cls.site.directory))

    def picture(self, name):
        folder = os.environ.get("LOOKBACK_SCREENSHOTS", self.site.directory)
        self.browser.picture(os.path.join(folder, f"{name}.png"))

    def local(self, instant_us, form):
        return datetime.datetime.fromtimestamp(instant_us / US, self.zone).strftime(form)

    def go_to(self, instant_us):
        """By the field for the time, whose whole seconds a person would type."""
        self.browser.run(
            "const time = document.querySelector('#time'); time.value = arguments[0];"
            "time.dispatchEvent(new Event('change', {bubbles: true}))",
            self.local(instant_us, "%H:%M:%S"))

    def shown_us(self):
        """The time that the page tells of its picture, which has stood still; and where it is in which clip."""
        told, at, source = self.browser.run(
            "const video = document.querySelector('video');"
            "return [document.querySelector('#now').dateTime, video.currentTime, video.currentSrc]")
        return time_us(told), at, source

    def pause_at(self, instant_us):
        self.go_to(instant_us)
        self.browser.wait("the picture of that time", """
            const video = document.querySelector('video');
            const told = Date.parse(document.querySelector('#now').dateTime) / 1000;
            if (video.readyState < 3 || video.seeking || !(told >= arguments[0])) return false;
            video.pause();
            return true""", instant_us // US)
        self.browser.run("return new Promise((done) => setTimeout(done, 200))")

    def test_from_login_to_a_checked_export(self):
        self.log_in()
        self.choose_the_day()
        self.look_before_playing()
        self.play()
        self.see_the_gap()
        self.take_an_export()
        self.look_at_it_small_and_dark()
        self.log_out()
        self.browser.read_logs()
        elsewhere = [url for url in self.browser.requested
                     if not url.startswith((self.site.server + "/", "data:", "chrome:", "about:"))]
        self.assertEqual(elsewhere, [])
        self.assertGreater(len(self.browser.requested), 10)
        self.assertEqual(self.browser.complaints, [])

    def log_in(self):
        browser = self.browser
        browser.go(self.site.server + "/")
        browser.wait("the login", "return !document.querySelector('#login').hidden")
        self.picture("login")
        browser.type("#token", "lbk_wrong")
        browser.click("#login-form button")
        browser.wait("a refusal", "return document.querySelector('#message.alarm')")
        # A browser complains of any answer of that kind by itself, and of this one alone.
        browser.read_logs()
        self.assertEqual(len(browser.complaints), 1, browser.complaints)
        self.assertIn("401", browser.complaints.pop())
        browser.run("document.querySelector('#token').value = ''")
        with open(self.site.token_file, encoding="ascii") as file:
            browser.type("#token", file.read().strip())
        browser.click("#login-form button")
        browser.wait("the cameras", "return document.querySelectorAll('#camera option').length === 2")

    def choose_the_day(self):
        browser = self.browser
        options = browser.run("return [...document.querySelectorAll('#camera option')].map((o) => o.text)")
        self.assertEqual(options, ["市场路口东 (cam1)", "市场路口东 (cam2)"])
        self.assertEqual(browser.run("return document.querySelector('#date').value"),
                         self.local(self.first, "%Y-%m-%d"))
        browser.click("#day-before")
        browser.wait("an empty day", "return document.querySelector('#day-text').textContent.startsWith('0 s')")
        browser.click("#day-after")
        browser.wait("this day", "return document.querySelectorAll('#footage .whole').length >= 2")
        self.assertIn(self.zone.key, browser.text("#day-text"))
        why = browser.run("return [...document.querySelectorAll('#missing li')].map((l) => l.textContent)")
        self.assertTrue(any("recorder down" in line and self.local(self.gap[0], "%H:%M:%S") in line
                            for line in why), why)

    def share_of_day(self, instant_us):
        day = datetime.datetime.fromtimestamp(instant_us / US, self.zone)
        return (day.hour * 3600 + day.minute * 60 + day.second) / 86_400

    def look_before_playing(self):
        """Who moves over the bar sees a small picture of that time."""
        browser = self.browser
        browser.run("window.scrollTo(0, 0)")

        def seen():
            # Some pixels to and fro, for each move shows what has come by then.
            seen.nth += 1
            browser.point_at("#bar", self.share_of_day(self.first) + seen.nth % 2 / 2_000)
            return browser.run("return !document.querySelector('#cell').hidden")
        seen.nth = 0
        wait_for("a small picture", seen)
        self.picture("preview")
        self.assertEqual(browser.run(
            "const sheet = document.querySelector('#cell img'); return [sheet.naturalWidth, sheet.naturalHeight]"),
            [1600, 900])
        # The cell is not black: it is what was recorded.
        light = browser.run("""
            const canvas = document.createElement('canvas'), sheet = document.querySelector('#cell img');
            [canvas.width, canvas.height] = [160, 90];
            const draw = canvas.getContext('2d');
            draw.drawImage(sheet, parseInt(sheet.style.left), parseInt(sheet.style.top));
            return draw.getImageData(0, 0, 160, 90).data.reduce((sum, value) => sum + value, 0) / (160 * 90 * 4)""")
        self.assertGreater(light, 255 / 4 + 20)

    def play(self):
        browser = self.browser
        # A minute of the bar is less than a pixel: a click beside the footage goes on to where it begins.
        browser.click_at("#bar", self.share_of_day(self.first) - 1 / 288)
        browser.wait("a moving picture", "return document.querySelector('video').currentTime > 1")
        self.assertIn("Footage goes on at", browser.text("#message"))
        self.assertGreater(browser.run("return document.querySelector('video').videoWidth"), 0)
        for instant in (self.first + 3 * US, self.gap[1] + 3 * US):
            self.pause_at(instant)
            told, at, source = self.shown_us()
            path = self.site.path("seen.mp4")
            parts = urllib.parse.urlsplit(source)
            with open(path, "wb") as file:
                file.write(self.site.http(f"{parts.path}?{parts.query}")[2])
            seen = [one for one in sei(path) if one["pts"] <= at + 0.02][-1]
            self.assertEqual(seen["camera"], "cam1")
            self.assertLess(abs(told - seen["capture_us"]), US / 4, (time_text(told), seen))
            self.assertLess(abs(told - instant), 2 * US)
            self.assertEqual(browser.text("#now"),
                             self.local(told, "%Y-%m-%d %H:%M:%S ") + self.offset(told))
        self.pause_at(self.first + 3 * US)
        browser.press("#player", RIGHT)
        browser.wait("the picture of ten seconds later",
                     "return Date.parse(document.querySelector('#now').dateTime) >= arguments[0]",
                     self.first // 1000 + 11_500)
        self.picture("playing")

    def offset(self, instant_us):
        text = self.local(instant_us, "%z")
        return text[:3].replace("-", "−") + ":" + text[3:]

    def see_the_gap(self):
        """What is missing is said, and its time is not told of another's picture."""
        browser = self.browser
        self.go_to(self.gap[0] + US)
        browser.wait("the picture behind the gap", """
            return Date.parse(document.querySelector('#now').dateTime) >= arguments[0]""",
                     self.gap[1] // 1000)
        self.assertIn("recorder down", browser.text("#message"))
        self.go_to(self.gap[0] - US)
        browser.wait("playing over it", """
            const video = document.querySelector('video');
            return !video.paused && Date.parse(document.querySelector('#now').dateTime) >= arguments[0]""",
                     self.gap[1] // 1000)

    def take_an_export(self):
        browser = self.browser
        browser.type("#reason", "the white van")
        browser.type("#case", "2026-114")
        self.pause_at(self.first + 2 * US)
        browser.press("#player", "i")
        self.pause_at(self.gap[1] + 4 * US)
        browser.click("#set-end")
        start, end = (time_us(self.browser.run(
            "return new Date(Number(document.querySelector('#chosen').dataset[arguments[0]])).toISOString()",
            which)) for which in ("start", "end"))
        self.picture("chosen")
        browser.click("#export")
        path = wait_for("the export", self.downloaded)
        self.assertIn("is held until", browser.text("#message"))
        directory = self.site.path("unpacked")
        subprocess.run(["unzip", "-q", path, "-d", directory], check=True)
        checked = subprocess.run(["sha256sum", "-c", "--strict", "MANIFEST.sha256"], cwd=directory,
                                 capture_output=True, text=True)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        clips = os.listdir(os.path.join(directory, "clips"))
        self.assertTrue(all(f"clips/{clip}: OK" in checked.stdout for clip in clips), checked.stdout)
        shown = []
        for clip in sorted(clips):
            self.assertEqual(decode_errors(os.path.join(directory, "clips", clip)), "")
            shown += [one["capture_us"] for one in sei(os.path.join(directory, "clips", clip))]
        self.assertLess(abs(shown[0] - start), US / 4)
        self.assertLess(abs(shown[-1] - end), US / 4)
        with open(os.path.join(directory, "meta", "gaps.csv"), encoding="utf-8", newline="") as file:
            self.assertEqual([row["cause"] for row in csv.DictReader(file)], ["recorder down"])
        with open(os.path.join(directory, "meta", "request.json"), encoding="utf-8") as file:
            request = json.load(file)
        self.assertEqual((request["case"], request["reason"]), ("2026-114", "the white van"))
        holds = json.loads(self.site.http("/api/v1/holds")[2])["holds"]
        self.assertEqual([hold["case"] for hold in holds], ["2026-114"])
        acts = json.loads(self.site.http("/api/v1/custody?limit=200")[2])["acts"]
        self.assertIn(("export", "export.zip", "2026-114: the white van"),
                      [(act["kind"], act["what"], act["reason"]) for act in acts])
        browser.wait("the hold on the bar", "return document.querySelector('#footage .held')")

    def downloaded(self):
        names = os.listdir(self.browser.downloads)
        whole = [name for name in names if name.endswith(".zip")]
        return os.path.join(self.browser.downloads, whole[0]) if whole and len(names) == 1 else None

    def look_at_it_small_and_dark(self):
        browser = self.browser
        browser.devtools("Emulation.setEmulatedMedia",
                         features=[{"name": "prefers-color-scheme", "value": "dark"}])
        self.picture("dark")
        browser.devtools("Emulation.setDeviceMetricsOverride", width=360, height=800,
                         deviceScaleFactor=2, mobile=True)
        browser.run("window.scrollTo(0, 0)")
        self.picture("phone")
        wider = browser.run("""
            return [...document.querySelectorAll('body *')].filter((one) => (
                one.getBoundingClientRect().right > 360.5)).map((one) => one.id || one.className || one.tagName)""")
        self.assertEqual(wider, [])
        browser.devtools("Emulation.clearDeviceMetricsOverride")

    def log_out(self):
        self.browser.click("#logout")
        self.browser.wait("the login", "return !document.querySelector('#login').hidden")
        self.browser.go(self.site.server + "/")
        self.browser.wait("the login", "return !document.querySelector('#login').hidden")


if __name__ == "__main__":
    unittest.main(verbosity=2)
