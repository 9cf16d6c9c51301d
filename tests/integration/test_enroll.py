"""Enrolment: which codes are refused and how, and that a lost reply does not burn a code."""

import os
import signal
import subprocess
import unittest

from harness import Chain, http, wait_until

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class Enrolment(unittest.TestCase):
    """One chain with one store; each test enrols a store of its own."""

    @classmethod
    def setUpClass(cls):
        cls.chain = Chain(stores=1, regions=1)
        cls.chain.__enter__()
        cls.addClassCleanup(cls.chain.__exit__, None, None, None)

    def issue(self, store, status=201, region=1):
        """Ask HQ for a code; its answer."""
        hq = self.chain.hq()
        got, _, answer = http(f"{hq['url']}/v1/stores/{store}/enroll", "POST", hq["token"],
                              {"region": region, "reason": "test"})
        self.assertEqual(got, status, answer)
        return answer

    def wait_for_relay(self):
        """Wait until the relay has found HQ again."""
        hq = self.chain.hq()
        wait_until(lambda: http(f"{hq['url']}/v1/regions/1", "GET",
                                hq["token"])[2]["state"] == "online", 60, "the relay's link")

    def start_box(self, store, answer, code=None):
        """A box that enrols, running."""
        home = os.path.join(self.chain.dir, f"box-{store}")
        os.makedirs(home, mode=0o700, exist_ok=True)
        config = os.path.join(home, "store.conf")
        with open(config, "w", encoding="ascii") as f:
            f.write(f"[store]\ndata_dir = {home}/data\nhttp_listen = 127.0.0.1:0\n")
        return subprocess.Popen([self.chain.program("trib-store"), "enroll", "--config", config,
                                 "--code", code or answer["code"], "--relay",
                                 answer["relay_endpoint"], "--relay-key", answer["relay_key"]],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)

    def enroll(self, store, answer, code=None):
        """(exit status, output) of a box that enrols."""
        running = self.start_box(store, answer, code)
        output, _ = running.communicate(timeout=60)
        return running.returncode, output

    def test_a_code_enrols_once(self):
        answer = self.issue("0150")
        status, output = self.enroll("0150", answer)
        self.assertEqual(status, 0, output)
        status, output = self.enroll("0150-again", answer)
        self.assertNotEqual(status, 0)
        self.assertIn("used_code", output)
        error = self.issue("0150", status=409)["error"]
        self.assertEqual(error["code"], "already_enrolled")

    def test_a_wrong_code_is_refused(self):
        answer = self.issue("0151")
        last = answer["code"][-1]
        wrong = answer["code"][:-1] + LETTERS[(LETTERS.index(last) + 1) % 32]
        status, output = self.enroll("0151", answer, wrong)
        self.assertNotEqual(status, 0)
        self.assertIn("bad_code", output)
        status, output = self.enroll("0151-right", answer)
        self.assertEqual(status, 0, output)

    def test_an_expired_code_is_refused(self):
        answer = self.issue("0152")
        self.chain.sql("update trib.enroll_code set expires_at = now() - interval '1 second'"
                       " where store = (select store from trib.store where code = '0152')")
        status, output = self.enroll("0152", answer)
        self.assertNotEqual(status, 0)
        self.assertIn("expired_code", output)

    def test_a_newer_code_voids_the_older(self):
        older, newer = self.issue("0153"), self.issue("0153")
        status, output = self.enroll("0153", older)
        self.assertNotEqual(status, 0)
        self.assertIn("expired_code", output)
        status, output = self.enroll("0153-newer", newer)
        self.assertEqual(status, 0, output)

    def test_a_store_without_a_relay_is_told_what_to_do(self):
        error = self.issue("0950", status=409, region=9)["error"]
        self.assertEqual(error["code"], "relay_not_enrolled")
        self.assertIn("tribctl region enroll 9", error["detail"])

    def test_a_box_that_died_before_it_wrote_the_grant_may_try_again(self):
        answer = self.issue("0155")
        os.environ["TRIB_FAULT"] = "enroll.before_write:1"
        try:
            status, output = self.enroll("0155", answer)
        finally:
            del os.environ["TRIB_FAULT"]
        self.assertEqual(status, -signal.SIGKILL, output)
        status, output = self.enroll("0155", answer)
        self.assertEqual(status, 0, output)

    def test_a_box_waits_for_an_hq_that_is_away(self):
        answer = self.issue("0156")
        self.chain.kill(self.chain.hq())
        box = self.start_box("0156", answer)
        try:
            self.chain.start(self.chain.hq())
            output, _ = box.communicate(timeout=60)
        finally:
            box.kill()
        self.assertEqual(box.returncode, 0, output)

    def test_a_lost_reply_does_not_burn_the_code(self):
        answer = self.issue("0154")
        self.chain.kill(self.chain.hq())
        os.environ["TRIB_FAULT"] = "hq.after_commit:1"
        try:
            self.chain.start(self.chain.hq())
        finally:
            del os.environ["TRIB_FAULT"]
        self.wait_for_relay()
        box = self.start_box("0154", answer)
        try:
            wait_until(lambda: self.chain.process("hq").pid is None, 30, "HQ's death after commit")
            box.send_signal(signal.SIGSTOP)  # it is not to hear that HQ is away
            used = self.chain.sql("select used_at is not null from trib.enroll_code"
                                  " where store = (select store from trib.store"
                                  " where code = '0154')")
            self.assertEqual(used, [["t"]])
            self.chain.start(self.chain.hq())
            self.wait_for_relay()
            box.send_signal(signal.SIGCONT)
            output, _ = box.communicate(timeout=60)
        finally:
            if box.poll() is None:
                box.kill()
                box.communicate()
        self.assertEqual(box.returncode, 0, output)
        self.assertEqual(self.chain.sql("select count(*) from trib.incarnation"
                                        " join trib.store using (store) where code = '0154'"),
                         [["1"]])


if __name__ == "__main__":
    unittest.main()
