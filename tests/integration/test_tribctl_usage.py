"""tribctl alone: usage, exit codes, output, profiles, and db migrate, against a service made up
here."""

import contextlib
import csv
import fcntl
import http.server
import io
import json
import os
import pty
import shutil
import struct
import subprocess
import termios
import threading
import unicodedata
import unittest

from harness import BUILD, TOP, scratch_dir

TRIBCTL = os.path.join(BUILD, "ctl", "tribctl")
MIGRATIONS = os.path.join(TOP, "migrations")
EXAMPLE = os.path.join(TOP, "deploy/rules/example.json")

OK, FAILED, USAGE, UNREACHABLE, DENIED, DIFFERENCE, PARTLY = range(7)

STORES = [
    {"name": "人民广场店", "code": "0101", "region": 1, "state": "enrolled", "extra": None},
    {"name": "Pudong \x1b[31m", "code": "0102", "region": 1, "state": "new", "booked_seq": 12345},
]


def error(status, code, **facts):
    """An answer as every service gives it for errors."""
    return status, {"error": {"type": "t", "code": code, "retryable": False, "trace_id": "abc",
                              "message": {"zh": "没有找到。", "en": "Not found."}, **facts}}


class Service:
    """An HTTP server with canned answers by method and path; keeps what it was asked."""

    def __init__(self, answers):
        self.asked = []
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length).decode()
                service.asked.append((self.command, self.path, self.headers.get("Authorization"),
                                      json.loads(body) if body else None))
                status, data = answers.get((self.command, self.path),
                                           error(404, "not_found", detail="no such path"))
                text = data if isinstance(data, bytes) else json.dumps(data).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = answer

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,),
                                       daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def width(text):
    """Columns on a terminal."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


class Tribctl(unittest.TestCase):
    """Runs tribctl in an environment of its own."""

    def setUp(self):
        self.dir = scratch_dir()
        self.addCleanup(shutil.rmtree, self.dir)

    def run_ctl(self, *args, status=OK, stdin="", **env):
        """(stdout, stderr) of a run that must end with the status."""
        done = subprocess.run(
            [TRIBCTL, *args], input=stdin, capture_output=True, text=True, timeout=60,
            cwd=env.pop("cwd", self.dir), check=False,
            env={"PATH": "/usr/bin:/bin", "XDG_CONFIG_HOME": self.dir, **env})
        self.assertEqual(done.returncode, status, (args, done.stdout, done.stderr))
        return done.stdout, done.stderr

    def write(self, name, text, mode=0o600):
        """A file in the scratch folder; its path."""
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        return path


class Usage(Tribctl):
    """The command line itself."""

    def test_mistakes_are_named_with_the_nearest_word(self):
        for args, text in [
                (["stroe", "list"], "unknown command 'stroe'; did you mean 'store'?"),
                (["store", "lst"], "unknown verb 'lst'; did you mean 'list'?"),
                (["store", "enroll", "0101", "--regoin", "1"],
                 "unknown option '--regoin'; did you mean '--region'?"),
                (["-o", "jsn", "version"], "unknown output format 'jsn'; did you mean 'json'?"),
                (["--lang", "de", "version"], "unknown language 'de'"),
                (["store"], "'store' needs a verb: list, show, enroll"),
                (["store", "show"], "CODE is missing"),
                (["store", "show", "1", "2"], "unexpected '2'"),
                (["store", "enroll", "1", "--region", "1"], "--reason TEXT is required"),
                (["store", "enroll", "1", "--region", "1", "--reason"], "--reason needs a value"),
                (["store", "enroll", "1", "--region", "1", "--reason="],
                 "--reason must not be empty"),
                (["store", "enroll", "1", "--region", "1", "--region", "2"],
                 "--region is given twice"),
                (["store", "enroll", "1", "--region", "x", "--reason", "r"],
                 "--region must be a whole number from 1 to 9999, not 'x'"),
                (["store", "enroll", "1", "--region", "1", "--reason", "r", "--cutoff", "24:00"],
                 "--cutoff must be a time such as 04:30, not '24:00'"),
                (["account", "show"], "give either ACCOUNT or --card-file"),
                (["account", "show", "6001"], "6001 is not an account id (26 characters). For a "
                 "card: tribctl account show --card-file -"),
                (["--hq", "http://127.0.0.1:1", "account", "show", "a" * 26, "--activities", "5"],
                 "--activities asks a store: give --store URL"),
                (["--store", "http://127.0.0.1:1", "account", "show", "a" * 26, "--activities",
                  "201"], "--activities must be a whole number from 1 to 200, not '201'"),
                (["store", "list"], "no URL for the headquarters: give --hq URL or set TRIB_HQ"),
                (["--hq", "ftp://x", "store", "list"],
                 "'ftp://x' is no http:// or https:// URL and no profile"),
                (["db", "migrate"], "give --postgres CONNINFO or set TRIB_POSTGRES")]:
            out, err = self.run_ctl(*args, status=USAGE)
            self.assertEqual(out, "")
            self.assertEqual(err.splitlines()[0], "tribctl: " + text)
            self.assertRegex(err.splitlines()[1], r"^Try 'tribctl.* --help'\.$")

    def test_help_is_there_at_each_level_and_in_both_languages(self):
        for args in [["--help"], ["help"], ["store", "--help"], ["help", "store"],
                     ["store", "enroll", "-h"], ["help", "store", "enroll"]]:
            out, err = self.run_ctl(*args)
            self.assertEqual(err, "")
            self.assertIn("store enroll", out)
            self.assertIn("门店", self.run_ctl(*args, LANG="zh_CN.UTF-8")[0])
            self.assertIn("门店", self.run_ctl("--lang=zh", *args)[0])
        self.assertIn("--reason TEXT", self.run_ctl("store", "enroll", "--help")[0])
        out, err = self.run_ctl(status=USAGE)
        self.assertEqual(out, "")
        self.assertIn("Exit codes", err)

    def test_every_command_has_help(self):
        out, _ = self.run_ctl("--help")
        commands = [line.split("  ")[1] for line in
                    out.split("Commands:\n")[1].split("\n\n")[0].splitlines()]
        self.assertGreater(len(commands), 14)
        for command in commands:
            for lang in "zh", "en":
                text, _ = self.run_ctl(*command.split(), "--help", "--lang", lang)
                self.assertIn("tribctl " + command, text)

    def test_version_needs_no_service(self):
        self.assertRegex(self.run_ctl("--version")[0], r"^tribctl \d+\.\d+\.\d+\n$")
        out, _ = self.run_ctl("version", "-o", "json")
        self.assertRegex(json.loads(out)["tribctl"], r"^\d+\.\d+\.\d+$")

    def test_unreachable_service_is_3(self):
        for args in [["--hq", "http://127.0.0.1:1", "store", "list"],
                     ["--store", "http://127.0.0.1:1", "lane", "pair", "--lane", "1"],
                     ["db", "migrate", "--postgres", "host=/nowhere", "--dir", MIGRATIONS]]:
            out, err = self.run_ctl(*args, status=UNREACHABLE)
            self.assertEqual(out, "")
            self.assertIn("cannot be reached", err)

    def test_token_goes_over_plain_http_to_this_machine_only(self):
        _, err = self.run_ctl("--hq", "http://hq.invalid", "store", "list", status=FAILED,
                              TRIB_TOKEN="t")
        self.assertIn("use https://", err)
        _, err = self.run_ctl("--hq", "http://127.0.0.1.hq.invalid", "store", "list",
                              status=FAILED, TRIB_TOKEN="t")
        self.assertIn("use https://", err)


class Rules(Tribctl):
    """rules check works offline."""

    def test_good_file_is_counted(self):
        out, _ = self.run_ctl("rules", "check", EXAMPLE, "-ojson")
        self.assertEqual(json.loads(out), {"file": EXAMPLE, "name": "summer", "points": 1,
                                           "top_ups": 2, "account_types": 2})

    def test_what_is_not_given_is_warned_of(self):
        path = self.write("none.json", '{"name":"a","account_types":[{"name":"default"}]}')
        _, err = self.run_ctl("rules", "check", path)
        self.assertEqual(err, f"tribctl: {path}: gives no points\n"
                              f"tribctl: {path}: no gifts for top-ups\n")
        _, err = self.run_ctl("rules", "check", "-", status=FAILED, stdin="{}")
        self.assertEqual(err, "tribctl: -: name: is required\n")
        self.assertEqual(self.run_ctl("rules", "check", EXAMPLE)[1], "")

    def test_bad_file_names_the_place(self):
        path = self.write("bad.json", '{"top_ups":[{"id":"a","stpes":[]}]}')
        out, err = self.run_ctl("rules", "check", path, status=FAILED)
        self.assertEqual(out, "")
        self.assertIn(f"{path}: top_ups[0].stpes: is not known here; did you mean 'steps'?", err)
        path = self.write("bad.json", '{"top_ups":[{"id":"a"}]}')
        _, err = self.run_ctl("rules", "check", path, status=FAILED)
        self.assertIn(f"{path}: top_ups[0].steps: is required", err)
        _, err = self.run_ctl("rules", "check", "-", status=FAILED, stdin="{")
        self.assertIn("tribctl: -: line 1, column 1", err)
        self.run_ctl("rules", "check", self.dir + "/none.json", status=FAILED)

    def test_bad_file_is_not_published(self):
        with Service({}) as hq:
            path = self.write("bad.json", "[]")
            self.run_ctl("--hq", hq.url, "rules", "publish", path, "--reason", "r", status=FAILED)
            self.assertEqual(hq.asked, [])

    def test_good_file_is_sent_as_it_is(self):
        with Service({("POST", "/v1/rules"): (201, {"version": 7})}) as hq:
            out, _ = self.run_ctl("--hq", hq.url, "rules", "publish", EXAMPLE, "--reason", "夏季",
                                  "-ojson")
            self.assertEqual(json.loads(out), {"version": 7})
            with open(EXAMPLE, encoding="utf-8") as f:
                self.assertEqual(hq.asked[0][3], {"rules": json.load(f), "reason": "夏季"})


class Output(Tribctl):
    """Tables, JSON, CSV and exit codes of answers."""

    def setUp(self):
        super().setUp()
        self.answers = {("GET", "/v1/stores"): (200, {"items": STORES})}
        self.hq = self.enterContext(Service(self.answers))

    def enterContext(self, manager):
        """As unittest has it from Python 3.11 on."""
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        return stack.enter_context(manager)

    def ask(self, *args, **more):
        """run_ctl at the service."""
        return self.run_ctl("--hq", self.hq.url, *args, **more)

    def test_table_is_aligned_in_columns_of_a_terminal(self):
        out, _ = self.ask("store", "list")
        lines = out.splitlines()
        self.assertEqual(lines[0].split(), ["CODE", "REGION", "NAME", "STATE", "BOOKED", "EXTRA"])
        columns = {width(line[:line.index(word)]) for line, word in
                   zip(lines, ["STATE", "enrolled", "new"])}
        self.assertEqual(len(columns), 1, out)
        self.assertNotIn("\x1b", out)
        zh, _ = self.ask("store", "list", "--lang", "zh")
        self.assertEqual(zh.split()[:4], ["入网码", "区域", "名称", "状态"])

    def test_times_are_short_and_local_in_tables_only(self):
        self.answers["GET", "/v1/stores"] = (200, [{"at": "2026-01-31T23:30:00.125+01:00"}])
        out, _ = self.ask("store", "list", TZ="Asia/Shanghai")
        self.assertEqual(out, "TIME\n2026-02-01 06:30:00\n")
        self.assertIn("T23:30:00.125+01:00", self.ask("store", "list", "-ojson")[0])
        self.assertIn("T23:30:00.125+01:00", self.ask("store", "list", "-ocsv")[0])

    def test_narrow_terminal_leaves_out_columns_rather_than_wrap(self):
        row = {"store": "0101", "state": "online", "last_seen": "2026-01-31T23:30:00Z",
               "head": "f" * 64, "time_zone": "Asia/Shanghai", "software": "trib/1", "lag": 5}
        self.answers["GET", "/v1/stores"] = (200, [row])
        main, side = pty.openpty()
        self.addCleanup(os.close, main)
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 50, 0, 0))
        done = subprocess.run([TRIBCTL, "--hq", self.hq.url, "store", "list"], stdout=side,
                              stderr=subprocess.PIPE, text=True, check=True, timeout=60,
                              env={"NO_COLOR": "1"})
        os.close(side)
        lines = os.read(main, 65536).decode().split("\r\n")
        self.assertIn("LAST SEEN", lines[0])
        self.assertNotIn("HEAD", lines[0])
        self.assertLessEqual(max(map(width, lines)), 50)
        self.assertIn("columns that do not fit here: ", done.stderr)

    def test_an_endpoint_on_every_address_is_warned_of(self):
        for field, noun in ("hq_endpoint", "regions/1"), ("relay_endpoint", "stores/0101"):
            for host, warned in ("0.0.0.0", True), ("*", True), ("10.0.0.1", False):
                self.answers["POST", f"/v1/{noun}/enroll"] = (201, {field: f"tcp://{host}:7402"})
                args = ["region", "enroll", "1"] if noun[0] == "r" else \
                    ["store", "enroll", "0101", "--region", "1"]
                _, err = self.ask(*args, "--reason", "r")
                self.assertEqual("listens on every address" in err, warned)

    def test_pairing_says_what_the_till_does(self):
        self.answers["POST", "/v1/lanes/pair"] = (201, {"code": "MAHB", "lane": 2})
        out, _ = self.run_ctl("--store", self.hq.url, "lane", "pair", "--lane", "2", "-ojson")
        self.assertEqual(json.loads(out)["command"],
                         f"""curl -d '{{"code":"MAHB"}}' {self.hq.url}/v1/pair""")

    def test_json_is_the_list_as_received(self):
        self.assertEqual(json.loads(self.ask("store", "list", "-o", "json")[0]), STORES)

    def test_csv_has_all_fields(self):
        rows = list(csv.DictReader(io.StringIO(self.ask("store", "list", "--output=csv")[0])))
        self.assertEqual(rows[0]["name"], "人民广场店")
        self.assertEqual(rows[1]["booked_seq"], "12345")
        self.assertEqual(rows[0]["booked_seq"], "")

    def test_object_is_printed_upright_with_its_lists_below(self):
        account = "a" * 26
        self.answers["GET", "/v1/accounts/" + account] = (200, {
            "account": account, "held_elsewhere": [], "balance": {"principal": 100, "bonus": 20},
            "lots": [{"lot": 1, "principal": 100}, {"lot": 2, "principal": 0}]})
        out, _ = self.ask("account", "show", account)
        self.assertEqual([line.split() for line in out.splitlines()],
                         [["ACCOUNT", account], ["PRINCIPAL", "100"], ["BONUS", "20"], [], ["LOTS"],
                          ["PRINCIPAL", "LOT"], ["100", "1"], ["0", "2"]])

    def test_empty_list_is_told_on_stderr(self):
        self.answers["GET", "/v1/regions"] = (200, {"items": []})
        self.assertEqual(self.ask("region", "list"), ("", "tribctl: nothing found\n"))
        self.assertEqual(self.ask("region", "list", "-o", "json")[0], "[]\n")

    def test_error_is_told_in_the_language_with_code_and_trace(self):
        self.answers["GET", "/v1/stores/9"] = error(404, "not_found", param="code")
        _, err = self.ask("store", "show", "9", status=FAILED)
        self.assertEqual(err, "tribctl: There is no store 9. [not_found, abc]\n")
        _, err = self.ask("store", "show", "9", "--lang", "zh", status=FAILED)
        self.assertEqual(err, "tribctl：没有门店 9。[not_found, abc]\n")
        self.answers["GET", "/v1/stores/9"] = error(400, "bad_value", param="code", detail="odd")
        _, err = self.ask("store", "show", "9", status=FAILED)
        self.assertEqual(err, "tribctl: Not found: code: odd [bad_value, abc]\n")
        _, err = self.ask("store", "show", "9", "--lang", "zh", status=FAILED)
        self.assertEqual(err, "tribctl：没有找到：code：odd [bad_value, abc]\n")

    def test_denial_is_4_and_strange_answers_are_1(self):
        self.answers["GET", "/v1/stores/1"] = error(401, "unauthorized")
        self.answers["GET", "/v1/stores/2"] = error(403, "unauthorized")
        self.answers["GET", "/v1/stores/3"] = (200, b"<html>")
        self.answers["GET", "/v1/stores/4"] = (502, b"<html>")
        for code, status in ("1", DENIED), ("2", DENIED), ("3", FAILED), ("4", FAILED):
            self.ask("store", "show", code, status=status)

    def test_names_are_encoded_in_paths(self):
        self.ask("store", "show", "../a b", status=FAILED)
        self.assertEqual(self.hq.asked[0][1], "/v1/stores/%2E%2E%2Fa%20b")

    def test_enrolment_sends_what_was_given(self):
        self.answers["POST", "/v1/stores/0101/enroll"] = (201, {"code": "X", "command": "run it"})
        out, _ = self.ask("store", "enroll", "0101", "--region=1", "--entity", "甲", "--time-zone",
                          "Asia/Shanghai", "--cutoff", "04:30", "--reason", "new shop")
        self.assertIn("run it", out)
        self.ask("store", "enroll", "0101", "--region", "1", "--reason", "r")
        self.assertEqual([asked[3] for asked in self.hq.asked], [
            {"region": 1, "entity": "甲", "time_zone": "Asia/Shanghai", "cutoff_min": 270,
             "reason": "new shop"}, {"region": 1, "reason": "r"}])

    def test_card_number_comes_from_stdin(self):
        self.answers["POST", "/v1/accounts/search"] = (200, {"items": [{"account": "A"}]})
        out, _ = self.ask("account", "show", "--card-file", "-", "-o", "json", stdin="8800123\n")
        self.assertEqual(json.loads(out), {"account": "A"})
        self.assertEqual(self.hq.asked[0][3], {"card_no": "8800123"})
        self.ask("account", "show", "--card-file", "-", status=FAILED, stdin="")

    def test_difference_is_5(self):
        good = {"difference": 0, "stores": 2, "entries": 10, "differences": []}
        bad = {"difference": 1, "differences": [
            {"check": "holding", "cell": "0101", "expected": 5, "found": 4}]}
        self.answers["POST", "/v1/books/check"] = (200, good)
        out, _ = self.ask("books", "check")
        self.assertIn("books proved: 10 entries of 2 stores, 0 differences\n", out)
        self.assertNotIn("[]", out)
        self.assertIn("账目核对无误", self.ask("books", "check", "--lang", "zh")[0])
        self.answers["POST", "/v1/books/check"] = (200, bad)
        out, _ = self.ask("books", "check", status=DIFFERENCE)
        self.assertIn("holding", out)
        self.answers["POST", "/v1/journal/0101/verify"] = (200, bad)
        self.ask("journal", "verify", "0101", status=DIFFERENCE)

    def test_all_journals_verified_but_one_is_6(self):
        self.answers["POST", "/v1/journal/0101/verify"] = (200, {"entries": 3, "difference": 0})
        out, err = self.ask("journal", "verify", "-o", "json", status=PARTLY)
        self.assertEqual(json.loads(out), [{"entries": 3, "difference": 0, "store": "0101"}])
        self.assertIn("store 0102 could not be verified", err)

    def test_journal_is_asked_at_hq_or_at_the_store(self):
        self.answers["GET", "/v1/journal/0101?from=5&limit=2"] = (200, {"items": [{"seq": 5}]})
        self.answers["GET", "/v1/journal"] = (200, {"items": [{"seq": 1}]})
        self.ask("journal", "show", "0101", "--limit", "2", "--from", "5")
        self.run_ctl("--store", self.hq.url, "journal", "show")
        self.run_ctl("--store", self.hq.url, "journal", "show", "0101", status=USAGE)
        self.ask("journal", "show", status=USAGE)

    def test_profiles_give_urls_and_tokens(self):
        token = self.write("token", "s3cret\n")
        self.write("tributary/profiles.ini",
                   f"# mine\n[{self.hq.url}/]\ntoken_file = {token}\n\n"
                   f"[sh]\nhq = {self.hq.url}\n[default]\nhq={self.hq.url}\ntoken_file={token}\n")
        self.ask("store", "list")
        self.run_ctl("--hq", "sh", "store", "list")
        self.run_ctl("store", "list")
        self.run_ctl("store", "list", TRIB_HQ=self.hq.url + "/")
        self.run_ctl("store", "list", TRIB_TOKEN="other")
        self.assertEqual([asked[2] for asked in self.hq.asked],
                         ["Bearer s3cret", None, "Bearer s3cret", "Bearer s3cret", "Bearer other"])
        os.chmod(token, 0o644)
        self.assertIn("others may read this token", self.ask("store", "list")[1])
        self.write("tributary/profiles.ini", "[default]\nhq = x\nurl = y\n")
        _, err = self.run_ctl("store", "list", status=FAILED)
        self.assertIn("profiles.ini:3: ", err)

    def test_token_is_never_shown(self):
        out, err = self.ask("store", "list", TRIB_TOKEN="s3cret")
        self.assertEqual(self.hq.asked[0][2], "Bearer s3cret")
        self.assertNotIn("s3cret", out + err)


class Migrate(Tribctl):
    """db migrate on a scratch PostgreSQL."""

    @classmethod
    def setUpClass(cls):
        cls.top = scratch_dir()
        cls.addClassCleanup(shutil.rmtree, cls.top)
        cls.addClassCleanup(cls.postgres, "stop")
        cls.postgres("start")
        cls.conninfo = cls.postgres("conninfo").strip()

    @classmethod
    def postgres(cls, verb):
        """One verb of deploy/postgres.sh."""
        return subprocess.run([os.path.join(TOP, "deploy/postgres.sh"), verb, cls.top],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                              check=True, timeout=120).stdout

    def setUp(self):
        super().setUp()
        self.database = "t_" + self.id().rsplit(".", 1)[1][:50]
        self.sql(f"create database {self.database}", self.conninfo)
        self.mine = f"{self.conninfo} dbname={self.database}"

    def sql(self, statement, conninfo=None):
        """psql's bare output."""
        return subprocess.run(["psql", "-XAtqc", statement, conninfo or self.mine],
                              capture_output=True, text=True, check=True, timeout=60).stdout

    def migrate(self, directory, **more):
        """(stdout, stderr) of a migration of this test's database."""
        return self.run_ctl("db", "migrate", "--postgres", self.mine, "--dir", directory, "-ojson",
                            **more)

    def test_all_are_applied_once(self):
        states = [row["state"] for row in json.loads(self.migrate(MIGRATIONS)[0])]
        self.assertEqual(set(states), {"applied"})
        again, err = self.migrate(MIGRATIONS)
        self.assertEqual([row["state"] for row in json.loads(again)], ["present"] * len(states))
        self.assertEqual(err, "")
        self.assertEqual(self.sql("select count(*) from trib.schema_migration").strip(),
                         str(len(states)))

    def test_default_directory_is_the_working_directory_s(self):
        self.run_ctl("db", "migrate", cwd=TOP, TRIB_POSTGRES=self.mine)

    def test_failed_file_leaves_nothing_and_stops(self):
        self.write("m/0001_a.sql", "create table a (x int);")
        self.write("m/0002_b.sql", "create table b (x int); select 1/0;")
        self.write("m/0003_c.sql", "create table c (x int);")
        out, err = self.migrate(self.dir + "/m", status=FAILED)
        self.assertEqual([row["name"] for row in json.loads(out)], ["a"])
        self.assertIn("0002_b.sql: ERROR:  division by zero", err)
        self.assertEqual(self.sql("select to_regclass('a'), to_regclass('b'), to_regclass('c')"),
                         "a||\n")
        self.write("m/0002_b.sql", "create table b (x int);")
        self.assertEqual(len(json.loads(self.migrate(self.dir + "/m")[0])), 3)

    def test_changed_or_unknown_migrations_are_refused(self):
        self.write("m/0001_a.sql", "create table a (x int);")
        self.write("m/0002_b.sql", "create table b (x int);")
        self.migrate(self.dir + "/m")
        self.write("m/0003_c.sql", "create table c (x int);")
        self.write("m/0001_a.sql", "create table a (x int); ")
        _, err = self.migrate(self.dir + "/m", status=FAILED)
        self.assertIn("0001_a.sql was applied, but has changed since", err)
        self.write("m/0001_a.sql", "create table a (x int);")
        os.remove(self.dir + "/m/0002_b.sql")
        os.remove(self.dir + "/m/0003_c.sql")
        _, err = self.migrate(self.dir + "/m", status=FAILED)
        self.assertIn("the database has migration 2 (b)", err)
        self.assertEqual(self.sql("select to_regclass('c')"), "\n")

    def test_strange_directories_are_refused(self):
        self.migrate(self.dir + "/none", status=FAILED)
        _, err = self.run_ctl("db", "migrate", "--postgres", self.mine, status=FAILED)
        self.assertEqual(err, "tribctl: no folder 'migrations' here; name it with --dir\n")
        self.write("m/readme", "")
        self.migrate(self.dir + "/m", status=FAILED)
        self.write("m/0002_b.sql", "")
        self.assertIn("migration 0001 is missing", self.migrate(self.dir + "/m", status=FAILED)[1])
        self.write("m/1_a.sql", "")
        self.migrate(self.dir + "/m", status=FAILED)

    def test_file_must_not_end_its_transaction(self):
        self.write("m/0001_a.sql", "create table a (x int); commit;")
        _, err = self.migrate(self.dir + "/m", status=FAILED)
        self.assertIn("ends its own transaction", err)

    def test_two_at_once_apply_each_file_once(self):
        self.write("m/0001_a.sql", "create table a (x int); select pg_sleep(0.5);")
        run = [TRIBCTL, "db", "migrate", "--postgres", self.mine, "--dir", self.dir + "/m", "-ojson"]
        both = [subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
                for _ in range(2)]
        states = sorted(json.loads(p.communicate(timeout=60)[0])[0]["state"] for p in both)
        self.assertEqual([p.returncode for p in both], [0, 0])
        self.assertEqual(states, ["applied", "present"])


if __name__ == "__main__":
    unittest.main()
