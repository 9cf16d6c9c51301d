"""What HQ says on a relay's link and about it: limits, windows, lost wakeups, clocks."""

import base64
import os
import subprocess
import threading
import time
import unittest

import zmq.utils.z85

import wire
from harness import Chain, http, wait_until
from wire import DOWN, PROTOCOL, UP, blake2b, envelope, messages


def now_ms():
    """Wall time."""
    return int(time.time() * 1000)


class Relay:
    """The link of a relay to HQ, with the keys of a trib-relay that is down."""

    def __init__(self, chain, node):
        data = node["data"]
        self.sign_key, self.curve = wire.read_node_keys(f"{data}/node.keys")
        with open(f"{data}/certificate.bin", "rb") as f:
            self.certificate = messages().Signed.FromString(f.read())
        with open(f"{data}/hq.curve", "rb") as f:
            hq_curve = zmq.utils.z85.encode(f.read())
        self.region = node["region"]
        self.chain_id = messages().Certificate.FromString(self.certificate.payload).chain
        self.hq = wire.Dealer(chain.hq()["endpoints"]["listen"], hq_curve, self.curve)
        self.expect = self.hq.expect

    def send(self, **body):
        """To HQ."""
        self.hq.send(envelope(**body))

    def hello(self, software="test", window=64 << 20):
        """Say hello; passes over all up to HQ's welcome."""
        hello = messages().HelloPayload(
            chain=self.chain_id, region=self.region, protocol_min=PROTOCOL, protocol_max=PROTOCOL,
            software=software, clock_ms=now_ms(), listen_endpoint="tcp://127.0.0.1:1",
            enroll_endpoint="tcp://127.0.0.1:2")
        self.send(hello=messages().Hello(hello=self.sign_key.sign("trib.hello.v1", hello),
                                         certificate=self.certificate, window_bytes=window))
        return self.expect("welcome", 10)

    def heartbeat(self, *health):
        """Send these reports, and wait until HQ has read them."""
        self.send(heartbeat=messages().Heartbeat(clock_ms=now_ms(), health=health))
        self.expect("heartbeat")

    def expect_roster(self, where=lambda r: True, timeout=10):
        """The next roster for which where(roster)."""
        until = time.monotonic() + timeout
        while True:
            body = self.expect("roster", max(0.01, until - time.monotonic()))
            roster = messages().Roster.FromString(body.payload)
            if where(roster):
                return roster


class Box:
    """A store whose box is down: its keys, certificate and journal."""

    def __init__(self, chain, relay, code):
        data = chain.store(code)["data"]
        self.relay = relay
        self.sign_key, _ = wire.read_node_keys(f"{data}/node.keys")
        with open(f"{data}/certificate.bin", "rb") as f:
            self.certificate = messages().Signed.FromString(f.read())
        c = messages().Certificate.FromString(self.certificate.payload)
        self.node, self.incarnation = c.node, c.incarnation
        self.journal = wire.Log(UP, self.node, self.incarnation, self.certificate.payload,
                                self.sign_key, relay.chain_id)
        self.down_seed = wire.seed(DOWN, self.certificate.payload)

    def present(self, down):
        """Tell HQ of it, with the down log known up to `down`."""
        self.relay.send(present=messages().Present(
            certificate=self.certificate, spooled=self.journal.position(0),
            down=messages().Position(seq=down, head=self.down_seed)))
        self.relay.expect("resume", 5, lambda r: r.node == self.node)

    def expect_down(self, first):
        """Wait for the down messages from `first` on."""
        return self.relay.expect("batch", 8, lambda b: b.stream.node == self.node and
                                 b.first_seq == first)

    def health(self, clock_ms, **changes):
        """A signed report."""
        h = messages().Health(chain=self.relay.chain_id, node=self.node,
                              incarnation=self.incarnation, clock_ms=clock_ms, stored_seq=0,
                              relayed_seq=0, booked_seq=0, down_seq=0, rules_version=1,
                              software="test")
        for name, value in changes.items():
            setattr(h, name, value)
        return self.sign_key.sign("trib.health.v1", h)


