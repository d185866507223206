"""The runbooks of docs/operations.md, "Bad days", typed as they stand on losses that are real.

Blocks run in the page's order in one bash, by an administrator's hands: paths are those of PLACES, `systemctl` and `runuser`
are stand-ins that start and stop the recorder. Before some blocks the loss is planted that they are for; after each block
stands a judgement of what the page promises. A block without one is a failure.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import threading
import unittest

from cookbook_test import Shell
from harness import ROOT, US, Process, Site, now_us, program, time_text, wait_for

PAGE = os.path.join(ROOT, "docs", "operations.md")
CAMERAS = {"gate": "cam1", "yard": "cam2"}
# What a text of the page is here. Users are not switched: a test may run as anybody.
PLACES = {
    "/var/lib/lookback": "data",
    "/etc/lookback/": "etc/",
    "/mnt/backup/lookback": "backup",
    "/srv/": "srv/",
}
LEFT_OUT = ["-o lookback -g lookback ", "-u lookback -- "]
STAND_INS = {
    # Asks the test, which starts and stops what the unit would.
    "systemctl": '#!/bin/sh\necho "$*" > "$LOOKBACK_BENCH/asked"\nread -r done < "$LOOKBACK_BENCH/done"\n[ "$done" = ok ]\n',
    "runuser": '#!/bin/sh\nexec "$@"\n',
}
FULL_BYTES = 128 << 20


def sections():
    """The heading of each section, and its fenced blocks of shell."""
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    backups = text.split("\n**Backups**", 1)[1].split("\n**Upgrades**", 1)[0]
    bad_days = text.split("\n## Bad days\n", 1)[1].split("\n## ", 1)[0]
    found = [("Backups", backups)] + [tuple(part.split("\n", 1)) for part in bad_days.split("\n### ")]
    return {title.strip(): re.findall(r"(?ms)^```sh\n(.*?)^```$", body) for title, body in found}


class Bench(Site):
    """A site as the package makes it, with a systemd that is this test."""

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        for name in ("srv", "bin", "etc", "admin"):
            os.mkdir(self.path(name))
        os.symlink(program("lookback"), self.path("bin/lookback"))
        for name, text in STAND_INS.items():
            with open(self.path(f"bin/{name}"), "w", encoding="ascii") as file:
                file.write(text)
            os.chmod(self.path(f"bin/{name}"), 0o755)
        for name in ("asked", "done"):
            os.mkfifo(self.path(name))
        self.listen = "127.0.0.1:0"
        self.token_file = os.path.join(self.data, "secrets", "admin-token")
        self.systemd = threading.Thread(target=self.serve, daemon=True)
        self.systemd.start()
        return self

    def __exit__(self, *error):
        with open(self.path("asked"), "w", encoding="ascii") as file:
            file.write("end\n")
        self.systemd.join()
        self.stack.close()
        super().__exit__(*error)

    def serve(self):
        """What `systemctl` asks for, one after the other."""
        while True:
            with open(self.path("asked"), encoding="ascii") as file:
                asked = file.read().split()
            if asked == ["end"]:
                return
            try:
                if asked[0] in ("stop", "disable", "restart"):
                    self.stop_recorder()
                if asked[0] in ("start", "enable", "restart"):
                    self.start()
                answer = "ok"
            except AssertionError as error:
                print(error, flush=True)
                answer = "failed"
            with open(self.path("done"), "w", encoding="ascii") as file:
                file.write(answer + "\n")

    def start(self):
        options = [word for volume in self.named for word in ("--volume", volume)]
        self.recorder = Process("lookback", [program("lookback"), "serve", "--data", self.data, "--listen",
                                             self.listen, *options], self.directory)
        self.server = self.recorder.await_line(r"listening on (https?://\S+)").group(1)
        self.listen = self.server.split("//")[1]

    def begin(self, *volumes):
        self.named = volumes  # By the service's settings.
        with open(self.path("admin/gate.pw"), "w", encoding="ascii") as file:
            file.write("street 9\n")
        secret = ("--user", "viewer", "--password-file", self.path("admin/gate.pw"))
        self.start_cameras(*secret, count=len(CAMERAS))
        self.start()
        for camera, name in CAMERAS.items():
            self.run("camera", "add", camera, self.urls[name], *secret)
        self.shell = Shell(self.path("admin"), {
            "PATH": self.path("bin") + ":" + os.environ["PATH"], "LOOKBACK_BENCH": self.directory,
            "LOOKBACK_SERVER": self.server, "TZ": "UTC"})
        self.stack.callback(self.shell.end)

    def type(self, block):
        for text in LEFT_OUT:
            block = block.replace(text, "")
        for text, name in PLACES.items():
            block = block.replace(text, self.path(name))
        return self.shell.run(block)[0]

    def volume(self, number):
        return self.path(f"srv/footage{number}")

    def volumes(self):
        return {os.path.basename(v["root"]): v["state"] for v in self.cli("volume", "list")["volumes"]}

    def destroy(self, *paths):
        """The power fails, and these do not come back."""
        self.recorder.stop(signal.SIGKILL)
        for path in paths:
            shutil.rmtree(path)

    def await_new_footage(self, camera="gate"):
        self.await_recorded(camera, now_us() + US)


def bundle(path, directory):
    """A certificate and its key, as some authority would have made them."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=old", "-keyout",
                    os.path.join(directory, "tls.key"), "-out", path], check=True, capture_output=True, timeout=60)


