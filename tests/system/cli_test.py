"""The command line as its users meet it: where a clip may go, what a failed start leaves, a camera's settings."""

import hashlib
import os
import socket
import subprocess
import unittest

from harness import ROOT, US, Site, decode_errors, program, time_text


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
