"""Closing a business day at one shop: its totals against an independent sum, who is told what, other
lanes that go on selling, and kill -9 at every point.

A shop of a test is in China; no test begins in the last minute before midnight there.
"""

import datetime
import http.client
import json
import os
import random
import signal
import socket
import threading
import unittest
import urllib.parse

from harness import Chain, http as call, wait_until
from store_case import Case, Shop
from till_books import Till, seq_of

ROWS_MAX = 1000
STEP = 500  # entries that one turn of the loop adds up


CHINA = datetime.timezone(datetime.timedelta(hours=8))


def has_time():
    """The business day goes on for a minute at least."""
    now = datetime.datetime.now(CHINA)
    return (now.hour, now.minute) != (23, 59)


class Lane:
    """A till with a connection that it keeps."""

    def __init__(self, shop, token=None):
        parts = urllib.parse.urlsplit(shop.url)
        self.token = token or shop.token
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)

    def post(self, path, body):
        self.connection.request("POST", path, json.dumps(body),
                                {"Authorization": f"Bearer {self.token}"})
        answer = self.connection.getresponse()
        return answer.status, answer.headers, json.loads(answer.read())

    def close(self):
        self.connection.close()


class DayCase(Case):
    """A shop, and days."""

    def setUp(self):
        wait_until(has_time, 90, "a new day")
        self.shop = Shop()
        self.addCleanup(self.shop.close)

    @classmethod
    def setUpClass(cls):
        pass  # a shop for each test

    def entries(self, first=1):
        """The journal from seq `first` on."""
        found = []
        while True:
            page = self.shop.manage("GET", f"/v1/journal?from={first}&limit=1000")[2]["items"]
            found += page
            if not page:
                return found
            first = page[-1]["seq"] + 1

    def today(self):
        """The business day of the last entry."""
        last = self.shop.till("GET", "/v1/health")[2]["seq"]["stored"]
        return self.entries(last)[0]["business_day"]

    def close_day(self, day, body=None, key=None):
        return self.shop.till("POST", f"/v1/days/{day}/close", body or {}, key)

    def sell_many(self, n, card="6001", amount=1, prefix="m"):
        """n sales in a row on one connection."""
        lane = Lane(self.shop)
        for i in range(n):
            status, _, answer = lane.post("/v1/sales", {
                "order_no": f"{prefix}{i}", "card_no": card, "amount": amount})
            self.assertEqual(status, 201, answer)
        lane.close()


