"""The tills' contract, api/openapi.json: what it says of a call, and whether an answer keeps it.

Answers are open to what a later version adds, but ours are judged as if they were closed: a member
that an answer has and the contract has not is an error here.
"""

import copy
import json
import os
import re

import jsonschema
from jsonschema.exceptions import best_match

from harness import TOP

PATH = os.path.join(TOP, "api/openapi.json")
METHODS = ("get", "post", "put", "delete")
# The headers of ours that an answer may have only where the contract says so.
OWN_HEADERS = ("Trib-Witness", "Idempotent-Replayed", "Retry-After", "WWW-Authenticate")

_formats = jsonschema.FormatChecker(formats=())


@_formats.checks("date-time")
def _is_time(value):
    return not isinstance(value, str) or re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d", value) is not None


@_formats.checks("date")
def _is_date(value):
    return not isinstance(value, str) or re.fullmatch(r"\d{4}-\d\d-\d\d", value) is not None


class Broken(AssertionError):
    """An answer, or the contract itself, is not as the contract says."""


def _close(schema):
    """Forbid members that the schema does not name, in it and below."""
    if isinstance(schema, list):
        for item in schema:
            _close(item)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" and "properties" in schema:
        schema.setdefault("additionalProperties", False)
    for name, value in schema.items():
        if name not in ("example", "examples", "const", "enum"):
            _close(value)


class Operation:
    """One method of one address."""

    def __init__(self, contract, path, method, spec):
        self.contract, self.path, self.method, self.spec = contract, path, method.upper(), spec
        self.name = spec["operationId"]
        self.pattern = re.compile(re.sub(r"\\{\w+\\}|{\w+}", "[^/]+", path))

    def response(self, status):
        """The response of that status, or None."""
        found = self.spec["responses"].get(str(status))
        return self.contract.resolve(found) if found else None

    def answers(self):
        """Everything that it may answer: (status, code or None for success)."""
        found = set()
        for status in self.spec["responses"]:
            codes = self.contract.codes_of(self.response(status)) if int(status) >= 400 else [None]
            found |= {(int(status), code) for code in codes}
        return found

    def content(self):
        """The request body's media type object, or None."""
        body = self.spec.get("requestBody")
        return body and body["content"]["application/json"]

    def example(self, name=None):
        """A fresh copy of one of the request's examples, or of the first."""
        examples = self.content()["examples"]
        return copy.deepcopy(examples[name or next(iter(examples))]["value"])


