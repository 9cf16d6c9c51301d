"""What the benchmarks share: a build, a scratch folder, a shop under load, a table of figures."""

import contextlib
import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "deploy/lib"))

from ports import free_port  # noqa: E402
from web import call, wait_until  # noqa: E402

BUILD_DIR = "build-bench"
median = statistics.median


class BenchError(Exception):
    """A benchmark that could not be run to its end."""


def say(text):
    """Tell how far we are."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def build():
    """The folder with programs as they are shipped: TRIB_BUILD, or one that is built now."""
    if os.environ.get("TRIB_BUILD"):
        return os.path.abspath(os.environ["TRIB_BUILD"])
    if subprocess.run([os.path.join(TOP, "deploy/build.sh"), BUILD_DIR, "--buildtype=release",
                       "-Dfault_points=false"], stdin=subprocess.DEVNULL, stdout=2,
                      check=False).returncode != 0:
        raise BenchError("the build failed")
    return os.path.join(TOP, BUILD_DIR)


def run_program(*argv):
    """Run a program to its end; its output as JSON."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          check=False, timeout=900)
    if done.returncode != 0:
        raise BenchError(f"{os.path.basename(argv[0])}: status {done.returncode}")
    return json.loads(done.stdout)


@contextlib.contextmanager
def scratch():
    """A folder for the time of a benchmark."""
    path = tempfile.mkdtemp(prefix="trib.", dir="/tmp")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def copy_on_disk(source, target):
    """Copy a folder of files in place of another; what is written later is not held up by it."""
    shutil.rmtree(target, ignore_errors=True)
    os.mkdir(target, 0o700)
    for name in os.listdir(source):
        path = shutil.copy(os.path.join(source, name), target)
        with open(path, "rb") as f:
            os.fsync(f.fileno())


def fdatasync_ms(directory, times=200):
    """What one durable write of a page costs here: median."""
    path = os.path.join(directory, "fdatasync")
    took = []
    with open(path, "wb", buffering=0) as f:
        for _ in range(times):
            f.write(bytes(4096))
            began = time.perf_counter()
            os.fdatasync(f.fileno())
            took.append((time.perf_counter() - began) * 1e3)
    os.unlink(path)
    return median(took)


class Plan:
    """Requests for bench-load, in a file: each connection plays its own in order."""

    def __init__(self, path, port, tokens):
        self.path = path
        self.port = port
        self.tokens = tokens
        self.count = 0
        self._file = open(path, "wb")

    def render(self, connection, method, path, body=None, key=None):
        """One request's bytes; the connections take turns with the tokens."""
        text = "" if body is None else json.dumps(body, separators=(",", ":"))
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}",
                 f"Authorization: Bearer {self.tokens[connection % len(self.tokens)]}",
                 "User-Agent: till/1.0", "Accept: application/json"]
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(text)}"]
        if key is not None:
            lines.append(f"Idempotency-Key: {key}")
        return "\r\n".join([*lines, "", text]).encode()

    def add(self, connection, method, path, body=None, key=None):
        """Let the connection send this after what it was given before."""
        data = self.render(connection, method, path, body, key)
        status = 200 if method == "GET" else 201
        self._file.write(struct.pack("=III", connection, status, len(data)) + data)
        self.count += 1

    def close(self):
        """No more requests."""
        self._file.close()


