"""A store, and the relay before it, that sign what the test wants: journals written by hand."""

import os
import unittest

import zmq.utils.z85

import wire
from harness import Chain
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

    def write(self, card, effects=(), order_no=None, cancels=None, **body):
        """Append an entry; returns its seq."""
        entry = entries().Entry(node=self.node, incarnation=1, seq=self.log.end + 1,
                                wall_ms=NOW_MS, business_day=DAY, down_seq=0,
                                order_no=order_no, cancels=cancels)
        if card is not None:
            entry.account = blake2b(card.encode(), 16, self.relay.account_key)
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

    def cash_back(self, card, of_seq, amount, **more):
        """A refund in cash; returns (seq, body)."""
        body = entries().Refund(of_incarnation=1, of_seq=of_seq, amount=amount, rest=0,
                                paid_out=[entries().Tender(type="cash", amount=amount)])
        return self.write(card, refund=body, **more), body

    def pay_back(self, card, lot, amount, **more):
        """A refund of the top-up that issued the lot; returns (seq, body)."""
        body = entries().RefundTopUp(of_incarnation=1, of_seq=lot & 0xffffffff, amount=amount,
                                     rest=0, paid_out=entries().Tender(type="cash", amount=amount))
        effect = entries().SliceEffect(lot=lot, unit=1, principal=-amount)
        return self.write(card, [effect], refund_top_up=body, **more), body

    def undo(self, card, of_seq, body, effects=(), **more):
        """The reversal of entry of_seq, with that body."""
        reversal = entries().Reversal(of_incarnation=1, of_seq=of_seq)
        name = {"Refund": "refund", "RefundTopUp": "refund_top_up",
                "PointsRedeemed": "points_redeemed"}[type(body).__name__]
        getattr(reversal, name).CopyFrom(body)
        return self.write(card, effects, reversal=reversal, **more)

    def book(self, first, last=None):
        """Send these as one batch, and wait until HQ has booked them."""
        last = last or self.log.end
        self.relay.hq.send(envelope(batch=self.log.batch(first, last)))
        self.relay.hq.expect("ack", 30, lambda a: a.stage == BOOKED and
                             a.stream.node == self.node and a.seq >= last)


class HostileCase(unittest.TestCase):
    """A chain of stores that nobody works at; each test takes one of them over."""

    stores = 1

    @classmethod
    def setUpClass(cls):
        cls.chain = Chain(stores=cls.stores, regions=1)
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
