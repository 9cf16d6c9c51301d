"""What a shop does that is cut off for days: one test for each row of docs/till.md's table.

A test's name begins with its row's id. Days pass by libfaketime: the shop's box is started anew
each day, as one that is switched off at night.
"""

import datetime
import glob
import os
import re
import signal
import unittest
from unittest import mock

from harness import TOP, Chain, http as call, wait_until
from store_case import Shop

DOCS = ("docs/till.md", "docs/till.zh-CN.md")
ROW = re.compile(r"^\| (C[0-9]+) \|", re.M)
LIBRARY = "/usr/lib/*/faketime/libfaketime.so.1"
CHINA = datetime.timezone(datetime.timedelta(hours=8))


def ahead(days):
    """The environment in which it is that many days later."""
    if days == 0:
        return {}
    return {"LD_PRELOAD": glob.glob(LIBRARY)[0], "FAKETIME": f"+{days}d",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}


class CutOff(unittest.TestCase):
    """A till at a shop without its link, and the days."""

    def next_day(self):
        """Switch the box off and on again, a day later."""
        raise NotImplementedError

    def call(self, method, path, body=None, key=None):
        """A till's call; (status, headers, JSON)."""
        raise NotImplementedError

    def each_day(self, days):
        """The numbers of so many days, each of which begins with the box's start."""
        for day in range(days):
            self.next_day()
            yield day

    def business_day(self):
        """Of an entry written now."""
        number = self.number()
        self.done("/v1/cards", {"card_no": f"clock-{number}"})
        return self.journal()[-1]["business_day"]

    def number(self):
        """A number for what has to be new."""
        type(self).numbers += 1
        return type(self).numbers

    def done(self, path, body, status=201):
        """A call that succeeds; its answer."""
        got = self.call("POST", path, body)
        self.assertEqual(got[0], status, got[2])
        if "uplink" in got[2]:
            self.assertEqual(got[2]["uplink"]["state"], "offline")
        return got[2]

    def refused(self, path, body, code):
        """One that is refused; the error."""
        got = self.call("POST", path, body)
        self.assertEqual(got[2].get("error", {}).get("code"), code, got[2])
        return got[2]["error"]

    def card(self, paid=0, **more):
        """A new card, with that much on it."""
        card = f"62{self.number():06}"
        self.done("/v1/cards", {"card_no": card, **more})
        if paid:
            self.top_up(card, paid)
        return card

    def top_up(self, card, paid):
        return self.done("/v1/top-ups", {"order_no": f"T{self.number()}", "card_no": card,
                                         "paid": paid, "tender": "cash"})

    def sale(self, card, amount, **more):
        """A sale's body, with a new number."""
        return {"order_no": f"S{self.number()}", "card_no": card, "amount": amount, **more}


