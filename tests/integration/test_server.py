"""The store's listeners from outside: who gets in, by which door, and what a crowd, a slow client and
a stranger cannot do to the other tills."""

import base64
import contextlib
import hashlib
import os
import re
import resource
import signal
import socket
import ssl
import stat
import subprocess
import time
import unittest

from doors import DOORS, Door, Doors, address_of, tls_context
from harness import scratch_dir
from store_case import STORE, Shop

PROMPT_MS = 1000  # a request_timeout_ms that tests need not wait for
SPKI_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")


class EveryDoor(Doors):
    """What holds for each listener alike."""

    settings = DOORS + ("allowed_hosts = till.lan, 192.168.1.5\n"
                        "allowed_origins = https://pos.example, http://127.0.0.1:8080\n")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.shop.fill("6001", 10000)

    def test_a_sale_through_each(self):
        for kind in ("http", "https", "socket"):
            with self.subTest(kind):
                door = self.door(kind)
                for n in range(3):
                    self.sell(door, f"{kind}-{n}")
        self.assertEqual(set(self.shop.endpoints), {"http", "https", "socket", "fingerprint"})

    def test_a_foreign_host_is_refused_but_at_the_socket(self):
        for kind in ("http", "https", "socket"):
            for host, status in (("127.0.0.1", 200), ("till.lan:7312", 200), ("192.168.1.5", 200),
                                 ("evil.example", 403), ("192.168.1.6", 403)):
                with self.subTest(kind=kind, host=host):
                    got = self.door(kind).ask("GET", "/v1/health", self.shop.token,
                                              headers={"Host": host})
                    self.assertEqual(got[0], 200 if kind == "socket" else status)

    def test_only_allowed_pages_may_call(self):
        asked = {"Access-Control-Request-Method": "POST",
                 "Access-Control-Request-Headers": "authorization"}
        for kind in ("http", "https", "socket"):
            for origin, good in (("https://pos.example", True), ("http://127.0.0.1:8080", True),
                                 ("https://evil.example", False), ("null", False),
                                 ("https://pos.example:444", False)):
                with self.subTest(kind=kind, origin=origin):
                    status, headers, _ = self.door(kind).ask(
                        "OPTIONS", "/v1/sales", headers={"Origin": origin, **asked})
                    self.assertEqual(status, 204 if good else 403)
                    self.assertEqual(headers["Access-Control-Allow-Origin"],
                                     origin if good else None)
                    status, headers, _ = self.door(kind).ask(
                        "GET", "/v1/health", self.shop.token, headers={"Origin": origin})
                    self.assertEqual(status, 200 if good else 403)
                    self.assertEqual(headers["Access-Control-Allow-Origin"],
                                     origin if good else None)

    def test_a_body_too_large_is_refused(self):
        for kind in ("http", "https", "socket"):
            with self.subTest(kind):
                got = self.door(kind).ask("POST", "/v1/sales", self.shop.token,
                                          {"order_no": "x" * 65536})
                self.assertError(got, 413, "too_large")

    def test_a_header_too_large_is_refused(self):
        for kind in ("http", "https", "socket"):
            with self.subTest(kind):
                door = self.door(kind)
                door.request("GET", "/v1/health", headers={"X-Long": "x" * 17000})
                self.assertEqual(door.getresponse().status, 431)

    def test_a_revoked_token_ends_on_kept_connections_of_every_kind(self):
        token = self.shop.pair(50)
        doors = [self.door(kind) for kind in ("http", "https", "socket")]
        for door in doors:
            self.assertEqual(door.ask("GET", "/v1/health", token)[0], 200)
        got = self.shop.manage("DELETE", "/v1/lanes/50")
        self.assertEqual((got[0], got[2]), (200, {"lane": 50, "state": "revoked"}))
        for door in doors:
            before = door.sock
            self.assertError(door.ask("GET", "/v1/health", token), 401, "unauthorized")
            self.assertIs(door.sock, before)