class Totals(DayCase):
    """What a seal says."""

    def test_a_random_day_s_totals_are_those_of_an_independent_sum(self):
        seed = int(os.environ.get("TRIB_TEST_SEED") or random.randrange(2 ** 32))
        till = Till(self, random.Random(seed))
        with self.subTest(seed=seed):
            till.some(400)
            till.each()
            day = self.today()
            seqs = {e["seq"] for e in self.entries() if e["business_day"] == day}
            figures = till.books.figures(seqs)
            status, headers, answer = self.close_day(day, {"pos": figures, "operator": "boss"})
            self.assertEqual((status, headers["Idempotent-Replayed"]), (201, None), answer)
            self.assertEqual(set(answer), {"state", "business_day", "txn", "totals", "sync_state",
                                           "uplink"}, answer.get("diff"))
            self.assertEqual((answer["state"], answer["business_day"]), ("sealed", day))
            found = {(t["kind"], t["tender"], t["unit"], t.get("operator")):
                     (t["count"], t["amount"]) for t in answer["totals"]}
            self.assertEqual(len(found), len(answer["totals"]))
            self.assertEqual(found, till.books.totals(seqs))
            self.assertEqual({key[0] for key in found}, {
                "account_opened", "top_up", "sale", "refund", "refund_top_up", "redemption",
                "reversal_refund", "reversal_refund_top_up", "reversal_redemption"})
            seal = self.entries(seq_of(answer["txn"]))[0]
            self.assertEqual((seal["kind"], seal["operator"], seal["order_no"]),
                             ("day_sealed", "boss", None))
            self.shop.verified()

    def test_a_difference_is_told_with_the_day_s_orders_and_sealed_all_the_same(self):
        shop = self.shop
        shop.fill("6001", 10000)
        shop.till("POST", "/v1/sales", {"order_no": "s1", "card_no": "6001", "amount": 400,
                                        "operator": "ann"})
        shop.till("POST", "/v1/sales", {"order_no": "s2", "card_no": "6001", "amount": 30, "tenders":
                                        [{"type": "cash", "amount": 30}]})
        shop.till("POST", "/v1/refunds", {"order_no": "r1", "amount": 50,
                                          "of": {"store": "0107", "order_no": "s1"}})
        shop.till("POST", "/v1/orders/s2/cancel", {"verb": "sale"})
        shop.till("POST", "/v1/orders/never/cancel", {"verb": "sale"})
        day = self.today()
        status, _, answer = self.close_day(day, {"pos": {"stored_value": 351, "count": 3}})
        self.assertEqual((status, answer["state"]), (201, "mismatch"))
        self.assertEqual(answer["diff"], {"stored_value": {"pos": 351, "journal": 350}})
        self.assertNotIn("more", answer)
        self.assertEqual(
            [(r["order_no"], r["verb"], r["kind"], r["amount"], r["stored_value"],
              r.get("operator")) for r in answer["rows"]],
            [("fill-6001", "top_up", "top_up", 10000, 0, None),
             ("s1", "sale", "sale", 400, 400, "ann"), ("s2", "sale", "sale", 30, 0, None),
             ("r1", "refund", "refund", 50, -50, None), ("s2", "cancel", "refund", 30, 0, None)])
        self.assertEqual([seq_of(r["txn"]) for r in answer["rows"]], [2, 3, 4, 5, 6])
        again = self.close_day(day, {"pos": {"count": 3, "stored_value": 351}})
        self.assertEqual((again[0], again[1]["Idempotent-Replayed"], again[2]["rows"]),
                         (201, "true", answer["rows"]))
        self.shop.verified()

    def test_a_long_day_lists_its_first_orders(self):
        self.shop.fill("6001", 10000)
        self.sell_many(ROWS_MAX)
        day = self.today()
        answer = self.close_day(day, {"pos": {"count": 7}})[2]
        self.assertEqual(answer["diff"], {"count": {"pos": 7, "journal": ROWS_MAX + 1}})
        self.assertEqual((len(answer["rows"]), answer["more"]), (ROWS_MAX, True))
        self.assertEqual(answer["rows"][-1]["order_no"], f"m{ROWS_MAX - 2}")

    def test_a_day_without_entries_has_no_totals(self):
        self.shop.fill("6001", 10000)
        status, _, answer = self.close_day("2026-01-01", {"pos": {"stored_value": 0, "count": 0}})
        self.assertEqual((status, answer["state"], answer["totals"]), (201, "sealed", []))
        status, _, answer = self.close_day("1970-01-01", {"pos": {"count": 1}})
        self.assertEqual((status, answer["state"], answer["rows"]), (201, "mismatch", []))
        self.shop.verified()


