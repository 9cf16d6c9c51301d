"""A till that does everything at random, and keeps books of its own of what it was answered."""

import collections

TENDERS = ("cash", "bank_card", "alipay", "wechat", "unionpay", "other")
OPERATORS = (None, "ann", "bob", "小王", 'x"\\y')


def seq_of(txn):
    return int(txn.rsplit("-", 1)[1])


class Books:
    """The till's own books of a day: what each answer adds to its totals."""

    def __init__(self):
        self.entries = []  # (seq, operator, [(kind, tender, unit, amount)], stored value, orders)

    def add(self, txn, operator, cells, stored_value=0, orders=0):
        self.entries.append((seq_of(txn), operator, cells, stored_value, orders))

    def totals(self, seqs):
        """The totals of the entries that are of the day."""
        sums = collections.defaultdict(lambda: [0, 0])
        for seq, operator, cells, _, _ in self.entries:
            if seq not in seqs:
                continue
            for cell in cells:
                if cell[3] != 0 or cell[2] == "money":
                    total = sums[(*cell[:3], operator)]
                    total[0] += 1
                    total[1] += cell[3]
        return {key: tuple(total) for key, total in sums.items()}

    def figures(self, seqs):
        mine = [e for e in self.entries if e[0] in seqs]
        return {"stored_value": sum(e[3] for e in mine), "count": sum(e[4] for e in mine)}


