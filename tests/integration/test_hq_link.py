"""What HQ says on a relay's link and about it: limits, windows, lost wakeups, clocks."""

import unittest

from harness import Chain, http, wait_until


class Api:
    """Calls of HQ's admin API; mixed into test cases with a `chain`."""

    def api(self, method, path, body=None):
        """(status, JSON)"""
        hq = self.chain.hq()
        status, _, answer = http(hq["url"] + path, method, hq["token"], body)
        return status, answer


class RuleSize(Api, unittest.TestCase):
    """The largest rule set, and one byte more."""

    @classmethod
    def setUpClass(cls):
        cls.chain = Chain(stores=1, regions=1)
        cls.chain.__enter__()
        cls.addClassCleanup(cls.chain.__exit__, None, None, None)

    @staticmethod
    def rules(groups, steps, extra):
        """A rule set whose size grows evenly with each number; by one byte with `extra`."""
        step = [{"paid": 100000 + 1000 * i, "bonus": 1000 + i, "points": 200 + i}
                for i in range(64)]
        fine = [{"paid": 100000 + 1000 * i,
                 "bonus": 10 ** min(2, max(0, extra - 2 * i))} for i in range(64)]
        top_ups = [{"id": f"gift-{k:04}", "steps": step} for k in range(groups)]
        first = min(64, steps - 10)
        top_ups += [{"id": "a", "steps": step[:first]}, {"id": "b", "steps": step[:steps - first]},
                    {"id": "fine", "steps": fine}]
        return {"name": "big", "points": [{"id": "base-points", "points": 1, "per": 100}],
                "top_ups": top_ups,
                "account_types": [{"name": "default", "consumption": "pro_rata",
                                   "clawback": "debt"}]}

    def publish(self, shape, status):
        """Publish; the answer, which must have this status."""
        got, answer = self.api("POST", "/v1/rules",
                               {"rules": self.rules(*shape), "reason": "test"})
        self.assertEqual(got, status, answer)
        return answer

    def size(self, *shape):
        """Size and limit that HQ names for a set that is too large."""
        error = self.publish(shape, 413)["error"]
        self.assertEqual((error["code"], error["param"]), ("too_large", "rules"))
        return error["bytes"], error["limit"]

    def test_the_largest_rule_set_reaches_the_store_and_one_byte_more_is_refused(self):
        size, limit = self.size(30, 128, 0)
        group = size - self.size(29, 128, 0)[0]
        step = size - self.size(30, 127, 0)[0]
        groups, missing = divmod(limit + 1 - size, group)
        steps = -(-(group - missing) // step)
        shape = (31 + groups, 128 - steps, missing - group + steps * step)
        self.assertEqual(self.size(*shape), (limit + 1, limit))
        version = self.publish((shape[0], shape[1], shape[2] - 1), 201)["version"]
        wait_until(lambda: self.api("GET", "/v1/stores/0101")[1]["rules_version"] == version, 30,
                   "the store runs the largest rules, which")


if __name__ == "__main__":
    unittest.main()
