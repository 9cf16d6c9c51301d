"""tills over HTTP, 32 connections, fsync on, beside a bare SQLite loop of the same statements

The agent's writing statements are recorded in a run of their own (record.c). Then rounds: the agent
serves all requests on a copy of a journal; the loop runs the recorded statements on another copy,
under the same pragmas, in transactions of 32 operations. Who goes first alternates."""

import os
import random

from bench import Result, Shop, copy_on_disk, fdatasync_ms, median, run_program, say

CONNECTIONS = 32
BATCH = 32
PAID = 10_000_000  # of each card; no sale is refused


def cards_of(connection, cards):
    """The cards that a connection's customers bring: each card is one connection's."""
    return [f"6001{n:012}" for n in range(connection, cards, CONNECTIONS)]


def open_cards(shop, cards):
    """Cards with money on them, through HTTP."""
    plan = shop.plan("cards")
    for connection in range(CONNECTIONS):
        for card in cards_of(connection, cards):
            plan.add(connection, "POST", "/v1/cards", {"card_no": card})
            plan.add(connection, "POST", "/v1/top-ups", {
                "order_no": f"T{card}", "card_no": card, "paid": PAID, "tender": "cash"})
    shop.load(plan)


def plan_sales(plan, cards, operations, with_key):
    """Sales from stored value, round the cards."""
    own = [cards_of(c, cards) for c in range(CONNECTIONS)]
    for n in range(operations):
        c, i = n % CONNECTIONS, n // CONNECTIONS
        order = f"20270131-{c + 1:02}-{i:06}"
        plan.add(c, "POST", "/v1/sales", {"order_no": order, "card_no": own[c][i % len(own[c])],
                                          "amount": 1000 + n % 9000},
                 key=f"{order}-a1b2c3d4e5f6" if with_key else None)


def plan_mixed(plan, cards, operations):
    """Seven of ten are sales, two refunds of a sale at this till, one a top-up; all with keys."""
    dice = random.Random(1)
    own = [cards_of(c, cards) for c in range(CONNECTIONS)]
    sold = [[] for _ in range(CONNECTIONS)]
    for n in range(operations):
        c, i = n % CONNECTIONS, n // CONNECTIONS
        order = f"20270131-{c + 1:02}-{i:06}"
        card = own[c][i % len(own[c])]
        chance = dice.random()
        if chance < 0.2 and sold[c]:
            of = sold[c].pop(dice.randrange(len(sold[c])))
            path, body = "/v1/refunds", {"order_no": order, "amount": 500,
                                         "of": {"store": "0107", "order_no": of}}
        elif chance < 0.3:
            path, body = "/v1/top-ups", {"order_no": order, "card_no": card, "paid": 50000,
                                         "tender": "wechat", "payment_ref": f"wx{n:026}"}
        else:
            path, body = "/v1/sales", {"order_no": order, "card_no": card,
                                       "amount": 1000 + n % 9000}
            sold[c].append(order)
        plan.add(c, "POST", path, body, key=f"{order}-a1b2c3d4e5f6")


def record(shop, base, plan):
    """The file with the statements that the agent runs for the plan."""
    path = os.path.join(shop.dir, "record")
    copy_on_disk(base, shop.data)
    with shop.running(LD_PRELOAD=shop.program("tests/bench/bench-record.so"), BENCH_RECORD=path):
        shop.load(plan)
    return path


def agent_round(shop, base, plan):
    """The agent's figures for the plan."""
    copy_on_disk(base, shop.data)
    with shop.running():
        return shop.load(plan)


def loop_round(shop, base, record_path, operations):
    """The loop's figures for the record."""
    folder = os.path.join(shop.dir, "loop")
    copy_on_disk(base, folder)
    return run_program(shop.program("tests/bench/bench-loop"), record_path,
                       os.path.join(folder, "journal.db"), str(operations), str(BATCH))


def compare(shop, base, name, plan, rounds, result):
    """Rounds of both sides; a row of medians. Returns the ratio."""
    n = plan.count
    path = record(shop, base, plan)
    agent, loop = [], []
    for i in range(rounds):
        say(f"till: {name}, round {i + 1} of {rounds}")
        if i % 2 == 0:
            agent.append(agent_round(shop, base, plan))
        loop.append(loop_round(shop, base, path, n))
        if i % 2 == 1:
            agent.append(agent_round(shop, base, plan))
    ratio = median([b["seconds"] / a["seconds"] for a, b in zip(agent, loop)])
    agent_cpu = median([a["daemon_cpu_seconds"] for a in agent])
    loop_cpu = median([b["cpu_seconds"] for b in loop])
    result.row(name, median([n / a["seconds"] for a in agent]),
               median([n / b["seconds"] for b in loop]), ratio,
               median([a["p50_us"] for a in agent]) / 1e3,
               median([a["p99_us"] for a in agent]) / 1e3,
               median([n / a["commits"] for a in agent]),
               agent_cpu / n * 1e6, loop_cpu / n * 1e6, loop_cpu / agent_cpu,
               median([a["cpu_seconds"] for a in agent]) / n * 1e6, loop[0]["statements"] / n)
    return ratio


def run(programs, directory, quick):
    """All rows."""
    cards, operations, rounds = (1600, 3200, 2) if quick else (8000, 40000, 5)
    base = os.path.join(directory, "base")
    shop = Shop(programs, os.path.join(directory, "shop"), lanes=CONNECTIONS)
    result = Result("till", f"{CONNECTIONS} connections; {operations:,} operations on {cards:,} "
                    f"cards a round, medians of {rounds} rounds; one fdatasync of a page takes "
                    f"{fdatasync_ms(directory):.3f} ms here",
                    ("operations", "agent/s", "loop/s", "ratio", "p50 ms", "p99 ms", "a commit",
                     "agent CPU us", "loop CPU us", "CPU ratio", "load CPU us", "statements"))
    with shop.running():
        open_cards(shop, cards)
    copy_on_disk(shop.data, base)
    for name, with_key in (("sales", False), ("sales, with keys", True)):
        plan = shop.plan("sales")
        plan_sales(plan, cards, operations, with_key)
        ratio = compare(shop, base, name, plan, rounds, result)
        result.target(f"{name}, of the loop", ratio, "", 0.25, 0.5, at_least=True)
    plan = shop.plan("mixed")
    plan_mixed(plan, cards, operations)
    ratio = compare(shop, base, "mixed, with keys", plan, rounds, result)
    result.target("mixed, of the loop", ratio, "", 0.25, 0.5, at_least=True)
    return [result]