class Alone(CutOff):
    """A shop that never heard of anybody since it was enrolled."""

    numbers = 0

    @classmethod
    def setUpClass(cls):
        cls.shop = Shop()
        cls.addClassCleanup(cls.shop.close)
        cls.days = 0

    def restart(self):
        self.shop.stop()
        with mock.patch.dict(os.environ, ahead(self.days)):
            self.shop.start()

    def next_day(self):
        type(self).days += 1
        self.restart()
        now = datetime.datetime.now(CHINA) + datetime.timedelta(days=self.days)
        self.assertIn(self.business_day(), {str((now - datetime.timedelta(minutes=m)).date())
                                            for m in (0, 10)})

    def call(self, method, path, body=None, key=None):
        return self.shop.till(method, path, body, key)

    def journal(self):
        return self.shop.manage("GET", "/v1/journal?limit=1000")[2]["items"]

    def test_C1_a_known_card_pays_what_the_shop_holds(self):
        card = self.card(50000)
        for day in self.each_day(3):
            sale = self.done("/v1/sales", self.sale(card, 10000))
            self.assertEqual(sale["available_here"]["principal"], 40000 - 10000 * day)
            self.assertEqual(sale["sync_state"], "stored")

    def test_C2_more_than_the_shop_holds_is_refused(self):
        card = self.card(50000)
        for _ in self.each_day(2):
            error = self.refused("/v1/sales", self.sale(card, 50001), "insufficient_balance")
            self.assertEqual(error["available_here"], 50000)

    def test_C4_a_card_never_seen_is_opened_tops_up_earns_and_pays(self):
        for _ in self.each_day(2):
            card = f"other-shop-{self.number()}"
            self.refused("/v1/sales", self.sale(card, 100), "unknown_card")
            self.refused("/v1/top-ups", {"order_no": "x", "card_no": card, "paid": 1,
                                         "tender": "cash"}, "unknown_card")
            self.done("/v1/cards", {"card_no": card})
            self.refused("/v1/sales", self.sale(card, 100), "insufficient_balance")
            self.assertEqual(self.top_up(card, 20000)["gives"]["principal"], 20000)
            sale = self.done("/v1/sales", self.sale(card, 5000))
            self.assertEqual((sale["points_earned"], sale["balance"]["principal"]), (50, 15000))

    def test_C6_wrong_pins_count_and_lock(self):
        card = self.card(50000, pin="482913")
        self.next_day()
        self.refused("/v1/sales", self.sale(card, 100), "pin_required")
        self.done("/v1/sales", self.sale(card, 100, pin="482913"))
        for left in (4, 3):
            error = self.refused("/v1/sales", self.sale(card, 100, pin="0000"), "pin_wrong")
            self.assertEqual(error["tries_left"], left)
        self.next_day()  # it forgets nothing
        for left in (2, 1, 0):
            error = self.refused("/v1/sales", self.sale(card, 100, pin="0000"), "pin_wrong")
            self.assertEqual(error["tries_left"], left)
        self.refused("/v1/sales", self.sale(card, 100, pin="482913"), "pin_locked")
        self.next_day()
        self.done("/v1/sales", self.sale(card, 100, pin="482913"))

    def test_C8_a_receipt_of_this_shop_is_refunded_days_later(self):
        card = self.card(50000)
        sale = self.done("/v1/sales", self.sale(card, 12345))
        for rest in (9000, 5000, 0):
            self.next_day()
            amount = {"amount": {9000: 3345, 5000: 4000}[rest]} if rest else {}
            refund = self.done("/v1/refunds", {"order_no": f"R{self.number()}",
                                               "of": {"txn": sale["txn"]}, **amount})
            self.assertEqual(refund["rest"], rest)
        self.assertEqual(refund["balance"]["principal"], 50000)

    def test_C9_a_receipt_of_another_shop_is_not(self):
        for _ in self.each_day(2):
            error = self.refused("/v1/refunds", {
                "order_no": f"R{self.number()}", "of": {"store": "0999", "order_no": "S1"}},
                "insufficient_here")
            self.assertEqual(error["held_elsewhere"], [{"store": "0999"}])

    def test_C10_a_top_up_is_refunded_as_far_as_it_is_held(self):
        card = self.card()
        top_up = self.top_up(card, 30000)
        self.next_day()
        self.done("/v1/sales", self.sale(card, 10000))
        self.next_day()
        refund = self.done("/v1/refunds", {"order_no": f"R{self.number()}",
                                           "of": {"txn": top_up["txn"]}})
        self.assertEqual(refund["paid_out"], [{"tender": "cash", "amount": 20000}])

    def test_C11_orders_are_cancelled_yesterday_s_and_those_that_never_came(self):
        card = self.card(50000)
        sale = self.sale(card, 10000)
        self.done("/v1/sales", sale)
        self.next_day()
        cancel = self.done(f"/v1/orders/{sale['order_no']}/cancel", {"verb": "sale"}, 200)
        self.assertEqual(cancel["balance"]["principal"], 50000)
        never = self.sale(card, 1)
        self.done(f"/v1/orders/{never['order_no']}/cancel", {"verb": "sale"}, 200)
        self.next_day()
        for order in (sale, never):
            self.refused("/v1/sales", order, "order_cancelled")

    def test_C12_quotes_tell_what_a_sale_would_be(self):
        card = self.card(5000)
        for _ in self.each_day(2):
            quote = self.done("/v1/quotes", {"card_no": card, "amount": 5000}, 200)
            self.assertEqual((quote["payable"], quote["approvable"]), (5000, True))
            quote = self.done("/v1/quotes", {"card_no": card, "amount": 5001}, 200)
            self.assertEqual(quote["why"], "insufficient_balance")

    def test_C13_points_held_here_are_redeemed(self):
        card = self.card(50000)
        self.done("/v1/sales", self.sale(card, 50000))
        for day in self.each_day(2):
            got = self.done("/v1/points/redemptions", {"order_no": f"P{self.number()}",
                                                       "card_no": card, "points": 200, "item": "C"})
            self.assertEqual(got["balance"]["points"], 300 - 200 * day)
        self.refused("/v1/points/redemptions", {"order_no": f"P{self.number()}", "card_no": card,
                                                "points": 200, "item": "C"}, "points_short")

    def test_C14_accounts_of_this_shop_are_found(self):
        phone = f"138{self.number():08}"
        card = self.card(100, member={"name": "王芳", "phone": phone})
        for _ in self.each_day(2):
            for what in ({"card_no": card}, {"phone": phone}, {"phone_last4": phone[-4:]}):
                found = self.done("/v1/cards/search", what, 200)["accounts"]
                self.assertEqual([a["member"]["name"] for a in found], ["王芳"])
            nobody = self.done("/v1/cards/search", {"card_no": "of-another-shop"}, 200)
            self.assertEqual(nobody["accounts"], [])

    def test_C15_accounts_and_what_happened_with_them_are_shown(self):
        card = f"62{self.number():06}"
        account = self.done("/v1/cards", {"card_no": card})["account"]
        for day in self.each_day(2):
            self.top_up(card, 1000)
            _, _, got = self.call("GET", f"/v1/accounts/{account}")
            self.assertEqual((got["uplink"]["state"], got["balance"]["principal"]),
                             ("offline", 1000 * (day + 1)))
            _, _, got = self.call("GET", f"/v1/accounts/{account}/activities")
            self.assertEqual([a["kind"] for a in got["activities"]],
                             ["top_up"] * (day + 1) + ["account_opened"])

    def test_C16_an_order_of_days_ago_is_replayed(self):
        card = self.card(50000)
        body = self.sale(card, 100)
        first = self.done("/v1/sales", body)
        for _ in self.each_day(2):
            status, headers, again = self.call("POST", "/v1/sales", body)
            self.assertEqual((status, headers["Idempotent-Replayed"], again["txn"]),
                             (201, "true", first["txn"]))
            _, _, orders = self.call("GET", f"/v1/orders/{body['order_no']}")
            self.assertEqual([o["txn"] for o in orders["orders"]], [first["txn"]])

    def test_C17_each_day_is_closed(self):
        card = self.card(50000)
        for _ in self.each_day(2):
            self.done("/v1/sales", self.sale(card, 300))
            day = self.business_day()
            close = self.done(f"/v1/days/{day}/close", {"pos": {"stored_value": 300, "count": 1}})
            self.assertEqual((close["state"], close["sync_state"]), ("sealed", "stored"))
            self.assertGreater(self.business_day(), day)  # what comes later is tomorrow's

    def test_C19_a_new_till_is_paired_and_an_old_one_revoked(self):
        for _ in self.each_day(2):
            token = self.shop.pair(7)
            self.assertEqual(call(self.shop.url + "/v1/health", token=token)[0], 200)
            self.assertEqual(self.shop.manage("DELETE", "/v1/lanes/7")[0], 200)
            self.assertEqual(call(self.shop.url + "/v1/health", token=token)[0], 401)

    def test_C20_what_was_answered_survives_a_power_cut(self):
        card = self.card(50000)
        for day in self.each_day(2):
            self.done("/v1/sales", self.sale(card, 100))
            self.shop.stop(signal.SIGKILL)
            self.restart()
            sale = self.done("/v1/sales", self.sale(card, 100))
            self.assertEqual(sale["balance"]["principal"], 50000 - 200 * (day + 1))
        self.shop.verified()

    def test_C21_health_counts_what_waits(self):
        before = self.call("GET", "/v1/health")[2]["unsent"]
        for _ in self.each_day(2):
            health = self.call("GET", "/v1/health")[2]
            self.assertEqual((health["uplink"]["state"], health["mode"]), ("offline", "normal"))
            self.assertGreater(health["unsent"], before)
            before = health["unsent"]
    def test_C22_a_clock_that_is_far_off_sells_nothing(self):
        card = self.card(50000)
        sale = self.sale(card, 100)
        self.done("/v1/sales", sale)
        for days in (8, -2):
            type(self).days += days
            self.restart()
            type(self).days -= days
            self.refused("/v1/sales", self.sale(card, 100), "clock_untrusted")
            self.refused("/v1/top-ups", {"order_no": f"T{self.number()}", "card_no": card,
                                         "paid": 100, "tender": "cash"}, "clock_untrusted")
            self.done(f"/v1/orders/N{self.number()}/cancel", {"verb": "sale"}, 200)
            self.restart()  # the clock is right
            self.done("/v1/sales", self.sale(card, 100))


