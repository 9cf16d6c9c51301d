"""memory of trib-store with 100,000 accounts, and with 100

Each account has a lot. The agent is looked at after its start, after every account was read through
HTTP, and after a sale on each; 32 connections. All figures are MB."""

import base64
import os
import sqlite3

from bench import Result, Shop, say

CONNECTIONS = 32
MB = 1024 * 1024


def fill(shop, accounts):
    """Open the accounts, each with a top-up."""
    plan = shop.plan("fill")
    for n in range(accounts):
        card = f"6001{n:012}"
        plan.add(n % CONNECTIONS, "POST", "/v1/cards", {"card_no": card})
        plan.add(n % CONNECTIONS, "POST", "/v1/top-ups", {
            "order_no": f"T{n:07}", "card_no": card, "paid": 10000, "tender": "cash"})
    with shop.running():
        shop.load(plan)


def plan_reads(shop):
    """Each account once, as a till shows it."""
    plan = shop.plan("reads")
    path = os.path.join(shop.data, "journal.db")
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    for n, (account,) in enumerate(db.execute("SELECT account FROM account")):
        name = base64.b32encode(account).decode().rstrip("=").lower()
        plan.add(n % CONNECTIONS, "GET", f"/v1/accounts/{name}")
    db.close()
    return plan


def plan_sales(shop, accounts):
    """A sale on each account."""
    plan = shop.plan("sales")
    for n in range(accounts):
        plan.add(n % CONNECTIONS, "POST", "/v1/sales", {
            "order_no": f"S{n:07}", "card_no": f"6001{n:012}", "amount": 1000})
    return plan


def status_of(pid):
    """{"VmRSS": bytes, ...}"""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        pairs = (line.split() for line in f if line.startswith("Vm"))
        return {name.rstrip(":"): int(value) * 1024 for name, value, *_ in pairs}


def kind_of(name, program):
    """What a mapping is for."""
    if name == "[heap]":
        return "heap"
    if name.startswith("[stack"):
        return "stack"
    if os.path.basename(name) == program:
        return "program"
    if ".so" in os.path.basename(name):
        return "libraries"
    return "other anonymous" if name == "" or name.startswith("[anon") else "other"


def mappings_of(pid):
    """{kind: resident bytes}, and the proportional set size under "pss"."""
    sums = {}
    kind = None
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as f:
        for line in f:
            words = line.split()
            if words[0].endswith(":"):
                if words[0] in ("Rss:", "Pss:"):
                    what = kind if words[0] == "Rss:" else "pss"
                    sums[what] = sums.get(what, 0) + int(words[1]) * 1024
            else:
                kind = kind_of(words[5] if len(words) > 5 else "", "trib-store")
    return sums


def look(shop, accounts, when, result):
    """A row; the resident set in MB."""
    pid = shop.process.pid
    status = status_of(pid)
    parts = mappings_of(pid)
    shown = ("heap", "other anonymous", "program", "libraries", "stack", "other")
    result.row(when, accounts, status["VmRSS"] / MB, status["VmHWM"] / MB, parts["pss"] / MB,
               *(parts.get(kind, 0) / MB for kind in shown))
    return status["VmHWM"] / MB


def run(programs, directory, quick):
    """All rows."""
    sizes = (100, 1_000) if quick else (100, 100_000)
    result = Result("memory", "resident MB of trib-store", (
        "when", "accounts", "RSS", "peak RSS", "PSS", "heap", "other anonymous", "program",
        "libraries", "stack", "other"))
    for accounts in sizes:
        shop = Shop(programs, os.path.join(directory, f"shop-{accounts}"), lanes=CONNECTIONS)
        say(f"memory: {accounts:,} accounts")
        fill(shop, accounts)
        reads, sales = plan_reads(shop), plan_sales(shop, accounts)
        with shop.running():
            look(shop, accounts, "after the start", result)
            shop.load(reads)
            look(shop, accounts, "every account was read", result)
            shop.load(sales)
            peak = look(shop, accounts, "a sale on each", result)
    result.target(f"peak RSS with {accounts:,} accounts", peak, " MB", 24, 10)
    return [result]