class Asking(DayCase):
    """Who may close which day, and what follows."""

    def test_what_is_no_day_or_no_good_body(self):
        self.shop.fill("6001", 10000)
        before = self.shop.till("GET", "/v1/health")[2]["seq"]
        for day in ("9999-12-31", "2027-02-29", "2027-13-01", "2027-1-1", "27-01-01", "20270101",
                    "1969-12-31", "0000-00-00", " 2027-01-1", "-027-01-01", "2027-01-01x",
                    "2027--1-01", "today"):
            with self.subTest(day=day):
                path = urllib.parse.quote(day, safe="")
                self.assertError(self.close_day(path), 400, "bad_value", "day")
        for body, code, param in (
                ({"pos": {"stored_value": 1.5}}, "bad_value", "pos.stored_value"),
                ({"pos": {"stored_value": 10 ** 15 + 1}}, "bad_value", "pos.stored_value"),
                ({"pos": {"count": -1}}, "bad_value", "pos.count"),
                ({"pos": {"counts": 1}}, "unknown_field", "pos.counts"),
                ({"pos": 7}, "bad_value", "pos"),
                ({"operator": ""}, "bad_value", "operator"),
                ({"day": "2026-01-01"}, "unknown_field", "day")):
            with self.subTest(body=body):
                self.assertError(self.close_day("2026-01-01", body), 400, code, param)
        path = "/v1/days/2026-01-01/close"
        self.assertError(self.shop.manage("POST", path), 401, "unauthorized")
        self.assertError(call(self.shop.url + path, "POST"), 401, "unauthorized")
        self.assertError(self.shop.till("GET", path), 405, "method_not_allowed")
        self.assertEqual(self.shop.till("GET", "/v1/health")[2]["seq"], before)

    def test_after_its_close_a_day_gets_no_entry(self):
        self.shop.fill("6001", 10000)
        day = self.today()
        self.assertEqual(self.close_day(day)[0], 201)
        later = (datetime.date.fromisoformat(day) + datetime.timedelta(1)).isoformat()
        self.sell_many(1, prefix="a")
        self.assertEqual(self.today(), later)
        self.shop.stop(signal.SIGKILL)
        self.shop.start()
        self.sell_many(1, prefix="b")
        self.assertEqual(self.today(), later)
        self.assertEqual(self.shop.stop(), 0)
        self.shop.start()
        self.assertEqual(self.close_day("2026-01-01")[0], 201)
        self.assertEqual(self.today(), later)
        self.shop.verified()

    def test_a_day_is_closed_once_whoever_asks(self):
        shop = self.shop
        shop.fill("6001", 10000)
        day = self.today()
        body = {"pos": {"count": 1}, "operator": "ann"}
        first = self.close_day(day, body, "k1")
        self.assertEqual((first[0], first[1]["Idempotent-Replayed"]), (201, None))
        other = shop.pair(2)
        for token in (shop.token, other):
            for key in (None, "k1", "k2", "k2"):
                headers = {"Idempotency-Key": key} if key else {}
                got = call(f"{shop.url}/v1/days/{day}/close", "POST", token, body, headers)
                self.assertEqual((got[0], got[1]["Idempotent-Replayed"], got[2]),
                                 (201, "true", first[2]))
        for changed in ({}, {**body, "operator": "bob"}, {**body, "pos": {"count": 2}},
                        {**body, "pos": {"count": 1, "stored_value": 0}}):
            with self.subTest(body=changed):
                got = self.close_day(day, changed)
                self.assertError(got, 422, "day_closed")
                self.assertEqual(got[2]["error"]["txn"], first[2]["txn"])
        self.assertError(self.close_day(day, {}, "k1"), 409, "key_reused")
        self.assertError(self.close_day("2026-01-01", body, "k1"), 409, "key_reused")
        refused = self.close_day(day, {}, "k3")
        self.assertError(refused, 422, "day_closed")
        again = self.close_day(day, {}, "k3")
        self.assertEqual((again[1]["Idempotent-Replayed"], again[2]), ("true", refused[2]))
        shop.stop(signal.SIGKILL)
        shop.start()
        for key in ("k1", "k2", None):
            got = self.close_day(day, body, key)
            self.assertEqual((got[0], got[1]["Idempotent-Replayed"], got[2]["totals"]),
                             (201, "true", first[2]["totals"]))
        self.assertEqual(shop.verified(), seq_of(first[2]["txn"]))


