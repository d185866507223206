"""Disks that can be made ill: a file system in an image file, on a loop device.

    with Disk(directory, "a", kind="xfs") as disk:   # Mounted on disk.mount_point.
        disk.cut_power()                             # What the kernel had not written is gone.
        disk.remount()

With `drive=True` the loop device stands on a drive: nbdkit serves the image, and nbdfuse shows it as a file. A drive can
refuse writes, hang and be pulled; and it has a cache, which it loses when the power goes, but for what was flushed.

All of it takes root. `why_no_disk()` and `why_no_drive()` say what is missing here, or give None. Everything ends with the
block, and at the latest with the process; one that is killed leaves its disks (`losetup -a` shows them).
"""

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile

from harness import Process, wait_for

BYTES = 512 << 20
MAKE = {"xfs": ["mkfs.xfs", "-q"], "ext4": ["mkfs.ext4", "-q"]}
LIMIT_S = 60

# Ends a test as Ctrl-C does: with its `finally`.
signal.signal(signal.SIGTERM, signal.default_int_handler)


def command(*arguments):
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(arguments)}: {done.stderr}")


def mounted(path):
    # A sick file system does not even answer stat().
    with open("/proc/self/mounts", encoding="utf-8") as file:
        return any(line.split()[1] == os.path.abspath(path) for line in file)


def unmount(path):
    """Waits for what is still on its way out."""
    def probe():
        return not mounted(path) or subprocess.run(
            ["umount", path], capture_output=True, timeout=LIMIT_S, check=False).returncode == 0
    wait_for(f"umount {path}", probe, LIMIT_S)


class Drive:
    """An image behind nbdkit, shown as one file, `path`."""

    def __init__(self, directory, name, image):
        self.directory = directory
        self.name = name
        self.image = image
        self.path = os.path.join(directory, f"{name}.drive")
        self.socket = os.path.join(directory, f"{name}.sock")
        self.refuses = os.path.join(directory, f"{name}.refuses")  # While this file is there.
        self.server = self.fuse = None
        with open(self.path, "wb"):
            pass

    def start(self):
        self.server = Process(f"{self.name}.nbdkit", [
            "nbdkit", "-f", "-U", self.socket, "--filter=error", "--filter=cache", "file", self.image,
            "error-pwrite=EIO", "error-pwrite-rate=100%", f"error-pwrite-file={self.refuses}",
            "cache=writeback"], self.directory)
        wait_for("nbdkit", lambda: os.path.exists(self.socket), LIMIT_S)
        self.fuse = Process(f"{self.name}.nbdfuse", ["nbdfuse", self.path, "--unix", self.socket], self.directory)
        wait_for("nbdfuse", lambda: mounted(self.path), LIMIT_S)

    def refuse(self):
        with open(self.refuses, "wb"):
            pass

    def hang(self):
        self.server.signal(signal.SIGSTOP)

    def heal(self):
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.refuses)
        self.server.signal(signal.SIGCONT)

    def pull(self):
        self.server.stop(signal.SIGKILL)

    def stop(self):
        unmount(self.path)
        for process in (self.fuse, self.server):
            if process.running():
                process.stop()
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.socket)


class Disk:
    alive = set()

    def __init__(self, directory, name="disk", kind="ext4", size=BYTES, drive=False):
        self.kind = kind
        self.image = os.path.join(directory, f"{name}.img")
        self.mount_point = os.path.join(directory, name)
        os.makedirs(self.mount_point, exist_ok=True)
        with open(self.image, "wb") as file:
            file.truncate(size)
        command(*MAKE[kind], self.image)
        self.drive = Drive(directory, name, self.image) if drive else None
        Disk.alive.add(self)
        try:
            self.mount()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self in Disk.alive:
            Disk.alive.discard(self)
            self.heal()
            self.unmount()
            os.remove(self.image)

    def mount(self):
        if self.drive:
            self.drive.start()
        # XFS does not take a disk twice, and one that was pulled is still there for who has files open on it.
        command("mount", "-o", "loop" + (",nouuid" if self.kind == "xfs" else ""),
                self.drive.path if self.drive else self.image, self.mount_point)

    def unmount(self):
        unmount(self.mount_point)
        if self.drive:
            self.drive.stop()

    def remount(self):
        self.unmount()
        self.mount()

    def replug(self):
        """Takes it away from who uses it, and gives it back as another device."""
        command("umount", "--lazy", self.mount_point)
        self.drive.pull()
        command("umount", "--lazy", self.drive.path)
        self.drive.stop()
        self.mount()

    def works(self):
        """Tried by writing: a file system that gave up may still be called read-write."""
        path = os.path.join(self.mount_point, "try")
        try:
            with open(path, "wb") as file:
                file.write(b"x" * 4096)
                os.fsync(file.fileno())
            os.remove(path)
        except OSError:
            return False
        return True

    def device(self):
        """The loop device's name."""
        with open("/proc/self/mounts", encoding="utf-8") as file:
            return next(line.split()[0] for line in file if line.split()[1] == os.path.abspath(self.mount_point))

    def freeze(self):
        command("fsfreeze", "--freeze", self.mount_point)

    def cut_power(self):
        if self.drive:
            self.drive.pull()
        else:  # Of xfs_io; -x lets it shut down, -F takes other file systems than XFS.
            command("xfs_io", "-x", "-F", "-c", "shutdown", self.mount_point)

    def turn_read_only(self):
        command("mount", "-o", "remount,abort", self.mount_point)

    def ballast(self):
        return os.path.join(self.mount_point, "ballast")

    def fill(self):
        with open(self.ballast(), "wb") as file:
            space = os.statvfs(self.mount_point)
            os.posix_fallocate(file.fileno(), 0, space.f_bavail * space.f_frsize - (1 << 20))

    def heal(self):
        """What a disk gets over without being mounted again."""
        if self.drive:
            self.drive.heal()  # First: a hung one keeps everybody else waiting.
        subprocess.run(["fsfreeze", "--unfreeze", self.mount_point], capture_output=True, timeout=LIMIT_S, check=False)
        with contextlib.suppress(OSError):
            os.remove(self.ballast())


@atexit.register
def close_all():
    for disk in list(Disk.alive):
        with contextlib.suppress(Exception):
            disk.close()


def why_no_disk(drive=False):
    """What is missing to mount one; None: nothing."""
    directory = tempfile.mkdtemp(prefix="lookback-disk-")
    try:
        with Disk(directory, drive=drive):
            return None
    except (AssertionError, OSError) as error:
        return str(error)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def why_no_drive():
    return next((f"{tool} is not installed" for tool in ("nbdkit", "nbdfuse") if not shutil.which(tool)),
                None) or why_no_disk(drive=True)
