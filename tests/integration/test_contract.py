"""The tills' contract against the running agent: every call, every answer that a client can cause.

Each test of `Calls` drives one operation of api/openapi.json through all that it may answer. Every
answer is judged by the contract (status, code, headers, body; see contract.py); one that is not in
it fails at once, and what it promises and never came fails at the end of the test.
"""

import datetime
import unittest

from contract_case import CONTRACT, SEEN, STORE, Case, is_elsewhere
from harness import http as call
from store_case import Shop


def tearDownModule():
    """The contract report, of what ran."""
    print("\n".join(["contract report: answers by operation, and how often each was seen",
                     *SEEN.report(is_elsewhere)]), flush=True)


class Calls(Case):
    """One test per operation, named as it."""

    # pylint: disable=invalid-name

    def test_every_operation_has_a_test(self):
        tests = {n[5:] for n in dir(self) if n.startswith("test_")}
        self.assertEqual(tests - {"every_operation_has_a_test"}, set(CONTRACT.operations))

    def test_getHealth(self):
        self.expect(200, None, "GET", "/v1/health")
        self.expect(200, None, "GET", "/v1/health", token="admin")
        self.misuse("getHealth")
        self.complete("getHealth")

    def test_getContract(self):
        got = self.expect(200, None, "GET", "/v1/openapi.json", token=None)
        self.assertEqual(got, CONTRACT.doc)
        self.misuse("getContract")
        self.complete("getContract")

    def test_openCard(self):
        card = {"card_no": self.order("62229000")}
        key = {"Idempotency-Key": self.order("key")}
        first = self.done("/v1/cards", card, headers=key)
        again = self.ask("POST", "/v1/cards", card, headers=key)
        self.assertEqual((again[2], again[3]["Idempotent-Replayed"]), (first, "true"))
        self.assertEqual((first["member"], first["has_pin"]), (None, False))
        self.refused(409, "card_exists", "/v1/cards", card)
        self.refused(409, "key_reused", "/v1/cards", {"card_no": self.order("6222")}, key)
        error = self.refused(400, "bad_value", "/v1/cards", {"card_no": "1", "account_type": "no"})
        self.assertEqual(error["param"], "account_type")
        got = self.done("/v1/cards", {"card_no": self.order("62229000"), "pin": "482913",
                                      "member": {"name": "王小明", "phone": "+8613800135678"}})
        self.assertEqual((got["member"], got["has_pin"]),
                         ({"name": "王小明", "phone": "138****5678"}, True))
        many = [{"card_no": self.order("6222999"), "pin": "482913"} for _ in range(100)]
        self.at_once("/v1/cards", many, {(201, None), (429, "rate_limited")})
        self.misuse("openCard")
        self.complete("openCard")

    def test_searchCards(self):
        number = self.order("62223000")
        self.done("/v1/cards", {"card_no": number, "member": {"phone": "13800131234"}})
        for what in ({"card_no": number}, {"phone": "13800131234"}, {"phone": "+8613800131234"},
                     {"phone_last4": "1234"}):
            for token in ("lane", "admin"):
                got = self.expect(200, None, "POST", "/v1/cards/search", what, token=token)
                self.assertEqual(len(got["accounts"]), 1, what)
        self.assertEqual(self.expect(200, None, "POST", "/v1/cards/search", {
            "phone": "13800131235"}), {"accounts": []})
        for n in range(20):
            self.done("/v1/cards", {"card_no": f"{number}-{n}",
                                    "member": {"phone": f"139001{n:02}1234"}})
        got = self.expect(200, None, "POST", "/v1/cards/search", {"phone_last4": "1234"})
        self.assertEqual((len(got["accounts"]), got["more"]), (20, True))
        self.refused(400, "missing_field", "/v1/cards/search", {})
        self.refused(400, "bad_value", "/v1/cards/search", {"card_no": number, "phone": "12345"})
        self.misuse("searchCards")
        self.complete("searchCards")

    def test_getAccount(self):
        number = self.order("62221000")
        account = self.done("/v1/cards", {"card_no": number})["account"]
        self.done("/v1/top-ups", {"order_no": self.order("T"), "card_no": number, "paid": 20000,
                                  "tender": "cash"})
        for token in ("lane", "admin"):
            got = self.expect(200, None, "GET", f"/v1/accounts/{account}", token=token)
            self.assertEqual(got["balance"]["principal"], 20000)
        self.expect(404, "unknown_account", "GET", "/v1/accounts/" + "a" * 26)
        self.expect(404, "not_found", "GET", "/v1/accounts/a%")
        self.misuse("getAccount", f"/v1/accounts/{account}")
        self.complete("getAccount")

    def test_listActivities(self):
        number = self.order("62224000")
        account = self.done("/v1/cards", {"card_no": number})["account"]
        target = f"/v1/accounts/{account}/activities"
        self.done("/v1/top-ups", {"order_no": self.order("T"), "card_no": number, "paid": 20000,
                                  "tender": "cash", "operator": "小王"})
        sale = {"order_no": self.order("S"), "card_no": number, "amount": 15000}
        self.done("/v1/sales", sale)
        self.done(f"/v1/orders/{sale['order_no']}/cancel", {"verb": "sale"}, 200)
        for token in ("lane", "admin"):
            got = self.expect(200, None, "GET", target, token=token)
            self.assertEqual([(a["kind"], a["principal"]) for a in got["activities"]], [
                ("refund", 15000), ("sale", -15000), ("top_up", 20000), ("account_opened", 0)])
        first = self.expect(200, None, "GET", f"{target}?limit=3")
        rest = self.expect(200, None, "GET", f"{target}?limit=3&cursor={first['next_cursor']}")
        self.assertEqual(first["activities"] + rest["activities"], got["activities"])
        self.assertNotIn("next_cursor", rest)
        error = self.expect(400, "bad_value", "GET", f"{target}?cursor=no-such-page")["error"]
        self.assertEqual(error["param"], "cursor")
        self.expect(404, "unknown_account", "GET", f"/v1/accounts/{'a' * 26}/activities")
        self.expect(404, "not_found", "GET", "/v1/accounts/a%/activities")
        self.misuse("listActivities", target)
        self.complete("listActivities")

    def test_topUp(self):
        number = self.card()
        body = {"order_no": self.order("T"), "card_no": number, "paid": 50000, "tender": "wechat",
                "payment_ref": "W1", "operator": "小王"}
        self.repeats("/v1/top-ups", body, {"paid": 50001})
        self.cancelled("top_up", "/v1/top-ups", body)
        self.refused(404, "unknown_card", "/v1/top-ups", {**body, "card_no": "no-such-card",
                                                          "order_no": self.order("T")})
        self.misuse("topUp")
        self.complete("topUp")

    def test_sell(self):
        number = self.card(50000)
        body = {"order_no": self.order("S"), "card_no": number, "amount": 12345,
                "expected_payable": 12345, "operator": "小王", "staff": "D17"}
        self.repeats("/v1/sales", body, {"amount": 12346})
        self.refused(404, "unknown_card", "/v1/sales", {**body, "card_no": "no-such-card",
                                                        "order_no": self.order("S")})
        big = {"order_no": self.order("S"), "card_no": number, "amount": 50000}
        error = self.refused(422, "insufficient_balance", "/v1/sales", big)
        self.assertEqual((error["total"], error["payable"]), (37655, 50000))
        self.refusals_stay("/v1/sales", big, "insufficient_balance")
        error = self.refused(422, "payable_changed", "/v1/sales", {
            **body, "order_no": self.order("S"), "expected_payable": 12344})
        self.assertEqual(error["payable"], 12345)
        self.refused(422, "no_rule", "/v1/sales", {**body, "order_no": self.order("S"),
                                                   "use_points": 1})
        self.cancelled("sale", "/v1/sales", body)
        self.later_witness("/v1/sales", {**body, "order_no": self.order("S")})
        self.sales_of_many_lines(number)
        self.money_elsewhere()
        self.pins()
        self.misuse("sell")
        self.complete("sell")

    def sales_of_many_lines(self, number):
        """Lines and tenders: the answer has them, and they must add up."""
        lines = [{"sku": "BUN-3", "category": "bakery", "qty": 2000, "amount": 1600},
                 {"sku": "TEA-1", "qty": 1000, "amount": 10400}]
        tenders = [{"type": "stored_value", "amount": 5000},
                   {"type": "wechat", "amount": 7000, "payment_ref": "W9"}]
        body = {"card_no": number, "lines": lines, "tenders": tenders, "amount": 12000}
        sale = self.done("/v1/sales", {**body, "order_no": self.order("S")})
        self.assertEqual((sale["tenders"], sale["paid_from"]["principal"]), (tenders, 5000))
        error = self.refused(400, "bad_value", "/v1/sales", {
            **body, "order_no": self.order("S"), "amount": 12001})
        self.assertEqual(error["param"], "amount")
        error = self.refused(400, "bad_value", "/v1/sales", {
            **body, "order_no": self.order("S"), "tenders": tenders[:1]})
        self.assertEqual((error["param"], error["payable"], error["tendered"]),
                         ("tenders", 12000, 5000))
        self.assertIn("add up", error["detail"])
        self.refused(400, "bad_value", "/v1/sales", {
            **body, "order_no": self.order("S"), "tenders": [tenders[0], tenders[0]]})
        partial = self.done("/v1/sales", {"order_no": self.order("S"), "card_no": number,
                                          "amount": 10 ** 6, "allow_partial": True})
        self.assertEqual(partial["payable"] + partial["remaining"], 10 ** 6)

    def money_elsewhere(self):
        """What another shop holds: the refusal tells who, and the quote why."""
        body = {"order_no": self.order("S"), "card_no": "both", "amount": 5000}
        status, code, value = self.at("0102", "/v1/sales", body)
        self.assertEqual((status, code), (422, "insufficient_here"))
        error = value["error"]
        self.assertEqual(error["total"] - error["available_here"], 10000)
        self.assertEqual([(h["store"], h["amount"]) for h in error["held_elsewhere"]],
                         [("0101", 10000)])
        quote = self.at("0102", "/v1/quotes", body)[2]
        self.assertEqual((quote["approvable"], quote["why"]), (False, "insufficient_here"))

    def pins(self):
        """A card with a PIN: asked for, counted, locked."""
        number = self.card(100000, pin="482913")
        body = {"card_no": number, "amount": 100}
        self.refused(422, "pin_required", "/v1/sales", {**body, "order_no": self.order("S")})
        sale = {**body, "order_no": self.order("S"), "pin": "482913"}
        first = self.done("/v1/sales", sale)
        # The PIN is no part of what a repeat must repeat.
        again = self.ask("POST", "/v1/sales", {**body, "order_no": sale["order_no"]})
        self.assertEqual((again[2], again[3]["Idempotent-Replayed"]), (first, "true"))
        self.done("/v1/sales", {**body, "order_no": self.order("S"), "tenders": [
            {"type": "cash", "amount": 100}]})  # nothing of the card's value: no PIN
        self.crowd(number)
        wrong = {**body, "order_no": self.order("S"), "pin": "1234"}
        for left in (4, 3, 2, 1, 0):
            error = self.refused(422, "pin_wrong", "/v1/sales", wrong)
            self.assertEqual((error["tries_left"], "locked_until" in error), (left, left == 0))
        locked = self.refused(422, "pin_locked", "/v1/sales", {**wrong, "pin": "482913"})
        self.assertEqual(locked["locked_until"], error["locked_until"])

    def crowd(self, number):
        """PINs are compared one after the other: an order meets itself, and too many are sent
        away."""
        same = {"order_no": self.order("S"), "card_no": number, "amount": 1, "pin": "482913"}
        self.at_once("/v1/sales", [same] * 8, {(201, None), (409, "order_in_progress")})
        many = [{**same, "order_no": self.order("S")} for _ in range(80)]
        self.at_once("/v1/sales", many, {(201, None), (429, "rate_limited")})

    def test_refund(self):
        number = self.card(50000)
        order = self.order("S")
        sale = self.done("/v1/sales", {"order_no": order, "card_no": number, "amount": 12345})
        of = {"store": STORE, "order_no": order}
        body = {"order_no": self.order("R"), "of": of, "amount": 5000, "reason": "cold"}
        self.repeats("/v1/refunds", body, {"amount": 5001})
        again = {"order_no": self.order("R"), "of": of, "amount": 7346}
        error = self.refused(422, "refund_exceeds_sale", "/v1/refunds", again)
        self.assertEqual(error["rest"], 7345)
        self.refusals_stay("/v1/refunds", again, "refund_exceeds_sale")
        error = self.refused(422, "insufficient_here", "/v1/refunds", {
            "order_no": self.order("R"), "of": {"store": "0108", "order_no": order}})
        self.assertEqual(error["held_elsewhere"], [{"store": "0108"}])
        self.refused(404, "unknown_order", "/v1/refunds", {
            "order_no": self.order("R"), "of": {"store": STORE, "order_no": "none"}})
        self.later_witness("/v1/refunds", {"order_no": self.order("R"), "of": of})
        whole = self.done("/v1/refunds", {"order_no": self.order("R"), "of": {"txn": sale["txn"]}})
        self.assertEqual((whole["amount"], whole["rest"]), (7345, 0))
        self.cancelled("refund", "/v1/refunds", {"order_no": self.order("R"), "of": of})
        self.refunds_of_top_ups()
        self.points_that_are_spent(lambda sale: "/v1/refunds", lambda sale: {
            "order_no": self.order("R"), "of": {"txn": sale["txn"]}})
        self.misuse("refund")
        self.complete("refund")

    def refunds_of_top_ups(self):
        """A top-up is paid back whole, as far as it is held."""
        number, order = self.card(), self.order("T")
        top_up = self.done("/v1/top-ups", {"order_no": order, "card_no": number, "paid": 5000,
                                           "tender": "alipay", "payment_ref": "A1"})
        self.done("/v1/sales", {"order_no": self.order("S"), "card_no": number, "amount": 1000})
        of = {"order_no": self.order("R"), "of": {"txn": top_up["txn"]}}
        error = self.refused(400, "bad_value", "/v1/refunds", {**of, "amount": 3999})
        self.assertEqual((error["param"], error["detail"]),
                         ("amount", "a top-up is refunded whole: leave amount out"))
        self.refused(422, "refund_exceeds_sale", "/v1/refunds", {**of, "amount": 4001})
        refund = self.done("/v1/refunds", of)
        self.assertEqual((refund["taken"]["principal"], refund["paid_out"]), (4000, [
            {"tender": "alipay", "amount": 4000, "payment_ref": "A1"}]))

    def test_redeemPoints(self):
        number = self.card(100000)
        self.done("/v1/sales", {"order_no": self.order("S"), "card_no": number, "amount": 50000})
        body = {"order_no": self.order("P"), "card_no": number, "points": 300, "item": "CUP-1",
                "operator": "小王"}
        self.repeats("/v1/points/redemptions", body, {"points": 301})
        error = self.refused(422, "points_short", "/v1/points/redemptions", {
            **body, "order_no": self.order("P"), "points": 201})
        self.assertEqual((error["points_held"], error["points_wanted"]), (200, 201))
        self.refusals_stay("/v1/points/redemptions", {**body, "order_no": self.order("P")},
                           "points_short")
        self.refused(404, "unknown_card", "/v1/points/redemptions", {
            **body, "order_no": self.order("P"), "card_no": "no-such-card"})
        self.cancelled("redemption", "/v1/points/redemptions", body)
        self.later_witness("/v1/points/redemptions", {**body, "order_no": self.order("P")})
        self.misuse("redeemPoints")
        self.complete("redeemPoints")

    def test_quote(self):
        number = self.card(10000)
        seq = self.expect(200, None, "GET", "/v1/health")["seq"]["stored"]
        body = {"card_no": number, "amount": 4000}
        quote = self.expect(200, None, "POST", "/v1/quotes", body)
        self.assertEqual((quote["payable"], quote["approvable"]), (4000, True))
        quote = self.expect(200, None, "POST", "/v1/quotes", {**body, "order_no": "Q",
                                                              "amount": 10001})
        self.assertEqual((quote["approvable"], quote["why"]), (False, "insufficient_balance"))
        quote = self.expect(200, None, "POST", "/v1/quotes", {**body, "amount": 10001,
                                                              "allow_partial": True})
        self.assertEqual((quote["approvable"], quote["payable"], quote["remaining"]),
                         (True, 10000, 1))
        quote = self.expect(200, None, "POST", "/v1/quotes", body, headers={
            "Trib-Witness": "1.999999.0123456789abcdef"})
        self.assertEqual(quote["why"], "journal_rolled_back")
        changed = {**body, "expected_payable": 1}
        quote = self.expect(200, None, "POST", "/v1/quotes", changed)
        self.assertEqual((quote["payable"], quote["why"]), (4000, "payable_changed"))
        self.refused(422, "payable_changed", "/v1/quotes", {
            **changed, "tenders": [{"type": "cash", "amount": 1}]})
        error = self.refused(422, "no_rule", "/v1/quotes", {**body, "use_points": 1})
        self.assertIn("use_points", error["detail"])
        self.refused(404, "unknown_card", "/v1/quotes", {**body, "card_no": "no-such-card"})
        self.assertEqual(self.expect(200, None, "GET", "/v1/health")["seq"]["stored"], seq)
        secret = self.card(100, pin="482913")
        quote = self.expect(200, None, "POST", "/v1/quotes", {"card_no": secret, "amount": 100})
        self.assertTrue(quote["pin_required"])
        self.misuse("quote")
        self.complete("quote")

    def test_cancelOrder(self):
        number = self.card(50000)
        cancel = "/v1/orders/{}/cancel".format
        for verb in ("sale", "top_up", "refund", "redemption"):
            order = self.order("N")
            never = self.done(cancel(order), {"verb": verb}, 200)
            self.assertEqual((never["reversed"], "txn" in never), (False, False))
        sale = {"order_no": self.order("S"), "card_no": number, "amount": 20000}
        self.done("/v1/sales", sale)
        parts = [{"order_no": self.order("R"), "of": {"store": STORE, "order_no": sale["order_no"]},
                  "amount": 100} for _ in range(2)]
        for part in parts:
            self.done("/v1/refunds", part)
        first = cancel(parts[0]["order_no"])
        error = self.refused(409, "order_conflict", first, {"verb": "refund"})
        self.assertEqual(error["param"], "order_no")
        for part in reversed(parts):
            undone = self.done(cancel(part["order_no"]), {"verb": "refund"}, 200)
            self.assertEqual((undone["reversed"], undone["amount"], undone["collect"]),
                             (True, 100, []))
        redemption = {"order_no": self.order("P"), "card_no": number, "points": 150,
                      "item": "CUP-1"}
        self.done("/v1/points/redemptions", redemption)
        self.done(cancel(redemption["order_no"]), {"verb": "redemption", "operator": "小王"}, 200)
        key = {"Idempotency-Key": self.order("key")}
        got = self.done(cancel(sale["order_no"]), {"verb": "sale"}, 200, headers=key)
        self.assertEqual((got["amount"], got["balance"]["principal"]), (20000, 50000))
        again = self.ask("POST", cancel(sale["order_no"]), {"verb": "sale"})
        self.assertEqual((again[0], again[2], again[3]["Idempotent-Replayed"]), (200, got, "true"))
        self.refused(409, "key_reused", cancel("other"), {"verb": "sale"}, key)
        top_up = {"order_no": self.order("T"), "card_no": number, "paid": 100, "tender": "cash"}
        self.done("/v1/top-ups", top_up)
        self.done(cancel(top_up["order_no"]), {"verb": "top_up"}, 200)
        spent = self.card(100)
        self.done("/v1/sales", {"order_no": self.order("S"), "card_no": spent, "amount": 1})
        self.refused(422, "insufficient_balance", cancel(f"T{self.number - 1}"), {"verb": "top_up"})
        order = self.order("T")
        self.at("0102", "/v1/top-ups", {"order_no": order, "card_no": "both", "paid": 100,
                                        "tender": "cash"})
        self.at("0102", "/v1/sales", {"order_no": self.order("S"), "card_no": "both", "amount": 1})
        got = self.at("0102", cancel(order), {"verb": "top_up"})
        self.assertEqual(got[:2], (422, "insufficient_here"), got)
        self.points_of_a_top_up_that_are_spent(cancel)
        self.expect(404, "not_found", "POST", cancel("a%"), {"verb": "sale"})
        error = self.refused(400, "bad_value", cancel("a%20b"), {"verb": "sale"})
        self.assertEqual(error["param"], "order_no")
        self.misuse("cancelOrder", cancel(self.order("N")))
        self.complete("cancelOrder")

    def test_getOrder(self):
        number, order = self.card(50000), self.order("S")
        self.expect(404, "unknown_order", "GET", f"/v1/orders/{order}")
        sale = self.done("/v1/sales", {"order_no": order, "card_no": number, "amount": 10000})
        self.done("/v1/top-ups", {"order_no": order, "card_no": number, "paid": 100,
                                  "tender": "cash"})
        self.done("/v1/refunds", {"order_no": order, "of": {"txn": sale["txn"]}, "amount": 1})
        self.done("/v1/points/redemptions", {"order_no": order, "card_no": number, "points": 9,
                                             "item": "CUP-1"})
        got = self.expect(200, None, "GET", f"/v1/orders/{order}", token="admin")
        self.assertEqual({(o["verb"], o["state"]) for o in got["orders"]}, {
            (v, "done") for v in ("sale", "top_up", "refund", "redemption")})
        cancel = self.done(f"/v1/orders/{order}/cancel", {"verb": "redemption"}, 200)
        got = self.expect(200, None, "GET", f"/v1/orders/{order}")
        self.assertIn(("redemption", "cancelled", cancel["txn"]), {
            (o["verb"], o["state"], o.get("cancel_txn")) for o in got["orders"]})
        never = self.order("N")
        self.done(f"/v1/orders/{never}/cancel", {"verb": "sale"}, 200)
        got = self.expect(200, None, "GET", f"/v1/orders/{never}")
        self.assertEqual([(o["verb"], o["state"]) for o in got["orders"]], [("sale", "cancelled")])
        self.expect(404, "not_found", "GET", "/v1/orders/" + "x" * 200)
        self.misuse("getOrder", f"/v1/orders/{order}")
        self.complete("getOrder")

    def test_closeDay(self):
        self.shop = Shop()  # what comes after a seal is tomorrow's
        self.addCleanup(self.shop.close)
        number, order = self.card(50000), self.order("S")
        self.done("/v1/sales", {"order_no": order, "card_no": number, "amount": 12345,
                                "operator": "小王"})
        self.done("/v1/refunds", {"order_no": self.order("R"), "amount": 5000,
                                  "of": {"store": STORE, "order_no": order}})
        journal = self.expect(200, None, "GET", "/v1/journal", token="admin")["items"]
        today = datetime.date.fromisoformat(journal[0]["business_day"])
        days = [f"/v1/days/{today - datetime.timedelta(days=n)}/close" for n in range(4)]
        body = {"pos": {"stored_value": 7345, "count": 3}, "operator": "小王"}
        key = {"Idempotency-Key": self.order("key")}
        first = self.done(days[0], body, headers=key)
        self.assertEqual((first["state"], first["business_day"]), ("sealed", str(today)))
        for headers in (key, {}):
            again = self.ask("POST", days[0], body, headers=headers)
            self.assertEqual((again[2], again[3]["Idempotent-Replayed"]), (first, "true"))
        error = self.refused(422, "day_closed", days[0], {})
        self.assertEqual(error["txn"], first["txn"])
        self.refused(409, "key_reused", days[1], body, key)
        got = self.done(days[1], body)
        self.assertEqual((got["state"], got["diff"]["count"]), ("mismatch", {"pos": 3, "journal": 0}))
        self.assertEqual(self.ask("POST", days[2])[:2], (201, None))  # no body at all
        self.at_once(days[3], [{}] * 4, {(201, None), (409, "order_in_progress")})
        for day in ("2026-02-30", "today", str(today + datetime.timedelta(days=9))):
            error = self.refused(400, "bad_value", f"/v1/days/{day}/close", {})
            self.assertEqual(error["param"], "day")
        self.refused(404, "not_found", "/v1/days/2026%/close", {})
        self.misuse("closeDay", f"/v1/days/{today - datetime.timedelta(days=9)}/close")
        self.complete("closeDay")

    def test_pair(self):
        self.shop = Shop()  # wrong codes are counted, whoever they come from
        self.addCleanup(self.shop.close)
        code = self.done("/v1/lanes/pair", {"lane": 5}, token="admin")["code"]
        got = self.done("/v1/pair", {"code": code.lower()}, token=None)
        self.assertEqual(got["lane"], 5)
        self.expect(200, None, "GET", "/v1/health", token=got["token"])
        self.expect(401, "unauthorized", "POST", "/v1/pair", {"code": code}, None)
        self.misuse("pair", token=None)
        for n in range(12):
            last = self.ask("POST", "/v1/pair", {"code": f"AAAAAA{n:02}"}, None)
        self.assertEqual(last[:2], (429, "rate_limited"))
        self.complete("pair")

    def test_verifyJournal(self):
        self.card(100)
        got = self.expect(200, None, "POST", "/v1/journal/verify", token="admin")
        self.assertTrue(got["ok"])
        self.at_once("/v1/journal/verify", [{}] * 40, {(200, None), (429, "rate_limited")}, "admin")
        self.expect(413, "too_large", "POST", "/v1/journal/verify", b" " * 65537, token="admin")
        self.misuse("verifyJournal", token="admin")
        self.complete("verifyJournal")

    def test_createPairingCode(self):
        self.done("/v1/lanes/pair", {"lane": 4, "label": "left till"}, token="admin")
        self.misuse("createPairingCode", token="admin")
        self.complete("createPairingCode")

    def test_listLanes(self):
        got = self.expect(200, None, "GET", "/v1/lanes", token="admin")
        self.assertIn({"lane": 1, "label": ""}, got["lanes"])
        self.misuse("listLanes", token="admin")
        self.complete("listLanes")

    def test_revokeLane(self):
        self.done("/v1/lanes/pair", {"lane": 6}, token="admin")
        got = self.expect(200, None, "DELETE", "/v1/lanes/6", {"reason": "stolen"}, "admin")
        self.assertEqual(got, {"lane": 6, "state": "revoked"})
        self.expect(404, "not_found", "DELETE", "/v1/lanes/6", None, "admin")
        self.misuse("revokeLane", "/v1/lanes/6", token="admin")
        self.complete("revokeLane")

    def test_listJournal(self):
        self.card(100)
        got = self.expect(200, None, "GET", "/v1/journal?from=2&limit=1", token="admin")
        self.assertEqual([i["seq"] for i in got["items"]], [2])
        self.expect(200, None, "GET", "/v1/journal", token="admin")
        self.misuse("listJournal", token="admin")
        self.complete("listJournal")


if __name__ == "__main__":
    unittest.main()
