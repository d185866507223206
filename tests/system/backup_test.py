"""A backup that was taken while a store records, and the volumes: from these two everything is there again.

The data directory of a store that records is destroyed after a kill -9, its last backup is restored, and what the store
answers is what it answered before: also what came after the backup, since the volumes know it. Backups are judged by
sha256sum(1), footage by the simulator's log. LOOKBACK_KILLS says how many backups are killed (30); the seed is printed.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
import unittest

from crashes import FrameLog
from harness import US, Site, now_us, program, sei, time_text, time_us, wait_for

SEED = int(os.environ.get("LOOKBACK_SEED", random.randrange(1 << 30)))
KILLS = int(os.environ.get("LOOKBACK_KILLS", "30"))
CAMERAS = 3
EDGE_US = US  # At the ends of a range a picture may be on the other side of it.


class BackupSite(Site):
    """One with cameras that want a password, two volumes and a place for backups."""

    def begin(self):
        self.volumes = [self.path("footage1"), self.path("footage2")]
        self.backups = self.path("backups")
        os.mkdir(self.backups, 0o700)
        self.password = self.path("password")
        with open(self.password, "w", encoding="ascii") as file:
            file.write("street 9\n")
        self.start_cameras("--user", "viewer", "--password-file", self.password, count=CAMERAS)
        self.start_recorder("--volume", self.volumes[0], "--volume", self.volumes[1])
        self.add_cameras("--user", "viewer", "--password-file", self.password)

    def backup(self, *options):
        return self.cli("backup", self.backups, "--data", self.data, *options)

    def restore(self, data, *options, ok=(0,)):
        return self.run("restore", self.backups, "--data", data, *options, "--json", ok=ok)

    def await_copies(self):
        """Until the volumes have the ledger as it stands now."""
        def probe():
            ledger = self.cli("ledger", "show")
            return all(copy["records"] >= size for copy in ledger["copies"])
        size = self.cli("ledger", "show")["tree_size"]
        wait_for("the copies of the ledger", probe)


def check_manifest(test, backup):
    done = subprocess.run(["sha256sum", "-c", "--strict", "--quiet", "MANIFEST.sha256"], cwd=backup,
                          capture_output=True, text=True, timeout=60)
    test.assertEqual(done.returncode, 0, f"{backup}: {done.stdout}{done.stderr}")


def whole_backups(place):
    """Those that pass for whole, by their names alone."""
    return [os.path.join(place, name) for name in sorted(os.listdir(place))
            if name not in ("ledger", "lock") and not name.endswith(".partial")]


def files_below(directory):
    found = [os.path.join(here, name) for here, _, names in os.walk(directory) for name in names]
    return sorted(path for path in found if os.path.basename(path) != "lock")


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Backup(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        print(f"LOOKBACK_SEED={SEED}", flush=True)

    def check_pictures(self, site, log, camera, start_us, end_us):
        path, _ = site.clip(camera, start_us, end_us)
        seen = {frame["frame"] for frame in sei(path)}
        sent = log.between(camera, start_us + EDGE_US, end_us - EDGE_US)
        self.assertGreater(len(sent), 25)
        self.assertEqual(sent - seen, set(), f"{camera}: pictures that were sent are missing")

    def answers(self, site, start_us, until_us):
        """What the store says of what was before `until_us`."""
        lines = {}
        for camera in sorted(site.urls):
            line = site.timeline(camera, start_us, until_us)
            # What was open when the store was killed is closed by the next start, and does not know the camera's clock.
            spans = [{key: value for key, value in span.items() if key != "open" and not key.startswith("camera_offset")}
                     for span in line["spans"]]
            lines[camera] = (spans, line["gaps"])
        return {"timelines": lines, "cameras": site.cli("camera", "list"), "holds": [{**hold, "copies": {}} for hold in site.cli("hold", "list")["holds"]],
                "markers": site.cli("marker", "list"), "policies": site.cli("retention", "show")["policies"],
                "users": site.cli("user", "list"), "notes": site.cli("camera", "notes", "cam1")}

    def acts(self, site):
        """Of persons: what the store does by itself at a start is no part of them."""
        return [act for act in site.cli("custody", "--limit", "1000")["acts"] if act.get("person")]

    def mark(self, site, start_us, what):
        """Acts of a person of every kind, named `what`."""
        span = ("--start", time_text(start_us), "--end", time_text(start_us + 3 * US))
        site.run("marker", "add", "--camera", "cam1", *span, "--label", what)
        site.run("hold", "add", "--camera", "cam2", *span, "--case", what)
        site.run("camera", "set", "cam1", "--name", what)
        site.run("camera", "note", "cam1", "--kind", "repair", "--text", what)
        site.run("retention", "set", "--min-days", str(20 + len(what)), "--at-floor", "stop", "--yes")
        site.clip("cam2", start_us, start_us + 3 * US, "--reason", what)

    def test_a_destroyed_store_is_there_again_with_what_came_after_its_backup(self):
        with BackupSite() as site:
            site.begin()
            start_us = max(site.await_span(camera, seconds=4)[0] for camera in sorted(site.urls))
            site.run("user", "add", "wang", "--admin")
            wang = site.run("user", "token", "wang")[1].strip()
            site.run("camera", "set", "cam3", "--disable")
            self.mark(site, start_us, "before")
            site.run("camera", "set", "cam3", "--enable")
            site.cli("snapshot", "--now")
            # Under load, one after the other; what is there already is not copied again.
            for _ in range(4):
                taken = site.backup("--keep", "2")
            self.assertEqual(whole_backups(site.backups)[-1], taken["path"])
            self.assertEqual(len(whole_backups(site.backups)), 2)
            for backup in whole_backups(site.backups):
                check_manifest(self, backup)
            self.assertIsNotNone(taken["snapshot"])
            with open(os.path.join(site.data, "last-backup.json"), encoding="utf-8") as file:
                self.assertEqual(json.load(file), {"time": taken["time"], "backup": taken["path"]})
            self.assertNotIn("backup", {f["check"] for f in site.cli("doctor", ok=(0, 1))["findings"]})
            self.assertIn("unaltered", site.run("ledger", "verify", os.path.join(taken["path"], "backup.json"))[1])
            backed_up_us = now_us()
            self.mark(site, start_us, "after it")
            site.await_recorded("cam1", backed_up_us + 2 * US)
            site.await_recorded("cam2", backed_up_us + 2 * US)
            log = FrameLog(site.frame_log)
            for camera in ("cam1", "cam2"):
                self.check_pictures(site, log, camera, start_us, backed_up_us + 2 * US)
            until_us = min(time_us(site.status(camera)["durable_until"]) for camera in sorted(site.urls))
            before = self.answers(site, start_us, until_us)
            acts = self.acts(site)
            kept = site.cli("ledger", "show")
            with open(site.path("kept.json"), "w", encoding="utf-8") as file:
                json.dump(kept, file)
            site.await_copies()

            site.recorder.stop(signal.SIGKILL)
            shutil.rmtree(site.data)
            os.remove(site.token_file)
            restored = json.loads(site.restore(site.data)[1])
            self.assertEqual([volume["there"] for volume in restored["volumes"]], [True, True])
            self.assertLess(restored["tree_size"], kept["tree_size"])
            site.start_recorder()
            # Who had a token has it still: the first start of the store wrote admin's outside of the data directory.
            with open(site.token_file, "w", encoding="ascii") as file:
                file.write(wang)
            self.assertEqual(self.answers(site, start_us, until_us), before)
            self.assertEqual(self.acts(site)[-len(acts):], acts)
            self.assertIn("unaltered", site.run("ledger", "verify", site.path("kept.json"))[1])
            self.assertFalse(site.cli("retention", "show")["confirmed"])
            site.run("retention", "confirm")
            again_us = now_us()
            for camera in sorted(site.urls):  # With the passwords that nobody told it again.
                site.await_recorded(camera, again_us + 2 * US)
            site.stop_recorder()
            self.assertEqual([f for f in site.fsck()["findings"] if f["fault"]], [])

    def test_a_killed_backup_never_passes_for_one_and_harms_no_store(self):
        random.seed(SEED)
        with BackupSite() as site:
            site.begin()
            start_us, _ = site.await_span("cam1", seconds=3)
            began = time.monotonic()
            site.backup()
            takes_s = time.monotonic() - began
            killed = 0
            for _ in range(KILLS):
                backup = subprocess.Popen(
                    [program("lookback"), "backup", site.backups, "--data", site.data, "--keep", "3"],
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(random.uniform(0, 1.2 * takes_s))
                backup.kill()
                killed += backup.wait() != 0
                for whole in whole_backups(site.backups):
                    check_manifest(self, whole)
            print(f"{killed} of {KILLS} backups were killed before their end", flush=True)
            self.assertGreater(killed, 0)
            taken = site.backup()
            self.assertEqual([name for name in os.listdir(site.backups) if name.endswith(".partial")], [])
            end_us = now_us()
            site.await_recorded("cam1", end_us)
            self.check_pictures(site, FrameLog(site.frame_log), "cam1", start_us, end_us)
            site.stop_recorder()
            self.assertEqual([f for f in site.fsck()["findings"] if f["fault"]], [])
            self.flip_bits(site, taken["path"])
            self.stopped(site)

    def flip_bits(self, site, backup):
        target = site.path("restored")
        for path in files_below(backup):
            with open(path, "rb") as file:
                good = file.read()
            if not good:
                continue
            bad = bytearray(good)
            bit = random.randrange(8 * len(bad))
            bad[bit // 8] ^= 1 << bit % 8
            with open(path, "wb") as file:
                file.write(bad)
            code, _, err = site.run("restore", backup, "--data", target, ok=(3, 6, 7, 8))
            if os.path.basename(path) != "MANIFEST.sha256":  # A bit of that may name any file.
                self.assertIn(os.path.basename(path), err, f"exit code {code}")
            self.assertFalse(os.path.exists(target))
            with open(path, "wb") as file:
                file.write(good)

    def stopped(self, site):
        """Of a store that does not run it is the same; into its own disks it does not go."""
        def contents():
            note = os.path.join(site.data, "last-backup.json")
            return {path: digest(path) for path in files_below(site.data) if path != note}

        before = contents()
        taken = site.backup()
        self.assertEqual(contents(), before)
        check_manifest(self, taken["path"])
        for place in (site.data, os.path.join(site.data, "b"), os.path.join(site.volumes[0], "b")):
            self.assertIn("another disk", site.run("backup", place, "--data", site.data, ok=(8,))[2])
        self.assertIn("not empty", site.restore(site.data, ok=(4,))[2])
        self.unfinished_and_unmounted(site)
        # Volumes that are mounted elsewhere now, and a start without another word.
        moved = site.path("moved")
        os.rename(site.volumes[1], moved)
        target = site.path("restored")
        restored = json.loads(site.restore(target, "--volume", moved)[1])
        self.assertEqual([volume["root"] for volume in restored["volumes"]], [site.volumes[0], moved])
        site.data = target
        site.start_recorder()
        self.assertEqual({volume["state"] for volume in site.cli("volume", "list")["volumes"]}, {"online"})

    def unfinished_and_unmounted(self, site):
        """What a person would not expect is said, on standard error and in the document."""
        place = site.path("mnt/backups")
        code, _, err = site.run("backup", place, "--data", site.data, ok=(2,))
        self.assertIn(f"mkdir -p -m 0700 {place}", err)
        self.assertFalse(os.path.exists(site.path("mnt")))
        _, out, err = site.run("backup", site.backups, "--data", site.data, "--json")
        taken = json.loads(out)
        self.assertEqual(len(taken["warnings"]), 1, taken["warnings"])  # One disk has all of a test.
        self.assertIn("loses both", taken["warnings"][0])
        self.assertIn("warning: " + taken["warnings"][0], err)
        newer = os.path.join(site.backups, "20990504T220000.000Z.partial")
        os.mkdir(newer)
        _, out, err = site.restore(site.path("once"))
        restored = json.loads(out)
        self.assertEqual(restored["backup"], taken["path"])
        for words in (taken["path"], newer, "2099-05-04T22:00:00Z", "passed over"):
            self.assertIn(words, restored["warnings"][0])
        self.assertIn("warning: " + restored["warnings"][0], err)
        os.rmdir(newer)
        shutil.rmtree(site.path("once"))


if __name__ == "__main__":
    unittest.main()
