"""The ledger's copies and proofs, by the command line: a kept root tells whether history was altered."""

import filecmp
import json
import os
import shutil
import unittest

from harness import Site


class LedgerTest(unittest.TestCase):
    def keep(self, site, name):
        kept = site.cli("ledger", "show")
        with open(site.path(name), "w", encoding="utf-8") as file:
            json.dump(kept, file)
        return kept

    def test_a_kept_root_tells_altered_history_from_history_that_went_on(self):
        with Site() as site, Site() as other:
            for one in (site, other):
                one.start_recorder()
                for n in range(5):
                    one.run("camera", "add", f"cam{n}", "rtsp://127.0.0.1:9/none")
            kept = self.keep(site, "root.json")
            site.run("camera", "add", "later", "rtsp://127.0.0.1:9/none")
            code, out, _ = site.run("ledger", "verify", site.path("root.json"))
            self.assertIn("unaltered", out)
            self.assertIn("unaltered", site.run("ledger", "verify", site.path("root.json"))[1])
            self.assertTrue(site.cli("ledger", "prove", "2")["verified"])
            self.assertEqual(site.cli("ledger", "prove", "2")["leaf_index"], 2)
            # Another ledger of that length or more is not the one that the root is of.
            other.run("camera", "add", "later", "rtsp://127.0.0.1:9/none")
            code, out, _ = other.run("ledger", "verify", site.path("root.json"), ok=(1,))
            self.assertIn("ALTERED", out)
            kept["tree_size"] += 1000
            with open(site.path("longer.json"), "w", encoding="utf-8") as file:
                json.dump(kept, file)
            code, out, _ = site.run("ledger", "verify", site.path("longer.json"), ok=(1,))
            self.assertIn("SHORTENED", out)
            site.run("ledger", "verify", site.path("nothing.json"), ok=(3,))

    def test_a_lost_ledger_comes_back_from_the_volume(self):
        with Site() as site:
            site.start_recorder()
            site.run("camera", "add", "cam1", "rtsp://127.0.0.1:9/none", "--name", "kept")
            self.keep(site, "root.json")
            site.stop_recorder()
            own = os.path.join(site.data, "ledger")
            copy = os.path.join(site.data, "volume", "v1", "ledger")
            for name in os.listdir(own):
                self.assertTrue(filecmp.cmp(os.path.join(own, name), os.path.join(copy, name),
                                            shallow=False), name)
            shutil.rmtree(own)
            shutil.rmtree(os.path.join(site.data, "catalog"))
            site.start_recorder()
            self.assertEqual(site.cli("camera", "show", "cam1")["name"], "kept")
            self.assertIn("unaltered", site.run("ledger", "verify", site.path("root.json"))[1])
            status = site.cli("status")
            self.assertGreater(status["recovery"]["ledger_mended_records"], 0)
            self.assertTrue(any("from its copy" in note for note in status["recovery"]["notes"]))
            self.assertFalse(site.cli("retention", "show")["confirmed"])


if __name__ == "__main__":
    unittest.main()
