"""A test case at a till: a shop for the class, kept connections of its lanes, and cards."""

import contextlib

from store_case import Case
from tills import Card, Lane


class TillCase(Case):
    """Each test has a card of its own."""

    LANES = 2

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lanes = [Lane(cls.shop.url, cls.shop.pair(n + 2)) for n in range(cls.LANES)]
        for lane in cls.lanes:
            cls.addClassCleanup(lane.close)
        cls.lane = cls.lanes[0]

    @classmethod
    def tearDownClass(cls):
        cls.shop.verified()
        super().tearDownClass()

    @classmethod
    def restart(cls, number, fault=None):
        """The shop ends, unless it did already, and starts; it may die at the fault."""
        if cls.shop.process.poll() is None:
            cls.shop.stop(number)
        cls.shop.start(fault)
        for lane in cls.lanes:
            lane.close()
            lane.url = cls.shop.url

    def card(self, paid=0, pin=None):
        """A new card with that much on it."""
        card = Card(self.lane, f"{type(self).__name__}.{self._testMethodName}"[-60:], pin)
        if paid:
            card.top_up(paid)
        return card

    def cancel(self, order_no, verb, key=None, lane=None):
        """The answer to a cancel."""
        return (lane or self.lane).post(f"/v1/orders/{order_no}/cancel", {"verb": verb}, key)

    def cancelled(self, order_no, verb, key=None):
        """The body of a cancel that succeeds for the first time."""
        answer = self.cancel(order_no, verb, key)
        self.assertEqual((answer.status, answer.is_replay), (200, False), answer)
        self.assertEqual((answer.body["state"], answer.body["verb"], answer.body["order_no"]),
                         ("cancelled", verb, order_no))
        self.assertEqual(answer.body["reversed"], "txn" in answer.body)
        return answer.body

    def assert_error(self, answer, status, code, **facts):
        """A refusal, and what it tells."""
        self.assertEqual((answer.status, answer.code), (status, code), answer)
        self.assertEqual({name: answer.error.get(name) for name in facts}, facts)

    def stored(self):
        """Entries of the journal."""
        return self.lane.get("/v1/health").body["seq"]["stored"]

    @contextlib.contextmanager
    def unchanged(self, *cards):
        """Nothing is written within, and the cards hold what they held."""
        before = self.stored(), [card.held() for card in cards]
        yield
        self.assertEqual((self.stored(), [card.held() for card in cards]), before)

    def kinds(self, first):
        """Kinds of the entries from seq `first` on."""
        status, _, answer = self.shop.manage("GET", f"/v1/journal?from={first}&limit=1000")
        self.assertEqual(status, 200)
        return [item["kind"] for item in answer["items"]]

    def orders(self, order_no):
        """What GET says of an order number: {verb: (state, has txn, cancel's txn)}."""
        answer = self.lane.get(f"/v1/orders/{order_no}")
        self.assertEqual(answer.status, 200, answer)
        return {o["verb"]: (o["state"], "txn" in o, o.get("cancel_txn"))
                for o in answer.body["orders"]}
