"""The power goes at any moment, on real file systems: what `durable_until` promised is there afterwards.

XFS and ext4 stand on disks of their own, four of each side by side. Of every second disk the shutdown ioctl stands in for
the cut: the kernel forgets what it had not written. The others have a drive with a cache (nbdkit): it is killed, and what
was written to it and not flushed is gone too. An outside process, this one, reads the promises until the moment of the
cut, and the simulator's log says which pictures they cover.

LOOKBACK_CUTS says how often on each file system (10 in the short form, 500 in the long), LOOKBACK_STORES how many disks
there are; the seed is printed. Without the right to mount it is skipped, and says so; without nbdkit all cuts are of the
first kind.
"""

import os
import random
import unittest

from crashes import CrashedStore, kill, own_site, side_by_side, worst_of
from disks import Disk, why_no_disk, why_no_drive

SEED = int(os.environ.get("LOOKBACK_SEED", random.randrange(1 << 30)))
CUTS = int(os.environ.get("LOOKBACK_CUTS", "10"))
STORES = int(os.environ.get("LOOKBACK_STORES", "4"))
CUTS_OF_DISK = 25  # Then a new one is made.


class PowerCut(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if why := why_no_disk():
            raise unittest.SkipTest(f"no file system can be mounted here: {why}")
        cls.why_no_drive = why_no_drive()

    def test_what_was_promised_survives_on_xfs(self):
        self.cut_again_and_again("xfs")

    def test_what_was_promised_survives_on_ext4(self):
        self.cut_again_and_again("ext4")

    def cut_again_and_again(self, kind):
        print(f"LOOKBACK_SEED={SEED}, {kind}" + (f"; no drives: {self.why_no_drive}" if self.why_no_drive else ""),
              flush=True)
        done = []  # (Cuts, pictures) of each disk.

        def work(fleet, log, index, cuts, halt):
            stores = []
            drive = index % 2 == 1 and not self.why_no_drive
            for disk_at in range(0, cuts, CUTS_OF_DISK):
                if halt.is_set():
                    break
                with own_site(fleet, index) as site, Disk(site.directory, kind=kind, drive=drive) as disk:
                    site.data = os.path.join(disk.mount_point, "data")

                    def cut(site=site, disk=disk):
                        disk.cut_power()
                        kill(site)
                        disk.remount()

                    store = CrashedStore(site, log, f"{SEED}{kind}{index}{disk_at}", "durable_until", cut)
                    stores.append(store)
                    try:
                        store.start()
                        while len(store.crashes) < min(CUTS_OF_DISK, cuts - disk_at) and not halt.is_set():
                            store.crash_once()
                        done.append((drive, len(store.crashes), store.finish()))
                    finally:
                        if site.recorder and site.recorder.running():
                            kill(site)
                if CUTS > CUTS_OF_DISK:
                    print(f"{sum(cuts for _, cuts, _ in done)} cuts", flush=True)
            return stores

        worst = worst_of(sum(side_by_side(STORES, CUTS, work), []))
        cuts, pictures = sum(entry[1] for entry in done), sum(entry[2] for entry in done)
        self.assertEqual(cuts, CUTS)
        self.assertGreater(pictures, CUTS)
        print(f"{kind}: {cuts} cuts, {sum(entry[1] for entry in done if entry[0])} of them of a drive with a cache; "
              f"{pictures} promised pictures, 0 lost; after a start at the latest it answers in {worst['answers']:.2f} s, "
              f"has recovered in {worst['recovered']:.2f} s", flush=True)


if __name__ == "__main__":
    unittest.main()
