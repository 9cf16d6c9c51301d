"""What the tests of the tills' contract share: a shop whose answers are all judged by it, and what
every operation answers alike. See contract.py for the judging, misuse.py for wrong requests."""

import http.client
import json
import os
import re
import signal
import unittest
import urllib.parse

from contract import Contract, Seen
from harness import TOP, Chain, wait_until
from misuse import Misuse
from store_case import Shop

CONTRACT = Contract()
SEEN = Seen(CONTRACT)
MISUSE = Misuse(CONTRACT)
STORE = "0107"

# Answers that no client can cause: a code, or one of an operation; and the test of what does.
ELSEWHERE = {
    "internal": ("tests/unit/test_till.c", "a_lot_s_number_out_of_bounds_issues_nothing"),
    "disk_low": ("tests/unit_store/test_journal.c",
                 "a_full_disk_refuses_the_turn_and_the_journal_goes_on"),
    "clock_untrusted": ("tests/integration/test_degraded.py",
                        "test_a_clock_set_back_stops_spends_until_it_is_right"),
    "journal_rolled_back": ("tests/integration/test_store_rollback.py",
                            "test_an_older_image_of_the_journal_sells_nothing"),
    "store_fenced": ("tests/unit_store/test_agent_till.c",
                     "a_witness_of_another_history_stops_spends"),
    **{(operation, "no_rule"): ("tests/unit_store/test_agent_till.c",
                                "what_headquarters_does_not_book_yet_is_refused")
       for operation in ("openCard", "refund", "redeemPoints", "cancelOrder", "closeDay")},
    "card_blocked": ("tests/unit/test_till.c",
                     "a_blocked_card_buys_nothing_but_gets_its_refund"),
}


def is_elsewhere(operation, code):
    """Whether no client can cause that answer of the operation."""
    return code in ELSEWHERE or (operation, code) in ELSEWHERE


