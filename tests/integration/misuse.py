"""Wrong requests, made from a schema and a right one: what must be refused, and as what."""

import copy

TOO_BIG = 2 ** 63 - 1
# Members whose good values are told by the rules, not by the contract.
BY_RULES = ("account_type",)


class Wrong:
    """One wrong body: the code that it must be refused with, and `param` (None: any)."""

    def __init__(self, body, code, param, what):
        self.body, self.code, self.param, self.what = body, code, param, what


def _join(path, name):
    return f"{path}.{name}" if path else name


def _scalars(schema):
    """Wrong values for a schema of a string, a number or a truth value."""
    if "enum" in schema:
        return ["no such word", 7, ["x"]]
    kind = schema["type"]
    if kind == "boolean":
        return [1, "true", []]
    if kind == "integer":
        return ["1", 1.5, True, [], {}, schema["minimum"] - 1, schema["maximum"] + 1, TOO_BIG]
    wrong = [7, True, [], {}]
    if schema.get("format") == "date":
        return [*wrong, "", "22.11.2026", "2026-13-01", "2026-02-30"]
    wrong += ["x" * (schema["maxLength"] + 1), "a\nb"]
    if schema.get("minLength") != 0:
        wrong.append("")
    if "pattern" in schema:
        wrong.append("a b")
    return wrong


class Misuse:
    """The wrong variants of right bodies by one contract."""

    def __init__(self, contract):
        self.contract = contract

    def _branch(self, schema, value):
        """The alternative of a oneOf that the value is an instance of."""
        for one in schema["oneOf"]:
            if not self.contract.errors(one, value):
                return self.contract.resolve(one)
        raise AssertionError(f"no alternative fits {value}")

    def _values(self, schema, value, path, loose):
        """(wrong value, code, param, what) for one value by its schema."""
        schema = self.contract.resolve(schema)
        if "oneOf" in schema and "type" not in schema:
            schema, loose = self._branch(schema, value), True
        if schema.get("type") == "object":
            yield from self._objects(schema, value, path, loose)
        elif schema.get("type") == "array":
            yield from self._arrays(schema, value, path, loose)
        else:
            for wrong in _scalars(schema):
                yield wrong, "bad_value", path, f"{path} = {str(wrong)[:40]!r}"

    def _objects(self, schema, value, path, loose):
        if path:
            for wrong in ([], 7, "x"):
                yield wrong, "bad_value", path, f"{path} = {wrong!r}"
        yield ({**value, "colour": "red"}, "unknown_field", _join(path, "colour"),
               f"{_join(path, 'colour')} is unknown")
        for name in schema.get("required", []):
            less = {k: v for k, v in value.items() if k != name}
            where = _join(path, name)
            yield less, "missing_field", None if loose else where, f"{where} is missing"
            yield {**value, name: None}, "bad_value", where, f"{where} is null"
        for name in value:
            for wrong, code, param, what in self._values(
                    schema["properties"][name], value[name], _join(path, name), loose):
                yield {**value, name: wrong}, code, param, what

    def _arrays(self, schema, value, path, loose):
        for wrong in ({}, 7, "x", []) if schema.get("minItems") else ({}, 7, "x"):
            yield wrong, "bad_value", path, f"{path} = {wrong!r}"
        many = [value[0]] * (schema["maxItems"] + 1)
        yield many, "bad_value", path, f"{path} has {len(many)} items"
        item = f"{path}[0]"
        for wrong, code, param, what in self._values(schema["items"], value[0], item, loose):
            yield [wrong, *value[1:]], code, param, what

    def of(self, op):
        """All wrong bodies that the operation's examples give."""
        schema = op.content()["schema"]
        for name in op.content()["examples"]:
            for body, code, param, what in self._values(schema, op.example(name), "", False):
                yield Wrong(body, code, param, f"{name}: {what}")

    def at_the_bounds(self, op):
        """(what, right body): each value as long and as large as the schema allows."""
        schema = self.contract.resolve(op.content()["schema"])
        for name in op.content()["examples"]:
            example = op.example(name)
            for field in filter(lambda f: f not in BY_RULES, example):
                values = self._bounds(self.contract.resolve(schema["properties"][field]))
                for value in values:
                    body = copy.deepcopy(example)
                    body[field] = value
                    yield f"{name}: {field} = {str(value)[:40]!r}", body

    @staticmethod
    def _bounds(schema):
        if schema.get("type") == "integer":
            return [schema["minimum"], schema["maximum"]]
        if schema.get("type") != "string" or "maxLength" not in schema or "enum" in schema:
            return schema.get("enum", [])
        digit = "[0-9]" in schema.get("pattern", "") and "A-Z" not in schema["pattern"]
        char = "7" if digit else "x"
        return [char * schema["minLength"], char * schema["maxLength"]]
