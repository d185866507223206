"""Stores that are brought down at random instants, several side by side: what kill_test and power_cut_test share.

Each has cameras, a recorder and instants of its own. What its recorder promised until it went down is written down here,
outside of it; which pictures that covers is told by the simulator's log; and what is there afterwards, by the files.
"""

import bisect
import concurrent.futures
import contextlib
import http.client
import json
import os
import random
import signal
import threading
import time

from harness import US, Site, now_us, sei, time_text, time_us, wait_for

CAMERAS = 4  # Of each store.
# How long a recorder lives, from its ready line on. The archive syncs every 5 s.
LIVES_S = (0.3, 10)
# Of the footage.
PICTURE_US = US // 25
GOP_US = 2 * US
# A picture is captured a little before it is received, which is the time that a promise speaks of; on a starved machine
# so long before.
LATE_US = 5 * US
ASK_EACH_S = 0.02
STARTS_S = 120  # Or it never does. What it took is printed.


class FrameLog:
    """The simulator's log, read on from where the last reading ended. On any thread."""

    def __init__(self, path):
        self.path = path
        self.at = 0
        self.sent = {}  # Camera -> (capture times, frame numbers), both rising.
        self.lock = threading.Lock()

    def between(self, camera, start_us, end_us):
        """The frames of `camera` that were sent and captured in [start_us, end_us)."""
        with self.lock:
            self.read_on()
            times, numbers = self.sent.get(camera, ([], []))
            return set(numbers[bisect.bisect_left(times, start_us):bisect.bisect_left(times, end_us)])

    def captured_us(self, camera, number):
        with self.lock:
            self.read_on()
            times, numbers = self.sent[camera]
            return times[bisect.bisect_left(numbers, number)]

    def read_on(self):
        with open(self.path, "rb") as file:
            file.seek(self.at)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self.at += len(line)
                entry = json.loads(line)
                if "frame" in entry and entry["sent"] > 0:
                    times, numbers = self.sent.setdefault(entry["camera"], ([], []))
                    times.append(entry["capture_us"])
                    numbers.append(entry["frame"])


