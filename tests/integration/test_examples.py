"""The example tills (examples/): one sale each, over a line that loses answers.

Each till is given orders whose answers are lost on the way; what it says at the end must be what
the shop's journal says, and the journal must have the order at most once.
"""

import http.client
import itertools
import json
import os
import socket
import ssl
import subprocess
import threading
import unittest
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

from harness import BUILD, TOP
from store_case import Shop

TILLS = {
    "C": [os.path.join(BUILD, "examples/till-example")],
    "Python": ["/usr/bin/python3", os.path.join(TOP, "examples/till.py")],
    "shell": ["/bin/bash", os.path.join(TOP, "examples/till.sh")],
}
SOURCES = ("till.c", "till.py", "till.sh")
STATUS = {"sold": 0, "refused": 1, "cancelled": 2, "unknown": 3}


def run_till(name, args, env):
    """One till, with those settings and no others of its own; what subprocess.run gives."""
    settings = {**os.environ, "SSL_CERT_FILE": None, "CURL_CA_BUNDLE": None, "TIMEOUT": "1",
                "http_proxy": "http://127.0.0.1:1", **env}
    return subprocess.run(
        [*TILLS[name], *args], capture_output=True, text=True, timeout=120, check=False,
        stdin=subprocess.DEVNULL, env={k: v for k, v in settings.items() if v is not None})


def run_all(args, env):
    """All tills, side by side: {name: what run_till gives}."""
    with ThreadPoolExecutor(len(TILLS)) as pool:
        return dict(zip(TILLS, pool.map(lambda name: run_till(name, args, env), TILLS)))


