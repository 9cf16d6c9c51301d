"""Order numbers and Idempotency-Keys, whatever tills do and whenever the store dies.

Tills of several lanes repeat, reorder and mix up their calls, with and without keys; the store is
killed at random and at each fault point. Every answer must be explained by an independent model, in
some order of the calls that ran side by side; at the end each is asked for again. The second half
shows that the checks can fail: planted bugs and forged answers are found.

    tests/integration/test_idempotency.py --seeds 1..200     more than the suite's, by hand
    tests/integration/test_idempotency.py --chain 1..20      the same in chains
"""

import collections
import copy
import os
import shutil
import signal
import sys
import unittest

from harness import Chain
from till_chain import ChainRun
from till_history import Call, Ledger, Unexplained, explain
from till_model import VERBS, State, decide, request
from till_run import POINTS, Run
from tills import Answer, Lane

SEEDS = range(1, 9)
# What so many seeds reach many times over; a generator that does not is not worth its time.
MARKS = ("replays", "lookups", "asked again", "unanswered", *(f"died at {p}" for p in POINTS),
         *(f"done: {v}" for v in ("card", "cancel", "close", *VERBS)),
         *(f"entries: {k}" for k in ("refund", "refund_top_up", "reversal", "order_cancelled",
                                     "pin_event", "points_redeemed")),
         *(f"refused: {c}" for c in ("insufficient_balance", "key_reused", "order_cancelled",
                                     "order_conflict", "order_in_progress", "pin_wrong",
                                     "pin_required", "points_short", "refund_exceeds_sale",
                                     "card_exists", "day_closed", "unknown_card", "unknown_order")))


def run_seeds(seeds):
    """Live them all; what happened."""
    counts = collections.Counter()
    for seed in seeds:
        with Run(seed) as run:
            run.live()
        counts += run.counts
    return counts


def run_chains(seeds):
    """Live them all, each in a chain of its own; what happened."""
    counts = collections.Counter()
    for seed in seeds:
        with Chain(stores=1, regions=1) as chain, ChainRun(chain, "0101", seed) as run:
            run.live()
        counts += run.counts
    return counts


def show(counts):
    """Print what happened."""
    for name in sorted(counts):
        print(f"    {name:32} {counts[name]:7}", flush=True)


class Generated(unittest.TestCase):
    """Seeds."""

    def test_every_answer_is_explained_and_repeats(self):
        counts = run_seeds(SEEDS)
        show(counts)
        for mark in MARKS:
            self.assertGreater(counts[mark], 0, mark)


class Booked(unittest.TestCase):
    """The same in a chain, whose link breaks, too."""

    def test_the_books_are_what_the_tills_were_told(self):
        counts = run_chains([1])
        show(counts)
        for mark in ("cuts", "kills", "replays", "booked accounts"):
            self.assertGreater(counts[mark], 0, mark)


def top_up(order, paid, sent, heard, answer):
    """A call of a history made by hand."""
    asked = request("top_up", {"order_no": order, "card_no": "1", "paid": paid, "tender": "cash"})
    return Call(asked, 0, sent, heard, answer)


def topped_up(seq, principal, order, is_replay=False):
    """Its answer."""
    return Answer(201, {"txn": f"0107-1-{seq}", "order_no": order,
                        "gives": {"principal": 100, "bonus": 0, "points": 0, "uses": 0},
                        **{name: {"principal": principal, "bonus": 0, "points": 0, "uses": 0}
                           for name in ("balance", "available_here")}}, is_replay)


