"""The tills' contract as a text: what it says of itself, the guide beside it, and Redocly's
judgement."""

import json
import os
import re
import tempfile
import unittest

import redocly
from contract_case import CONTRACT, ELSEWHERE, Case
from harness import TOP


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

    def test_its_bodies_are_right(self):
        paths = ("sales", "refunds", "cards/search", "points/redemptions", "days/2026-11-22/close")
        for path, _, _ in self.TEXTS:
            with open(os.path.join(TOP, path), encoding="utf-8") as f:
                text = re.search(r"```json\n({\"order_no.*?)```", f.read(), re.S)[1].strip()
            for target in paths:
                body, end = json.JSONDecoder().raw_decode(text)
                text = text[end:].strip()
                op = CONTRACT.find("POST", f"/v1/{target}")
                with self.subTest(path=path, target=target):
                    self.assertEqual(CONTRACT.request_errors(op, body), [])
            self.assertEqual(text, "")

    def test_its_table_of_calls_is_whole(self):
        for path, _, _ in self.TEXTS:
            with open(os.path.join(TOP, path), encoding="utf-8") as f:
                rows = re.findall(r"^\| `(\w+ /v1/\S+)` \|", f.read(), re.M)
            self.assertEqual(sorted(rows), sorted(
                f"{method.upper()} {target}" for target, item in CONTRACT.doc["paths"].items()
                for method in item if method in ("get", "post", "delete")))

    def test_its_calls_are_in_the_contract(self):
        for path, _, _ in self.TEXTS:
            with open(os.path.join(TOP, path), encoding="utf-8") as f:
                calls = re.findall(r"`(GET|POST|DELETE) (/v1/[^` ]+)", f.read())
            self.assertTrue(calls)
            for method, target in calls:
                CONTRACT.find(method, re.sub(r"{\w+}", "x", target))


class Redocly(Case):
    """Redocly's own judgement; skipped, with the reason, where npm's registry cannot be reached."""

    @classmethod
    def setUpClass(cls):
        try:
            cls.folder = redocly.prepare()
        except redocly.Unavailable as error:
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
        self.card()
        journal = self.expect(200, None, "GET", "/v1/journal", token="admin")["items"]
        status, output = redocly.run(
            self.folder, "respect", "till.arazzo.yaml", "--server", f"store={self.shop.url}",
            "--input", f"admin={self.shop.admin}", "--input", "run=1",
            "--input", f"day={journal[-1]['business_day']}")
        self.assertEqual(status, 0, output)
        self.assertRegex(output, r"Workflows: 1 passed, 1 total")


if __name__ == "__main__":
    unittest.main()
