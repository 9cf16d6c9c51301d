"""One trib-store alone, enrolled by a test helper: it has no relay to reach, and works offline."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import unittest
import urllib.parse

from harness import BUILD, http as call, scratch_dir, wait_until

STORE = os.path.join(BUILD, "store-agent/trib-store")
ENROL = os.path.join(BUILD, "tests/unit_store/make-enrolment")


class Shop:
    """One trib-store in a scratch folder; settings are further lines of its configuration, data is
    a folder of its own for the journal. Its lanes have no rate limit unless the settings say so: a
    test is in more of a hurry than a till. `before` stands before each start's command line."""

    def __init__(self, settings="", data=None, before=()):
        self.dir = scratch_dir()
        self.data = data or os.path.join(self.dir, "data")
        self.before = before
        self.config = os.path.join(self.dir, "store.conf")
        self.process = None
        self.endpoints = {}
        subprocess.run([ENROL, self.data, "0107"], check=True, timeout=30)
        if "lane_rate" not in settings:
            settings += "lane_rate = 0\n"
        with open(self.config, "w", encoding="ascii") as f:
            f.write(f"[store]\ndata_dir = {self.data}\nhttp_listen = 127.0.0.1:0\n"
                    f"{settings}")
        self.start()
        self.token = self.pair(1)

    def start(self, fault=None, before=()):
        """Start it, with a command line of another program before its own, and wait until it
        serves."""
        before = before or self.before
        endpoints = os.path.join(self.data, "endpoints.json")
        if os.path.exists(endpoints):
            os.unlink(endpoints)
        env = {**os.environ, **({"TRIB_FAULT": fault} if fault else {})}
        with open(os.path.join(self.dir, "log"), "ab") as log:
            self.process = subprocess.Popen([*before, STORE, "--config", self.config],
                                            env=env, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        wait_until(lambda: os.path.exists(endpoints) or self.process.poll() is not None, 20,
                   "the store's start")
        if self.process.poll() is not None:
            raise AssertionError(self.log())
        with open(endpoints, encoding="ascii") as f:
            self.endpoints = json.load(f)
        self.url = self.endpoints["http"]
        with open(os.path.join(self.data, "admin.token"), encoding="ascii") as f:
            self.admin = f.read().strip()

    def stop(self, number=signal.SIGTERM):
        """End it; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=20)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def log(self):
        with open(os.path.join(self.dir, "log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def pair(self, lane):
        status, _, answer = self.manage("POST", "/v1/lanes/pair", {"lane": lane})
        assert status == 201, answer
        status, _, answer = call(self.url + "/v1/pair", "POST", body={"code": answer["code"]})
        assert status == 201 and answer["lane"] == lane, answer
        return answer["token"]

    def till(self, method, path, body=None, key=None, headers=None):
        headers = {**(headers or {}), **({"Idempotency-Key": key} if key else {})}
        return call(self.url + path, method, self.token, body, headers)

    def manage(self, method, path, body=None):
        return call(self.url + path, method, self.admin, body)

    def raw(self, path, data, headers=None):
        """POST bytes as they are; (status, JSON)."""
        parts = urllib.parse.urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
        try:
            connection.request("POST", path, data,
                               {"Authorization": f"Bearer {self.token}", **(headers or {})})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        finally:
            connection.close()

    def fill(self, card, paid):
        """A card with that much on it; its account."""
        status, _, answer = self.till("POST", "/v1/cards", {"card_no": card})
        assert status == 201, answer
        status, _, top_up = self.till("POST", "/v1/top-ups", {
            "order_no": f"fill-{card}", "card_no": card, "paid": paid, "tender": "cash"})
        assert status == 201, top_up
        return answer["account"]

    def verified(self):
        """Entries of a journal that equals its folds."""
        status, _, answer = self.manage("POST", "/v1/journal/verify")
        assert status == 200 and answer["ok"] and answer["differences"] == [], answer
        return answer["entries"]


class Case(unittest.TestCase):
    """A shop for the class."""

    @classmethod
    def setUpClass(cls):
        cls.shop = Shop()
        cls.addClassCleanup(cls.shop.close)

    def assertError(self, got, status, code, param=None):
        self.assertEqual((got[0], got[-1]["error"]["code"]), (status, code), got)
        self.assertEqual(got[-1]["error"].get("param"), param, got)
        self.assertEqual(set(got[-1]["error"]["message"]), {"zh", "en"})
