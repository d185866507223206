"""What ails a machine is found by name, each with its cure: faults planted on real file systems, mounts, files and limits.

As root, in a mount namespace of the test's own, so that it has an /etc/fstab of its own and mounts disks (disks.py) that
nobody else sees. A healthy house yields no error and no warning; each fault is then planted alone, and the findings are those
of the healthy one and it. The machine's own clock is what it is: whether it is disciplined is asked of the kernel by
adjtimex(2) here too, and the finding has to agree.
"""

import ctypes
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import unittest

from disks import Disk, command, why_no_disk
from harness import FOOTAGE, Process, Site, program, wait_for

SERVICE = 65534  # Who the store belongs to.
MB = 1 << 20
CLONE_NEWNS = 0x00020000
# What the machine of the test is, and no fault planted: its clock, its memory, its own disks' health.
OF_THE_MACHINE = {"clock", "memory", "disk-health", "disk-speed"}


def clock_disciplined():
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(1024)  # struct timex with modes 0: reads alone.
    return libc.adjtimex(buffer) != 5  # TIME_ERROR


def enter_namespace():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise unittest.SkipTest("no mount namespace of its own: " + os.strerror(ctypes.get_errno()))
    command("mount", "--make-rprivate", "/")


class House:
    """Two disks of footage and one of data, mounted, in an fstab of its own, and a store on them."""

    def __init__(self, site):
        self.site = site
        os.chmod(site.directory, 0o755)
        self.disks = {name: Disk(site.directory, name, size=64 * MB) for name in ("data", "one", "two")}
        self.fstab = site.path("fstab")
        self.write_fstab()
        command("mount", "--bind", self.fstab, "/etc/fstab")
        self.data = os.path.join(self.path("data"), "store")
        os.mkdir(self.data, 0o750)
        site.data = self.data
        site.token_file = os.path.join(self.data, "secrets", "admin-token")

    def path(self, name):
        return self.disks[name].mount_point

    def write_fstab(self, leave_out=(), options="defaults,nofail"):
        with open(self.fstab, "w", encoding="utf-8") as file:
            file.write("# of the test\n")
            for name in self.disks:
                if name not in leave_out:
                    file.write(f"UUID={name} {self.path(name)} ext4 {options} 0 2\n")

    def own(self):
        for path in (self.data, self.path("one"), self.path("two")):
            command("chown", "-R", f"{SERVICE}:{SERVICE}", path)

    def first_start(self):
        self.site.start_recorder("--volume", self.path("one"), "--volume", self.path("two"))
        self.site.stop_recorder()
        self.own()

    def close(self):
        command("umount", "/etc/fstab")
        for disk in self.disks.values():
            disk.close()


def doctor(data, *options, limits=()):
    """(exit code, report) of the command without a server."""
    done = subprocess.run([*limits, program("lookback"), "doctor", "--data", data, "--json", *options],
                          capture_output=True, text=True, timeout=120)
    try:
        return done.returncode, json.loads(done.stdout)
    except ValueError:
        raise AssertionError(f"no report: {done.stdout!r} {done.stderr!r}") from None


def grave(report):
    """(check, severity, about) of what is wrong, besides what the machine itself is."""
    return {(each["check"], each["severity"], each["about"]) for each in report["findings"]
            if each["severity"] in ("error", "warning") and each["check"] not in OF_THE_MACHINE and not is_image(each)}


def is_image(finding):
    """The disks of a test are images, and where they lie may be the system's own file system."""
    return finding["check"] == "volume-own-disk" and "is the image" in finding["sentence"]


def cure(report, check):
    return next(each["cure"] for each in report["findings"] if each["check"] == check)


