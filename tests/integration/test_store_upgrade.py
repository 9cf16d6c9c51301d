"""A box whose journal is of an older version is brought up to date, or left as it was."""

import os
import signal
import sqlite3
import unittest
from contextlib import closing

from store_case import Shop

TO_VERSION_1 = """
    BEGIN;
    DROP TABLE account_entry; DROP TABLE refund; DROP TABLE member;
    DROP TABLE business_day; DROP TABLE day_seal;
    ALTER TABLE order_record DROP COLUMN cancel_seq;
    ALTER TABLE order_record DROP COLUMN is_reversed;
    ALTER TABLE order_record DROP COLUMN cancel_answer;
    ALTER TABLE account DROP COLUMN pin_verifier;
    ALTER TABLE account DROP COLUMN pin_failures;
    ALTER TABLE account DROP COLUMN pin_locked_until_ms;
    PRAGMA user_version = 1;
    COMMIT;
"""


class Upgrade(unittest.TestCase):
    """From version 1 of the journal."""

    def setUp(self):
        self.shop = Shop()
        self.addCleanup(self.shop.close)
        self.account = self.shop.fill("77", 1000)
        for path, body in (("sales", {"order_no": "s", "card_no": "77", "amount": 400}),
                           ("refunds", {"order_no": "r", "of": {"store": "0107", "order_no": "s"},
                                        "amount": 150})):
            self.assertEqual(self.shop.till("POST", f"/v1/{path}", body)[0], 201)
        self.shop.stop()
        with self.database() as db:
            db.executescript(TO_VERSION_1)

    def database(self):
        """The stopped shop's journal; closed at the end of the `with`."""
        return closing(sqlite3.connect(os.path.join(self.shop.data, "journal.db")))

    def version(self):
        with self.database() as db:
            (version,), = db.execute("PRAGMA user_version").fetchall()
        return version

    def dump(self):
        with self.database() as db:
            return list(db.iterdump())

    def kinds(self):
        _, _, answer = self.shop.till("GET", f"/v1/accounts/{self.account}/activities")
        return [activity["kind"] for activity in answer["activities"]]

    def test_it_trades_on_as_if_it_had_always_been_of_this_version(self):
        self.assertEqual(self.version(), 1)
        self.shop.start()
        self.assertEqual(self.shop.verified(), 4)
        self.assertEqual(self.kinds(), ["refund", "sale", "top_up", "account_opened"])
        for order, verb in (("r", "refund"), ("s", "sale"), ("fill-77", "top_up")):
            status, _, answer = self.shop.till("POST", f"/v1/orders/{order}/cancel",
                                               {"verb": verb})
            self.assertEqual((status, answer["state"]), (200, "cancelled"), answer)
        self.assertEqual(self.kinds()[:3], ["refund_top_up", "refund", "reversal"])
        self.assertEqual(self.shop.verified(), 7)

    def test_a_kill_amid_leaves_the_old_version_and_the_next_start_completes_it(self):
        before = self.dump()
        with self.assertRaises(AssertionError):
            self.shop.start(fault="store.mid_upgrade:1")
        self.assertEqual(self.shop.process.returncode, -signal.SIGKILL)
        self.assertEqual(self.version(), 1)
        self.assertEqual(self.dump(), before)
        self.shop.start()
        self.assertEqual(self.shop.verified(), 4)
        self.assertEqual(self.kinds(), ["refund", "sale", "top_up", "account_opened"])


if __name__ == "__main__":
    unittest.main()
