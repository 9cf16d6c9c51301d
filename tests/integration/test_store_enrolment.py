"""Enrolment on the box's side: dying between its steps, and replies that come after the first."""

import os
import shutil
import signal
import subprocess
import unittest

import wire
from harness import BUILD, Chain, scratch_dir


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


class Replies(unittest.TestCase):
    """A relay of ours answers."""

    def test_the_first_reply_that_decides_stands(self):
        home = scratch_dir()
        self.addCleanup(shutil.rmtree, home, True)
        config = os.path.join(home, "store.conf")
        with open(config, "w", encoding="ascii") as f:
            f.write(f"[store]\ndata_dir = {home}/data\nhttp_listen = 127.0.0.1:0\n")
        curve = wire.CurveKey()
        relay = wire.Router(curve)
        self.addCleanup(relay.close)
        box = subprocess.Popen([os.path.join(BUILD, "store-agent/trib-store"), "enroll", "--config", config,
                                "--code", "-".join(["AAAA"] * 8), "--relay", relay.endpoint,
                                "--relay-key", curve.z85_public.decode()],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
        try:
            relay.expect("enroll", 20)
            for refused in ("used_code", "bad_code", "bad_code"):
                reply = wire.messages().EnrollReply(refused=refused)
                relay.send(wire.envelope(enroll_reply=reply))
            output, _ = box.communicate(timeout=30)
        finally:
            box.kill()
        self.assertEqual(box.returncode, 1, output)
        self.assertIn("used_code", output)
        self.assertNotIn("bad_code", output)


if __name__ == "__main__":
    unittest.main()
