"""The Debian package: what is in it, what it needs, its unit, its pages, and what a purge leaves.

It is packed anew into a temporary directory, and looked at by dpkg, readelf, lintian, systemd-analyze, man and bash.
Installing it into a bare system is package_install_test.py, by hand.
"""

import contextlib
import ctypes
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import tomllib
import unittest

from harness import BUILD, ROOT, Process, Site, program

PACKAGING = os.path.join(ROOT, "packaging")
PTRACE_SEIZE, PTRACE_INTERRUPT, WAIT_FOR_THREADS_TOO = 0x4206, 0x4207, 0x40000000


def said(*command, ok=(0,)):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240)
    if done.returncode not in ok:
        raise AssertionError(f"{shlex.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def commands(*words):
    """Every command that can be typed, as --help lists them."""
    text = said(program("lookback"), *words, "--help")
    for name in re.findall(r"(?m)^  ([a-z]\S*) ", text.partition("\nSubcommands:\n")[2]):
        below = list(commands(*words, name))
        yield from below or [[*words, name]]


def setting(unit, name):
    """Every value of a setting, in the order of the file."""
    return re.findall(rf"(?m)^{name}=(.*)$", unit)


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="lookback-package-")
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        said("cpack", "-G", "DEB", "--config", os.path.join(BUILD, "CPackConfig.cmake"), "-B", cls.directory)
        names = [name for name in os.listdir(cls.directory) if name.endswith(".deb")]
        assert len(names) == 1, names
        cls.deb = os.path.join(cls.directory, names[0])
        cls.tree = os.path.join(cls.directory, "tree")
        said("dpkg-deb", "--raw-extract", cls.deb, cls.tree)
        with open(os.path.join(cls.tree, "lib/systemd/system/lookback.service"), encoding="utf-8") as file:
            cls.unit = file.read()

    def test_it_has_what_a_server_needs_and_everything_belongs_to_root(self):
        lines = said("dpkg-deb", "--contents", self.deb).splitlines()
        modes = {line.split()[-1]: line.split()[:2] for line in lines}
        for path, mode in (("usr/bin/lookback", "-rwxr-xr-x"), ("etc/lookback/lookback.toml", "-rw-r--r--"),
                           ("lib/systemd/system/lookback.service", "-rw-r--r--"),
                           ("usr/share/man/man1/lookback.1.gz", "-rw-r--r--"),
                           ("usr/share/man/man5/lookback.toml.5.gz", "-rw-r--r--"),
                           ("usr/share/bash-completion/completions/lookback", "-rw-r--r--"),
                           ("usr/share/doc/lookback/copyright", "-rw-r--r--"),
                           ("usr/share/doc/lookback/docs/operations.md", "-rw-r--r--")):
            self.assertEqual(modes["./" + path], [mode, "root/root"])
        self.assertEqual({owner for _, owner in modes.values()}, {"root/root"})
        self.assertEqual([path for path, (mode, _) in modes.items() if "w" in mode[4:]], [])
        self.assertEqual(said("dpkg-deb", "--field", self.deb, "Version").strip(),
                         said(program("lookback"), "version").split()[1])
        with open(os.path.join(PACKAGING, "changelog"), encoding="utf-8") as file:
            self.assertIn("(%s)" % said("dpkg-deb", "--field", self.deb, "Version").strip(), file.readline())

    def test_it_depends_on_every_library_that_the_program_is_linked_with(self):
        depends = said("dpkg-deb", "--field", self.deb, "Depends")
        needed = re.findall(r"NEEDED.*\[(.*)\]", said("readelf", "-dW", os.path.join(self.tree, "usr/bin/lookback")))
        self.assertGreater(len(needed), 15)
        owners = said("dpkg-query", "-S", *["*/" + name for name in needed])
        for name in needed:
            found = re.findall(rf"(?m)^([^:\s]+)\S*: \S*/{re.escape(name)}$", owners)
            # One that is also called by another name, for what it was built with, is asked for by that.
            names = said("dpkg-query", "-W", "-f", "${Package}, ${Provides}, ", *found)
            called = {part.split()[0] for part in names.split(", ") if part.strip()}
            self.assertTrue(called & set(re.findall(r"(?:^|, )([^\s,]+)", depends)), (name, called, depends))

    def test_the_program_is_stripped_and_hardened(self):
        path = os.path.join(self.tree, "usr/bin/lookback")
        self.assertNotIn(".debug_info", said("readelf", "-SW", path))
        dynamic = said("readelf", "-dW", path)
        self.assertRegex(dynamic, "BIND_NOW|NOW")
        self.assertIn("PIE", dynamic)
        self.assertIn("GNU_RELRO", said("readelf", "-lW", path))
        called = set(re.findall(r"UND (\w+)@", said("readelf", "--dyn-syms", "-W", path)))
        checked = {name for name in called if name.endswith("_chk")}
        self.assertTrue("__stack_chk_fail" in called and checked, "no stack protector, or no checked copies")

    def test_the_unit_runs_what_is_in_the_package_by_settings_that_are_in_order(self):
        path = "etc/lookback/lookback.toml"
        self.assertEqual(said("dpkg-deb", "--info", self.deb, "conffiles").split(), ["/" + path])
        for command in (setting(self.unit, "ExecStart")[0], setting(self.unit, "ExecReload")[0]):
            words = [word.replace("/" + path, os.path.join(self.tree, path)) for word in shlex.split(command)]
            self.assertTrue(os.access(os.path.join(self.tree, words[0].lstrip("/")), os.X_OK), words)
            check = [word for word in words[1:] if word not in ("--check", "$LOOKBACK_OPTIONS")]
            settings = json.loads(said(program("lookback"), *check, "--check", "--json"))["settings"]
            self.assertEqual([[one["key"], one["value"]] for one in settings if one["from"] != "default"],
                             [["data", "/var/lib/lookback"]])
        verified = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", os.path.join(PACKAGING, "lookback.service")],
            capture_output=True, text=True, timeout=60)
        complaints = [line for line in verified.stderr.splitlines()
                      if "lookback.service" in line and "/usr/bin/lookback is not executable" not in line]
        self.assertEqual(complaints, [])
        # The exposure that packaging/README.md explains, times ten; exit code 1 above it.
        said("systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager",
             os.path.join(PACKAGING, "lookback.service"))

    def page(self, name):
        """As a person sees it."""
        path = os.path.join(self.tree, "usr/share/man", name)
        done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path], capture_output=True,
                              text=True, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8"})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return said("sh", "-c", f"LC_ALL=C.UTF-8 MANWIDTH=100 man -l {shlex.quote(path)} | col -b")

    def test_the_manual_renders_without_a_warning_and_has_every_command(self):
        text = self.page("man1/lookback.1.gz")
        every = list(commands())
        self.assertGreater(len(every), 40)
        for words in every:
            self.assertRegex(text, rf"(?m)^\s+lookback {' '.join(words)}$")

    def test_the_manual_of_the_file_has_every_setting_with_an_example_that_is_taken(self):
        text = self.page("man5/lookback.toml.5.gz")
        settings = json.loads(said(program("lookback"), "serve", "--check", "--json"))["settings"]
        self.assertGreater(len(settings), 12)
        with open(os.path.join(self.tree, "etc/lookback/lookback.toml"), encoding="utf-8") as file:
            packed = file.read()
        for one in settings:
            name = one["key"].rpartition(".")[2]
            told = re.search(rf"(?ms)^ +{re.escape(one['key'])}\s(.*?)Example: {name} = (.*?)$", text)
            self.assertTrue(told, one["key"])
            self.assertRegex(" ".join(told[1].split()), "Default: |Without it: ")
            self.assertIs(type(tomllib.loads(f"value = {told[2]}")["value"]), type(one["value"]), one["key"])
            self.assertRegex(packed, rf"(?m)^#?{name} = ")

    def test_bash_completes_every_command(self):
        script = os.path.join(self.tree, "usr/share/bash-completion/completions/lookback")
        every = list(commands())
        lines = "".join(
            f"COMP_WORDS=(lookback {shlex.join(words)}); COMP_CWORD={len(words)}; _lookback\n"
            'printf "%s " "${COMPREPLY[@]}"; echo\n' for words in every)
        completed = said("bash", "-c", f"source {shlex.quote(script)}\n{lines}").splitlines()
        for words, line in zip(every, completed, strict=True):
            self.assertIn(words[-1], line.split())

    def test_lintian_finds_no_error_and_no_warning(self):
        self.assertEqual(said("lintian", "--allow-root", "--fail-on", "none", self.deb), "")

    def test_a_purge_keeps_what_was_recorded_and_says_where(self):
        for script in ("postinst", "prerm", "postrm"):
            said("sh", "-n", os.path.join(self.tree, "DEBIAN", script))
        with Site() as site:
            volume = site.path("footage 1")
            site.start_recorder("--volume", volume)
            site.stop_recorder()
            before = said("find", site.directory, "-type", "f")
            with open(os.path.join(self.tree, "DEBIAN", "postrm"), encoding="utf-8") as file:
                script = file.read().replace("/var/lib/lookback", site.data).replace("/run/systemd/system", "/none")
            told = said("sh", "-c", script.replace("deb-systemd-helper", "no-such-helper"), "postrm", "purge")
            self.assertIn(f"  {site.data}  ", told)
            self.assertIn(f"  {volume}  (footage)", told)
            self.assertEqual(said("find", site.directory, "-type", "f"), before)