def enroll(code):
    """A new box's request under a code, as a relay passes it on."""
    secret = base64.b32decode(code.replace("-", ""))[10:]
    request = messages().EnrollRequest(
        sign_key=wire.SignKey().public, curve_key=wire.CurveKey().public, nonce=os.urandom(24),
        software="test", code_id=blake2b(b"trib.code-id.v1", 8, secret)).SerializeToString()
    return messages().Enroll(request=request, ticket=1,
                             mac=blake2b(b"trib.enroll.v1\0" + request, 32, secret))


def ask(relay, code):
    """HQ's answer to such a request: the refusal, or nothing for a grant."""
    relay.send(enroll=enroll(code))
    return relay.expect("enroll_reply").refused


class Lock:
    """A lock on a table, held while in the `with`: what HQ does with it waits."""

    def __init__(self, chain, table="down_log"):
        self.chain = chain
        self.table = table
        self.psql = None

    def __enter__(self):
        self.psql = subprocess.Popen(
            ["psql", "-XAtq", "-d", self.chain.hq()["postgres"]], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.psql.stdin.write(f"begin; lock table trib.{self.table} in access exclusive mode;"
                              " select 'held';\n")
        self.psql.stdin.flush()
        if self.psql.stdout.readline().strip() != "held":
            raise AssertionError("no lock")
        return self

    def __exit__(self, *_):
        self.psql.communicate("rollback;\n", timeout=10)

    def wait_for(self, name="trib-hq reads"):
        """Until HQ waits on this connection; returns its backend's number."""
        return wait_until(lambda: self.chain.sql(
            f"select pid from pg_stat_activity where application_name = '{name}'"
            " and wait_event_type = 'Lock'"), 5, "HQ waits for the lock, which")[0][0]


class Api:
    """Calls of HQ's admin API; mixed into test cases with a `chain`."""

    def api(self, method, path, body=None):
        """(status, JSON)"""
        hq = self.chain.hq()
        status, _, answer = http(hq["url"] + path, method, hq["token"], body)
        return status, answer


class RuleSize(Api, unittest.TestCase):
    """The largest rule set, and one byte more."""

    @classmethod
    def setUpClass(cls):
        cls.chain = Chain(stores=1, regions=1)
        cls.chain.__enter__()
        cls.addClassCleanup(cls.chain.__exit__, None, None, None)

    @staticmethod
    def rules(groups, steps, extra):
        """A rule set whose size grows evenly with each number; by one byte with `extra`."""
        step = [{"paid": 100000 + 1000 * i, "bonus": 1000 + i, "points": 200 + i}
                for i in range(64)]
        fine = [{"paid": 100000 + 1000 * i,
                 "bonus": 10 ** min(2, max(0, extra - 2 * i))} for i in range(64)]
        top_ups = [{"id": f"gift-{k:04}", "steps": step} for k in range(groups)]
        first = min(64, steps - 10)
        top_ups += [{"id": "a", "steps": step[:first]}, {"id": "b", "steps": step[:steps - first]},
                    {"id": "fine", "steps": fine}]
        return {"name": "big", "points": [{"id": "base-points", "points": 1, "per": 100}],
                "top_ups": top_ups,
                "account_types": [{"name": "default", "consumption": "pro_rata",
                                   "clawback": "debt"}]}

    def publish(self, shape, status):
        """Publish; the answer, which must have this status."""
        got, answer = self.api("POST", "/v1/rules",
                               {"rules": self.rules(*shape), "reason": "test"})
        self.assertEqual(got, status, answer)
        return answer

    def size(self, *shape):
        """Size and limit that HQ names for a set that is too large."""
        error = self.publish(shape, 413)["error"]
        self.assertEqual((error["code"], error["param"]), ("too_large", "rules"))
        return error["bytes"], error["limit"]

    def test_the_largest_rule_set_reaches_the_store_and_one_byte_more_is_refused(self):
        size, limit = self.size(30, 128, 0)
        group = size - self.size(29, 128, 0)[0]
        step = size - self.size(30, 127, 0)[0]
        groups, missing = divmod(limit + 1 - size, group)
        steps = -(-(group - missing) // step)
        shape = (31 + groups, 128 - steps, missing - group + steps * step)
        self.assertEqual(self.size(*shape), (limit + 1, limit))
        version = self.publish((shape[0], shape[1], shape[2] - 1), 201)["version"]
        wait_until(lambda: self.api("GET", "/v1/stores/0101")[1]["rules_version"] == version, 30,
                   "the store runs the largest rules, which")


class Link(Api, unittest.TestCase):
    """A relay of the test's own in the place of region 1's, and two boxes behind it."""

    @classmethod
    def setUpClass(cls):
        cls.chain = Chain(stores=4, regions=2)
        cls.chain.__enter__()
        cls.addClassCleanup(cls.chain.__exit__, None, None, None)
        for code in ("0101", "0102"):
            cls.chain.kill(cls.chain.store(code))
        cls.chain.kill(cls.chain.relay(1))

    def setUp(self):
        self.relay = Relay(self.chain, self.chain.relay(1))
        self.addCleanup(self.relay.hq.close)
        self.relay.hello()
        self.box = Box(self.chain, self.relay, "0101")

    def store(self, code="0101"):
        """HQ's page of a store."""
        status, answer = self.api("GET", f"/v1/stores/{code}")
        self.assertEqual(status, 200, answer)
        return answer

    # ---- down logs ----

    def test_down_messages_are_sent_after_the_relay_said_another_place_during_a_read(self):
        with Lock(self.chain) as lock:
            self.box.present(0)
            lock.wait_for()
            self.relay.hello()
            self.box.present(1)
        self.box.expect_down(2)

    def test_down_messages_are_sent_after_a_read_failed(self):
        with Lock(self.chain) as lock:
            self.box.present(0)
            pid = lock.wait_for()
            self.chain.sql(f"select pg_terminate_backend({pid})")
        self.box.expect_down(1)

    def test_a_membership_that_was_read_anew_reaches_the_relay(self):
        """As after an enrolment whose commit was not heard of."""
        version = self.relay.expect_roster().version
        self.chain.sql(
            "begin; insert into trib.store (store, code, region, entity, time_zone, cutoff_min,"
            " state) values (900, '0900', 1, 'x', 'UTC', 0, 'enrolled');"
            " insert into trib.incarnation (store, incarnation, state, certificate, sign_key,"
            " curve_key, booked_head, down_head) select 900, 1, 'closed', certificate, sign_key,"
            " '\\x" + "09" * 32 + "', booked_head, down_head from trib.incarnation"
            f" where store = {self.box.node};"
            " update trib.chain set roster_version = roster_version + 1; commit")
        self.chain.sql("select pg_terminate_backend(pid) from pg_stat_activity"
                       " where application_name = 'trib-hq'")
        roster = self.relay.expect_roster(lambda r: r.version > version)
        self.assertIn(b"\x09" * 32, list(roster.revoked))

    # ---- reports ----

    def test_software_of_the_longest_name_is_shown_whole(self):
        name = "\u754c" * 21 + "a"  # 64 bytes
        self.relay.hello(software=name)
        self.relay.heartbeat(self.box.health(now_ms(), software=name))
        self.assertEqual(self.store()["software"], name)
        shown = {s["store"]: s["software"] for s in self.api("GET", "/v1/stores")[1]["items"]}
        self.assertEqual(shown["0101"], name)
        regions = {r["region"]: r["software"] for r in self.api("GET", "/v1/regions")[1]["items"]}
        self.assertEqual(regions[1], name)

    def test_a_store_whose_clock_was_put_back_is_heard(self):
        self.relay.heartbeat(self.box.health(now_ms() + 3600000, software="ahead"))
        self.assertEqual(self.store()["software"], "ahead")
        report = self.box.health(now_ms(), software="right")
        self.relay.heartbeat(report)
        heard = self.store()
        self.assertEqual((heard["software"], heard["state"]), ("right", "online"))
        self.relay.heartbeat(report)  # the same word again is no sign of life
        self.assertEqual(self.store()["last_seen"], heard["last_seen"])

    # ---- windows ----

    def test_what_hq_refuses_is_given_back_to_the_window(self):
        self.box.present(0)
        item = b"x" * 60000
        self.box.journal.append(item)
        total = 0
        for _ in range(2):
            batch = self.box.journal.batch(1)
            batch.head.signature = b"\0" * 64
            self.relay.send(batch=batch)
            got = self.relay.expect("credit").total_bytes
            self.assertEqual(got - total if total else len(item), len(item))
            total = got
        batch = self.box.journal.batch(1)
        batch.stream.node = 4000
        self.relay.send(batch=batch)
        self.assertEqual(self.relay.expect("refuse").code, "not_listed")
        self.assertEqual(self.relay.expect("credit").total_bytes, total + len(item))

    # ---- enrolment ----

    def issue(self, code, region):
        """An enrolment code."""
        status, answer = self.api("POST", f"/v1/stores/{code}/enroll",
                                  {"region": region, "reason": "test"})
        self.assertEqual(status, 201, answer)
        return answer["code"]

    def test_a_code_for_another_region_voids_the_older_one(self):
        older, newer = self.issue("0160", 2), self.issue("0160", 1)
        self.assertEqual(ask(self.relay, older), "expired_code")
        self.assertEqual(ask(self.relay, newer), "")
        self.assertEqual(self.chain.sql("select region from trib.store where code = '0160'"),
                         [["1"]])

    def test_a_database_that_is_busy_is_no_conflict(self):
        answers = []
        caller = threading.Thread(target=lambda: answers.append(
            self.api("POST", "/v1/stores/0161/enroll", {"region": 1, "reason": "test"})))
        with Lock(self.chain, "enroll_code") as lock:
            caller.start()
            self.chain.sql(f"select pg_cancel_backend({lock.wait_for('trib-hq')})")
            caller.join(10)
        status, answer = answers[0]
        self.assertEqual((status, answer["error"]["code"], answer["error"]["retryable"]),
                         (503, "database_busy", True))
        self.issue("0161", 1)

    def test_strangers_at_the_open_socket_do_not_keep_a_relay_from_enrolling(self):
        curve = wire.CurveKey()
        hq = self.chain.hq()
        _, hq_curve = wire.read_node_keys(f"{hq['data']}/node.keys")
        stranger = wire.Dealer(hq["endpoints"]["enroll_listen"], hq_curve.z85_public, curve)
        self.addCleanup(stranger.close)
        unknown = base64.b32encode(b"?" * 20).decode()
        requests = [envelope(enroll=enroll(unknown)) for _ in range(50)]
        for _ in range(6):  # not more than HQ takes at a time, and more than it has patience for
            for request in requests:
                stranger.send(request)
            refused = [stranger.expect("enroll_reply").refused for _ in requests]
        self.assertIn("unavailable", refused)
        self.assertEqual(ask(self.relay, unknown), "bad_code")


class FullRegion(Api, unittest.TestCase):
    """A region with as many stores as its roster can name."""

    limit = 120

    def fill(self, hq_key, like):
        """Write stores into the database, as many as fit a message of 1 MiB; returns their
        certificates."""
        bytes_left = (1 << 20) - 512 - (like.ByteSize() + 4)
        c = messages().Certificate.FromString(like.payload)
        rows, certificates = [], []
        while True:
            node = 1000 + len(rows)
            c.node, c.store = node, f"X{node:06}"
            sign_key, curve = os.urandom(32), os.urandom(32)
            c.sign_key, c.curve_key = sign_key, curve
            certificate = hq_key.sign("trib.cert.v1", c)
            bytes_left -= certificate.ByteSize() + 4
            if bytes_left < 0:
                break
            certificates.append(certificate)
            up, down = (wire.seed(way, certificate.payload) for way in (UP, DOWN))
            rows.append((node, c.store, certificate.SerializeToString(), sign_key, curve, up,
                         down))
        script = ["begin;\n"]
        for node, code, *values in rows:
            hexes = ", ".join(f"'\\x{v.hex()}'" for v in values)
            script.append(
                "insert into trib.store (store, code, region, entity, time_zone, cutoff_min, state)"
                f" values ({node}, '{code}', 1, 'x', 'UTC', 0, 'enrolled');\n"
                "insert into trib.incarnation (store, incarnation, state, certificate, sign_key,"
                " curve_key, booked_head, down_head, announced_kinds)"
                f" values ({node}, 1, 'active', {hexes}, (select announced_kinds"
                " from trib.incarnation where announced_kinds is not null limit 1));\n")
        script.append("update trib.chain set roster_version = roster_version + 1; commit;\n")
        subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d",
                        self.chain.hq()["postgres"]], input="".join(script), text=True,
                       check=True, timeout=60)
        return certificates

    def test_a_store_beyond_the_roster_is_refused_and_all_others_are_served(self):
        with Chain(stores=1, regions=1) as self.chain:
            self.serve()

    def serve(self):
        """The test, with a chain."""
        chain = self.chain
        status, answer = self.api("POST", "/v1/stores/0190/enroll",
                                  {"region": 1, "reason": "test"})
        self.assertEqual(status, 201, answer)
        code = answer["code"]
        chain.kill(chain.relay(1))
        chain.kill(chain.hq())
        hq_key, _ = wire.read_node_keys(f"{chain.hq()['data']}/node.keys")
        with open(f"{chain.store('0101')['data']}/certificate.bin", "rb") as f:
            stores = self.fill(hq_key, messages().Signed.FromString(f.read()))
        chain.start(chain.hq())
        relay = Relay(chain, chain.relay(1))
        relay.hello()
        roster = relay.expect_roster()
        version = roster.version
        self.assertEqual(len(roster.certificates), len(stores) + 1)
        self.assertEqual(ask(relay, code), "region_full")
        self.publish_to(relay, stores)
        relay.hq.close()
        status, answer = self.api("POST", "/v1/stores/0191/enroll",
                                  {"region": 1, "reason": "test"})
        self.assertEqual((status, answer["error"]["code"]), (409, "region_full"))
        chain.start(chain.relay(1))
        wait_until(lambda: self.relay_version() == version, 30, "the relay took the roster, which")
        wait_until(lambda: chain.is_online(chain.store("0101")), 30, "the store is online, which")

    def publish_to(self, relay, stores):
        """New rules reach every store, however many logs HQ has to read for that."""
        for certificate in stores:
            head = messages().Position(seq=0, head=wire.seed(DOWN, certificate.payload))
            relay.send(present=messages().Present(certificate=certificate, spooled=head,
                                                  down=head))
        for _ in stores:
            relay.expect("resume")
        rules = {"name": "all", "points": [{"id": "base-points", "points": 1, "per": 100}],
                 "account_types": [{"name": "default", "consumption": "pro_rata",
                                    "clawback": "debt"}]}
        status, answer = self.api("POST", "/v1/rules", {"rules": rules, "reason": "test"})
        self.assertEqual(status, 201, answer)
        nodes = {relay.expect("batch", 20).stream.node for _ in stores}
        self.assertEqual(len(nodes), len(stores))

    def relay_version(self):
        """Version of the roster that the relay goes by."""
        relay = self.chain.relay(1)
        return http(relay["url"] + "/v1/health", "GET", relay["token"])[2]["roster_version"]


if __name__ == "__main__":
    unittest.main()
