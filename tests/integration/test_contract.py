"""The tills' contract against the running agent: every call, every answer that a client can cause.

Each test of `Calls` drives one operation of api/openapi.json through all that it may answer. Every
answer is judged by the contract (status, code, headers, body; see contract.py); one that is not in
it fails at once, and what it promises and never came fails at the end of the test.
"""

import http.client
import json
import os
import re
import signal
import tempfile
import unittest
import urllib.parse

import redocly
from contract import Contract, Seen
from harness import TOP, Chain, http as call, wait_until
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
    "journal_rolled_back": ("tests/integration/test_store_rollback.py",
                            "test_an_older_image_of_the_journal_sells_nothing"),
    "store_fenced": ("tests/unit_store/test_agent_till.c",
                     "a_witness_of_another_history_stops_spends"),
    **{(operation, "no_rule"): ("tests/unit_store/test_agent_till.c",
                                "what_headquarters_does_not_book_yet_is_refused")
       for operation in ("openCard", "refund", "redeemPoints", "cancelOrder")},
    "card_blocked": ("tests/unit/test_till.c",
                     "a_blocked_card_buys_nothing_but_gets_its_refund"),
}


def is_elsewhere(operation, code):
    """Whether no client can cause that answer of the operation."""
    return code in ELSEWHERE or (operation, code) in ELSEWHERE


def tearDownModule():
    """The contract report, of what ran."""
    print("\n".join(["contract report: answers by operation, and how often each was seen",
                     *SEEN.report(is_elsewhere)]), flush=True)


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
            for value in ("x", "", "1.5", "-1", schema["minimum"] - 1, schema["maximum"] + 1, 2 ** 64):
                with self.subTest(parameter=parameter["name"], value=value):
                    error = self.expect(400, "bad_value", "GET", f"{target}?"
                                        f"{parameter['name']}={value}", token=token)["error"]
                    self.assertEqual(error["param"], parameter["name"])

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
            self.refused(503, code, target, body, {"Trib-Witness": witness})

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
        wait_until(lambda: chain.till("0102", "GET", f"/v1/accounts/{account}")[2]["held_elsewhere"],
                   60, "0102 hears of it, which")
        return chain

    def at(self, store, target, body):
        """A POST at a shop of the chain; (status, code, JSON)."""
        shop = self.two_shops().store(store)
        op = CONTRACT.find("POST", target)
        status, value, headers = self.send("POST", target, body, shop["token"], url=shop["url"])
        seen = CONTRACT.check(op, status, headers, value)
        SEEN.add(op, seen)
        return *seen, value

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
        self.assertEqual((got[2]["error"]["points_held"], got[2]["error"]["points_wanted"]), (0, 150))


class Document(unittest.TestCase):
    """What the contract says of itself."""

    def test_it_has_every_code_of_the_agent_and_no_other(self):
        with open(os.path.join(TOP, "common/core/code.h"), encoding="utf-8") as f:
            codes = dict(re.findall(r'X\(\w+, "(\w+)", (\d+)\)', f.read()))
        del codes["ok"]
        said = {(code, str(status)) for op in CONTRACT.operations.values()
                for status, code in op.answers() if code is not None and status != 403}
        said |= {(code, codes[code]) for code in CONTRACT.doc["x-codes-of-any-address"]}
        said |= {(code, codes[code]) for code in CONTRACT.doc["x-codes-reserved"]}
        self.assertEqual(said, set(codes.items()))

    def test_each_answer_and_request_has_examples_that_are_right(self):
        for op in CONTRACT.operations.values():
            if op.content():
                for name in op.content()["examples"]:
                    with self.subTest(operation=op.name, request=name):
                        self.assertEqual(CONTRACT.request_errors(op, op.example(name)), [])
            for status in map(int, op.spec["responses"]):
                response = op.response(status)
                media = response["content"]["application/json"]
                if op.name == "getContract" and status == 200:
                    continue  # the example is this file
                with self.subTest(operation=op.name, status=status):
                    self.assertTrue(media["examples"])
                    headers = {name: "1.1.0123456789abcdef" if name == "Trib-Witness" else "Bearer"
                               for name in response.get("headers", {})
                               if name in ("Trib-Witness", "WWW-Authenticate")}
                    for example in media["examples"].values():
                        CONTRACT.check(op, status, headers, CONTRACT.resolve(example)["value"])
                if status >= 400:
                    self.assertEqual(list(media["examples"]), CONTRACT.codes_of(response))

    def test_what_no_client_can_cause_is_tested_where_it_is_said(self):
        for answer, (path, name) in ELSEWHERE.items():
            with self.subTest(answer=answer), open(os.path.join(TOP, path), encoding="utf-8") as f:
                self.assertRegex(f.read(), rf"\b{name}\(")


