"""The Debian package in a bare Debian: installed, recording by what operations.md says, and purged.

By hand (`ninja -C build/release soak_package`): as root, with a mirror of Debian (LOOKBACK_MIRROR) and 2 GB of disk. There is no
systemd in the root, so the service is started as the page says it is without. The cameras are outside.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

from harness import BUILD, ROOT, US, Process, Site, decode_errors, time_text, time_us, wait_for

MIRROR = os.environ.get("LOOKBACK_MIRROR", "http://deb.debian.org/debian")
LIMIT_S = 1800


def said(*command, ok=(0,)):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=LIMIT_S, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    if done.returncode not in ok:
        raise AssertionError(f"{shlex.join(command)} ended with {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout


def lines_by_hand():
    """What docs/operations.md says to type where there is no systemd."""
    with open(os.path.join(ROOT, "docs", "operations.md"), encoding="utf-8") as file:
        block = file.read().partition("Without systemd")[2].partition("```sh\n")[2].partition("```")[0]
    return block.replace("\\\n", "").splitlines()


class Installation(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="lookback-root-")
        self.addCleanup(self.remove)
        self.root = os.path.join(self.directory, "root")
        said("debootstrap", "--variant=minbase", "bookworm", self.root, MIRROR)
        # No daemon of another package, such as one that sets the clock, is started beside this machine's own.
        policy = os.path.join(self.root, "usr/sbin/policy-rc.d")
        with open(policy, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nexit 101\n")
        os.chmod(policy, 0o755)
        said("mount", "-t", "proc", "proc", os.path.join(self.root, "proc"))
        said("cpack", "-G", "DEB", "--config", os.path.join(BUILD, "CPackConfig.cmake"), "-B", self.directory)
        deb, = (name for name in os.listdir(self.directory) if name.endswith(".deb"))
        shutil.copy(os.path.join(self.directory, deb), os.path.join(self.root, "root"))

    def remove(self):
        proc = os.path.join(self.root, "proc")
        if os.path.ismount(proc):
            said("umount", proc)
        shutil.rmtree(self.directory)

    def inside(self, command, ok=(0,)):
        return said("chroot", self.root, "bash", "-ec", "cd /root; " + command, ok=ok)

    def test_it_is_installed_records_and_is_purged_without_its_footage(self):
        self.inside("apt-get update -qq")
        told = self.inside("apt-get install -y ./lookback_*.deb")
        self.assertIn("name its disks in /etc/lookback/lookback.toml", told)
        self.assertIn("lookback", self.inside("man -w lookback 2>/dev/null || ls /usr/share/man/man1/lookback.1.gz",
                                              ok=(0, 2)))
        with Site() as site:
            site.start_cameras()
            prepare, serve = lines_by_hand()
            self.inside(prepare)
            site.recorder = Process("lookback", ["chroot", self.root, *shlex.split(serve), "--listen", "127.0.0.1:0"],
                                    site.directory)
            server = site.recorder.await_line(r"listening on (http://\S+)", 120).group(1)

            def lookback(command, ok=(0,)):
                return self.inside("export LOOKBACK_TOKEN=$(cat /var/lib/lookback/secrets/admin-token) "
                                   f"LOOKBACK_SERVER={server}; lookback {command}", ok)

            lookback("camera add gate " + site.urls["cam1"])

            def recorded():
                text = json.loads(lookback("camera status gate --json"))["recorded_until"]
                return time_us(text) if text else 0

            start = wait_for("the first picture", recorded, 60)
            wait_for("ten seconds of footage", lambda: recorded() > start + 10 * US, 60)
            lookback(f"clip gate --start {time_text(start + US)} --end {time_text(start + 9 * US)} -o clip.mp4 "
                     "--reason test")
            clip = os.path.join(self.root, "root", "clip.mp4")
            print(said("ffprobe", "-v", "error", "-show_entries", "format=duration:stream=codec_name,width,height",
                       "-of", "default=nw=1", clip))
            length = float(said("ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", clip))
            self.assertAlmostEqual(length, 8, delta=0.2)
            self.assertEqual(decode_errors(clip), "")
            self.assertEqual(self.inside("stat -c %U $(find /srv/footage1 -name '*.mp4' | head -n 1)").strip(),
                             "lookback")
            self.assertEqual(site.recorder.stop(), 0)

        before = self.inside("find /srv/footage1 /var/lib/lookback -type f -exec sha256sum {} + | sort")
        told = self.inside("apt-get purge -y lookback")
        print(told[-600:])
        self.assertRegex(told, r"(?m)^  /srv/footage1  \(footage\)$")
        self.assertEqual(self.inside("find /srv/footage1 /var/lib/lookback -type f -exec sha256sum {} + | sort"), before)
        self.assertRegex(before, r"(?m)\S+\.mp4$")
        self.assertEqual(re.findall(r"\S*lookback\S*", self.inside(
            "find /usr /etc /lib/systemd -name '*lookback*'")), [])


if __name__ == "__main__":
    unittest.main()