@unittest.skipUnless(os.geteuid() == 0, "takes root")
class WithoutAServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        enter_namespace()
        why = why_no_disk()
        if why:
            raise unittest.SkipTest(why)
        cls.site = Site()
        cls.house = House(cls.site)
        cls.addClassCleanup(cls.site.__exit__, None)
        cls.addClassCleanup(cls.house.close)
        cls.house.first_start()

    def find(self, expected, *options, limits=()):
        """The report, in which nothing but what is expected is wrong."""
        code, report = doctor(self.house.data, "--no-speed", *options, limits=limits)
        self.assertEqual(grave(report), expected, json.dumps(report["findings"], indent=1))
        self.assertEqual(code, 0 if report["sound"] else 1)
        for finding in report["findings"]:
            self.assertTrue(finding["sentence"] and finding["cure"], finding)
            self.assertNotIn("{", finding["sentence"] + finding["cure"])
        return report

    def test_a_healthy_house_has_nothing_wrong(self):
        report = self.find(set())
        states = {each["check"]: each["state"] for each in report["checks"]}
        self.assertEqual(states["volume-mount"], "ok")
        self.assertEqual(states["cameras"], "unknown")
        self.assertEqual(states["clock"] == "ok", clock_disciplined())
        names = {library["name"] for library in report["libraries"]}
        self.assertLessEqual({"rocksdb", "libavformat", "openssl", "libuv"}, names)

    def test_a_bare_mount_point(self):
        path = self.house.path("two")
        self.house.disks["two"].unmount()
        try:
            report = self.find({("volume-mount", "error", path)})
        finally:
            self.house.disks["two"].mount()
        self.assertIn(f"`mount {path}`", cure(report, "volume-mount"))

    def test_a_disk_that_a_restart_would_not_mount(self):
        self.addCleanup(self.house.write_fstab)
        path = self.house.path("one")
        self.house.write_fstab(leave_out=("one",))
        report = self.find({("mount-at-boot", "warning", path)})
        # A disk of the test is an image.
        self.assertIn(f"{path} $(findmnt -no FSTYPE {path}) loop,nofail", cure(report, "mount-at-boot"))
        self.house.write_fstab(options="defaults")
        report = self.find({("mount-at-boot", "warning", root)
                            for root in (path, self.house.path("two"), self.house.data)})
        self.assertIn("nofail", cure(report, "mount-at-boot"))

    def test_volumes_on_one_file_system_and_on_that_of_the_data(self):
        shared = os.path.join(self.house.path("one"), "b")
        os.mkdir(shared)
        os.chown(shared, SERVICE, SERVICE)
        self.addCleanup(os.rmdir, shared)
        report = self.find({("shared-disk", "warning", shared)}, "--volume", shared)
        self.assertIn("findmnt", cure(report, "shared-disk"))
        beside = os.path.join(self.house.path("data"), "footage")
        os.mkdir(beside)
        os.chown(beside, SERVICE, SERVICE)
        self.addCleanup(os.rmdir, beside)
        self.find({("data-directory", "warning", self.house.data)}, "--volume", beside)

    def test_a_volume_on_the_systems_disk(self):
        root = f"/var/lookback-doctor-{os.getpid()}"  # /tmp may be in memory.
        os.mkdir(root)
        self.addCleanup(os.rmdir, root)
        os.chown(root, SERVICE, SERVICE)
        self.find({("volume-own-disk", "warning", root)}, "--volume", root)

    def test_a_volume_in_memory(self):
        root = self.site.path("memory")
        os.mkdir(root)
        command("mount", "-t", "tmpfs", "-o", f"size=8m,uid={SERVICE}", "tmpfs", root)
        self.addCleanup(command, "umount", root)
        report = self.find({("file-system", "error", root)}, "--volume", root)
        self.assertIn("mount a real disk", cure(report, "file-system"))

    def test_a_volume_in_an_image_is_on_the_disk_of_that_file(self):
        report = self.find(set())
        told = {each["about"]: each["sentence"] for each in report["findings"] if is_image(each)}
        on_system = os.stat(self.site.directory).st_dev in {os.stat(path).st_dev for path in ("/", "/usr", "/var")}
        self.assertEqual(set(told), {self.house.path("one"), self.house.path("two")} if on_system else set())
        for sentence in told.values():
            self.assertIn(self.site.directory, sentence)

    def test_a_full_disk_of_footage_and_of_data(self):
        self.addCleanup(self.house.disks["one"].heal)
        self.house.disks["one"].fill()
        os.chown(self.house.disks["one"].ballast(), SERVICE, SERVICE)
        # All but 1 MiB: what is left has to be under one percent.
        with open(os.path.join(self.house.path("one"), "more"), "wb") as file:
            self.addCleanup(os.remove, file.name)
            os.posix_fallocate(file.fileno(), 0, 900 << 10)
        os.chown(os.path.join(self.house.path("one"), "more"), SERVICE, SERVICE)
        report = self.find({("space", "error", self.house.path("one"))})
        self.assertIn("lookback volume add", cure(report, "space"))
        self.house.disks["one"].heal()
        self.addCleanup(self.house.disks["data"].heal)
        self.house.disks["data"].fill()
        self.find({("space", "warning", self.house.data)})

    def test_inodes_that_are_used_up(self):
        directory = os.path.join(self.house.path("two"), "many")
        os.mkdir(directory)
        self.addCleanup(shutil.rmtree, directory)
        os.chown(directory, SERVICE, SERVICE)
        left = os.statvfs(directory).f_favail
        self.assertLess(left, 100_000)
        for number in range(left - 20):
            os.mknod(os.path.join(directory, str(number)))
        report = self.find({("inodes", "error", self.house.path("two"))})
        self.assertIn("du --inodes", cure(report, "inodes"))

    def test_secrets_that_others_can_read(self):
        path = os.path.join(self.house.data, "secrets", "admin-token")
        os.chmod(path, 0o644)
        self.addCleanup(os.chmod, path, 0o600)
        report = self.find({("secrets", "warning", path)})
        self.assertIn(f"chmod go= {path}", cure(report, "secrets"))
        for directory in (self.house.data, os.path.dirname(path)):
            self.addCleanup(os.chmod, directory, os.stat(directory).st_mode & 0o777)
            os.chmod(directory, 0o755)
        self.find({("secrets", "error", path)})

    def test_a_volume_of_another_owner_and_files_that_root_left(self):
        path = self.house.path("one")
        self.addCleanup(self.house.own)
        os.chown(path, 0, 0)
        report = self.find({("file-access", "error", path)})
        self.assertRegex(cure(report, "file-access"), rf"`chown -R \w+: {path}`")
        os.chown(path, SERVICE, SERVICE)
        os.chown(os.path.join(path, "volume.json"), 0, 0)
        report = self.find({("file-access", "warning", path)})
        self.assertIn(os.path.join(path, "volume.json"), json.dumps(report["findings"]))

    def test_a_file_system_that_is_read_only(self):
        path = self.house.path("two")
        device = self.house.disks["two"].device()  # By name alone it would go by the fstab.
        command("mount", "-o", "remount,ro", device, path)
        self.addCleanup(command, "mount", "-o", "remount,rw", device, path)
        self.assertTrue(os.statvfs(path).f_flag & os.ST_RDONLY)
        _, report = doctor(self.house.data, "--no-speed")
        self.assertIn(("disk-health", "error", path),
                      {(each["check"], each["severity"], each["about"]) for each in report["findings"]})

    def test_too_few_open_files(self):
        report = self.find({("open-files", "warning", "")}, limits=("prlimit", "--nofile=1024:1024"))
        self.assertIn("LimitNOFILE", cure(report, "open-files"))

    def certificate(self, days, name="server"):
        files = [self.site.path(f"{name}.crt"), self.site.path(f"{name}.key")]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc",
                        "-days", str(days), "-subj", "/CN=recorder", "-out", files[0], "-keyout", files[1]],
                       check=True, capture_output=True, timeout=60)
        return files

    def test_a_certificate_that_ends_has_ended_or_has_another_key(self):
        crt, key = self.certificate(90)
        self.find(set(), "--tls-certificate", crt, "--tls-key", key)
        _, other = self.certificate(90, "other")
        self.find({("certificate", "error", crt)}, "--tls-certificate", crt, "--tls-key", other)
        crt, key = self.certificate(9)
        # Those of the server's file are looked at as well.
        settings = self.site.path("lookback.toml")
        with open(settings, "w", encoding="utf-8") as file:
            file.write(f'data = "/nowhere"\n[http]\ntls_certificate = "{crt}"\ntls_key = "{key}"\n')
        report = self.find({("certificate", "warning", crt)}, "--config", settings)
        self.assertIn("renew", cure(report, "certificate"))
        # One that was good for a day, ten days ago.
        subprocess.run(["openssl", "req", "-new", "-key", key, "-subj", "/CN=recorder", "-out", self.site.path("csr")],
                       check=True, capture_output=True, timeout=60)
        self.expired(crt, key)
        self.find({("certificate", "error", crt)}, "--tls-certificate", crt, "--tls-key", key)

    def expired(self, crt, key):
        with open(self.site.path("ca.cnf"), "w", encoding="utf-8") as file:
            file.write("[ca]\ndefault_ca=d\n[d]\ndatabase={0}/index\nserial={0}/serial\nnew_certs_dir={0}\n"
                       "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n".format(self.site.directory))
        open(self.site.path("index"), "w", encoding="utf-8").close()
        with open(self.site.path("serial"), "w", encoding="utf-8") as file:
            file.write("01\n")
        subprocess.run(["openssl", "ca", "-batch", "-selfsign", "-config", self.site.path("ca.cnf"), "-keyfile", key,
                        "-in", self.site.path("csr"), "-startdate", "20200101000000Z", "-enddate", "20200102000000Z",
                        "-out", crt, "-notext"], check=True, capture_output=True, timeout=60)

    def test_how_fast_volumes_are_is_measured_and_leaves_nothing(self):
        before = {name: sorted(os.listdir(self.house.path(name))) for name in self.house.disks}
        # 256 MiB have to be free for it, which these small disks have not: one that is larger.
        with Disk(self.site.directory, "large", size=400 * MB) as disk:
            os.chown(disk.mount_point, SERVICE, SERVICE)
            _, report = doctor(self.house.data, "--volume", disk.mount_point)
            speeds = {each["about"]: each for each in report["findings"] if each["check"] == "disk-speed"}
            self.assertRegex(speeds[disk.mount_point]["sentence"], r"writes \d+ MB/s and reads \d+ MB/s")
            self.assertEqual(speeds[self.house.path("one")]["severity"], "unknown")
            self.assertEqual(os.listdir(disk.mount_point), ["lost+found"])
        self.assertEqual(before, {name: sorted(os.listdir(self.house.path(name))) for name in self.house.disks})

    def test_a_person_in_a_hurry_sees_the_worst_first_in_80_columns(self):
        path = self.house.path("two")
        self.house.disks["two"].unmount()
        try:
            done = subprocess.run([program("lookback"), "doctor", "--data", self.house.data, "--no-speed"],
                                  capture_output=True, text=True, timeout=60)
        finally:
            self.house.disks["two"].mount()
        self.assertEqual(done.returncode, 1)
        lines = done.stdout.splitlines()
        self.assertEqual(lines[0], "ERROR volume-mount")
        self.assertTrue(lines[1].startswith(f"  {path}: "), lines[1])
        self.assertIn(f"  -> `mount {path}`", done.stdout)
        self.assertRegex(" ".join(lines[-4:]), r"1 error, \d warnings?")
        # A word of a path or command may be wider by itself.
        self.assertEqual([line for line in lines if len(line) > 80 and len(line.split()) > 4], [])
        # What has a finding is not well.
        found = {match.group(2) for match in (re.match(r"(ERROR|warning|unknown|note) (\S+)$", line) for line in lines) if match}
        well = done.stdout.replace("\n", " ").rpartition("Well: ")[2].rstrip(". ").split(", ")
        self.assertEqual(found & set(well), set())
        self.assertIn("--no-speed was said", done.stdout.replace("\n  ", " "))