class Behind(CutOff):
    """A shop that was in touch with its chain until its link broke. Headquarters' rules give 1000
    for a top-up of 20000, and other shops hold money of cards that are known here."""

    numbers = 0

    @classmethod
    def setUpClass(cls):
        cls.chain = chain = Chain(stores=2, rules=os.path.join(TOP, "deploy/rules/example.json"))
        chain.__enter__()
        cls.addClassCleanup(chain.__exit__, None, None, None)
        for path, body in (("/v1/cards", {"card_no": "both", "pin": "482913"}),
                           ("/v1/top-ups", {"order_no": "T1", "card_no": "both", "paid": 10000,
                                            "tender": "cash"})):
            assert chain.till("0101", "POST", path, body)[0] == 201
        chain.wait_booked()
        cls.account = chain.till("0102", "POST", "/v1/cards", {"card_no": "both"})[2]["account"]
        wait_until(lambda: chain.till("0102", "GET", f"/v1/accounts/{cls.account}")[2]
                   ["held_elsewhere"], 60, "0102 hears of it, which")
        cls.days = 0
        cls.cut()

    @classmethod
    def cut(cls):
        cls.chain.cut(cls.chain.store("0102"), "reset")
        wait_until(lambda: not cls.chain.is_online(cls.chain.store("0102")), 60,
                   "it is cut off, which")

    def heal(self):
        """The link is back, and so is the time of day."""
        self.restart(0)
        self.chain.heal(self.chain.store("0102"))
        wait_until(lambda: self.chain.is_online(self.chain.store("0102")), 60,
                   "it is online, which")

    def restart(self, days):
        store = self.chain.store("0102")
        self.chain.kill(store)
        with mock.patch.dict(os.environ, ahead(days)):
            self.chain.start(store)

    def next_day(self):
        type(self).days += 1
        self.restart(self.days)

    def call(self, method, path, body=None, key=None):
        return self.chain.till("0102", method, path, body, key)

    def journal(self):
        store = self.chain.store("0102")
        return call(f"{store['url']}/v1/journal?limit=1000", token=store["admin_token"])[2]["items"]

    def test_C3_money_that_another_shop_holds_stays_there(self):
        for _ in self.each_day(2):
            error = self.refused("/v1/sales", self.sale("both", 5000), "insufficient_here")
            self.assertEqual((error["total"], error["available_here"]), (10000, 0))
            self.assertEqual([(h["store"], h["amount"]) for h in error["held_elsewhere"]],
                             [("0101", 10000)])

    def test_C5_gifts_are_those_of_the_last_rules(self):
        card = self.card()
        for _ in self.each_day(2):
            self.assertEqual(self.top_up(card, 20000)["gives"]["bonus"], 1000)

    def test_C7_a_pin_of_another_shop_is_not_asked_for(self):
        number = f"far-{self.number()}"
        self.chain.till("0101", "POST", "/v1/cards", {"card_no": number, "pin": "482913"})
        for _ in self.each_day(2):
            self.call("POST", "/v1/cards", {"card_no": number})
            self.top_up(number, 1000)
            self.done("/v1/sales", self.sale(number, 1000))

    def publish(self, name):
        """Make those the chain's rules; the version."""
        self.chain.publish_rules(os.path.join(TOP, "deploy/rules", name))
        return call(f"{self.chain.hq()['url']}/v1/health")[2]["rules_version"]

    def wait_rules(self, version):
        wait_until(lambda: self.chain.health(self.chain.store("0102"))["rules_version"] == version,
                   60, "the new rules are here, which")

    def test_C18_new_rules_wait_for_the_link(self):
        card = self.card()
        version = self.publish("base.json")
        for _ in self.each_day(2):
            self.assertEqual(self.top_up(card, 20000)["gives"]["bonus"], 1000)
        self.heal()
        self.wait_rules(version)
        self.cut()
        self.assertEqual(self.top_up(card, 20000)["gives"]["bonus"], 0)
        self.heal()
        self.wait_rules(self.publish("example.json"))  # for the other tests
        self.cut()

    def test_C23_when_the_link_is_back_everything_is_booked_once(self):
        card = self.card(50000)
        for _ in self.each_day(3):
            self.done("/v1/sales", self.sale(card, 100))
        self.heal()
        self.chain.wait_booked()
        self.assertEqual(self.chain.tribctl_status("books", "check")[0], 0)
        counted = self.chain.sql("select count(*) from book.journal_entry where store = '0102'")
        self.assertEqual(int(counted[0][0]), len(self.journal()))
        self.cut()


class Table(unittest.TestCase):
    """The table in the guide and the tests here are one list."""

    def test_rows_and_tests_match(self):
        tests = {name.split("_")[1] for case in (Alone, Behind) for name in dir(case)
                 if re.match(r"test_C[0-9]+_", name)}
        for path in DOCS:
            with open(os.path.join(TOP, path), encoding="utf-8") as f:
                rows = ROW.findall(f.read())
            self.assertEqual(rows, sorted(tests, key=lambda row: int(row[1:])), path)


if __name__ == "__main__":
    unittest.main()
