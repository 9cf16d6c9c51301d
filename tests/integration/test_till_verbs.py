"""What tills can do beside plain sales: refunds of top-ups, redemptions, quotes, sales of many
lines and tenders. Cancels are in test_till_cancels.py, PINs in test_till_pins.py."""

import os
import signal
import sqlite3
import unittest

import wire
from harness import Chain, http as call
from store_case import Shop
from till_case import TillCase
from tills import Card, Lane


class RefundOfTopUps(TillCase):
    """What is left of it goes back to where it came from."""

    def test_the_whole(self):
        card = self.card(200)
        top_up = card.top_up(1000, tender="alipay")
        refund = card.refund(top_up)
        self.assertEqual((refund["amount"], refund["paid_out"], refund["rest"]),
                         (1000, [{"tender": "alipay", "amount": 1000}], 0))
        self.assertEqual((refund["taken"]["principal"], refund["restored"]["principal"]), (1000, 0))
        self.assertEqual(card.held(), (200, 0, 0, 0))

    def test_after_spending_what_is_left(self):
        card = self.card()
        top_up = card.top_up(1000)
        sale = card.sell(400)
        with self.unchanged(card):
            self.assert_error(self.lane.post("/v1/refunds", card.refund_of(top_up, 599)), 400,
                              "bad_value")
            self.assert_error(self.lane.post("/v1/refunds", card.refund_of(top_up, 601)), 422,
                              "refund_exceeds_sale", rest=600)
        refund = card.refund(top_up, 600)
        self.assertEqual((refund["amount"], refund["rest"], card.held()[0]), (600, 400, 0))
        with self.unchanged(card):
            self.assert_error(self.lane.post("/v1/refunds", card.refund_of(top_up)), 422,
                              "refund_exceeds_sale", rest=0)
        card.refund(sale)  # brings value back to the lot
        self.assertEqual(card.held()[0], 400)
        refund = card.refund(top_up)
        self.assertEqual((refund["amount"], refund["rest"], card.held()[0]), (400, 0, 0))

    def test_only_its_own_lot_is_taken(self):
        card = self.card()
        older, newer = card.top_up(500), card.top_up(300)
        card.sell(400)
        self.assertEqual(card.refund(newer)["amount"], 300)
        self.assertEqual(card.refund(older)["amount"], 100)

    def test_a_sale_goes_first_where_both_have_the_number(self):
        card = self.card()
        top_up = card.top_up(1000)
        sale = card.sell(100, order_no=top_up["order_no"])
        of = {"store": "0107", "order_no": top_up["order_no"]}
        body = {"order_no": card.order_no(), "of": of}
        self.assertEqual(card.done("/v1/refunds", body)["restored"]["principal"], 100)
        self.assert_error(self.lane.post("/v1/refunds", {**body, "order_no": card.order_no()}), 422,
                          "refund_exceeds_sale")
        self.assertEqual(card.refund(top_up)["paid_out"], [{"tender": "cash", "amount": 1000}])
        self.assertEqual(sale["order_no"], top_up["order_no"])

    def test_what_is_no_receipt_is_unknown(self):
        card = self.card(1000)
        card.sell(900)
        redemption = card.redeem(1)
        with self.unchanged(card):
            for of in (redemption, {"txn": "0107-1-1"}, {"txn": "0107-1-99999"},
                       {"txn": "0107-2-2"}):
                self.assert_error(self.lane.post("/v1/refunds", card.refund_of(of)), 404,
                                  "unknown_order")


