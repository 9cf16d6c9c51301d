"""from the start of trib-store to its first sale, with 1,000,000 entries and with 1,000

The journals are made through HTTP: one entry in fifty opens a card, two are top-ups, two are
refunds, the others sales. Beside it a program that opens the same file with SQLite and reads its
last row. Cold: after all file caches were dropped (root only). After kill -9: with what the last
sales left in the write-ahead log."""

import os

from bench import BenchError, Result, Shop, median, run_program, say

CONNECTIONS = 256
PER_CARD = 50
CHUNK = 100_000  # entries a plan
WAL_SALES = 500


def plan_card(plan, connection, number):
    """PER_CARD entries of one card."""
    card = f"6001{number:012}"
    plan.add(connection, "POST", "/v1/cards", {"card_no": card})
    for i in range(2):
        plan.add(connection, "POST", "/v1/top-ups", {
            "order_no": f"T{number:07}-{i}", "card_no": card, "paid": 100_000_000, "tender": "cash"})
    for i in range(PER_CARD - 5):
        plan_sale(plan, connection, card, f"S{number:07}-{i:02}")
    for i in range(2):
        plan.add(connection, "POST", "/v1/refunds", {
            "order_no": f"R{number:07}-{i}", "amount": 100,
            "of": {"store": "0107", "order_no": f"S{number:07}-{i:02}"}})


def plan_sale(plan, connection, card, order):
    """One sale."""
    plan.add(connection, "POST", "/v1/sales", {"order_no": order, "card_no": card, "amount": 1234})


def fill(shop, entries):
    """Give the shop a journal of so many entries."""
    cards = entries // PER_CARD
    with shop.running():
        for first in range(0, cards, CHUNK // PER_CARD):
            plan = shop.plan("fill")
            for number in range(first, min(first + CHUNK // PER_CARD, cards)):
                plan_card(plan, number % CONNECTIONS, number)
            shop.load(plan)
            say(f"restart: {min(first * PER_CARD + CHUNK, entries):,} of {entries:,} entries")
        if entries != shop.verified_entries():
            raise BenchError("the journal has another number of entries")


def drop_caches():
    """False: only root may."""
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as f:
            f.write("3")
    except OSError:
        return False
    return True


class Starts:
    """Timed starts of one shop; each sells once, on a new order."""

    def __init__(self, shop):
        self.shop = shop
        self.sold = 0
        self.request = os.path.join(shop.dir, "request")

    def order(self):
        """An order number not used yet."""
        self.sold += 1
        return f"first-{self.sold}"

    def start(self):
        """Seconds until it listened and until it had sold."""
        plan = self.shop.plan("unused")
        with open(self.request, "wb") as f:
            f.write(plan.render(0, "POST", "/v1/sales", {
                "order_no": self.order(), "card_no": f"6001{0:012}", "amount": 1}))
        got = run_program(self.shop.program("tests/bench/bench-start"), str(self.shop.port),
                          self.request, *self.shop.argv())
        if got["status"] != 201:
            raise BenchError(f"the first sale: status {got['status']}")
        return got["listens_s"], got["answers_s"]

    def read_last_row(self):
        """Seconds of the program that only reads the last row."""
        got = run_program(self.shop.program("tests/bench/bench-start"), "0", "-",
                          self.shop.program("tests/bench/bench-last-row"),
                          os.path.join(self.shop.data, "journal.db"), "entry")
        if got["status"] != 0:
            raise BenchError("the last row cannot be read")
        return got["ends_s"]

    def leave_a_log(self):
        """Sell some and kill it, so that the next start finds a write-ahead log."""
        with self.shop.running():
            plan = self.shop.plan("wal")
            for _ in range(WAL_SALES):
                plan_sale(plan, 0, f"6001{0:012}", self.order())
            self.shop.load(plan)
            self.shop.process.kill()


def measure(starts, name, times, prepare, result, entries):
    """A row of medians; the seconds until it had sold, or None where prepare cannot."""
    listens, answers, bare = [], [], []
    for _ in range(times):
        if not prepare():
            result.row(name, entries, None, None, None, None)
            return None
        a, b = starts.start()
        listens.append(a * 1e3)
        answers.append(b * 1e3)
        if prepare():
            bare.append(starts.read_last_row() * 1e3)
    ratio = median(answers) / median(bare)
    result.row(name, entries, median(listens), median(answers), median(bare), ratio)
    return median(answers) / 1e3


def run(programs, directory, quick):
    """All rows."""
    sizes = (1_000, 10_000) if quick else (1_000, 1_000_000)
    times = 3 if quick else 9
    result = Result("restart", f"medians of {times} starts, from exec to the answer of the first "
                    "sale", ("start", "entries", "listens ms", "first sale ms", "bare ms",
                             "ratio"))
    for entries in sizes:
        shop = Shop(programs, os.path.join(directory, f"shop-{entries}"))
        fill(shop, entries)
        size = os.path.getsize(os.path.join(shop.data, "journal.db")) / 1e6
        say(f"restart: journal.db has {size:,.0f} MB")
        starts = Starts(shop)
        starts.start()  # so that the first one timed is warm
        warm = measure(starts, "warm", times, lambda: True, result, entries)
        killed = measure(starts, "after kill -9", times,
                         lambda s=starts: s.leave_a_log() or True, result, entries)
        cold = measure(starts, "cold", times, drop_caches, result, entries)
    for name, seconds in (("warm", warm), ("after kill -9", killed), ("cold", cold)):
        if seconds is not None:
            result.target(f"{entries:,} entries, {name}", seconds, " s", 1, 0.1)
    return [result]
