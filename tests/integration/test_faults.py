"""Daemons that die at a named line, and PostgreSQL that goes away: nothing acknowledged is lost.

Each test works at a till, repeats every unanswered call with its key until it is answered, and in
the end finds the account exactly where the answers said, at the shop and in the books."""

import os
import signal
import subprocess
import threading
import unittest

from harness import Chain, cluster, wait_until

CARD = "600100020003"
PATIENCE = 60


class Till:
    """One card's dealings at a store, every call made until it is answered."""

    def __init__(self, chain, code):
        self.chain = chain
        self.code = code
        self.made = 0
        self.principal = 0
        self.points = 0
        status, answer = self.call("/v1/cards", {"card_no": CARD}, "card")
        assert status == 201, answer
        self.account = answer["account"]

    def call(self, path, body, key):
        """(status, JSON) of a call that is repeated while nobody answers or the store cannot."""
        answered = []

        def attempt():
            try:
                status, _, answer = self.chain.till(self.code, "POST", path, body, key=key)
            except OSError:
                return False
            if status >= 500:
                return False
            answered[:] = [status, answer]
            return True

        wait_until(attempt, PATIENCE, f"an answer to {path}")
        return answered

    def work(self, rounds=1):
        """Top up 1,000 and spend 300, or nearly all when much has gathered; that many times."""
        for _ in range(rounds):
            self.made += 1
            order = f"O{self.made}"
            amount = 300 if self.principal < 20000 else self.principal - 700
            status, answer = self.call("/v1/top-ups", {"order_no": order, "card_no": CARD,
                                                       "paid": 1000, "tender": "cash"},
                                       f"t-{order}")
            assert status == 201, answer
            status, answer = self.call("/v1/sales", {"order_no": order, "card_no": CARD,
                                                     "amount": amount}, f"s-{order}")
            assert status == 201, answer
            self.principal += 1000 - amount
            self.points += amount // 100
            assert answer["balance"]["principal"] == self.principal, answer
            assert answer["balance"]["points"] == self.points, answer


class FaultCase(unittest.TestCase):
    """A chain of one store and one relay for the whole class."""

    @classmethod
    def setUpClass(cls):
        cls.chain = Chain(stores=1, regions=1)
        cls.chain.__enter__()
        cls.till = Till(cls.chain, "0101")

    @classmethod
    def tearDownClass(cls):
        cls.chain.__exit__(None, None, None)

    def nodes(self):
        """Daemons by the first word of their fault points."""
        return {"store": self.chain.store("0101"), "relay": self.chain.relay(1),
                "hq": self.chain.hq()}

    def is_dead(self, node):
        """Whether the node's process is gone."""
        return self.chain.process(node["name"]).pid is None

    def restart(self, node, fault=None):
        """End the node if it runs, and start it, to die at the fault if one is given."""
        if not self.is_dead(node):
            self.chain.kill(node)
        if fault:
            os.environ["TRIB_FAULT"] = fault
        try:
            self.chain.start(node)
        except cluster.ChainError:
            if not fault or not self.is_dead(node):
                raise
        finally:
            os.environ.pop("TRIB_FAULT", None)

    def prove(self):
        """The shop, the view and the proof of the books agree with what the till was told."""
        self.chain.wait_booked()
        rows = self.chain.sql("SELECT principal, points FROM book.account_balance")
        self.assertEqual(rows, [[str(self.till.principal), str(self.till.points)]])
        status, output = self.chain.tribctl_status("books", "check")
        self.assertEqual(status, 0, output)


class KilledAtPersistPoints(FaultCase):
    """kill -9 at each persist point of each daemon."""

    def die_at(self, fault, stir=lambda: None):
        """Start the daemon to die at the fault, work until it did, start it whole, prove."""
        node = self.nodes()[fault.split(".")[0]]
        self.restart(node, fault)
        stir()
        worker = TillThread(self.till)
        try:
            wait_until(lambda: self.is_dead(node), PATIENCE, f"the death at {fault}")
            self.restart(node)
        finally:
            worker.stop()
        self.till.work(2)
        self.prove()

    def publish(self):
        """Make the down log grow."""
        path = os.path.join(self.chain.dir, "rules.json")
        subprocess.run(["cp", os.path.join(cluster.TOP, "deploy/rules/base.json"), path],
                       check=True)
        status, output = self.chain.tribctl_status("rules", "publish", path, "--reason", "test")
        self.assertEqual(status, 0, output)


class TillThread:
    """Work at the till on another thread until told to stop."""

    def __init__(self, till):
        self.till = till
        self.is_over = threading.Event()
        self.failure = None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        """Work round by round."""
        try:
            while not self.is_over.is_set():
                self.till.work()
        except BaseException as error:  # reported by stop()
            self.failure = error

    def stop(self):
        """End the round under way; raises what went wrong in it."""
        self.is_over.set()
        self.thread.join(PATIENCE)
        if self.failure:
            raise self.failure