class Redemptions(TillCase):
    """Points for an item."""

    def test_points_go_and_value_stays(self):
        card = self.card(1000)
        card.sell(900)
        answer = card.redeem(4)
        self.assertEqual((answer["points"], answer["item"], answer["balance"]["points"]),
                         (4, "cup", 5))
        self.assertEqual(card.held(), (100, 0, 5, 0))
        self.assertEqual(self.orders(answer["order_no"]), {"redemption": ("done", True, None)})

    def test_more_than_there_are(self):
        card = self.card(1000)
        card.sell(900)
        body = card.redemption_of(10)
        with self.unchanged(card):
            first = self.lane.post("/v1/points/redemptions", body, "short")
            self.assert_error(first, 422, "points_short", points_held=9, points_wanted=10)
        card.sell(100)
        again = self.lane.post("/v1/points/redemptions", body, "short")
        self.assertEqual((again.is_replay, again.stored), (True, first.stored))
        self.assertEqual(self.lane.post("/v1/points/redemptions", body, "enough").status, 201)
        self.assertEqual(card.held(), (0, 0, 0, 0))

    def test_an_unknown_card(self):
        self.assert_error(self.lane.post("/v1/points/redemptions", {
            "order_no": "r", "card_no": "nobody", "points": 1, "item": "cup"}), 404, "unknown_card")

    def test_bad_calls(self):
        card = self.card(1000)
        good = card.redemption_of(1)
        with self.unchanged(card):
            for change, param in (({"points": 0}, "points"), ({"points": 1.5}, "points"),
                                  ({"points": 10 ** 13}, "points"), ({"item": ""}, "item"),
                                  ({"item": "x" * 65}, "item"), ({"card_no": 7}, "card_no")):
                with self.subTest(change=change):
                    self.assert_error(self.lane.post("/v1/points/redemptions",
                                                     {**good, **change}), 400, "bad_value",
                                      param=param)

    def test_a_blocked_card_redeems_and_buys_nothing_but_gets_its_refund(self):
        card = self.card(1000)
        sale = card.sell(900)
        self.shop.stop()
        with sqlite3.connect(os.path.join(self.shop.data, "journal.db")) as db:
            db.execute("UPDATE account SET status = 2 WHERE account ="
                       " (SELECT account FROM card WHERE card_no = ?)", (card.no,))
        db.close()
        self.restart(signal.SIGTERM)
        with self.unchanged(card):
            for path, body in (("/v1/points/redemptions", card.redemption_of(1)),
                               ("/v1/sales", card.sale_of(1))):
                self.assert_error(self.lane.post(path, body), 422, "card_blocked")
            quote = self.lane.post("/v1/quotes", card.sale_of(1)).body
            self.assertEqual((quote["approvable"], quote["why"]), (False, "card_blocked"))
        self.assertEqual(card.refund(sale)["amount"], 900)


class Quotes(TillCase):
    """What a sale would be; nothing happens."""

    def quote(self, body, key=None):
        """The body of a quote."""
        answer = self.lane.post("/v1/quotes", body, key)
        self.assertEqual((answer.status, answer.is_replay), (200, False), answer)
        return answer.body

    def test_it_tells_what_the_sale_then_tells(self):
        card = self.card(1000)
        body = card.sale_of(700)
        with self.unchanged(card):
            quote = self.quote(body)
        sale = card.done("/v1/sales", body)
        self.assertEqual(quote, {name: sale[name] for name in quote})
        self.assertEqual((quote["approvable"], quote["payable"], quote["points_earned"]),
                         (True, 700, 7))

    def test_it_tells_what_a_partial_sale_then_tells(self):
        card = self.card(1000)
        body = {**card.sale_of(1700), "allow_partial": True,
                "tenders": [{"type": "stored_value", "amount": 1500},
                            {"type": "cash", "amount": 200}]}
        with self.unchanged(card):
            quote = self.quote(body)
        sale = card.done("/v1/sales", body)
        self.assertEqual(quote, {name: sale[name] for name in quote})
        self.assertEqual((quote["approvable"], quote["payable"], quote["remaining"],
                          quote["points_earned"], quote["tenders"]),
                         (True, 1200, 500, 12, [{"type": "stored_value", "amount": 1000},
                                                {"type": "cash", "amount": 200}]))

    def test_it_leaves_order_and_key_free(self):
        card = self.card(1000)
        body = card.sale_of(700)
        with self.unchanged(card):
            self.quote(body, "quoted")
            self.quote({**body, "amount": 800}, "quoted")
        self.assert_error(self.lane.get(f"/v1/orders/{body['order_no']}"), 404, "unknown_order")
        self.assertEqual(self.lane.post("/v1/sales", body, "quoted").status, 201)
        self.assertTrue(self.quote({**body, "amount": 300})["approvable"])

    def test_it_tells_why_not(self):
        card = self.card(1000)
        with self.unchanged(card):
            for change, why in (({"amount": 1001}, "insufficient_balance"),
                                ({"expected_payable": 699}, "payable_changed")):
                quote = self.quote({"card_no": card.no, "amount": 700, **change})
                self.assertEqual((quote["approvable"], quote["why"]), (False, why))
            self.assert_error(self.lane.post("/v1/quotes", {"card_no": "nobody", "amount": 1}), 404,
                              "unknown_card")
            self.assert_error(self.lane.post("/v1/quotes", {"card_no": card.no, "amount": 0}), 400,
                              "bad_value", param="amount")

    def test_it_needs_no_pin_and_says_that_the_sale_does(self):
        card = self.card(1000, pin="2580")
        body = {"card_no": card.no, "amount": 100}
        with self.unchanged(card):
            for more in ({}, {"pin": "2580"}, {"pin": "0000"}):
                quote = self.quote({**body, **more})
                self.assertEqual((quote["approvable"], quote["pin_required"]), (True, True))
            self.assertNotIn("pin_required", self.quote({
                **body, "tenders": [{"type": "cash", "amount": 100}]}))


