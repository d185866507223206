"""Footage search as an investigator meets it: a night on which the clocks change, a place, a road, pages.

The footage is made, with make_store, around the hour that Berlin's clocks showed twice in 2026.
"""

import datetime
import json
import math
import os
import subprocess
import unittest
import zoneinfo

from harness import STREET, US, Site, program, time_text, time_us

ZONE = "Europe/Berlin"
START = "2026-10-24T23:30:00Z"  # 01:30 in Berlin; 02:00 to 03:00 is shown twice, from 00:00Z and 01:00Z on.
SECONDS = 2 * 3600
GAP_AT_S, GAP_S = 40 * 60, 30
GATE = (52.516275, 13.377704)  # 2,204.5 m apart.
MARKET = (52.520815, 13.409419)
FLEET = """
[[camera]]
id = "cam1"
url = "rtsp://127.0.0.1:9/cam1"
place = {{ latitude = {0}, longitude = {1}, bearing = 90 }}
tags = ["crossing", "north"]

[[camera]]
id = "cam2"
url = "rtsp://127.0.0.1:9/cam2"
enabled = false
"""


class Search(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site()
        cls.addClassCleanup(cls.site.__exit__, None, None, None)
        subprocess.run([program("make_store"), "--data", cls.site.data, "--footage", STREET, "--cameras", "2",
                        "--start", START, "--seconds", str(SECONDS), "--gap-at", str(GAP_AT_S),
                        "--gap-seconds", str(GAP_S)], check=True, timeout=300, stderr=subprocess.DEVNULL)
        cls.site.start_recorder()
        fleet = cls.site.path("fleet.toml")
        with open(fleet, "w", encoding="utf-8") as file:
            file.write(FLEET.format(*GATE))
        cls.site.run("apply", fleet, "--yes")
        _, cls.second_apply, _ = cls.site.run("apply", fleet, "--yes")
        cls.site.run("camera", "set", "cam2", "--place", "%f,%f" % MARKET, "--tags", "crossing")
        cls.start = time_us(START)

    def get(self, query):
        status, _, body = self.site.http("/api/v1/footage?" + query)
        self.assertEqual(status, 200, body)
        return json.loads(body)

    def covered_minutes(self, answer, camera):
        """Which minutes of the answer's windows are covered from end to end."""
        minutes = set()
        for window in answer["windows"]:
            if window["camera"] != camera:
                continue
            for part in window["covered"]:
                first = -(-time_us(part["start"]) // (60 * US))
                minutes |= set(range(first, time_us(part["end"]) // (60 * US)))
        return minutes

    def shown_minutes(self, begin, end):
        """Those in which Berlin's clocks show a time of day from `begin` to `end`, by Python's zoneinfo."""
        zone = zoneinfo.ZoneInfo(ZONE)
        minutes = set()
        for minute in range(self.start // (60 * US), self.start // (60 * US) + SECONDS // 60):
            shown = datetime.datetime.fromtimestamp(minute * 60, zone)
            if begin <= shown.hour * 60 + shown.minute < end:
                minutes.add(minute)
        return minutes

    def test_a_fleet_file_says_places_and_tags_and_a_second_time_changes_nothing(self):
        self.assertIn("othing", self.second_apply)
        _, text, _ = self.site.run("camera", "show", "cam1")
        self.assertIn("52.516275, 13.377704, looks to 90 degrees", text)
        self.assertIn("crossing,north", text)

    def test_the_hour_that_was_shown_twice_has_both_its_readings_and_nothing_else(self):
        answer = self.get(f"camera=cam1&start={START}&end={time_text(self.start + SECONDS * US)}"
                          f"&daily=02:10-02:40&tz={ZONE}")
        gap = range((self.start + GAP_AT_S * US) // (60 * US),
                    (self.start + (GAP_AT_S + GAP_S) * US) // (60 * US) + 1)
        expected = self.shown_minutes(130, 160)
        self.assertEqual(len(expected), 50, "half an hour, and what of the second one is recorded")
        self.assertEqual(self.covered_minutes(answer, "cam1"), expected - set(gap))
        self.assertEqual([window["start"] for window in answer["windows"]],
                         ["2026-10-25T00:10:00Z", "2026-10-25T01:10:00Z"])
        missing = [part for window in answer["windows"] for part in window["missing"]]
        self.assertEqual(sum(part["missing_us"] for part in missing), GAP_S * US)
        self.assertEqual(sum(part["gaps"] for part in missing), 1)

    def test_places_are_found_by_distance(self):
        lat, lon = (math.radians(a) for a in GATE)
        lat2, lon2 = (math.radians(a) for a in MARKET)
        h = (math.sin((lat2 - lat) / 2) ** 2
             + math.cos(lat) * math.cos(lat2) * math.sin((lon2 - lon) / 2) ** 2)
        apart_m = 2 * 6371008.8 * math.asin(math.sqrt(h))
        for radius_m, expected in ((apart_m - 1, ["cam1"]), (apart_m + 1, ["cam1", "cam2"])):
            answer = self.get(f"near={GATE[0]},{GATE[1]},{radius_m}&start={START}"
                              f"&end={time_text(self.start + 60 * US)}")
            self.assertEqual([window["camera"] for window in answer["windows"]], expected)

    def test_pages_of_one_window_are_the_whole(self):
        query = (f"tag=crossing&start={START}&end={time_text(self.start + SECONDS * US)}"
                 f"&daily=02:10-02:40&tz={ZONE}")
        whole = self.get(query)["windows"]
        self.assertEqual(len(whole), 4)
        paged, after = [], ""
        while True:
            page = self.get(query + "&limit=1" + (f"&after={after}" if after else ""))
            paged += page["windows"]
            after = page["next"]
            if not after:
                break
        self.assertEqual(paged, whole)
        acts = [act for act in self.site.cli("custody", "--limit", "50")["acts"]
                if act["kind"] == "search" and "tag=crossing" in act["what"]]
        self.assertEqual(len(acts), 2, "the whole, and the first page")
        self.assertEqual(acts[0]["cameras"], ["cam1", "cam2"])

    def test_a_road_is_followed_camera_by_camera(self):
        road = self.site.path("road.txt")
        with open(road, "w", encoding="utf-8") as file:
            file.write("# from the gate\n%f,%f\n%f, %f  # to the market\n" % (*GATE, *MARKET))
        report = self.site.cli("search", "--route", road, "--speed", "20-60", "--buffer", "50", "--tz", ZONE,
                               "--date", "2026-10-25", "--start", "01:40", "--end", "01:41")
        windows = report["windows"]
        self.assertEqual([window["camera"] for window in windows], ["cam1", "cam2"])
        left = self.start + 600 * US
        # 50 m before the market at 60 km/h; at its end, 2,204.5 m, at 20 km/h, a minute later.
        self.assertAlmostEqual(time_us(windows[1]["start"]), left + 2154.5 / (60 / 3.6) * US, delta=US / 10)
        self.assertAlmostEqual(time_us(windows[1]["end"]), left + 60 * US + 2204.5 / (20 / 3.6) * US,
                               delta=US / 10)
        self.assertEqual(windows[1]["missing_us"], 0)

    def test_the_command_line_shows_a_table_and_says_what_it_left_out(self):
        _, text, _ = self.site.run("search", "--tag", "north", "--tz", ZONE, "--from", "2026-10-24", "--to",
                                   "2026-10-25", "--daily", "22:00-05:00", "--with-footage")
        lines = text.splitlines()
        self.assertIn("times of Europe/Berlin", lines[0])
        self.assertIn("2026-10-24T22:00:00.000+02:00", lines[2])
        self.assertIn("2026-10-25T05:00:00.000+01:00", lines[2])
        self.assertIn("1 window of 1 camera", lines[-1])
        code, _, error = self.site.run("search", "--near", "91,0,5", "--from", "2026-10-24", "--to", "2026-10-24",
                                       ok=(2,))
        self.assertEqual(code, 2)
        self.assertIn("a latitude is from -90 to 90", error)


if __name__ == "__main__":
    unittest.main()
