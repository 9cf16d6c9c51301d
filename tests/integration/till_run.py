"""One seed's life of a store: tills that repeat, reorder and mix up their calls, and a store that
is killed under them; every answer is checked as it comes.

    run = Run(seed)
    run.live()          phases of random calls; at the end every answer is asked for again
    run.counts          what happened"""

import collections
import datetime
import json
import random
import signal
import threading
import time

from store_case import Shop
from till_history import Ledger, Unexplained, explain, make_call
from till_model import VERBS, State, Step, answer_known, decide, request, send
from tills import Lane

POINTS = ("store.before_append", "store.mid_append", "store.after_append", "store.before_commit",
          "store.after_commit", "store.after_release", "store.pin_checked",
          "store.mid_close")
LANES = 4
PIN = "2580"
WRONG = "0000"


class Calls:
    """Random calls: few cards, orders and keys at a time, so that they often meet."""

    def __init__(self, rng, store, today):
        self.rng = rng
        self.store = store
        self.today = datetime.date.fromisoformat(today)
        self.round = 0
        self.made = []
        self.done = []  # successes of orders, as answered

    def near(self, letter, width):
        """A name of a small set that moves on with each round; at times one of long ago."""
        low = self.round if self.rng.random() < 0.9 else self.rng.randrange(self.round + 1)
        return f"{letter}{low * width // 2 + self.rng.randrange(width)}"

    @staticmethod
    def card_of(n):
        """A card number: they move on more slowly than orders."""
        return f"c{n // 3}"

    def card_no(self):
        """The card of a call."""
        return self.card_of(self.round + self.rng.randrange(5))

    @staticmethod
    def has_pin(card):
        """Every second card has one."""
        return int(card[1:]) % 2 == 1

    def next(self):
        """A new call, or one that was made before, as it was or nearly."""
        if self.made and self.rng.random() < 0.35:
            asked = self.again(self.rng.choice(self.made[-30:] if self.rng.random() < 0.8
                                               else self.made))
        else:
            asked = self.new()
        if not asked.verb.startswith("look"):
            self.made.append(asked)
        return asked

    def first(self, card):
        """A card is issued, and has some value."""
        calls = [request("card", {"card_no": card}, None, PIN if self.has_pin(card) else None),
                 request("top_up", {"order_no": f"first-{card}", "card_no": card, "paid": 600,
                                    "tender": "cash"}, f"first-{card}")]
        self.made += calls
        return calls

    def key(self):
        """An Idempotency-Key, or none."""
        return self.near("k", 12) if self.rng.random() < 0.4 else None

    def again(self, asked):
        """The same; under another key or none; with another PIN; or with another body."""
        how = self.rng.random()
        if how < 0.5:
            return asked
        if how < 0.75:
            return asked._replace(key=self.key())
        if how < 0.85 and asked.pin is not None:
            return asked._replace(pin=self.rng.choice((PIN, WRONG, None)))
        body = json.loads(asked.body)
        if asked.verb == "close":
            body["pos"] = {"count": self.rng.randrange(3)}
        for name in ("amount", "paid", "points"):
            if isinstance(body.get(name), int) and "tenders" not in body:
                body[name] += 1
        return request(asked.verb, body, asked.key, asked.pin)

    def new(self):
        """A call of any kind."""
        verb = self.rng.choices(("card", "top_up", "sale", "refund", "redemption", "cancel",
                                 "close", "look_order", "look_seq"),
                                (6, 16, 32, 20, 10, 13, 4, 4, 1))[0]
        if verb.startswith("look"):
            return request(verb, {"order_no": self.near("o", 6)})
        body, pin = getattr(self, verb)()
        if verb != "card" and self.rng.random() < 0.1:
            body["operator"] = "Li"
        return request(verb, body, self.key(), pin)

    # Bodies

    def card_body(self, **more):
        """What names an order and a card."""
        return {"order_no": self.near("o", 6), "card_no": self.card_no(), **more}

    def card(self):
        card = self.card_no()
        return {"card_no": card}, PIN if self.has_pin(card) else None

    def top_up(self):
        return self.card_body(paid=self.rng.choice((300, 500, 1000)),
                              tender=self.rng.choice(("cash", "wechat"))), None

    def sale(self):
        body = self.card_body(amount=self.rng.choice((100, 250, 400, 700)))
        how = self.rng.random()
        if how < 0.1:
            body["tenders"] = [{"type": "cash", "amount": body["amount"]}]
        elif how < 0.25:
            body["tenders"] = [{"type": "wechat", "amount": 60},
                               {"type": "stored_value", "amount": body["amount"] - 60}]
        if self.rng.random() < 0.15:
            body["allow_partial"] = True
        return body, self.pin(body["card_no"])

    def pin(self, card):
        """For a card that has one mostly the right one, but for some mostly a wrong one."""
        if not self.has_pin(card):
            return PIN if self.rng.random() < 0.05 else None
        is_guessed = int(card[1:]) % 8 == 3
        return self.rng.choices((PIN, WRONG, None), (1, 7, 2) if is_guessed else (7, 1, 2))[0]

    def refund(self):
        of = {"store": self.store, "order_no": self.near("o", 6)}
        receipts = [c for c in self.done if c.asked.verb in ("sale", "top_up")][-4:]
        if receipts and self.rng.random() < 0.6:
            of = {"txn": self.rng.choice(receipts).answer.body["txn"]}
        body = {"order_no": self.near("o", 6), "of": of}
        if self.rng.random() < 0.7:
            body["amount"] = self.rng.choice((10, 50, 50, 100, 300))
        return body, None

    def redemption(self):
        return self.card_body(points=self.rng.choice((1, 2, 4)), item="cup"), None

    def cancel(self):
        if self.done and self.rng.random() < 0.6:
            last = self.done[-12:]
            undone = [c for c in last if c.asked.verb in ("refund", "redemption")]
            asked = self.rng.choice(undone or last).asked
            return {"order_no": asked.order, "verb": asked.verb}, None
        return {"order_no": self.near("o", 6), "verb": self.rng.choice(VERBS)}, None


    def close(self):
        how = self.rng.random()
        days = 0 if how < 0.3 else 30 if how < 0.4 else -self.rng.randrange(1, 30)
        body = {"day": (self.today + datetime.timedelta(days)).isoformat()}
        if self.rng.random() < 0.6:
            body["pos"] = {name: self.rng.choice((0, 1, 2, 3, 100, 250))
                           for name in self.rng.sample(("stored_value", "count"),
                                                       self.rng.randrange(1, 3))}
        return body, None