class Till:
    """Random operations of all verbs, each written into Books."""

    def __init__(self, case, rng):
        self.case, self.rng, self.books = case, rng, Books()
        self.n = 0
        self.ended = set()
        self.cards, self.sales, self.top_ups, self.refunds, self.redemptions = [], [], [], [], []

    def post(self, path, body):
        """201 or 200: the answer; else None."""
        operator = self.rng.choice(OPERATORS)
        if operator is not None and path != "/v1/cards":
            body = {**body, "operator": operator}
        self.operator = None if path == "/v1/cards" else operator
        status, _, answer = self.case.shop.till("POST", path, body)
        self.case.assertIn(status, (200, 201, 409, 422), answer)
        return answer if status < 300 else None

    def order(self):
        self.n += 1
        return f"o{self.n}"

    def open(self, pin=None):
        card = f"c{len(self.cards)}"
        self.post("/v1/cards", {"card_no": card, **({"pin": pin} if pin else {})})
        self.cards.append(card)
        last = self.case.shop.till("GET", "/v1/health")[2]["seq"]["stored"]
        self.books.add(f"0107-1-{last}", None, [("account_opened", "none", "money", 0)])

    def top_up(self, card=None, paid=None):
        order, tender = self.order(), self.rng.choice(TENDERS)
        paid = paid or self.rng.randrange(1, 20000)
        answer = self.post("/v1/top-ups", {"order_no": order, "tender": tender, "paid": paid,
                                           "card_no": card or self.rng.choice(self.cards)})
        self.books.add(answer["txn"], self.operator, [("top_up", tender, "money", paid)], 0, 1)
        self.top_ups.append((order, answer["txn"]))

    def sale(self):
        order, amount = self.order(), self.rng.randrange(1, 6000)
        body = {"order_no": order, "card_no": self.rng.choice(self.cards), "amount": amount,
                "allow_partial": True}
        if self.rng.random() < 0.6:
            del body["allow_partial"]
            parts = sorted(self.rng.sample(range(amount + 1), min(2, amount)))
            shares = [b - a for a, b in zip([0, *parts], [*parts, amount])]
            types = self.rng.sample(("stored_value", *TENDERS), len(shares))
            body["tenders"] = [{"type": t, "amount": a} for t, a in zip(types, shares) if a]
        answer = self.post("/v1/sales", body)
        if answer is None:
            return
        cells = [("sale", t["type"], "money", t["amount"]) for t in answer["tenders"]]
        cells.append(("sale", "none", "points", answer["points_earned"]))
        stored = sum(t["amount"] for t in answer["tenders"] if t["type"] == "stored_value")
        self.books.add(answer["txn"], self.operator, cells, stored, 1)
        self.sales.append((order, answer["txn"]))

    def refund_cells(self, kind, answer):
        """(cells, stored value put back) of a refund of a sale."""
        back = answer["restored"]["principal"] + answer["restored"]["bonus"]
        cells = [(kind, p["tender"], "money", p["amount"]) for p in answer["paid_out"]]
        if back:
            cells.append((kind, "stored_value", "money", back))
        cells.append((kind, "none", "points", answer["points_clawed_back"]))
        return cells, back

    def refund(self, sale=None):
        if not self.sales:
            return
        order = self.order()
        body = {"order_no": order, "of": {"txn": (sale or self.rng.choice(self.sales))[1]}}
        if sale is None and self.rng.random() < 0.7:
            body["amount"] = self.rng.randrange(1, 3000)
        answer = self.post("/v1/refunds", body)
        if answer is None:
            return
        cells, back = self.refund_cells("refund", answer)
        self.books.add(answer["txn"], self.operator, cells, -back, 1)
        self.refunds.append((order, answer["txn"], cells, back))

    def top_up_cells(self, answer):
        return [("refund_top_up", p["tender"], "money", p["amount"])
                for p in answer["paid_out"]] + [
                    ("refund_top_up", "none", "points", answer["points_clawed_back"])]

    def refund_top_up(self, top_up=None):
        if not self.top_ups:
            return
        order = self.order()
        answer = self.post("/v1/refunds", {
            "order_no": order, "of": {"txn": (top_up or self.rng.choice(self.top_ups))[1]}})
        if answer is None:
            return
        cells = self.top_up_cells(answer)
        self.books.add(answer["txn"], self.operator, cells, 0, 1)
        self.refunds.append((order, answer["txn"], cells, 0))

    def redeem(self, card=None):
        order, points = self.order(), self.rng.randrange(1, 40)
        answer = self.post("/v1/points/redemptions", {
            "order_no": order, "card_no": card or self.rng.choice(self.cards), "points": points,
            "item": "CUP"})
        if answer is None:
            return
        cells = [("redemption", "none", "points", points)]
        self.books.add(answer["txn"], self.operator, cells, 0, 1)
        self.redemptions.append((order, answer["txn"], cells, 0))

    def cancel_any(self):
        verb, orders = self.rng.choice((("sale", self.sales), ("top_up", self.top_ups),
                                        ("refund", self.refunds),
                                        ("redemption", self.redemptions)))
        if not orders or self.rng.random() < 0.1:
            self.cancel(verb, (self.order(),))  # it never arrived
        else:
            self.cancel(verb, self.rng.choice(orders))

    def cancel(self, verb, undone):
        order = undone[0]
        answer = self.post(f"/v1/orders/{order}/cancel", {"verb": verb})
        if answer is None or (verb, order) in self.ended:
            return  # refused; or repeated
        self.ended.add((verb, order))
        if "txn" not in answer:
            if len(undone) > 1:  # it happened, and nothing of it was left to undo
                seq = self.case.shop.till("GET", "/v1/health")[2]["seq"]["stored"]
                self.books.add(f"0107-1-{seq}", self.operator, [], 0, -1)
            return
        if verb == "sale":
            cells, back = self.refund_cells("refund", answer)
            moved = -back
        elif verb == "top_up":
            cells, moved = self.top_up_cells(answer), 0
        else:
            cells = [(f"reversal_{kind}", *rest) for kind, *rest in undone[2]]
            moved = undone[3]
        self.books.add(answer["txn"], self.operator, cells, moved, -1)

    def some(self, n):
        for _ in range(3):
            self.open()
        for _ in range(n):
            self.rng.choices((self.top_up, self.sale, self.refund, self.refund_top_up, self.redeem,
                              self.cancel_any), (4, 8, 3, 1, 2, 3))[0]()

    def each(self):
        """Each kind once, on a new card; and a wrong PIN."""
        self.open(pin="1234")
        card = self.cards[-1]
        status, _, answer = self.case.shop.till("POST", "/v1/sales", {
            "order_no": self.order(), "card_no": card, "amount": 1, "pin": "4321"})
        self.case.assertEqual((status, answer["error"]["code"]), (422, "pin_wrong"))
        self.top_up(card, 5000)
        self.refund_top_up(self.top_ups[-1])
        self.cancel("refund", self.refunds[-1])
        order = self.order()
        answer = self.post("/v1/sales", {"order_no": order, "card_no": card, "amount": 5000,
                                         "pin": "1234"})
        self.books.add(answer["txn"], self.operator, [
            ("sale", "stored_value", "money", 5000), ("sale", "none", "points", 50)], 5000, 1)
        self.redeem(card)
        self.cancel("redemption", self.redemptions[-1])
        self.refund((order, answer["txn"]))
        self.cancel("refund", self.refunds[-1])