class Shop:
    """One trib-store in a folder, enrolled by the tests' helper, without a relay to reach."""

    def __init__(self, programs, directory, lanes=1):
        self.programs = programs
        self.dir = directory
        self.data = os.path.join(directory, "data")
        self.config = os.path.join(directory, "store.conf")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None
        os.makedirs(directory, exist_ok=True)
        subprocess.run([self.program("tests/unit_store/make-enrolment"), self.data, "0107"],
                       check=True, timeout=30)
        with open(self.config, "w", encoding="ascii") as f:
            f.write(f"[store]\ndata_dir = {self.data}\nhttp_listen = 127.0.0.1:{self.port}\n"
                    "lane_rate = 0\n")
        with self.running():
            with open(os.path.join(self.data, "admin.token"), encoding="ascii") as f:
                self.admin = f.read().strip()
            self.tokens = [self._pair(lane) for lane in range(1, lanes + 1)]

    def program(self, path):
        """Path of a built program."""
        return os.path.join(self.programs, path)

    def argv(self):
        """The daemon's command line."""
        return [self.program("store-agent/trib-store"), "--config", self.config]

    def _pair(self, lane):
        _, _, answer = call(self.url + "/v1/lanes/pair", "POST", self.admin, {"lane": lane})
        status, _, answer = call(self.url + "/v1/pair", "POST", body={"code": answer["code"]})
        if status != 201:
            raise BenchError(f"pair: {answer}")
        return answer["token"]

    def _serves(self):
        try:
            call(self.url + "/v1/health", timeout=5)
            return True
        except OSError:
            return self.process.poll() is not None

    @contextlib.contextmanager
    def running(self, **environment):
        """The daemon, for the time of the `with`; it ends with SIGTERM, or was killed before."""
        with open(os.path.join(self.dir, "log"), "ab") as log:
            self.process = subprocess.Popen(self.argv(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env={**os.environ, **environment})
        try:
            if not wait_until(self._serves, 60, every=0.005) or self.process.poll() is not None:
                with open(log.name, encoding="utf-8", errors="replace") as f:
                    raise BenchError(f"trib-store did not start: {f.read()[-500:]}")
            yield
        finally:
            self.process.terminate()
            self.process.wait(timeout=60)

    def plan(self, name):
        """A new plan for this shop."""
        return Plan(os.path.join(self.dir, name), self.port, self.tokens)

    def load(self, plan):
        """Play a plan, all of whose answers must be successes; bench-load's figures and the
        daemon's CPU seconds."""
        plan.close()
        before = self.cpu_seconds()
        got = run_program(self.program("tests/bench/bench-load"), str(self.port), plan.path)
        if got["other"] != 0:
            raise BenchError(f"{got['other']} of {got['requests']} answers are no successes")
        return {**got, "daemon_cpu_seconds": self.cpu_seconds() - before}

    def cpu_seconds(self):
        """CPU time of all the daemon's threads so far."""
        total = 0
        tasks = f"/proc/{self.process.pid}/task"
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/schedstat", encoding="ascii") as f:
                total += int(f.read().split()[0])
        return total / 1e9

    def verified_entries(self):
        """Entries of the journal, whose chain and tables were checked."""
        status, _, answer = call(self.url + "/v1/journal/verify", "POST", self.admin, timeout=600)
        if status != 200 or not answer["ok"]:
            raise BenchError(f"verify: {answer}")
        return answer["entries"]


class Result:
    """A benchmark's table, and what is wanted of its figures."""

    def __init__(self, name, title, columns):
        self.name = name
        self.title = title
        self.columns = columns
        self.rows = []
        self.targets = []

    def row(self, *values):
        """A row: its name, then numbers or texts; None where there is nothing to tell."""
        assert len(values) == len(self.columns)
        self.rows.append(values)

    def target(self, what, value, unit, first, goal, at_least=False):
        """A figure beside what is wanted of it."""
        self.targets.append({"what": what, "value": value, "unit": unit, "first": first,
                             "goal": goal, "at_least": at_least})

    def as_json(self):
        """All of it for scripts."""
        return {"bench": self.name, "title": self.title,
                "rows": [dict(zip(self.columns, row)) for row in self.rows],
                "targets": self.targets}

    def print(self):
        """All of it for people."""
        cells = [self.columns] + [tuple(map(_cell, row)) for row in self.rows]
        widths = [max(len(line[i]) for line in cells) for i in range(len(self.columns))]
        print(f"{self.name}: {self.title}")
        for line in cells:
            print("  " + "  ".join(text.rjust(width) if i > 0 else text.ljust(width)
                                   for i, (text, width) in enumerate(zip(line, widths))).rstrip())
        for t in self.targets:
            print(f"  {t['what']}: {_cell(t['value'])}{t['unit']}; {_verdict(t, 'first')}, "
                  f"{_verdict(t, 'goal')}")
        print(flush=True)


def _cell(value):
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _verdict(t, which):
    is_met = t["value"] >= t[which] if t["at_least"] else t["value"] <= t[which]
    return (f"{which} {'at least' if t['at_least'] else 'at most'} {t[which]}{t['unit']}: "
            f"{'met' if is_met else 'NOT met'}")
