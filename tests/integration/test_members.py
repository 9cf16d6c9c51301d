"""Members: taken with a card, sealed at rest, found again, masked wherever they are shown."""

import json
import os
import signal
import sqlite3
import stat
import subprocess
import unittest

from harness import BUILD, http as call
from store_case import Case, STORE, Shop
from wire import entries

PHONE, NAME, BIRTHDAY = "13800135678", "王小明", "1990-02-28"
TRIBCTL = os.path.join(BUILD, "ctl/tribctl")
MEMBER = {"name": NAME, "phone": PHONE, "birthday": BIRTHDAY}
MASKED = {"name": NAME, "phone": "138****5678"}


def issue(shop, card, member=None, key=None, **more):
    """A new card; its account's object."""
    body = {"card_no": card, **({"member": member} if member else {}), **more}
    status, _, answer = shop.till("POST", "/v1/cards", body, key)
    assert status == 201, answer
    return answer


def search(shop, **what):
    """What a search finds."""
    status, _, answer = shop.till("POST", "/v1/cards/search", what)
    assert status == 200, answer
    return answer


def found(shop, **what):
    """The masked cards that a search finds."""
    return [a["cards"] for a in search(shop, **what)["accounts"]]


class Issuing(Case):
    """POST /v1/cards with a member."""

    def refuse(self, member, code, param):
        got = self.shop.till("POST", "/v1/cards", {"card_no": "refused", "member": member})
        self.assertError(got, 400, code, param)
        self.assertEqual(self.shop.till("POST", "/v1/sales", {
            "order_no": "x", "card_no": "refused", "amount": 1})[0], 404)

    def test_fields(self):
        for member, code, param in (
                ({}, "bad_value", "member"),
                ({"name": None}, "bad_value", "member"),
                ([], "bad_value", "member"),
                ("王", "bad_value", "member"),
                ({"name": ""}, "bad_value", "member.name"),
                ({"name": "王" * 22}, "bad_value", "member.name"),
                ({"name": "a\nb"}, "bad_value", "member.name"),
                ({"name": "a\u0085b"}, "bad_value", "member.name"),
                ({"name": 7}, "bad_value", "member.name"),
                ({"phone": 13800135678}, "bad_value", "member.phone"),
                ({"phone": "138 0013 5678"}, "bad_value", "member.phone"),
                ({"phone": "138-0013-5678"}, "bad_value", "member.phone"),
                ({"phone": "1234"}, "bad_value", "member.phone"),
                ({"phone": "1" * 21}, "bad_value", "member.phone"),
                ({"phone": "1380013567a"}, "bad_value", "member.phone"),
                ({"birthday": "1990-02-29"}, "bad_value", "member.birthday"),
                ({"birthday": "28.02.1990"}, "bad_value", "member.birthday"),
                ({"birthday": "1990-2-28"}, "bad_value", "member.birthday"),
                ({"name": "a", "colour": "red"}, "unknown_field", "member.colour")):
            with self.subTest(member=member):
                self.refuse(member, code, param)

    def test_each_field_alone_is_a_member(self):
        for card, member, shown in (
                ("1001", {"name": "王" * 21}, {"name": "王" * 21, "phone": None}),
                ("1002", {"phone": "+85298765432"}, {"name": None, "phone": "+85*****5432"}),
                ("1003", {"birthday": "2000-02-29"}, {"name": None, "phone": None}),
                ("1004", {"name": 'a"\\b'}, {"name": 'a"\\b', "phone": None})):
            with self.subTest(member=member):
                self.assertEqual(issue(self.shop, card, member)["member"], shown)

    def test_an_account_shows_its_member_masked_and_whether_it_has_a_pin(self):
        for card, member, pin, shown in (("1101", MEMBER, {"pin": "1234"}, MASKED),
                                         ("1102", MEMBER, {}, MASKED), ("1103", None, {}, None)):
            with self.subTest(card=card):
                new = issue(self.shop, card, member, **pin)
                self.assertEqual((new["member"], new["has_pin"]), (shown, bool(pin)))
                _, _, now = self.shop.till("GET", f"/v1/accounts/{new['account']}")
                self.assertEqual((now["member"], now["has_pin"]), (shown, bool(pin)))
                self.assertEqual(set(new) - set(now), {"sync_state"})
                _, _, listed = self.shop.till("POST", "/v1/cards/search", {"card_no": card})
                del now["as_of"], listed["accounts"][0]["as_of"]
                self.assertEqual(listed, {"accounts": [now]})

    def test_a_repeat_under_its_key_is_replayed_with_the_member(self):
        body = {"card_no": "1201", "member": MEMBER, "pin": "1234"}
        status, headers, first = self.shop.till("POST", "/v1/cards", body, "k")
        self.assertEqual((status, headers["Idempotent-Replayed"]), (201, None))
        again = {**body, "member": {**MEMBER, "phone": "+86" + PHONE}}
        status, headers, second = self.shop.till("POST", "/v1/cards", again, "k")
        self.assertEqual((status, headers["Idempotent-Replayed"]), (201, "true"))
        self.assertEqual(second, first)
        for change in ({"phone": "13800135679"}, {"name": "王小"}, {"birthday": "1990-02-27"}):
            got = self.shop.till("POST", "/v1/cards", {**body, "member": {**MEMBER, **change}}, "k")
            self.assertError(got, 409, "key_reused")
        self.assertError(self.shop.till("POST", "/v1/cards", {"card_no": "1201"}, "k"), 409,
                         "key_reused")
        self.assertError(self.shop.till("POST", "/v1/cards", body), 409, "card_exists")

    def test_a_bad_request_s_own_text_is_in_no_error(self):
        for data in (b'{"card_no" "62220001","member":{"phone":13800135678"}}',
                     b'{"card_no":"6222","member":{"phone" "13800135678"}}',
                     b'{"member":{"phone":13800135678x}}', b'{"member":{"phone":13800135678 1}}',
                     b'{"member":{"phone":"13800135678\x01"}}'):
            with self.subTest(data=data):
                status, answer = self.shop.raw("/v1/cards", data)
                self.assertEqual((status, answer["error"]["code"]), (400, "bad_json"))
                self.assertNotIn("6222", str(answer))
                self.assertNotIn("1380013", str(answer))