class Run:
    """A store, its tills, and what may be true of it."""

    def __init__(self, seed, phases=30, kills=True, lane=Lane, shop=None):
        self.seed = seed
        self.rng = random.Random(seed)
        self.phases = phases
        self.kills = kills
        self.n_points = seed  # so that few seeds pass all points
        self.ledger = Ledger()
        self.segments = []  # calls that ran side by side, in the order of the segments
        self.counts = collections.Counter(seeds=1)
        self.shop = shop if shop is not None else Shop()
        self.lanes = []
        try:
            self.lanes += [lane(self.shop.url, self.shop.pair(n + 2)) for n in range(LANES)]
            self.states = self.start = self.first_states()
        except BaseException:  # nobody else has the store yet
            self.close()
            raise
        self.calls = Calls(self.rng, self.states[0].get("store"), self.states[0].get("today"))

    def first_states(self):
        """One state: a card is issued, which tells the business day."""
        asked = request("card", {"card_no": "first"})
        answer = send(self.lanes[0], asked)
        entry = self.shop.manage("GET", "/v1/journal?from=1&limit=1")[2]["items"][0]
        if answer.status != 201 or entry["seq"] != 1:
            raise Unexplained(answer)
        store = entry["txn"].split("-")[0]
        day = entry["business_day"]
        state = State({("store",): store, ("today",): day, ("day",): day})
        self.is_late = entry["at"][11:15] == "23:5"
        return [state.after(decide(state, asked))]

    def close(self):
        """End the store."""
        for lane in self.lanes:
            lane.close()
        self.shop.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()
        if isinstance(value, AssertionError):
            print(f"seed {self.seed}: {value}", flush=True)

    def live(self):
        """All phases, and the end."""
        if self.is_late:  # it may be midnight before we end
            self.solo([request("close", {"day": self.states[0].get("today")})])
        for _ in range(self.phases):
            self.phase()
        self.finish()

    def phase(self):
        """A dozen calls or two in one of the ways."""
        self.calls.round += 1
        if self.calls.round % 3 == 1:
            self.solo(self.calls.first(self.calls.card_of(self.calls.round + 3)))
        ways = [self.alone, self.at_once, self.storm]
        if self.kills:
            ways += [self.killed, self.killed_at_a_point]
        self.rng.choice(ways)()

    # Ways to call

    def alone(self):
        """One call after the other."""
        self.solo(self.calls.next() for _ in range(self.rng.randrange(8, 20)))

    def solo(self, asked):
        """Each call has its answer before the next is sent."""
        for one in asked:
            n = self.rng.randrange(LANES)
            self.take([make_call(one, self.lanes[n], n, time.monotonic)])

    def lists(self):
        """Calls for each lane."""
        return [[self.calls.next() for _ in range(self.rng.randrange(2, 6))] for _ in range(LANES)]

    def at_once(self):
        """All lanes at work."""
        self.batch(self.lists())

    def storm(self):
        """All lanes with one call, or nearly the same."""
        asked = self.calls.next()
        self.batch([[asked if self.rng.random() < 0.6 else self.calls.again(asked)
                     for _ in range(2)] for _ in range(LANES)])

    def killed(self):
        """kill -9 when some of the calls have their answer."""
        self.batch(self.lists(), kill_after=self.rng.randrange(1, 8))
        self.recover()

    def killed_at_a_point(self):
        """It dies by itself, in mid-transaction."""
        self.n_points += 1
        point = POINTS[self.n_points % len(POINTS)]
        leading = self.leading_to(point)
        is_rare = bool(leading)
        self.restart(f"{point}:{1 if is_rare else self.rng.randrange(1, 5)}")
        for _ in range(4):
            lists = self.lists()
            lists[0][1:1] = leading
            self.calls.made += leading
            if not self.batch(lists):
                self.counts[f"died at {point}"] += 1
                break
        else:
            self.shop.process.kill()
            self.shop.process.wait(20)
        self.recover()

    def leading_to(self, point):
        """A call that passes a point that few others do."""
        name = f"at-{self.n_points}-{self.calls.round}"
        if point == "store.mid_close":
            day = self.calls.today - datetime.timedelta(100 + self.calls.round)
            return [request("close", {"day": day.isoformat()})]
        if point == "store.pin_checked":
            self.solo([request("card", {"card_no": name}, None, PIN)])
            return [request("sale", {"order_no": name, "card_no": name, "amount": 1}, None, PIN)]
        return []

    def batch(self, lists, kill_after=None):
        """Every lane makes its calls; whether the store lives on."""
        calls, failures = [], []
        n_heard = threading.Semaphore(0)
        barrier = threading.Barrier(len(lists))

        def work(n, asked):
            try:
                barrier.wait(60)
                for one in asked:
                    call = make_call(one, self.lanes[n], n, time.monotonic)
                    calls.append(call)
                    if call.answer is None:
                        break
                    n_heard.release()
            except BaseException as error:  # raised below
                failures.append(error)
            finally:
                n_heard.release()

        threads = [threading.Thread(target=work, args=(n, asked)) for n, asked in enumerate(lists)]
        for thread in threads:
            thread.start()
        for _ in range(kill_after or 0):
            n_heard.acquire()
        if kill_after:
            self.shop.process.kill()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        lives = kill_after is None and all(c.answer is not None for c in calls)
        if not lives and self.shop.process.wait(20) != -signal.SIGKILL:
            raise Unexplained(f"calls without an answer, and the store ended otherwise: {calls}")
        self.take(calls)
        return lives

    def take(self, calls):
        """Check what was heard side by side."""
        self.segments.append(calls)
        for call in calls:
            self.count(call)
        self.ledger.take(calls)
        self.states = explain(self.states, calls)
        self.calls.done.extend(c for c in calls if c.answer is not None and
                               c.answer.status == 201 and not c.answer.is_replay and
                               c.asked.verb in VERBS)

    def count(self, call):
        """For the report."""
        self.counts["calls"] += 1
        if call.answer is None:
            self.counts["unanswered"] += 1
        elif call.asked.verb.startswith("look"):
            self.counts["lookups"] += 1
        elif call.answer.is_replay:
            self.counts["replays"] += 1
        elif call.answer.code is None:
            self.counts[f"done: {call.asked.verb}"] += 1
        else:
            self.counts[f"refused: {call.answer.code}"] += 1

    # After a death

    def restart(self, fault=None):
        """End it and start it, perhaps to die."""
        if self.shop.process.poll() is None:
            self.shop.stop(signal.SIGKILL)
        self.counts["kills"] += 1
        self.shop.start(fault)
        for lane in self.lanes:
            lane.close()
            lane.url = self.shop.url

    def recover(self):
        """Start it, and find out what became of the calls that nobody answered."""
        lost = [c.asked for c in self.segments[-1] if c.answer is None]
        self.restart()
        self.rng.shuffle(lost)
        for asked in lost:
            if asked.order is not None and self.rng.random() < 0.6:
                self.solo([request("look_order", {"order_no": asked.order})])
            if asked.key is not None or self.rng.random() < 0.7:
                self.solo([asked])
        self.solo([request("look_seq", {})])

    # The end

    def finish(self):
        """All that was answered is answered so again, and it is what the store keeps."""
        self.restart()
        for asked in dict.fromkeys(self.calls.made):
            if asked.verb == "card" or answer_known(Step(self.states[0], asked)) is not None:
                self.solo([asked])
                self.counts["asked again"] += 1
        accounts = self.check_journal()
        for card, account in accounts.items():
            self.solo([request("look_account", {"card_no": card, "account": account})])
        for order in sorted({a.order for a in self.calls.made if a.order is not None}):
            self.solo([request("look_order", {"order_no": order})])

    def check_journal(self):
        """The journal is the model's, and equals its folds; {card: account}."""
        items = []
        while len(items) % 1000 == 0:
            status, _, answer = self.shop.manage(
                "GET", f"/v1/journal?from={len(items) + 1}&limit=1000")
            if status != 200:
                raise Unexplained(answer)
            items += answer["items"]
            if not answer["items"]:
                break
        self.ledger.check_journal(items)
        listed = [(i["kind"], i["order_no"], i["business_day"]) for i in items]
        self.states = [s for s in self.states if listed == [
            s.get("entry", seq)[:3] for seq in range(1, s.get("seq") + 1)]]
        if not self.states:
            raise Unexplained("the journal has other entries than the answers told of")
        if self.shop.verified() != len(items):
            raise Unexplained("the journal has other entries than it lists")
        self.counts["entries"] += len(items)
        for item in items:
            self.counts[f"entries: {item['kind']}"] += 1
        return {self.states[0].get("entry", i["seq"])[3]: i["account"] for i in items
                if i["kind"] == "account_opened"}
