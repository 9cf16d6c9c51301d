"""A store with valid keys that signs what it must not: HQ books nothing that the proof denies."""

import os
import shutil
import subprocess
import unittest

from harness import wait_until
from hostile import FakeRelay, HostileCase
from wire import envelope


class Hostile(HostileCase):
    """Each test takes one of the stores over."""

    stores = 7

    def test_overdraft_that_a_refund_hides_in_the_same_batch(self):
        store = self.take("0101")
        store.open("60010001")
        lot = store.top_up("60010001", 10000)
        store.book(1)
        sale = store.sale("60010001", 15000, lot)
        store.refund("60010001", sale, 15000, lot)
        store.book(3)
        self.assertEqual(self.quarantined(store), [3, 4])
        self.prove()

    def test_overdraft_in_the_batch_that_issues_the_lot(self):
        store = self.take("0102")
        store.open("60020001")
        lot = store.top_up("60020001", 10000)
        sale = store.sale("60020001", 15000, lot)
        store.refund("60020001", sale, 15000, lot)
        store.open("60020002")
        store.book(1)
        self.assertEqual(self.quarantined(store), [3, 4])
        self.prove()

    def test_cash_sale_refunded_beyond_what_the_lot_issued(self):
        store = self.take("0103")
        store.open("60030001")
        lot = store.top_up("60030001", 10000)
        sale = store.sale("60030001", 5000)
        store.book(1)
        refund = store.refund("60030001", sale, 5000, lot)
        store.book(4)
        self.assertEqual(self.quarantined(store), [refund])
        self.prove()

    def test_refund_of_another_accounts_sale(self):
        store = self.take("0104")
        store.open("60040001")
        store.open("60040002")
        lot = store.top_up("60040001", 10000)
        thiefs = store.top_up("60040002", 5000)
        sale = store.sale("60040001", 4000, lot)
        spent = store.sale("60040002", 5000, thiefs)
        store.book(1)
        refund = store.refund("60040002", sale, 4000, thiefs)
        store.book(7)
        self.assertEqual(self.quarantined(store), [refund])
        self.assertEqual(spent, 6)
        self.prove()

    def test_refund_of_another_stores_sale(self):
        store = self.take("0105")
        store.open("60050001")
        lot = store.top_up("60050001", 10000)
        sale = store.sale("60050001", 9000, lot)
        refund = store.refund("60050001", sale, 9000, lot, of_node=1 + store.node % 7)
        store.book(1)
        self.assertEqual(self.quarantined(store), [refund])
        self.prove()

    def test_fork_is_kept_and_stops_the_stream_also_after_a_restart(self):
        store = self.take("0107")
        store.open("60070001")
        store.book(1)
        other = self.take("0107")  # the same keys, another first entry
        other.open("60070002")
        other.relay.hq.send(envelope(batch=other.log.batch(1)))
        other.relay.hq.expect("refuse", 30, lambda r: r.code == "fork")
        rows = wait_until(lambda: self.chain.sql(
            "SELECT e.first_seq, i.is_forked FROM trib.evidence e JOIN trib.incarnation i"
            f" USING (store, incarnation) WHERE kind = 'fork' AND store = {store.node}"), 30,
            "the evidence is kept, which")
        self.assertEqual(rows, [["1", "t"]])
        self.chain.kill(self.chain.hq())
        self.chain.start(self.chain.hq())
        store.relay = FakeRelay(self.chain)
        self.addCleanup(store.relay.hq.close)
        store.present()
        store.top_up("60070001", 100)
        store.relay.hq.send(envelope(batch=store.log.batch(2)))
        store.relay.hq.expect("refuse", 30, lambda r: r.code == "fork")
        self.prove()

    def test_second_hq_on_the_same_books_writes_nothing(self):
        home = os.path.join(self.chain.dir, "second")
        hq = self.chain.hq()
        shutil.copytree(hq["data"], f"{home}/data", ignore=shutil.ignore_patterns("lock", "*.json"))
        with open(f"{home}/hq.conf", "w", encoding="ascii") as f:
            f.write(f"[hq]\ndata_dir = data\npostgres = {hq['postgres']}\n"
                    "listen = tcp://127.0.0.1:0\nenroll_listen = tcp://127.0.0.1:0\n"
                    "http_listen = 127.0.0.1:0\n")
        log = f"{home}/log"
        with open(log, "wb") as out:
            second = subprocess.Popen([self.chain.program("trib-hq"), "--config",
                                       f"{home}/hq.conf"], stdin=subprocess.DEVNULL, stdout=out,
                                      stderr=out)
        try:
            wait_until(lambda: "books_not_opened" in open(log, encoding="utf-8").read(), 30,
                       "the second HQ finds the books taken, which")
            self.assertFalse(os.path.exists(f"{home}/data/endpoints.json"))
            store = self.take("0106")
            store.open("60060001")
            store.book(1)
        finally:
            second.kill()
            second.wait()
        self.prove()


if __name__ == "__main__":
    unittest.main()