class Explaining(unittest.TestCase):
    """What the search allows, on histories made by hand: a card with nothing on it, and top-ups."""

    def setUp(self):
        opened = request("card", {"card_no": "1"})
        new = State({("store",): "0107", ("today",): "2027-01-31",
                     ("day",): "2027-01-31"})
        self.start = [new.after(decide(new, opened))]

    def assert_impossible(self, states, calls):
        with self.assertRaises(Unexplained):
            explain(states, calls)

    def test_calls_side_by_side_may_have_come_in_either_order(self):
        calls = [top_up("a", 100, 1, 4, topped_up(3, 200, "a")),
                 top_up("b", 100, 2, 3, topped_up(2, 100, "b"))]
        self.assertEqual(len(explain(self.start, calls)), 1)

    def test_a_call_sent_after_an_answer_comes_after_it(self):
        self.assert_impossible(self.start, [top_up("a", 100, 1, 2, topped_up(3, 200, "a")),
                                            top_up("b", 100, 3, 4, topped_up(2, 100, "b"))])

    def test_one_order_does_not_succeed_twice_side_by_side(self):
        twice = [top_up("a", 100, 1, 4, topped_up(2, 100, "a")),
                 top_up("a", 100, 1, 4, topped_up(3, 200, "a"))]
        self.assert_impossible(self.start, twice)
        with self.assertRaises(Unexplained):
            Ledger().take(twice)
        explain(self.start, [twice[0], top_up("a", 100, 1, 4, topped_up(2, 100, "a", True))])

    def test_a_lost_call_was_done_once_or_not_at_all(self):
        states = explain(self.start, [top_up("a", 100, 1, 2, None)])
        self.assertEqual(len(states), 2)
        done = explain(states, [top_up("a", 100, 3, 4, topped_up(2, 100, "a", True))])
        undone = explain(states, [top_up("a", 100, 3, 4, topped_up(2, 100, "a"))])
        self.assertEqual((len(done), len(undone)), (1, 1))
        self.assert_impossible(states, [top_up("a", 100, 3, 4, topped_up(3, 200, "a"))])

    def test_a_lost_call_is_not_done_after_the_store_s_death(self):
        states = explain(self.start, [top_up("a", 100, 1, 2, None)])
        look = Call(request("look_seq", {}), 0, 3, 4, Answer(200, {"seq": {"stored": 1}}))
        states = explain(states, [look])
        self.assert_impossible(states, [top_up("a", 100, 5, 6, topped_up(2, 100, "a", True))])

    def test_an_order_in_progress_needs_another_call(self):
        asked = request("sale", {"order_no": "a", "card_no": "1", "amount": 1}, None, "2580")
        busy = Call(asked, 0, 1, 3, Answer(409, {"error": {"code": "order_in_progress"}}))
        self.assert_impossible(self.start, [busy])
        self.assert_impossible(self.start, [busy, Call(asked, 1, 4, 5, None)])
        explain(self.start, [busy, Call(asked, 1, 2, 5, None)])


class DoublingLane(Lane):
    """A till's proxy that makes every third sale once more, under another number."""

    n_sales = 0

    def post(self, path, body, key=None, headers=None):
        if path == "/v1/sales":
            DoublingLane.n_sales += 1
            if DoublingLane.n_sales % 3 == 0:
                super().post(path, {**body, "order_no": body["order_no"] + "x"}, None, headers)
        return super().post(path, body, key, headers)


class KeylessLane(Lane):
    """A proxy that loses the Idempotency-Key."""

    def post(self, path, body, key=None, headers=None):
        return super().post(path, body, None, headers)


class HastyLane(Lane):
    """A proxy that answers a cancel by itself, and does not pass it on."""

    def post(self, path, body, key=None, headers=None):
        if path.endswith("/cancel"):
            return Answer(200, {"state": "cancelled", "verb": body["verb"],
                                "order_no": path.split("/")[3]})
        return super().post(path, body, key, headers)


class ForgetfulRun(Run):
    """A store that loses with a death all that it wrote since its last start."""

    def restart(self, fault=None):
        if self.shop.process.poll() is None:
            self.shop.stop(signal.SIGKILL)
        kept = os.path.join(self.shop.dir, "kept")
        if os.path.exists(kept):
            shutil.rmtree(self.shop.data)
            shutil.copytree(kept, self.shop.data)
        else:
            shutil.copytree(self.shop.data, kept)
        super().restart(fault)


