"""Was what several tills heard at the same time possible at all?

A history is a list of calls, each with the time at which it was sent, the time at which its answer
was there, and the answer; a call whose answer never came may have been done, once, at any moment
before the store died, or not at all. It is explained if there is an order of the calls in which

    a call that was answered stands before each that was sent after its answer, and
    till_model says of each, in that order, what was answered.

explain() searches it. Beside it Ledger checks the bare contract of order numbers and keys, which
needs neither an order nor an account."""

import collections

from till_model import decide, identity, send

NEVER = float("inf")


class Unexplained(AssertionError):
    """The store said what it must not say."""


class Call:
    """One call of a till; answer is None where none came."""

    def __init__(self, asked, lane, sent, heard, answer):
        self.asked = asked
        self.lane = lane
        self.sent = sent
        self.heard = heard if answer is not None else NEVER
        self.answer = answer

    def __repr__(self):
        return f"{self.sent:.6f}-{self.heard:.6f} lane {self.lane} {self.asked} -> {self.answer}"


def make_call(asked, lane, number, clock):
    """Ask the store; the Call."""
    sent = clock()
    try:
        answer = send(lane, asked)
    except OSError:
        answer = None
    return Call(asked, number, sent, clock(), answer)


def contains(got, expected):
    """Whether all that is expected is there; an answer may tell more."""
    if isinstance(expected, dict):
        return isinstance(got, dict) and all(name in got and contains(got[name], value)
                                             for name, value in expected.items())
    if isinstance(expected, list):
        return isinstance(got, list) and len(got) == len(expected) and \
            all(contains(g, e) for g, e in zip(got, expected))
    return got == expected


def matches(outcome, answer):
    """Whether this is the answer that the outcome asks for."""
    if (answer.status, answer.code, answer.is_replay) != (outcome.status, outcome.code,
                                                          outcome.replayed):
        return False
    said = answer.body if answer.code is None else answer.error
    return contains(said, outcome.facts) and \
        all((name in said) == (name in outcome.facts) for name in ("txn", "remaining", "diff"))


def is_busy(call, calls):
    """Whether order_in_progress is true: another call of the order may have had its PIN checked, or
    another of the day may have had it summed."""
    return any(other is not call and other.asked.verb == call.asked.verb and
               other.asked.order == call.asked.order and
               (other.asked.verb == "close" or other.asked.pin is not None) and
               other.sent < call.heard and call.sent < other.heard for other in calls)


def explain(states, calls):
    """All states that the calls may have led to from one of the states. Unexplained if none."""
    rest = [c for c in calls if c.answer is None or c.answer.code != "order_in_progress"]
    for call in calls:
        if call not in rest and not is_busy(call, calls):
            raise Unexplained(f"no order was in progress:\n{call}")
    search = Search(rest)
    ends = {}
    for state in states:
        search.walk(state, (1 << len(rest)) - 1, ends)
    if not ends:
        raise Unexplained(search.report())
    return list(ends)


class Search:
    """Depth first, over what is left to place; each (left, state) is looked at once."""

    def __init__(self, calls):
        self.calls = sorted(calls, key=lambda c: c.sent)
        self.seen = set()
        self.best = None  # (calls left, state, left) of the longest order found

    def walk(self, state, left, ends):
        """Place the next call, in each way that is possible."""
        stack = [(state, left)]
        while stack:
            state, left = stack.pop()
            if (left, state) in self.seen:
                continue
            self.seen.add((left, state))
            calls = [(n, c) for n, c in enumerate(self.calls) if left >> n & 1]
            n_left = sum(c.answer is not None for _, c in calls)
            if self.best is None or n_left < self.best[0]:
                self.best = (n_left, state, calls)
            if n_left == 0:
                ends[state] = True
            stack.extend((after, left & ~(1 << n)) for n, after in self.next(state, calls))

    @staticmethod
    def next(state, calls):
        """(call, state after it) of all that may come next.

        A call that changes nothing and fits is placed at once: no other one notices."""
        first_heard = min((c.heard for _, c in calls), default=NEVER)
        changing = []
        for n, call in calls:
            if call.sent > first_heard:
                break
            outcome = decide(state, call.asked)
            if call.answer is None:
                if outcome.changes:
                    changing.append((n, state.after(outcome)))
            elif matches(outcome, call.answer):
                if not outcome.changes:
                    return [(n, state)]
                changing.append((n, state.after(outcome)))
        return changing

    def report(self):
        """What could not be placed."""
        if self.best is None:
            return "there was no state to begin with"
        _, state, calls = self.best
        lines = [f"{call}\n    must be {decide(state, call.asked)[:4]}" for _, call in calls]
        return "nothing explains:\n" + "\n".join(lines)


class Ledger:
    """The contract alone: one success per order, and answers that repeat."""

    def __init__(self):
        self.order = {}  # (verb, order): the body of its success
        self.first = collections.Counter()  # (verb, order): successes that are no replays
        self.key = {}  # key: (identity, status, body)
        self.ended = {}  # (verb, order): since when the order is known to be cancelled

    def take(self, calls):
        """Check the calls against all before."""
        for call in sorted((c for c in calls if c.answer is not None), key=lambda c: c.heard):
            if not call.asked.verb.startswith("look"):
                self.take_order(call)
                self.take_key(call)

    def take_order(self, call):
        """At most one success, the same for ever, and none after the order's end."""
        asked, answer = call.asked, call.answer
        name = (asked.verb, asked.order)
        if answer.status == 201 and asked.order is not None:
            self.first[name] += not answer.is_replay
            if self.first[name] > 1:
                raise Unexplained(f"a second success of {name}: {call}")
            if self.order.setdefault(name, answer.stored) != answer.stored:
                raise Unexplained(f"another success than {self.order[name]}: {call}")
        if self.ended.get(name, NEVER) < call.sent and answer.status != 409:
            raise Unexplained(f"the order was cancelled: {call}")
        if asked.verb == "cancel" and answer.status == 200:
            name = (answer.body["verb"], asked.order)
        if answer.code == "order_cancelled" or asked.verb == "cancel" and answer.status == 200:
            self.ended.setdefault(name, call.heard)

    def take_key(self, call):
        """The same key, the same answer; only success and refusal by money are kept."""
        asked, answer = call.asked, call.answer
        if asked.key is None or answer.status not in (200, 201, 422):
            return
        kept = (identity(asked), answer.status, answer.stored)
        if self.key.setdefault(asked.key, kept) != kept:
            raise Unexplained(f"under the key before: {self.key[asked.key]}\nnow: {call}")

    def check_journal(self, items):
        """Entries as GET /v1/journal lists them: no order has two that tell of its success."""
        kinds = {"refund_top_up": "refund", "points_redeemed": "redemption"}
        found = collections.Counter((kinds.get(i["kind"], i["kind"]), i["order_no"])
                                    for i in items if i["order_no"] is not None)
        for (verb, order), n in found.items():
            if verb in ("top_up", "sale", "redemption") and n > 1:
                raise Unexplained(f"{n} entries of {verb} {order}")
