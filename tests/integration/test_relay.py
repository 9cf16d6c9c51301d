"""The relay as a process between a made-up HQ and made-up stores, good ones and bad ones."""

import os
import signal
import socket
import subprocess
import unittest
import urllib.error
import urllib.request

import wire
from harness import wait_until
from relay_case import REGION, RELAY, RelayCase
from wire import DOWN, PROTOCOL, RELAYED, UP, envelope, messages


class Good(RelayCase):
    """What an honest chain sees."""

    def test_entries_go_up_and_acks_come_back(self):
        welcome = self.a.go_online(self.relay)
        self.assertEqual(welcome.relayed.seq, 0)
        self.assertEqual(welcome.relayed.head, self.a.journal.heads[0])
        self.a.journal.append(b"one", b"two")
        self.a.send_batch(1)
        self.a.expect_relayed(2)
        batch = self.hq.expect_batch(self.a)
        self.assertEqual(list(batch.items), [b"one", b"two"])
        self.assertEqual(batch.prev_head, self.a.journal.heads[0])
        self.assertEqual(batch.head, self.a.journal.signed_head(2))
        signed = self.hq.booked(self.a, 2)
        self.hq.ack(self.a, 2, signed)
        ack = self.a.link.expect("ack", where=lambda a: a.stage == wire.BOOKED)
        self.assertEqual(ack.booked, signed)  # unchanged
        self.assertEqual(self.relay.store(self.a)["booked_seq"], 2)

    def test_down_messages_reach_the_store_and_its_ack_reaches_hq(self):
        self.a.go_online(self.relay)
        self.a.down.append(b"rule", b"setting")
        self.hq.router.send(envelope(batch=self.a.down.batch(1)))
        self.hq.router.expect("ack", where=lambda a: a.stage == RELAYED and a.seq == 2)
        batch = self.a.link.expect("batch")
        self.assertEqual(list(batch.items), [b"rule", b"setting"])
        self.a.link.send(envelope(ack=messages().Ack(stream=self.a.down.stream,
                                                     stage=wire.APPLIED, seq=2)))
        self.hq.router.expect("ack", where=lambda a: a.stage == wire.APPLIED and a.seq == 2)

    def test_stores_drain_into_the_relay_while_hq_is_away(self):
        self.lose_hq()
        self.a.go_online(self.relay)
        for i in range(50):
            self.a.journal.append(b"entry %d" % i)
            self.a.send_batch(i + 1)
        self.a.expect_relayed(50)
        self.relay.stop()
        self.find_hq()
        self.relay.start()
        self.hq.welcome()
        present = self.hq.expect_present(self.a)
        self.assertEqual(present.spooled, self.a.journal.position())
        self.hq.resume(self.a, 0)
        batch = self.hq.expect_batch(self.a)
        self.assertEqual(len(batch.items), 50)  # merged, with the last signed head

    def test_acked_entries_survive_kill_9(self):
        self.a.go_online(self.relay)
        self.a.journal.append(*[b"entry %d" % i for i in range(20)])
        self.a.send_batch(1)
        self.a.expect_relayed(20)
        self.relay.stop(signal.SIGKILL)
        self.relay.start()
        self.hq.welcome()
        self.assertEqual(self.hq.expect_present(self.a).spooled.seq, 20)
        self.assertEqual(self.a.go_online(self.relay).relayed.seq, 20)

    def test_a_kill_before_or_after_the_commit_loses_nothing_acked(self):
        for point, has_it in (("relay.before_commit", False), ("relay.after_commit", True)):
            with self.subTest(point=point):
                self.relay.stop()
                self.relay.start(fault=f"{point}:1")
                self.hq.welcome()
                start = self.a.go_online(self.relay).relayed.seq
                self.a.journal.append(b"entry")
                self.a.send_batch(start + 1)
                self.assertEqual(self.relay.process.wait(10), -signal.SIGKILL)
                self.relay.process = None
                while True:
                    name, body = self.a.link.receive(0.2)
                    if name is None:
                        break
                    self.assertFalse(name == "ack" and body.seq > start)
                self.relay.start()
                self.hq.welcome()
                relayed = self.a.go_online(self.relay).relayed
                self.assertEqual(relayed.seq, start + has_it)
                self.assertEqual(relayed.head, self.a.journal.heads[relayed.seq])
                if not has_it:
                    self.a.send_batch(start + 1)
                    self.a.expect_relayed(start + 1)

    def test_an_empty_relay_starts_where_hq_signed(self):
        self.a.journal.append(*[b"entry %d" % i for i in range(30)])
        self.relay.stop()
        for name in ("spool.db", "spool.db-wal", "spool.db-shm"):
            if os.path.exists(self.relay.data(name)):
                os.remove(self.relay.data(name))
        self.relay.start()
        self.hq.welcome()
        self.hq.send_roster(REGION, [self.a])
        self.assertEqual(self.hq.expect_present(self.a).spooled.seq, 0)
        self.a.connect(self.relay)
        self.a.hello()
        self.assertEqual(self.a.link.receive(0.3), (None, None))  # it waits for HQ's word
        self.hq.resume(self.a, 25)
        welcome = self.a.link.expect("welcome")
        self.assertEqual(welcome.relayed, self.a.journal.position(25))
        self.a.send_batch(26)
        batch = self.hq.expect_batch(self.a)
        self.assertEqual(batch.first_seq, 26)

    def test_duplicates_are_acked_and_gaps_pulled(self):
        self.a.go_online(self.relay)
        self.a.journal.append(*[b"entry %d" % i for i in range(10)])
        self.a.send_batch(1, 4)
        self.a.expect_relayed(4)
        self.a.send_batch(1, 4)
        self.a.expect_relayed(4)
        self.a.send_batch(7, 10)
        pull = self.a.link.expect("pull")
        self.assertEqual((pull.stream.direction, pull.from_seq), (UP, 5))
        self.a.send_batch(5, 10)
        self.a.expect_relayed(10)

    def test_health_goes_to_hq_unaltered(self):
        self.a.go_online(self.relay)
        health = self.a.sign_key.sign("trib.health.v1", messages().Health(
            chain=self.hq.chain, node=self.a.node, incarnation=1, clock_ms=5, stored_seq=1,
            relayed_seq=0, booked_seq=0, down_seq=0, rules_version=0, software="test"))
        self.a.link.send(envelope(heartbeat=messages().Heartbeat(clock_ms=5, health=[health])))
        beat = self.hq.router.expect("heartbeat", 12, lambda h: len(h.health) > 0)
        self.assertEqual(beat.health[0], health)
        self.a.link.expect("heartbeat", 12)

    def test_enrolment_passes_through(self):
        box = wire.CurveKey()
        link = wire.Dealer(self.relay.endpoints["enroll_listen"],
                           self.relay.endpoints["curve_key"].encode(), box)
        self.addCleanup(link.close)
        request = messages().Enroll(request=b"opaque to the relay", mac=b"m" * 32)
        link.send(envelope(enroll=request))
        passed = self.hq.router.expect("enroll")
        self.assertEqual(passed.request, request.request)
        self.hq.router.send(envelope(enroll_reply=messages().EnrollReply(
            refused="unknown_code", ticket=passed.ticket)))
        self.assertEqual(link.expect("enroll_reply").refused, "unknown_code")
        self.lose_hq()
        link.send(envelope(enroll=request))
        self.assertEqual(link.expect("enroll_reply").refused, "hq_unreachable")

    def test_a_second_process_is_refused(self):
        done = subprocess.run([RELAY, "--config", self.relay.config], capture_output=True,
                              text=True, timeout=20, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("another trib-relay", done.stderr)

    def test_sigterm_ends_it_with_status_0(self):
        self.assertEqual(self.relay.stop(), 0)

    def test_health_page_wants_the_token(self):
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(self.relay.endpoints["http"] + "/v1/health", timeout=5)
        self.assertEqual(caught.exception.code, 401)
        caught.exception.close()
        page = self.relay.health()
        self.assertEqual((page["region"], page["uplink"]), (REGION, "open"))

    def test_enrolling_twice_changes_nothing(self):
        running = self.relay.start_enroll()
        _, errors = running.communicate(timeout=20)
        self.assertNotEqual(running.returncode, 0)
        self.assertIn("enrolled already", errors)

    def test_a_backlog_delays_another_store_by_one_window(self):
        window = 1 << 20
        self.lose_hq()
        self.a.go_online(self.relay)
        item = b"x" * 4000
        n = 0
        while n * len(item) < 8 * window:  # eight windows of it
            self.a.journal.append(*[item] * 60)
            self.a.send_batch(n + 1, n + 60)
            n += 60
            self.a.expect_relayed(n)
        self.relay.stop()
        self.find_hq()
        self.relay.start()
        self.hq.welcome(window=window)
        self.hq.expect_present(self.b)
        self.hq.resume(self.b, 0)
        self.hq.resume(self.a, 0)
        self.b.go_online(self.relay)
        self.b.journal.append(b"the other store's entry")
        self.b.send_batch(1)
        self.b.expect_relayed(1)
        received = 0
        while True:
            batch = self.hq.router.expect("batch")
            if batch.stream.node == self.b.node:
                break
            received += sum(map(len, batch.items))
            self.hq.router.send(envelope(credit=messages().Credit(
                total_bytes=window + received)))
        self.assertLessEqual(received, 2 * window)  # one under way, one more


class BadStore(RelayCase):
    """What a broken or hostile store cannot do."""

    def setUp(self):
        super().setUp()
        self.a.go_online(self.relay)
        self.a.journal.append(*[b"entry %d" % i for i in range(10)])

    def still_works(self, first=1):
        """Nothing was kept of what was bad, and the store may go on."""
        self.a.go_online(self.relay)
        self.a.send_batch(first)
        self.a.expect_relayed(self.a.journal.end)
        self.assertEqual(self.relay.store(self.a)["spooled_seq"], self.a.journal.end)

    def test_garbage(self):
        for data in (b"\0", b"\xff" * 100, os.urandom(5000), b"\x08\x01", b"\x08\x01\x12\x00"):
            self.a.link.send(data)
            self.a.expect_refuse("malformed")
        self.still_works()

    def test_future_protocol(self):
        self.a.link.send(messages().Envelope(protocol=9).SerializeToString())
        refuse = self.a.expect_refuse("protocol")
        self.assertEqual((refuse.protocol_min, refuse.protocol_max), (PROTOCOL, PROTOCOL))
        self.a.hello(protocol_min=7, protocol_max=9)
        self.a.expect_refuse("protocol")
        self.still_works()

    def test_changed_item(self):
        batch = self.a.journal.batch(1)
        batch.items[3] = b"entry ?"
        self.a.link.send(envelope(batch=batch))
        self.a.expect_refuse("tampered")
        self.wait_alarm("tampered")
        self.still_works()

    def test_dropped_and_swapped_items(self):
        batch = self.a.journal.batch(1)
        items = list(batch.items)
        del batch.items[:]
        batch.items.extend([items[1], items[0], *items[2:]])
        self.a.link.send(envelope(batch=batch))
        self.a.expect_refuse("tampered")
        del batch.items[:]
        batch.items.extend(items[:5] + items[6:])
        self.a.link.send(envelope(batch=batch))
        self.a.expect_refuse("tampered")
        self.still_works()

    def test_wrong_signature(self):
        batch = self.a.journal.batch(1)
        batch.head.signature = bytes(64)
        self.a.link.send(envelope(batch=batch))
        self.a.expect_refuse("signature")
        self.wait_alarm("bad_signature")
        batch = self.a.journal.batch(1)
        batch.head.CopyFrom(self.b.sign_key.sign("trib.head.v1", batch.head.payload))
        self.a.link.send(envelope(batch=batch))
        self.a.expect_refuse("signature")
        self.still_works()

    def test_head_signed_for_another_stream(self):
        head = messages().SignedHead(chain=self.hq.chain, stream=self.b.journal.stream, seq=10,
                                     head=self.a.journal.heads[10])
        batch = self.a.journal.batch(1)
        batch.head.CopyFrom(self.a.sign_key.sign("trib.head.v1", head))
        self.a.link.send(envelope(batch=batch))
        self.a.expect_refuse("signature")
        self.still_works()

    def test_another_stores_stream(self):
        self.b.journal.append(b"entry")
        self.a.link.send(envelope(batch=self.b.journal.batch(1)))
        self.a.expect_refuse("identity")
        self.wait_alarm("wrong_node")
        self.assertEqual(self.relay.store(self.b)["spooled_seq"], 0)
        self.a.link.send(envelope(ack=messages().Ack(stream=self.b.down.stream,
                                                     stage=wire.APPLIED, seq=0)))
        self.a.expect_refuse("identity")
        self.still_works()

    def test_another_stores_certificate(self):
        own = self.a.certificate
        self.a.certificate = self.b.certificate
        self.a.hello()
        self.a.expect_refuse("certificate")
        self.a.certificate = own
        self.a.hello(node=self.b.node)
        self.a.expect_refuse("identity")
        self.still_works()

    def test_oversize_message(self):
        self.a.link.send(b"x" * (2 << 20))
        self.b.go_online(self.relay)  # the others don't notice
        self.still_works()

    def test_unknown_key_is_not_let_in(self):
        stranger = wire.Store(self.hq, 103, "0103", REGION)
        self.addCleanup(lambda: stranger.link.close())
        stranger.connect(self.relay)
        stranger.hello()
        self.assertEqual(stranger.link.receive(0.5), (None, None))
        self.hq.send_roster(REGION, [self.a, self.b, stranger])  # not yet known, now it is
        self.hq.expect_present(stranger)
        self.hq.resume(stranger, 0)
        stranger.go_online(self.relay)

    def test_revoked_store_is_cut(self):
        self.hq.send_roster(REGION, [self.b], [self.a.curve.public])
        wait_until(lambda: not self.relay.store(self.a)["listed"], 5, "the roster is taken, which")
        self.a.send_batch(1)
        self.assertEqual(self.a.link.receive(0.5)[0] in (None, "refuse"), True)
        self.assertEqual(self.relay.store(self.a)["spooled_seq"], 0)
        self.a.connect(self.relay)
        self.a.hello()
        self.assertEqual(self.a.link.receive(0.5), (None, None))

    def test_fork_is_kept_as_evidence(self):
        self.a.send_batch(1)
        self.a.expect_relayed(10)
        other = wire.Log(UP, self.a.node, 1, self.a.certificate.payload, self.a.sign_key,
                         self.hq.chain)
        other.append(*self.a.journal.items[:5], *[b"other %d" % i for i in range(7)])
        self.a.link.send(envelope(batch=other.batch(6)))
        self.a.expect_refuse("fork")
        self.wait_alarm("fork")
        self.a.journal.append(b"more")
        self.a.send_batch(11)
        self.a.expect_refuse("fork")
        self.relay.stop()
        self.relay.start()
        self.assertTrue(self.relay.store(self.a)["forked"])

    def test_a_gap_is_asked_for_once_not_for_each_batch_behind_it(self):
        for _ in range(20):
            self.a.send_batch(8)
        self.assertEqual(self.a.link.expect("pull").from_seq, 1)
        while True:
            name, _ = self.a.link.receive(0.3)
            if name is None:
                break
            self.assertNotEqual(name, "pull")
        self.still_works()

    def test_enrolment_socket_takes_no_more_than_it_should(self):
        link = wire.Dealer(self.relay.endpoints["enroll_listen"],
                           self.relay.endpoints["curve_key"].encode(), wire.CurveKey())
        self.addCleanup(link.close)
        for _ in range(40):
            link.send(envelope(enroll=messages().Enroll(request=b"r", mac=b"m" * 32)))
        self.assertEqual(link.expect("enroll_reply").refused, "rate_limited")
        link.send(b"x" * 5000)
        self.still_works()

    def test_raw_bytes_on_the_ports(self):
        for name in ("listen", "enroll_listen"):
            host, port = self.relay.endpoints[name].removeprefix("tcp://").split(":")
            with socket.create_connection((host, int(port))) as s:
                s.sendall(os.urandom(3000))
        self.still_works()


class BadHQ(RelayCase):
    """What a forged or broken uplink cannot do."""

    def setUp(self):
        super().setUp()
        self.a.go_online(self.relay)
        self.b.go_online(self.relay)
        self.a.journal.append(*[b"entry %d" % i for i in range(10)])
        self.a.send_batch(1)
        self.a.expect_relayed(10)
        self.hq.expect_batch(self.a)

    def no_booked(self):
        """No store was told that anything is booked."""
        for store in (self.a, self.b):
            while True:
                name, body = store.link.receive(0.3)
                if name is None:
                    break
                self.assertFalse(name == "ack" and body.stage == wire.BOOKED)

    def test_forged_ack(self):
        forged = self.hq.booked(self.a, 10)
        forged.signature = bytes(64)
        self.hq.ack(self.a, 10, forged)
        self.wait_alarm("bad_signature")
        self.no_booked()

    def test_ack_of_another_store_or_chain(self):
        self.hq.ack(self.b, 10, self.hq.booked(self.a, 10))
        self.wait_alarm("bad_signature")
        self.hq.ack(self.a, 10, self.hq.booked(self.a, 10, chain=b"c" * 16))
        self.no_booked()

    def test_ack_of_another_history(self):
        self.hq.ack(self.a, 7, self.hq.booked(self.a, 7, head=b"h" * 32))
        self.wait_alarm("ack_mismatch")
        self.no_booked()

    def test_replayed_ack_moves_nothing_back(self):
        old, new = self.hq.booked(self.a, 3), self.hq.booked(self.a, 10)
        self.hq.ack(self.a, 10, new)
        self.a.link.expect("ack", where=lambda a: a.stage == wire.BOOKED and a.seq == 10)
        self.hq.ack(self.a, 3, old)
        self.no_booked()
        self.assertEqual(self.relay.store(self.a)["booked_seq"], 10)

    def test_down_batch_that_was_changed(self):
        self.a.down.append(b"rule")
        batch = self.a.down.batch(1)
        batch.items[0] = b"ruse"
        self.hq.router.send(envelope(batch=batch))
        self.wait_alarm("tampered")
        batch = self.a.down.batch(1)
        batch.head.CopyFrom(wire.SignKey().sign("trib.head.v1", batch.head.payload))
        self.hq.router.send(envelope(batch=batch))
        self.wait_alarm("bad_signature")
        self.hq.router.send(envelope(batch=self.a.down.batch(1)))
        self.assertEqual(list(self.a.link.expect("batch").items), [b"rule"])

    def test_stores_swapped_in_a_down_batch(self):
        self.a.down.append(b"for a")
        batch = self.a.down.batch(1)
        batch.stream.node = self.b.node
        self.hq.router.send(envelope(batch=batch))
        self.wait_alarm("bad_signature")
        name, _ = self.b.link.receive(0.5)
        self.assertNotEqual(name, "batch")

    def test_down_gap_is_pulled(self):
        self.a.down.append(b"1", b"2", b"3")
        self.hq.router.send(envelope(batch=self.a.down.batch(3)))
        pull = self.hq.router.expect("pull")
        self.assertEqual((pull.stream.direction, pull.from_seq), (DOWN, 1))
        self.hq.router.send(envelope(batch=self.a.down.batch(1)))
        self.assertEqual(len(self.a.link.expect("batch").items), 3)

    def test_forged_or_old_roster(self):
        old = self.hq.roster(REGION, [])
        self.hq.send_roster(REGION, [self.a, self.b])
        self.hq.router.send(envelope(roster=old))
        forged = self.hq.roster(REGION, [])
        forged.signature = bytes(64)
        self.hq.router.send(envelope(roster=forged))
        self.wait_alarm("bad_signature")
        self.assertTrue(self.relay.store(self.a)["listed"])
        self.hq.router.send(envelope(roster=self.hq.roster(REGION + 1, [])))
        self.assertTrue(self.relay.store(self.a)["listed"])

    def test_refused_and_restarted_links_come_back(self):
        self.hq.router.send(envelope(refuse=messages().Refuse(code="hello_first")))
        self.hq.welcome()
        self.assertEqual(self.hq.expect_present(self.a).spooled.seq, 10)
        self.hq.resume(self.a, 5)
        self.assertEqual(self.hq.expect_batch(self.a).first_seq, 6)


if __name__ == "__main__":
    unittest.main()
