"""kill -9 at any moment: nothing that was sent three seconds before is lost, and it goes on by itself.

LOOKBACK_KILLS says how often (3 in the short form, 50 in the long); the seed is printed.
"""

import os
import random
import signal
import time
import unittest

from harness import US, Site, now_us, sei, time_us, wait_for

SEED = int(os.environ.get("LOOKBACK_SEED", random.randrange(1 << 30)))
KILLS = int(os.environ.get("LOOKBACK_KILLS", "3"))
# What may be lost: sent at most so long before the kill.
LOSS_US = 3 * US
# Back again: so long after the ready line, plus one GOP (2 s in this footage).
RESUME_US = (5 + 2) * US


class Kill(unittest.TestCase):
    def test_what_was_sent_before_a_kill_is_there_after_it(self):
        print(f"LOOKBACK_SEED={SEED}")
        random.seed(SEED)
        with Site() as site:
            site.start_cameras(count=4)
            site.start_recorder()
            site.add_cameras()
            start = min(site.await_span(camera, seconds=4)[0] for camera in site.urls)
            kills = []
            for _ in range(KILLS):
                moment = time.monotonic() + random.uniform(1, 8)
                wait_for("the moment", lambda: time.monotonic() >= moment)
                killed = now_us()
                site.recorder.signal(signal.SIGKILL)
                site.recorder.popen.wait()
                site.start_recorder()
                kills.append((killed, now_us()))
                for camera in site.urls:
                    site.await_recorded(camera, now_us() + US)
                self.assertEqual([f for f in site.fsck()["findings"] if f["fault"]], [])
            site.stop_recorder()
            self.assertEqual([f for f in site.fsck()["findings"] if f["fault"]], [])

            site.start_recorder()
            worst_loss = worst_resume = 0
            for camera in site.urls:
                stored = set()
                for path in site.segment_files(camera):
                    frames = [picture["frame"] for picture in sei(path, "--packets")]
                    self.assertFalse(stored & set(frames), "a frame stands twice")
                    stored |= set(frames)
                sent = site.frames_sent()[camera]
                for killed, ready in kills:
                    before = [f for f in sent if f["capture_us"] < killed - LOSS_US
                              and f["capture_us"] > killed - 20 * US]
                    after_last = [k for k in kills if k[0] < killed]
                    floor = after_last[-1][1] + RESUME_US if after_last else start
                    lost = [f["frame"] for f in before
                            if f["frame"] not in stored and f["capture_us"] >= floor]
                    self.assertEqual(lost, [], f"{camera}: sent over 3 s before the kill")
                    kept = [f["capture_us"] for f in sent
                            if f["capture_us"] < killed and f["frame"] in stored]
                    worst_loss = max(worst_loss, killed - max(kept))
                    resumed = [f["capture_us"] for f in sent
                               if f["capture_us"] > killed and f["frame"] in stored]
                    worst_resume = max(worst_resume, min(resumed) - ready)
                # Before its first picture a camera that was just added has no footage to miss.
                first = min(f["capture_us"] for f in sent if f["frame"] in stored)
                timeline = site.timeline(camera, first + 2 * US, kills[-1][1] + RESUME_US)
                causes = [gap["cause"] for gap in timeline["gaps"]]
                self.assertEqual(causes, ["recorder down"] * KILLS, camera)
                for gap, (killed, ready) in zip(timeline["gaps"], kills):
                    self.assertLess(time_us(gap["start"]), killed)
                    self.assertGreater(time_us(gap["end"]), killed)
            self.assertLess(worst_resume, RESUME_US)
            print(f"{KILLS} kills, 4 cameras: at most {worst_loss / US:.2f} s lost before a kill, "
                  f"frames again {worst_resume / US:.2f} s after the ready line at the latest")


if __name__ == "__main__":
    unittest.main()
