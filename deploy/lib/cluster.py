"""A whole chain on this machine: PostgreSQL, HQ, relays, stores, and a proxy in each link.

All lives in one folder:

    chain.json   what runs where, for scripts; written when all is up
    pg/          PostgreSQL
    hq/ relay-1/ store-0101/    each daemon's configuration and data
    run/         a record of each process, the proxies' sockets
    log/         each process's output
"""

import contextlib
import csv
import fcntl
import json
import os
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import process
from ports import free_port
from process import Process, read_json, write_json
from proxies import Proxy
from text import ChainError, say, tr
from web import call, wait_until

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MARK = ".trib-chain"
REASON = ("--reason", "deploy/chain")
START_SECONDS = 60
ENROLL_SECONDS = 60
ONLINE_SECONDS = 120
MAX_REGIONS = 99
MAX_STORES_PER_REGION = 99
SIDE_BY_SIDE = 8


def build():
    """Install and build what is missing; returns the folder with the programs.

    TRIB_BUILD names a folder that is taken as it is."""
    if os.environ.get("TRIB_BUILD"):
        return os.path.abspath(os.environ["TRIB_BUILD"])
    if subprocess.run([os.path.join(TOP, "deploy/build.sh")], stdin=subprocess.DEVNULL,
                      stdout=2, check=False).returncode != 0:
        raise ChainError(tr("the build failed", "构建失败"))
    return os.path.join(TOP, "build")


def store_codes(stores, regions):
    """[(code, region)]: the stores spread evenly over the regions, numbered region x 100 + n."""
    return [(f"{region * 100 + n:04d}", region)
            for region in range(1, regions + 1)
            for n in range(1, stores // regions + (region <= stores % regions) + 1)]


def run_program(argv, env=None, timeout=120):
    """Run a program to its end; returns its output. ChainError with what it said if it failed.

    Out of reach of the terminal's ^C, and when a signal ends us it may finish first: a database
    half started would be nobody's."""
    try:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, env={**os.environ, **(env or {})},
                                 start_new_session=True)
    except FileNotFoundError:
        raise ChainError(tr(f"there is no program {argv[0]}", f"找不到程序 {argv[0]}")) from None
    with child:
        try:
            output, errors = child.communicate(timeout=timeout)
        except BaseException as ending:
            end_program(child, 0 if isinstance(ending, subprocess.TimeoutExpired) else 30)
            if isinstance(ending, subprocess.TimeoutExpired):
                raise ChainError(tr(f"{argv[0]} took more than {timeout} s",
                                    f"{argv[0]} 超过 {timeout} 秒未结束")) from None
            raise
    if child.returncode != 0:
        said = errors.decode(errors="replace").strip() or f"status {child.returncode}"
        raise ChainError(f"{os.path.basename(argv[0])}: {said}")
    return output.decode(errors="replace")


def end_program(child, seconds):
    """Give a program the time to end by itself; then end it and all it started."""
    try:
        child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def pick_psql():
    """psql of the newest PostgreSQL here."""
    root = "/usr/lib/postgresql"
    versions = sorted((int(v) for v in os.listdir(root) if v.isdigit()), reverse=True)
    return next(p for v in versions if os.path.exists(p := f"{root}/{v}/bin/psql"))


def tail(path, lines=8):
    """The last lines of a log."""
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-lines:]).rstrip()
    except FileNotFoundError:
        return ""