class PlantedBugs(unittest.TestCase):
    """Stores that break the contract."""

    def assert_found(self, run):
        """The run ends with an answer that nothing explains."""
        try:
            with self.assertRaises(Unexplained):
                run.live()
        finally:
            run.close()

    def test_a_sale_made_twice_is_found(self):
        self.assert_found(Run(1, lane=DoublingLane))

    def test_a_lost_key_is_found(self):
        self.assert_found(Run(1, lane=KeylessLane))

    def test_a_cancel_that_is_only_said_is_found(self):
        self.assert_found(Run(1, lane=HastyLane))

    def test_a_success_lost_with_a_death_is_found(self):
        self.assert_found(ForgetfulRun(1))


def in_body(**changes):
    """A forger of members of the answer; a number is added."""
    def forge(answer):
        body = copy.deepcopy(answer.body)
        for path, change in changes.items():
            at = body["error"] if "error" in body else body
            *way, last = path.split("__")
            for name in way:
                at = at[name]
            at[last] = at[last] + change if isinstance(change, int) else change
        return Answer(answer.status, body, answer.is_replay)
    return forge


def marked(is_replay):
    """A forger of the mark of a replay."""
    return lambda answer: Answer(answer.status, answer.body, is_replay)


def renumbered(answer):
    """Another transaction than the one it was."""
    *store, seq = answer.body["txn"].split("-")
    return in_body(txn="-".join([*store, str(int(seq) + 1)]))(answer)


def is_success(verb=None, is_replay=False):
    """Chooses successes."""
    return lambda call: call.answer.status == 201 and call.answer.is_replay == is_replay and \
        call.asked.verb in ((verb,) if verb else VERBS)


def is_refusal(code, is_replay=False):
    """Chooses refusals."""
    return lambda call: call.answer.code == code and call.answer.is_replay == is_replay and \
        not call.asked.verb.startswith("look")


def is_look(verb):
    """Chooses lookups that found something."""
    return lambda call: call.asked.verb == verb and call.answer.status == 200


def unlike(answer):
    """The success of another call."""
    return Answer(201, {"txn": "0107-1-1", "order_no": "other"}, answer.is_replay)


FORGERIES = {
    "another_txn": (is_success(), renumbered),
    "a_success_marked_as_a_replay": (is_success(), marked(True)),
    "a_replay_that_is_not_marked": (is_success(is_replay=True), marked(False)),
    "a_fen_more_on_the_card": (is_success("sale"), in_body(balance__principal=1)),
    "a_fen_more_when_replayed": (is_success("top_up", True), in_body(balance__principal=1)),
    "a_fen_less_given_back": (is_success("refund"), in_body(restored__principal=-1)),
    "a_point_too_many": (is_success("sale"), in_body(points_earned=1)),
    "a_conflict_that_succeeds": (is_refusal("order_conflict"), unlike),
    "a_reused_key_that_succeeds": (is_refusal("key_reused"), unlike),
    "a_cancelled_order_that_succeeds": (is_refusal("order_cancelled"), unlike),
    "another_refusal": (is_refusal("insufficient_balance"), in_body(code="points_short")),
    "another_total": (is_refusal("insufficient_balance"), in_body(total=1)),
    "a_refusal_judged_again": (is_refusal("points_short", True), marked(False)),
    "a_try_that_was_not_counted": (is_refusal("pin_wrong"), in_body(tries_left=1)),
    "an_order_that_is_not_there": (is_look("look_order"),
                                   lambda answer: Answer(404, {
                                       "error": {"code": "unknown_order"}})),
    "another_difference": (is_success("close"), lambda answer: Answer(
        201, {**answer.body, "state": "mismatch", "diff": {"count": {"pos": 1, "journal": 2}}})),
    "a_day_closed_twice": (is_refusal("day_closed"), lambda answer: Answer(
        201, {"state": "sealed", "txn": answer.error["txn"]})),
    "an_order_less": (is_look("look_order"), lambda answer: Answer(200, {"orders": []})),
    "an_entry_more": (is_look("look_seq"), in_body(seq__stored=1)),
    "a_progress_that_was_none": (is_refusal("insufficient_balance"),
                                 lambda answer: Answer(409, {"error": {
                                     "code": "order_in_progress"}})),
    "a_point_owed": (is_look("look_account"), in_body(points_owed=1)),
}