class ByTheServer(unittest.TestCase):
    """Anybody's: what the server finds by itself, logs, counts, and answers."""

    def footage(self, site):
        path = site.path("long-gop.mp4")
        subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=10:duration=12",
                        "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-g", "60",
                        "-keyint_min", "60", "-sc_threshold", "0", "-bf", "0", path], check=True, timeout=120)
        return path

    def test_it_looks_by_itself_and_when_asked_and_knows_its_cameras(self):
        with Site() as site:
            site.start_cameras(footage=self.footage(site))
            site.start_recorder()
            wait_for("a look at the start", lambda: "lookback_doctor_age_seconds" in self.metrics(site))
            site.add_cameras()

            def gop():
                report = site.cli("doctor", ok=(0, 1))
                return next((each for each in report["findings"] if each["check"] == "cameras"
                             and each["about"] == "cam1" and each["severity"] == "warning"), None)
            found = wait_for("the camera's long group of pictures", gop, limit_s=90)
            self.assertIn("6.0 s from one sync sample to the next", found["sentence"])
            self.assertIn("I-frame interval 2 s", found["cure"])
            code, report = self.ask(site)
            self.assertEqual(code, 1)
            self.assertFalse(report["sound"])
            states = {each["check"]: each["state"] for each in report["checks"]}
            self.assertEqual(states["cameras"], "warning")
            self.assertEqual(states["disk-speed"], "unknown")  # Nothing is measured while it records.
            self.assertIn('lookback_doctor_check_sound{check="cameras"} 0', self.metrics(site))
            self.assertRegex(site.recorder.errors(), r"warning doctor: cameras, cam1: 6\.0 s")
            log = site.recorder.errors()
            self.assertEqual(log.count("cameras, cam1: 6.0 s"), 1, log)
            _, text, _ = site.run("doctor", ok=(1,))
            self.assertIn("warning cameras\n  cam1: 6.0 s", text)
            self.while_it_records(site)

    def while_it_records(self, site):
        """From outside, without a server's help: it sees that one records, and keeps off the disks."""
        code, report = doctor(site.data)
        speed = next(each for each in report["findings"] if each["check"] == "disk-speed")
        self.assertEqual(speed["severity"], "unknown")
        self.assertIn("the server records there", speed["sentence"])
        self.assertIn(code, (0, 1))

    def ask(self, site):
        code, out, _ = site.run("doctor", "--json", ok=(0, 1))
        return code, json.loads(out)

    def metrics(self, site):
        return site.http("/metrics")[2].decode()

    def test_without_a_server_it_says_how_to_look_all_the_same(self):
        with Site() as site:
            site.server = "http://127.0.0.1:9"
            with open(site.token_file, "w", encoding="ascii") as file:
                file.write("none")
            _, _, err = site.run("doctor", ok=(5,))
            self.assertIn("lookback doctor --config FILE", err)
            site.run("doctor", "--volume", "/srv", ok=(2,))


if __name__ == "__main__":
    unittest.main()
