"""The main and the sub stream of one camera: recorded side by side, each for itself, and each given back as it was sent."""

import signal
import subprocess
import unittest

from harness import STREET_SUB, US, Process, Site, decode_errors, now_us, program, sei, time_us, wait_for

SECONDS = 6
STREAMS = ("main", "sub")


def size_of(path):
    listed = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "stream=width,height", "-of", "csv=p=0",
         path], capture_output=True, text=True, check=True, timeout=60)
    return listed.stdout.strip()


class TwoStreams(unittest.TestCase):
    """cam1 has both streams from one server; of cam2 the sub stream has a server of its own, which is cut."""

    def setUp(self):
        self.site = Site()
        self.addCleanup(self.site.__exit__, None, None, None)
        self.site.start_cameras("--sub-footage", STREET_SUB, count=2)
        self.site.start_recorder()
        self.light = Process(
            "light", [program("camera_sim"), "--count", "1", "--prefix", "light", "--port", "0", "--footage",
                      STREET_SUB, "--log", self.site.frame_log], self.site.directory)
        self.addCleanup(lambda: self.light.running() and self.light.stop())
        light_url = self.light.await_line(r"(?m)^rtsp://\S+/light1$").group(0)
        urls = self.site.urls
        self.site.run("camera", "add", "cam1", urls["cam1"], "--sub-url", urls["cam1"] + "/sub")
        self.site.run("camera", "add", "cam2", urls["cam2"], "--sub-url", light_url)

    def state(self, camera, stream):
        return self.site.status(camera, stream)["state"]

    def check_clip(self, camera, stream, source, span):
        """A clip decodes, and has each frame that the simulator sent of that stream, once."""
        path, report = self.site.clip(camera, *span, "--stream", stream, name=f"{camera}-{stream}.mp4")
        self.assertEqual((report["stream"], report["missing_us"]), (stream, 0), report)
        self.assertEqual(decode_errors(path), "")
        self.assertEqual(size_of(path), "768,576" if stream == "main" else "352,264")
        marks = sei(path, "--packets")
        self.assertEqual({mark["camera"] for mark in marks}, {source})
        frames = [mark["frame"] for mark in marks]
        self.assertEqual(len(frames), len(set(frames)))
        wait_for("the simulator's log", lambda: self.site.frames_sent()[source][-1]["frame"] >= max(frames))
        sent = {entry["frame"] for entry in self.site.frames_sent()[source]
                if min(frames) <= entry["frame"] <= max(frames)}
        self.assertEqual(set(frames), sent)
        self.assertGreater(len(frames), SECONDS * (20 if stream == "main" else 10))

    def test_each_is_recorded_for_itself_and_given_back_as_sent(self):
        site = self.site
        begun = {(camera, stream): site.await_span(camera, 0, stream=stream)[0]
                 for camera in ("cam1", "cam2") for stream in STREAMS}
        until = now_us() + SECONDS * US
        for camera, stream in begun:
            site.await_recorded(camera, until, stream=stream)
        spans = {which: (start, until) for which, start in begun.items()}

        self.light.stop()
        cut = now_us()
        wait_for("the sub stream is missed", lambda: self.state("cam2", "sub") == "waiting")
        site.await_recorded("cam2", cut + 4 * US)
        self.assertEqual(site.status("cam2")["reconnects"], 0)
        main = site.timeline("cam2", spans["cam2", "main"][0], cut + 4 * US)
        self.assertEqual(main["gaps"], [])
        sub = site.timeline("cam2", spans["cam2", "sub"][0], cut + 4 * US, "--stream", "sub")
        self.assertEqual([gap["cause"] for gap in sub["gaps"]], ["network"])
        self.assertGreater(time_us(sub["gaps"][0]["start"]), cut - 2 * US)

        site.recorder.signal(signal.SIGKILL)
        site.recorder.popen.wait()
        site.start_recorder()
        for stream in STREAMS:
            site.await_recorded("cam1", now_us() + US, stream=stream)
            causes = [gap["cause"] for gap in site.timeline(
                "cam1", spans["cam1", stream][0], now_us() - US, "--stream", stream)["gaps"]]
            self.assertEqual(causes, ["recorder down"], stream)

        self.check_clip("cam1", "main", "cam1", spans["cam1", "main"])
        self.check_clip("cam1", "sub", "cam1/sub", spans["cam1", "sub"])
        self.check_clip("cam2", "main", "cam2", (spans["cam2", "main"][0], cut + 3 * US))
        self.check_clip("cam2", "sub", "light1", spans["cam2", "sub"])
        acts = site.cli("custody", "--camera", "cam2", "--limit", "100")["acts"]
        self.assertIn("clip.mp4, sub stream", [act["what"] for act in acts])

        # Without its URL it is recorded no more, its footage stays, and the main stream does not notice.
        site.run("camera", "set", "cam1", "--sub-url", "")
        self.assertIsNone(site.status("cam1")["sub"])
        site.await_recorded("cam1", now_us() + 2 * US)
        self.assertEqual(site.status("cam1")["reconnects"], 0)
        self.check_clip("cam1", "sub", "cam1/sub", spans["cam1", "sub"])

        _, _, complaint = site.run("timeline", "cam1", "--start", "2026-05-04T22:00:00Z", "--end",
                                   "2026-05-04T22:01:00Z", "--stream", "third", ok=(2,))
        self.assertIn("--stream", complaint)
        site.stop_recorder()
        for camera in ("cam1", "cam2"):
            streams = {path.split("/")[-3] for path in site.segment_files(camera)}
            self.assertEqual(streams, set(STREAMS))
        self.assertEqual([f for f in site.fsck()["findings"] if f["fault"]], [])


if __name__ == "__main__":
    unittest.main()