def add_point(point, passes, publishes=False):
    """A test of one fault point at its nth pass."""
    def test(self):
        self.die_at(f"{point}:{passes}", self.publish if publishes else lambda: None)
    setattr(KilledAtPersistPoints, f"test_{point.replace('.', '_')}_pass_{passes}", test)


for name in ("store.before_append", "store.mid_append", "store.after_append",
             "store.before_commit", "store.after_commit", "relay.before_commit",
             "relay.after_commit", "relay.before_forward", "hq.before_copy", "hq.before_commit",
             "hq.after_commit"):
    add_point(name, 1)
    add_point(name, 5)
for name in ("store.down_before_commit", "store.down_after_commit"):
    add_point(name, 1, publishes=True)


class PostgresGoesAway(FaultCase):
    """HQ without its database, for a while or in mid-batch."""

    def postgres(self, *args):
        """deploy/postgres.sh on the chain's own cluster."""
        subprocess.run([os.path.join(cluster.TOP, "deploy/postgres.sh"), args[0], self.chain.dir,
                        *args[1:]], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def test_missing_then_back(self):
        self.postgres("stop", "immediate")
        try:
            self.till.work(5)
        finally:
            self.postgres("start")
        self.prove()

    def test_restarted_under_load(self):
        worker = TillThread(self.till)
        try:
            for _ in range(3):
                before = self.chain.health(self.chain.store("0101"))["seq"]["booked"]
                self.postgres("restart", "immediate")
                wait_until(lambda b=before: self.chain.health(self.chain.store("0101"))["seq"]
                           ["booked"] > b, PATIENCE, "booking after a restart")
        finally:
            worker.stop()
        self.prove()

    def test_hq_started_before_postgres(self):
        hq = self.chain.hq()
        self.chain.kill(hq)
        self.postgres("stop", "immediate")
        try:
            self.chain.process("hq").spawn([self.chain.program("trib-hq"), "--config",
                                            hq["config"]], self.chain.log("hq"))
            self.till.work(3)
            self.assertFalse(self.is_dead(hq))
        finally:
            self.postgres("start")
        self.prove()

    def test_connections_cut_in_mid_batch(self):
        worker = TillThread(self.till)
        try:
            for _ in range(10):
                before = self.chain.health(self.chain.store("0101"))["seq"]["booked"]
                self.chain.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                               " WHERE pid <> pg_backend_pid() AND datname = current_database()")
                wait_until(lambda b=before: self.chain.health(self.chain.store("0101"))["seq"]
                           ["booked"] > b, PATIENCE, "booking after a cut")
        finally:
            worker.stop()
        self.prove()

    def test_refusing_in_mid_batch(self):
        self.till.work()
        self.chain.wait_booked()
        self.chain.sql("""
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
            CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON trib.day_total
            EXECUTE FUNCTION refuse()""")
        try:
            self.till.work(4)
            log = self.chain.log("hq")
            wait_until(lambda: "books_group_refused" in open(log, encoding="utf-8").read(),
                       PATIENCE, "the refusal in the log")
            self.assertEqual(self.chain.sql("SELECT count(*) FROM trib.quarantine"), [["0"]])
        finally:
            self.chain.sql("DROP TRIGGER refuse ON trib.day_total; DROP FUNCTION refuse()")
        self.prove()


class CalmStops(FaultCase):
    """SIGTERM finishes what was acknowledged and exits 0."""

    def terminate(self, node):
        """SIGTERM to a daemon that this test starts itself; returns its exit status."""
        self.chain.kill(node)
        argv = [self.chain.program(node["program"]), "--config", node["config"]]
        endpoints = os.path.join(node["data"], "endpoints.json")
        os.unlink(endpoints)
        with open(self.chain.log(node["name"]), "ab") as log:
            child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(lambda: os.path.exists(endpoints), PATIENCE, "readiness")
            worker = TillThread(self.till)
            try:
                made = self.till.made
                wait_until(lambda: self.till.made > made + 3, PATIENCE, "work")
                child.send_signal(signal.SIGTERM)
                status = child.wait(PATIENCE)
                self.chain.start(node)
            finally:
                worker.stop()
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        return status

    def test_store(self):
        self.assertEqual(self.terminate(self.chain.store("0101")), 0)
        self.prove()

    def test_relay(self):
        self.assertEqual(self.terminate(self.chain.relay(1)), 0)
        self.prove()

    def test_hq(self):
        self.assertEqual(self.terminate(self.chain.hq()), 0)
        self.prove()


if __name__ == "__main__":
    unittest.main()
