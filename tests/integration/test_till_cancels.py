"""Cancels: an order that happened is undone, one that never came never will; and no call succeeds
under its number any more."""

import signal
import unittest
import urllib.parse

from till_case import TillCase


class CancelOfSales(TillCase):
    """What is left of it comes back, and no call succeeds under its number any more."""

    def test_what_was_taken_comes_back(self):
        card = self.card(1000)
        body = card.sale_of(700)
        sale = card.done("/v1/sales", body)
        self.assertEqual(card.held(), (300, 0, 7, 0))
        answer = self.cancelled(body["order_no"], "sale")
        self.assertEqual((answer["amount"], answer["restored"], answer["points_clawed_back"],
                          answer["rest"], answer["paid_out"]),
                         (700, {"principal": 700, "bonus": 0, "points": 0}, 7, 0, []))
        self.assertEqual(card.held(), (1000, 0, 0, 0))
        self.assertEqual(answer["balance"], card.now()["balance"])
        self.assertEqual(self.orders(body["order_no"]),
                         {"sale": ("cancelled", True, answer["txn"])})
        with self.unchanged(card):
            self.assert_error(self.lane.post("/v1/sales", body), 409, "order_cancelled",
                              txn=answer["txn"])
            self.assert_error(self.lane.post("/v1/refunds", card.refund_of(sale)), 422,
                              "refund_exceeds_sale", rest=0)

    def test_after_refunds_only_the_rest_comes_back(self):
        card = self.card(1000)
        sale = card.sell(777)
        card.refund(sale, 77)
        answer = self.cancelled(sale["order_no"], "sale")
        self.assertEqual((answer["amount"], answer["restored"]["principal"],
                          answer["points_clawed_back"]), (700, 700, 7))
        self.assertEqual(card.held(), (1000, 0, 0, 0))

    def test_where_nothing_is_left_nothing_moves(self):
        card = self.card(1000)
        sale = card.sell(500)
        card.refund(sale)
        first = self.stored() + 1
        self.assertNotIn("txn", self.cancelled(sale["order_no"], "sale"))
        self.assertEqual((self.kinds(first), card.held()), (["order_cancelled"], (1000, 0, 0, 0)))
        self.assertEqual(self.orders(sale["order_no"]), {"sale": ("cancelled", True, None)})

    def test_other_tenders_get_theirs(self):
        card = self.card(500)
        sale = card.sell(1200, tenders=[{"type": "wechat", "amount": 700, "payment_ref": "W"},
                                        {"type": "stored_value", "amount": 300},
                                        {"type": "cash", "amount": 200}])
        card.refund(sale, 800)
        answer = self.cancelled(sale["order_no"], "sale")
        self.assertEqual((answer["paid_out"], answer["restored"]["principal"]),
                         ([{"tender": "cash", "amount": 100}], 300))
        self.assertEqual(card.held(), (500, 0, 0, 0))

    def test_spent_points_become_debt(self):
        card = self.card(1000)
        sale = card.sell(900)
        card.redeem(5)
        self.cancelled(sale["order_no"], "sale")
        self.assertEqual(card.held(), (1000, 0, 0, 5))


