"""What a store must answer, in Python and independent of its code: the contract of order numbers,
Idempotency-Keys, cancels, PINs and closed days, over an arithmetic of accounts that is just large
enough.

    outcome = decide(state, request)      what the answer must be, and what changes
    state = state.after(outcome)

The store works offline under the base rules: no gifts, one point for each 100 fen of a receipt,
points that lack become debt. So every lot is principal alone, without an end.

A run must not go past midnight, unless it closed its first day before: then the next is open
anyway.

A state is a set of facts that are never changed in place, by name:

    ("store",)               its code
    ("seq",)                 last entry
    ("entry", seq)           kind, order number, business day, card that it opens
    ("today",)               the clock's business day: no later one can be closed
    ("day",)                 business day of the last entry
    ("sealed",)              the latest closed one
    ("sum", day)             stored value, orders
    ("card", no)             PIN or None
    ("pin", no)              wrong ones in a row
    ("points", no)           held, owed
    ("lots", no)             (seq of the top-up, principal held), the oldest first
    ("receipt", seq)         the sale or top-up at seq: Receipt
    ("refunds", seq)         its refunds that stand, the oldest first
    ("refund", seq)          the refund at seq: Refund
    ("redeemed", seq)        card, points
    ("order", verb, no)      Order; of verb "close" the number is the day
    ("key", key)             Kept
"""

import collections
import datetime
import json

TRIES = 5
PATHS = {"card": "/v1/cards", "top_up": "/v1/top-ups", "sale": "/v1/sales", "refund": "/v1/refunds",
         "redemption": "/v1/points/redemptions"}
VERBS = ("top_up", "sale", "refund", "redemption")  # that can be cancelled, in GET's order
STATUS = {"unknown_card": 404, "unknown_order": 404, "bad_value": 400, "card_exists": 409,
          "key_reused": 409, "order_conflict": 409, "order_cancelled": 409,
          "order_in_progress": 409}  # else 422, which is kept for its key

# body: canonical JSON without the PIN; of a cancel the verb of its order is in it.
Request = collections.namedtuple("Request", "verb order body key pin")
Receipt = collections.namedtuple("Receipt", "verb card payable taken others")
Refund = collections.namedtuple("Refund", "of card amount back clawed")
Order = collections.namedtuple("Order", "request seq facts cancel_seq reversed cancel_facts")
Kept = collections.namedtuple("Kept", "request status code facts")
Outcome = collections.namedtuple("Outcome", "status code replayed facts changes")


def request(verb, body, key=None, pin=None):
    """A request, from its body as a dictionary."""
    return Request(verb, body.get("order_no", body.get("day")), json.dumps(body, sort_keys=True),
                   key, pin)


def send(lane, asked):
    """Make the call; its Answer."""
    body = json.loads(asked.body)
    if asked.verb == "look_order":
        return lane.get(f"/v1/orders/{asked.order}")
    if asked.verb == "look_account":
        return lane.get(f"/v1/accounts/{body['account']}")
    if asked.verb == "look_seq":
        return lane.get("/v1/health")
    path = PATHS.get(asked.verb)
    if asked.verb == "cancel":
        path = f"/v1/orders/{body.pop('order_no')}/cancel"
    if asked.verb == "close":
        path = f"/v1/days/{body.pop('day')}/close"
    if asked.pin is not None:
        body["pin"] = asked.pin
    return lane.post(path, body, asked.key)


def identity(asked):
    """What makes two requests the same: all but key, lane and PIN."""
    return asked._replace(key=None, pin=None)


class State:
    """Facts by name, and a sum over them for quick comparison."""

    def __init__(self, facts=None, total=0):
        self.facts = facts if facts is not None else {}
        self.total = total

    def get(self, *name, default=None):
        """One fact."""
        return self.facts.get(name, default)

    def after(self, outcome):
        """The state that the outcome leads to."""
        if not outcome.changes:
            return self
        facts = dict(self.facts)
        total = self.total
        for name, fact in outcome.changes.items():
            if name in facts:
                total ^= hash((name, facts[name]))
            total ^= hash((name, fact))
            facts[name] = fact
        return State(facts, total)

    def __eq__(self, other):
        return self.total == other.total and self.facts == other.facts

    def __hash__(self):
        return self.total


def frozen(facts):
    """Facts of an answer as a text that can be compared."""
    return json.dumps(facts, sort_keys=True)


