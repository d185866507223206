"""The server's settings in a file: what --check says of it, and what a reload takes up."""

import json
import os
import pwd
import re
import signal
import ssl
import subprocess
import unittest

from harness import Process, Site, program, wait_for


def serve(*options, code=0):
    done = subprocess.run([program("lookback"), "serve", *options], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done


def make_certificate(site, name):
    files = site.path(name + ".crt"), site.path(name + ".key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", files[1], "-out", files[0], "-days", "2", "-subj", f"/CN={name}"], check=True,
                   capture_output=True, timeout=60)
    return files


class Config(unittest.TestCase):
    def setUp(self):
        self.site = self.enterContext(Site())
        self.file = self.site.path("lookback.toml")

    def write(self, text):
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(text)

    def start(self):
        site = self.site
        site.recorder = Process("lookback", [program("lookback"), "serve", "--config", self.file], site.directory)
        site.server = site.recorder.await_line(r"listening on (https?://\S+)").group(1)

    def reload(self):
        """Has the file read anew, and returns what the log says of it."""
        before = len(self.site.recorder.errors())
        self.site.recorder.signal(signal.SIGHUP)

        def told():
            log = self.site.recorder.errors()[before:]
            return log if re.search(r"is in use$|is not taken", log, re.M) else None
        return wait_for("the end of the reload", told)

    def test_a_check_starts_nothing_and_says_where_each_value_comes_from(self):
        self.write('data = "data"\n[http]\nlisten = "127.0.0.1:0"\nstop_grace_s = 9\n')
        text = json.loads(serve("--config", self.file, "--stop-grace", "7", "--check", "--json").stdout)
        settings = {one["key"]: one for one in text["settings"]}
        self.assertEqual([settings["data"][name] for name in ("value", "from", "line")], [self.site.data, "file", 1])
        self.assertEqual([settings["http.stop_grace_s"][name] for name in ("value", "from")], [7, "--stop-grace"])
        self.assertEqual([settings["scrub.interval_days"][name] for name in ("value", "from")], [30, "default"])
        self.assertRegex(serve("--config", self.file, "--check").stdout, r'(?m)^http\.listen +"127\.0\.0\.1:0" +line 3$')
        self.assertIn("lookback.toml is in order", serve("--config", self.file, "--check").stdout)
        self.assertFalse(os.path.exists(self.site.data))

    def test_each_fault_is_told_with_its_line_and_column_and_nothing_starts(self):
        self.write('volumes = []\ndatta = "x"\n[http]\nlisten = "nowhere"\ntls_key = "a.key"\nstop_grace_s = 4000\n')
        for check in ((), ("--check",)):
            told = serve("--config", self.file, *check, code=2).stderr.splitlines()
            self.assertEqual([line.split(": ")[1] for line in told],
                             [f"{self.file}:{place}" for place in ("2:1", "4:10", "5:11", "6:16")])
            for line, words in zip(told, ("did you mean data?", "HOST:PORT", "http.tls_certificate", "0 to 3600")):
                self.assertIn(words, line)
        self.write('data = "data"\n[http]\ntls_certificate = "none.crt"\ntls_key = "none.key"\n')
        self.assertIn("none.crt", serve("--config", self.file, "--check", code=3).stderr)
        none = serve("--config", self.site.path("none.toml"), code=3).stderr
        self.assertRegex(none, r"none\.toml; `lookback serve --print-config > FILE` writes one")

    def test_what_the_machine_has_against_a_file_is_told_with_its_place_by_a_check_and_by_a_start(self):
        os.mkdir(self.site.path("one"))
        os.symlink(self.site.path("one"), self.site.path("link"))
        with open(self.site.path("file"), "wb"):
            pass
        other = self.enterContext(Site())
        other.start_recorder()
        other.stop_recorder()
        head = 'data = "data"\n'
        for text, place, words, code in (
                (head + 'volumes = ["one", "one/"]\n', "2:19", "is named before", 2),
                (head + 'volumes = ["one", "link"]\n', "2:19", f"link leads to {self.site.path('one')}", 2),
                (head + 'volumes = ["one", "~/store"]\n', "2:19", "write the whole path", 2),
                ('data = "~/store"\n', "1:8", "write the whole path", 2),
                ("data = /var/lib\n", "1:8", 'data is a text in quotes: data = "', 2),
                (head + 'volumes = ["file/a"]\n', "2:12", "file is a file", 4),
                (head + f'volumes = ["{other.data}/volume"]\n', "2:12", "not of this store", 8),
                (head + '[http]\nlisten = "a..b:0"\n', "3:10", "cannot listen", 9),
                (head + '[http]\nlisten = "192.0.2.1:0"\n', "3:10", "cannot listen", 9)):
            self.write(text)
            for check in ((), ("--check",)):
                told = serve("--config", self.file, *check, code=code)
                self.assertIn(f"lookback: {self.file}:{place}: ", told.stderr)
                self.assertIn(words, told.stderr)
                self.assertEqual(told.stdout, "")
            self.assertFalse(os.path.exists(self.site.data), text)

    def test_a_volume_that_a_start_would_make_is_a_note_of_a_check(self):
        self.write('data = "data"\nvolumes = ["one"]\n[http]\nlisten = "127.0.0.1:0"\n')
        text = serve("--config", self.file, "--check").stdout
        self.assertIn(f"Note: {self.file}:2:12: volumes: {self.site.path('one')} is not there: a start makes it", text)
        notes = json.loads(serve("--config", self.file, "--check", "--json").stdout)["notes"]
        self.assertEqual([(note["key"], note["line"], note["column"]) for note in notes], [("volumes", 2, 12)])
        self.assertFalse(os.path.exists(self.site.path("one")))
        self.start()
        self.assertTrue(os.path.exists(self.site.path("one/volume.json")))
        self.site.stop_recorder()
        self.assertEqual(json.loads(serve("--config", self.file, "--check", "--json").stdout)["notes"], [])

    @unittest.skipUnless(os.geteuid() == 0, "takes root")
    def test_root_is_told_what_the_user_of_the_store_cannot_read_or_write(self):
        user = pwd.getpwnam("nobody")
        os.chmod(self.site.directory, 0o755)
        crt, key = make_certificate(self.site, "server")
        os.mkdir(self.site.data, 0o750)
        os.mkdir(self.site.path("one"))
        os.chown(self.site.data, user.pw_uid, user.pw_gid)
        self.write(f'data = "data"\nvolumes = ["one"]\n[http]\nlisten = "127.0.0.1:0"\ntls_certificate = "{crt}"\ntls_key = "{key}"\n')
        os.chmod(key, 0o640)
        told = serve("--config", self.file, "--check", code=4).stderr
        self.assertIn(f"{self.file}:2:12: volumes: user nobody may not write {self.site.path('one')}: `chown nobody: ", told)
        self.assertRegex(told, rf"lookback\.toml:6:11: http\.tls_key: user nobody cannot read {key}: `chgrp \w+ {key}`")
        os.chown(key, 0, user.pw_gid)
        os.chown(self.site.path("one"), user.pw_uid, user.pw_gid)
        self.assertIn("is in order", serve("--config", self.file, "--check").stdout)

    @unittest.skipUnless(os.geteuid() == 0 and os.path.isdir("/etc/systemd/system"), "takes root, and a place for a unit")
    def test_root_asks_as_the_units_user_where_the_file_is_the_units(self):
        units = self.site.path("units")
        os.mkdir(units)
        with open(os.path.join(units, "lookback.service"), "w", encoding="utf-8") as file:
            file.write(f"[Service]\nUser=nobody\nStateDirectory=lookback-of-a-test\nExecStart=lookback serve --config {self.file}\n")
        crt, key = make_certificate(self.site, "server")
        os.chmod(self.site.directory, 0o755)
        os.chmod(key, 0o600)

        def check(code):
            done = subprocess.run(["unshare", "-m", "sh", "-c", 'mount --bind "$1" /etc/systemd/system && shift && exec "$@"', "sh",
                                   units, program("lookback"), "serve", "--config", self.file, "--check", "--json"],
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, code, done.stderr)
            return done
        self.write(f'[http]\ntls_certificate = "{crt}"\ntls_key = "{key}"\n')
        self.assertIn("http.tls_key: user nobody cannot read", check(4).stderr)
        os.chmod(key, 0o644)
        settings = {each["key"]: each["value"] for each in json.loads(check(0).stdout)["settings"]}
        # What systemd makes and gives to that user is there by then.
        self.assertEqual(settings["data"], "/var/lib/lookback-of-a-test")
        self.assertEqual(settings["token_file"], "/var/lib/lookback-of-a-test/secrets/admin-token")

    def test_a_reload_that_would_switch_tls_on_with_a_bad_key_says_why_it_is_refused(self):
        crt, key = make_certificate(self.site, "server")
        head = 'data = "data"\ntoken_file = "token"\n[http]\nlisten = "127.0.0.1:0"\n'
        self.write(head)
        self.start()
        self.write(head + f'tls_certificate = "{crt}"\ntls_key = "{key}.none"\n')
        self.assertRegex(self.reload(), r"is not taken, and all stays as it was: the TLS key: .*server\.key\.none")
        self.write(head + f'tls_certificate = "{crt}"\ntls_key = "{key}"\n')
        self.assertRegex(self.reload(), r'http\.tls_key stays "" until the next start')
        # What is wrong is told by the log, in its own form.
        self.write(head + "stop_grace_s = -1\n")
        self.assertRegex(self.reload(), r"(?m)^\S+Z error serve: .*lookback\.toml:5:16: http\.stop_grace_s: ")
        self.site.stop_recorder()

    def test_a_reload_says_of_volumes_what_is_in_force(self):
        site = self.site
        roots = {name: site.path(name) for name in ("one", "two", "three")}

        def settings(*names):
            return (f'data = "data"\ntoken_file = "token"\nvolumes = {json.dumps([roots[name] for name in names])}\n'
                    '[http]\nlisten = "127.0.0.1:0"\n')
        self.write(settings("one"))
        self.start()
        os.mkdir(roots["two"])
        site.run("volume", "add", roots["two"])
        self.write(settings("one", "two"))
        self.assertNotIn("stays", self.reload())
        self.write(settings("one", "three"))
        self.assertIn(f'volumes stays ["{roots["one"]}", "{roots["two"]}"] until the next start, which makes it '
                      f'["{roots["one"]}", "{roots["two"]}", "{roots["three"]}"]', self.reload())
        self.write(settings("two"))
        self.assertIn(f'{roots["one"]} stays a volume, though the settings name it no more: `lookback volume remove`',
                      self.reload())
        site.stop_recorder()

    def test_a_printed_file_is_what_it_was_made_from(self):
        options = ("--data", self.site.data, "--volume", self.site.path("a"), "--volume", self.site.path("b"),
                   "--scrub-rate", "7")
        self.write(serve(*options, "--print-config").stdout)

        def values(*words):
            settings = json.loads(serve(*words, "--check", "--json").stdout)["settings"]
            return {one["key"]: one["value"] for one in settings}
        self.assertEqual(values("--config", self.file), values(*options))

    def test_a_reload_takes_up_what_it_can_and_names_what_waits_for_a_start(self):
        first, second = make_certificate(self.site, "first"), make_certificate(self.site, "second")

        def settings(pair, rate, ports):
            return (f'data = "data"\ntoken_file = "token"\n[http]\nlisten = "127.0.0.1:0"\ntls_certificate = "{pair[0]}"\n'
                    f'tls_key = "{pair[1]}"\n[scrub]\nmib_per_second = {rate}\n[cameras]\nudp_ports = "{ports}"\n')

        def shown():
            """The name on the certificate, and the scrub's rate."""
            port = int(self.site.server.rsplit(":", 1)[1])
            pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=30)
            name = subprocess.run(["openssl", "x509", "-noout", "-subject"], input=pem, capture_output=True, text=True,
                                  check=True, timeout=60).stdout
            with open(self.site.token_file, encoding="ascii") as file:
                token = file.read().strip()
            answer = subprocess.run(["curl", "-sSk", "-H", f"Authorization: Bearer {token}",
                                     self.site.server + "/api/v1/scrub"], capture_output=True, check=True, timeout=60)
            return name.strip().rpartition("= ")[2], json.loads(answer.stdout)["bytes_per_second"] >> 20

        self.write(settings(first, 20, "20000-20999"))
        self.start()
        self.assertEqual(shown(), ("first", 20))
        self.write(settings(second, 50, "21000-21999"))
        log = self.reload()
        self.assertRegex(log, r"scrub\.mib_per_second is 50 now, and was 20\b")
        self.assertRegex(log, r'cameras\.udp_ports stays "20000-20999" until the next start')
        self.assertEqual(shown(), ("second", 50))
        # One bad value, and nothing of the file is taken.
        self.write(settings(first, 70, "20000"))
        self.assertRegex(self.reload(), r"\.toml:10:13: cameras\.udp_ports: .*FIRST-LAST[\s\S]* is not taken")
        self.write(settings((first[0], second[1]), 70, "20000-20999"))
        self.assertRegex(self.reload(), r"is not taken.*second\.key is not the key of the certificate")
        self.assertEqual(shown(), ("second", 50))
        self.site.stop_recorder()

    def test_no_log_and_no_screen_shows_what_a_webhooks_address_hides(self):
        for secret in ("token=first", "token=second"):
            self.write(f'data = "data"\ntoken_file = "token"\n[http]\nlisten = "127.0.0.1:0"\n[alarms]\n'
                       f'webhook = "http://127.0.0.1:9/in?{secret}"\n')
            for options in ((), ("--json",)):
                shown = serve("--config", self.file, "--check", *options)
                self.assertIn("http://127.0.0.1:9/in?...", shown.stdout)
                self.assertNotIn("token=", shown.stdout + shown.stderr)
            if not self.site.recorder:
                self.start()
        self.assertIn("alarms.webhook is", self.reload())
        self.assertNotIn("token=", self.site.recorder.errors())

    def test_a_hangup_that_is_ignored_from_the_start_is_no_stop(self):
        site = self.site
        site.recorder = Process("lookback", ["nohup", program("lookback"), "serve", "--data", site.data, "--listen",
                                             "127.0.0.1:0", "--token-file", site.token_file], site.directory)
        site.server = site.recorder.await_line(r"listening on (https?://\S+)").group(1)
        site.recorder.signal(signal.SIGHUP)
        self.assertEqual(site.cli("camera", "list")["cameras"], [])
        self.assertEqual(site.recorder.stop(), 0)
        self.assertIn("SIGTERM: stopping", site.recorder.errors())

    def test_without_a_file_a_hangup_is_a_clean_stop(self):
        self.site.start_recorder()
        self.assertEqual(self.site.recorder.stop(signal.SIGHUP), 0)
        self.assertIn("everything is sealed", self.site.recorder.errors())


if __name__ == "__main__":
    unittest.main()
