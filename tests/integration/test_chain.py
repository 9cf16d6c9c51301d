"""deploy/chain: its command line, a chain up and down, and the proxies in its links."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import unittest

import harness
from harness import TOP, processes_of, program, scratch_dir, wait_until
from proxies import Proxy

CHAIN = os.path.join(TOP, "deploy/chain")


def chain(*args, env=None, timeout=300):
    """Run deploy/chain; returns (exit status, output, errors)."""
    running = subprocess.Popen([CHAIN, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})})
    try:
        output, errors = running.communicate(timeout=timeout)
    except BaseException:
        running.terminate()  # it takes down what it began
        running.communicate(timeout=60)
        raise
    return running.returncode, output, errors


class Usage(unittest.TestCase):
    """What is wrong is told in a sentence."""

    def setUp(self):
        self.dir = scratch_dir()
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def test_bad_usage_is_status_2(self):
        for args in ([], ["fly"], ["up", "--stores", "0"], ["up", "--stores", "many"],
                     ["up", "--regions", "-1"], ["cut"], ["cut", "--hq"], ["kill"],
                     ["kill", "--store", "1"], ["cut", "--store", "0101", "--region", "1"],
                     ["cut", "--store", "0101", "--mode", "soft"], ["replay"], ["status", "x"]):
            with self.subTest(args=args):
                status, output, errors = chain(*args)
                self.assertEqual((status, output), (2, ""))
                self.assertIn("usage:", errors)

    def test_a_folder_without_a_chain_is_an_error(self):
        for args in (["status"], ["down"], ["cut", "--store", "0101"], ["start", "--hq"]):
            for where in (self.dir, os.path.join(self.dir, "none")):
                with self.subTest(args=args, where=where):
                    status, output, errors = chain(*args, "--dir", where)
                    self.assertEqual((status, output), (1, ""))
                    self.assertIn("there is no chain in", errors)
        self.assertEqual(os.listdir(self.dir), [])

    def test_up_leaves_a_folder_with_other_things_alone(self):
        path = os.path.join(self.dir, "letter")
        with open(path, "w", encoding="ascii") as f:
            f.write("dear")
        status, _, errors = chain("up", "--dir", self.dir)
        self.assertEqual(status, 1)
        self.assertIn("is not empty", errors)
        self.assertEqual(os.listdir(self.dir), ["letter"])

    def test_a_file_for_a_folder_is_an_error(self):
        path = os.path.join(self.dir, "file")
        with open(path, "w", encoding="ascii"):
            pass
        for verb, words in (("up", "is not a folder"), ("status", "there is no chain in")):
            status, _, errors = chain(verb, "--dir", path)
            self.assertEqual(status, 1)
            self.assertIn(words, errors)
            self.assertNotIn("Traceback", errors)

    def test_scripts_have_help(self):
        for script in ("deploy/build.sh", "deploy/postgres.sh", "tests/run"):
            done = subprocess.run([os.path.join(TOP, script), "--help"], capture_output=True,
                                  text=True, check=True, timeout=60)
            self.assertIn(script, done.stdout)
        done = subprocess.run([os.path.join(TOP, "deploy/postgres.sh"), "conninfo", self.dir],
                              capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (1, ""))

    def test_up_refuses_more_regions_than_stores(self):
        status, _, errors = chain("up", "--dir", self.dir, "--stores", "2", "--regions", "3")
        self.assertEqual(status, 1)
        self.assertIn("more regions than stores", errors)

    def test_chinese_locale_reads_chinese(self):
        status, _, errors = chain("status", "--dir", self.dir, env={"LC_ALL": "zh_CN.UTF-8"})
        self.assertEqual(status, 1)
        self.assertIn("没有连锁环境", errors)


class Life(unittest.TestCase):
    """A small chain through the command line."""

    def setUp(self):
        self.dir = scratch_dir()
        self.addCleanup(self.clean)

    def clean(self):
        chain("down", "--dir", self.dir)
        shutil.rmtree(self.dir, ignore_errors=True)

    def run_chain(self, *args):
        status, output, errors = chain(args[0], "--dir", self.dir, *args[1:])
        self.assertEqual(status, 0, errors)
        return output

    def status(self):
        _, output, _ = chain("status", "--json", "--dir", self.dir)
        return {row["name"]: row for row in json.loads(output)}

    def uplink(self, name):
        return self.status()[name].get("uplink")

    def check_edited(self, config, edit):
        """The edit of a shop's configuration is there, and at work."""
        with open(config, encoding="utf-8") as f:
            self.assertTrue(f.read().endswith(edit))
        endpoints = os.path.join(os.path.dirname(config), "data/endpoints.json")
        with open(endpoints, encoding="utf-8") as f:
            self.assertLessEqual({"https", "socket"}, set(json.load(f)))

    def test_up_cut_kill_down_and_up_again(self):
        self.run_chain("up", "--stores", "3", "--regions", "2")
        with open(os.path.join(self.dir, "chain.json"), encoding="utf-8") as f:
            known = json.load(f)
        self.assertEqual([s["store"] for s in known["stores"]], ["0101", "0102", "0201"])
        self.assertEqual([r["region"] for r in known["relays"]], [1, 2])
        for part in [known["hq"], *known["relays"], *known["stores"]]:
            self.assertTrue(part["url"].startswith("http://127.0.0.1:"))
            self.assertTrue(part["token"])
        self.assertTrue(known["hq"]["postgres"])
        self.assertEqual(os.stat(os.path.join(self.dir, "chain.json")).st_mode & 0o077, 0)
        for store in known["stores"]:
            os.kill(store["pid"], 0)
            self.assertEqual(self.status()[f"store-{store['store']}"]["uplink"], "online")
        self.assertIn("store-0201", self.run_chain("status"))

        status, _, errors = chain("up", "--dir", self.dir)
        self.assertEqual(status, 1)
        self.assertIn("up already", errors)
        status, _, errors = chain("cut", "--dir", self.dir, "--store", "0999")
        self.assertEqual(status, 1)
        self.assertIn("no store 0999", errors)

        self.run_chain("cut", "--store", "0101")
        wait_until(lambda: self.uplink("store-0101") == "offline", 120, "0101 is offline, which")
        self.assertEqual(self.uplink("store-0201"), "online")
        self.run_chain("heal", "--store", "0101")
        wait_until(lambda: self.uplink("store-0101") == "online", 120, "0101 is online, which")

        before = self.status()["store-0102"]
        self.run_chain("kill", "--store", "0102")
        status, output, _ = chain("status", "--dir", self.dir)
        self.assertEqual(status, 1)
        self.assertIn("ended", output)
        config = next(s["config"] for s in known["stores"] if s["store"] == "0102")
        edit = f"# mine\nlan_listen = 127.0.0.1:0\nhttp_socket = {self.dir}/till.sock\n"
        with open(config, "a", encoding="utf-8") as f:
            f.write(edit)
        self.run_chain("start", "--store", "0102")
        self.check_edited(config, edit)
        after = self.status()["store-0102"]
        self.assertEqual((after["url"], after["state"]), (before["url"], "running"))
        self.assertNotEqual(after["pid"], before["pid"])

        self.run_chain("down")
        self.assertEqual(processes_of(self.dir), [])
        self.assertEqual({row["state"] for row in self.status().values()}, {"ended"})
        status, output, errors = chain("env", "--dir", self.dir)
        self.assertEqual((status, output), (1, ""))
        self.assertIn("no chain is up in", errors)

        self.run_chain("up")
        self.check_edited(config, edit)
        with open(os.path.join(self.dir, "chain.json"), encoding="utf-8") as f:
            again = json.load(f)
        self.assertEqual([(s["store"], s["url"], s["token"]) for s in again["stores"]],
                         [(s["store"], s["url"], s["token"]) for s in known["stores"]])
        self.run_chain("down")
        self.assertEqual(processes_of(self.dir), [])