class Step:
    """One decision under way: the state as it would be."""

    def __init__(self, state, asked):
        self.state = state
        self.asked = asked
        self.body = json.loads(asked.body)
        self.changes = {}

    def get(self, *name, default=None):
        """A fact, as changed so far."""
        return self.changes.get(name, self.state.get(*name, default=default))

    def put(self, *name, fact):
        """Change a fact."""
        self.changes[name] = fact

    def txn(self, seq):
        """As answers have it."""
        return f"{self.state.get('store')}-1-{seq}"

    def open_day(self):
        """The next entry's."""
        day, sealed = self.get("day"), self.get("sealed", default="")
        if sealed < day:
            return day
        return (datetime.date.fromisoformat(sealed) + datetime.timedelta(1)).isoformat()

    def undoing(self, seq):
        """What an entry adds to its day's orders that undoes the one at seq."""
        return -1 if self.get("entry", seq)[2] == self.open_day() else 0

    # Accounts

    def held(self, card, lot):
        """Principal of one lot."""
        return dict(self.get("lots", card))[lot]

    def refunded(self, seq):
        """What came back of a receipt."""
        return sum(self.get("refund", at).amount for at in self.get("refunds", seq, default=()))

    def balance(self, card):
        """As the answers tell it."""
        return {"principal": sum(held for _, held in self.get("lots", card)), "bonus": 0,
                "points": self.get("points", card)[0], "uses": 0}

    def balances(self, card):
        """The two members that a success has."""
        return {"balance": self.balance(card), "available_here": self.balance(card)}

    def move_lot(self, card, seq, amount):
        """Onto the lot, or off it."""
        self.put("lots", card, fact=tuple((lot, held + amount if lot == seq else held)
                                          for lot, held in self.get("lots", card)))

    def gain(self, card, points):
        """They pay what is owed first."""
        held, owed = self.get("points", card)
        pays = min(points, owed)
        self.put("points", card, fact=(held + points - pays, owed - pays))

    def claw(self, card, points):
        """What lacks becomes debt."""
        held, owed = self.get("points", card)
        takes = min(points, held)
        self.put("points", card, fact=(held - takes, owed + points - takes))

    # Outcomes

    def append(self, kind, card=None, stored=0, orders=0):
        """A new entry, and what it adds to its day's sums; its seq."""
        seq, day = self.get("seq", default=0) + 1, self.open_day()
        sums = self.get("sum", day, default=(0, 0))
        order = None if kind in ("pin_event", "day_sealed") else self.asked.order
        self.put("seq", fact=seq)
        self.put("entry", seq, fact=(kind, order, day, card))
        self.put("day", fact=day)
        self.put("sum", day, fact=(sums[0] + stored, sums[1] + orders))
        return seq

    def keep(self, status, code, facts):
        """Write the key's record, where there is a key."""
        if self.asked.key is not None:
            self.put("key", self.asked.key,
                     fact=Kept(identity(self.asked), status, code, frozen(facts)))

    def replay(self, status, code, facts, keep=True):
        """A repeat: nothing happens but that a new key is bound to it."""
        if keep:
            self.keep(status, code, json.loads(facts))
        return Outcome(status, code, True, json.loads(facts), self.changes)

    def refuse(self, code, **facts):
        """A refusal changes nothing; only a 422 is kept, for its key."""
        status = STATUS.get(code, 422)
        if status == 422:
            self.keep(status, code, facts)
        return Outcome(status, code, False, facts, self.changes)

    def succeed(self, status, facts):
        """A success."""
        self.keep(status, None, facts)
        return Outcome(status, None, False, facts, self.changes)

    def done(self, seq, facts):
        """A success of an order."""
        facts = {"txn": self.txn(seq), **facts}
        if "order_no" in self.body:
            facts["order_no"] = self.asked.order
        self.put("order", self.asked.verb, self.asked.order,
                 fact=Order(identity(self.asked), seq, frozen(facts), None, False, None))
        return self.succeed(201, facts)


def decide(state, asked):
    """The one answer that the request may get in this state."""
    step = Step(state, asked)
    if asked.verb.startswith("look"):
        return LOOKS[asked.verb](step)
    known = answer_known(step)
    return known if known is not None else DECISIONS[asked.verb](step)