class UnixSocket(Doors):
    """The socket's file."""

    settings = "http_socket = http.sock\n"

    def test_it_is_for_owner_and_group_and_gone_at_the_end(self):
        path = self.shop.endpoints["socket"]
        self.assertEqual(path, os.path.join(self.shop.dir, "http.sock"))
        mode = os.stat(path).st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o660)
        self.shop.stop(signal.SIGKILL)
        self.assertTrue(os.path.exists(path))
        self.shop.start()  # in the place of what was left
        self.assertEqual(self.door("socket").ask("GET", "/v1/health", self.shop.token)[0], 200)
        self.assertEqual(self.shop.stop(), 0)
        self.assertFalse(os.path.exists(path))
        self.shop.start()

    def test_another_s_socket_is_left_to_it(self):
        path = os.path.join(self.shop.dir, "other.conf")
        other = Shop()
        self.addCleanup(other.close)
        other.stop()
        with open(path, "w", encoding="ascii") as f:
            f.write(f"[store]\ndata_dir = {other.data}\nhttp_listen = 127.0.0.1:0\n"
                    f"http_socket = {self.shop.endpoints['socket']}\n")
        done = subprocess.run([STORE, "--config", path], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=30, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("another process serves", done.stderr)
        self.assertEqual(self.door("socket").ask("GET", "/v1/health", self.shop.token)[0], 200)


class Tls(Doors):
    """The listener on the shop's network."""

    settings = "lan_listen = 127.0.0.1:0\n"

    def certificate(self, **settings):
        """The certificate that the listener shows, as DER."""
        with socket.create_connection(address_of(self.shop.endpoints["https"]), 20) as raw:
            with tls_context(**settings).wrap_socket(raw) as s:
                return s.getpeercert(True)

    def test_pairing_tells_where_and_the_fingerprint(self):
        answer = self.tribctl("lane", "pair", "--lane", "2")
        shown = self.certificate()
        digest = hashlib.sha256(shown).hexdigest()
        self.assertEqual(answer["tls_fingerprint"],
                         ":".join(digest[i:i + 2] for i in range(0, 64, 2)))
        self.assertEqual(answer["tls_fingerprint"], self.shop.endpoints["fingerprint"])
        at = shown.index(SPKI_P256)
        key = shown[at:at + len(SPKI_P256) + 65]
        self.assertEqual(answer["tls_pin"],
                         "sha256//" + base64.b64encode(hashlib.sha256(key).digest()).decode())
        self.assertEqual(answer["https"], self.shop.endpoints["https"])
        self.assertIn(f"--pinnedpubkey '{answer['tls_pin']}'", answer["lan_command"])
        door = self.door("https")
        status, _, paired = door.ask("POST", "/v1/pair", body={"code": answer["code"]})
        self.assertEqual(status, 201)
        self.assertEqual(door.ask("GET", "/v1/health", paired["token"])[0], 200)

    def test_a_client_that_was_given_the_certificate_trusts_it(self):
        context = ssl.create_default_context(cafile=os.path.join(self.shop.data, "tls.crt"))
        with socket.create_connection(address_of(self.shop.endpoints["https"]), 20) as raw:
            with context.wrap_socket(raw, server_hostname="127.0.0.1") as s:
                self.assertEqual(s.version(), "TLSv1.3")

    def first_bytes(self, version):
        """What the listener answers to a hello of that version."""
        context = tls_context(minimum_version=version, maximum_version=version)
        context.set_ciphers("ALL:@SECLEVEL=0")
        hello = ssl.MemoryBIO()
        with self.assertRaises(ssl.SSLWantReadError):
            context.wrap_bio(ssl.MemoryBIO(), hello).do_handshake()
        with socket.create_connection(address_of(self.shop.endpoints["https"]), 20) as raw:
            raw.sendall(hello.read())
            try:
                return raw.recv(1)
            except ConnectionResetError:
                return b""

    def test_old_versions_are_refused(self):
        versions = ssl.TLSVersion
        handshake = b"\x16"
        self.assertEqual(self.first_bytes(versions.TLSv1_3), handshake)
        self.assertEqual(self.first_bytes(versions.TLSv1_2), handshake)
        self.assertNotEqual(self.first_bytes(versions.TLSv1_1), handshake)
        self.assertNotEqual(self.first_bytes(versions.TLSv1), handshake)

    def test_plain_http_gets_no_answer(self):
        with socket.create_connection(address_of(self.shop.endpoints["https"]), 20) as raw:
            raw.sendall(b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
                        + self.shop.token.encode() + b"\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                self.assertNotIn(b"HTTP", raw.recv(4096))

    def test_the_certificate_survives_restarts(self):
        before = self.certificate()
        with open(os.path.join(self.shop.data, "tls.key"), encoding="ascii") as f:
            key = f.read()
        self.shop.stop(signal.SIGKILL)
        self.shop.start()
        self.assertEqual(self.certificate(), before)
        with open(os.path.join(self.shop.data, "tls.key"), encoding="ascii") as f:
            self.assertEqual(f.read(), key)
        self.assertEqual(os.stat(f.name).st_mode & 0o777, 0o600)


class FirstStart(unittest.TestCase):
    """The certificate's first moments, and what later stands in its way."""

    def setUp(self):
        self.shop = Shop()
        self.addCleanup(self.shop.close)
        self.shop.stop()
        with open(self.shop.config, "a", encoding="ascii") as f:
            f.write("lan_listen = 127.0.0.1:0\n")
        self.key = os.path.join(self.shop.data, "tls.key")
        self.certificate = os.path.join(self.shop.data, "tls.crt")

    def refused(self):
        """What it says where it does not start."""
        done = subprocess.run([STORE, "--config", self.shop.config], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=30, check=False)
        self.assertEqual(done.returncode, 1)
        return done.stderr

    def test_a_crash_between_key_and_certificate_is_recovered(self):
        with self.assertRaises(AssertionError):
            self.shop.start(fault="tls.after_key:1")
        with open(self.key, encoding="ascii") as f:
            key = f.read()
        self.assertFalse(os.path.exists(self.certificate))
        self.shop.start()
        with open(self.key, encoding="ascii") as f:
            self.assertEqual(f.read(), key)
        with contextlib.closing(Door(self.shop, "https")) as door:
            self.assertEqual(door.ask("GET", "/v1/health", self.shop.token)[0], 200)

    def set_lan(self, line):
        """Have that line in place of the configuration's last."""
        with open(self.shop.config, encoding="ascii") as f:
            lines = f.readlines()
        with open(self.shop.config, "w", encoding="ascii") as f:
            f.writelines([*lines[:-1], line + "\n"])

    def test_an_address_that_is_not_ours_leaves_no_certificate_that_names_it(self):
        self.set_lan("lan_listen = 192.0.2.1:0")
        self.assertIn("lan_listen: cannot listen on 192.0.2.1", self.refused())
        self.assertEqual([os.path.exists(p) for p in (self.key, self.certificate)], [False, False])
        self.set_lan("lan_listen = 127.0.0.1:0")
        self.shop.start()
        self.assertNotIn("tls_name_missing", self.shop.log())

    def test_an_address_that_the_certificate_lacks_is_told_with_its_remedy(self):
        self.shop.start()
        self.shop.stop()
        self.set_lan("lan_listen = 127.0.0.2:0")
        self.shop.start()
        self.assertRegex(self.shop.log(), "tls_name_missing.*127.0.0.2.*remove tls.key and tls.crt")
        self.shop.stop()
        os.unlink(self.key)
        os.unlink(self.certificate)
        said = len(self.shop.log())
        self.shop.start()
        self.assertNotIn("tls_name_missing", self.shop.log()[said:])

    def test_a_certificate_without_its_key_is_told_and_kept(self):
        self.shop.start()
        self.shop.stop()
        os.unlink(self.key)
        self.assertIn("tls.key is gone", self.refused())
        self.assertFalse(os.path.exists(self.key))
        os.unlink(self.certificate)
        self.shop.start()

    def test_a_key_open_to_others_is_refused(self):
        self.shop.start()
        self.shop.stop()
        os.chmod(self.key, 0o644)
        self.assertIn("chmod 600", self.refused())


class Slow(Doors):
    """Clients that take their time do not take that of others."""

    settings = DOORS + f"request_timeout_ms = {PROMPT_MS}\n"

    def setUp(self):
        if not hasattr(self.shop, "filled"):
            self.shop.filled = self.shop.fill("6001", 100000)
        self.slow = []
        self.addCleanup(lambda: [s.close() for s, _ in self.slow])
        self.sold = 0

    def open(self, n, kind, first, drop):
        """Connections that begin with some bytes, and will go on with the drop again and again."""
        for _ in range(n):
            if kind == "socket":
                s = socket.socket(socket.AF_UNIX)
                s.connect(self.shop.endpoints[kind])
            else:
                s = socket.create_connection(address_of(self.shop.endpoints[kind]), 20)
            s.setblocking(False)
            s.sendall(first)
            self.slow.append((s, drop))

    @staticmethod
    def is_closed(s, drop):
        """Send a drop more; whether the server has closed the connection."""
        try:
            s.send(drop)
            return s.recv(4096) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def drip_until_cut(self):
        """Let all of them drip while tills sell at every door; all of them must end."""
        tills = [self.door(kind) for kind in ("http", "https", "socket")]
        deadline = time.monotonic() + 60
        while self.slow and time.monotonic() < deadline:
            self.slow = [(s, d) for s, d in self.slow if not self.is_closed(s, d) or s.close()]
            for till in tills:
                self.sold += 1
                self.sell(till, f"{self.id()}-{self.sold}"[-60:])
        self.assertEqual(self.slow, [])

    def test_dripping_headers_are_cut_and_tills_are_served(self):
        for kind in ("http", "socket"):
            self.open(100, kind, b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\nX: ", b"x")
        self.drip_until_cut()

    def test_dripping_bodies_are_cut_and_tills_are_served(self):
        for kind in ("http", "socket"):
            self.open(100, kind, b"POST /v1/sales HTTP/1.1\r\nHost: localhost\r\n"
                      b"Authorization: Bearer " + self.shop.token.encode() +
                      b"\r\nContent-Length: 60000\r\n\r\n", b" ")
        self.drip_until_cut()

    def test_stalled_handshakes_are_cut_and_tills_are_served(self):
        self.open(100, "https", b"", b"")
        self.open(100, "https", b"\x16\x03\x01\x40\x00\x01", b"\x00")  # a record of 16 KiB
        self.drip_until_cut()


class Crowd(Doors):
    """Ten thousand that say nothing."""

    settings = "lan_listen = 127.0.0.1:0\n"
    CROWD = 10000

    def setUp(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        want = self.CROWD + 500
        if hard != resource.RLIM_INFINITY and hard < want:
            self.skipTest(f"at most {hard} file descriptors are allowed here, not {want}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, want), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.crowd = contextlib.ExitStack()
        self.addCleanup(self.crowd.close)
        if not hasattr(self.shop, "filled"):
            self.shop.filled = self.shop.fill("6001", 100000)

    def gather(self, kind, n, each=lambda i: None):
        """n connections of one listener, from several addresses of this machine; they stay."""
        at = address_of(self.shop.endpoints[kind])
        for i in range(n):
            source = (f"127.0.0.{2 + i // 4000}", 0)
            self.crowd.enter_context(socket.create_connection(at, 20, source))
            each(i)

    def test_ten_thousand_idle_connections_leave_the_tills_served(self):
        till = self.door()
        self.sell(till, "crowd-first")
        kept = till.sock

        def sell_meanwhile(i):
            if i % 500 == 0:
                self.sell(till, f"crowd-kept-{i}")
                self.sell(self.door(), f"crowd-new-{i}")

        self.gather("http", self.CROWD, sell_meanwhile)
        for n in range(20):
            self.sell(self.door(), f"crowd-after-{n}")
            self.sell(till, f"crowd-kept-after-{n}")
        self.assertIs(till.sock, kept)
        files = len(os.listdir(f"/proc/{self.shop.process.pid}/fd"))
        self.assertLess(files, 2000)
        self.assertIn("event=connections_full", self.shop.log())

    def test_a_crowd_at_the_network_s_door_leaves_both_doors_served(self):
        tills = self.door("https"), self.door("http")
        for till in tills:
            self.sell(till, f"lan-first-{till.kind}")
        kept = [till.sock for till in tills]
        self.gather("https", 2000)
        for n in range(5):
            self.sell(self.door("https"), f"lan-new-{n}")
            for till in tills:
                self.sell(till, f"lan-kept-{till.kind}-{n}")
        self.assertEqual([till.sock for till in tills], kept)

    def test_too_few_file_descriptors_are_told_and_made_do_with(self):
        self.shop.stop()
        self.shop.start(before=("prlimit", "--nofile=600:600"))
        self.assertRegex(self.shop.log(), r"few_files limit=600 wanted=[0-9]+ connections_max=")
        till = self.door()
        self.sell(till, "few-first")
        self.gather("http", 1000)
        self.gather("https", 1000)
        self.sell(till, "few-kept")
        for kind in ("http", "https"):
            self.sell(self.door(kind), f"few-{kind}")


class Unread(Doors):
    """Strangers who ask for the contract and never read it."""

    PLACES = 32
    settings = DOORS + f"connections_max = {PLACES}\n"

    def ask_and_never_read(self):
        """A connection whose answers fill all that lies between."""
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        line.connect(address_of(self.shop.endpoints["http"]))
        line.sendall(b"GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 30)
        self.addCleanup(line.close)

    def test_their_places_are_given_to_tills(self):
        kept = self.door()
        self.assertEqual(kept.ask("GET", "/v1/health", self.shop.token)[0], 200)
        for _ in range(self.PLACES + 8):
            self.ask_and_never_read()
        for _ in range(4):
            self.assertEqual(self.door().ask("GET", "/v1/health", self.shop.token)[0], 200)
        self.assertEqual(kept.ask("GET", "/v1/health", self.shop.token)[0], 200)


class Settings(unittest.TestCase):
    """What the configuration may say of all this."""

    def test_mistakes_are_told(self):
        directory = scratch_dir()
        self.addCleanup(os.rmdir, directory)
        path = os.path.join(directory, "store.conf")
        for lines, text in (
                ("lan_listen = *:7312", "lan_advertise must say"),
                ("lan_listen = till.lan:7312", "must have a numeric address"),
                ("lan_listen = 192.168.1.5", "must be HOST:PORT"),
                ("lan_advertise = till.lan", "needs lan_listen"),
                ("lan_listen = *:7312\nlan_advertise = till.lan:7312", "without a port"),
                ("http_listen = 192.168.1.5:7311", "loopback"),
                ("http_listen = 127.evil.example:7311", "loopback"),
                ("http_socket = /" + "x" * 107, "has a path of 108 bytes; at most 107"),
                ("connections_max = 0", "must be from 16 to 65536"),
                ("request_timeout_ms = 1", "must be from 50"),
                ("idle_timeout_ms = soon", "must be a whole number"),
                ("lane_rate = -1", "must be from 0"),
                ("lane_rate = 1000001", "must be from 0 to 1000000"),
                ("allowed_hosts = till.lan:80", "without scheme and port"),
                ("allowed_hosts = till.lan,,pos.lan", "without scheme and port"),
                ("allowed_hosts = till lan", "without scheme and port"),
                ("allowed_origins = pos.example", "such as https://pos.example"),
                ("allowed_origins = https://pos.example/", "such as https://pos.example"),
                ("allowed_origins = https://*:443", "such as https://pos.example"),
                ("allowed_origins = null", "such as https://pos.example")):
            with self.subTest(lines):
                with open(path, "w", encoding="ascii") as f:
                    f.write(f"[store]\ndata_dir = data\n{lines}\n")
                self.addCleanup(lambda: os.path.exists(path) and os.unlink(path))
                done = subprocess.run([STORE, "config", "check", "--config", path],
                                      stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                      timeout=30, check=False)
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertIn(text, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1)

    def test_every_key_stands_in_the_sample_with_its_default(self):
        sample = subprocess.run([STORE, "config", "sample"], stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, timeout=30, check=True).stdout
        for key, default in (("http_socket", ""), ("lan_listen", ""), ("lan_advertise", ""),
                             ("connections_max", "1024"), ("request_timeout_ms", "10000"),
                             ("idle_timeout_ms", "30000"), ("lane_rate", "100"),
                             ("allowed_hosts", ""), ("allowed_origins", "")):
            self.assertTrue(re.search(rf"^# .+\n#{key} = {default}$", sample, re.M), key)


if __name__ == "__main__":
    unittest.main()