class Chain:
    """The chain in a folder. The methods may be called from one thread at a time."""

    def __init__(self, directory):
        self.dir = os.path.abspath(directory)
        self.file = os.path.join(self.dir, "chain.json")
        self.state = read_json(self.file)

    # What there is

    @property
    def programs(self):
        """The build folder that the chain was started from."""
        return self.state["build"]

    def hq(self):
        """HQ's part of chain.json."""
        return self._known()["hq"]

    def relay(self, region):
        """The relay of a region."""
        for relay in self._known()["relays"]:
            if relay["region"] == int(region):
                return relay
        raise ChainError(tr(f"the chain has no region {region}", f"没有区域 {region}"))

    def store(self, code):
        """The store with a code."""
        for store in self._known()["stores"]:
            if store["store"] == code:
                return store
        raise ChainError(tr(f"the chain has no store {code}", f"没有门店 {code}"))

    def stores(self):
        """All stores, by number."""
        return self._known()["stores"]

    def nodes(self):
        """HQ, the relays and the stores."""
        state = self._known()
        return [state["hq"], *state["relays"], *state["stores"]]

    def is_running(self):
        """Whether any process of this chain runs."""
        return any(p.pid is not None for p in self._processes())

    def log(self, name):
        """Path of a process's output."""
        return os.path.join(self.dir, "log", f"{name}.log")

    def process(self, name):
        """The process of that name, running or not."""
        return Process(os.path.join(self.dir, "run", f"{name}.json"))

    def proxy(self, node):
        """The proxy in a relay's or store's link upwards."""
        return Proxy(os.path.join(self.dir, "run"), f"link-{node['name']}")

    def _known(self):
        if self.state is None:
            raise ChainError(tr(f"there is no chain in {self.dir}", f"{self.dir} 中没有连锁环境"))
        return self.state

    def _processes(self):
        run = os.path.join(self.dir, "run")
        names = sorted(os.listdir(run)) if os.path.isdir(run) else []
        return [Process(os.path.join(run, n)) for n in names if n.endswith(".json")]

    def _save(self):
        write_json(self.file, self.state)

    @contextlib.contextmanager
    def _lock(self):
        """One command at a time in a folder."""
        fd = os.open(os.path.join(self.dir, MARK), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ChainError(tr(f"another command is at work in {self.dir}",
                                    f"另一条命令正在操作 {self.dir}")) from None
            yield
        finally:
            os.close(fd)

    # Up and down

    def up(self, stores=None, regions=None, rules=None):
        """Start the chain; returns when every store is online. A chain that was taken down
        starts again with all it had."""
        self._make_dir()
        with self._lock():
            if self.is_running():
                raise ChainError(tr(f"the chain in {self.dir} is up already",
                                    f"{self.dir} 中的连锁环境已在运行"))
            self.state = read_json(self.file)
            fresh = self.state is None
            if not fresh:
                self._check_same(stores, regions, rules)
            try:
                if fresh:
                    self._create(stores or 3, regions or 1, rules)
                else:
                    self._resume()
                self._wait_online()
                self._save()
            except BaseException:
                self._stop_all()
                if fresh:
                    self.state = None
                    self._clear()
                raise

    def down(self):
        """End every process that belongs to the chain, and PostgreSQL."""
        if not os.path.exists(os.path.join(self.dir, MARK)):
            raise ChainError(tr(f"there is no chain in {self.dir}", f"{self.dir} 中没有连锁环境"))
        with self._lock():
            self._stop_all()

    def end(self):
        """As down(), but fine where nothing was started."""
        if os.path.exists(os.path.join(self.dir, MARK)):
            self.down()

    def _make_dir(self):
        if os.path.exists(self.dir) and not os.path.isdir(self.dir):
            raise ChainError(tr(f"{self.dir} is not a folder", f"{self.dir} 不是目录"))
        if os.path.isdir(self.dir):
            info = os.stat(self.dir)
            if info.st_uid != os.geteuid():
                raise ChainError(tr(f"{self.dir} belongs to another user",
                                    f"{self.dir} 属于其他用户"))
            others = set(os.listdir(self.dir))
            if others and MARK not in others:
                raise ChainError(tr(f"{self.dir} is not empty and holds no chain",
                                    f"{self.dir} 不是空目录，也没有连锁环境"))
            return
        try:
            os.makedirs(self.dir, mode=0o700)
        except OSError as error:
            raise ChainError(f"{self.dir}: {error.strerror}") from None

    def _check_same(self, stores, regions, rules):
        if rules is not None or stores not in (None, len(self.state["stores"])) or \
                regions not in (None, len(self.state["relays"])):
            raise ChainError(tr(
                f"{self.dir} holds a chain of another shape; remove the folder to make a new one",
                f"{self.dir} 中已有不同规模的连锁环境；如需重建请先删除该目录"))

    def _clear(self):
        """Remove what a start that failed left, but for the logs."""
        for name in os.listdir(self.dir):
            if name not in (MARK, "log"):
                shutil.rmtree(os.path.join(self.dir, name), ignore_errors=True)

    def _create(self, stores, regions, rules):
        self._clear()
        for name in ("run", "log"):
            os.makedirs(os.path.join(self.dir, name), mode=0o700, exist_ok=True)
        self.state = {"version": 1, "build": build(), "hq": None, "relays": [], "stores": []}
        postgres = self._start_postgres()
        self._migrate(postgres)
        self._create_hq(postgres)
        if rules is not None:
            say(f"chain: publishing {rules}", f"chain：发布规则 {rules}")
            self.publish_rules(rules)
        for region in range(1, regions + 1):
            self._create_relay(region)
        codes = store_codes(stores, regions)
        say(f"chain: enrolling {len(codes)} stores", f"chain：{len(codes)} 家门店入网")
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            try:
                self.state["stores"] = list(pool.map(lambda c: self._create_store(*c), codes))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _resume(self):
        self.state["build"] = build()
        self._migrate(self._start_postgres())  # the build may be newer than the chain
        self._start_node(self.state["hq"])
        for relay in self.state["relays"]:
            self._start_link(relay, self.state["hq"])
            self._start_node(relay)

        def start(store):
            self._start_link(store, self.relay(store["region"]))
            self._start_node(store)

        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            list(pool.map(start, self.state["stores"]))

    def _stop_all(self):
        """Stores first, so that each node still has the one above it when it ends."""
        names = [os.path.basename(p.record)[:-5] for p in self._processes()]
        for prefix in ("store-", "relay-", "hq", "link-"):
            group = [self.process(n) for n in names if n.startswith(prefix)]
            for late in process.stop(group):
                say(f"chain: had to kill {late.record}", f"chain：强制结束 {late.record}")
        if os.path.isdir(os.path.join(self.dir, "pg")):
            self._postgres("stop")

    # PostgreSQL

    def _postgres(self, verb, *args):
        return run_program([os.path.join(TOP, "deploy/postgres.sh"), verb, self.dir, *args],
                           timeout=300).strip()

    def _start_postgres(self):
        say("chain: starting PostgreSQL", "chain：启动 PostgreSQL")
        self._postgres("start")
        return self._postgres("conninfo")

    def _migrate(self, postgres):
        run_program([self.program("tribctl"), "db", "migrate", "--postgres", postgres, "--dir",
                     os.path.join(TOP, "migrations")])

    # Daemons

    def program(self, name):
        """Path of one of our programs."""
        room = {"trib-hq": "hq", "trib-relay": "relay", "trib-store": "store-agent",
                "tribctl": "ctl", "trib-proxy": "deploy", "trib-replay": "deploy"}[name]
        return os.path.join(self.programs, room, name)

    def _new_node(self, name, program, section):
        """The parts that all daemons' entries in chain.json share."""
        home = os.path.join(self.dir, name)
        os.makedirs(home, mode=0o700)
        return {"name": name, "program": program, "section": section, "pid": None,
                "config": os.path.join(home, f"{section}.conf"),
                "data": os.path.join(home, "data"), "settings": {}}

    def _write_config(self, node):
        """A daemon's configuration; of one that is there already, and may have been edited, only
        the link's line is brought up to date: its proxy has a port of its own each time."""
        settings = {"data_dir": node["data"], **node["settings"]}
        lines = [f"[{node['section']}]\n", *(f"{k} = {v}\n" for k, v in settings.items())]
        if os.path.exists(node["config"]):
            with open(node["config"], encoding="utf-8") as f:
                lines = [self._link_line(node, line) for line in f]
        new = node["config"] + ".new"
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
                  encoding="utf-8") as f:
            f.writelines(lines)
        os.replace(new, node["config"])

    @staticmethod
    def _link_line(node, line):
        """The line, or what the link has to be where it is the link's."""
        key = line.partition("=")[0].strip()
        up = {"relay": "hq", "store": "relay"}.get(node["section"])
        return f"{key} = {node['settings'][key]}\n" if key == up else line

    def _start_node(self, node):
        """Start a daemon and wait until it is ready; notes its pid and its endpoints."""
        self._write_config(node)
        os.makedirs(node["data"], mode=0o700, exist_ok=True)
        endpoints = os.path.join(node["data"], "endpoints.json")
        if os.path.exists(endpoints):
            os.unlink(endpoints)
        log = self.log(node["name"])
        running = self.process(node["name"])
        node["pid"] = running.spawn([self.program(node["program"]), "--config", node["config"]],
                                    log)
        wait_until(lambda: read_json(endpoints) or running.pid is None, START_SECONDS)
        node["endpoints"] = read_json(endpoints)
        if node["endpoints"] is None:
            what = tr("did not become ready", "未能就绪")
            raise ChainError(f"{node['name']} {what} ({log}):\n{tail(log)}")
        node["url"] = self._url(node["endpoints"]["http"])
        # HQ also takes calls while it has no database: it is of use when it has read its state.
        if node["section"] == "hq" and not wait_until(lambda: self._hq_is_ready(node),
                                                      START_SECONDS):
            what = tr("has not read its books", "未能读取账目")
            raise ChainError(f"{node['name']} {what} ({log}):\n{tail(log)}")

    @staticmethod
    def _hq_is_ready(hq):
        try:
            return call(f"{hq['url']}/v1/health", timeout=5)[2]["ready"]
        except OSError:
            return False

    @staticmethod
    def _url(http):
        return http if http.startswith("http") else f"http://{http}"

    @staticmethod
    def _endpoint(port):
        return f"tcp://127.0.0.1:{port}"

    @staticmethod
    def _admin_token(node):
        with open(os.path.join(node["data"], "admin.token"), encoding="ascii") as f:
            return f.read().strip()

    def _start_link(self, node, above):
        """Start the proxy in a node's link, and point the node to it."""
        target = above["endpoints"]["listen"].removeprefix("tcp://")
        proxy = self.proxy(node)
        at = proxy.start(self.program("trib-proxy"), target, self.log(f"link-{node['name']}"))
        node["link"] = {"listen": at, "target": target, "control": proxy.control}
        node["settings"]["hq" if node["section"] == "relay" else "relay"] = f"tcp://{at}"

    def _create_hq(self, postgres):
        say("chain: starting HQ", "chain：启动总部")
        hq = self._new_node("hq", "trib-hq", "hq")
        hq["postgres"] = postgres
        hq["settings"] = {"postgres": postgres, "chain_name": "demo",
                          "listen": self._endpoint(free_port()),
                          "enroll_listen": self._endpoint(free_port()),
                          "http_listen": f"127.0.0.1:{free_port()}"}
        self._start_node(hq)
        hq["token"] = self._admin_token(hq)
        self.state["hq"] = hq

    def _create_relay(self, region):
        say(f"chain: enrolling region {region}", f"chain：区域 {region} 入网")
        hq = self.state["hq"]
        relay = self._new_node(f"relay-{region}", "trib-relay", "relay")
        relay["region"] = region
        relay["settings"] = {"listen": self._endpoint(free_port()),
                             "enroll_listen": self._endpoint(free_port()),
                             "http_listen": f"127.0.0.1:{free_port()}"}
        self._start_link(relay, hq)
        code = self.tribctl("region", "enroll", str(region), *REASON)["code"]
        self._enroll(relay, code, "hq", hq)
        self._start_node(relay)
        relay["token"] = self._admin_token(relay)
        self.state["relays"].append(relay)

    def _create_store(self, code, region):
        relay = self.relay(region)
        store = self._new_node(f"store-{code}", "trib-store", "store")
        store.update(store=code, region=region)
        # One lane plays all of the shop's tills here, as fast as it can.
        store["settings"] = {"http_listen": f"127.0.0.1:{free_port()}", "lane_rate": 0}
        self._start_link(store, relay)
        enrol = self.tribctl("store", "enroll", code, "--region", str(region), *REASON)["code"]
        self._enroll(store, enrol, "relay", relay)
        self._start_node(store)
        store["admin_token"] = self._admin_token(store)
        store["token"] = self._pair_lane(store)
        return store

    def _enroll(self, node, code, above_name, above):
        """Enrol a box; tried again while the node above has no way up yet."""
        self._write_config(node)
        os.makedirs(node["data"], mode=0o700, exist_ok=True)
        argv = [self.program(node["program"]), "enroll", "--config", node["config"],
                "--code", code, f"--{above_name}", above["endpoints"]["enroll_listen"],
                f"--{above_name}-key", above["endpoints"]["curve_key"]]
        failure = []

        def attempt():
            try:
                run_program(argv)
                return True
            except ChainError as error:
                failure[:] = [error]
                return False

        if not wait_until(attempt, ENROLL_SECONDS, every=0.2):
            raise failure[0]

    def _pair_lane(self, store):
        code = self.tribctl("lane", "pair", "--lane", "1", node=store)["code"]
        status, _, answer = call(f"{store['url']}/v1/pair", "POST", body={"code": code})
        if status not in (200, 201):
            raise ChainError(f"{store['name']}: pair: {status} {answer}")
        return answer["token"]

    def _wait_online(self):
        say("chain: waiting for the stores to come online", "chain：等待门店上线")
        waiting = list(self.state["stores"])
        rules = call(f"{self.state['hq']['url']}/v1/health")[2]["rules_version"]

        def is_set(store):
            health = self.health(store)
            return health is not None and health["uplink"]["state"] == "online" and \
                health["rules_version"] >= rules

        def all_online():
            waiting[:] = [s for s in waiting if not is_set(s)]
            return not waiting

        if not wait_until(all_online, ONLINE_SECONDS, every=0.05):
            names = tr(", ", "、").join(s["store"] for s in waiting)
            log = self.log(waiting[0]["name"])
            raise ChainError(tr(f"not online after {ONLINE_SECONDS} s: {names}\n{tail(log)}",
                                f"{ONLINE_SECONDS} 秒后仍未上线：{names}\n{tail(log)}"))

    # What a user of the running chain does

    def health(self, store):
        """What GET /v1/health of a store says, or None."""
        try:
            status, _, answer = call(f"{store['url']}/v1/health", token=store["token"], timeout=5)
        except OSError:
            return None
        return answer if status == 200 else None

    def is_online(self, store):
        """Whether the store says that its uplink is online."""
        health = self.health(store)
        return health is not None and health["uplink"]["state"] == "online"

    def is_booked(self):
        """Whether HQ has booked all that the stores have stored."""
        for store in self.state["stores"]:
            health = self.health(store)
            if health is None or health["seq"]["booked"] < health["seq"]["stored"]:
                return False
        return True

    def tribctl(self, *args, node=None):
        """Run tribctl against a node (HQ if None); returns its JSON."""
        node = node or self.state["hq"]
        token = node.get("admin_token") or node["token"]
        output = run_program([self.program("tribctl"), f"--{node['section']}", node["url"], "-o",
                              "json", *args], env={"TRIB_TOKEN": token})
        try:
            return json.loads(output)
        except ValueError:
            raise ChainError(f"tribctl {' '.join(args)}: {output.strip()}") from None

    def sql(self, query):
        """Rows of a query at HQ's database, as lists of texts."""
        output = run_program([pick_psql(), "-XAtq", "--csv", "-v", "ON_ERROR_STOP=1", "-d",
                              self.hq()["postgres"], "-c", query])
        return list(csv.reader(output.splitlines()))

    def publish_rules(self, path):
        """Make the rules of a file those of the chain."""
        self.tribctl("rules", "publish", os.path.abspath(path), *REASON)

    def kill(self, node):
        """End a daemon with SIGKILL; returns when it is gone."""
        with self._lock():
            running = self.process(node["name"])
            if running.pid is None:
                raise ChainError(tr(f"{node['name']} does not run", f"{node['name']} 未在运行"))
            if process.end([running], signal.SIGKILL, 20):
                raise ChainError(tr(f"{node['name']} survives SIGKILL",
                                    f"{node['name']} 无法用 SIGKILL 结束"))

    def start(self, node):
        """Start a daemon that was killed, on the same ports; returns when it is ready."""
        with self._lock():
            self.state = read_json(self.file)
            for known in self.nodes():
                if known["name"] == node["name"]:
                    node = known
            if self.process(node["name"]).pid is not None:
                raise ChainError(tr(f"{node['name']} runs already", f"{node['name']} 已在运行"))
            self._start_node(node)
            self._save()

    def cut(self, node, mode="blackhole"):
        """Break the link of a relay or store upwards."""
        self.proxy(node).command(f"mode {mode}")

    def heal(self, node):
        """Mend it."""
        self.proxy(node).command("mode pass")

    def status(self):
        """[{"name", "pid", "state", "url", "link", ...}] of every daemon."""
        return [self._status_of(node) for node in self.nodes()]

    def _status_of(self, node):
        pid = self.process(node["name"]).pid
        row = {"name": node["name"], "pid": pid, "state": "running" if pid else "ended",
               "url": node["url"], "link": self.proxy(node).mode() if "link" in node else None}
        health = self.health(node) if pid and "store" in node else None
        if health:
            row.update(uplink=health["uplink"]["state"], mode=health["mode"], **health["seq"])
        return row
