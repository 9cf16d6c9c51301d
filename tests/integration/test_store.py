"""trib-store alone: its HTTP interface, its command line, and kill -9 at every point of a write.

The store is enrolled by a test helper and has no relay to reach: it works offline.
"""

import json
import os
import re
import signal
import stat
import subprocess
import threading
import unittest
import urllib.parse

from harness import http as call, wait_until
from store_case import STORE, Case, Shop


class Inputs(Case):
    """What is not a good request is told so, and changes nothing."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.shop.fill("6001", 10000)

    def setUp(self):
        self.before = self.shop.till("GET", "/v1/health")[2]["seq"]

    def tearDown(self):
        self.assertEqual(self.shop.till("GET", "/v1/health")[2]["seq"], self.before)

    def test_bodies_that_are_no_json_object(self):
        for data in (b"{", b"[]", b"1", b"nul", b'{"a":1,"a":2}', b'{"order_no":"\xff"}',
                     b'{"order_no":"a\\u0000b"}', b"\x00", b'{"a":' * 100 + b"1" + b"}" * 100,
                     b"[" * 10000, b'{"amount":1}x'):
            with self.subTest(data=data[:20]):
                status, answer = self.shop.raw("/v1/sales", data)
                self.assertEqual((status, answer["error"]["code"]), (400, "bad_json"), answer)

    def test_fields(self):
        good = {"order_no": "x", "card_no": "6001", "amount": 1}
        for change, code, param in (
                ({"amount": 0}, "bad_value", "amount"),
                ({"amount": -1}, "bad_value", "amount"),
                ({"amount": 1.0}, "bad_value", "amount"),
                ({"amount": "1"}, "bad_value", "amount"),
                ({"amount": True}, "bad_value", "amount"),
                ({"amount": None}, "bad_value", "amount"),
                ({"amount": 10 ** 12 + 1}, "bad_value", "amount"),
                ({"amount": 2 ** 63 - 1}, "bad_value", "amount"),
                ({"order_no": ""}, "bad_value", "order_no"),
                ({"order_no": "a b"}, "bad_value", "order_no"),
                ({"order_no": "x" * 65}, "bad_value", "order_no"),
                ({"order_no": 7}, "bad_value", "order_no"),
                ({"card_no": "x" * 65}, "bad_value", "card_no"),
                ({"card_no": ["6001"]}, "bad_value", "card_no"),
                ({"operator": "x" * 65}, "bad_value", "operator"),
                ({"operator": "a\nb"}, "bad_value", "operator"),
                ({"allow_partial": 1}, "bad_value", "allow_partial"),
                ({"expected_payable": -1}, "bad_value", "expected_payable"),
                ({"colour": "red"}, "unknown_field", "colour"),
                ({"lines": []}, "bad_value", "lines"),
                ({"tenders": []}, "bad_value", "tenders"),
                ({"use_points": -1}, "bad_value", "use_points"),
                ({"amount": 2, "lines": [{"sku": "a", "qty": 1000, "amount": 1}]}, "bad_value",
                 "amount"),
                ({"tenders": [{"type": "stored_value", "amount": 1}] * 2}, "bad_value",
                 "tenders[1].type"),
                ({"tenders": [{"type": "gold", "amount": 1}]}, "bad_value", "tenders[0].type"),
                ({"pin": "12a4"}, "bad_value", "pin"),
                ({"pin": "123"}, "bad_value", "pin")):
            with self.subTest(change=change):
                self.assertError(self.shop.till("POST", "/v1/sales", {**good, **change}), 400, code,
                                 param)
        for name in good:
            with self.subTest(missing=name):
                body = {k: v for k, v in good.items() if k != name}
                self.assertError(self.shop.till("POST", "/v1/sales", body), 400, "missing_field",
                                 name)

    def test_a_number_that_no_integer_holds(self):
        for number in (b"9223372036854775808", b"1e400", b"-9223372036854775809"):
            status, answer = self.shop.raw(
                "/v1/sales", b'{"order_no":"x","card_no":"6001","amount":%s}' % number)
            self.assertEqual(status, 400, answer)

    def test_top_ups(self):
        good = {"order_no": "x", "card_no": "6001", "paid": 100, "tender": "cash"}
        for change, param in (({"paid": 0}, "paid"), ({"paid": 2 ** 62}, "paid"),
                              ({"tender": "gold"}, "tender"), ({"tender": 1}, "tender"),
                              ({"tender": "stored_value"}, "tender"),
                              ({"payment_ref": ""}, "payment_ref")):
            with self.subTest(change=change):
                self.assertError(self.shop.till("POST", "/v1/top-ups", {**good, **change}), 400,
                                 "bad_value", param)

    def test_refunds(self):
        for body, code, param in (
                ({"order_no": "x"}, "missing_field", "of"),
                ({"order_no": "x", "of": {}}, "missing_field", "of.store"),
                ({"order_no": "x", "of": "0107-1-1"}, "bad_value", "of"),
                ({"order_no": "x", "of": {"txn": "0107-1"}}, "bad_value", "of.txn"),
                ({"order_no": "x", "of": {"txn": "0107-1-2", "store": "0107"}}, "unknown_field",
                 "of.store"),
                ({"order_no": "x", "of": {"txn": "0107-1-2"}, "amount": 0}, "bad_value", "amount")):
            with self.subTest(body=body):
                self.assertError(self.shop.till("POST", "/v1/refunds", body), 400, code, param)

    def test_cards(self):
        for body, code, param in (({}, "missing_field", "card_no"),
                                  ({"card_no": ""}, "bad_value", "card_no"),
                                  ({"card_no": "7", "account_type": "gold"}, "bad_value",
                                   "account_type"),
                                  ({"card_no": "7", "member": {}}, "bad_value", "member"),
                                  ({"card_no": "7", "pin": "1"}, "bad_value", "pin")):
            with self.subTest(body=body):
                self.assertError(self.shop.till("POST", "/v1/cards", body), 400, code, param)

    def test_headers(self):
        body = {"order_no": "x", "card_no": "6001", "amount": 1}
        for name, value in (("Idempotency-Key", "x" * 65), ("Trib-Witness", "1.2"),
                            ("Trib-Witness", "a.b.c"), ("Idempotency-Key", "a\tb")):
            with self.subTest(name=name, value=value):
                self.assertError(self.shop.till("POST", "/v1/sales", body, headers={name: value}),
                                 400, "bad_value", name)

    def test_too_large(self):
        status, answer = self.shop.raw("/v1/sales", b" " * (65 * 1024))
        self.assertEqual((status, answer["error"]["code"]), (413, "too_large"))

    def test_unknown_things(self):
        for got, code in ((self.shop.till("GET", "/v1/accounts/" + "a" * 26), "unknown_account"),
                          (self.shop.till("GET", "/v1/accounts/x"), "unknown_account"),
                          (self.shop.till("GET", "/v1/orders/none"), "unknown_order"),
                          (self.shop.till("POST", "/v1/sales", {
                              "order_no": "y", "card_no": "none", "amount": 1}), "unknown_card"),
                          (self.shop.till("POST", "/v1/refunds", {
                              "order_no": "x", "of": {"store": "0107", "order_no": "none"}}),
                           "unknown_order"),
                          (self.shop.till("GET", "/v1/nothing"), "not_found")):
            self.assertError(got, 404, code)
        for path, allow in (("/v1/sales", "POST"), ("/v1/lanes/pair", "POST, DELETE"),
                            ("/v1/nothing", None)):
            status, headers, _ = self.shop.till("PUT", path)
            self.assertEqual((status, headers.get("Allow")), (405 if allow else 404, allow))
        self.assertError(self.shop.till("GET", "/v1/sales"), 405, "method_not_allowed")

    def test_journal_queries(self):
        for query, code, param in (("from=x", "bad_value", "from"), ("limit=0", "bad_value", "limit"),
                                   ("limit=1001", "bad_value", "limit"),
                                   ("until=3", "unknown_field", "until")):
            with self.subTest(query=query):
                self.assertError(self.shop.manage("GET", f"/v1/journal?{query}"), 400, code, param)


class Callers(Case):
    """Who may call what."""

    def test_tokens(self):
        body = {"order_no": "x", "card_no": "1", "amount": 1}
        for token in (None, "", "x", self.shop.admin):
            with self.subTest(token=token):
                self.assertError(call(self.shop.url + "/v1/sales", "POST", token, body), 401,
                                 "unauthorized")
        self.assertError(call(self.shop.url + "/v1/health"), 401, "unauthorized")
        for path in ("/v1/journal/verify", "/v1/lanes/pair"):
            self.assertError(self.shop.till("POST", path, {"lane": 1}), 401, "unauthorized")

    def test_a_code_works_once_and_replaces_the_lane_s_token(self):
        shop = self.shop
        old = shop.pair(7)
        code = shop.manage("POST", "/v1/lanes/pair", {"lane": 7})[2]["code"]
        self.assertEqual(len(code), 8)
        status, _, answer = call(shop.url + "/v1/pair", "POST", body={"code": code.lower()})
        self.assertEqual((status, answer["lane"]), (201, 7))
        self.assertEqual(call(shop.url + "/v1/health", token=answer["token"])[0], 200)
        self.assertEqual(call(shop.url + "/v1/health", token=old)[0], 401)
        self.assertError(call(shop.url + "/v1/pair", "POST", body={"code": code}), 401,
                         "unauthorized", "code")

    def test_guessing_codes_is_slowed(self):
        got = [call(self.shop.url + "/v1/pair", "POST", body={"code": f"AAAAAA{n:02}"})[0]
               for n in range(12)]
        self.assertEqual(got[0], 401)
        self.assertEqual(got[-1], 429)

    def test_secrets_are_for_the_owner_only_and_kept_as_hashes(self):
        for name in os.listdir(self.shop.data):
            mode = stat.S_IMODE(os.stat(os.path.join(self.shop.data, name)).st_mode)
            if name != "endpoints.json":
                self.assertEqual(mode & 0o077, 0, name)
        for name in os.listdir(self.shop.data):
            with open(os.path.join(self.shop.data, name), "rb") as f:
                text = f.read()
            self.assertNotIn(self.shop.token.encode(), text, name)


class Verbs(Case):
    """The shapes of the answers."""

    def test_a_day_at_the_till(self):
        shop = self.shop
        status, headers, account = shop.till("POST", "/v1/cards", {"card_no": "62220001"})
        self.assertEqual(status, 201)
        self.assertRegex(headers["Trib-Witness"], r"^1\.[0-9]+\.[0-9a-f]{16}$")
        self.assertEqual(account["cards"], ["******01"])
        self.assertError(shop.till("POST", "/v1/cards", {"card_no": "62220001"}), 409, "card_exists")
        status, _, top_up = shop.till("POST", "/v1/top-ups", {
            "order_no": "t1", "card_no": "62220001", "paid": 50000, "tender": "wechat",
            "payment_ref": "W1", "operator": "小王"})
        self.assertEqual(status, 201)
        self.assertEqual(top_up["gives"], {"principal": 50000, "bonus": 0, "points": 0, "uses": 0})
        self.assertEqual((top_up["sync_state"], top_up["uplink"]["state"]), ("stored", "offline"))
        status, _, sale = shop.till("POST", "/v1/sales", {
            "order_no": "s1", "card_no": "62220001", "amount": 12345, "expected_payable": 12345})
        self.assertEqual(status, 201)
        self.assertEqual(sale["paid_from"], {"principal": 12345, "bonus": 0, "points": 0})
        self.assertEqual(sale["points_earned"], 123)
        self.assertEqual(sale["balance"], {"principal": 37655, "bonus": 0, "points": 123, "uses": 0})
        self.assertNotIn("remaining", sale)
        status, _, refund = shop.till("POST", "/v1/refunds", {
            "order_no": "r1", "of": {"txn": sale["txn"]}, "amount": 5000, "reason": "cold"})
        self.assertEqual(status, 201)
        self.assertEqual((refund["restored"]["principal"], refund["points_clawed_back"],
                          refund["rest"]), (5000, 50, 7345))
        got = shop.till("POST", "/v1/refunds", {
            "order_no": "r2", "of": {"store": "0107", "order_no": "s1"}, "amount": 7346})
        self.assertError(got, 422, "refund_exceeds_sale")
        self.assertEqual(got[2]["error"]["rest"], 7345)
        got = shop.till("POST", "/v1/refunds", {
            "order_no": "r3", "of": {"store": "0108", "order_no": "s1"}})
        self.assertError(got, 422, "insufficient_here")
        self.assertEqual(got[2]["error"]["held_elsewhere"], [{"store": "0108"}])
        _, _, now = shop.till("GET", f"/v1/accounts/{account['account']}")
        self.assertEqual(now["available_here"], refund["available_here"])
        _, _, orders = shop.till("GET", "/v1/orders/s1")
        self.assertEqual([(o["verb"], o["txn"]) for o in orders["orders"]], [("sale", sale["txn"])])

    def test_every_order_number_can_be_looked_up(self):
        self.shop.fill("62220007", 1000)
        for order in ("a/b", "a+b", "a%b", "a?b", "a#b", "a%2Fb", "..", "/", "a&b=c", '"\\'):
            with self.subTest(order=order):
                status, _, sale = self.shop.till("POST", "/v1/sales", {
                    "order_no": order, "card_no": "62220007", "amount": 1})
                self.assertEqual(status, 201)
                path = "/v1/orders/" + urllib.parse.quote(order, safe="")
                status, _, answer = self.shop.till("GET", path + "?x=1")
                self.assertEqual((status, answer["orders"][0]["txn"]), (200, sale["txn"]))
        for path in ("a%", "a%2", "a%zz", "a%00b", "a/b", "x" * 3000):
            with self.subTest(path=path[:9]):
                self.assertError(self.shop.till("GET", "/v1/orders/" + path), 404, "not_found")

    def test_partial_sales(self):
        self.shop.fill("62220002", 5000)
        body = {"order_no": "p1", "card_no": "62220002", "amount": 12000}
        self.assertError(self.shop.till("POST", "/v1/sales", body), 422, "insufficient_balance")
        status, _, sale = self.shop.till("POST", "/v1/sales", {**body, "allow_partial": True})
        self.assertEqual((status, sale["payable"], sale["remaining"]), (201, 5000, 7000))
        self.assertEqual(sale["points_earned"], 50)

    def test_replays(self):
        shop = self.shop
        shop.fill("62220003", 1000)
        body = {"order_no": "i1", "card_no": "62220003", "amount": 400}
        status, headers, first = shop.till("POST", "/v1/sales", body, key="k1")
        self.assertEqual((status, headers["Idempotent-Replayed"]), (201, None))
        spaced = json.dumps(dict(reversed(body.items())), indent=3).encode()
        self.assertEqual(shop.raw("/v1/sales", spaced), (201, first))
        for key in ("k1", None, "k2"):
            status, headers, again = shop.till("POST", "/v1/sales", body, key=key)
            self.assertEqual((status, headers["Idempotent-Replayed"], again), (201, "true", first))
        self.assertError(shop.till("POST", "/v1/sales", {**body, "amount": 401}, key="k1"), 409,
                         "key_reused")
        self.assertError(shop.till("POST", "/v1/sales", {**body, "amount": 401}), 409,
                         "order_conflict")
        big = {**body, "order_no": "i2", "amount": 700}
        refused = shop.till("POST", "/v1/sales", big, key="k3")
        self.assertError(refused, 422, "insufficient_balance")
        shop.till("POST", "/v1/top-ups", {"order_no": "i3", "card_no": "62220003", "paid": 1000,
                                          "tender": "cash"})
        self.assertEqual(shop.till("POST", "/v1/sales", big, key="k3")[::2], refused[::2])
        self.assertEqual(shop.till("POST", "/v1/sales", big, key="k4")[0], 201)

    def test_one_order_from_many_lanes_at_once_succeeds_once(self):
        shop = self.shop
        shop.fill("62220004", 100000)
        tokens = [shop.pair(lane) for lane in range(20, 28)]
        body = {"order_no": "m1", "card_no": "62220004", "amount": 100}
        answers = []

        def lane(token):
            answers.append(call(shop.url + "/v1/sales", "POST", token, body))

        threads = [threading.Thread(target=lane, args=(t,)) for t in tokens for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({a[0] for a in answers}, {201})
        self.assertEqual(len({a[2]["txn"] for a in answers}), 1)
        self.assertEqual(sum(a[1]["Idempotent-Replayed"] is None for a in answers), 1)

    def test_the_journal_is_listed_and_verified(self):
        self.shop.fill("62220005", 1000)
        entries = self.shop.verified()
        _, _, answer = self.shop.manage("GET", f"/v1/journal?from={entries - 1}&limit=10")
        self.assertEqual([(i["seq"], i["kind"], i["amount"]) for i in answer["items"]],
                         [(entries - 1, "account_opened", 0), (entries, "top_up", 1000)])

    def test_a_witness_beyond_the_journal_stops_spends(self):
        self.shop.fill("62220006", 1000)
        body = {"order_no": "w1", "card_no": "62220006", "amount": 1}
        self.assertError(self.shop.till("POST", "/v1/sales", body,
                                        headers={"Trib-Witness": "1.99999.0011223344556677"}),
                         503, "journal_rolled_back")
        witness = self.shop.till("GET", "/v1/health")[1]["Trib-Witness"]
        self.assertEqual(self.shop.till("POST", "/v1/sales", body,
                                        headers={"Trib-Witness": witness})[0], 201)


class Process(unittest.TestCase):
    """Starting, stopping, and the command line."""

    def setUp(self):
        self.shop = Shop()
        self.addCleanup(self.shop.close)

    def run_store(self, *args):
        done = subprocess.run([STORE, *args], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=30, check=False)
        return done.returncode, done.stdout, done.stderr

    def write_config(self, text):
        path = os.path.join(self.shop.dir, "other.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def test_a_second_agent_on_the_same_data_is_refused(self):
        status, _, errors = self.run_store("--config", self.shop.config)
        self.assertEqual(status, 1)
        self.assertIn("another trib-store uses", errors)
        self.assertEqual(self.shop.till("GET", "/v1/health")[0], 200)

    def test_a_doubled_key_is_refused(self):
        path = self.write_config("[store]\ndata_dir = a\ndata_dir = b\n")
        for args in (["--config", path], ["config", "check", "--config", path]):
            status, _, errors = self.run_store(*args)
            self.assertEqual(status, 2)
            self.assertIn(f"{path}:3: 'data_dir'", errors)

    def test_only_the_box_itself_may_call(self):
        for host in ("*", "0.0.0.0", "192.168.1.2", "[::]"):
            path = self.write_config(f"[store]\ndata_dir = a\nhttp_listen = {host}:7311\n")
            status, _, errors = self.run_store("config", "check", "--config", path)
            self.assertEqual(status, 2, host)
            self.assertIn("loopback", errors)

    def test_command_line(self):
        self.assertEqual(self.run_store("--help")[0], 0)
        self.assertIn("trib-store ", self.run_store("--version")[1])
        self.assertEqual(self.run_store("config", "check", "--config", self.shop.config)[0], 0)
        for args in ([], ["fly"], ["--config"], ["--what"],
                     ["enroll", "--config", self.shop.config]):
            self.assertEqual(self.run_store(*args)[0], 2, args)

    def test_an_empty_folder_is_not_enrolled(self):
        path = self.write_config(f"[store]\ndata_dir = {self.shop.dir}\n")
        status, _, errors = self.run_store("--config", path)
        self.assertEqual(status, 1)
        self.assertIn("not enrolled", errors)

    def test_an_enrolment_is_not_overwritten(self):
        code = "-".join(["AAAA"] * 8)
        status, _, errors = self.run_store("enroll", "--config", self.shop.config, "--code", code,
                                           "--relay", "tcp://127.0.0.1:9", "--relay-key", "0" * 40)
        self.assertEqual(status, 1)
        self.assertIn("enrolled already", errors)

    def test_sigterm_ends_it_well_and_nothing_is_lost(self):
        account = self.shop.fill("1", 1000)
        self.assertEqual(self.shop.stop(), 0)
        self.shop.start()
        _, _, answer = self.shop.till("GET", f"/v1/accounts/{account}")
        self.assertEqual(answer["balance"]["principal"], 1000)
        self.shop.verified()

    def test_it_starts_where_its_endpoints_cannot_be_written(self):
        account = self.shop.fill("1", 1000)
        self.shop.stop(signal.SIGKILL)
        log = os.path.join(self.shop.dir, "log")
        mark = os.path.getsize(log)
        os.makedirs(os.path.join(self.shop.data, ".endpoints.json.new", "in-the-way"))
        with open(log, "ab") as f:
            self.shop.process = subprocess.Popen([STORE, "--config", self.shop.config], stdout=f,
                                                 stdin=subprocess.DEVNULL, stderr=f)
        started = wait_until(lambda: re.search(r"started .*port=([0-9]+)", self.shop.log()[mark:]),
                             20, "the store's start")
        self.assertIn("endpoints_not_written", self.shop.log()[mark:])
        self.assertFalse(os.path.exists(os.path.join(self.shop.data, "endpoints.json")))
        self.shop.url = f"http://127.0.0.1:{started.group(1)}"
        self.assertEqual(self.shop.till("GET", f"/v1/accounts/{account}")[0], 200)

    def test_an_admin_token_open_to_others_is_refused(self):
        self.assertEqual(self.shop.stop(), 0)
        path = os.path.join(self.shop.data, "admin.token")
        os.chmod(path, 0o640)
        status, _, errors = self.run_store("--config", self.shop.config)
        self.assertEqual(status, 1)
        self.assertIn("chmod 600", errors)
        os.chmod(path, 0o600)
        self.shop.start()
        self.assertEqual(self.shop.manage("GET", "/v1/health")[0], 200)

    def test_a_journal_that_is_gone_is_told_and_not_made_anew(self):
        self.shop.fill("1", 1000)
        self.assertEqual(self.shop.stop(), 0)
        path = os.path.join(self.shop.data, "journal.db")
        os.unlink(path)
        status, _, errors = self.run_store("--config", self.shop.config)
        self.assertEqual(status, 1)
        self.assertIn("the journal is gone", errors)
        self.assertFalse(os.path.exists(path))

    def test_a_journal_with_a_damaged_end_is_refused(self):
        self.shop.fill("1", 1000)
        self.assertEqual(self.shop.stop(), 0)
        import sqlite3  # pylint: disable=import-outside-toplevel
        with sqlite3.connect(os.path.join(self.shop.data, "journal.db")) as db:
            db.execute("UPDATE entry SET head = zeroblob(32) WHERE seq = 2")
        db.close()
        status, _, errors = self.run_store("--config", self.shop.config)
        self.assertEqual(status, 1)
        self.assertIn("damaged", errors)


class Kills(unittest.TestCase):
    """kill -9 at each point of a write: the same call again finds it done, or does it, once."""

    POINTS = ("store.before_append", "store.mid_append", "store.after_append",
              "store.before_commit", "store.after_commit")

    def setUp(self):
        self.shop = Shop()
        self.addCleanup(self.shop.close)

    def calls(self):
        """Each verb once, in an order that works."""
        return (("/v1/cards", {"card_no": "77"}),
                ("/v1/top-ups", {"order_no": "t", "card_no": "77", "paid": 1000, "tender": "cash"}),
                ("/v1/sales", {"order_no": "s", "card_no": "77", "amount": 400}),
                ("/v1/refunds", {"order_no": "r", "of": {"store": "0107", "order_no": "s"},
                                 "amount": 150}))

    def kill_in(self, point, path, body, key):
        """The call dies at the point; it is made again after a restart."""
        shop = self.shop
        shop.stop(signal.SIGKILL)
        shop.start(fault=f"{point}:1")
        with self.assertRaises(OSError):
            shop.till("POST", path, body, key)
        self.assertEqual(shop.process.wait(timeout=10), -signal.SIGKILL)
        shop.start()
        status, headers, answer = shop.till("POST", path, body, key)
        self.assertEqual(status, 201, answer)
        was_done = point == "store.after_commit"
        self.assertEqual(headers["Idempotent-Replayed"], "true" if was_done else None)
        again = shop.till("POST", path, body, key)
        self.assertEqual((again[0], again[1]["Idempotent-Replayed"]), (201, "true"))
        drop = {"uplink", "sync_state"}
        self.assertEqual({k: v for k, v in again[2].items() if k not in drop},
                         {k: v for k, v in answer.items() if k not in drop})

    def test_each_verb_at_each_point(self):
        for index, point in enumerate(self.POINTS):
            for path, body in self.calls():
                body = json.loads(json.dumps(body).replace('"77"', f'"77{index}"')
                                  .replace('"order_no": "', f'"order_no": "{index}'))
                with self.subTest(point=point, path=path):
                    self.kill_in(point, path, body, f"{index}{path}")
            self.assertEqual(self.shop.verified(), 4 * (index + 1))

    def test_a_refusal_under_a_key_is_kept_or_made_again(self):
        self.shop.fill("77", 100)
        for n, point in enumerate(("store.before_commit", "store.after_commit")):
            body = {"order_no": f"s{n}", "card_no": "77", "amount": 400}
            self.shop.stop(signal.SIGKILL)
            self.shop.start(fault=f"{point}:1")
            with self.assertRaises(OSError):
                self.shop.till("POST", "/v1/sales", body, f"k{n}")
            self.shop.start()
            status, headers, answer = self.shop.till("POST", "/v1/sales", body, f"k{n}")
            self.assertEqual((status, answer["error"]["code"]), (422, "insufficient_balance"))
            self.assertEqual(headers["Idempotent-Replayed"], "true" if n else None)
        self.shop.verified()


if __name__ == "__main__":
    unittest.main()
