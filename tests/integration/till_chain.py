"""A store of a whole chain, for till_run: its entries are booked while the tills are at work, its
link is cut and mended, and in the end the books are what the tills were told."""

import os
import signal

from harness import ChainError, http as call, wait_until
from till_history import Unexplained
from till_run import Run
from tills import Lane


class ChainProcess:
    """The store's process: not our child, so that its status is not known."""

    def __init__(self, chain, node):
        self.chain = chain
        self.node = node

    def _recorded(self):
        return self.chain.process(self.node["name"])

    def poll(self):
        """None while it runs."""
        return None if self._recorded().pid is not None else -signal.SIGKILL

    def kill(self):
        """kill -9, whether it runs or not."""
        try:
            self.chain.kill(self.node)
        except ChainError:
            if self.poll() is None:
                raise

    def wait(self, timeout):
        """The status."""
        wait_until(lambda: self.poll() is not None, timeout, "the store's end")
        return self.poll()


class ChainShop:
    """A store of a chain that does what store_case.Shop does."""

    def __init__(self, chain, code):
        self.chain = chain
        self.node = chain.store(code)
        self.process = ChainProcess(chain, self.node)
        self.url = self.node["url"]

    def pair(self, lane):
        """The lane's token. Lane 1 is the chain's own."""
        code = self.chain.tribctl("lane", "pair", "--lane", str(lane), node=self.node)["code"]
        answer = Lane(self.url, "").post("/v1/pair", {"code": code})
        if answer.status != 201:
            raise AssertionError(answer)
        return answer.body["token"]

    def start(self, fault=None):
        """Start it; it may die at the fault."""
        if fault:
            os.environ["TRIB_FAULT"] = fault
        try:
            self.chain.start(self.node)
        except ChainError:
            if not fault or self.process.poll() is None:
                raise
        finally:
            os.environ.pop("TRIB_FAULT", None)

    def stop(self, number):
        """End it."""
        if number != signal.SIGKILL:
            raise ValueError(number)
        self.process.kill()

    def close(self):
        """It goes down with its chain."""

    def manage(self, method, path, body=None):
        """A call of the administrator."""
        return call(self.url + path, method, self.node["admin_token"], body)

    def verified(self):
        """Entries of a journal that equals its folds."""
        status, _, answer = self.manage("POST", "/v1/journal/verify")
        if status != 200 or not answer["ok"]:
            raise Unexplained(answer)
        return answer["entries"]


class ChainRun(Run):
    """A life in a chain."""

    def __init__(self, chain, code, seed, **more):
        super().__init__(seed, shop=ChainShop(chain, code), **more)
        self.chain = chain

    def phase(self):
        """Now and then the link breaks, or is mended."""
        node = self.shop.node
        if self.rng.random() < 0.2:
            self.chain.cut(node, self.rng.choice(("blackhole", "reset")))
            self.counts["cuts"] += 1
        elif self.rng.random() < 0.5:
            self.chain.heal(node)
        super().phase()

    def finish(self):
        """All is answered again, booked, and proved."""
        self.chain.heal(self.shop.node)
        super().finish()
        self.chain.wait_booked()
        status, output = self.chain.tribctl_status("-o", "json", "books", "check")
        if status != 0:
            raise Unexplained(output)
        if self.chain.sql("SELECT count(*) FROM trib.quarantine") != [["0"]]:
            raise Unexplained("something is in quarantine")
        self.check_balances()

    def check_balances(self):
        """Headquarters' balances are the model's."""
        state = self.states[0]
        cards = {name[1] for name in state.facts if name[0] == "card"}
        expected = sorted((sum(held for _, held in state.get("lots", card)),
                           *state.get("points", card)) for card in cards)
        booked = sorted(tuple(map(int, row)) for row in self.chain.sql(
            "SELECT principal, points, points_owed FROM book.account_balance"))
        if booked != expected:
            raise Unexplained(f"booked {booked}, answered {expected}")
        self.counts["booked accounts"] += len(booked)