class LinesAndTenders(TillCase):
    """Sales as a POS sends them."""

    def assert_bad(self, body, param):
        self.assert_error(self.lane.post("/v1/sales", body), 400, "bad_value", param=param)

    def entry(self, txn):
        """The journal's entry, as it is signed."""
        seq = int(txn.rsplit("-", 1)[1])
        self.shop.stop()
        with sqlite3.connect(os.path.join(self.shop.data, "journal.db")) as db:
            row = db.execute("SELECT bytes FROM entry WHERE seq = ?", (seq,)).fetchone()
        db.close()
        self.restart(signal.SIGTERM)
        return wire.entries().Entry.FromString(row[0])

    def test_lines_tenders_staff_and_operator_are_kept(self):
        card = self.card(5000)
        lines = [{"sku": "A-1", "category": "tea", "qty": 1500, "amount": 3000},
                 {"sku": "袋", "qty": 1000, "amount": 0}, {"sku": "A-1", "qty": 1, "amount": 200}]
        tenders = [{"type": "wechat", "amount": 1000, "payment_ref": "W-1"},
                   {"type": "stored_value", "amount": 2000},
                   {"type": "wechat", "amount": 200, "payment_ref": "W-2"}]
        sale = card.done("/v1/sales", {
            "order_no": card.order_no(), "card_no": card.no, "lines": lines, "tenders": tenders,
            "staff": "小王", "operator": "Li"})
        self.assertEqual((sale["list_amount"], sale["payable"], sale["tenders"]),
                         (3200, 3200, tenders))
        self.assertEqual(sale["paid_from"]["principal"], 2000)
        entry = self.entry(sale["txn"])
        self.assertEqual((entry.operator, entry.lane, entry.sale.staff), ("Li", 2, "小王"))
        self.assertEqual([(i.sku, i.category, i.qty_milli, i.amount) for i in entry.sale.lines],
                         [("A-1", "tea", 1500, 3000), ("袋", "", 1000, 0), ("A-1", "", 1, 200)])
        self.assertEqual([(t.type, t.amount, t.payment_ref) for t in entry.sale.tenders],
                         [("wechat", 1000, "W-1"), ("stored_value", 2000, ""),
                          ("wechat", 200, "W-2")])
        seq = int(sale["txn"].rsplit("-", 1)[1])
        listed = self.shop.manage("GET", f"/v1/journal?from={seq}&limit=1")[2]["items"][0]
        self.assertEqual((listed["operator"], listed["lane"]), ("Li", 2))
        refund = card.refund(sale, 1100)
        self.assertEqual(refund["paid_out"], [
            {"tender": "wechat", "amount": 1000, "payment_ref": "W-1"},
            {"tender": "wechat", "amount": 100, "payment_ref": "W-2"}])
        self.assertEqual(card.refund(sale)["restored"]["principal"], 2000)

    def test_sums_must_agree(self):
        card = self.card(5000)
        sale = card.sale_of(1000)
        line = {"sku": "a", "qty": 1, "amount": 500}
        with self.unchanged(card):
            self.assert_bad({**sale, "lines": [line]}, "amount")
            for tenders in ([("cash", 999)], [("cash", 1001)], [("stored_value", 999)],
                            [("cash", 500), ("wechat", 501)], [("cash", 10 ** 12)] * 16):
                with self.subTest(tenders=tenders):
                    self.assert_error(self.lane.post("/v1/sales", {**sale, "tenders": [
                        {"type": t, "amount": a} for t, a in tenders]}), 400, "bad_value")
            self.assert_bad({**sale, "tenders": [{"type": "cash", "amount": 0}]},
                            "tenders[0].amount")

    def test_lines_of_nothing_alone_are_no_sale(self):
        card = self.card(100)
        with self.unchanged(card):
            self.assert_bad({"order_no": "x", "card_no": card.no,
                             "lines": [{"sku": "a", "qty": 1, "amount": 0}]}, "lines")
            self.assert_bad({"order_no": "x", "card_no": card.no,
                             "lines": [{"sku": "a", "qty": 0, "amount": 1}]}, "lines[0].qty")

    def test_500_lines_and_no_more(self):
        card = self.card(5000)
        lines = [{"sku": f"sku-{n}", "qty": 1000, "amount": n % 2} for n in range(501)]
        body = {"order_no": card.order_no(), "card_no": card.no, "lines": lines}
        with self.unchanged(card):
            self.assert_bad(body, "lines")
        sale = card.done("/v1/sales", {**body, "lines": lines[:500]})
        self.assertEqual((sale["payable"], card.held()[0]), (250, 4750))
        changed = [*lines[:499], {**lines[499], "sku": "other"}]
        self.assert_error(self.lane.post("/v1/sales", {**body, "lines": changed}), 409,
                          "order_conflict")
        self.assertEqual(len(self.entry(sale["txn"]).sale.lines), 500)

    def test_16_tenders_and_no_more(self):
        card = self.card(5000)
        tenders = [{"type": "cash", "amount": 1}] * 17
        with self.unchanged(card):
            self.assert_bad({**card.sale_of(17), "tenders": tenders}, "tenders")
        self.assertEqual(len(card.sell(16, tenders=tenders[:16])["tenders"]), 16)

    def test_a_part_takes_from_the_card_what_there_is(self):
        card = self.card(300)
        tenders = [{"type": "stored_value", "amount": 500}, {"type": "cash", "amount": 700}]
        with self.unchanged(card):
            self.assert_error(self.lane.post("/v1/sales", card.sale_of(1200, tenders=tenders)), 422,
                              "insufficient_balance", total=300)
        sale = card.sell(1200, tenders=tenders, allow_partial=True)
        self.assertEqual((sale["payable"], sale["remaining"], sale["paid_from"]["principal"],
                          sale["points_earned"]), (1000, 200, 300, 10))
        self.assertEqual(sale["tenders"][0]["amount"], 300)
        with self.unchanged(card):  # a card with nothing pays no part
            self.assert_error(self.lane.post("/v1/sales", card.sale_of(
                1200, tenders=tenders, allow_partial=True)), 422, "insufficient_balance")
        whole = card.sell(700, tenders=[{"type": "cash", "amount": 700}], allow_partial=True)
        self.assertNotIn("remaining", whole)

    def test_an_expected_payable_is_compared(self):
        card = self.card(1000)
        body = card.sale_of(700)
        with self.unchanged(card):
            for expected in (699, 701, 0):
                self.assert_error(self.lane.post("/v1/sales", {**body,
                                                               "expected_payable": expected}),
                                  422, "payable_changed", payable=700)
        self.assertEqual(self.lane.post("/v1/sales", {**body, "expected_payable": 700}).status, 201)
        self.assert_error(self.lane.post("/v1/sales", body), 409, "order_conflict")