class Meanwhile(DayCase):
    """A long day is summed while other things go on."""

    ENTRIES = 6 * STEP

    def setUp(self):
        super().setUp()
        self.shop.fill("6001", 10 ** 9)
        threads = [threading.Thread(target=self.sell_many, args=(self.ENTRIES // 4, "6001", 1, p))
                   for p in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.day = self.today()
        self.sockets = []

    def send_at_once(self, requests):
        """Let all the requests, each on a connection of its own, be there when the store looks."""
        parts = urllib.parse.urlsplit(self.shop.url)
        for _ in requests:
            sock = socket.create_connection((parts.hostname, parts.port), timeout=60)
            self.addCleanup(sock.close)
            self.sockets.append(sock)
            sock.sendall(self.raw("GET", "/v1/health", None))
            self.answer(sock)
        self.shop.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.shop.process.pid, os.WSTOPPED)
        for sock, request in zip(self.sockets, requests):
            sock.sendall(self.raw("POST", *request))

    def go_on(self):
        self.shop.process.send_signal(signal.SIGCONT)

    def raw(self, method, path, body):
        data = json.dumps(body or {}).encode()
        return (f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
                f"{self.shop.token}\r\nContent-Length: {len(data)}\r\n\r\n").encode() + data

    @staticmethod
    def answer(sock):
        response = http.client.HTTPResponse(sock)
        response.begin()
        return response.status, response.headers, json.loads(response.read())

    def test_tills_are_served_and_what_they_do_is_in_the_seal(self):
        path = f"/v1/days/{self.day}/close"
        self.send_at_once([
            (path, {}), (path, {}), (path, {"operator": "x"}), ("/v1/days/2026-01-01/close", {}),
            ("/v1/sales", {"order_no": "now", "card_no": "6001", "amount": 5, "operator": "z"})])
        self.go_on()
        answers = [self.answer(sock) for sock in self.sockets]
        sale = answers.pop()
        self.assertEqual(sale[0], 201)
        empty = answers.pop()
        self.assertEqual((empty[0], empty[2]["totals"]), (201, []))
        done = [a[2] for a in answers if a[0] == 201]
        self.assertEqual(len(done), 1, answers)
        for answer in answers:
            if answer[0] != 201:
                self.assertError(answer, 409, "order_in_progress")
                self.assertTrue(answer[2]["error"]["retryable"])
        # The sale was answered in the turn that took the closes, so it came before their seals.
        self.assertLess(seq_of(sale[2]["txn"]), seq_of(done[0]["txn"]))
        self.assertIn({"kind": "sale", "tender": "stored_value", "unit": "money",
                       "operator": "z", "count": 1, "amount": 5}, done[0]["totals"])
        self.shop.verified()

    def test_a_client_that_goes_is_served_all_the_same(self):
        self.send_at_once([(f"/v1/days/{self.day}/close", {})])
        self.sockets[0].shutdown(socket.SHUT_RDWR)
        self.sockets[0].close()
        self.go_on()
        status, headers, answer = self.close_until(self.day)
        self.assertEqual((status, headers["Idempotent-Replayed"], answer["state"]),
                         (201, "true", "sealed"))
        self.shop.verified()

    def close_until(self, day):
        """Close a day that may be under its sum."""
        def close():
            got = self.close_day(day)
            return got if got[0] != 409 else None
        return wait_until(close, 60, "the day's close")

    def test_a_stopping_store_finishes_what_it_has_begun(self):
        path = f"/v1/days/{self.day}/close"
        self.send_at_once([(path, {}), ("/v1/days/2026-01-01/close", {}), (path, {})])
        self.go_on()
        # One of the two tells that the other is under way.
        answers = dict.fromkeys((0, 2))
        threads = [threading.Thread(target=lambda i=i: answers.update(
            {i: self.answer(self.sockets[i])})) for i in answers]
        for thread in threads:
            thread.start()
        wait_until(lambda: any(answers.values()), 60, "an answer")
        self.assertEqual(self.shop.stop(), 0)
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(a[0] for a in answers.values()), [201, 409])
        self.assertEqual(self.answer(self.sockets[1])[0], 201)
        self.shop.start()
        self.assertEqual(self.close_day(self.day)[1]["Idempotent-Replayed"], "true")
        self.shop.verified()

    def test_other_lanes_sell_on_over_the_close(self):
        tokens = [self.shop.pair(lane) for lane in range(2, 6)]
        closed = threading.Event()
        answers = []

        def sell(token, name):
            lane = Lane(self.shop, token)
            for i in range(10000):
                if closed.is_set() and i % 20 == 0:
                    break
                answers.append(lane.post("/v1/sales", {
                    "order_no": f"{name}{i}", "card_no": "6001", "amount": 3}))
            lane.close()

        threads = [threading.Thread(target=sell, args=(t, f"w{n}-")) for n, t in enumerate(tokens)]
        for thread in threads:
            thread.start()
        status, _, answer = self.close_day(self.day)
        closed.set()
        for thread in threads:
            thread.join()
        self.assertEqual(status, 201, answer)
        self.assertEqual({a[0] for a in answers}, {201})
        seal = seq_of(answer["txn"])
        entries = self.entries()
        self.assertTrue(all(e["business_day"] > self.day for e in entries if e["seq"] > seal))
        in_day = [e for e in entries if e["business_day"] == self.day and e["seq"] != seal]
        found = {t["kind"]: t for t in answer["totals"] if t["unit"] == "money"}
        self.assertEqual((found["sale"]["count"], found["sale"]["amount"]),
                         (sum(e["kind"] == "sale" for e in in_day),
                          sum(e["amount"] for e in in_day if e["kind"] == "sale")))
        self.shop.verified()

    def test_kill_9_amid_the_sum_leaves_the_day_open(self):
        for nth in (1, 3):
            self.shop.stop(signal.SIGKILL)
            self.shop.start(fault=f"store.mid_close:{nth}")
            with self.assertRaises(OSError):
                self.close_day(self.day)
            self.assertEqual(self.shop.process.wait(timeout=10), -signal.SIGKILL)
            self.shop.start()
            self.assertNotIn("day_sealed", {e["kind"] for e in self.entries(self.ENTRIES)})
        status, headers, _ = self.close_day(self.day)
        self.assertEqual((status, headers["Idempotent-Replayed"]), (201, None))
        self.shop.verified()


class Kills(DayCase):
    """kill -9 at each point of the write: the same call again finds it done, or does it, once."""

    POINTS = ("store.before_append", "store.mid_append", "store.after_append",
              "store.before_commit", "store.after_commit", "store.mid_close")

    def test_each_point(self):
        shop = self.shop
        shop.fill("6001", 10000)
        body = {"pos": {"stored_value": 1}}
        for n, point in enumerate(self.POINTS):
            day = f"2026-01-0{n + 1}"
            for key in (None, f"k{n}"):
                with self.subTest(point=point, key=key):
                    shop.stop(signal.SIGKILL)
                    shop.start(fault=f"{point}:1")
                    with self.assertRaises(OSError):
                        self.close_day(day, body, key)
                    self.assertEqual(shop.process.wait(timeout=10), -signal.SIGKILL)
                    shop.start()
                    got = self.close_day(day, body, key)
                    self.assertEqual((got[0], got[2]["state"]), (201, "mismatch"))
                    self.assertEqual(got[1]["Idempotent-Replayed"],
                                     "true" if point == "store.after_commit" else None)
                    again = self.close_day(day, body, key)
                    self.assertEqual((again[0], again[1]["Idempotent-Replayed"], again[2]["txn"]),
                                     (201, "true", got[2]["txn"]))
                    self.assertError(self.close_day(day), 422, "day_closed")
                day = f"2026-02-0{n + 1}"
        self.assertEqual(shop.verified(), 2 + 2 * len(self.POINTS))


class Headquarters(unittest.TestCase):
    """Seals go the way of all entries."""

    def test_a_seal_is_booked_and_moves_nothing(self):
        with Chain(stores=1) as chain:
            chain.till("0101", "POST", "/v1/cards", {"card_no": "1"})
            chain.till("0101", "POST", "/v1/top-ups", {"order_no": "t", "card_no": "1",
                                                       "paid": 1000, "tender": "cash"})
            sale = chain.till("0101", "POST", "/v1/sales", {"order_no": "s", "card_no": "1",
                                                            "amount": 400})
            self.assertEqual(sale[0], 201)
            chain.wait_booked()
            day = chain.sql("SELECT max(business_day) FROM book.journal_entry")[0][0]
            before = chain.sql("SELECT * FROM book.trial_balance ORDER BY 1, 2, 3, 4")
            status, _, answer = chain.till("0101", "POST", f"/v1/days/{day}/close",
                                           {"pos": {"stored_value": 400, "count": 2}})
            self.assertEqual((status, answer["state"]), (201, "sealed"))
            chain.wait_booked()
            self.assertEqual(chain.sql("SELECT * FROM book.trial_balance ORDER BY 1, 2, 3, 4"),
                             before)
            self.assertEqual(chain.sql("SELECT seq, kind FROM book.journal_entry "
                                       "ORDER BY seq DESC LIMIT 1"), [["4", "day_sealed"]])
            self.assertEqual(chain.sql("SELECT count(*) FROM book.exception"), [["0"]])
            self.assertEqual(chain.tribctl_status("books", "check")[0], 0)


if __name__ == "__main__":
    unittest.main()