class CancelOfTopUps(TillCase):
    """The whole top-up goes back, or nothing."""

    def test_it_goes_back_to_its_tender(self):
        card = self.card(300)
        top_up = card.top_up(1000, tender="wechat")
        answer = self.cancelled(top_up["order_no"], "top_up")
        self.assertEqual((answer["amount"], answer["paid_out"], answer["taken"]["principal"]),
                         (1000, [{"tender": "wechat", "amount": 1000}], 1000))
        self.assertEqual(card.held(), (300, 0, 0, 0))
        self.assert_error(self.lane.post("/v1/top-ups", {
            "order_no": top_up["order_no"], "card_no": card.no, "paid": 1000,
            "tender": "wechat"}), 409, "order_cancelled", txn=answer["txn"])

    def test_one_that_was_spent_is_refused(self):
        card = self.card()
        top_up = card.top_up(1000)
        sale = card.sell(1)
        with self.unchanged(card):
            first = self.cancel(top_up["order_no"], "top_up", key="spent")
            self.assert_error(first, 422, "insufficient_balance", total=999, available_here=999)
        card.refund(sale)
        again = self.cancel(top_up["order_no"], "top_up", key="spent")
        self.assertEqual((again.is_replay, again.stored), (True, first.stored))
        self.assertIn("txn", self.cancelled(top_up["order_no"], "top_up", key="whole again"))
        self.assertEqual(card.held()[0], 0)

    def test_one_of_which_a_part_was_refunded_is_refused(self):
        card = self.card()
        top_up = card.top_up(1000)
        card.sell(400)
        card.refund(top_up)
        with self.unchanged(card):
            self.assert_error(self.cancel(top_up["order_no"], "top_up"), 422,
                              "insufficient_balance")

    def test_one_that_was_refunded_ends_without_moving_anything(self):
        card = self.card()
        top_up = card.top_up(1000)
        card.refund(top_up)
        self.assertNotIn("txn", self.cancelled(top_up["order_no"], "top_up"))


class CancelOfRefunds(TillCase):
    """The refund is undone, if nothing rests on it and what it gave is there."""

    def test_value_and_points_are_as_before(self):
        card = self.card(1000)
        sale = card.sell(700)
        refund = card.refund(sale, 250)
        self.assertEqual(card.held(), (550, 0, 4, 0))
        answer = self.cancelled(refund["order_no"], "refund")
        self.assertEqual(answer["restored"], {"principal": -250, "bonus": 0, "points": 3})
        self.assertEqual((answer["reversed"], answer["amount"], answer["collect"]),
                         (True, 250, []))
        self.assertEqual(card.held(), (300, 0, 7, 0))
        self.assertEqual(card.refund(sale)["amount"], 700)

    def test_only_the_last_one_that_stands_can_be_undone(self):
        card = self.card(1000)
        sale = card.sell(700)
        first, second = card.refund(sale, 100), card.refund(sale, 200)
        with self.unchanged(card):
            self.assert_error(self.cancel(first["order_no"], "refund"), 409, "order_conflict",
                              param="order_no")
        self.cancelled(second["order_no"], "refund")
        self.cancelled(first["order_no"], "refund")
        self.assertEqual(card.held(), (300, 0, 7, 0))

    def ends_and_moves_nothing(self, amount):
        card = self.card(1000)
        sale = card.sell(700)
        refund = card.refund(sale, amount)
        self.cancelled(sale["order_no"], "sale")
        self.assertEqual(card.held()[0], 1000)
        before = card.held()
        self.assertNotIn("txn", self.cancelled(refund["order_no"], "refund"))
        self.assertEqual(card.held(), before)

    def test_one_of_a_cancelled_sale_ends_and_moves_nothing(self):
        self.ends_and_moves_nothing(100)

    def test_one_that_left_nothing_to_a_cancelled_sale_ends_and_moves_nothing(self):
        self.ends_and_moves_nothing(700)

    def test_one_whose_value_was_spent_is_refused(self):
        card = self.card(500)
        refund = card.refund(card.sell(500))
        card.sell(1)
        with self.unchanged(card):
            self.assert_error(self.cancel(refund["order_no"], "refund"), 422,
                              "insufficient_balance", total=499)

    def test_one_that_went_to_other_tenders_asks_for_no_value(self):
        card = self.card()
        sale = card.sell_for("cash", 500)
        refund = card.refund(sale, 200)
        self.assertEqual(card.held(), (0, 0, 3, 0))
        answer = self.cancelled(refund["order_no"], "refund")
        self.assertEqual((answer["amount"], answer["collect"]),
                         (200, [{"tender": "cash", "amount": 200}]))
        self.assertEqual(card.held(), (0, 0, 5, 0))

    def test_one_of_a_top_up_brings_its_lot_back(self):
        card = self.card()
        top_up = card.top_up(1000)
        refund = card.refund(top_up)
        answer = self.cancelled(refund["order_no"], "refund")
        self.assertEqual((answer["restored"]["principal"], card.held()[0]), (1000, 1000))
        self.assertEqual((answer["amount"], answer["collect"]), (1000, refund["paid_out"]))
        self.assertIn("txn", self.cancelled(top_up["order_no"], "top_up"))

    def test_what_a_cancelled_order_did_stays_to_be_seen(self):
        card = self.card(500)
        refund = card.refund(card.sell(500), 100)
        answer = self.cancelled(refund["order_no"], "refund")
        self.assertEqual(self.orders(refund["order_no"]),
                         {"refund": ("cancelled", True, answer["txn"])})
        late = self.lane.post("/v1/refunds", {"order_no": refund["order_no"],
                                              "of": {"txn": "0107-1-1"}})
        self.assert_error(late, 409, "order_cancelled", txn=answer["txn"])


