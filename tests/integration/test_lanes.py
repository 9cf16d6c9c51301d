"""A store's lanes: who is paired, how that ends, and how often one may call."""

import signal
import unittest

from doors import Doors
from harness import http as call, wait_until


class Lanes(Doors):
    """Who is paired, and how that ends."""

    settings = ""

    def lanes(self):
        """What the store lists."""
        status, _, answer = self.shop.manage("GET", "/v1/lanes")
        self.assertEqual(status, 200)
        return {lane["lane"]: lane["label"] for lane in answer["lanes"]}

    def test_lanes_are_listed_with_their_labels(self):
        code = self.tribctl("lane", "pair", "--lane", "3", "--label", "吧台")["code"]
        self.assertNotIn(3, self.lanes())  # not before the till has its token
        self.assertEqual(call(self.shop.url + "/v1/pair", "POST", body={"code": code})[0], 201)
        self.assertEqual(self.lanes()[3], "吧台")
        listed = self.tribctl("lane", "list")
        self.assertIn({"lane": 1, "label": ""}, listed)
        self.assertIn({"lane": 3, "label": "吧台"}, listed)

    def test_only_the_administrator_lists_and_revokes(self):
        for method, path in (("GET", "/v1/lanes"), ("DELETE", "/v1/lanes/1")):
            self.assertError(self.shop.till(method, path), 401, "unauthorized")
            self.assertError(call(self.shop.url + path, method), 401, "unauthorized")
        self.assertIn(1, self.lanes())

    def test_a_revoked_lane_stays_so_after_a_power_cut(self):
        token, other = self.shop.pair(4), self.shop.pair(5)
        self.tribctl("lane", "revoke", "--lane", "4", "--reason", "stolen")
        self.shop.stop(signal.SIGKILL)
        self.shop.start()
        self.assertNotIn(4, self.lanes())
        self.assertEqual(call(self.shop.url + "/v1/health", token=token)[0], 401)
        self.assertEqual(call(self.shop.url + "/v1/health", token=other)[0], 200)
        self.assertRegex(self.shop.log(), r"lane_revoked lane=4 .*reason=stolen")
        self.assertNotEqual(self.shop.pair(4), token)

    def test_a_code_not_used_yet_is_revoked_too(self):
        code = self.tribctl("lane", "pair", "--lane", "6")["code"]
        self.tribctl("lane", "revoke", "--lane", "6", "--reason", "wrong till")
        got = call(self.shop.url + "/v1/pair", "POST", body={"code": code})
        self.assertError(got, 401, "unauthorized", "code")

    def test_pairing_again_ends_the_old_token_on_a_kept_connection(self):
        token, door = self.shop.pair(7), self.door()
        self.assertEqual(door.ask("GET", "/v1/health", token)[0], 200)
        fresh = self.shop.pair(7)
        self.assertEqual(door.ask("GET", "/v1/health", token)[0], 401)
        self.assertEqual(door.ask("GET", "/v1/health", fresh)[0], 200)

    def test_what_is_no_lane_is_not_found(self):
        for lane in ("77", "0", "01", "10000", "x", "-1", "1x"):
            with self.subTest(lane):
                self.assertError(self.shop.manage("DELETE", f"/v1/lanes/{lane}"), 404, "not_found")
        self.assertIn("There is no lane 77", self.tribctl("lane", "revoke", "--lane", "77",
                                                          "--reason", "x", status=1))
        self.assertError(self.shop.manage("DELETE", "/v1/lanes/1", {"why": "x"}), 400,
                         "unknown_field", "why")
        self.assertIn(1, self.lanes())


class Rate(Doors):
    """A lane that asks too often is held back, and nobody else."""

    settings = "lane_rate = 1\n"

    def test_a_lane_over_its_rate_waits_and_others_do_not(self):
        token, other = self.shop.pair(8), self.shop.pair(9)

        def ask(who):
            return call(self.shop.url + "/v1/health", token=who)

        answers = [ask(token)]
        while answers[-1][0] == 200 and len(answers) < 100:
            answers.append(ask(token))
        status, headers, answer = answers[-1]
        self.assertGreaterEqual(len(answers), 3)  # two seconds' worth at once
        self.assertError((status, answer), 429, "rate_limited")
        self.assertTrue(answer["error"]["retryable"])
        self.assertEqual(headers["Retry-After"], "1")
        self.assertEqual(ask(other)[0], 200)
        self.assertEqual({ask(self.shop.admin)[0] for _ in range(20)}, {200})
        wait_until(lambda: ask(token)[0] == 200, 20, "the lane's next turn")
        self.assertRegex(self.shop.log(), r"lane_rate_limited lane=8 refused=1\b")

    def test_pairing_another_lane_refills_nobody(self):
        token = self.shop.pair(10)
        wait_until(lambda: call(self.shop.url + "/v1/health", token=token)[0] == 429, 20, "429")
        self.shop.pair(11)
        self.assertIn(429, [call(self.shop.url + "/v1/health", token=token)[0] for _ in range(3)])


class NoRate(Doors):
    """A store whose lanes have no limit."""

    settings = "lane_rate = 0\n"

    def test_zero_is_no_limit(self):
        door = self.door()
        self.assertEqual({door.ask("GET", "/v1/health", self.shop.token)[0] for _ in range(500)},
                         {200})


if __name__ == "__main__":
    unittest.main()
