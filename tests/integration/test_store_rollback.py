"""A store whose journal is an older image of itself: nothing is spent twice, whatever is restarted
or cut afterwards."""

import os
import shutil
import unittest

from harness import Chain, wait_until


class Rollback(unittest.TestCase):
    """One chain; the shop's data are put back after HQ booked more."""

    def setUp(self):
        self.chain = Chain(stores=1, regions=1)
        self.chain.__enter__()
        self.addCleanup(self.chain.__exit__, None, None, None)
        self.store = self.chain.store("0101")

    def call(self, path, body, key=None):
        return self.chain.till("0101", "POST", path, body, key)

    def top_up(self, order, paid, key=None):
        return self.call("/v1/top-ups", {"order_no": order, "card_no": "C1", "paid": paid,
                                         "tender": "cash"}, key)

    def sale(self, order, amount):
        return self.call("/v1/sales", {"order_no": order, "card_no": "C1", "amount": amount})

    def health(self):
        return self.chain.health(self.store)

    def image(self):
        """A copy of the shop's data as it is now."""
        copy = os.path.join(self.chain.dir, "image")
        self.chain.kill(self.store)
        shutil.copytree(self.store["data"], copy)
        self.chain.start(self.store)
        wait_until(lambda: self.chain.is_online(self.store), 60, "the store is online, which")
        return copy

    def put_back(self, copy):
        self.chain.kill(self.store)
        shutil.rmtree(self.store["data"])
        shutil.copytree(copy, self.store["data"])
        self.chain.start(self.store)

    def expect_stopped(self, done):
        """Every verb that writes is refused; reads and replays are answered."""
        seq = self.health()["seq"]["stored"]
        for path, body in (("/v1/sales", {"order_no": "n1", "card_no": "C1", "amount": 100}),
                           ("/v1/top-ups", {"order_no": "n2", "card_no": "C1", "paid": 100,
                                            "tender": "cash"}),
                           ("/v1/refunds", {"order_no": "n3", "of": {"txn": done["txn"]}}),
                           ("/v1/cards", {"card_no": "C2"})):
            status, _, answer = self.call(path, body)
            self.assertEqual((status, answer["error"]["code"]), (503, "journal_rolled_back"), path)
        health = self.health()
        self.assertEqual((health["mode"], health["why"], health["uplink"]["state"]),
                         ("degraded", "journal_rolled_back", "offline"))
        self.assertEqual(health["seq"]["stored"], seq)
        status, headers, again = self.sale("first", 100)
        self.assertEqual((status, headers["Idempotent-Replayed"], again["txn"]),
                         (201, "true", done["txn"]))

    def test_an_older_image_of_the_journal_sells_nothing(self):
        self.call("/v1/cards", {"card_no": "C1"})
        self.assertEqual(self.top_up("t1", 10000)[0], 201)
        first = self.sale("first", 100)[2]
        self.chain.wait_booked()
        copy = self.image()
        self.assertEqual(self.sale("all", 9900)[0], 201)
        self.chain.wait_booked()
        self.put_back(copy)
        wait_until(lambda: self.health()["mode"] == "degraded", 60, "the store knows it, which")
        self.expect_stopped(first)
        self.chain.cut(self.store)
        self.chain.kill(self.store)
        self.chain.start(self.store)
        self.expect_stopped(first)  # before anybody could tell it again
        self.chain.heal(self.store)
        self.assertEqual(self.chain.tribctl_status("books", "check")[0], 0)

    def test_a_clone_that_sold_on_is_stopped_by_the_ack(self):
        self.call("/v1/cards", {"card_no": "C1"})
        self.assertEqual(self.top_up("t1", 10000)[0], 201)
        first = self.sale("first", 100)[2]
        self.chain.wait_booked()
        copy = self.image()
        self.assertEqual(self.sale("all", 9900)[0], 201)
        self.chain.wait_booked()
        self.chain.cut(self.store)
        self.put_back(copy)
        for n in range(3):  # cut off, nobody can know
            self.assertEqual(self.top_up(f"c{n}", 100)[0], 201)
        self.chain.heal(self.store)
        wait_until(lambda: self.health()["mode"] == "degraded", 60, "the store knows it, which")
        wait_until(lambda: self.health().get("why") == "journal_rolled_back", 60,
                   "HQ's ack proves it, which")
        self.expect_stopped(first)


if __name__ == "__main__":
    unittest.main()