class Echo:
    """A server that sends back what it gets."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(client,), daemon=True).start()

    def close(self):
        """Take no more connections."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # also wakes accept()
        except OSError:
            pass
        self.listener.close()

    @staticmethod
    def _echo(client):
        with client:
            try:
                while piece := client.recv(65536):
                    client.sendall(piece)
            except OSError:
                pass


class Link(unittest.TestCase):
    """trib-proxy alone."""

    def setUp(self):
        self.dir = scratch_dir()
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.echo = Echo()
        self.addCleanup(self.echo.close)
        self.proxy = Proxy(self.dir, "link")
        self.addCleanup(lambda: harness.cluster.process.stop([self.proxy.process]))
        at = self.proxy.start(program("trib-proxy"), self.echo.endpoint,
                              os.path.join(self.dir, "log"))
        self.address = ("127.0.0.1", int(at.rsplit(":", 1)[1]))

    def connect(self):
        client = socket.create_connection(self.address, timeout=20)
        self.addCleanup(client.close)
        return client

    def ask(self, client, text=b"hello"):
        client.sendall(text)
        got = b""
        while len(got) < len(text):
            piece = client.recv(65536)
            if not piece:
                break
            got += piece
        return got

    def assert_reset(self, client=None):
        """The connection, or else a new one, is reset."""
        with self.assertRaises(ConnectionResetError):
            if (client or self.connect()).recv(1) == b"":
                self.fail("ended instead of reset")

    def test_bytes_and_ends_pass_in_both_directions(self):
        client = self.connect()
        sent = os.urandom(3_000_000)
        got = []

        def read():
            while piece := client.recv(65536):
                got.append(piece)

        reader = threading.Thread(target=read)
        reader.start()
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        reader.join(30)
        self.assertEqual(b"".join(got), sent)
        self.assertEqual(self.proxy.command("status")["bytes_down"], str(len(sent)))
        wait_until(lambda: self.proxy.command("status")["links"] == "0", 20)

    def test_a_slow_reader_holds_the_sender_back(self):
        client = self.connect()
        client.setblocking(False)
        piece = bytes(65536)
        sent = 0
        held = None
        # Nobody reads: the sender must stall. It has when nothing went for a second.
        while held is None or time.monotonic() - held < 1:
            try:
                sent += client.send(piece)
                held = None
            except BlockingIOError:
                held = held or time.monotonic()
            self.assertLess(sent, 256 << 20)
        with open(f"/proc/{self.proxy.process.pid}/status", encoding="ascii") as f:
            resident = next(line for line in f if line.startswith("VmRSS"))
        self.assertLess(int(resident.split()[1]), 20_000)

    def test_black_hole_keeps_silent_and_mending_resets(self):
        old = self.connect()
        self.assertEqual(self.ask(old), b"hello")
        before = self.proxy.command("mode blackhole")
        new = self.connect()
        for client in (old, new):
            client.sendall(b"anyone?")
            client.settimeout(0.3)
            with self.assertRaises(TimeoutError):
                client.recv(1)
        wait_until(lambda: self.proxy.command("status")["links"] == "2", 20)
        now = self.proxy.command("status")
        self.assertEqual((now["bytes_up"], now["bytes_down"]),
                         (before["bytes_up"], before["bytes_down"]))
        self.proxy.command("mode pass")
        for client in (old, new):
            client.settimeout(20)
            self.assert_reset(client)
        self.assertEqual(self.ask(self.connect()), b"hello")

    def test_reset_ends_old_and_new_connections(self):
        old = self.connect()
        self.assertEqual(self.ask(old), b"hello")
        self.proxy.command("mode reset")
        self.assert_reset(old)
        self.assert_reset()
        self.proxy.command("mode pass")
        self.assertEqual(self.ask(self.connect()), b"hello")

    def test_delay_holds_each_direction(self):
        client = self.connect()
        self.proxy.command("mode delay 150")
        began = time.monotonic()
        self.assertEqual(self.ask(client), b"hello")
        self.assertGreaterEqual(time.monotonic() - began, 0.29)
        self.proxy.command("mode pass")
        self.assertEqual(self.ask(client, b"again"), b"again")

    def test_a_dead_target_resets_the_client(self):
        self.echo.close()
        self.assert_reset()

    def test_bad_commands_change_nothing(self):
        for line in ("mode", "mode soft", "mode delay", "mode delay -1", "mode delay 1x",
                     "mode delay 99999999999", "halt", "x" * 200):
            with self.subTest(line=line), self.assertRaises(harness.ChainError):
                self.proxy.command(line)
        self.assertEqual(self.proxy.command("status")["mode"], "pass")


if __name__ == "__main__":
    unittest.main()