def each_answer(day):
    """Calls that get each kind of answer, one after the other: a record must have them all."""
    def named(order, **more):
        return {"order_no": order, "card_no": "e", **more}

    sale = request("sale", named("e1", amount=300), "ek1", "2580")
    dear = request("sale", named("e2", amount=900), "ek2", "2580")
    short = request("redemption", named("e3", points=9, item="cup"), "ek3")
    return [request("close", {"day": day}), request("close", {"day": day, "pos": {"count": 1}}),
            request("card", {"card_no": "e"}, None, "2580"),
            request("top_up", named("e0", paid=1000, tender="cash"), "ek0"),
            request("top_up", named("e0", paid=1000, tender="cash")),
            sale, sale, request("sale", named("e1", amount=301), None, "2580"),
            dear, dear, dear._replace(order="e4", body=dear.body.replace("e2", "e4")), short, short,
            request("sale", named("e5", amount=1), None, "0000"),
            request("refund", {"order_no": "e6", "of": {"store": "0107", "order_no": "e1"},
                               "amount": 100}),
            request("cancel", {"order_no": "e1", "verb": "sale"}), sale,
            request("look_order", {"order_no": "e1"}), request("look_seq", {})]


def recheck(segments, states, first=0):
    """Check a recorded life as it was checked when it was lived, from the segment `first` on,
    before which the states were possible. Returns those possible before each, and at the end."""
    ledger = Ledger()
    before = [states]
    for n, calls in enumerate(segments):
        ledger.take(calls)
        if n >= first:
            before.append(explain(before[-1], calls))
    return before


class ForgedAnswers(unittest.TestCase):
    """A recorded life with one answer changed."""

    @classmethod
    def setUpClass(cls):
        with Run(2, phases=10, kills=False) as run:
            run.solo(each_answer(run.states[0].get("today")))
            run.live()
        cls.segments = run.segments
        cls.before = recheck(cls.segments, run.start)

    def forged(self, chooses, forge):
        """(segment, the record) with one of the chosen answers forged, for some of them. Of calls
        that were alone: beside others some forgeries could be true."""
        chosen = [(n, calls[0]) for n, calls in enumerate(self.segments)
                  if len(calls) == 1 and chooses(calls[0])]
        self.assertGreater(len(chosen), 0, "the record has no such answer")
        for n, call in (chosen[0], chosen[len(chosen) // 2]):
            other = Call(call.asked, call.lane, call.sent, call.heard, forge(call.answer))
            yield n, [*self.segments[:n], [other], *self.segments[n + 1:]]


def add_forgery(name, chooses, forge):
    """A test of one kind of forgery."""
    def test(self):
        for n, segments in self.forged(chooses, forge):
            recheck(self.segments, self.before[n], n)  # it is the forgery that is found
            with self.assertRaises(Unexplained):
                recheck(segments, self.before[n], n)
    setattr(ForgedAnswers, f"test_{name}_is_found", test)


for _name, (_chooses, _forge) in FORGERIES.items():
    add_forgery(_name, _chooses, _forge)


def main():
    """Seeds by hand, or the tests."""
    ways = {"--seeds": run_seeds, "--chain": run_chains}
    if len(sys.argv) != 3 or sys.argv[1] not in ways:
        unittest.main()
    first, last = sys.argv[2].split("..")
    show(ways[sys.argv[1]](range(int(first), int(last) + 1)))


if __name__ == "__main__":
    main()