class Guide(Case):
    """docs/till.md and its Chinese twin against the contract."""

    ROW = re.compile(r"^\| (\d+) \| `(\w+)` \| (\S+) \| (.*?) \| .+ \|$", re.M)
    TEXTS = (("docs/till.md", "en", {True: "yes", False: "no"}),
             ("docs/till.zh-CN.md", "zh", {True: "是", False: "否"}))

    def errors(self):
        """{code: (its first status, the error)}, as the contract's examples and the agent have
        them."""
        found = {}
        for op in CONTRACT.operations.values():
            for status, code in op.answers():
                if code is not None:
                    error = CONTRACT.doc["components"]["examples"][code]["value"]["error"]
                    found[code] = (min(status, found.get(code, (999,))[0]), error)
        for method, target in (("GET", "/v1/nothing"), ("PUT", "/v1/sales")):
            status, value, _ = self.send(method, target)
            found[value["error"]["code"]] = (status, value["error"])
        return found

    def test_its_table_of_codes_is_the_contract_s(self):
        errors = self.errors()
        self.assertLessEqual(set(CONTRACT.doc["x-codes-of-any-address"]), set(errors))
        for path, language, words in self.TEXTS:
            with open(os.path.join(TOP, path), encoding="utf-8") as f:
                rows = self.ROW.findall(f.read())
            said = [(str(status), code, words[error["retryable"]], error["message"][language])
                    for code, (status, error) in errors.items()]
            self.assertEqual(sorted(rows), sorted(said), path)

    def test_both_languages_have_the_same_parts(self):
        shapes = []
        for path, _, _ in self.TEXTS:
            with open(os.path.join(TOP, path), encoding="utf-8") as f:
                lines = f.read().splitlines()
            shapes.append([re.match(r"#+|\d+\.|[*|]|```\w*|$", line)[0] for line in lines
                           if re.match(r"#+ |\d+\. |[*|] |```", line)])
        self.assertEqual(*shapes)

    def test_its_calls_are_in_the_contract(self):
        for path, _, _ in self.TEXTS:
            with open(os.path.join(TOP, path), encoding="utf-8") as f:
                calls = re.findall(r"`(GET|POST|DELETE) (/v1/[^` ]+)", f.read())
            self.assertTrue(calls)
            for method, target in calls:
                CONTRACT.find(method, re.sub(r"{\w+}", "x", target))


class Redocly(Case):
    """Redocly's own judgement; skipped where npm's registry cannot be reached, but not on CI."""

    @classmethod
    def setUpClass(cls):
        try:
            cls.folder = redocly.prepare()
        except redocly.Unavailable as error:
            if os.environ.get("CI"):
                raise
            raise unittest.SkipTest(str(error)) from None
        super().setUpClass()

    def lint(self, *paths):
        return redocly.run(self.folder, "lint", "--config", "redocly.yaml", *paths)

    def test_the_contract_is_clean_by_the_recommended_rules(self):
        status, output = self.lint(os.path.join(TOP, "api/openapi.json"), "till.arazzo.yaml")
        self.assertEqual(status, 0, output)

    def test_a_planted_error_is_found(self):
        doc = json.loads(json.dumps(CONTRACT.doc))
        del doc["paths"]["/v1/sales"]["post"]["operationId"]
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "openapi.json")
            with open(path, "w", encoding="utf-8") as f:
                json.dump(doc, f)
            status, output = self.lint(path)
        self.assertEqual(status, 1, output)

    def test_a_till_s_day_goes_as_the_workflow_says(self):
        status, output = redocly.run(
            self.folder, "respect", "till.arazzo.yaml", "--server", f"store={self.shop.url}",
            "--input", f"admin={self.shop.admin}", "--input", "run=1")
        self.assertEqual(status, 0, output)
        self.assertRegex(output, r"Workflows: 1 passed, 1 total")


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
        self.assertEqual(self.expect(200, None, "GET", "/v1/openapi.json", token=None), CONTRACT.doc)
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
        self.refused(400, "bad_value", "/v1/sales", {
            **body, "order_no": self.order("S"), "tenders": tenders[:1]})
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
        self.assertEqual(self.refused(422, "refund_exceeds_sale", "/v1/refunds", again)["rest"], 7345)
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
        self.refused(400, "bad_value", "/v1/refunds", {**of, "amount": 3999})
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
        quote = self.expect(200, None, "POST", "/v1/quotes", body, headers={
            "Trib-Witness": "1.999999.0123456789abcdef"})
        self.assertEqual(quote["why"], "journal_rolled_back")
        changed = {**body, "expected_payable": 1}
        quote = self.expect(200, None, "POST", "/v1/quotes", changed)
        self.assertEqual((quote["payable"], quote["why"]), (4000, "payable_changed"))
        self.refused(422, "payable_changed", "/v1/quotes", {
            **changed, "tenders": [{"type": "cash", "amount": 1}]})
        self.refused(422, "no_rule", "/v1/quotes", {**body, "use_points": 1})
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
            self.assertNotIn("txn", never)
        sale = {"order_no": self.order("S"), "card_no": number, "amount": 20000}
        self.done("/v1/sales", sale)
        parts = [{"order_no": self.order("R"), "of": {"store": STORE, "order_no": sale["order_no"]},
                  "amount": 100} for _ in range(2)]
        for part in parts:
            self.done("/v1/refunds", part)
        error = self.refused(409, "order_conflict", cancel(parts[0]["order_no"]), {"verb": "refund"})
        self.assertEqual(error["param"], "order_no")
        for part in reversed(parts):
            self.done(cancel(part["order_no"]), {"verb": "refund"}, 200)
        redemption = {"order_no": self.order("P"), "card_no": number, "points": 150, "item": "CUP-1"}
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
        self.points_that_are_spent(lambda sale: cancel(sale["order_no"]),
                                   lambda sale: {"verb": "sale"})
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
