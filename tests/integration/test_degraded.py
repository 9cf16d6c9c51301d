"""A shop whose disk gets full, or whose clock nobody believes: spends stop first, cancels last, each
is told so, nothing that was answered is lost, and it trades again without a restart."""

import contextlib
import ctypes
import datetime
import errno
import glob
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

import wire
from harness import BUILD, scratch_dir, wait_until
from store_case import Shop
from wire import PROTOCOL, envelope, messages

FAKETIME = "/usr/lib/*/faketime/libfaketimeMT.so.1"
KIB = 1024
MIB = 1024 * KIB
CLONE_NEWNS = 0x20000


class Trading:
    """What a till tries, by what it is told; for the classes below, which have a self.shop."""

    numbers = itertools.count(1)
    days = itertools.count(1)

    def order(self):
        """A new order number, for any thread."""
        return f"n{next(self.numbers)}"

    def sale(self, amount=1):
        return self.shop.till("POST", "/v1/sales", {"order_no": self.order(), "card_no": "6001",
                                                    "amount": amount})

    def top_up(self):
        return self.shop.till("POST", "/v1/top-ups", {"order_no": self.order(), "card_no": "6001",
                                                      "paid": 1, "tender": "cash"})

    def cancel(self, order=None):
        return self.shop.till("POST", f"/v1/orders/{order or self.order()}/cancel",
                              {"verb": "sale"})

    def close_day(self):
        """Of a day long ago, another one each time."""
        day = datetime.date(2000, 1, 1) + datetime.timedelta(days=next(self.days))
        return self.shop.till("POST", f"/v1/days/{day}/close", {})

    def expect(self, code, what, refused):
        """These calls are refused with the code, or done."""
        for call in what:
            status, headers, answer = call()
            if refused:
                self.assertEqual((status, answer["error"]["code"], answer["error"]["retryable"]),
                                 (503, code, True), call)
                self.assertGreater(int(headers["Retry-After"]), 0)
            else:
                self.assertIn(status, (200, 201), answer)

    def expect_level(self, code, level):
        """Of the three ranks the first `level` are refused, the others done; what is known or only
        read is answered."""
        spends = [self.sale, lambda: self.shop.till("POST", "/v1/points/redemptions", {
            "order_no": self.order(), "card_no": "6001", "points": 1, "item": "cup"})]
        values = [self.top_up,
                  lambda: self.shop.till("POST", "/v1/cards", {"card_no": self.order()}),
                  lambda: self.shop.till("POST", "/v1/refunds", {
                      "order_no": self.order(), "of": {"store": "0107", "order_no": "kept"},
                      "amount": 1})]
        for rank, calls in enumerate((spends, values, [self.cancel, self.close_day]), 1):
            self.expect(code, calls, rank <= level)
        health = self.shop.till("GET", "/v1/health")[2]
        self.assertEqual((health["mode"], health.get("why"), health.get("whys")),
                         ("degraded", code, [code]) if level else ("normal", None, None))
        status, headers, _ = self.shop.till("POST", "/v1/sales", {
            "order_no": "kept", "card_no": "6001", "amount": 5000})
        self.assertEqual((status, headers["Idempotent-Replayed"]), (201, "true"))
        quote = self.shop.till("POST", "/v1/quotes", {"card_no": "6001", "amount": 1})[2]
        self.assertEqual((quote["approvable"], quote.get("why")),
                         (False, code) if level else (True, None))
        self.assertEqual(self.shop.till("GET", f"/v1/accounts/{self.account}")[0], 200)
        self.assertEqual(self.shop.till("GET", "/v1/orders/kept")[0], 200)

    def fill(self):
        """A card to spend from, and a sale to repeat and to refund."""
        self.account = self.shop.fill("6001", 100000)
        self.assertEqual(self.shop.till("POST", "/v1/sales", {
            "order_no": "kept", "card_no": "6001", "amount": 5000})[0], 201)

    def whys(self):
        return self.shop.till("GET", "/v1/health")[2].get("whys", [])

    def wait_whys(self, *codes):
        wait_until(lambda: self.whys() == list(codes), 30, f"{codes or 'no trouble'}")


