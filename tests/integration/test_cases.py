"""Worked money cases through a whole chain: rules published at headquarters, calls at a till.

Each case publishes the rules that it needs, works with a card of its own, compares every answer and
the account afterwards with figures worked out by hand, and adds its lines to the table that is
printed at the end. The last test proves the books of all of them."""

import json
import os
import threading
import unittest

from harness import Chain, wait_until
from tills import Card, Lane

STORE = "0101"
LANES = 6
GIFT = [(50000, 10000)]
LADDER = [(50000, 10000), (100000, 25000)]


def value(of):
    """Principal and bonus in short."""
    return f"P{of['principal']} B{of['bonus']}"


def held(of):
    """Principal, bonus and points in short."""
    return f"{value(of)} {of['points']} points"


class Table:
    """What was sent, what came of it, and what should."""

    HEAD = ("case", "sent", "result", "expected")

    def __init__(self):
        self.rows = []

    def add(self, *row):
        """One line."""
        self.rows.append(tuple(str(cell) for cell in row))

    def show(self):
        """Print it."""
        rows = [self.HEAD, *self.rows]
        widths = [max(len(row[i]) for row in rows) for i in range(len(self.HEAD))]
        for row in rows:
            print("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip())


class Cases(unittest.TestCase):
    """One chain with one store."""

    @classmethod
    def setUpClass(cls):
        cls.table = Table()
        cls.chain = Chain(stores=1, regions=1)
        cls.chain.__enter__()
        cls.addClassCleanup(cls.chain.__exit__, None, None, None)
        store = cls.chain.store(STORE)
        cls.lanes = [Lane(store["url"], cls.pair(store, 10 + n)) for n in range(LANES)]
        for lane in cls.lanes:
            cls.addClassCleanup(lane.close)
        cls.lane = cls.lanes[0]
        cls.published = None

    @classmethod
    def tearDownClass(cls):
        cls.table.show()

    @classmethod
    def pair(cls, store, number):
        """A token for a lane of the store."""
        code = cls.chain.tribctl("lane", "pair", "--lane", str(number), node=store)["code"]
        answer = Lane(store["url"], "").post("/v1/pair", {"code": code})
        assert answer.status == 201, answer
        return answer.body["token"]

    def publish(self, *, steps=(), repeat=False, consumption="pro_rata", clawback="debt",
                multiplier="1"):
        """Make these the chain's rules, and wait until the store runs them."""
        rules = {
            "name": "cases",
            "points": [{"id": "points", "points": 1, "per": 100, "multiplier": multiplier}],
            "top_ups": [{"id": "gift", "repeat": repeat,
                         "steps": [{"paid": p, "bonus": b} for p, b in steps]}] if steps else [],
            "account_types": [{"name": "default", "consumption": consumption,
                               "clawback": clawback}]}
        if rules == type(self).published:
            return
        path = os.path.join(self.chain.dir, "cases.json")
        with open(path, "w", encoding="ascii") as f:
            json.dump(rules, f)
        version = self.chain.tribctl("rules", "publish", path, "--reason", "a case")["version"]
        wait_until(lambda: self.lane.get("/v1/health").body["rules_version"] == version, 30,
                   f"rule set {version} at the store")
        type(self).published = rules

    @property
    def case(self):
        """This test's case."""
        return self._testMethodName.removeprefix("test_")

    def expect(self, sent, result, expected):
        """The result of what was sent is as expected; a line of the table."""
        self.table.add(self.case, sent, result, expected)
        self.assertEqual(result, expected, sent)

    def card(self):
        """A new card."""
        return Card(self.lane, f"C-{self.case}")

    def card_with_lot(self, **rules):
        """A card with one lot, paid 50000 and given 10000."""
        self.publish(steps=GIFT, **rules)
        card = self.card()
        card.top_up(50000)
        self.assertEqual(value(card.now()["balance"]), "P50000 B10000")
        return card

    def refused(self, card, path, body, code):
        """A refusal, which changes nothing; its error."""
        before = card.now()["balance"], card.now()["points_owed"], self.stored()
        answer = self.lane.post(path, body)
        self.assertEqual(answer.status, 422, answer)
        self.expect(f"{path} {body.get('amount', '')}", answer.code, code)
        self.assertEqual((card.now()["balance"], card.now()["points_owed"], self.stored()), before)
        return answer.error

    def stored(self):
        """Entries of the store's journal."""
        return self.lane.get("/v1/health").body["seq"]["stored"]

    def books(self):
        """Balances of the ledger accounts in money, debit positive."""
        self.chain.wait_booked()
        rows = self.chain.sql("SELECT ledger_account, sum(debit - credit) FROM book.trial_balance"
                              " WHERE unit = 'money' GROUP BY 1")
        return {name: int(balance) for name, balance in rows}

    # One lot of P50000 B10000

    def spend_12345(self, card, taken, left):
        """The sale of most of these cases."""
        sale = card.sell(12345)
        self.expect("sale 12345", f"takes {value(sale['paid_from'])}", f"takes {taken}")
        self.expect("GET account", value(card.now()["balance"]), left)
        self.assertEqual(value(sale["balance"]), left)
        return sale

    def test_S1(self):
        self.spend_12345(self.card_with_lot(), "P10288 B2057", "P39712 B7943")

    def test_S2(self):
        self.spend_12345(self.card_with_lot(consumption="bonus_first"), "P2345 B10000",
                         "P47655 B0")

    def test_S3(self):
        self.spend_12345(self.card_with_lot(consumption="principal_first"), "P12345 B0",
                         "P37655 B10000")

    def after_S1(self):
        """The card and its sale."""
        card = self.card_with_lot()
        return card, self.spend_12345(card, "P10288 B2057", "P39712 B7943")

    def refund_5000(self, card, sale):
        """S4's step."""
        refund = card.refund(sale, 5000)
        self.expect("refund 5000", f"back {value(refund['restored'])}", "back P4167 B833")
        self.expect("GET account", value(card.now()["balance"]), "P43879 B8776")
        self.assertEqual((refund["rest"], refund["paid_out"]), (7345, []))

    def test_S4(self):
        self.refund_5000(*self.after_S1())

    def test_S5(self):
        card, sale = self.after_S1()
        self.refund_5000(card, sale)
        refund = card.refund(sale, 7345)
        self.assertEqual(refund["rest"], 0)
        self.expect("refund the remaining 7345", value(card.now()["balance"]), "P50000 B10000")
        self.assertEqual([lot["principal"] + lot["bonus"] for lot in card.now()["lots"]
                          if lot["unit"] == "value"], [60000])

    def test_S6(self):
        card, sale = self.after_S1()
        lows, failures = [], []

        def refund_fen(lane, numbers):
            try:
                for n in numbers:
                    answer = lane.post("/v1/refunds", {"order_no": f"S6-fen-{n}", "amount": 1,
                                                       "of": {"txn": sale["txn"]}})
                    if answer.status != 201:
                        raise AssertionError(answer)
                    back = answer.body["restored"]
                    lows.append((min(back["principal"], back["bonus"]),
                                 back["principal"] + back["bonus"]))
            except BaseException as error:  # reported below
                failures.append(error)

        threads = [threading.Thread(target=refund_fen, args=(lane, range(n, 12345, LANES)))
                   for n, lane in enumerate(self.lanes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.expect("refund 1, 12345 times", value(card.now()["balance"]), "P50000 B10000")
        self.expect("least of a refund", min(low for low, _ in lows), 0)
        self.assertEqual((len(lows), {both for _, both in lows}), (12345, {1}))
        error = self.refused(card, "/v1/refunds", card.refund_of(sale, 1), "refund_exceeds_sale")
        self.assertEqual(error["rest"], 0)

    def test_S7(self):
        card, sale = self.after_S1()
        error = self.refused(card, "/v1/refunds", card.refund_of(sale, 12346),
                             "refund_exceeds_sale")
        self.expect("rest", error["rest"], 12345)

    # Two lots

    def spend_of_two_lots(self):
        """L3: the card and its sale; the order of the lots is that of their top-ups."""
        self.publish()
        card = self.card()
        card.top_up(10000)
        self.publish(steps=[(10000, 5000)])
        card.top_up(10000)
        self.expect("GET account", self.lots(card), ["P10000 B0", "P10000 B5000"])
        sale = card.sell(12000)
        self.expect("sale 12000", f"takes {value(sale['paid_from'])}", "takes P11334 B666")
        self.expect("GET account", self.lots(card), ["P8666 B4334"])
        return card, sale

    @staticmethod
    def lots(card):
        """Value lots, the older first."""
        return [value(lot) for lot in sorted(card.now()["lots"], key=lambda lot: int(lot["lot"]))
                if lot["unit"] == "value" and lot["principal"] + lot["bonus"] > 0]

    def test_L3(self):
        self.spend_of_two_lots()

    def test_L4(self):
        card, sale = self.spend_of_two_lots()
        refund = card.refund(sale, 6000)
        self.expect("refund 6000", f"back {value(refund['restored'])}", "back P5334 B666")
        self.expect("GET account", self.lots(card), ["P4000 B0", "P10000 B5000"])

    # Top-ups with gifts

    def top_up(self, paid, gives, steps, repeat):
        """Cases T."""
        self.publish(steps=steps, repeat=repeat)
        card = self.card()
        answer = card.top_up(paid)
        self.expect(f"top-up {paid}", f"gives {value(answer['gives'])}", f"gives {gives}")
        self.expect("GET account", value(card.now()["balance"]), gives)
        self.assertEqual(self.lots(card), [gives])

    def test_T1(self):
        self.top_up(50000, "P50000 B10000", GIFT, repeat=False)

    def test_T2(self):
        self.top_up(49999, "P49999 B0", GIFT, repeat=False)

    def test_T3(self):
        self.top_up(100000, "P100000 B10000", GIFT, repeat=False)

    def test_T4(self):
        self.top_up(100000, "P100000 B20000", GIFT, repeat=True)

    def test_T5(self):
        self.top_up(120000, "P120000 B25000", LADDER, repeat=False)

    def test_T6(self):
        self.top_up(160000, "P160000 B35000", LADDER, repeat=True)

    # Points

    def earn_185(self):
        """P1's sale."""
        self.publish(multiplier="3/2")
        card = self.card()
        sale = card.sell_for("cash", 12345)
        self.expect("sale 12345", sale["points_earned"], 185)
        self.expect("GET account", card.now()["balance"]["points"], 185)
        return card, sale

    def refund_4115(self):
        """P2's step, under rules that changed meanwhile: the receipt keeps its own."""
        card, sale = self.earn_185()
        self.publish()
        refund = card.refund(sale, 4115)
        self.expect("refund 4115", f"claws back {refund['points_clawed_back']}", "claws back 62")
        self.expect("GET account", card.now()["balance"]["points"], 123)
        self.assertEqual(refund["paid_out"], [{"tender": "cash", "amount": 4115}])
        return card, sale

    def test_P1(self):
        self.earn_185()

    def test_P2(self):
        self.refund_4115()

    def test_P3(self):
        card, sale = self.refund_4115()
        refund = card.refund(sale, 8230)
        self.expect("refund 8230", f"claws back {refund['points_clawed_back']}", "claws back 123")
        self.expect("GET account", card.now()["balance"]["points"], 0)
        self.assertEqual(card.now()["points_owed"], 0)

    def earn_100_and_keep_40(self):
        """A card with 40 points, and the receipt that gave it 100."""
        card = self.card()
        sale = card.sell_for("cash", 10000)
        self.assertEqual(sale["points_earned"], 100)
        card.redeem(60)
        self.expect("sale 10000, redeem 60", card.now()["balance"]["points"], 40)
        return card, sale

    def test_P5(self):
        self.publish(clawback="debt")
        card, sale = self.earn_100_and_keep_40()
        refund = card.refund(sale)
        self.expect("refund all", f"claws back {refund['points_clawed_back']}", "claws back 100")
        self.expect("GET account", self.points(card), "0 points, 60 owed")
        sale = card.sell_for("cash", 8000)
        self.expect("sale 8000", sale["points_earned"], 80)
        self.expect("GET account", self.points(card), "20 points, 0 owed")

    @staticmethod
    def points(card):
        """Held and owed."""
        now = card.now()
        return f"{now['balance']['points']} points, {now['points_owed']} owed"

    def test_P6(self):
        self.publish(clawback="refuse")
        card, sale = self.earn_100_and_keep_40()
        error = self.refused(card, "/v1/refunds", card.refund_of(sale), "points_short")
        self.expect("facts", (error["points_held"], error["points_wanted"]), (40, 100))
        self.expect("GET account", self.points(card), "40 points, 0 owed")

    # Several tenders

    def pay_with_two(self):
        """M1's sale."""
        self.publish()
        card = self.card()
        card.top_up(5000)
        sale = card.sell(12000, tenders=[
            {"type": "stored_value", "amount": 5000},
            {"type": "wechat", "amount": 7000, "payment_ref": "W1"}])
        self.expect("sale 12000: stored value 5000, wechat 7000",
                    f"{sale['paid_from']['principal']} taken, {sale['points_earned']} points",
                    "5000 taken, 120 points")
        self.expect("GET account", held(card.now()["balance"]), "P0 B0 120 points")
        return card, sale

    def moved(self, before):
        """What changed in the books since."""
        after = self.books()
        return {name: after[name] - before.get(name, 0) for name in after
                if after[name] != before.get(name, 0)}

    def test_M1(self):
        before = self.books()
        self.pay_with_two()
        self.expect("the books", self.moved(before),
                    {f"tender_clearing({STORE}, cash)": 5000,
                     f"tender_clearing({STORE}, wechat)": 7000, f"revenue({STORE})": -12000})

    def test_M2(self):
        self.publish()
        card = self.card()
        before = self.books()
        sale = card.sell_for("cash", 12000)
        self.expect("sale 12000, cash", f"{held(sale['paid_from'])}, earns {sale['points_earned']}",
                    "P0 B0 0 points, earns 120")
        self.expect("GET account", held(card.now()["balance"]), "P0 B0 120 points")
        self.assertEqual(self.lots(card), [])
        self.expect("the books", self.moved(before),
                    {f"tender_clearing({STORE}, cash)": 12000, f"revenue({STORE})": -12000})

    def test_M3(self):
        card, sale = self.pay_with_two()
        before = self.books()
        first = card.refund(sale, 6000)
        self.expect("refund 6000", (first["paid_out"], value(first["restored"])),
                    ([{"tender": "wechat", "amount": 6000, "payment_ref": "W1"}], "P0 B0"))
        second = card.refund(sale, 6000)
        self.expect("refund 6000", (second["paid_out"], value(second["restored"])),
                    ([{"tender": "wechat", "amount": 1000, "payment_ref": "W1"}], "P5000 B0"))
        self.expect("GET account", held(card.now()["balance"]), "P5000 B0 0 points")
        self.expect("the books", self.moved(before),
                    {f"tender_clearing({STORE}, wechat)": -7000, f"revenue({STORE})": 12000,
                     f"principal({STORE})": -5000})

    def test_M4(self):
        self.publish()
        card = self.card()
        card.top_up(5000)
        error = self.refused(card, "/v1/sales", card.sale_of(12000), "insufficient_balance")
        self.assertEqual((error["total"], error["available_here"], error["payable"]),
                         (5000, 5000, 12000))
        sale = card.sell(12000, allow_partial=True)
        self.expect("sale 12000, allow_partial",
                    (sale["paid_from"]["principal"], sale["remaining"], sale["payable"],
                     sale["points_earned"]), (5000, 7000, 5000, 50))
        self.expect("GET account", held(card.now()["balance"]), "P0 B0 50 points")

    def test_M5(self):
        self.publish()
        card = self.card()
        card.top_up(10000)
        for _ in range(10):
            body = card.sale_of(100)
            answers = self.at_once("/v1/sales", body)
            self.expect(f"sale {body['order_no']} from two lanes",
                        sorted((a.status, a.is_replay) for a in answers),
                        [(201, False), (201, True)])
            self.assertEqual(answers[0].stored, answers[1].stored)
        self.expect("GET account", value(card.now()["balance"]), "P9000 B0")

    def at_once(self, path, body):
        """Answers to one call of two lanes."""
        barrier = threading.Barrier(2)
        answers = []

        def call(lane):
            barrier.wait(30)
            answers.append(lane.post(path, body))

        threads = [threading.Thread(target=call, args=(lane,)) for lane in self.lanes[:2]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(answers), 2)
        return answers

    def test_M6(self):
        self.publish()
        card = self.card()
        card.top_up(5000)
        late = card.sale_of(100)
        answer = self.lane.post(f"/v1/orders/{late['order_no']}/cancel", {"verb": "sale"})
        self.expect("cancel of an order that never came", (answer.status, answer.body["state"]),
                    (200, "cancelled"))
        before = card.now(), self.stored()
        answer = self.lane.post("/v1/sales", late)
        self.expect("the order comes late", (answer.status, answer.code), (409, "order_cancelled"))
        self.assertNotIn("txn", answer.error)
        self.assertEqual((card.now()["balance"], self.stored()), (before[0]["balance"], before[1]))

    # All of them

    def test_the_books_of_all_cases_are_proved(self):
        self.chain.wait_booked()
        self.assertEqual(self.chain.sql("SELECT count(*) FROM trib.quarantine"), [["0"]])
        status, output = self.chain.tribctl_status("-o", "json", "books", "check")
        self.assertEqual(status, 0, output)
        store = self.chain.store(STORE)
        answer = Lane(store["url"], store["admin_token"]).post("/v1/journal/verify", {})
        self.assertEqual((answer.body["ok"], answer.body["differences"]), (True, []))


if __name__ == "__main__":
    unittest.main()
