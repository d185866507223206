"""The store's own checks: fsck names what is wrong, rebuild brings the catalog back, doubles are refused."""

import os
import re
import shutil
import subprocess
import unittest

from harness import US, Process, Site, now_us, program, time_text


class Store(unittest.TestCase):
    def make(self, site):
        site.start_cameras(count=2)
        site.start_recorder()
        site.add_cameras()
        start, _ = site.await_span("cam1", seconds=6)
        site.await_span("cam2", seconds=6)
        return start

    def kinds(self, site, ok=(1,)):
        return [(f["kind"], f["path"]) for f in site.fsck(ok=ok)["findings"] if f["fault"]]

    def test_fsck_names_each_kind_of_damage(self):
        with Site() as site:
            self.make(site)
            self.assertEqual(self.kinds(site, ok=(0,)), [])  # Beside the running store.
            site.stop_recorder()
            self.assertEqual(self.kinds(site, ok=(0,)), [])
            cam1, cam2 = site.segment_files("cam1")[0], site.segment_files("cam2")[0]
            with open(cam1, "r+b") as file:
                file.truncate(os.path.getsize(cam1) - 1000)
            os.rename(cam2, site.path("taken"))
            stray = os.path.join(os.path.dirname(cam1), "holiday.mp4")
            with open(stray, "wb") as file:
                file.write(b"not ours")
            found = self.kinds(site)
            self.assertIn(("truncated-file", cam1), found)
            self.assertIn(("stray-file", stray), found)
            self.assertEqual([kind for kind, _ in found].count("missing-file"), 1)
            self.assertEqual(len(found), 3, found)
            _, out, _ = site.run("fsck", "--data", site.data, ok=(1,))
            for words in (cam1, "cam2", stray):
                self.assertIn(words, out)

    def test_a_rebuilt_catalog_answers_as_before_and_deletes_nothing(self):
        with Site() as site:
            start = self.make(site)
            day = ("--start", time_text(start - 60 * US), "--end", time_text(start + 5 * US))
            site.run("marker", "add", "--camera", "cam1", *day, "--label", "white van")
            site.run("hold", "add", "--camera", "cam2", *day, "--case", "2026-114")
            site.run("retention", "set", "--min-days", "30", "--max-days", "90", "--at-floor",
                     "stop")
            site.stop_recorder()
            site.start_recorder()

            def answers():
                # The range ends before the last stop, so that it is the same before and after.
                return [site.timeline("cam1", start, start + 5 * US),
                        site.cli("camera", "list"), site.cli("marker", "list"),
                        site.cli("hold", "list"),
                        site.cli("retention", "show")["policies"]]

            before = answers()
            self.assertTrue(site.cli("retention", "show")["confirmed"])
            site.stop_recorder()
            shutil.rmtree(os.path.join(site.data, "catalog"))
            site.run("rebuild", "--data", site.data)
            self.assertEqual(self.kinds(site, ok=(0,)), [])
            site.start_recorder()
            self.assertEqual(answers(), before)
            self.assertFalse(site.cli("retention", "show")["confirmed"])
            site.run("retention", "confirm")
            self.assertTrue(site.cli("retention", "show")["confirmed"])

    def test_what_a_damaged_store_file_says_to_type_mends_it(self):
        with Site() as site:
            start = self.make(site)
            site.stop_recorder()
            path = os.path.join(site.data, "store.json")
            with open(path, "w", encoding="ascii") as file:
                file.write('{"format": 2, "sto')
            refused = subprocess.run(
                [program("lookback"), "serve", "--data", site.data, "--listen", "127.0.0.1:0"],
                capture_output=True, text=True, timeout=60)
            self.assertEqual(refused.returncode, 6)
            said = re.findall("`(.*?)`", refused.stderr)
            self.assertEqual(said, [f"mv {path} {path}.damaged", f"lookback rebuild --data {site.data} --volume ROOT"])
            for _, _, err in (site.run("fsck", "--data", site.data, ok=(6,)), site.run("rebuild", "--data", site.data, ok=(6,))):
                self.assertEqual(re.findall("`(.*?)`", err), said)
            subprocess.run(said[0], shell=True, check=True, timeout=60)
            site.run(*said[1].replace("ROOT", os.path.join(site.data, "volume")).split()[1:])
            site.start_recorder()
            self.assertEqual(site.timeline("cam1", start, start + 3 * US)["missing_us"], 0)

    def test_a_second_daemon_a_foreign_and_a_newer_store_are_refused(self):
        with Site() as site, Site() as other:
            for s in (site, other):
                s.start_recorder()
            refused = subprocess.run(
                [program("lookback"), "serve", "--data", site.data, "--listen", "127.0.0.1:0"],
                capture_output=True, text=True, timeout=60)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn(str(site.recorder.pid), refused.stderr)
            site.stop_recorder()
            other.stop_recorder()
            refused = subprocess.run(
                [program("lookback"), "serve", "--data", site.data, "--listen", "127.0.0.1:0",
                 "--volume", os.path.join(other.data, "volume")],
                capture_output=True, text=True, timeout=60)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("not of this store", refused.stderr)
            volume, fresh = os.path.join(other.data, "volume"), site.path("fresh")
            for command in ("restore DIR", "rebuild"):
                self.assertIn(f"`lookback {command} --data NEW --volume {volume}`", refused.stderr)
            refused = subprocess.run([program("lookback"), "serve", "--data", fresh, "--listen", "127.0.0.1:0", "--volume", volume],
                                     capture_output=True, text=True, timeout=60)
            self.assertEqual(refused.returncode, 8)
            self.assertIn(f"`lookback rebuild --data {fresh} --volume {volume}`", refused.stderr)
            self.assertFalse(os.path.exists(fresh))
            path = os.path.join(site.data, "store.json")
            with open(path, encoding="utf-8") as file:
                text = file.read()
            newer = text.replace('"format": 2', '"format": 99')
            self.assertNotEqual(newer, text)
            with open(path, "w", encoding="utf-8") as file:
                file.write(newer)
            refused = subprocess.run(
                [program("lookback"), "serve", "--data", site.data, "--listen", "127.0.0.1:0"],
                capture_output=True, text=True, timeout=60)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("format 99", refused.stderr)
            with open(path, encoding="utf-8") as file:
                self.assertEqual(file.read(), newer)

    def test_a_known_volume_that_is_empty_is_offline_and_stays_empty(self):
        with Site() as site:
            start = self.make(site)
            site.stop_recorder()
            volume = os.path.join(site.data, "volume")
            os.rename(volume, site.path("unmounted"))
            os.mkdir(volume)
            site.start_recorder()
            status = site.http("/api/v1/status")[2].decode()
            self.assertIn("volume-offline", status)
            code, _, err = site.run("clip", "cam1", "--start", time_text(start), "--end",
                                    time_text(start + 3 * US), "-o", site.path("x.mp4"),
                                    ok=(1, 3, 5, 6))
            self.assertNotEqual(code, 0)
            site.stop_recorder()
            self.assertEqual(os.listdir(volume), [])
            os.rmdir(volume)
            os.rename(site.path("unmounted"), volume)
            site.start_recorder()
            path, report = site.clip("cam1", start, start + 3 * US)
            self.assertEqual(report["missing_us"], 0)

    def test_a_floor_must_say_what_gives(self):
        with Site() as site:
            site.start_recorder()
            code, _, err = site.run("retention", "set", "--min-days", "30", ok=(1, 2))
            self.assertIn("at-floor", err.replace("_", "-"))


if __name__ == "__main__":
    unittest.main()
