"""A chain of an older version meets this one: its database is migrated, its stores are told."""

import os
import shutil
import subprocess
import tempfile
import unittest

from harness import TOP, Chain, wait_until
from wire import downs, entries

MIGRATIONS = os.path.join(TOP, "migrations")
CARD = "6001000100010001"


def folder_of(last):
    """A folder with the migrations up to that one."""
    folder = tempfile.mkdtemp(prefix="trib.", dir="/tmp")
    for name in sorted(os.listdir(MIGRATIONS)):
        if name.endswith(".sql") and int(name[:4]) <= last:
            shutil.copy(os.path.join(MIGRATIONS, name), folder)
    return folder


class Upgrade(unittest.TestCase):
    """One chain that traded; its database goes back to the version before, rows and all."""

    @classmethod
    def setUpClass(cls):
        cls.chain = Chain(stores=2, regions=1)
        cls.chain.__enter__()
        cls.addClassCleanup(cls.chain.__exit__, None, None, None)
        cls.till("/v1/cards", {"card_no": CARD})
        cls.till("/v1/top-ups", {"order_no": "T1", "card_no": CARD, "paid": 5000,
                                 "tender": "cash"})
        cls.till("/v1/sales", {"order_no": "S1", "card_no": CARD, "amount": 1200})
        cls.till("/v1/refunds", {"order_no": "R1", "amount": 200,
                                 "of": {"store": "0101", "order_no": "S1"}})
        cls.chain.wait_booked()

    @classmethod
    def till(cls, path, body):
        """A success at store 0101."""
        status, _, answer = cls.chain.till("0101", "POST", path, body)
        if status != 201:
            raise AssertionError(f"{path}: {status} {answer}")

    def psql(self, database, *args, **options):
        """Run psql as the cluster's owner, who is asked for no foreign key."""
        conninfo = self.chain.hq()["postgres"].replace("dbname=tributary", f"dbname={database}")
        self.assertIn(f"dbname={database}", conninfo)
        return subprocess.run(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", conninfo, *args], check=True,
            env={**os.environ, "PGOPTIONS": "-c session_replication_role=replica"},
            stdout=subprocess.PIPE, timeout=60, **options).stdout

    def migrate(self, database, folder):
        """{migration: state} as tribctl tells."""
        conninfo = self.chain.hq()["postgres"].replace("dbname=tributary", f"dbname={database}")
        rows = self.chain.tribctl("db", "migrate", "--postgres", conninfo, "--dir", folder)
        return {row["version"]: row["state"] for row in rows}

    def make_older(self, last):
        """Put a database of that version, with all rows of the present one, in its place."""
        folder = folder_of(last)
        self.addCleanup(shutil.rmtree, folder)
        self.psql("postgres", "-c", "create database older")
        self.assertEqual(set(self.migrate("older", folder).values()), {"applied"})
        columns = self.psql("older", "-c", (
            "select table_name, string_agg(quote_ident(column_name), ', ') from"
            " information_schema.columns join information_schema.tables using (table_schema,"
            " table_name) where table_schema = 'trib' and table_type = 'BASE TABLE'"
            " and table_name <> 'schema_migration' group by table_name"), text=True)
        for table, names in (line.split("|") for line in columns.splitlines()):
            rows = self.psql("tributary", "-c",
                             f"copy (select {names} from trib.{table}) to stdout")
            self.psql("older", "-c", f"copy trib.{table} ({names}) from stdin", input=rows)
        for table, key in (("booking", "no"), ("exception", "id"), ("evidence", "id")):
            self.psql("older", "-c", f"select setval(pg_get_serial_sequence('trib.{table}',"
                      f" '{key}'), coalesce(max({key}), 0) + 1, false) from trib.{table}")
        self.psql("postgres", "-c", "alter database tributary rename to newer")
        self.psql("postgres", "-c", "alter database older rename to tributary")

    def settings_messages(self, store):
        """The StoreSettings in its down log, in order."""
        rows = self.chain.sql("select encode(bytes, 'hex') from trib.down_log join trib.store"
                              f" using (store) where code = '{store}' order by seq")
        logs = [downs().DownMessage.FromString(bytes.fromhex(row)) for row, in rows]
        return [m.store_settings for m in logs if m.HasField("store_settings")]

    def applied(self, store):
        """Whether the store applied its whole down log."""
        return self.chain.sql(
            "select 1 from trib.incarnation join trib.store using (store)"
            f" where code = '{store}' and down_applied = down_seq") != []

    def test_an_older_chain_is_migrated_and_its_stores_are_told_the_new_kinds_once(self):
        hq = self.chain.hq()
        self.chain.kill(hq)
        self.make_older(2)
        self.assertEqual(self.migrate("tributary", MIGRATIONS),
                         {1: "present", 2: "present", 3: "applied"})
        self.chain.start(hq)
        for store in ("0101", "0102"):
            wait_until(lambda: len(self.settings_messages(store)) == 2 and self.applied(store),
                       30, f"{store} was told, which")
            first, second = self.settings_messages(store)
            self.assertEqual(second, first)  # it was enrolled by this version in truth
            kinds = {entries().Entry.DESCRIPTOR.fields_by_name[name].number for name in (
                "account_opened", "card_linked", "top_up", "sale", "refund", "refund_top_up",
                "points_redeemed", "order_cancelled", "day_sealed", "pin_event", "reversal")}
            self.assertEqual(set(second.kinds), kinds)
        self.till("/v1/sales", {"order_no": "S2", "card_no": CARD, "amount": 100})
        self.till("/v1/refunds", {"order_no": "R2",
                                  "of": {"store": "0101", "order_no": "S1"}})
        self.chain.wait_booked()
        self.prove()

        self.chain.kill(hq)
        self.chain.start(hq)
        self.till("/v1/sales", {"order_no": "S3", "card_no": CARD, "amount": 100})
        self.chain.wait_booked()
        self.assertEqual(len(self.settings_messages("0101")), 2)

        # An HQ that books other kinds than were announced tells them, alone to whom they are new.
        self.chain.kill(hq)
        self.chain.sql("update trib.incarnation set announced_kinds = '{32,35}' where store ="
                       " (select store from trib.store where code = '0102')")
        self.chain.start(hq)
        wait_until(lambda: len(self.settings_messages("0102")) == 3 and self.applied("0102"), 30,
                   "0102 was told again, which")
        self.assertEqual(len(self.settings_messages("0101")), 2)
        self.prove()

    def prove(self):
        """The books, down logs included."""
        status, output = self.chain.tribctl_status("books", "check")
        self.assertEqual(status, 0, output)

    def test_names_of_kinds_and_totals_are_those_of_the_program(self):
        rows = self.chain.sql("select n, trib.kind_name(n::smallint),"
                              " trib.total_kind_name(n::smallint) from generate_series(1, 99) n")
        fields = entries().Entry.DESCRIPTOR.oneofs_by_name["body"].fields
        self.assertEqual({int(n): name for n, name, _ in rows if name != "unknown"},
                         {f.number: f.name for f in fields if f.number < 100})
        self.assertEqual([total for _, _, total in rows if total != "unknown"],
                         ["account_opened", "top_up", "sale", "refund", "refund_top_up",
                          "redemption", "reversal_refund", "reversal_refund_top_up",
                          "reversal_redemption"])


if __name__ == "__main__":
    unittest.main()