class Case(unittest.TestCase):
    """A shop of the class's own, and calls that are judged by the contract."""

    @classmethod
    def setUpClass(cls):
        cls.shop = Shop("lan_listen = 127.0.0.1:0\n")
        cls.addClassCleanup(cls.shop.close)
        cls.number = 0
        cls.chain = cls.hasty = None

    def order(self, letter):
        """A new order number."""
        type(self).number += 1
        return f"{letter}{self.number}"

    def send(self, method, target, body=None, token="lane", headers=None, url=None):
        """One call; (status, code, JSON, headers). body: bytes as they are, or a JSON value."""
        parts = urllib.parse.urlsplit(url or self.shop.url)
        token = {"lane": self.shop.token, "admin": self.shop.admin}.get(token, token)
        sent = {**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
        try:
            connection.request(method, target, data, sent)
            answer = connection.getresponse()
            value = json.loads(answer.read())
        finally:
            connection.close()
        return answer.status, value, answer.headers

    def ask(self, method, target, body=None, token="lane", headers=None):
        """A call that the contract is to have foreseen."""
        op = CONTRACT.find(method, target)
        status, value, answer_headers = self.send(method, target, body, token, headers)
        seen = CONTRACT.check(op, status, answer_headers, value)
        SEEN.add(op, seen)
        if status < 300 and isinstance(body, dict):
            self.assertEqual(CONTRACT.request_errors(op, body), [], "the agent takes what the "
                             "contract refuses")
        return seen[0], seen[1], value, answer_headers

    def expect(self, status, code, *args, **named):
        """The same, with the answer that is expected; the answer's JSON."""
        got = self.ask(*args, **named)
        self.assertEqual(got[:2], (status, code), got[2])
        return got[2]

    def done(self, target, body, status=201, token="lane", headers=None):
        """A POST that succeeds, and is no replay; its answer."""
        got = self.ask("POST", target, body, token, headers)
        self.assertEqual((got[0], got[3]["Idempotent-Replayed"]), (status, None), got[2])
        return got[2]

    def refused(self, status, code, target, body, headers=None):
        """A POST that is refused; the error's facts."""
        return self.expect(status, code, "POST", target, body, headers=headers)["error"]

    def card(self, paid=0, **more):
        """A new card, with that much on it."""
        number = self.order("62220000")
        self.done("/v1/cards", {"card_no": number, **more})
        if paid:
            self.done("/v1/top-ups", {"order_no": self.order("T"), "card_no": number, "paid": paid,
                                      "tender": "cash"})
        return number

    def complete(self, name):
        """All that the operation may answer was seen, but for what no client can cause."""
        op = CONTRACT.operations[name]
        never = [a for a in sorted(op.answers(), key=str)
                 if a not in SEEN.by_operation[name] and not is_elsewhere(name, a[1])]
        self.assertEqual(never, [], f"{name}: documented, and never answered")

    # What every operation answers alike.

    def outsiders(self, op, target):
        """Nobody calls without the right token, or from a foreign page."""
        body = None if op.content() is None else op.example()
        roles = {name for need in op.spec["security"] for name in need}
        wrong = [] if not roles else [None, "no-such-token"]
        wrong += [role for role in ("lane", "admin") if roles and role not in roles]
        for token in wrong:
            with self.subTest(token=token):
                self.expect(401, "unauthorized", op.method, target, body, token=token)
        for name, value in (("Host", "shop.example"), ("Origin", "https://shop.example")):
            with self.subTest(header=name):
                error = self.expect(403, "unauthorized", op.method, target, body,
                                    headers={name: value})["error"]
                self.assertEqual(error["param"], name)

    def too_often(self, op, target):
        """A lane that has used up its share is told when to come again."""
        if self.hasty is None:
            type(self).hasty = Shop("lane_rate = 1\n")
            self.addClassCleanup(self.hasty.close)
        body = None if op.content() is None else op.example()
        for _ in range(100):
            status, value, headers = self.send(op.method, target, body, self.hasty.token,
                                               url=self.hasty.url)
            seen = CONTRACT.check(op, status, headers, value)
            SEEN.add(op, seen)
            if status == 429:
                self.assertEqual(headers["Retry-After"], "1")
                return
        self.fail(f"{op.name}: called too often, and nobody minds")

    def bad_headers(self, op, target, body, token):
        """Headers of the contract with values that it does not allow."""
        for parameter in map(CONTRACT.resolve, op.spec.get("parameters", [])):
            schema = CONTRACT.resolve(parameter["schema"])
            if parameter["in"] != "header" or "pattern" not in schema:
                continue
            for value in ("x" * 65, "a\tb", "1.2"):
                if re.fullmatch(schema["pattern"], value) and len(value) <= schema["maxLength"]:
                    continue
                with self.subTest(header=parameter["name"], value=value):
                    error = self.expect(400, "bad_value", op.method, target, body, token,
                                        {parameter["name"]: value})["error"]
                    self.assertEqual(error["param"], parameter["name"])

    def bad_bodies(self, op, target, token):
        """What is no request of this call is refused for what it is."""
        good = json.dumps(op.example())
        first = next(iter(op.example()))
        doubled = f'{{"{first}": {json.dumps(op.example()[first])}, {good[1:]}'
        for data in (b"{", b"[]", b"1", b"nul", good.encode() + b"x", doubled.encode(),
                     b'{"%s": "\xff"}' % first.encode(), b'{"%s": "a\\u0000b"}' % first.encode(),
                     b'{"a":' * 17 + b"1" + b"}" * 17, b"[" * 10000):
            with self.subTest(data=data[:40]):
                self.expect(400, "bad_json", op.method, target, data, token=token)
        self.expect(413, "too_large", op.method, target, b" " * (64 * 1024 + 1), token=token)
        for wrong in MISUSE.of(op):
            with self.subTest(wrong=wrong.what):
                error = self.expect(400, wrong.code, op.method, target, wrong.body,
                                    token=token)["error"]
                if wrong.param is not None:
                    self.assertEqual(error["param"], wrong.param)
        for what, body in MISUSE.at_the_bounds(op):
            with self.subTest(right=what):
                self.assertEqual(CONTRACT.request_errors(op, body), [])
                self.assertNotEqual(self.ask(op.method, target, body, token)[0], 400)

    def bad_queries(self, op, target, token):
        """The same for query parameters."""
        self.expect(400, "unknown_field", "GET", f"{target}?colour=red", token=token)
        for parameter in map(CONTRACT.resolve, op.spec["parameters"]):
            schema = parameter["schema"]
            if parameter["in"] != "query" or schema["type"] != "integer":
                continue
            low, high = schema["minimum"] - 1, schema["maximum"] + 1
            for value in ("x", "", "1.5", "-1", low, high, 2 ** 64):
                with self.subTest(parameter=parameter["name"], value=value):
                    error = self.expect(400, "bad_value", "GET", f"{target}?"
                                        f"{parameter['name']}={value}", token=token)["error"]
                    self.assertEqual(error["param"], parameter["name"])
                    self.assertTrue(error["detail"].endswith(f"to {schema['maximum']}"), error)

    def misuse(self, name, target=None, token="lane"):
        """All of these, for an operation."""
        op = CONTRACT.operations[name]
        target = target or op.path
        self.outsiders(op, target)
        self.too_often(op, target)
        if op.content() is not None:
            self.bad_bodies(op, target, token)
            self.bad_headers(op, target, op.example(), token)
        elif (400, "bad_value") in op.answers():
            self.bad_queries(op, target, token)

    # What every verb of money answers alike.

    def repeats(self, target, body, other):
        """A success is replayed for ever, from whichever lane and under whatever key; `other`
        is a member with another value."""
        key = self.order("key")
        first = self.done(target, body, headers={"Idempotency-Key": key})
        for headers in ({"Idempotency-Key": key}, {}, {"Idempotency-Key": self.order("key")}):
            got = self.ask("POST", target, body, headers=headers)
            self.assertEqual((got[0], got[3]["Idempotent-Replayed"], got[2]), (201, "true", first))
        self.refused(409, "order_conflict", target, {**body, **other})
        self.refused(409, "key_reused", target, {**body, **other}, {"Idempotency-Key": key})
        return first

    def refusals_stay(self, target, body, code):
        """A refusal is replayed under its key, and only there."""
        key = {"Idempotency-Key": self.order("key")}
        self.refused(422, code, target, body, key)
        got = self.ask("POST", target, body, headers=key)
        self.assertEqual((got[:2], got[3]["Idempotent-Replayed"]), ((422, code), "true"))
        got = self.ask("POST", target, body, headers={"Idempotency-Key": self.order("key")})
        self.assertEqual((got[:2], got[3]["Idempotent-Replayed"]), ((422, code), None))

    def later_witness(self, target, body):
        """A till that saw more of the journal than there is stops a spend."""
        for witness, code in (("1.999999.0123456789abcdef", "journal_rolled_back"),
                              ("2.1.0123456789abcdef", "store_fenced")):
            error = self.refused(503, code, target, body, {"Trib-Witness": witness})
            self.assertEqual("Trib-Witness" in error.get("detail", ""),
                             code == "journal_rolled_back")

    def cancelled(self, verb, target, body):
        """Nothing of a cancelled order succeeds any more; after a reversal the refusal names it."""
        never = {**body, "order_no": self.order("N")}
        self.done(f"/v1/orders/{never['order_no']}/cancel", {"verb": verb}, 200)
        self.assertNotIn("txn", self.refused(409, "order_cancelled", target, never))
        cancel = self.ask("POST", f"/v1/orders/{body['order_no']}/cancel", {"verb": verb})
        if cancel[0] == 200:
            self.assertEqual(self.refused(409, "order_cancelled", target, body).get("txn"),
                             cancel[2].get("txn"))

    def at_once(self, target, bodies, expected, token="lane"):
        """Send them all to a shop that sleeps, so that it meets them together; again with other
        numbers until just the expected answers came."""
        op, seen = CONTRACT.find("POST", target), set()
        parts = urllib.parse.urlsplit(self.shop.url)
        token = {"lane": self.shop.token, "admin": self.shop.admin}[token]
        for _ in range(20):
            lines = [http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
                     for _ in bodies]
            self.shop.process.send_signal(signal.SIGSTOP)
            for line, body in zip(lines, bodies):
                line.request("POST", target, json.dumps(body), {"Authorization": f"Bearer {token}"})
            self.shop.process.send_signal(signal.SIGCONT)
            for line in lines:
                answer = line.getresponse()
                got = CONTRACT.check(op, answer.status, answer.headers, json.loads(answer.read()))
                SEEN.add(op, got)
                seen.add(got)
                line.close()
            if seen == expected:
                return
            bodies = [{name: value + "x" if name in ("order_no", "card_no") else value
                       for name, value in body.items()} for body in bodies]
        self.assertEqual(seen, expected)

    # What takes headquarters: a chain of two shops, with rules.

    @classmethod
    def two_shops(cls):
        """A chain whose shop 0102 knows that 0101 holds money of the card "both"; started when the
        first test needs it."""
        if cls.chain is not None:
            return cls.chain
        chain = Chain(stores=2, rules=os.path.join(TOP, "deploy/rules/example.json"))
        chain.__enter__()
        cls.addClassCleanup(chain.__exit__, None, None, None)
        cls.chain = chain
        chain.till("0101", "POST", "/v1/cards", {"card_no": "both"})
        chain.till("0101", "POST", "/v1/top-ups", {"order_no": "T1", "card_no": "both",
                                                   "paid": 10000, "tender": "cash"})
        chain.wait_booked()
        account = chain.till("0102", "POST", "/v1/cards", {"card_no": "both"})[2]["account"]
        at = f"/v1/accounts/{account}"
        wait_until(lambda: chain.till("0102", "GET", at)[2]["held_elsewhere"], 60,
                   "0102 hears of it, which")
        return chain

    def at(self, store, target, body):
        """A POST at a shop of the chain; (status, code, JSON)."""
        shop = self.two_shops().store(store)
        op = CONTRACT.find("POST", target)
        status, value, headers = self.send("POST", target, body, shop["token"], url=shop["url"])
        seen = CONTRACT.check(op, status, headers, value)
        SEEN.add(op, seen)
        return *seen, value

    def points_of_a_top_up_that_are_spent(self, cancel):
        """The same, of points that came with a top-up, which is cancelled."""
        card, order = self.order("vip"), self.order("T")
        self.at("0101", "/v1/cards", {"card_no": card, "account_type": "vip"})
        self.at("0101", "/v1/top-ups", {"order_no": order, "card_no": card, "paid": 100000,
                                        "tender": "cash"})
        self.at("0101", "/v1/points/redemptions", {
            "order_no": self.order("P"), "card_no": card, "points": 500, "item": "CUP-1"})
        got = self.at("0101", cancel(order), {"verb": "top_up"})
        self.assertEqual(got[:2], (422, "points_short"), got)
        error = got[2]["error"]
        self.assertEqual((error["points_held"], error["points_wanted"]), (0, 500))

    def points_that_are_spent(self, target, body):
        """Of an account whose rules let no points be owed; both are functions of the sale."""
        card = self.order("vip")
        self.at("0101", "/v1/cards", {"card_no": card, "account_type": "vip"})
        self.at("0101", "/v1/top-ups", {"order_no": self.order("T"), "card_no": card,
                                        "paid": 10000, "tender": "cash"})
        sale = self.at("0101", "/v1/sales", {"order_no": self.order("S"), "card_no": card,
                                             "amount": 10000})[2]
        got = self.at("0101", "/v1/points/redemptions", {
            "order_no": self.order("P"), "card_no": card, "points": 150, "item": "CUP-1"})
        self.assertEqual(got[:2], (201, None), got)
        got = self.at("0101", target(sale), body(sale))
        self.assertEqual(got[:2], (422, "points_short"), got)
        error = got[2]["error"]
        self.assertEqual((error["points_held"], error["points_wanted"]), (0, 150))