class GiftsOfTopUps(unittest.TestCase):
    """Rules that give with a top-up: what becomes of the gift. A chain, for its rules."""

    @classmethod
    def setUpClass(cls):
        cls.chain = Chain(stores=1, regions=1, rules=os.path.join(
            os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy/rules/example.json"))
        cls.chain.__enter__()
        cls.addClassCleanup(cls.chain.__exit__, None, None, None)
        store = cls.chain.store("0101")
        cls.lane = Lane(store["url"], store["token"])
        cls.addClassCleanup(cls.lane.close)

    def cancel(self, order_no, verb):
        return self.lane.post(f"/v1/orders/{order_no}/cancel", {"verb": verb})

    def test_gifts_lapse_with_a_refund_and_return_with_its_cancel(self):
        card = Card(self.lane, "G1")
        top_up = card.top_up(50000)
        self.assertEqual(card.held(), (50000, 5000, 100, 0))
        refund = card.refund(top_up)
        self.assertEqual((refund["taken"], refund["points_clawed_back"], refund["paid_out"]),
                         ({"principal": 50000, "bonus": 5000, "points": 0}, 100,
                          [{"tender": "cash", "amount": 50000}]))
        self.assertEqual(card.held(), (0, 0, 0, 0))
        answer = self.cancel(refund["order_no"], "refund")
        self.assertEqual(answer.body["restored"], {"principal": 50000, "bonus": 5000,
                                                   "points": 100})
        self.assertEqual(card.held(), (50000, 5000, 100, 0))
        answer = self.cancel(top_up["order_no"], "top_up")
        self.assertEqual((answer.status, card.held()), (200, (0, 0, 0, 0)))

    def test_of_a_spent_top_up_the_gift_that_is_left_lapses(self):
        card = Card(self.lane, "G2")
        top_up = card.top_up(50000)
        sale = card.sell(11000)
        self.assertEqual((sale["paid_from"]["bonus"], sale["points_earned"]), (1000, 165))
        refund = card.refund(top_up)
        self.assertEqual((refund["amount"], refund["taken"]["bonus"], refund["rest"]),
                         (40000, 4000, 10000))
        self.assertEqual(refund["points_clawed_back"], 80)
        self.assertEqual(card.held(), (0, 0, 185, 0))
        back = card.refund(sale)  # the gift's part expires in the same step
        self.assertEqual(back["restored"], {"principal": 10000, "bonus": 0, "points": 0})
        self.assertEqual(card.held(), (10000, 0, 20, 0))

    def test_spent_gift_points_become_debt(self):
        card = Card(self.lane, "G3")
        top_up = card.top_up(50000)
        card.redeem(70)
        self.assertEqual(self.cancel(top_up["order_no"], "top_up").status, 200)
        self.assertEqual(card.held(), (0, 0, 0, 70))

    def test_where_refunds_want_points_a_cancel_makes_debt(self):
        card = Card(self.lane, "G4", account_type="vip")
        sale = card.sell_for("cash", 10000)
        self.assertEqual(card.held(), (0, 0, 150, 0))
        card.redeem(100)
        answer = self.lane.post("/v1/refunds", card.refund_of(sale))
        self.assertEqual((answer.code, answer.error["points_held"]), ("points_short", 50))
        self.assertEqual(self.cancel(sale["order_no"], "sale").status, 200)
        self.assertEqual(card.held(), (0, 0, 0, 100))

    def test_z_the_books_agree(self):
        """The last of the class by its name: all of the above is booked and proved."""
        self.chain.wait_booked()
        status, output = self.chain.tribctl_status("-o", "json", "books", "check")
        self.assertEqual(status, 0, output)
        self.assertEqual(self.chain.sql("SELECT count(*) FROM trib.quarantine"), [["0"]])


class EveryVerb(unittest.TestCase):
    """All of them on one card."""

    def test_what_was_done_and_undone_is_nothing_and_verifies(self):
        shop = Shop()
        self.addCleanup(shop.close)
        lane = Lane(shop.url, shop.token)
        self.addCleanup(lane.close)
        card = Card(lane, "1")
        first, second = card.top_up(1000), card.top_up(500)
        sale, redeemed = card.sell(900), card.redeem(3)
        refund = card.refund(sale, 100)
        for order, verb in ((refund["order_no"], "refund"), (redeemed["order_no"], "redemption"),
                            (sale["order_no"], "sale"), (first["order_no"], "top_up"),
                            ("never", "sale")):
            self.assertEqual(lane.post(f"/v1/orders/{order}/cancel", {"verb": verb}).status, 200)
        card.refund(second)
        self.assertEqual(card.held(), (0, 0, 0, 0))
        self.assertEqual(shop.verified(), 12)
        lane.close()
        self.assertEqual(shop.stop(), 0)
        shop.start()
        self.assertEqual(call(shop.url + f"/v1/accounts/{card.account}", token=shop.token)[2][
            "balance"]["principal"], 0)


if __name__ == "__main__":
    unittest.main()
