"""A trib-relay of a test's own, between a made-up HQ and two made-up stores."""

import json
import os
import shutil
import signal
import subprocess
import unittest
import urllib.request

import wire
from harness import BUILD, scratch_dir, wait_until

RELAY = os.path.join(BUILD, "relay/trib-relay")
REGION = 3


class Relay:
    """A trib-relay of its own, enrolled at a made-up HQ."""

    def __init__(self, hq):
        self.hq = hq
        self.dir = scratch_dir()
        self.process = None
        self.log = open(os.path.join(self.dir, "log"), "ab")
        self.config = os.path.join(self.dir, "relay.conf")
        with open(self.config, "w", encoding="ascii") as f:
            f.write("[relay]\ndata_dir = data\nlisten = 127.0.0.1:0\n"
                    "enroll_listen = 127.0.0.1:0\nhttp_listen = 127.0.0.1:0\nlog_level = 7\n"
                    f"hq = {hq.router.endpoint}\n")
        os.mkdir(os.path.join(self.dir, "data"), 0o700)

    def start_enroll(self, code=None):
        """trib-relay enroll, running."""
        return subprocess.Popen(
            [RELAY, "enroll", "--config", self.config, "--code", code or self.hq.code, "--hq",
             self.hq.enroll.endpoint, "--hq-key", self.hq.curve.z85_public.decode()],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.PIPE, text=True)

    def enroll(self):
        """Enrol."""
        running = self.start_enroll()
        self.hq.grant(REGION)
        _, errors = running.communicate(timeout=30)
        if running.returncode != 0:
            raise AssertionError(errors)

    def start(self, fault=None):
        """Start and wait until it serves."""
        path = self.data("endpoints.json")
        if os.path.exists(path):
            os.remove(path)
        env = {**os.environ, **({"TRIB_FAULT": fault} if fault else {})}
        self.process = subprocess.Popen([RELAY, "--config", self.config], env=env,
                                        stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log)
        wait_until(lambda: os.path.exists(path) or self.process.poll() is not None, 10,
                   "the relay serves, which")

    def stop(self, number=signal.SIGTERM):
        """End it; returns its status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(20)
        self.process = None
        return status

    def close(self):
        """End and remove."""
        self.stop(signal.SIGKILL)
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def data(self, name):
        """Path in the data folder."""
        return os.path.join(self.dir, "data", name)

    @property
    def endpoints(self):
        """endpoints.json"""
        with open(self.data("endpoints.json"), encoding="utf-8") as f:
            return json.load(f)

    def health(self):
        """GET /v1/health"""
        with open(self.data("admin.token"), encoding="ascii") as f:
            token = f.read().strip()
        request = urllib.request.Request(self.endpoints["http"] + "/v1/health",
                                         headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def store(self, store):
        """The store's part of the health page."""
        for s in self.health()["stores"]:
            if (s["node"], s["incarnation"]) == (store.node, store.incarnation):
                return s
        return None

    def alarms(self):
        """Kinds of the alarms that stand."""
        return {a["kind"] for a in self.health()["alarms"]}

    def print_log(self):
        """What it said."""
        with open(os.path.join(self.dir, "log"), encoding="utf-8", errors="replace") as f:
            print(f.read()[-6000:], flush=True)


class RelayCase(unittest.TestCase):
    """An enrolled relay that runs; two stores on its roster."""

    def setUp(self):
        self.hq = wire.HQ()
        self.addCleanup(lambda: self.hq.close())
        self.relay = Relay(self.hq)
        self.addCleanup(self.relay.close)
        self.addCleanup(self.tell_on_failure)
        self.relay.enroll()
        self.relay.start()
        self.a = wire.Store(self.hq, 101, "0101", REGION)
        self.b = wire.Store(self.hq, 102, "0102", REGION)
        self.addCleanup(self.close_links)
        self.open_hq([self.a, self.b])

    def tell_on_failure(self):
        """Print the log where the test failed."""
        outcome = getattr(self, "_outcome", None)
        if outcome is not None and not outcome.success:
            self.relay.print_log()

    def close_links(self):
        """Of the stores."""
        for store in (self.a, self.b):
            if store.link is not None:
                store.link.close()

    def open_hq(self, stores):
        """HQ takes the relay's link and tells where the books end: nowhere yet."""
        self.hq.welcome()
        self.hq.send_roster(REGION, stores)
        for store in stores:
            self.hq.expect_present(store)
            self.hq.resume(store, 0)

    def lose_hq(self):
        """HQ is gone, and the relay knows."""
        self.hq.router.close()
        wait_until(lambda: self.relay.health()["uplink"] == "down", 10, "the uplink is down, which")

    def find_hq(self):
        """HQ is back at another address."""
        self.hq.router = wire.Router(self.hq.curve)
        with open(self.relay.config, encoding="ascii") as f:
            lines = [line for line in f if not line.startswith("hq =")]
        with open(self.relay.config, "w", encoding="ascii") as f:
            f.writelines(lines + [f"hq = {self.hq.router.endpoint}\n"])

    def wait_alarm(self, kind):
        """Until this alarm stands."""
        wait_until(lambda: kind in self.relay.alarms(), 5, f"alarm {kind}")