class Hung:
    """A thread of a child that goes no further, while all the others go on."""

    def __init__(self, pid, name):
        def is_it(tid):
            with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as file:
                return file.read().strip() == name

        found = [int(tid) for tid in os.listdir(f"/proc/{pid}/task") if is_it(tid)]
        assert len(found) == 1, (name, found)
        self.tid = found[0]
        libc = ctypes.CDLL(None, use_errno=True)
        for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
            if libc.ptrace(request, self.tid, None, None) != 0:
                raise AssertionError("ptrace: " + os.strerror(ctypes.get_errno()))
        os.waitpid(self.tid, WAIT_FOR_THREADS_TOO)

    def reap(self):
        """Of a killed process, which ends no sooner."""
        while os.WIFSTOPPED(os.waitpid(self.tid, WAIT_FOR_THREADS_TOO)[1]):
            pass


class Watchdog(unittest.TestCase):
    def test_signs_of_life_end_when_a_thread_that_records_or_answers_hangs(self):
        for thread in ("ingest", "http-loop"):
            with self.subTest(thread), Site() as site:
                systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self.addCleanup(systemd.close)
                systemd.bind(site.path("notify"))
                systemd.settimeout(30)
                recorder = Process(
                    "lookback", [program("lookback"), "serve", "--data", site.data, "--listen", "127.0.0.1:0"],
                    site.directory, {"NOTIFY_SOCKET": site.path("notify"), "WATCHDOG_USEC": "900000"})
                site.recorder = recorder
                self.assertEqual(systemd.recv(100), b"READY=1")
                for _ in range(3):
                    self.assertEqual(systemd.recv(100), b"WATCHDOG=1")
                hung = Hung(recorder.pid, thread)
                # One may have been under way, and one on its way.
                late = []
                systemd.settimeout(3)
                with contextlib.suppress(TimeoutError):
                    while len(late) < 5:
                        late.append(systemd.recv(100))
                self.assertLessEqual(len(late), 2, "signs of life without the thread")
                recorder.signal(signal.SIGKILL)
                hung.reap()
                recorder.popen.wait(30)

    def test_a_stop_is_told(self):
        with Site() as site:
            systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.addCleanup(systemd.close)
            systemd.bind(site.path("notify"))
            systemd.settimeout(30)
            site.recorder = Process(
                "lookback", [program("lookback"), "serve", "--data", site.data, "--listen", "127.0.0.1:0"],
                site.directory, {"NOTIFY_SOCKET": site.path("notify")})
            self.assertEqual(systemd.recv(100), b"READY=1")
            self.assertEqual(site.recorder.stop(), 0)
            self.assertEqual(systemd.recv(100), b"STOPPING=1")


if __name__ == "__main__":
    unittest.main()
