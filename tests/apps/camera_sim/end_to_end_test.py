"""Runs camera_sim as recorders do and holds what arrives against its log.

The environment names the programs: CAMERA_SIM, CAMERA_LOAD, SEI_DUMP, FOOTAGE_DIR.
"""

import json
import os
import signal
import subprocess
import tempfile
import unittest

import rtsp_probe

SIM = os.environ["CAMERA_SIM"]
LOAD = os.environ["CAMERA_LOAD"]
SEI_DUMP = os.environ["SEI_DUMP"]
STREET = os.environ["FOOTAGE_DIR"] + "/street.mp4"
BFRAMES = os.environ["FOOTAGE_DIR"] + "/street-bframes.mp4"
RTP_WRAP = 2**32


class Simulator:
    """camera_sim on a free port; dies with the test by its standard input."""

    def __init__(self, *arguments, cameras=4):
        self.process = subprocess.Popen(
            [SIM, "--port", "0", "--count", str(cameras), "--stop-on-stdin-close", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.first_line = self.process.stdout.readline().strip()
        self.urls = [self.process.stdout.readline().strip() for _ in range(cameras)]
        self.base = self.first_line.removeprefix("listening on ")

    def stop(self, how=signal.SIGTERM):
        """Returns (exit code, rest of standard output, standard error)."""
        if how:
            self.process.send_signal(how)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


def signed(difference):
    return (difference + RTP_WRAP // 2) % RTP_WRAP - RTP_WRAP // 2


class EndToEnd(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)

    def path(self, name):
        return os.path.join(self.scratch.name, name)

    def start(self, *arguments, **keywords):
        simulator = Simulator(*arguments, **keywords)
        self.addCleanup(simulator.process.wait)
        self.addCleanup(simulator.process.kill)
        for pipe in (simulator.process.stdin, simulator.process.stdout, simulator.process.stderr):
            self.addCleanup(pipe.close)
        self.assertRegex(simulator.first_line, r"^listening on rtsp://127\.0\.0\.1:\d+/$")
        return simulator

    def probe(self, url, user=None, password=None):
        probe = rtsp_probe.RtspProbe(url, user, password)
        self.addCleanup(probe.close)
        return probe

    def log(self):
        with open(self.path("log.jsonl"), encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def frames(self, camera):
        return {e["frame"]: e for e in self.log() if e.get("camera") == camera and "frame" in e}

    def ffmpeg(self, *arguments):
        subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments], check=True, timeout=60)

    def dump(self, *arguments):
        run = subprocess.run(
            [SEI_DUMP, *arguments], check=True, timeout=60, capture_output=True, text=True
        )
        self.assertEqual(run.stderr, "")
        return [json.loads(line) for line in run.stdout.splitlines()]

    def receive(self, probe, seconds):
        """Returns ([(mark, RTP time)], [sender reports]); fails on a lost packet."""
        marks, reports, last = [], [], None
        for channel, packet, _ in probe.packets(seconds):
            if channel == 1:
                report = rtsp_probe.parse_sender_report(packet)
                reports += [report] if report else []
            if channel != 0:
                continue
            _, _, sequence, timestamp, payload = rtsp_probe.parse_rtp(packet)
            if last is not None:
                self.assertEqual(sequence, (last + 1) % 65536)
            last = sequence
            mark = rtsp_probe.parse_mark(payload)
            marks += [(mark, timestamp)] if mark else []
        return marks, reports

    def test_every_recorded_frame_is_consecutive_and_in_the_log(self):
        simulator = self.start("--footage", STREET, "--log", self.path("log.jsonl"))
        recording = self.path("recording.mkv")
        self.ffmpeg("-rtsp_transport", "tcp", "-i", simulator.base + "cam2", "-t", "5",
                    "-c", "copy", recording)
        self.assertEqual(simulator.stop(), (0, "", ""))
        self.assertEqual(simulator.urls, [f"{simulator.base}cam{i}" for i in (1, 2, 3, 4)])

        stored = self.dump("--packets", recording)
        numbers = [line["frame"] for line in stored]
        self.assertGreater(len(numbers), 100)
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
        frames = self.frames("cam2")
        for line in stored:
            logged = frames[line["frame"]]
            self.assertEqual(line["camera"], "cam2")
            self.assertEqual(logged["capture_us"], line["capture_us"])
            self.assertEqual(logged["sent"], 1)
        self.assertTrue(frames[numbers[0]]["sync"])
        # FFmpeg's own SEI parser reads the same marks as ours.
        shown = self.dump(recording)
        self.assertEqual([s["frame"] for s in shown], numbers)
        self.assertEqual([s["capture_us"] for s in shown], [s["capture_us"] for s in stored])

    def test_a_disconnected_client_got_all_that_was_sent(self):
        simulator = self.start("--footage", STREET, "--log", self.path("log.jsonl"),
                               "--disconnect-every", "3", "--seed", "7", "--audio", "pcma", cameras=1)
        received = []
        for _ in range(2):
            probe = self.probe(simulator.base + "cam1")
            probe.play()
            received += self.receive(probe, 20)[0]
            probe.close()
        self.assertEqual(simulator.stop()[0], 0)
        sent = [n for n, frame in self.frames("cam1").items() if frame["sent"] == 1]
        self.assertEqual([mark[1] for mark, _ in received], sent)
        self.assertEqual([e["event"] for e in self.log() if "event" in e],
                         ["start", "play", "disconnect", "play", "disconnect", "end"])

    def test_the_lean_simulator_sends_what_it_logs_and_drops_its_clients(self):
        process = subprocess.Popen(
            [LOAD, "--count", "3", "--footage", STREET, "--log", self.path("log.jsonl"), "--disconnect-every", "3",
             "--seed", "7", "--packets", "--seconds", "60"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        base = process.stdout.readline().strip().removeprefix("listening on ")
        self.assertEqual([process.stdout.readline() for _ in range(3)], [f"{base}cam{i}\n" for i in (1, 2, 3)])
        received = []
        for _ in range(2):
            probe = self.probe(base + "cam2")
            probe.play()
            received += self.receive(probe, 20)[0]
            probe.close()
        process.send_signal(signal.SIGTERM)
        rest, said = process.communicate(timeout=20)
        self.assertEqual((process.returncode, rest), (0, ""))
        self.assertRegex(said, r"^latest picture \d+ ms behind its time, 0 clients cut off\n$")
        self.assertEqual([mark[0] for mark, _ in received], ["cam2"] * len(received))
        self.assertEqual([mark[1] for mark, _ in received], sorted(self.frames("cam2")))
        self.assertGreater(len(received), 2 * 3 / 2 * 25 - 10)
        self.assertEqual([e["event"] for e in self.log() if "event" in e], ["play", "disconnect"] * 2)
        # By the clock, watched or not: RTP time and frame numbers go together over both connections.
        self.assertEqual({signed(rtp - mark[1] * 3600) for mark, rtp in received}, {-3600})

    def test_clients_of_one_camera_see_the_same_frames(self):
        simulator = self.start("--footage", STREET, "--log", self.path("log.jsonl"))
        probes = [self.probe(simulator.base + "cam1") for _ in range(2)]
        for probe in probes:
            probe.play()
        first = self.receive(probes[0], 3)[0]
        probes[0].close()
        second = self.receive(probes[1], 1)[0]
        probes[1].close()
        simulator.stop()
        frames = self.frames("cam1")
        self.assertTrue({m for m, _ in first} <= {m for m, _ in second})
        self.assertTrue(any(frames[mark[1]]["sent"] == 2 for mark, _ in first))
        self.assertEqual(sorted(frames), list(range(1, len(frames) + 1)))

    def test_rtp_time_goes_on_over_the_loop_and_sender_reports_give_the_capture_time(self):
        short = self.path("short.mp4")
        self.ffmpeg("-i", STREET, "-t", "2", "-c", "copy", short)
        simulator = self.start("--footage", short, "--log", self.path("log.jsonl"), cameras=1)
        probe = self.probe(simulator.base + "cam1")
        sdp, answer = probe.play()
        self.assertIn("sprop-parameter-sets=", sdp)
        self.assertIn("seq=", answer["rtp-info"])
        marks, reports = self.receive(probe, 7)
        probe.close()
        simulator.stop()
        self.assertGreater(len(marks), 100)
        times = [time for _, time in marks]
        self.assertEqual({signed(b - a) for a, b in zip(times, times[1:])}, {3600})
        self.assertTrue(reports)
        for utc_us, rtp in reports:
            mark, time = min(marks, key=lambda entry: abs(signed(entry[1] - rtp)))
            mapped_us = utc_us + signed(time - rtp) * 1_000_000 // 90_000
            self.assertLess(abs(mark[2] - mapped_us), 20_000)

    def test_b_frames_arrive_in_decoding_order(self):
        simulator = self.start("--footage", BFRAMES, "--log", self.path("log.jsonl"), "--audio", "aac",
                               cameras=1)
        probe = self.probe(simulator.base + "cam1")
        probe.play()
        marks, _ = self.receive(probe, 3)
        probe.close()
        simulator.stop()
        numbers = [mark[1] for mark, _ in marks]
        self.assertGreater(len(numbers), 25)
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
        self.assertTrue(any(signed(b[1] - a[1]) < 0 for a, b in zip(marks, marks[1:])))

    def test_credentials_are_asked_for_by_either_method(self):
        with open(self.path("password"), "w", encoding="utf-8") as file:
            file.write("pass word\n")
        for method in ("basic", "digest"):
            with self.subTest(method):
                simulator = self.start("--footage", STREET, "--user", "keeper", "--auth", method,
                                       "--password-file", self.path("password"))
                url = simulator.base + "cam1"
                probe = self.probe(url, "keeper", "pass word")
                probe.play()
                probe.close()
                for user, password in ((None, None), ("keeper", "wrong"), ("other", "pass word")):
                    with self.assertRaisesRegex(rtsp_probe.Refused, "(?i)401 " + method):
                        self.probe(url, user, password).play()
                self.assertEqual(simulator.stop()[0], 0)

    def test_stops_when_asked_by_any_means(self):
        for how in (signal.SIGINT, signal.SIGTERM):
            self.assertEqual(self.start("--footage", STREET).stop(how), (0, "", ""))
        # communicate() closes standard input.
        self.assertEqual(self.start("--footage", STREET).stop(how=None)[0], 0)
        self.assertEqual(self.start("--footage", STREET, "--seconds", "0.2").process.wait(20), 0)

    def test_what_cannot_work_is_said(self):
        taken = self.start("--footage", STREET)
        port = taken.base.rstrip("/").rsplit(":", 1)[1]
        cases = [
            (2, ["--footage", STREET, "--count", "0"], "--count"),
            (2, ["--footage", STREET, "--user", "x"], "--password-file"),
            (2, ["--footage", STREET, "--prefix", "Nördlich"], "a-z, 0-9"),
            (2, [], "--footage"),
            (1, ["--footage", "/no/such/clip.mp4"], "/no/such/clip.mp4"),
            (1, ["--footage", STREET, "--log", "/no/such/log"], "/no/such/log"),
            (1, ["--footage", STREET, "--port", port], "cannot listen"),
        ]
        for code, arguments, message in cases:
            with self.subTest(arguments):
                command = [SIM, *arguments]
                if "--port" not in arguments:
                    command += ["--port", "0"]
                run = subprocess.run(command, capture_output=True, text=True, timeout=20)
                self.assertEqual((run.returncode, run.stdout), (code, ""))
                self.assertIn(message, run.stderr)
        taken.stop()


if __name__ == "__main__":
    unittest.main()