FULL = "The disk is full, and nothing is recorded"


class Runbook(unittest.TestCase):
    def test_each_block_does_on_its_bad_day_what_the_page_promises(self):
        pages = sections()
        del pages[FULL]
        with Bench() as bench:
            self.bench = bench
            for number in (1, 2):
                os.mkdir(bench.volume(number))
            bench.begin(bench.volume(1), bench.volume(2))
            bench.run("retention", "set", "--min-days", "20", "--at-floor", "stop")
            bench.run("user", "add", "wang", "--admin")
            self.start_us = max(bench.await_span(camera, seconds=3)[0] for camera in CAMERAS)
            bench.run("hold", "add", "--camera", "gate", "--start", time_text(self.start_us), "--end",
                      time_text(self.start_us + 3600 * US), "--case", "2026-114")
            judged = self.judgements()
            self.assertEqual({title: len(blocks) for title, blocks in pages.items()},
                             {title: len(steps) for title, steps in judged.items()}, "each block has its judgement")
            for title, steps in judged.items():
                for at, (block, (plant, judge)) in enumerate(zip(pages[title], steps, strict=True)):
                    print(f"{title or 'before all'}: block {at + 1}", flush=True)
                    if plant:
                        plant()
                    judge(bench.type(block))
            self.assertEqual(bench.shell.count, sum(map(len, pages.values())))

    def judgements(self):
        """For each block of each section: what is done to the store before it, and who judges."""
        return {
            "Backups": [(None, self.backed_up)],
            "": [(None, self.has_token)],
            "A footage disk is lost": [(self.lose_a_volume, self.volume_removed), (None, self.volume_added)],
            "The data directory is lost, and there is a backup": [
                (self.lose_the_data, self.restored), (None, self.confirmed)],
            "The data directory is lost, and there is no backup": [
                (self.lose_the_data, self.rebuilt), (None, self.told_anew)],
            "Keys are lost": [
                (self.keep_tokens, self.new_admin_token), (self.lose_the_secrets, self.secrets_back),
                (self.keep_tokens, self.person_has_another), (self.serve_tls, self.new_certificate)],
            "Moving to another machine": [(None, self.moved_out), (self.carry_over, self.moved_in)],
            "A hold, its release or a policy was a mistake": [(None, self.all_is_held), (None, self.set_right)],
        }

    def newest_backup(self):
        names = [name for name in os.listdir(self.bench.path("backup")) if name.endswith("Z")]
        return os.path.join(self.bench.path("backup"), max(names))

    def covered(self, camera):
        """How much of it there is, from the test's beginning to a moment ago."""
        return self.bench.timeline(camera, self.start_us, now_us() - 5 * US)["covered_us"]

    def allowed(self, token):
        """Whether that token opens the store."""
        env = {**os.environ, "LOOKBACK_SERVER": self.bench.server, "LOOKBACK_TOKEN": token}
        done = subprocess.run([program("lookback"), "camera", "list"], env=env, capture_output=True, timeout=60)
        return done.returncode == 0

    def backed_up(self, printed):
        self.assertIn("passwords", printed)
        done = subprocess.run(["sha256sum", "-c", "--strict", "--quiet", "MANIFEST.sha256"], cwd=self.newest_backup(),
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(os.path.join(self.newest_backup(), "secrets", "cameras.json"), encoding="utf-8") as file:
            self.assertIn("street 9", file.read())

    def has_token(self, printed):
        self.assertEqual(printed, "")

    def lose_a_volume(self):
        self.lost = {camera for camera in CAMERAS
                     if os.path.isdir(os.path.join(self.bench.volume(2), "v1", camera))}
        self.bench.stop_recorder()  # What is on record of it has an end.
        self.bench.start()
        for camera in CAMERAS:
            self.bench.await_new_footage(camera)
        os.rename(self.bench.volume(2), self.bench.path("broken"))
        os.mkdir(self.bench.volume(2))

    def volume_removed(self, printed):
        self.assertIn("offline", printed)
        self.assertEqual(self.bench.volumes(), {"footage1": "online"})
        self.bench.named = [self.bench.volume(1)]
        for camera in CAMERAS:
            self.bench.await_new_footage(camera)
        for camera in self.lost - {"gate"}:  # What is held may have a copy.
            causes = {gap["cause"] for gap in self.bench.timeline(camera, self.start_us, now_us() - US)["gaps"]}
            self.assertIn("missing", causes)

    def volume_added(self, _):
        self.assertEqual(self.bench.volumes(), {"footage1": "online", "footage3": "online"})

    def lose_the_data(self):
        for camera in CAMERAS:
            self.bench.await_new_footage(camera)
        self.before = {"holds": self.holds(), "policies": self.bench.cli("retention", "show")["policies"],
                       "users": self.users(),
                       "lines": {camera: self.covered(camera) for camera in CAMERAS}}
        wait_for("the copies of the ledger", self.copies_are_current)
        self.bench.destroy(self.bench.data)

    def holds(self):
        """But for how much of them was copied by now."""
        return [{**hold, "copies": {}} for hold in self.bench.cli("hold", "list")["holds"]]

    def users(self):
        """But for their tokens, which are as new as the backup."""
        return [{**user, "tokens": 0} for user in self.bench.cli("user", "list")["users"]]

    def copies_are_current(self):
        ledger = self.bench.cli("ledger", "show")
        return all(copy["records"] == ledger["tree_size"] for copy in ledger["copies"] if copy["state"] != "offline")

    def check_all_is_there(self):
        self.assertEqual(self.holds(), self.before["holds"])
        self.assertEqual(self.bench.cli("retention", "show")["policies"], self.before["policies"])
        self.assertEqual(self.users(), self.before["users"])
        for camera, covered in self.before["lines"].items():
            self.assertGreaterEqual(self.covered(camera), covered)

    def restored(self, printed):
        self.assertIn("retention confirm", printed)
        self.assertEqual(self.bench.volumes(), {"footage1": "online", "footage2": "offline", "footage3": "online"})
        self.check_all_is_there()
        self.assertFalse(self.bench.cli("retention", "show")["confirmed"])
        for camera in CAMERAS:  # Their passwords are there.
            self.bench.await_new_footage(camera)

    def confirmed(self, _):
        self.assertTrue(self.bench.cli("retention", "show")["confirmed"])

    def rebuilt(self, _):
        self.check_all_is_there()
        self.assertFalse(self.bench.cli("retention", "show")["confirmed"])
        self.assertFalse(self.bench.cli("camera", "show", "gate")["has_password"])

    def told_anew(self, _):
        self.assertTrue(self.allowed(self.token_of("wang.token")))
        self.assertTrue(self.bench.cli("retention", "show")["confirmed"])
        self.bench.await_new_footage("gate")

    def token_of(self, name):
        with open(os.path.join(self.bench.path("admin"), name), encoding="ascii") as file:
            return file.read().strip()

    def keep_tokens(self):
        self.wang = self.token_of("wang.token")
        with open(self.bench.token_file, encoding="ascii") as file:
            self.admin = file.read().strip()

    def new_admin_token(self, _):
        self.assertFalse(self.allowed(self.admin))
        self.assertTrue(self.allowed(self.wang))
        self.assertTrue(self.bench.cli("camera", "list"))

    def lose_the_secrets(self):
        shutil.rmtree(os.path.join(self.bench.data, "secrets"))

    def secrets_back(self, _):
        for camera in CAMERAS:
            self.assertTrue(self.bench.cli("camera", "show", camera)["has_password"])
            self.bench.await_new_footage(camera)
        self.bench.shell.type("lookback user token wang > wang.token\n")
        wait_for("a token of wang", lambda: self.allowed(self.token_of("wang.token")))

    def person_has_another(self, _):
        self.assertFalse(self.allowed(self.wang))
        self.assertTrue(self.allowed(self.token_of("wang.token")))

    def serve_tls(self):
        """Beside the store, since what the commands ask speaks http."""
        bundle(self.bench.path("etc/tls.crt"), self.bench.path("etc"))
        self.tls = Process("tls", [program("lookback"), "serve", "--data", self.bench.path("tls"), "--listen", "127.0.0.1:0",
                                   "--tls-certificate", self.bench.path("etc/tls.crt"), "--tls-key",
                                   self.bench.path("etc/tls.key")], self.bench.directory)
        self.bench.stack.callback(self.tls.stop)
        self.port = int(self.tls.await_line(r"listening on https://127.0.0.1:(\d+)").group(1))
        self.certificate = ssl.get_server_certificate(("127.0.0.1", self.port))

    def new_certificate(self, _):
        with open(self.bench.path("etc/tls.crt"), encoding="ascii") as file:
            made = file.read().strip()
        self.assertNotEqual(made, self.certificate.strip())
        wait_for("the new certificate",
                 lambda: ssl.get_server_certificate(("127.0.0.1", self.port)).strip() == made)

    def moved_out(self, _):
        self.assertFalse(self.bench.recorder.running())
        with open(os.path.join(self.newest_backup(), "backup.json"), encoding="utf-8") as file:
            self.assertEqual(len(json.load(file)["volumes"]), 2)

    def carry_over(self):
        os.rename(self.bench.data, self.bench.path("old-machine"))
        for old, new in ((1, "disk1"), (3, "disk2")):
            os.rename(self.bench.volume(old), self.bench.path(f"srv/{new}"))
        self.bench.named = [self.bench.path("srv/disk1"), self.bench.path("srv/disk2")]

    def moved_in(self, _):
        self.assertEqual(self.bench.volumes(), {"disk1": "online", "disk2": "online"})
        self.check_all_is_there()
        self.assertTrue(self.bench.cli("retention", "show")["confirmed"])
        for camera in CAMERAS:
            self.bench.await_new_footage(camera)

    def all_is_held(self, _):
        [hold] = [hold for hold in self.bench.cli("hold", "list")["holds"] if hold["case"] == "mistake"]
        self.assertEqual(sorted(hold["cameras"]), sorted(CAMERAS))

    def set_right(self, printed):
        for words in ("case mistake", "being written", "30 days"):
            self.assertIn(words, printed)
        self.assertEqual([hold["case"] for hold in self.bench.cli("hold", "list")["holds"]], ["2026-114"])
        [policy] = self.bench.cli("retention", "show")["policies"]
        self.assertEqual(policy["min_days"], 30)

    def test_a_full_disk_records_again_with_more_room(self):
        with Bench() as bench:
            small = bench.volume(1)
            os.mkdir(small)
            mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={FULL_BYTES}", "lookback", small],
                                     capture_output=True, timeout=60)
            if mounted.returncode != 0:
                self.skipTest("this may not mount a small disk")
            bench.stack.callback(subprocess.run, ["umount", "-l", small], check=True, timeout=60)
            bench.begin(small)
            bench.run("retention", "set", "--min-days", "20", "--at-floor", "stop")
            bench.await_span("gate", seconds=2)
            with open(bench.token_file, encoding="ascii") as file:
                bench.shell.type(f"export LOOKBACK_TOKEN={file.read().strip()}\n")
            with open(os.path.join(small, "filler"), "wb") as file, contextlib.suppress(OSError):
                while True:
                    file.write(bytes(1 << 16))
            full_us = now_us()
            wait_for("an alarm", lambda: "volume-full" in {e["kind"] for e in bench.cli("events")["events"]}, 60)
            [look, widen] = sections()[FULL]
            self.assertIn("volume-full", bench.type(look))

            def causes():
                return {gap["cause"] for gap in bench.timeline("gate", full_us - 60 * US, now_us() - US)["gaps"]}

            # One that is given room before its next fragment is due loses nothing.
            wait_for("a gap", lambda: "disk full" in causes(), 60)
            bench.type(widen)
            bench.await_new_footage("gate")
            self.assertIn("disk full", causes())


if __name__ == "__main__":
    unittest.main()
