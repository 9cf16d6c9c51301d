"""A box that dies between the steps of its enrolment enrols with the same code."""

import os
import signal
import subprocess
import unittest

from harness import Chain


class Crashes(unittest.TestCase):
    """One chain; a box of its own enrols."""

    def setUp(self):
        self.chain = Chain(stores=1, regions=1)
        self.chain.__enter__()
        self.addCleanup(self.chain.__exit__, None, None, None)
        self.home = os.path.join(self.chain.dir, "box")
        os.makedirs(self.home, mode=0o700)

    def enroll(self, code, fault=None):
        """(exit status, output)"""
        config = os.path.join(self.home, "store.conf")
        with open(config, "w", encoding="ascii") as f:
            f.write(f"[store]\ndata_dir = {self.home}/data\nhttp_listen = 127.0.0.1:0\n")
        ends = self.chain.relay(1)["endpoints"]
        done = subprocess.run([self.chain.program("trib-store"), "enroll", "--config", config,
                               "--code", code, "--relay", ends["enroll_listen"],
                               "--relay-key", ends["curve_key"]],
                              env={**os.environ, **({"TRIB_FAULT": f"{fault}:1"} if fault else {})},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    def test_at_each_step(self):
        code = self.chain.tribctl("store", "enroll", "0160", "--region", "1",
                                  "--reason", "test")["code"]
        for point in ("enroll.before_write", "enroll.after_journal"):
            status, output = self.enroll(code, point)
            self.assertEqual(status, -signal.SIGKILL, output)
        status, output = self.enroll(code)
        self.assertEqual(status, 0, output)
        self.assertGreater(os.path.getsize(os.path.join(self.home, "data", "journal.db")), 0)


if __name__ == "__main__":
    unittest.main()
