"""kill -9 at any moment: what `recorded_until` promised is there afterwards, and what was sent three seconds before.

Four recorders run side by side, and each is killed at instants of its own. An outside process, this one, reads the
promises until the kill, and the simulator's log says which pictures they cover. LOOKBACK_KILLS says how often (12 in the
short form, 1,000 in the long), LOOKBACK_STORES how many recorders there are; the seed is printed.
"""

import os
import random
import unittest

from crashes import CrashedStore, kill, own_site, side_by_side, worst_of
from harness import US, time_text, time_us

SEED = int(os.environ.get("LOOKBACK_SEED", random.randrange(1 << 30)))
KILLS = int(os.environ.get("LOOKBACK_KILLS", "12"))
STORES = int(os.environ.get("LOOKBACK_STORES", "4"))
KILLS_OF_STORE = 25  # Then a new one is made.
# What may be lost: sent at most so long before the kill.
LOSS_US = 3 * US
# Back again: so long after the ready line, plus one GOP (2 s in this footage).
RESUME_S = 5 + 2


class Kill(unittest.TestCase):
    def test_what_was_promised_or_sent_before_a_kill_is_there_after_it(self):
        print(f"LOOKBACK_SEED={SEED}", flush=True)
        done = []  # (Kills, pictures) of each store.

        def work(fleet, log, index, kills, halt):
            stores = []
            for store_at in range(0, kills, KILLS_OF_STORE):
                if halt.is_set():
                    break
                with own_site(fleet, index) as site:
                    store = CrashedStore(site, log, f"{SEED}{index}{store_at}", "recorded_until", lambda: kill(site))
                    stores.append(store)
                    store.start()
                    while len(store.crashes) < min(KILLS_OF_STORE, kills - store_at) and not halt.is_set():
                        store.crash_once(LOSS_US)
                    for camera in site.urls:
                        site.await_recorded(camera, store.crashes[-1][1])
                        self.check_gaps(store, camera)
                    done.append((len(store.crashes), store.finish()))
                if KILLS > KILLS_OF_STORE:
                    print(f"{sum(kills for kills, _ in done)} kills", flush=True)
            return stores

        worst = worst_of(sum(side_by_side(STORES, KILLS, work), []))
        kills, pictures = (sum(column) for column in zip(*done))
        self.assertEqual(kills, KILLS)
        self.assertGreater(pictures, KILLS)
        self.assertLess(worst["footage"], RESUME_S)
        print(f"{kills} kills, {pictures} promised pictures, 0 lost; at most {worst['lost']} not promised ones of a camera "
              f"lost with a kill; after a start at the latest it answers in {worst['answers']:.2f} s, has recovered in "
              f"{worst['recovered']:.2f} s, and has pictures {worst['footage']:.2f} s after the ready line", flush=True)

    def check_gaps(self, store, camera):
        """From its first footage on all that is missing is missing because the recorder was down, and each kill is told."""
        if camera not in store.first_us:
            return
        line = store.get(f"/api/v1/cameras/{camera}/timeline?start={time_text(store.first_us[camera])}"
                         f"&end={time_text(store.crashes[-1][1])}")
        self.assertEqual({gap["cause"] for gap in line["gaps"]}, {"recorder down"}, camera)
        gaps = [(time_us(gap["start"]), time_us(gap["end"])) for gap in line["gaps"]]
        for crashed_us, _ in store.crashes:
            if crashed_us > store.first_us[camera]:
                self.assertTrue(any(start <= crashed_us < end for start, end in gaps), f"{camera} {time_text(crashed_us)}")


if __name__ == "__main__":
    unittest.main()
