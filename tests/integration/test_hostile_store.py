"""A store with valid keys that signs what it must not: HQ books nothing that the proof denies."""

import os
import shutil
import subprocess
import unittest

import zmq.utils.z85

import wire
from harness import Chain, wait_until
from wire import BOOKED, PROTOCOL, UP, blake2b, entries, envelope, messages

DAY = 20780
NOW_MS = 1795392000000


class FakeRelay:
    """The link of a region's relay to HQ, with the relay's own keys."""

    def __init__(self, chain, region=1):
        relay = chain.relay(region)
        data = relay["data"]
        self.sign_key, curve = wire.read_node_keys(f"{data}/node.keys")
        with open(f"{data}/certificate.bin", "rb") as f:
            certificate = messages().Signed.FromString(f.read())
        with open(f"{data}/hq.curve", "rb") as f:
            hq_curve = f.read()
        with open(os.path.join(chain.hq()["data"], "account.key"), encoding="ascii") as f:
            self.account_key = bytes.fromhex(f.read().strip())
        self.chain_id = messages().Certificate.FromString(certificate.payload).chain
        self.hq = wire.Dealer(chain.hq()["endpoints"]["listen"],
                              zmq.utils.z85.encode(hq_curve), curve)
        hello = messages().HelloPayload(chain=self.chain_id, region=region,
                                        protocol_min=PROTOCOL, protocol_max=PROTOCOL,
                                        software="fake", clock_ms=NOW_MS)
        self.hq.send(envelope(hello=messages().Hello(
            hello=self.sign_key.sign("trib.hello.v1", hello), certificate=certificate,
            window_bytes=64 << 20)))
        self.hq.expect("welcome", 30)


class HostileStore:
    """A store's journal, written by hand under the store's own keys."""

    def __init__(self, chain, relay, code):
        data = chain.store(code)["data"]
        self.relay = relay
        self.sign_key, _ = wire.read_node_keys(f"{data}/node.keys")
        with open(f"{data}/certificate.bin", "rb") as f:
            certificate = messages().Signed.FromString(f.read())
        who = messages().Certificate.FromString(certificate.payload)
        self.node = who.node
        self.log = wire.Log(UP, who.node, who.incarnation, certificate.payload, self.sign_key,
                            relay.chain_id)
        self.certificate = certificate
        self.present()

    def present(self):
        """Open both streams on the relay's link."""
        down = messages().Position(seq=0, head=wire.seed(wire.DOWN, self.certificate.payload))
        self.relay.hq.send(envelope(present=messages().Present(certificate=self.certificate,
                                                               down=down,
                                                               spooled=self.log.position())))
        self.relay.hq.expect("resume", 30, lambda r: r.node == self.node)

    def lot(self, seq):
        """The lot that the entry of this seq issues."""
        return (self.node << 42) | (1 << 32) | seq

    def write(self, card, effects=(), **body):
        """Append an entry; returns its seq."""
        entry = entries().Entry(node=self.node, incarnation=1, seq=self.log.end + 1,
                                wall_ms=NOW_MS, business_day=DAY, down_seq=0,
                                account=blake2b(card.encode(), 16, self.relay.account_key))
        entry.effects.extend(effects)
        (name, value), = body.items()
        getattr(entry, name).CopyFrom(value)
        self.log.append(entry.SerializeToString())
        return entry.seq

    def open(self, card):
        """Open the card's account."""
        return self.write(card, account_opened=entries().AccountOpened(
            account_type="default", card_no=card.encode()))

    def top_up(self, card, paid):
        """An honest top-up; returns its lot."""
        lot = self.lot(self.log.end + 1)
        terms = entries().LotTerms(issuer=self.node, principal=paid, issued_ms=NOW_MS)
        self.write(card, [entries().SliceEffect(lot=lot, unit=1, principal=paid, terms=terms)],
                   top_up=entries().TopUp(paid=paid, tender="cash"))
        return lot

    def sale(self, card, amount, lot=None):
        """A sale from the lot, or paid in cash."""
        effects = [entries().SliceEffect(lot=lot, unit=1, principal=-amount)] if lot else []
        tender = entries().Tender(type="stored_value" if lot else "cash", amount=amount)
        return self.write(card, effects, sale=entries().Sale(list_amount=amount, payable=amount,
                                                             tenders=[tender]))

    def refund(self, card, of_seq, amount, lot, **more):
        """A refund into the lot."""
        back = entries().SliceBack(lot=lot, principal=amount, issuer=lot >> 42)
        return self.write(card, [entries().SliceEffect(lot=lot, unit=1, principal=amount)],
                          refund=entries().Refund(of_incarnation=1, of_seq=of_seq, amount=amount,
                                                  rest=0, back=[back], **more))

    def book(self, first, last=None):
        """Send these as one batch, and wait until HQ has booked them."""
        last = last or self.log.end
        self.relay.hq.send(envelope(batch=self.log.batch(first, last)))
        self.relay.hq.expect("ack", 30, lambda a: a.stage == BOOKED and
                             a.stream.node == self.node and a.seq >= last)


class Hostile(unittest.TestCase):
    """Stores that nobody works at; each test takes one of them over."""

    @classmethod
    def setUpClass(cls):
        cls.chain = Chain(stores=7, regions=1)
        cls.chain.__enter__()
        cls.addClassCleanup(cls.chain.__exit__, None, None, None)
        for store in cls.chain.state["stores"]:
            cls.chain.kill(store)
        cls.chain.kill(cls.chain.relay(1))

    def setUp(self):
        self.relay = FakeRelay(self.chain)
        self.addCleanup(self.relay.hq.close)

    def take(self, code):
        """The journal of the store, to be written by us."""
        return HostileStore(self.chain, self.relay, code)

    def quarantined(self, store):
        """Seqs in quarantine."""
        rows = self.chain.sql(f"SELECT seq FROM trib.quarantine WHERE store = {store.node}"
                              " ORDER BY seq")
        return [int(seq) for seq, in rows]

    def prove(self):
        """What was booked is proven all the same."""
        status, output = self.chain.tribctl_status("books", "check")
        self.assertEqual(status, 0, output)

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
