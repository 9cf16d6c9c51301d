"""What the integration tests share: a chain of their own, and ways to ask it things.

    with Chain(stores=12, regions=3) as chain:
        chain.replay(path)
        chain.wait_booked()
        chain.sql("select ...")
"""

import atexit
import csv
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "deploy/lib"))

import cluster  # noqa: E402
import text  # noqa: E402
from text import ChainError  # noqa: E402,F401
from web import call as http  # noqa: E402,F401
from web import wait_until as _wait_until  # noqa: E402

text.is_quiet = True
BUILD = os.path.abspath(os.environ.get("TRIB_BUILD") or os.path.join(TOP, "build"))
DATA = os.path.join(os.path.dirname(TOP), "shared/data")


def program(name):
    """Path of a program of deploy's."""
    return os.path.join(BUILD, "deploy", name)


def wait_until(condition, bound=60, what="the condition"):
    """The condition's first true value; AssertionError when it has none within bound seconds."""
    value = _wait_until(condition, bound)
    if not value:
        raise AssertionError(f"{what} did not hold within {bound} s")
    return value


def scratch_dir():
    """A new folder with a path short enough for sockets."""
    return tempfile.mkdtemp(prefix="trib.", dir="/tmp")


def processes_of(directory):
    """[(pid, command line)] of everything that runs with the folder's path in its arguments."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                line = f.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if directory in line and int(pid) != os.getpid():
            found.append((int(pid), line.strip()))
    return found


def read_rows(path, limit=None):
    """The rows of a CSV file, plain or gzip, as dictionaries."""
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8", newline="") as f:
        rows = csv.DictReader(f)
        return [row for row, _ in zip(rows, range(limit))] if limit else list(rows)


class Chain(cluster.Chain):
    """A chain in a folder of its own, down and gone at the end of the `with`."""

    def __init__(self, stores=3, regions=1, rules=None):
        super().__init__(scratch_dir())
        self.shape = (stores, regions, rules)

    def __enter__(self):
        # A class's chain has nobody to end it when a signal or the alarm ends the run.
        atexit.register(self.abandon)
        try:
            self.up(*self.shape)
        except BaseException:
            self.abandon()
            raise
        return self

    def abandon(self):
        """End it all without a word."""
        atexit.unregister(self.abandon)
        self.end()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __exit__(self, kind, value, trace):
        atexit.unregister(self.abandon)
        try:
            if value is not None:
                self.show_logs()
            self.down()
            # PostgreSQL removes its pid file, which is what ends pg_ctl, shortly before it exits.
            if value is None and not _wait_until(lambda: not processes_of(self.dir), 10):
                raise AssertionError(f"still running: {processes_of(self.dir)}")
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)

    def show_logs(self):
        """Print the ends of all logs: what a failed test leaves to look at."""
        folder = os.path.join(self.dir, "log")
        for name in sorted(os.listdir(folder)):
            end = cluster.tail(os.path.join(folder, name))
            if end:
                print(f"--- {name}\n{end}", flush=True)

    def till(self, code, method, path, body=None, key=None, timeout=15):
        """One call of a till of the store; returns (status, headers, JSON)."""
        store = self.store(code)
        headers = {"Idempotency-Key": key} if key else {}
        return http(store["url"] + path, method, store["token"], body, headers, timeout)

    def tribctl_status(self, *args):
        """Run tribctl against HQ; returns (exit status, output and errors)."""
        hq = self.hq()
        done = subprocess.run([self.program("tribctl"), "--hq", hq["url"], *args],
                              env={**os.environ, "TRIB_TOKEN": hq["token"]}, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, timeout=600)
        return done.returncode, done.stdout

    def start_replay(self, path, *options):
        """trib-replay, running; finish_replay() takes it."""
        return subprocess.Popen([program("trib-replay"), "--dir", self.dir, "--input", path,
                                 *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def finish_replay(self, running, timeout=900):
        """Wait for it; returns its summary."""
        try:
            output, errors = running.communicate(timeout=timeout)
        finally:
            if running.poll() is None:
                running.kill()
                running.wait()
        if running.returncode != 0:
            raise AssertionError(f"replay: status {running.returncode}: {output}{errors}")
        return json.loads(output)

    def replay(self, path, *options):
        """Do the operations of a file at the tills; returns the summary."""
        return self.finish_replay(self.start_replay(path, *options))

    def wait_booked(self, bound=120):
        """Wait until HQ has booked all that the stores have stored."""
        wait_until(self.is_booked, bound, "everything stored is booked, which")