def answer_known(step):
    """The order's end, then the key, then the order's success; None: it is to be decided."""
    asked = step.asked
    verb = step.body["verb"] if asked.verb == "cancel" else asked.verb
    order = step.get("order", verb, asked.order) if asked.order is not None else None
    kept = step.get("key", asked.key) if asked.key is not None else None

    if order is not None and order.cancel_seq is not None and asked.verb != "cancel":
        return step.refuse("order_cancelled",
                           **({"txn": step.txn(order.cancel_seq)} if order.reversed else {}))
    if kept is not None:
        if kept.request != identity(asked):
            return step.refuse("key_reused")
        return step.replay(kept.status, kept.code, kept.facts, keep=False)
    if order is None:
        return None
    if asked.verb == "cancel":
        return step.replay(200, None, order.cancel_facts) if order.cancel_seq is not None else None
    if order.request != identity(asked):
        if asked.verb == "close":
            return step.refuse("day_closed", txn=step.txn(order.seq))
        return step.refuse("order_conflict")
    return step.replay(201, None, order.facts)


def decide_card(step):
    """A new card, with or without a PIN."""
    card = step.body["card_no"]
    if step.get("card", card) is not None:
        return step.refuse("card_exists")
    step.append("account_opened", card)
    step.put("card", card, fact=(step.asked.pin,))
    step.put("pin", card, fact=0)
    step.put("points", card, fact=(0, 0))
    step.put("lots", card, fact=())
    return step.succeed(201, {"account_type": "default", "points_owed": 0, **step.balances(card)})


def decide_top_up(step):
    """A new lot."""
    card, paid = step.body["card_no"], step.body["paid"]
    if step.get("card", card) is None:
        return step.refuse("unknown_card")
    seq = step.append("top_up", orders=1)
    step.put("lots", card, fact=(*step.get("lots", card), (seq, paid)))
    step.put("receipt", seq, fact=Receipt("top_up", card, paid, (), ((step.body["tender"], paid),)))
    return step.done(seq, {"gives": {"principal": paid, "bonus": 0, "points": 0, "uses": 0},
                           **step.balances(card)})


def judge_pin(step, card):
    """None, or the refusal of a card's PIN."""
    pin = step.get("card", card)[0]
    failures = step.get("pin", card)
    if pin is None:
        return None
    if step.asked.pin is None:
        return step.refuse("pin_required")
    if failures >= TRIES:
        return step.refuse("pin_locked")
    if step.asked.pin == pin:
        return None
    step.append("pin_event")
    step.put("pin", card, fact=failures + 1)
    return step.refuse("pin_wrong", tries_left=TRIES - failures - 1)


def take(step, card, amount):
    """Off the lots, the oldest first; what was taken of which."""
    taken = []
    for seq, held in step.get("lots", card):
        x = min(held, amount)
        if x > 0:
            taken.append((seq, x))
            step.move_lot(card, seq, -x)
            amount -= x
    return tuple(taken)