class Promises(threading.Thread):
    """What a recorder says is safe, `durable_until` or `recorded_until`, asked again and again until it answers no more."""

    def __init__(self, site, what, began_us):
        super().__init__(daemon=True)
        self.what = what
        self.began_us = began_us
        self.from_us = {}   # Camera -> where the footage of this start begins.
        self.until_us = {}  # Camera -> the promise.
        self.over = threading.Event()
        with open(site.token_file, encoding="ascii") as file:
            self.headers = {"Authorization": "Bearer " + file.read().strip()}
        self.connection = http.client.HTTPConnection(site.server.split("//")[1], timeout=30)
        self.start()

    def ask(self, path):
        self.connection.request("GET", path, headers=self.headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise ValueError(f"{path} was answered {answer.status} {text}")
        return json.loads(text)

    def run(self):
        with contextlib.closing(self.connection):
            self.ask_on()

    def ask_on(self):
        while not self.over.wait(ASK_EACH_S):
            try:
                cameras = self.ask("/api/v1/cameras?status=1")["cameras"]
                # An answer that came after the end began proves nothing: it may have been on its way.
                if self.over.is_set():
                    return
                for camera in cameras:
                    until = camera["status"][self.what]
                    if until and time_us(until) > self.began_us:
                        self.note(camera["id"], until)
            except ValueError as error:
                if not self.over.is_set():
                    print(error, flush=True)
            except (OSError, http.client.HTTPException):
                return

    def note(self, camera, until):
        if camera not in self.from_us:
            began = time_text(self.began_us)
            line = self.ask(f"/api/v1/cameras/{camera}/timeline?start={began}&end={until}")
            if line["spans"]:
                self.from_us[camera] = time_us(line["spans"][0]["start"])
        if camera in self.from_us and not self.over.is_set():
            self.until_us[camera] = time_us(until)


class CrashedStore:
    """One store. `crash` brings its recorder down and makes its data directory ready for the next start."""

    def __init__(self, site, log, seed, promise, crash):
        self.site = site
        self.log = log
        self.choice = random.Random(seed)
        self.promise = promise
        self.crash = crash
        self.began_us = now_us()
        self.crashes = []  # When, and when the next start was ready.
        self.first_us = {}  # Camera -> where its footage begins.
        self.until_us = {}  # Camera -> the promise before the crash before this one.
        self.promised = {camera: set() for camera in site.urls}
        self.worst = {"answers": 0, "recovered": 0, "lost": 0, "footage": 0}

    def start(self):
        self.site.start_recorder()
        self.site.add_cameras()

    def crash_once(self, loss_us=None):
        """With `loss_us`: what was sent so long before is there too, promised or not."""
        site, began_us = self.site, self.began_us
        promises = Promises(site, self.promise, began_us)
        moment = time.monotonic() + self.choice.uniform(*LIVES_S)
        wait_for("the moment", lambda: time.monotonic() >= moment)
        promises.over.set()
        crashed_us = now_us()
        self.crash()
        self.began_us = now_us()
        promises.join()

        start = time.monotonic()
        site.start_recorder(limit_s=STARTS_S)
        answers_s = time.monotonic() - start
        ready_us = now_us()
        wait_for("the end of recovery", lambda: self.get("/api/v1/status")["recovery"]["finished"], STARTS_S)
        recovery = self.get("/api/v1/status")["recovery"]
        # It would freeze deletion until a person has confirmed the policies.
        self.check(not recovery["catalog_rebuilt"], recovery["notes"])
        self.check(recovery["missing_segments"] == 0 and recovery["ledger_mended_records"] == 0, recovery)
        self.note_worst("answers", answers_s)
        self.note_worst("recovered", time.monotonic() - start)
        self.check_fsck()
        for camera, until_us in promises.until_us.items():
            from_us = promises.from_us[camera]
            self.first_us.setdefault(camera, from_us)
            stored = self.stored(camera, from_us)
            first_us = self.log.captured_us(camera, min(stored, default=0))
            self.check(stored and -GOP_US / 2 < from_us - first_us < LATE_US,
                       camera, "begins at", from_us, "captured", first_us)
            # By their own time pictures come evenly, however late a starved machine hands them over.
            count = (until_us - from_us) // PICTURE_US - 1
            wanted = set(range(min(stored), min(stored) + count))
            sent = self.log.between(camera, first_us, self.began_us)
            self.check(wanted <= sent, camera, "promised and never sent", sorted(wanted - sent))
            self.check(wanted <= stored, camera, "promised until", time_text(until_us), "lost", sorted(wanted - stored))
            self.promised[camera] |= wanted
            line = self.get(f"/api/v1/cameras/{camera}/timeline?start={time_text(from_us)}&end={time_text(until_us)}")
            self.check(line["gaps"] == [], camera, "promised until", time_text(until_us), line["gaps"])
            self.check_hole(camera, from_us)
            if loss_us:
                count = max(count, (crashed_us - loss_us - from_us) // PICTURE_US - 1)
                late = set(range(min(stored), min(stored) + count)) & sent
                self.check(late <= stored, camera, f"sent {loss_us} us before", sorted(late - stored))
            self.note_worst("lost", len(sent - stored))
            if self.crashes:
                self.note_worst("footage", (from_us - self.crashes[-1][1]) / US)
        # Of a run that was over before it promised anything there is no hole of one crash to look at.
        self.until_us = dict(promises.until_us)
        self.crashes.append((crashed_us, ready_us))

    def check_hole(self, camera, from_us):
        """What the crash before this one left out is one gap, and has its cause."""
        if camera not in self.until_us:
            return
        before_us = self.until_us[camera]
        gaps = self.get(f"/api/v1/cameras/{camera}/timeline?start={time_text(before_us)}&end={time_text(from_us)}")["gaps"]
        self.check([gap["cause"] for gap in gaps] == ["recorder down"], camera, "after a crash", gaps)
        crashed_us = self.crashes[-1][0]
        self.check(time_us(gaps[0]["start"]) < crashed_us < time_us(gaps[0]["end"]), camera, crashed_us, gaps)

    def finish(self):
        """All that was ever promised, read once more from the files; returns how many pictures."""
        self.site.stop_recorder()
        self.check_fsck("--deep")
        for camera, promised in self.promised.items():
            lost = promised - self.stored(camera, 0)
            self.check(not lost, camera, "promised and lost later", sorted(lost))
        return sum(map(len, self.promised.values()))

    def stored(self, camera, from_us):
        """Pictures in files that begin at `from_us` or later; each once."""
        found = set()
        for path in self.site.segment_files(camera):
            if int(os.path.basename(path).split("_")[0]) >= from_us // 1000:
                frames = [picture["frame"] for picture in sei(path, "--packets")]
                self.check(len(frames) == len(set(frames)) and not found & set(frames), path, "a frame stands twice")
                found |= set(frames)
        return found

    def get(self, path):
        return json.loads(self.site.http(path)[2])

    def check_fsck(self, *options):
        faults = [finding for finding in self.site.fsck(*options, ok=(0, 1))["findings"] if finding["fault"]]
        self.check(faults == [], "fsck", faults)

    def note_worst(self, what, value):
        self.worst[what] = max(self.worst[what], value)

    def check(self, holds, *what):
        if not holds:
            raise AssertionError(f"crash {len(self.crashes) + 1} at {time_text(self.began_us)}: "
                                 + " ".join(str(word)[:2000] for word in what))


def side_by_side(stores, count, work):
    """Runs `work(fleet, log, index, share, halt)` for each of `stores` at once, `count` crashes shared among them."""
    halt = threading.Event()
    with Site() as fleet:
        fleet.start_cameras(count=stores * CAMERAS)
        log = FrameLog(fleet.frame_log)
        shares = [count // stores + (index < count % stores) for index in range(stores)]
        with concurrent.futures.ThreadPoolExecutor(stores) as pool:
            try:
                futures = [pool.submit(work, fleet, log, index, share, halt)
                           for index, share in enumerate(shares) if share]
                for done in concurrent.futures.as_completed(futures):
                    done.result()
                return [future.result() for future in futures]
            finally:
                halt.set()


def own_site(fleet, index):
    """A site of a store of its own, with its share of the cameras."""
    site = Site()
    site.urls = {f"cam{number}": fleet.urls[f"cam{number}"]
                 for number in range(index * CAMERAS + 1, (index + 1) * CAMERAS + 1)}
    return site


def kill(site):
    site.recorder.signal(signal.SIGKILL)
    site.recorder.popen.wait()


def worst_of(stores):
    return {what: max(store.worst[what] for store in stores) for what in stores[0].worst}
