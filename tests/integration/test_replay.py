"""trib-replay: against shops of ours that fail on purpose, and real history on a whole chain."""

import csv
import json
import os
import shutil
import subprocess
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness import DATA, Chain, program, read_rows, scratch_dir, wait_until

HISTORY = os.path.join(DATA, "cdnow-home.csv.gz")
ROWS = 5000


class Shops:
    """Two shops, 0101 and 0102, that keep principal only and know a card once it was issued there.

    `fail(path, key, body)` may return (status, code) to answer instead, or "drop" to close the
    connection."""

    def __init__(self, fail=None):
        self.fail = fail or (lambda *_: None)
        self.lock = threading.Lock()
        self.cards = {}  # (store, card_no)
        self.balances = {}
        self.stored = {}  # answers by Idempotency-Key
        self.seen = []  # (store, path, key)
        self.dir = scratch_dir()
        self.servers = [self._serve(code) for code in ("0101", "0102")]
        stores = [{"store": code, "region": 1, "token": f"token-{code}", "pid": 1,
                   "url": f"http://127.0.0.1:{server.server_port}"}
                  for code, server in zip(("0101", "0102"), self.servers)]
        with open(os.path.join(self.dir, "chain.json"), "w", encoding="utf-8") as f:
            json.dump({"stores": stores}, f)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.shutdown()
            server.server_close()
        shutil.rmtree(self.dir)

    def _serve(self, code):
        shops = self

        class Handler(BaseHTTPRequestHandler):
            """One till's connection."""
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # headers and body in one piece

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                key = self.headers["Idempotency-Key"]
                assert self.headers["Authorization"] == f"Bearer token-{code}"
                answer = shops.answer(code, self.path, key, body)
                if answer == "drop":
                    self.close_connection = True
                    return
                status, value, replayed = answer
                text = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                if replayed:
                    self.send_header("Idempotent-Replayed", "true")
                self.end_headers()
                self.wfile.write(text)
                self.wfile.flush()

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def answer(self, store, path, key, body):
        """(status, JSON, replayed) of one call, or "drop"."""
        with self.lock:
            self.seen.append((store, path, key))
            failure = self.fail(path, key, body)
            if failure == "drop":
                return failure
            if failure:
                return failure[0], {"error": {"code": failure[1]}}, False
            if key in self.stored:
                return *self.stored[key], True
            status, value = self.operate(store, path, body)
            if status in (201, 422):
                self.stored[key] = (status, value)
            return status, value, False

    def operate(self, store, path, body):
        """(status, JSON) of a new call."""
        if path == "/v1/cards":
            if (store, body["card_no"]) in self.cards:
                return 409, {"error": {"code": "card_exists"}}
            self.cards[store, body["card_no"]] = True
            self.balances.setdefault(body["card_no"], 0)
            return 201, {}
        if path == "/v1/refunds":
            card = self.stored[f"spend-{body['of']['order_no']}"][1]["card"]
            change = body["amount"]
        else:
            card = body["card_no"]
            if (store, card) not in self.cards:
                return 404, {"error": {"code": "unknown_card"}}
            change = body["paid"] if path == "/v1/top-ups" else -body["amount"]
        if self.balances[card] + change < 0:
            return 422, {"error": {"code": "insufficient_balance"}}
        self.balances[card] += change
        return 201, {"card": card, "balance": {"principal": self.balances[card], "bonus": 0,
                                               "points": 7}}

    def replay(self, rows, *options):
        """Run trib-replay over the rows; returns (exit status, summary, errors)."""
        path = os.path.join(self.dir, "rows.csv")
        with open(path, "w", encoding="ascii") as f:
            f.write("order_no,store,card_no,at,kind,amount,of_order\n")
            f.writelines(f"{row}\n" for row in rows)
        done = subprocess.run([program("trib-replay"), "--dir", self.dir, "--input", path,
                               *options], capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


class Client(unittest.TestCase):
    """trib-replay alone."""

    rows = ["O1,0101,C1,1997-01-01,topup,1000,",
            "O2,0101,C1,1997-01-01,spend,300,",
            "O3,0102,C1,1997-01-02,refund,100,O2",
            "O4,0101,C2,1997-01-02T10:00:00+08:00,topup,500,",
            "O5,0101,C2,1997-01-03,spend,501,",
            "O6,0102,C2,1997-01-03,spend,500"]

    def test_summary_counts_successes_refusals_and_tells_balances(self):
        with Shops() as shops:
            accounts = os.path.join(shops.dir, "accounts.csv")
            status, summary, errors = shops.replay(self.rows, "--accounts", accounts)
            self.assertEqual(status, 0, errors)
            self.assertEqual(summary["by_kind"], {"topup": {"count": 2, "sum": 1500},
                                                  "spend": {"count": 2, "sum": 800},
                                                  "refund": {"count": 1, "sum": 100}})
            self.assertEqual(summary["refused"], {"insufficient_balance": 1})
            self.assertEqual((summary["operations"], summary["unanswered"]), (6, 0))
            # C2 was unknown at the second shop, and issued there too.
            self.assertEqual(summary["cards_issued"], 3)
            with open(accounts, encoding="ascii") as f:
                told = {row["card_no"]: row["principal"] for row in csv.DictReader(f)}
            self.assertEqual(told, {"C1": "800", "C2": "0"})
            self.assertIn("100 %", errors)

    def test_same_key_until_answered_and_one_success(self):
        kinds = [(503, "disk_low"), "drop", (500, "internal"), (409, "order_in_progress"),
                 (429, "rate_limited")]
        failed = []

        def fail(path, key, body):
            if key in failed:
                return None
            failed.append(key)
            return kinds[len(failed) % len(kinds)]

        with Shops(fail) as shops:
            status, summary, errors = shops.replay(self.rows)
            self.assertEqual(status, 0, errors)
            self.assertEqual(shops.balances, {"C1": 800, "C2": 0})
            self.assertGreaterEqual(len(failed), len(self.rows))
            keys = [key for _, _, key in shops.seen]
            self.assertGreaterEqual(min(map(keys.count, failed)), 2)
            self.assertGreater(summary["retries"], 0)

    def test_lost_answer_is_replayed_not_done_twice(self):
        with Shops() as shops:
            lose = {"spend-O2"}
            answer = shops.answer

            def losing(store, path, key, body):
                result = answer(store, path, key, body)
                if key in lose:
                    lose.discard(key)
                    return "drop"
                return result

            shops.answer = losing
            status, summary, errors = shops.replay(self.rows)
            self.assertEqual(status, 0, errors)
            self.assertEqual(shops.balances["C1"], 800)
            self.assertEqual(summary["replayed"], 1)

    def test_operations_of_a_card_keep_the_order_of_time(self):
        rows = [f"T{i},0101,C{i},1997-01-01,topup,100," for i in range(100)]
        rows += [f"S{i}-{day},010{1 + day % 2},C{i},1997-02-{day:02},spend,1,"
                 for day in range(20, 0, -1) for i in range(100)]
        with Shops() as shops:
            status, summary, errors = shops.replay(rows)
            self.assertEqual((status, summary["refused"]), (0, {}), errors)
            days = {}
            for _, path, key in shops.seen:
                if path == "/v1/sales":
                    card, day = key.removeprefix("spend-S").split("-")
                    if int(day) not in days.setdefault(card, []):
                        days[card].append(int(day))
            self.assertEqual(set(map(tuple, days.values())), {tuple(range(1, 21))})

    def test_patience_ends_and_the_status_says_so(self):
        def fail(path, key, body):
            return "drop" if key == "spend-O2" else None

        with Shops(fail) as shops:
            status, summary, _ = shops.replay(self.rows, "--patience", "0.3")
            self.assertEqual(status, 1)
            # O2 and the refund of it; the other card went on.
            self.assertEqual(summary["unanswered"], 2)
            self.assertEqual(shops.balances["C2"], 0)

    def test_bad_values_and_folders_are_named(self):
        with Shops() as shops:
            status, _, errors = shops.replay(self.rows, "--rate", "x")
            self.assertEqual(status, 2)
            self.assertIn("--rate: bad value x", errors)
            done = subprocess.run([program("trib-replay"), "--dir", shops.dir, "--input",
                                   shops.dir], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("is a folder", done.stderr)

    def test_bad_rows_are_named_by_line(self):
        bad = {"O1,0101,C1,1997-01-01,topup": "too few fields; needed are order_no,store,card_no",
               "O1,0999,C1,1997-01-01,topup,1,": "no such store",
               "O1,0101,C1,yesterday,topup,1,": "not a date",
               "O1,0101,C1,1997-01-01,gift,1,": "kind",
               "O1,0101,C1,1997-01-01,spend,-1,": "amount",
               "O1,0101,C1,1997-01-01,spend,1,O0": "a refund"}
        with Shops() as shops:
            for row, words in bad.items():
                with self.subTest(row=row):
                    status, _, errors = shops.replay(self.rows + [row])
                    self.assertEqual(status, 1)
                    self.assertIn("line 8: ", errors)
                    self.assertIn(words, errors)


def expected_accounts(rows):
    """What the rows leave on each card under the base rules: {card_no: (principal, points)}.

    One point per whole 100 fen of a receipt's net; a refund claws back earned(before) −
    earned(after)."""
    accounts = {}
    nets = {}
    for row in rows:
        principal, points = accounts.get(row["card_no"], (0, 0))
        amount = int(row["amount"])
        if row["kind"] == "topup":
            principal += amount
        elif row["kind"] == "spend":
            nets[row["order_no"]] = amount
            principal -= amount
            points += amount // 100
        else:
            before = nets[row["of_order"]]
            nets[row["of_order"]] = before - amount
            principal += amount
            points -= before // 100 - (before - amount) // 100
        accounts[row["card_no"]] = (principal, points)
    return accounts


@unittest.skipUnless(os.path.exists(HISTORY), f"{HISTORY} is not there")
class History(unittest.TestCase):
    """The start of a real purchase history, on 12 stores in 3 regions."""

    def check_books(self, chain, rows, summary):
        """Nothing was refused; tills, books and rows agree."""
        self.assertEqual(summary["refused"], {})
        self.assertEqual(summary["unanswered"], 0)
        self.assertEqual(sum(k["count"] for k in summary["by_kind"].values()), len(rows))
        chain.wait_booked()
        booked = chain.sql("select c.card_no, b.principal, b.points from book.account_balance b "
                           "join book.card c on c.account = b.account")
        self.assertEqual({card: (int(principal), int(points))
                          for card, principal, points in booked}, expected_accounts(rows))
        status, output = chain.tribctl_status("books", "check")
        self.assertEqual(status, 0, output)

    def test_quiet(self):
        rows = read_rows(HISTORY, ROWS)
        with Chain(stores=12, regions=3) as chain:
            summary = chain.replay(HISTORY, "--rows", str(ROWS))
            self.check_books(chain, rows, summary)

    def test_kills_and_a_cut_end_where_a_quiet_run_does(self):
        rows = read_rows(HISTORY, ROWS)
        with Chain(stores=12, regions=3) as chain:
            running = chain.start_replay(HISTORY, "--rows", str(ROWS), "--rate", "400")

            others = [s for s in chain.stores() if s["store"] != "0102"]

            def stored():
                return sum(chain.health(store)["seq"]["stored"] for store in others)

            def wait_further(n):
                aim = stored() + n
                wait_until(lambda: stored() >= aim or running.poll() is not None, 120,
                           "the replay goes on, which")
                self.assertIsNone(running.poll(), "the replay ended too early")

            for node in (chain.store("0102"), chain.relay(2), chain.hq()):
                wait_further(300)
                chain.kill(node)
                wait_further(300)
                chain.start(node)
            wait_further(300)
            region = chain.relay(3)
            chain.cut(region)
            wait_further(600)
            chain.heal(region)
            summary = chain.finish_replay(running)
            self.assertGreater(summary["retries"], 0)
            self.check_books(chain, rows, summary)


if __name__ == "__main__":
    unittest.main()