class Contract:
    """The whole document."""

    def __init__(self):
        with open(PATH, encoding="utf-8") as f:
            self.doc = json.load(f)
        self.closed = copy.deepcopy(self.doc)
        _close(self.closed["components"])
        _close(self.closed["paths"])
        self._resolver = jsonschema.RefResolver("", self.closed)
        self.operations = {}
        for path, item in self.doc["paths"].items():
            for method in METHODS:
                if method in item:
                    op = Operation(self, path, method, item[method])
                    self.operations[op.name] = op

    def resolve(self, value):
        """The value itself, or what its $ref means."""
        while isinstance(value, dict) and "$ref" in value:
            node = self.doc
            for part in value["$ref"].removeprefix("#/").split("/"):
                node = node[part]
            value = node
        return value

    def codes_of(self, response):
        """The codes of an error response, in its order."""
        schema = response["content"]["application/json"]["schema"]
        found = []
        for one in schema.get("oneOf", [schema]):
            error = self.resolve(one)["properties"]["error"]
            found.append(error["properties"]["code"]["const"])
        return found

    def find(self, method, target):
        """The operation of a request's method and target, literal addresses first."""
        path = target.split("?")[0]
        for op in sorted(self.operations.values(), key=lambda o: o.path.count("{")):
            if op.method == method and op.pattern.fullmatch(path):
                return op
        raise Broken(f"the contract has no {method} {path}")

    def errors(self, schema, value):
        """What is wrong with a value by a schema of the closed document: a list of lines."""
        validator = jsonschema.Draft202012Validator(schema, resolver=self._resolver,
                                                    format_checker=_formats)
        found = [best_match([error]) for error in validator.iter_errors(value)]
        return [f"{'.'.join(map(str, e.absolute_path)) or 'it'}: {e.message}" for e in found]

    def request_errors(self, op, body):
        """What the contract says against a request's body."""
        content = self.closed["paths"][op.path][op.method.lower()]["requestBody"]["content"]
        return self.errors(content["application/json"]["schema"], body)

    def check(self, op, status, headers, value):
        """Judge an answer; returns (status, code)."""
        response = op.response(status)
        where = f"{op.name}: {status} {json.dumps(value, ensure_ascii=False)[:600]}"
        if response is None:
            raise Broken(f"{where}\nthe contract has no such status")
        self._check_headers(response, headers, where)
        closed = self.closed["paths"][op.path][op.method.lower()]["responses"][str(status)]
        if "$ref" in closed:
            closed = self._resolver.resolve(closed["$ref"])[1]
        schema, code = closed["content"]["application/json"]["schema"], None
        if status >= 400:
            code = value["error"]["code"]
            if code not in self.codes_of(response):
                raise Broken(f"{where}\nthe contract has no such code here")
            schema = next(one for one in schema.get("oneOf", [schema])
                          if one["$ref"].endswith("/Error" + code.title().replace("_", "")))
            self._check_message(value["error"], where)
        wrong = self.errors(schema, value)
        if wrong:
            raise Broken(f"{where}\n" + "\n".join(wrong))
        return status, code

    def _check_headers(self, response, headers, where):
        said = {n: self.resolve(h) for n, h in response.get("headers", {}).items()}
        for name in OWN_HEADERS:
            value = headers.get(name)
            if value is not None and name not in said:
                raise Broken(f"{where}\nits header {name} is not in the contract")
            if value is None and said.get(name, {}).get("required"):
                raise Broken(f"{where}\nit lacks the header {name}")
            if value is not None:
                schema = said[name]["schema"]
                is_number = schema.get("type") == "integer"
                wrong = self.errors(schema, int(value) if is_number else value)
                if wrong:
                    raise Broken(f"{where}\n{name}: {wrong}")

    def _check_message(self, error, where):
        """The sentences for people are those of the code's example."""
        said = self.doc["components"]["examples"][error["code"]]["value"]["error"]
        for name in ("type", "message", "retryable"):
            if error[name] != said[name]:
                raise Broken(f"{where}\n{name} is not that of the example: {said[name]}")


class Seen:
    """Which answers came, over all calls of a run."""

    def __init__(self, contract):
        self.contract = contract
        self.by_operation = {name: {} for name in contract.operations}

    def add(self, op, answer):
        counts = self.by_operation[op.name]
        counts[answer] = counts.get(answer, 0) + 1

    def report(self, elsewhere):
        """The contract report, as lines; elsewhere(operation, code) tells what no client can
        cause."""
        lines, documented, seen, left = [], 0, 0, 0
        for name, counts in self.by_operation.items():
            if not counts:
                continue
            answers = sorted(self.contract.operations[name].answers(),
                             key=lambda a: (a[0], a[1] or ""))
            words = []
            for status, code in answers:
                count = counts.get((status, code), 0)
                mark = str(count) if count else "elsewhere" if elsewhere(name, code) else "NEVER"
                words.append(f"{status}{' ' + code if code else ''}={mark}")
            documented += len(answers)
            seen += sum(a in counts for a in answers)
            left += sum(a not in counts and elsewhere(name, a[1]) for a in answers)
            lines.append(f"  {name:18} {', '.join(words)}")
        calls = sum(sum(c.values()) for c in self.by_operation.values())
        operations = sum(bool(c) for c in self.by_operation.values())
        lines.append(f"contract: {operations} operations, {calls} calls; {documented} answers "
                     f"documented, {seen} seen, {left} that no client can cause")
        return lines