def decide_sale(step):
    """Stored value pays what the other tenders leave."""
    card, amount = step.body["card_no"], step.body["amount"]
    if step.get("card", card) is None:
        return step.refuse("unknown_card")
    tenders = [(t["type"], t["amount"]) for t in
               step.body.get("tenders", [{"type": "stored_value", "amount": amount}])]
    others = tuple(t for t in tenders if t[0] != "stored_value")
    wanted = amount - sum(x for _, x in others)
    refusal = judge_pin(step, card) if len(others) < len(tenders) else None
    if refusal is not None:
        return refusal
    here = step.balance(card)["principal"]
    if here < wanted and not (step.body.get("allow_partial") and here > 0):
        return step.refuse("insufficient_balance", total=here, available_here=here, payable=amount)
    taken = take(step, card, wanted)
    stored = sum(x for _, x in taken)
    payable = amount - wanted + stored
    seq = step.append("sale", stored=stored, orders=1)
    step.put("receipt", seq, fact=Receipt("sale", card, payable, taken, others))
    step.gain(card, payable // 100)
    if len(others) < len(tenders):
        step.put("pin", card, fact=0)
    return step.done(seq, {
        "list_amount": amount, "payable": payable, "points_earned": payable // 100,
        "paid_from": {"principal": stored, "bonus": 0, "points": 0},
        **({"remaining": amount - payable} if amount > payable else {}), **step.balances(card)})


def receipt_of(step):
    """Seq of the sale, else of the top-up, that "of" names; None: there is none."""
    of = step.body["of"]
    if "txn" in of:
        seq = int(of["txn"].rsplit("-", 1)[1])
        return seq if step.get("receipt", seq) is not None else None
    for verb in ("sale", "top_up"):
        order = step.get("order", verb, of["order_no"])
        if order is not None and order.seq is not None:
            return order.seq
    return None


def decide_refund(step):
    """Of a sale or a top-up."""
    seq = receipt_of(step)
    if seq is None:
        return step.refuse("unknown_order")
    if step.get("receipt", seq).verb == "sale":
        return refund_sale(step, seq, step.body.get("amount"))
    return refund_top_up(step, seq, step.body.get("amount"))


def finish_refund(step, seq, kind, refund, facts):
    """Write it; the answer of a refund, or of the cancel that it is."""
    at = step.append(kind, stored=-sum(x for _, x in refund.back or ()),
                     orders=step.undoing(seq) if step.asked.verb == "cancel" else 1)
    step.put("refund", at, fact=refund)
    step.put("refunds", seq, fact=(*step.get("refunds", seq, default=()), at))
    step.claw(refund.card, refund.clawed)
    facts = {"amount": refund.amount, "points_clawed_back": refund.clawed, **facts,
             **step.balances(refund.card)}
    if step.asked.verb == "cancel":
        return end_order(step, at, facts)
    return step.done(at, facts)


def give_back(receipt, before, after):
    """What the other tenders and the lots get when `after` instead of `before` is back."""
    pieces = [*receipt.others, *((seq, x) for seq, x in reversed(receipt.taken))]
    got, offset = [], 0
    for what, amount in pieces:
        part = min(after, offset + amount) - max(before, offset)
        offset += amount
        if part > 0:
            got.append((what, part))
    return ([(t, x) for t, x in got if isinstance(t, str)],
            tuple((seq, x) for seq, x in got if not isinstance(seq, str)))


def refund_sale(step, seq, amount):
    """The other tenders get theirs first, then the lots, the last taken first."""
    receipt = step.get("receipt", seq)
    before = step.refunded(seq)
    rest = receipt.payable - before
    amount = rest if amount is None else amount
    if amount > rest or rest == 0:
        return step.refuse("refund_exceeds_sale", rest=rest)
    paid_out, back = give_back(receipt, before, before + amount)
    for lot, x in back:
        step.move_lot(receipt.card, lot, x)
    clawed = rest // 100 - (rest - amount) // 100
    return finish_refund(step, seq, "refund", Refund(seq, receipt.card, amount, back, clawed), {
        "restored": {"principal": sum(x for _, x in back), "bonus": 0, "points": 0},
        "paid_out": [{"tender": t, "amount": x} for t, x in paid_out], "rest": rest - amount})


def refund_top_up(step, seq, amount):
    """All that is held of its lot, and nothing less."""
    receipt = step.get("receipt", seq)
    held = step.held(receipt.card, seq)
    if held == 0 or (amount is not None and amount > held):
        return step.refuse("refund_exceeds_sale", rest=held)
    if amount is not None and amount < held:
        return step.refuse("bad_value")
    step.move_lot(receipt.card, seq, -held)
    rest = receipt.payable - step.refunded(seq) - held
    return finish_refund(step, seq, "refund_top_up", Refund(seq, receipt.card, held, None, 0), {
        "taken": {"principal": held, "bonus": 0, "points": 0},
        "restored": {"principal": 0, "bonus": 0, "points": 0},
        "paid_out": [{"tender": receipt.others[0][0], "amount": held}], "rest": rest})


def decide_redemption(step):
    """Points for an item."""
    card, points = step.body["card_no"], step.body["points"]
    if step.get("card", card) is None:
        return step.refuse("unknown_card")
    held, owed = step.get("points", card)
    if points > held:
        return step.refuse("points_short", points_held=held, points_wanted=points)
    seq = step.append("points_redeemed", orders=1)
    step.put("points", card, fact=(held - points, owed))
    step.put("redeemed", seq, fact=(card, points))
    return step.done(seq, {"points": points, "item": step.body["item"], **step.balances(card)})


def end_order(step, seq, facts=None):
    """The order's end; with facts something was reversed."""
    verb = step.body["verb"]
    order = step.get("order", verb, step.asked.order) or Order(None, None, None, None, False, None)
    facts = {"state": "cancelled", "verb": verb, "order_no": step.asked.order,
             **({"txn": step.txn(seq), **facts} if facts is not None else {})}
    step.put("order", verb, step.asked.order,
             fact=order._replace(cancel_seq=seq, reversed="txn" in facts,
                                 cancel_facts=frozen(facts)))
    return step.succeed(200, facts)


def decide_cancel(step):
    """Of an order that is not cancelled yet."""
    order = step.get("order", step.body["verb"], step.asked.order)
    if order is None:
        return end_order(step, step.append("order_cancelled"))
    return CANCELS[step.body["verb"]](step, order.seq)


def lacks(step, card):
    """Something that is wanted back is spent."""
    here = step.balance(card)["principal"]
    return step.refuse("insufficient_balance", total=here, available_here=here)


def is_all_back(step, seq):
    """Nothing is left of the receipt to reverse."""
    refunded = step.refunded(seq)
    return refunded > 0 and refunded == step.get("receipt", seq).payable


def end_empty(step, seq):
    """The end of an order that happened and of which nothing is left to reverse."""
    return end_order(step, step.append("order_cancelled", orders=step.undoing(seq)))


def cancel_sale(step, seq):
    """What is left of it comes back."""
    if is_all_back(step, seq):
        return end_empty(step, seq)
    return refund_sale(step, seq, None)


def cancel_top_up(step, seq):
    """The whole lot, or nothing."""
    if is_all_back(step, seq):
        return end_empty(step, seq)
    receipt = step.get("receipt", seq)
    if step.refunded(seq) > 0 or \
            step.held(receipt.card, seq) < receipt.payable:
        return lacks(step, receipt.card)
    return refund_top_up(step, seq, None)


def restore(step, seq, card, value, points, stored=0):
    """The entry and the answer of a reversal of the entry at seq."""
    step.gain(card, points)
    at = step.append("reversal", stored=stored, orders=step.undoing(seq))
    return end_order(step, at, {"restored": {"principal": value, "bonus": 0, "points": points},
                                **step.balances(card)})


def cancel_refund(step, seq):
    """The last one that stands of its receipt; what it gave must be there. Of a receipt that was
    cancelled nothing is moved: the cancel would have given the same back."""
    refund = step.get("refund", seq)
    standing = step.get("refunds", refund.of)
    receipt = step.get("order", step.get("receipt", refund.of).verb,
                       step.get("entry", refund.of)[1])
    if receipt.cancel_seq is not None:
        return end_empty(step, seq)
    if standing[-1] != seq:
        return step.refuse("order_conflict")
    back = refund.back if refund.back is not None else ((refund.of, -refund.amount),)
    if any(step.held(refund.card, lot) < x for lot, x in back):
        return lacks(step, refund.card)
    for lot, x in back:
        step.move_lot(refund.card, lot, -x)
    step.put("refunds", refund.of, fact=standing[:-1])
    value = sum(x for _, x in back)
    return restore(step, seq, refund.card, -value, refund.clawed,
                   value if refund.back is not None else 0)


def cancel_redemption(step, seq):
    """The points come back."""
    card, points = step.get("redeemed", seq)
    return restore(step, seq, card, 0, points)


def decide_close(step):
    """Seal a day that has begun, whatever the till's own figures are."""
    day = step.body["day"]
    if day > step.get("today"):
        return step.refuse("bad_value")
    pos = step.body.get("pos", {})
    journal = dict(zip(("stored_value", "count"), step.get("sum", day, default=(0, 0))))
    diff = {name: {"pos": pos[name], "journal": journal[name]} for name in pos
            if pos[name] != journal[name]}
    seq = step.append("day_sealed")
    step.put("sealed", fact=max(day, step.get("sealed", default="")))
    return step.done(seq, {"business_day": day, **({"state": "mismatch", "diff": diff} if diff else
                                                   {"state": "sealed"})})


def look_order(step):
    """GET /v1/orders: what each verb's order came to."""
    found = []
    for verb in VERBS:
        order = step.get("order", verb, step.asked.order)
        if order is not None:
            facts = json.loads(order.facts) if order.facts is not None else {}
            found.append({**facts, "verb": verb, "state": "done" if order.cancel_seq is None else
                          "cancelled",
                          **({"cancel_txn": step.txn(order.cancel_seq)} if order.reversed
                             else {})})
    if not found:
        return step.refuse("unknown_order")
    return Outcome(200, None, False, {"orders": found}, {})


def look_account(step):
    """GET /v1/accounts."""
    card = step.body["card_no"]
    if step.get("card", card) is None:
        return Outcome(404, "unknown_account", False, {}, {})
    return Outcome(200, None, False, {"points_owed": step.get("points", card)[1],
                                      **step.balances(card)}, {})


def look_seq(step):
    """GET /v1/health: how many entries there are."""
    return Outcome(200, None, False, {"seq": {"stored": step.get("seq", default=0)}}, {})


DECISIONS = {"card": decide_card, "top_up": decide_top_up, "sale": decide_sale,
             "refund": decide_refund, "redemption": decide_redemption, "cancel": decide_cancel,
             "close": decide_close}
CANCELS = {"sale": cancel_sale, "top_up": cancel_top_up, "refund": cancel_refund,
           "redemption": cancel_redemption}
LOOKS = {"look_order": look_order, "look_account": look_account, "look_seq": look_seq}
