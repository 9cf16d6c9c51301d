"""A relay with stolen keys between a real HQ and real stores: what it changes, drops, replays or
swaps is noticed by HQ or by the store, and nothing of it is booked."""

import threading
import time
import unittest

import zmq
import zmq.utils.z85

import wire
from harness import Chain, wait_until
from wire import DOWN, PROTOCOL, UP, envelope, messages


def same(message):
    """Honest: pass on as it is."""
    return [message]


def bind(curve, endpoint):
    """A Router there, or None while the one before it still lets go of the port."""
    try:
        return wire.Router(curve, endpoint)
    except zmq.ZMQError:
        return None


class BadRelay(threading.Thread):
    """In the place of a trib-relay, with its keys and certificate.

    `on_up(batch)`, `on_down(batch)` and `on_booked(ack)` give the messages to pass on instead, for
    the peer that each names; by default it is honest, though it keeps nothing.
    """

    def __init__(self, chain, relay):
        super().__init__(daemon=True)
        data = relay["data"]
        self.sign_key, self.curve = wire.read_node_keys(f"{data}/node.keys")
        with open(f"{data}/certificate.bin", "rb") as f:
            self.certificate = messages().Signed.FromString(f.read())
        with open(f"{data}/hq.curve", "rb") as f:
            hq_curve = f.read()
        self.region = relay["region"]
        self.chain_id = messages().Certificate.FromString(self.certificate.payload).chain
        self.stores = wait_until(lambda: bind(self.curve, relay["endpoints"]["listen"]), 60,
                                 "the relay's port is free, which")
        self.hq = wire.Dealer(chain.hq()["endpoints"]["listen"],
                              zmq.utils.z85.encode(hq_curve), self.curve)
        self.routes = {}  # node -> routing id
        self.hellos = {}  # node -> (Hello, HelloPayload) that waits for HQ's Resume
        self.on_up = self.on_down = self.on_booked = same
        self.refused = []  # codes HQ refused with
        self.pulled = []  # (node, from_seq) HQ asked for
        self.acks = []  # honest acks of HQ, as they came
        self.ups = []  # honest batches of stores, as they came
        self.is_ending = False
        self.error = None

    def end(self):
        """Give the place back."""
        self.is_ending = True
        self.join(10)
        self.stores.close()
        self.hq.close()
        if self.error is not None:
            raise self.error

    def run(self):
        poller = zmq.Poller()
        poller.register(self.stores.socket, zmq.POLLIN)
        poller.register(self.hq.socket, zmq.POLLIN)
        try:
            self.say_hello()
            beat = time.monotonic()
            while not self.is_ending:
                ready = dict(poller.poll(50))
                if self.hq.socket in ready:
                    self.from_hq(*self.hq.receive())
                if self.stores.socket in ready:
                    self.from_store(*self.stores.receive())
                if time.monotonic() > beat + 4:
                    beat = time.monotonic()
                    self.to_hq(heartbeat=messages().Heartbeat(clock_ms=now_ms()))
                    for node in self.routes:
                        self.to_store(node, heartbeat=messages().Heartbeat(clock_ms=now_ms()))
        except BaseException as error:  # for the test's thread to raise
            self.error = error

    def to_hq(self, **body):
        """Send to HQ."""
        self.hq.send(envelope(**body))

    def to_store(self, node, **body):
        """Send to a store, if it is linked."""
        if node in self.routes:
            self.stores.socket.send_multipart([self.routes[node], envelope(**body)])

    def say_hello(self):
        """To HQ."""
        hello = messages().HelloPayload(chain=self.chain_id, region=self.region,
                                        protocol_min=PROTOCOL, protocol_max=PROTOCOL,
                                        software="bad", clock_ms=now_ms())
        self.to_hq(hello=messages().Hello(hello=self.sign_key.sign("trib.hello.v1", hello),
                                          certificate=self.certificate, window_bytes=64 << 20))

    def from_store(self, name, body):
        """One message of a store."""
        if name == "hello":
            payload = messages().HelloPayload.FromString(body.hello.payload)
            self.routes[payload.node] = self.stores.peer
            self.hellos[payload.node] = (body, payload)
            self.to_hq(present=messages().Present(certificate=body.certificate,
                                                  spooled=payload.journal, down=payload.down))
        elif name == "batch":
            self.ups.append(body)
            for m in self.on_up(body):
                self.to_hq(batch=m)
        elif name == "ack":
            self.to_hq(ack=body)

    def from_hq(self, name, body):
        """One message of HQ."""
        if name == "resume" and body.node in self.hellos:
            self.hellos.pop(body.node)
            at = messages().BookedAck.FromString(body.booked.payload)
            self.to_store(body.node, welcome=messages().Welcome(
                protocol=PROTOCOL, window_bytes=64 << 20, clock_ms=now_ms(), software="bad",
                relayed=messages().Position(seq=at.seq, head=at.head), booked=body.booked))
        elif name == "batch":
            for m in self.on_down(body):
                self.to_store(m.stream.node, batch=m)
        elif name == "ack":
            self.acks.append(body)
            for m in self.on_booked(body):
                self.to_store(m.stream.node, ack=m)
        elif name == "pull":
            self.pulled.append((body.stream.node, body.from_seq))
            self.to_store(body.stream.node, pull=body)
        elif name == "refuse":
            self.refused.append(body.code)