class CancelOfRedemptions(TillCase):
    """The points come back."""

    def test_points_come_back(self):
        card = self.card(1000)
        card.sell(900)
        redemption = card.redeem(5)
        answer = self.cancelled(redemption["order_no"], "redemption")
        self.assertEqual((answer["restored"]["points"], card.held()), (5, (100, 0, 9, 0)))

    def test_they_pay_what_is_owed_first(self):
        card = self.card(1000)
        sale = card.sell(900)
        redemption = card.redeem(5)
        card.refund(sale)
        self.assertEqual(card.held(), (1000, 0, 0, 5))
        self.cancelled(redemption["order_no"], "redemption")
        self.assertEqual(card.held(), (1000, 0, 0, 0))


class CancelOfAnything(TillCase):
    """What all cancels have in common."""

    def late(self, card, verb):
        """A call with a number of its own, after it was cancelled."""
        paths = {"sale": ("/v1/sales", card.sale_of(100)),
                 "top_up": ("/v1/top-ups", card.top_up_of(100)),
                 "refund": ("/v1/refunds", card.refund_of({"txn": "0107-1-2"})),
                 "redemption": ("/v1/points/redemptions", card.redemption_of(1))}
        return paths[verb]

    def test_an_order_that_never_came_never_will(self):
        card = self.card(1000)
        for verb in ("sale", "top_up", "refund", "redemption"):
            with self.subTest(verb=verb):
                path, body = self.late(card, verb)
                first = self.stored() + 1
                self.assertNotIn("txn", self.cancelled(body["order_no"], verb))
                self.assertEqual(self.kinds(first), ["order_cancelled"])
                with self.unchanged(card):
                    for key in (None, f"late {verb}"):
                        late = self.lane.post(path, body, key)
                        self.assert_error(late, 409, "order_cancelled", txn=None)
                self.assertEqual(self.orders(body["order_no"]), {verb: ("cancelled", False, None)})

    def test_the_number_stays_free_for_other_verbs(self):
        card = self.card(1000)
        body = card.sale_of(100)
        self.cancelled(body["order_no"], "top_up")
        self.assertEqual(self.lane.post("/v1/sales", body).status, 201)
        self.assertEqual(self.orders(body["order_no"]), {
            "top_up": ("cancelled", False, None), "sale": ("done", True, None)})

    def test_it_is_done_once_and_told_to_all_who_ask(self):
        card = self.card(1000)
        sale = card.sell(100)
        first = self.cancelled(sale["order_no"], "sale")
        with self.unchanged(card):
            for key, lane in ((None, 0), (None, 1), ("again", 0), ("again", 1)):
                answer = self.cancel(sale["order_no"], "sale", key, self.lanes[lane])
                self.assertEqual((answer.status, answer.is_replay), (200, True))
                self.assertEqual(answer.body["txn"], first["txn"])
                self.assertEqual(answer.stored, {k: v for k, v in first.items()
                                                 if k not in ("sync_state", "uplink")})

    def test_a_cancel_that_never_came_is_told_alike(self):
        for key in (None, "never"):
            with self.subTest(key=key):
                order = f"never-{key}"
                first = self.cancel(order, "sale", key)
                for again in (key, None, f"other-{key}"):
                    answer = self.cancel(order, "sale", again)
                    self.assertEqual((answer.status, answer.is_replay, answer.stored),
                                     (200, True, first.stored))

    def test_its_key_is_for_it_alone(self):
        card = self.card(1000)
        body = card.sale_of(100)
        self.assertEqual(self.lane.post("/v1/sales", body, "of the sale").status, 201)
        with self.unchanged(card):
            self.assert_error(self.cancel(body["order_no"], "sale", "of the sale"), 409,
                              "key_reused")
        self.cancelled(body["order_no"], "sale", "of the cancel")
        for order, verb in ((body["order_no"], "top_up"), ("another", "sale")):
            self.assert_error(self.cancel(order, verb, "of the cancel"), 409, "key_reused")
        self.assert_error(self.lane.post("/v1/sales", card.sale_of(1), "of the cancel"), 409,
                          "key_reused")
        self.assert_error(self.lane.post("/v1/sales", body, "of the sale"), 409,
                          "order_cancelled")

    def test_a_refused_order_can_be_cancelled(self):
        card = self.card(100)
        body = card.sale_of(200)
        self.assert_error(self.lane.post("/v1/sales", body, "refused"), 422, "insufficient_balance")
        self.assertNotIn("txn", self.cancelled(body["order_no"], "sale"))
        card.top_up(1000)
        for key in ("refused", "new", None):
            self.assert_error(self.lane.post("/v1/sales", body, key), 409, "order_cancelled")

    def test_it_outlives_the_process(self):
        card = self.card(1000)
        sale, never = card.sell(100), card.sale_of(100)
        first = self.cancelled(sale["order_no"], "sale")
        self.cancelled(never["order_no"], "sale")
        self.restart(signal.SIGKILL)
        self.assertEqual(self.cancel(sale["order_no"], "sale").body["txn"], first["txn"])
        with self.unchanged(card):
            self.assert_error(self.lane.post("/v1/sales", never), 409, "order_cancelled")

    def test_every_order_number_can_be_cancelled(self):
        card = self.card(1000)
        for order in ("a/b", "a+b", "a%b", "a?b", "a#b", "a%2Fb", "..", "/", "a&b=c", '"\\',
                      "x" * 64):
            with self.subTest(order=order):
                card.sell(1, order_no=order)
                answer = self.cancel(urllib.parse.quote(order, safe=""), "sale")
                self.assertEqual((answer.status, answer.body["order_no"]), (200, order))
                self.assertEqual(card.held()[0], 1000)

    def test_bad_calls(self):
        with self.unchanged():
            for body, code, param in (({}, "missing_field", "verb"),
                                      ({"verb": "card"}, "bad_value", "verb"),
                                      ({"verb": "cancel"}, "bad_value", "verb"),
                                      ({"verb": 1}, "bad_value", "verb"),
                                      ({"verb": "sale", "amount": 1}, "unknown_field", "amount"),
                                      ({"verb": "sale", "pin": "1234"}, "unknown_field", "pin")):
                with self.subTest(body=body):
                    self.assert_error(self.lane.post("/v1/orders/x/cancel", body), 400, code,
                                      param=param)
            for order in ("x" * 65, "a%20b", "%C3%A9"):
                with self.subTest(order=order):
                    self.assert_error(self.cancel(order, "sale"), 400, "bad_value",
                                      param="order_no")
            self.assertEqual(self.shop.manage("POST", "/v1/orders/x/cancel", {"verb": "sale"})[0],
                             401)
            self.assertEqual(self.lane.get("/v1/orders/x/cancel").status, 405)


if __name__ == "__main__":
    unittest.main()