class Line:
    """A line to the shop, one request a connection, that treats each as the plan's next word says:

    pass     the answer comes
    swallow  the request arrives, its answer is kept back until the till hangs up
    cut      the request arrives, the connection breaks instead of an answer
    drop     the request does not arrive, the connection breaks

    After the plan's end all pass. `log` has the first line of each request.
    """

    def __init__(self, url, plan):
        parts = urllib.parse.urlsplit(url)
        self.target = (parts.hostname, parts.port)
        self.plan, self.log = list(plan), []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def _serve(self):
        while True:
            try:
                till, _ = self.listener.accept()
            except OSError:
                return
            with till:
                till.settimeout(20)
                self._one(till, self.plan.pop(0) if self.plan else "pass")

    def _one(self, till, how):
        request = self._read_message(till)
        if not request:
            return
        self.log.append(request.split(b"\r\n")[0].decode())
        if how == "drop":
            return
        with socket.create_connection(self.target, timeout=20) as shop:
            shop.sendall(request)
            answer = self._read_message(shop)
        if how == "pass":
            till.sendall(answer)
        elif how == "swallow":
            while till.recv(4096):
                pass

    @staticmethod
    def _read_message(peer):
        """One HTTP message with a Content-Length, or none."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = peer.recv(4096)
            if not more:
                return b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while len(body) < length:
            body += peer.recv(4096)
        # A connection carries one request, so that the plan's words are its requests.
        return head + b"\r\nConnection: close\r\n\r\n" + body


class Examples(unittest.TestCase):
    """A shop for all of them."""

    @classmethod
    def setUpClass(cls):
        cls.shop = Shop()
        cls.addClassCleanup(cls.shop.close)
        cls.numbers = itertools.count(1)

    def sell(self, name, plan, paid=10000, amount=400):
        """One till sells over such a line; (outcome, rest of its words, kinds and txns of the
        order's entries, methods of the requests)."""
        number = next(self.numbers)
        order, card = f"{number}/%+?&", f"62{number:05}"
        self.shop.fill(card, paid)
        line = Line(self.shop.url, plan)
        try:
            done = run_till(name, [order, card, str(amount)],
                            {"STORE": line.url, "TOKEN": self.shop.token})
        finally:
            line.close()
        words = done.stdout.split()
        self.assertTrue(words, done.stderr)
        self.assertEqual(done.returncode, STATUS[words[0]], done.stdout + done.stderr)
        self.assertEqual(words[1], order)
        _, _, journal = self.shop.manage("GET", "/v1/journal?limit=1000")
        entries = [(e["kind"], e["txn"]) for e in journal["items"] if e["order_no"] == order]
        return words[0], words[2:], entries, [request.split()[0] for request in line.log]

    def sell_all(self, plan, **how):
        """All tills, side by side: {name: what sell() tells}."""
        with ThreadPoolExecutor(len(TILLS)) as pool:
            running = {name: pool.submit(self.sell, name, plan, **how) for name in TILLS}
        return {name: one.result() for name, one in running.items()}

    def expect_sold(self, plan, methods):
        """Each till sells over such a line, once, by those requests."""
        for name, (outcome, words, entries, seen) in self.sell_all(plan).items():
            with self.subTest(till=name):
                self.assertEqual((outcome, seen), ("sold", methods))
                self.assertEqual((entries, words[1:]), ([("sale", words[0])], ["400"]))

    def expect_cancelled(self, plan, kinds):
        """Each till gives up over such a line, and leaves just entries of those kinds."""
        for name, (outcome, _, entries, methods) in self.sell_all(plan).items():
            with self.subTest(till=name):
                self.assertEqual((outcome, methods[:6]), ("cancelled", ["POST", "GET"] * 3))
                self.assertEqual([kind for kind, _ in entries], kinds)

    def test_each_is_short_enough_to_read(self):
        for name in SOURCES:
            with open(os.path.join(TOP, "examples", name), encoding="utf-8") as f:
                self.assertLessEqual(len(f.readlines()), 80, name)

    def test_a_good_line(self):
        self.expect_sold([], ["POST"])

    def test_an_answer_that_never_comes_is_found_among_the_orders(self):
        self.expect_sold(["swallow"], ["POST", "GET"])

    def test_a_request_that_never_came_is_sent_again(self):
        self.expect_sold(["drop"], ["POST", "GET", "POST"])

    def test_a_sale_whose_answers_all_were_lost_is_done_once(self):
        self.expect_sold(["cut", "drop", "cut", "cut"], ["POST", "GET", "POST", "GET", "POST"])

    def test_a_till_that_gives_up_on_what_never_came_makes_sure_that_it_never_will(self):
        self.expect_cancelled(["drop"] * 6, ["order_cancelled"])

    def test_a_till_that_gives_up_on_what_was_done_undoes_it(self):
        self.expect_cancelled(["cut", "drop"] * 3 + ["cut", "drop"], ["sale", "refund"])

    def test_a_till_that_reaches_nobody_says_that_it_does_not_know(self):
        for name, (outcome, _, entries, _) in self.sell_all(["drop"] * 9).items():
            with self.subTest(till=name):
                self.assertEqual((outcome, entries), ("unknown", []))

    def test_a_refusal_is_told(self):
        for name, (outcome, words, entries, _) in self.sell_all(["cut"], paid=100).items():
            with self.subTest(till=name):
                self.assertEqual((outcome, words, entries),
                                 ("refused", ["insufficient_balance", "余额不足。"], []))

    def test_wrong_use_is_told_and_sells_nothing(self):
        fine = {"STORE": self.shop.url, "TOKEN": self.shop.token}
        self.shop.fill("6290001", 100000)
        seq = self.shop.manage("GET", "/v1/health")[2]["seq"]["stored"]
        for name in TILLS:
            for given, env in [
                    *((["U1", "6290001", amount], {}) for amount in (
                        "12.34", "1e3", "12x", "-5", "0", "", "¥5")),
                    (["U1", "6290001"], {}), (["U1", "6290001", "5", "6"], {}),
                    (["U1", "6290001", "5"], {"STORE": None}),
                    (["U1", "6290001", "5"], {"TOKEN": None})]:
                with self.subTest(till=name, given=given, env=env):
                    done = run_till(name, given, {**fine, **env})
                    self.assertEqual((done.returncode, done.stdout), (64, ""), done.stderr)
                    self.assertRegex(done.stderr, r"^usage: .* ORDER CARD FEN\n$")
        self.assertEqual(self.shop.manage("GET", "/v1/health")[2]["seq"]["stored"], seq)

    def test_why_it_does_not_know_is_told(self):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        settings = {"STORE": f"http://127.0.0.1:{port}", "TOKEN": "x"}
        for name, done in run_all(["W1", "6290002", "5"], settings).items():
            with self.subTest(till=name):
                self.assertEqual((done.returncode, done.stdout), (3, "unknown W1\n"))
                self.assertRegex(done.stderr, "refused|Failed to connect|Couldn't connect")


class Network(unittest.TestCase):
    """What the guide says of TLS: the agent is known by its pin, or by its certificate."""

    @classmethod
    def setUpClass(cls):
        cls.shop = Shop("lan_listen = 127.0.0.1:0\n")
        cls.addClassCleanup(cls.shop.close)
        cls.told = cls.shop.manage("POST", "/v1/lanes/pair", {"lane": 3})[2]

    def curl(self, pin):
        """curl as in the guide; its exit status and what it printed."""
        done = subprocess.run(
            ["curl", "-sS", "--noproxy", "*", "--insecure", "--pinnedpubkey", pin, "-H",
             f"Authorization: Bearer {self.shop.token}", self.told["https"] + "/v1/health"],
            capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout

    def test_each_example_knows_the_agent_by_its_certificate_and_no_other(self):
        self.shop.fill("6290003", 10000)
        own = os.path.join(self.shop.data, "tls.crt")
        settings = {"STORE": self.told["https"], "TOKEN": self.shop.token, "TIMEOUT": "20"}
        known = {**settings, "SSL_CERT_FILE": own}
        for name, done in run_all(["L1", "6290003", "5"], known).items():
            with self.subTest(till=name):
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(done.stdout.split()[:2], ["sold", "L1"])
        for name, done in run_all(["L2", "6290003", "5"], settings).items():
            with self.subTest(till=name):
                self.assertEqual((done.returncode, done.stdout), (3, "unknown L2\n"))
                self.assertIn("certificate", done.stderr)

    def test_curl_knows_the_agent_by_its_pin_and_no_other(self):
        status, output = self.curl(self.told["tls_pin"])
        self.assertEqual((status, json.loads(output)["store"]), (0, "0107"))
        self.assertEqual(self.curl("sha256//" + "A" * 43 + "="), (90, ""))  # pin not matched

    def test_python_knows_the_agent_by_its_certificate(self):
        parts = urllib.parse.urlsplit(self.told["https"])
        context = ssl.create_default_context(cafile=os.path.join(self.shop.data, "tls.crt"))
        line = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=20, context=context)
        line.request("GET", "/v1/openapi.json")
        self.assertEqual(line.getresponse().status, 200)
        line.close()
        context.check_hostname = False  # the address has changed since
        with socket.create_connection((parts.hostname, parts.port), 20) as plain, \
                context.wrap_socket(plain, server_hostname="192.0.2.9") as tls:
            self.assertTrue(tls.version())
        line = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=20)
        with self.assertRaises(ssl.SSLCertVerificationError):
            line.connect()


if __name__ == "__main__":
    unittest.main()