class Searching(Case):
    """POST /v1/cards/search."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for card, phone in (("62220001", PHONE), ("62220002", PHONE), ("62220003", "13900135678"),
                            ("62220004", "+85298765432")):
            issue(cls.shop, card, {"phone": phone})
        issue(cls.shop, "62220005")

    def test_requests(self):
        for body, code, param in (
                ({}, "missing_field", "card_no"),
                ({"phone": None}, "missing_field", "card_no"),
                ({"card_no": "1", "phone": PHONE}, "bad_value", "phone"),
                ({"phone": PHONE, "phone_last4": "5678"}, "bad_value", "phone_last4"),
                ({"phone": "1234"}, "bad_value", "phone"),
                ({"phone": "138*0135678"}, "bad_value", "phone"),
                ({"phone_last4": "567"}, "bad_value", "phone_last4"),
                ({"phone_last4": "56789"}, "bad_value", "phone_last4"),
                ({"phone_last4": "567x"}, "bad_value", "phone_last4"),
                ({"phone_last4": 5678}, "bad_value", "phone_last4"),
                ({"card_no": "x" * 65}, "bad_value", "card_no"),
                ({"name": NAME}, "unknown_field", "name")):
            with self.subTest(body=body):
                self.assertError(self.shop.till("POST", "/v1/cards/search", body), 400, code, param)
        self.assertError(self.shop.till("GET", "/v1/cards/search"), 405, "method_not_allowed")

    def test_lanes_and_the_administrator_may_search(self):
        url, body = self.shop.url + "/v1/cards/search", {"card_no": "62220001"}
        for token, status in ((self.shop.token, 200), (self.shop.admin, 200), ("x", 401),
                              (None, 401)):
            self.assertEqual(call(url, "POST", token, body)[0], status)

    def test_by_each_way(self):
        def cards(*ends):
            return [["******" + end] for end in ends]

        self.assertEqual(found(self.shop, card_no="62220005"), cards("05"))
        self.assertEqual(found(self.shop, card_no="6222000"), [])
        for phone in (PHONE, "+86" + PHONE):
            self.assertEqual(found(self.shop, phone=phone), cards("02", "01"))
        self.assertEqual(found(self.shop, phone="85298765432"), [])
        self.assertEqual(found(self.shop, phone="+85298765432"), cards("04"))
        self.assertEqual(found(self.shop, phone_last4="5678"), cards("03", "02", "01"))
        self.assertEqual(found(self.shop, phone_last4="0000"), [])

    def test_what_was_used_last_comes_first_and_twenty_at_most(self):
        for n in range(20):
            issue(self.shop, f"7100{n:02}", {"phone": f"15100{n:02}7777"})
        answer = search(self.shop, phone_last4="7777")
        self.assertEqual((len(answer["accounts"]), "more" in answer), (20, False))
        issue(self.shop, "710020", {"phone": "15100207777"})
        self.shop.till("POST", "/v1/top-ups", {"order_no": "used", "card_no": "710003",
                                               "paid": 100, "tender": "cash"})
        answer = search(self.shop, phone_last4="7777")
        self.assertEqual((len(answer["accounts"]), answer["more"]), (20, True))
        self.assertEqual([a["cards"][0][-2:] for a in answer["accounts"]][:3], ["03", "20", "19"])
        self.assertEqual(answer["accounts"][0]["balance"]["principal"], 100)

    def tribctl(self, *args, card):
        """tribctl account show; (status, what it printed)."""
        done = subprocess.run([TRIBCTL, "--store", self.shop.url, "account", "show", "--card-file",
                               "-", *args], input=card + "\n", text=True, check=False,
                              env={**os.environ, "TRIB_TOKEN": self.shop.admin, "LANG": "C"},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        return done.returncode, done.stdout

    def test_tribctl_finds_an_account_by_its_card(self):
        for card, status, word in (("62220004", 0, "+85*****5432"), ("62220005", 0, "PIN"),
                                   ("9", 1, "no such card")):
            got = self.tribctl(card=card)
            self.assertEqual(got[0], status, got)
            self.assertIn(word, got[1])
            self.assertNotIn("6222000", got[1])

    def test_tribctl_shows_what_happened_to_an_account(self):
        for n in range(2):
            self.shop.till("POST", "/v1/top-ups", {"order_no": f"c{n}", "card_no": "62220004",
                                                   "paid": 100, "tender": "cash"})
        for n, kinds in (("2", ["top_up", "top_up"]), ("9", ["top_up", "top_up", "account_opened"])):
            status, output = self.tribctl("--activities", n, "-o", "json", card="62220004")
            self.assertEqual((status, [a["kind"] for a in json.loads(output)]), (0, kinds))
        self.assertEqual(self.tribctl("--activities", "1", card="9")[0], 1)

class Blocked(unittest.TestCase):
    """An account that may not spend."""

    def test_a_blocked_card_is_found(self):
        shop = Shop()
        self.addCleanup(shop.close)
        issue(shop, "62220001", MEMBER)
        shop.stop()
        with sqlite3.connect(os.path.join(shop.data, "journal.db")) as db:
            db.execute("UPDATE account SET status = 2")
        db.close()
        shop.start()
        for what in ({"card_no": "62220001"}, {"phone": PHONE}, {"phone_last4": PHONE[-4:]}):
            self.assertEqual([a["status"] for a in search(shop, **what)["accounts"]], ["blocked"])


class Activities(Case):
    """GET /v1/accounts/{account}/activities."""

    def list(self, account, query=""):
        status, _, answer = self.shop.till("GET", f"/v1/accounts/{account}/activities{query}")
        self.assertEqual(status, 200, answer)
        return answer

    def test_every_kind_shows_what_it_moved(self):
        shop = self.shop
        account = issue(shop, "2001", MEMBER)["account"]
        for path, body in (
                ("/v1/top-ups", {"order_no": "t", "card_no": "2001", "paid": 50000,
                                 "tender": "cash", "operator": "小王"}),
                ("/v1/sales", {"order_no": "s", "card_no": "2001", "amount": 12345}),
                ("/v1/refunds", {"order_no": "r", "of": {"store": "0107", "order_no": "s"},
                                 "amount": 5000}),
                ("/v1/orders/r/cancel", {"verb": "refund"}),
                ("/v1/points/redemptions", {"order_no": "p", "card_no": "2001", "points": 100,
                                            "item": "cup"})):
            status, _, answer = shop.till("POST", path, body)
            self.assertIn(status, (200, 201), answer)
        got = self.list(account)
        self.assertEqual(set(got), {"activities"})
        self.assertEqual([(a["kind"], a.get("order_no"), a["amount"], a["principal"], a["bonus"],
                           a["points"], a.get("operator"), a.get("cancels"))
                          for a in got["activities"]], [
                              ("points_redeemed", "p", 0, 0, 0, -100, None, None),
                              ("reversal", "r", 5000, -5000, 0, 50, None, "refund"),
                              ("refund", "r", 5000, 5000, 0, -50, None, None),
                              ("sale", "s", 12345, -12345, 0, 123, None, None),
                              ("top_up", "t", 50000, 50000, 0, 0, "小王", None),
                              ("account_opened", None, 0, 0, 0, 0, None, None)])
        for activity in got["activities"]:
            self.assertEqual((activity["lane"], activity["sync_state"]), (1, "stored"))
            self.assertRegex(activity["txn"], r"^0107-1-[0-9]+$")
            self.assertRegex(activity["at"], r"^[0-9T:.-]+\+08:00$")
            self.assertRegex(activity["business_day"], r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
        _, _, now = shop.till("GET", f"/v1/accounts/{account}")
        for name in ("principal", "bonus", "points"):
            self.assertEqual(sum(a[name] for a in got["activities"]), now["available_here"][name])

    def test_pages_neither_repeat_nor_skip_while_entries_come(self):
        account = self.shop.fill("2101", 10000)
        self.shop.fill("2102", 10000)
        for n in range(9):
            for card in ("2101", "2102"):
                self.shop.till("POST", "/v1/sales", {"order_no": f"p{n}-{card}", "card_no": card,
                                                     "amount": 1})
        for limit in (3, 1, 10, 19):
            with self.subTest(limit=limit):
                whole = [a["txn"] for a in self.list(account)["activities"]]
                pages, cursor = [], ""
                while cursor is not None:
                    answer = self.list(account, f"?limit={limit}&cursor={cursor}")
                    pages.append([a["txn"] for a in answer["activities"]])
                    cursor = answer.get("next_cursor")
                    if len(pages) < 4:
                        self.shop.till("POST", "/v1/sales", {
                            "order_no": f"more-{limit}-{len(pages)}", "card_no": "2101",
                            "amount": 1})
                self.assertEqual(pages, [whole[i:i + limit] for i in range(0, len(whole), limit)])
        self.assertEqual(len(whole), limit)  # the last page was full

    def test_fifty_by_default_and_two_hundred_at_most(self):
        account = self.shop.fill("2201", 10000)
        for n in range(210):
            self.shop.till("POST", "/v1/sales", {"order_no": f"d{n}", "card_no": "2201",
                                                 "amount": 1})
        for query, n in (("", 50), ("?limit=200", 200), ("?limit=1", 1)):
            self.assertEqual(len(self.list(account, query)["activities"]), n)

    def test_requests(self):
        account = issue(self.shop, "2301")["account"]
        path = f"/v1/accounts/{account}/activities"
        for query, code, param in (
                ("limit=0", "bad_value", "limit"), ("limit=201", "bad_value", "limit"),
                ("limit=x", "bad_value", "limit"), ("cursor=x", "bad_value", "cursor"),
                ("cursor=0", "bad_value", "cursor"), ("cursor=-1", "bad_value", "cursor"),
                ("cursor=1e3", "bad_value", "cursor"),
                ("cursor=99999999999999999999", "bad_value", "cursor"),
                ("page=2", "unknown_field", "page")):
            with self.subTest(query=query):
                self.assertError(self.shop.till("GET", f"{path}?{query}"), 400, code, param)
        for name in ("a" * 26, "x"):
            self.assertError(self.shop.till("GET", f"/v1/accounts/{name}/activities"), 404,
                             "unknown_account")
        self.assertEqual(self.list(account, "?cursor=1")["activities"], [])
        self.assertEqual(call(self.shop.url + path)[0], 401)
        self.assertEqual(call(self.shop.url + path, token=self.shop.admin)[0], 200)


class AtRest(unittest.TestCase):
    """What the disk holds, and the key."""

    def setUp(self):
        self.shop = Shop()
        self.addCleanup(self.shop.close)
        self.key = os.path.join(self.shop.data, "member.key")

    def assertNothingInClear(self):
        """No file of the shop has the phone number, the name, the birthday or the card's PIN."""
        words = [PHONE.encode(), PHONE[1:].encode(), NAME.encode(), b"\\u738b", BIRTHDAY.encode(),
                 b"19900228", b"738291"]
        files = [os.path.join(folder, name) for folder, _, names in os.walk(self.shop.dir)
                 for name in names]
        self.assertIn(os.path.join(self.shop.data, "journal.db"), files)
        for path in files:
            with open(path, "rb") as f:
                text = f.read()
            for word in words:
                self.assertNotIn(word, text, path)

    def journal(self, sql):
        """Rows of the stopped shop's journal."""
        db = sqlite3.connect(os.path.join(self.shop.data, "journal.db"))
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def issue(self):
        return issue(self.shop, "62220001", MEMBER, "key", pin="738291")

    def test_nothing_is_in_clear_on_the_disk_or_in_a_log(self):
        account = self.issue()["account"]
        self.issue()  # replayed
        search(self.shop, phone=PHONE)
        search(self.shop, phone_last4=PHONE[-4:])
        self.shop.till("POST", "/v1/cards/search", {"phone": PHONE, "card_no": PHONE})
        self.shop.till("POST", "/v1/cards", {"card_no": "2", "member": {**MEMBER, "x": PHONE}})
        self.shop.till("POST", "/v1/sales", {"order_no": "s", "card_no": "62220001", "amount": 1})
        self.assertNothingInClear()  # the write-ahead log is there
        for number in (signal.SIGKILL, signal.SIGTERM):
            self.shop.stop(number)
            self.assertNothingInClear()
            self.shop.start()
            _, _, now = self.shop.till("GET", f"/v1/accounts/{account}")
            self.assertEqual((now["member"], now["has_pin"]), (MASKED, True))
            self.assertEqual(found(self.shop, phone=PHONE), [["******01"]])
        answer = self.shop.manage("GET", "/v1/journal")[2]
        self.assertNotIn("62220001", str(answer))
        self.assertNotIn(NAME, str(answer))
        self.shop.verified()

    def test_no_stored_answer_and_no_entry_has_the_member(self):
        self.issue()
        self.shop.stop()
        for row in self.journal("SELECT answer FROM key_record"):
            self.assertNotIn("member", row[0])
        (entry,), = self.journal("SELECT bytes FROM entry")
        first = entries().Entry.FromString(entry)
        self.assertEqual(len(first.fingerprint), 16)
        self.assertEqual(len(self.journal("SELECT * FROM member")), 1)

    def test_fingerprints_of_one_phone_number_differ_between_shops(self):
        other = Shop()
        self.addCleanup(other.close)
        prints = set()
        for shop in (self.shop, other):
            issue(shop, "62220001", {"phone": PHONE})
            shop.stop()
            db = sqlite3.connect(os.path.join(shop.data, "journal.db"))
            (entry,), = db.execute("SELECT bytes FROM entry").fetchall()
            db.close()
            prints.add(entries().Entry.FromString(entry).fingerprint)
        self.assertEqual(len(prints), 2)

    def test_the_key_is_made_at_first_need_for_its_owner(self):
        issue(self.shop, "1")
        self.assertEqual(found(self.shop, phone=PHONE), [])
        self.shop.till("POST", "/v1/cards", {"card_no": "2", "member": {**MEMBER, "x": 1}})
        self.assertFalse(os.path.exists(self.key))
        self.issue()
        self.assertEqual(stat.S_IMODE(os.stat(self.key).st_mode), 0o600)
        with open(self.key, encoding="ascii") as f:
            key = f.read()
        self.assertRegex(key, r"^[0-9a-f]{64}\n$")
        issue(self.shop, "3", MEMBER)
        self.shop.stop(signal.SIGKILL)
        self.shop.start()
        issue(self.shop, "4", MEMBER)
        with open(self.key, encoding="ascii") as f:
            self.assertEqual(f.read(), key)
        self.assertEqual(len(found(self.shop, phone=PHONE)), 3)
        self.assertNotIn(key.strip(), self.shop.log())

    def test_a_kill_leaves_both_account_and_member_or_neither(self):
        body = {"card_no": "62220001", "member": MEMBER, "pin": "738291"}
        for point, is_there in (("store.after_append", False), ("store.before_commit", False),
                                ("store.after_commit", True)):
            with self.subTest(point=point):
                self.shop.stop(signal.SIGKILL)
                self.shop.start(fault=f"{point}:1")
                with self.assertRaises(OSError):
                    self.shop.till("POST", "/v1/cards", body, "key")
                self.assertEqual(self.shop.process.wait(timeout=10), -signal.SIGKILL)
                self.shop.start()
                self.assertEqual(found(self.shop, phone=PHONE), [["******01"]] if is_there else [])
                self.assertEqual(found(self.shop, card_no="62220001"),
                                 [["******01"]] if is_there else [])
        self.assertEqual(self.issue()["member"], MASKED)
        self.shop.verified()
        self.assertNotIn("member_key", self.shop.log())

    def test_a_key_open_to_others_is_refused(self):
        self.issue()
        self.shop.stop()
        for mode in (0o640, 0o604, 0o644):
            os.chmod(self.key, mode)
            done = subprocess.run([STORE, "--config", self.shop.config], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=30, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("chmod 600", done.stderr)
        os.chmod(self.key, 0o600)
        self.shop.start()
        self.assertEqual(found(self.shop, phone=PHONE), [["******01"]])

    def test_without_its_key_the_shop_sells_on_and_shows_no_member(self):
        account = self.issue()["account"]
        self.shop.till("POST", "/v1/top-ups", {"order_no": "t", "card_no": "62220001",
                                               "paid": 1000, "tender": "cash"})
        self.shop.stop()
        kept = self.key + ".kept"
        os.rename(self.key, kept)
        for damage in (None, "00\n"):
            if damage:
                with open(os.open(self.key, os.O_CREAT | os.O_WRONLY, 0o600), "w",
                          encoding="ascii") as f:
                    f.write(damage)
            log = len(self.shop.log())
            self.shop.start()
            for _ in range(2):
                _, _, now = self.shop.till("GET", f"/v1/accounts/{account}")
                self.assertEqual((now["member"], now["has_pin"]), (None, True))
            self.assertEqual(found(self.shop, card_no="62220001"), [["******01"]])
            for what in ({"phone": PHONE}, {"phone_last4": "5678"}):
                got = self.shop.till("POST", "/v1/cards/search", what)
                self.assertEqual((got[0], got[2]["error"]["code"]), (500, "internal"))
                self.assertIn("internal_error trace_id=" + got[2]["error"]["trace_id"],
                              self.shop.log())
            got = self.shop.till("POST", "/v1/cards", {"card_no": "2", "member": MEMBER})
            self.assertEqual((got[0], got[2]["error"]["param"]), (500, "member"))
            self.assertEqual(found(self.shop, card_no="2"), [])
            issue(self.shop, f"without {damage}".replace(" ", "-").strip())
            self.assertEqual(self.shop.till("POST", "/v1/sales", {
                "order_no": f"s{damage}".strip(), "card_no": "62220001", "amount": 1,
                "pin": "738291"})[0], 201)
            self.assertEqual(self.shop.log()[log:].count("member_key_lost"), 1)
            self.assertIn("<3>event=member_key_lost", self.shop.log()[log:])
            self.shop.stop()
            if not damage:
                self.assertFalse(os.path.exists(self.key))
        os.replace(kept, self.key)
        self.shop.start()
        self.assertEqual(found(self.shop, phone=PHONE), [["******01"]])
        self.assertEqual(self.shop.till("GET", f"/v1/accounts/{account}")[2]["member"], MASKED)

    def test_an_erased_member_is_gone(self):
        account = self.issue()["account"]
        self.shop.stop()
        db = sqlite3.connect(os.path.join(self.shop.data, "journal.db"))
        with db:
            db.execute("DELETE FROM member")
        db.close()
        self.shop.start()
        self.assertIsNone(self.shop.till("GET", f"/v1/accounts/{account}")[2]["member"])
        self.assertIsNone(self.issue()["member"])  # replayed
        self.assertEqual(found(self.shop, phone=PHONE), [])
        self.shop.verified()


if __name__ == "__main__":
    unittest.main()
