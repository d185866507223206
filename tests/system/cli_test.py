"""The command line as its users meet it: where a clip may go, what a failed start leaves, a camera's settings."""

import hashlib
import hmac
import http.server
import json
import os
import socket
import subprocess
import threading
import unittest

from harness import ROOT, US, Site, decode_errors, program, time_text, wait_for


class Receiver(http.server.ThreadingHTTPServer):
    """Takes what a webhook sends, after it has failed twice."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.tries.append((self.headers, body))
            self.send_response(503 if len(self.server.tries) <= 2 else 204)
            self.end_headers()

        def log_message(self, *_):
            pass

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.tries = []
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    def __exit__(self, *_):
        self.shutdown()
        self.thread.join()
        self.server_close()

    def taken(self):
        return [json.loads(body) for _, body in self.tries[2:]]


class CommandLine(unittest.TestCase):
    def serve(self, site, *options):
        return subprocess.run([program("lookback"), "serve", "--data", site.data, *options],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    def test_a_start_that_fails_leaves_nothing_behind(self):
        with Site() as site, Site() as other:
            with socket.create_server(("127.0.0.1", 0)) as taken:
                refused = self.serve(site, "--listen", "127.0.0.1:%d" % taken.getsockname()[1])
            self.assertEqual(refused.returncode, 9, refused.stderr)
            self.assertFalse(os.path.exists(site.data))
            other.start_recorder()
            other.stop_recorder()
            refused = self.serve(site, "--listen", "127.0.0.1:0", "--volume",
                                 os.path.join(other.data, "volume"))
            self.assertEqual(refused.returncode, 8, refused.stderr)
            self.assertFalse(os.path.exists(site.data))

    def test_a_clip_goes_to_a_file_or_to_standard_output_and_is_the_same(self):
        with Site() as site:
            site.start_cameras()
            site.start_recorder()
            site.add_cameras()
            start, end = site.await_span("cam1", seconds=6)
            site.stop_recorder()
            site.start_recorder()
            range_ = ("--start", time_text(start), "--end", time_text(min(end, start + 4 * US)))
            path, report = site.clip("cam1", start, min(end, start + 4 * US))
            with open(path, "rb") as file:
                whole = file.read()
            self.assertEqual(report["sha256"], hashlib.sha256(whole).hexdigest())
            self.assertEqual(decode_errors(path), "")
            done = subprocess.run(
                [program("lookback"), "clip", "cam1", *range_, "-o", "-", "--server", site.server,
                 "--token-file", site.token_file], capture_output=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout, whole)
            self.assertIn(report["sha256"], done.stderr.decode())

            fifo = site.path("fifo")
            os.mkfifo(fifo)
            for name, code in ((fifo, 4), ("/dev/null", 4), (site.directory, 4), ("", 2),
                               (site.path("none/x.mp4"), 3)):
                for force in ((), ("--force",)):
                    site.run("clip", "cam1", *range_, "-o", name, *force, ok=(code,))
            self.assertEqual([n for n in os.listdir(site.directory) if ".part" in n], [])

    def test_a_camera_is_changed_and_a_removed_one_can_still_be_listed(self):
        with Site() as site:
            site.start_recorder()
            _, out, _ = site.run("camera", "add", "gate", "rtsp://127.0.0.1:9/x")
            self.assertIn("connected to", out)
            _, _, err = site.run("camera", "add", "gate", "rtsp://127.0.0.1:9/x", ok=(4,))
            self.assertIn("camera set", err)
            changed = site.cli("camera", "set", "gate", "--name", "市场", "--audio", "on",
                               "--disable")
            self.assertEqual((changed["name"], changed["audio"], changed["enabled"]),
                             ("市场", True, False))
            self.assertEqual(site.status("gate")["state"], "stopped")
            site.run("camera", "remove", "gate")
            self.assertEqual(site.cli("camera", "list")["cameras"], [])
            removed = site.cli("camera", "list", "--removed")["cameras"]
            self.assertEqual([(c["id"], c["removed"]) for c in removed], [("gate", True)])
            self.assertEqual(site.cli("status")["volumes"][0]["state"], "online")

    def test_a_volume_is_added_drained_and_removed_while_a_camera_is_recorded(self):
        with Site() as site:
            site.start_cameras()
            site.start_recorder()
            site.add_cameras()
            site.await_span("cam1", seconds=2)
            first = site.cli("volume", "list")["volumes"][0]
            self.assertEqual((first["cameras"], first["draining"]), (["cam1"], False))
            second = site.path("second")
            site.run("volume", "add", second, ok=(2,))
            os.mkdir(second)
            added = site.cli("volume", "add", second)
            self.assertEqual((added["root"], added["state"]), (second, "online"))
            self.assertIn("same file system", added["warning"])
            site.run("volume", "remove", second, ok=(4,))
            site.run("volume", "drain", second)
            site.run("volume", "drain", first["id"], ok=(4,))  # The last one.
            site.run("volume", "remove", second)
            self.assertEqual([v["root"] for v in site.cli("volume", "list")["volumes"]],
                             [first["root"]])
            told = [act["what"] for act in site.cli("custody")["acts"]]
            self.assertIn("volume remove " + second, told)
            site.stop_recorder()
            site.start_recorder("--volume", second)
            self.assertEqual(len(site.cli("volume", "list")["volumes"]), 1)
            site.await_span("cam1", seconds=4)

    def test_an_alarm_is_told_seen_and_over(self):
        with Site() as site, Receiver() as receiver:
            site.start_recorder()
            site.stop_recorder()
            site.run("rebuild", "--data", site.data)  # Leaves an alarm: policies-unconfirmed.
            secret = site.path("secret")
            with open(secret, "w") as file:
                file.write("a secret\n")
            site.start_recorder("--webhook", "http://127.0.0.1:%d/in" % receiver.server_port,
                                "--webhook-secret-file", secret)
            wait_for("the webhook", receiver.taken)
            headers, body = receiver.tries[0]
            self.assertEqual(headers["X-Lookback-Signature"],
                             "sha256=" + hmac.new(b"a secret", body, "sha256").hexdigest())
            self.assertEqual({sent[1] for sent in receiver.tries[:3]}, {body})
            told = receiver.taken()[0]
            self.assertEqual((told["what"], told["event"]["kind"]),
                             ("began", "policies-unconfirmed"))

            _, out, _ = site.run("events")
            self.assertIn("policies-unconfirmed", out)
            event = site.cli("events")["events"][0]
            self.assertEqual(event["id"], told["event"]["id"])
            seen = site.cli("events", "ack", event["id"], "--note", "looking into it")
            self.assertEqual(seen["acknowledged"]["person"], "admin")
            site.run("events", "ack", event["id"], ok=(4,))
            site.run("retention", "confirm")
            wait_for("the end", lambda: not site.cli("events")["events"])
            ended = site.cli("events", "--all")["events"][0]
            self.assertEqual(ended["acknowledged"]["note"], "looking into it")
            self.assertIsNotNone(ended["until"])
            wait_for("the webhook", lambda: len(receiver.taken()) == 3)
            self.assertEqual([sent["what"] for sent in receiver.taken()],
                             ["began", "acknowledged", "ended"])
            # What people did survives a rebuild, and so does what befell the store.
            site.stop_recorder()
            site.run("rebuild", "--data", site.data)
            site.start_recorder()
            self.assertIn(ended, site.cli("events", "--all")["events"])

    def test_a_fleet_becomes_what_its_file_says(self):
        def write(text):
            with open(site.path("fleet.toml"), "w") as file:
                file.write(text)

        def apply(*options, ok=(0,)):
            return site.run("apply", site.path("fleet.toml"), *options, ok=ok)

        with Site() as site:
            site.start_recorder()
            with open(site.path("gate.pw"), "w") as file:
                file.write("top-secret\n")
            camera = '[[camera]]\nid = "%s"\nurl = "rtsp://127.0.0.1:9/%s"\n'
            gate = camera % ("gate", "gate") + 'user = "viewer"\npassword_file = "gate.pw"\n'
            write(gate + camera % ("yard", "yard") + "[policy]\nmax_days = 30\n")
            _, out, _ = apply("--dry-run", ok=(1,))
            self.assertIn("+ gate: ", out)
            self.assertIn("; password set", out)
            self.assertEqual(site.cli("camera", "list")["cameras"], [])
            apply(ok=(2,))  # Nobody can be asked.
            _, out, err = apply("--yes")
            self.assertIn("Done: 3 changes.", out)
            self.assertNotIn("top-secret", out + err)
            for options in (("--yes",), ("--dry-run",)):
                _, out, _ = apply(*options)
                self.assertIn("Nothing to change: 2 cameras as the file says", out)

            write(gate.replace("9/gate", "9/other") + "[policy]\nmax_days = 30\n")
            _, out, _ = apply("--dry-run", ok=(1,))
            self.assertIn("~ gate: url rtsp://127.0.0.1:9/gate -> rtsp://127.0.0.1:9/other", out)
            self.assertIn("Not in the file, and it stays: yard", out)
            done = json.loads(apply("--yes", "--remove-others", "--json")[1])
            self.assertEqual([c["action"] for c in done["changes"]], ["change", "remove"])

            write('[[camera]]\nid = "Gate"\nurl = "ftp://x"\n[policy]\nmin_days = 9\n')
            _, _, err = apply("--yes", ok=(2,))
            for place in (":2:6: ", ":3:7: ", ":4:1: "):
                self.assertIn("fleet.toml" + place, err)

            write("".join(camera % ("cam%d" % i, i) + 'password = "p%d"\n' % i
                          for i in range(500)))
            self.assertIn("Done: 500 changes.", apply("--yes")[1])
            # None waits for ever for its first try.
            wait_for("first tries", lambda: all(
                c["status"]["reconnects"] > 0 for c in
                json.loads(site.http("/api/v1/cameras?status=1")[2])["cameras"]
                if c["id"] != "gate"), 60)

    def test_bash_completes_commands_and_options(self):
        script = subprocess.run([program("lookback"), "completion", "bash"], capture_output=True,
                                text=True, check=True).stdout

        def complete(*words):
            done = subprocess.run(
                ["bash", "-c", script + 'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lookback; '
                 'printf "%s\\n" "${COMPREPLY[@]}"', "bash", "lookback", *words],
                capture_output=True, text=True, check=True)
            self.assertEqual(done.stderr, "")
            return done.stdout.split()

        self.assertEqual(sorted(complete("camera", "s")), ["set", "show", "status"])
        self.assertEqual(complete("camera", "set", "gate", "--en"), ["--enable"])
        self.assertEqual(complete("time"), ["timeline"])
        self.assertEqual(complete("clip", "serve", "--req"), ["--require-complete"])

    def test_the_demo_refuses_what_it_cannot_mean(self):
        for options, code in ((("--seconds", "abc"), 2), (("--seconds",), 2), (("--second", "1"), 2),
                              (("--seconds", "0"), 2), (("--help",), 0)):
            done = subprocess.run([os.path.join(ROOT, "demo"), *options], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, code, (options, done.stderr))
            self.assertIn("--seconds N", done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