def now_ms():
    """Wall time."""
    return int(time.time() * 1000)


class Case(unittest.TestCase):
    """One chain of two stores for all; its relay is replaced by the bad one in each test."""

    @classmethod
    def setUpClass(cls):
        cls.chain = Chain(stores=2, regions=1)
        cls.chain.__enter__()
        cls.orders = 0
        cls.relay_node = cls.chain.relay(1)
        try:
            for code in ("0101", "0102"):
                cls.chain.till(code, "POST", "/v1/cards", {"card_no": f"C{code}"}, "k" + code)
            cls.chain.wait_booked()
            cls.chain.kill(cls.relay_node)
            cls.nodes = {code: int(node) for code, node in
                         cls.chain.sql("SELECT code, store FROM trib.store")}
        except BaseException:
            cls.chain.__exit__(None, None, None)
            raise

    @classmethod
    def tearDownClass(cls):
        cls.chain.__exit__(None, None, None)

    def setUp(self):
        self.relay = BadRelay(self.chain, self.relay_node)
        self.addCleanup(self.relay.end)
        self.marks = {code: self.log_of(code).count("relay_misbehaves")
                      for code in ("0101", "0102")}
        self.relay.start()
        wait_until(lambda: all(self.chain.is_online(s) for s in self.chain.stores()), 60,
                   "the stores are online through the bad relay, which")
        self.chain.wait_booked(60)

    def log_of(self, code):
        """What a store has logged."""
        with open(self.chain.log(self.chain.store(code)["name"]), encoding="utf-8") as f:
            return f.read()

    def top_up(self, code, n=1):
        """Do n top-ups at a shop; none of them needs HQ."""
        for _ in range(n):
            type(self).orders += 1
            status, _, answer = self.chain.till(
                code, "POST", "/v1/top-ups",
                {"order_no": f"b{self.orders}", "card_no": f"C{code}", "paid": 1000,
                 "tender": "cash"}, f"b{self.orders}")
            self.assertEqual(status, 201, answer)

    def exceptions(self, kind):
        """How many there are of this kind."""
        return int(self.chain.sql(f"SELECT count(*) FROM trib.exception WHERE kind = '{kind}'")
                   [0][0])

    def booked(self, code):
        """Entries of the store that HQ has booked."""
        return int(self.chain.sql("SELECT count(*) FROM trib.journal WHERE store = "
                                  f"{self.nodes[code]}")[0][0])

    def expect_store_notices(self, code, why):
        """The store says so and cuts the link."""
        wait_until(lambda: self.log_of(code).count("relay_misbehaves") > self.marks[code], 60,
                   f"store {code} notices {why}")
        self.assertIn(why, self.log_of(code))

    def recovers(self):
        """Once the relay is honest again, all is booked, and the books are right."""
        self.relay.on_up = self.relay.on_down = self.relay.on_booked = same
        for code in ("0101", "0102"):  # cut links make the stores send again
            self.relay.to_store(self.nodes[code], refuse=messages().Refuse(code="again"))
        self.chain.wait_booked(60)
        status, output = self.chain.tribctl_status("books", "check")
        self.assertEqual(status, 0, output)