def private_mounts():
    """A mount namespace of our own, so that what is mounted ends with us; what ends it. SkipTest
    where that is not permitted."""
    libc = ctypes.CDLL(None, use_errno=True)
    before, folder = os.open("/proc/self/ns/mnt", os.O_RDONLY), os.getcwd()
    if libc.unshare(CLONE_NEWNS) != 0:
        os.close(before)
        raise unittest.SkipTest(f"no mounts here: {os.strerror(ctypes.get_errno())}")

    def end():
        libc.setns(before, CLONE_NEWNS)
        os.close(before)
        os.chdir(folder)

    done = subprocess.run(["mount", "--make-rprivate", "/"], stderr=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode != 0:  # the root of a chroot is no mount
        end()
        raise unittest.SkipTest(f"mounts cannot be kept private here: {done.stderr.strip()[:100]}")
    return end


class Volume:
    """A small tmpfs, and a file in it that takes what room is to be gone."""

    def __init__(self, mib):
        self.end_mounts = private_mounts()
        self.path = scratch_dir()
        self.filler = os.path.join(self.path, "filler")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=700", "tmpfs",
                               self.path], stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            self.end_mounts()
            raise unittest.SkipTest(f"no tmpfs here: {done.stderr.strip()}")

    def end(self):
        subprocess.run(["umount", "-l", self.path], check=False)
        self.end_mounts()
        os.rmdir(self.path)

    def free(self):
        v = os.statvfs(self.path)
        return v.f_bavail * v.f_frsize

    def leave(self, room):
        """Take or give room until that much is free; the store may take some meanwhile."""
        fd = os.open(self.filler, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            while True:
                had = os.fstat(fd).st_size
                size = had + self.free() - room
                if size <= had:
                    return os.ftruncate(fd, size)
                try:
                    os.posix_fallocate(fd, 0, size)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
        finally:
            os.close(fd)

    def empty(self):
        os.unlink(self.filler)


class Disk(Trading, unittest.TestCase):
    """A reserve of 8 MiB on a volume of 32: levels below 8, 4 and 1/2 MiB, a ballast of 1 MiB that
    is given up below 2."""

    def setUp(self):
        self.volume = Volume(32)
        self.addCleanup(self.volume.end)
        self.shop = Shop("disk_reserve_mib = 8\n", os.path.join(self.volume.path, "data"))
        self.addCleanup(self.shop.close)
        self.ballast = os.path.join(self.shop.data, "ballast")
        self.pid = self.shop.process.pid
        self.said = 0
        self.fill()

    def wait_log(self, text):
        wait_until(lambda: text in self.shop.log(), 30, f"the log says {text}, which")

    def wait_log_again(self, text):
        """Wait until it says it once more than when it was last waited for so."""
        self.said += 1
        wait_until(lambda: self.shop.log().count(text) >= self.said, 30,
                   f"the log says {text} again, which")

    def expect_recovery(self):
        """With room again all works, in the same process, and the ballast is back."""
        self.wait_whys()
        wait_until(lambda: os.path.exists(self.ballast), 30, "the ballast is back, which")
        self.expect_level("disk_low", 0)
        self.assertIsNone(self.shop.process.poll())

    def test_a_disk_that_fills_stops_spends_then_top_ups_then_all(self):
        self.assertEqual(os.stat(self.ballast).st_size, MIB)
        self.assertEqual(os.stat(self.ballast).st_mode & 0o777, 0o600)
        self.expect_level("disk_low", 0)
        for room, level in ((8 * MIB - 64 * KIB, 1), (4 * MIB - 64 * KIB, 2)):
            self.volume.leave(room)
            self.wait_log(f"event=disk_low level={level} ")
            self.expect_level("disk_low", level)
            self.assertTrue(os.path.exists(self.ballast))
        self.volume.leave(2 * MIB - 64 * KIB)
        wait_until(lambda: not os.path.exists(self.ballast), 30, "the ballast is given up, which")
        self.expect_level("disk_low", 2)
        self.assertIn("event=ballast_given_up", self.shop.log())
        self.volume.leave(0)
        self.wait_log("event=disk_low level=3 ")
        self.expect_level("disk_low", 3)
        entries = self.shop.verified()
        self.volume.empty()
        self.expect_recovery()
        self.assertGreater(self.shop.verified(), entries)
        self.assertEqual(self.shop.process.pid, self.pid)

    def test_a_disk_that_is_full_at_once_still_cancels(self):
        self.volume.leave(0)
        wait_until(lambda: not os.path.exists(self.ballast), 30, "the ballast is given up, which")
        self.assertGreaterEqual(self.volume.free(), MIB - 256 * KIB)
        self.expect_level("disk_low", 2)
        self.volume.empty()
        self.expect_recovery()

    def test_what_was_answered_on_a_full_disk_is_there_after_kill_9(self):
        self.volume.leave(0)
        wait_until(lambda: not os.path.exists(self.ballast), 30, "the ballast is given up, which")
        self.volume.leave(0)
        done = []
        while len(done) < 1000:  # until nothing goes in any more
            order = self.order()
            if self.cancel(order)[0] != 200:
                break
            done.append(order)
        self.assertLess(len(done), 1000)
        self.shop.stop(signal.SIGKILL)
        self.shop.start()
        for order in done:
            status, headers, _ = self.cancel(order)
            self.assertEqual((status, headers["Idempotent-Replayed"]), (200, "true"))
        self.assertEqual(self.shop.verified(), 3 + len(done))
        self.expect_level("disk_low", 3)
        self.volume.empty()
        self.expect_recovery()

    def test_tills_at_work_while_the_disk_fills_and_empties_lose_nothing(self):
        done, is_over = [], threading.Event()

        def till():
            while not is_over.is_set():
                order = self.order()
                if self.cancel(order)[0] == 200:
                    done.append(order)

        tills = [threading.Thread(target=till) for _ in range(4)]
        for t in tills:
            t.start()
        try:
            for _ in range(3):
                self.wait_done(done)
                self.volume.leave(0)
                wait_until(lambda: not os.path.exists(self.ballast), 30,
                           "the ballast is given up, which")
                self.volume.leave(0)
                self.wait_log_again("event=disk_low level=3 ")
                self.volume.empty()
                wait_until(lambda: os.path.exists(self.ballast), 30, "the ballast is back, which")
                self.wait_whys()
        finally:
            is_over.set()
            for t in tills:
                t.join()
        self.assertEqual(self.shop.process.pid, self.pid)
        self.assertIsNone(self.shop.process.poll())
        self.assertEqual(self.shop.verified(), 3 + len(done))
        self.assertEqual(self.orders() - {"kept", "fill-6001", None}, set(done))

    def orders(self):
        """The order numbers in the journal."""
        found, first = set(), 1
        while True:
            items = self.shop.manage("GET", f"/v1/journal?from={first}")[2]["items"]
            if not items:
                return found
            found |= {item["order_no"] for item in items}
            first = items[-1]["seq"] + 1

    def wait_done(self, done):
        """Some more is done than was."""
        before = len(done)
        wait_until(lambda: len(done) > before + 20, 30, "tills are served, which")


class Quota(Trading, unittest.TestCase):
    """The file system says that it has room, and takes nothing."""

    def setUp(self):
        folder = tempfile.mkdtemp(prefix="trib.", dir="/tmp")
        self.addCleanup(shutil.rmtree, folder)
        self.used_up = os.path.join(folder, "used-up")
        self.shop = Shop("disk_reserve_mib = 1\n", before=(
            "env", f"LD_PRELOAD={BUILD}/tests/unit_store/quota.so", f"TRIB_QUOTA={self.used_up}"))
        self.addCleanup(self.shop.close)
        self.fill()

    def test_a_quota_s_end_is_a_full_disk_and_no_crash(self):
        ballast = os.path.join(self.shop.data, "ballast")
        entries = self.shop.verified()
        self.assertTrue(os.path.exists(ballast))
        open(self.used_up, "w", encoding="ascii").close()
        for call in (self.sale, self.top_up, self.cancel, self.close_day):
            self.expect("disk_low", [call], True)
        self.wait_whys("disk_low")
        self.assertFalse(os.path.exists(ballast))
        self.expect_level("disk_low", 3)
        self.assertEqual(self.shop.verified(), entries)
        os.unlink(self.used_up)
        self.expect("disk_low", [self.cancel], False)  # at once
        self.wait_whys()
        self.assertTrue(os.path.exists(ballast))
        self.expect_level("disk_low", 0)
        self.assertIsNone(self.shop.process.poll())


class Relay(threading.Thread):
    """Welcomes the store, beats, and takes nothing; `ahead` seconds before the true time."""

    def __init__(self):
        super().__init__(daemon=True)
        self.curve = wire.CurveKey()
        self.router = wire.Router(self.curve)
        self.ahead = 0
        self.is_ending = False
        self.start()

    def end(self):
        self.is_ending = True
        self.join(10)
        self.router.close()

    def clock_ms(self):
        return int((time.time() + self.ahead) * 1000)

    def run(self):
        beat = time.monotonic()
        is_linked = False
        while not self.is_ending:
            name, _ = self.router.receive(0.05)
            if name == "hello":
                is_linked = True
                self.router.send(envelope(welcome=messages().Welcome(
                    protocol=PROTOCOL, window_bytes=0, clock_ms=self.clock_ms(), software="test")))
            if is_linked and time.monotonic() > beat + 0.2:
                beat = time.monotonic()
                self.router.send(envelope(heartbeat=messages().Heartbeat(
                    clock_ms=self.clock_ms())))


class Box(Shop):
    """One whose clock a test moves."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="trib.", dir="/tmp")
        self.pids = []
        self.set_clock("+0")
        super().__init__(before=(
            "env", f"LD_PRELOAD={glob.glob(FAKETIME)[0]}", "FAKETIME_NO_CACHE=1",
            f"FAKETIME_TIMESTAMP_FILE={self.folder}/clock", "FAKETIME_DONT_FAKE_MONOTONIC=1",
            "NO_FAKE_STAT=1"))

    def set_clock(self, offset):
        """From the true time."""
        with open(f"{self.folder}/new", "w", encoding="ascii") as f:
            f.write(offset)
        os.rename(f"{self.folder}/new", f"{self.folder}/clock")

    def start(self, fault=None, before=()):
        super().start(fault, before)
        self.pids.append(self.process.pid)

    def close(self):
        super().close()
        shutil.rmtree(self.folder)
        for pid in self.pids:  # what libfaketime leaves of a process that was killed
            for left in glob.glob(f"/dev/shm/*faketime_*_{pid}"):
                with contextlib.suppress(PermissionError):  # an older process's of another user
                    os.unlink(left)


@unittest.skipUnless(glob.glob(FAKETIME), "libfaketime is not installed")
class Clock(Trading, unittest.TestCase):
    """A box whose clock a test moves."""

    def setUp(self):
        self.shop = Box()
        self.addCleanup(self.shop.close)
        self.relay = None

    def start_relay(self, ahead=0):
        """Start the store again, with a relay to reach."""
        self.relay = Relay()
        self.addCleanup(self.relay.end)
        self.relay.ahead = ahead
        self.shop.stop()
        with open(f"{self.shop.data}/relay", "w", encoding="ascii") as f:
            f.write(f"{self.relay.curve.z85_public.decode()}\n{self.relay.router.endpoint}\n")
        self.shop.start()
        wait_until(self.is_online, 30, "the link is up, which")

    def is_online(self):
        return self.shop.till("GET", "/v1/health")[2]["uplink"]["state"] == "online"

    def last(self):
        """The last entry as the journal lists it."""
        stored = self.shop.till("GET", "/v1/health")[2]["seq"]["stored"]
        return self.shop.manage("GET", f"/v1/journal?from={stored}&limit=1")[2]["items"][0]

    def expect_near(self, before):
        """The last entry is dated a few minutes from that one: by the relay, or by what passed."""
        last = self.last()
        apart = [datetime.datetime.fromisoformat(e["at"]) for e in (last, before)]
        self.assertLess(abs(apart[0] - apart[1]), datetime.timedelta(minutes=20))
        days = [datetime.date.fromisoformat(e["business_day"]) for e in (last, before)]
        self.assertIn((days[0] - days[1]).days, (0, 1))  # at midnight

    def expect_trouble(self, offset, level):
        """With its clock moved so the box is on that level, at once and in its health."""
        self.shop.set_clock(offset)
        self.expect("clock_untrusted", [self.sale], level > 0)
        self.wait_whys(*(["clock_untrusted"] if level else []))
        self.expect_level("clock_untrusted", level)

    def test_a_clock_set_back_stops_spends_until_it_is_right(self):
        self.fill()
        pid, before = self.shop.process.pid, self.last()
        self.expect_trouble("-4m", 0)
        self.expect_trouble("-1h", 1)
        self.expect_trouble("-3d", 2)
        self.expect_near(before)
        self.expect_trouble("+0", 0)
        self.assertEqual((self.shop.process.pid, self.shop.process.poll()), (pid, None))
        self.assertIn("event=clock_trusted", self.shop.log())
        self.shop.verified()

    def test_beside_a_relay_ten_minutes_are_too_far_and_a_month_stops_top_ups(self):
        self.fill()
        self.start_relay()
        pid, before = self.shop.process.pid, self.last()
        self.expect_trouble("+4m", 0)
        for offset, level in (("+10m", 1), ("-10m", 1), ("+30d", 2), ("-30d", 2)):
            self.expect_trouble(offset, level)
            self.expect_near(before)
        self.expect_trouble("+0", 0)
        self.assertEqual((self.shop.process.pid, self.shop.process.poll()), (pid, None))
        self.shop.verified()

    def test_a_month_ahead_the_business_day_stays_over_kill_9_offline(self):
        self.fill()
        before = self.last()
        self.expect_trouble("+30d", 2)
        for _ in range(2):
            self.shop.stop(signal.SIGKILL)
            self.shop.start()
            self.expect_trouble("+30d", 2)
            self.expect_near(before)
        self.shop.stop(signal.SIGKILL)
        self.shop.set_clock("+0")
        self.shop.start()
        self.expect_level("clock_untrusted", 0)
        self.expect_near(before)
        self.shop.verified()

    def test_a_month_ahead_the_day_that_began_is_closed_and_no_later_one(self):
        self.fill()
        day = self.last()["business_day"]
        self.expect_trouble("+30d", 2)
        later = datetime.date.fromisoformat(day) + datetime.timedelta(days=30)
        for ahead in (later, later - datetime.timedelta(days=2)):
            status, _, answer = self.shop.till("POST", f"/v1/days/{ahead}/close", {})
            self.assertEqual((status, answer["error"]["param"]), (400, "day"))
        self.assertEqual(self.shop.till("POST", f"/v1/days/{day}/close", {})[0], 201)
        self.shop.set_clock("+0")
        self.assertEqual(self.sale()[0], 201)
        self.assertEqual(self.last()["business_day"],
                         str(datetime.date.fromisoformat(day) + datetime.timedelta(days=1)))
        self.shop.verified()

    def test_after_a_long_rest_the_relay_s_word_ends_the_trouble(self):
        self.fill()
        self.shop.stop(signal.SIGKILL)
        self.shop.set_clock("+20d")
        self.shop.start()
        self.expect_level("clock_untrusted", 2)
        self.start_relay(ahead=20 * 86400)
        self.expect_level("clock_untrusted", 0)

    def test_a_week_offline_is_believed(self):
        self.fill()
        self.shop.stop(signal.SIGKILL)
        self.shop.set_clock("+6d")
        self.shop.start()
        self.expect_level("clock_untrusted", 0)

    def test_a_relay_whose_clock_is_wrong_stops_spends_until_it_is_right(self):
        self.fill()
        self.start_relay()
        self.expect_level("clock_untrusted", 0)
        self.relay.ahead = -3600
        self.wait_whys("clock_untrusted")  # it was asked anew
        self.assertIn("clock_went_back", self.shop.log())
        self.expect_level("clock_untrusted", 1)
        self.relay.ahead = 0
        self.wait_whys()
        self.expect_level("clock_untrusted", 0)


if __name__ == "__main__":
    unittest.main()