class Up(Case):
    """Towards HQ."""

    def try_once(self, change, code="0101", n=3):
        """Do top-ups while batches of that store go through `change`; nothing must be booked."""
        before = self.booked(code)
        self.relay.on_up = lambda b: change(b) if b.stream.node == self.nodes[code] else [b]
        self.top_up(code, n)
        return before

    def test_flipped_byte(self):
        def flip(batch):
            item = bytearray(batch.items[0])
            item[len(item) // 2] ^= 1
            batch.items[0] = bytes(item)
            return [batch]

        before = self.try_once(flip)
        wait_until(lambda: "tampered" in self.relay.refused, 60, "HQ refuses, which")
        wait_until(lambda: self.exceptions("tampered") > 0, 60, "an exception is open, which")
        self.assertEqual(self.booked("0101"), before)
        self.recovers()

    def test_dropped_entry(self):
        kept = []

        def gather(batch):  # until there are three, then leave out one in the middle
            kept.extend(batch.items)
            if len(kept) < 3:
                return []
            del batch.items[:]
            batch.items.extend([kept[0], *kept[2:]])
            batch.first_seq += 1
            return [batch]

        before = self.try_once(gather)
        wait_until(lambda: set(self.relay.refused) & {"tampered", "fork"} or self.relay.pulled, 60,
                   "HQ notices, which")
        self.assertEqual(self.booked("0101"), before)
        self.recovers()

    def test_dropped_batch(self):
        seen = []

        def drop_first(batch):
            seen.append(batch)
            return [] if len(seen) == 1 else [batch]

        self.relay.on_up = drop_first
        self.top_up("0101")
        wait_until(lambda: len(seen) == 1, 60, "a batch was dropped, which")
        self.top_up("0101")
        wait_until(lambda: (self.nodes["0101"], seen[0].first_seq) in self.relay.pulled, 60,
                   "HQ asks for what was dropped, which")
        self.chain.wait_booked(30)  # the store sent it again
        self.recovers()

    def test_stores_swapped(self):
        def rename(batch):
            batch.stream.node = self.nodes["0102"]
            return [batch]

        other = self.booked("0102")
        before = self.try_once(rename)
        wait_until(lambda: "signature" in self.relay.refused, 60, "HQ refuses, which")
        self.assertEqual((self.booked("0101"), self.booked("0102")), (before, other))
        self.recovers()

    def test_forged_signature(self):
        def forge(batch):
            batch.head.CopyFrom(self.relay.sign_key.sign("trib.head.v1", batch.head.payload))
            return [batch]

        before = self.try_once(forge)
        wait_until(lambda: "signature" in self.relay.refused, 60, "HQ refuses, which")
        wait_until(lambda: self.exceptions("bad_signature") > 0, 60, "an exception is open, which")
        self.assertEqual(self.booked("0101"), before)
        self.recovers()

    def test_batches_twice_and_out_of_order_do_no_harm(self):
        held = []

        def shuffle(batch):
            held.append(batch)
            return [batch, batch] if len(held) % 2 else [*reversed(held[-3:])]

        self.relay.on_up = shuffle
        for n in range(1, 6):
            self.top_up("0101")
            wait_until(lambda n=n: len(held) >= n, 30, "a batch of each top-up")
        self.chain.wait_booked(30)
        self.recovers()


class Down(Case):
    """Towards the stores."""

    def test_replayed_ack_moves_nothing_back(self):
        self.top_up("0101")
        self.chain.wait_booked(30)
        old = [a for a in self.relay.acks if a.stream.node == self.nodes["0101"]][-1]
        self.top_up("0101", 2)
        self.top_up("0102")
        self.chain.wait_booked(30)
        mark = messages().Ack()
        mark.CopyFrom([a for a in self.relay.acks if a.stream.node == self.nodes["0102"]][-1])
        mark.stream.node = self.nodes["0101"]  # noticed by the store, which takes acks in order
        store = self.chain.store("0101")
        booked = self.chain.health(store)["seq"]["booked"]
        self.relay.to_store(self.nodes["0101"], ack=old)
        self.relay.to_store(self.nodes["0101"], ack=mark)
        self.expect_store_notices("0101", "booked_ack_invalid")
        self.assertEqual(self.chain.health(store)["seq"]["booked"], booked)
        self.recovers()

    def test_ack_of_another_store(self):
        def cross(ack):
            other = messages().Ack.FromString(ack.SerializeToString())
            other.stream.node = sum(self.nodes.values()) - ack.stream.node
            return [other]

        before = self.chain.health(self.chain.store("0102"))["seq"]["booked"]
        self.relay.on_booked = cross
        self.top_up("0101")
        self.expect_store_notices("0102", "booked_ack_invalid")
        self.assertEqual(self.chain.health(self.chain.store("0102"))["seq"]["booked"], before)
        self.recovers()

    def test_forged_ack(self):
        def forge(ack):
            ack.booked.CopyFrom(self.relay.sign_key.sign("trib.ack.v1", ack.booked.payload))
            return [ack]

        self.relay.on_booked = forge
        self.top_up("0101")
        self.expect_store_notices("0101", "booked_ack_invalid")
        health = self.chain.health(self.chain.store("0101"))
        self.assertLess(health["seq"]["booked"], health["seq"]["stored"])
        self.recovers()

    def test_changed_and_swapped_down_messages(self):
        node, other = self.nodes["0101"], self.nodes["0102"]
        chain_id = self.relay.chain_id
        forged = wire.Log(DOWN, node, 1, b"any certificate", self.relay.sign_key, chain_id)
        forged.append(b"a grant of the relay's own")
        self.relay.to_store(node, batch=forged.batch(1))
        self.expect_store_notices("0101", "down_batch_invalid")
        swapped = wire.Log(UP, other, 1, b"any certificate", self.relay.sign_key, chain_id)
        swapped.append(b"x")
        self.relay.to_store(other, batch=swapped.batch(1))
        self.expect_store_notices("0102", "down_batch_invalid")
        self.recovers()


if __name__ == "__main__":
    unittest.main()
