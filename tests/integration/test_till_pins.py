"""PINs at the till: what is counted and when, who waits for whom, and where none is written."""

import os
import signal
import threading
import unittest

from till_case import TillCase
from tills import Card, Lane

TRIES = 5
LANES = 12
PIN = "837465920174"
WRONG = "746592017483"


class PinCase(TillCase):
    """Cards with a PIN."""

    LANES = LANES

    def card(self, paid=1000, pin=PIN):
        return super().card(paid, pin)

    def wrong_sale(self, card, amount=100):
        """A sale with another PIN."""
        return {**card.sale_of(amount), "pin": WRONG}

    def guess(self, card, tries):
        """That many wrong PINs; the answers."""
        return [self.lane.post("/v1/sales", self.wrong_sale(card)) for _ in range(tries)]

    def at_once(self, calls):
        """Answers to (path, body, key) of one lane each, all at the same time."""
        barrier = threading.Barrier(len(calls))
        answers = [None] * len(calls)

        def work(n):
            barrier.wait(30)
            answers[n] = self.lanes[n].post(*calls[n])

        threads = [threading.Thread(target=work, args=(n,)) for n in range(len(calls))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers


class Counting(PinCase):
    """Wrong PINs in a row close the card."""

    def test_a_right_pin_buys_and_leaves_no_entry_of_its_own(self):
        card = self.card()
        first = self.stored() + 1
        card.sell(100)
        self.assertEqual(self.kinds(first), ["sale"])

    def test_without_a_pin_nothing_is_sold_and_nothing_counted(self):
        card = self.card()
        body = {k: v for k, v in card.sale_of(100).items() if k != "pin"}
        with self.unchanged(card):
            for _ in range(TRIES + 1):
                self.assert_error(self.lane.post("/v1/sales", body), 422, "pin_required")
        self.assertEqual(self.lane.post("/v1/sales", {**body, "pin": PIN}).status, 201)

    def test_each_wrong_one_is_an_entry_and_the_fifth_locks(self):
        card = self.card()
        first = self.stored() + 1
        answers = self.guess(card, TRIES)
        self.assertEqual([(a.code, a.error["tries_left"]) for a in answers],
                         [("pin_wrong", n) for n in (4, 3, 2, 1, 0)])
        self.assertEqual(["locked_until" in a.error for a in answers], [False] * 4 + [True])
        self.assertEqual(self.kinds(first), ["pin_event"] * TRIES)
        with self.unchanged(card):
            for pin in (PIN, WRONG):
                answer = self.lane.post("/v1/sales", {**card.sale_of(100), "pin": pin})
                self.assert_error(answer, 422, "pin_locked",
                                  locked_until=answers[-1].error["locked_until"])
        self.assertEqual(card.held(), (1000, 0, 0, 0))

    def test_a_right_one_starts_the_count_anew(self):
        card = self.card()
        for _ in range(3):
            self.assertEqual(self.guess(card, TRIES - 1)[-1].error["tries_left"], 1)
            card.sell(100)
        self.assertEqual(self.guess(card, 1)[0].error["tries_left"], TRIES - 1)

    def test_a_right_one_that_buys_nothing_does_not(self):
        card = self.card()
        self.guess(card, 2)
        self.assert_error(self.lane.post("/v1/sales", card.sale_of(1001)), 422,
                          "insufficient_balance")
        self.assertEqual(self.guess(card, 1)[0].error["tries_left"], TRIES - 3)

    def test_a_locked_card_is_not_quoted_as_approvable(self):
        card = self.card()
        self.guess(card, TRIES)
        with self.unchanged(card):
            quote = self.lane.post("/v1/quotes", {"card_no": card.no, "amount": 100}).body
        self.assertEqual((quote["approvable"], quote["why"], quote["pin_required"]),
                         (False, "pin_locked", True))

    def test_a_lock_is_for_stored_value_alone(self):
        card = self.card()
        sale = card.sell(300)
        self.guess(card, TRIES)
        self.assertEqual(card.sell_for("cash", 500)["payable"], 500)
        card.top_up(100)
        card.refund(sale)
        card.redeem(1)

    def test_other_cards_are_not_locked(self):
        card = self.card()
        self.guess(card, TRIES)
        other = Card(self.lane, f"{card.no}-other", PIN)
        other.top_up(500)
        other.sell(500)

    def test_many_lanes_at_once_have_five_tries_together(self):
        card = self.card()
        first = self.stored() + 1
        answers = self.at_once([("/v1/sales", self.wrong_sale(card), None) for _ in range(LANES)])
        wrong = [a for a in answers if a.code == "pin_wrong"]
        self.assertEqual(sorted(a.error["tries_left"] for a in wrong), list(range(TRIES)))
        self.assertEqual({a.code for a in answers}, {"pin_wrong", "pin_locked"})
        self.assertEqual(self.kinds(first), ["pin_event"] * TRIES)

    def test_a_right_one_among_many_wrong_ones_buys_once_or_is_locked_out(self):
        card = self.card()
        calls = [("/v1/sales", self.wrong_sale(card), None) for _ in range(LANES - 1)]
        calls.insert(3, ("/v1/sales", card.sale_of(100), None))
        answers = self.at_once(calls)
        sold = [a for a in answers if a.status == 201]
        wrong = [a for a in answers if a.code == "pin_wrong"]
        self.assertLessEqual(len(sold), 1)
        self.assertLessEqual(len(wrong), TRIES if not sold else 2 * TRIES - 1)
        self.assertEqual(card.held()[0], 1000 - 100 * len(sold))


class Deaths(PinCase):
    """kill -9 around a wrong PIN."""

    def die(self, fault, path, body, key=None):
        """The store dies at the fault during the call, and starts again."""
        self.restart(signal.SIGKILL, fault)
        with self.assertRaises(OSError):
            self.lane.post(path, body, key)
        self.assertEqual(self.shop.process.wait(20), -signal.SIGKILL)
        self.restart(signal.SIGKILL)

    def test_a_failure_counts_though_its_answer_never_left(self):
        card = self.card()
        for _ in range(TRIES):
            self.die("store.after_commit:1", "/v1/sales", self.wrong_sale(card))
        with self.unchanged(card):
            self.assert_error(self.lane.post("/v1/sales", card.sale_of(100)), 422, "pin_locked")

    def test_what_was_not_written_was_not_answered_and_does_not_count(self):
        card = self.card()
        for point in ("pin_checked", "before_append", "mid_append", "after_append",
                      "before_commit"):
            self.die(f"store.{point}:1", "/v1/sales", self.wrong_sale(card))
        self.assertEqual(self.guess(card, 1)[0].error["tries_left"], TRIES - 1)

    def test_a_lock_outlives_the_process(self):
        card = self.card()
        until = self.guess(card, TRIES)[-1].error["locked_until"]
        self.restart(signal.SIGKILL)
        self.assert_error(self.lane.post("/v1/sales", card.sale_of(1)), 422, "pin_locked",
                          locked_until=until)

    def test_a_sale_whose_pin_was_right_is_done_once(self):
        card = self.card()
        for n, point in enumerate(("pin_checked", "before_commit", "after_commit",
                                   "after_release")):
            body = card.sale_of(100)
            self.die(f"store.{point}:1", "/v1/sales", body)
            answer = self.lane.post("/v1/sales", body)
            self.assertEqual((answer.status, answer.is_replay), (201, n >= 2), point)
            self.assertEqual(card.held()[0], 900 - 100 * n)

    def test_a_card_s_pin_is_kept_with_its_card(self):
        body = {"card_no": "died-being-issued", "pin": PIN}
        self.die("store.before_commit:1", "/v1/cards", body, "issue")
        self.die("store.after_commit:1", "/v1/cards", body, "issue")
        self.assertTrue(self.lane.post("/v1/cards", body, "issue").is_replay)
        sale = {"order_no": "died-1", "card_no": body["card_no"], "amount": 1}
        self.assert_error(self.lane.post("/v1/sales", sale), 422, "pin_required")
        self.assert_error(self.lane.post("/v1/sales", {**sale, "pin": PIN}), 422,
                          "insufficient_balance")


class Repeating(PinCase):
    """A PIN is no part of what makes two requests the same."""

    def test_a_wrong_one_is_replayed_to_its_key_whatever_pin_comes(self):
        card = self.card()
        body = self.wrong_sale(card)
        first = self.lane.post("/v1/sales", body, "guess")
        self.assert_error(first, 422, "pin_wrong", tries_left=TRIES - 1)
        with self.unchanged(card):
            for more in ({"pin": PIN}, {"pin": WRONG}, {}):
                again = self.lane.post("/v1/sales", {**{k: v for k, v in body.items()
                                                        if k != "pin"}, **more}, "guess")
                self.assertEqual((again.is_replay, again.stored), (True, first.stored))
        self.assertEqual(self.lane.post("/v1/sales", {**body, "pin": PIN}, "right").status, 201)

    def test_refusals_for_a_pin_are_kept_for_their_keys(self):
        card = self.card()
        body = card.sale_of(100)
        missing = {k: v for k, v in body.items() if k != "pin"}
        required = self.lane.post("/v1/sales", missing, "required")
        self.assert_error(required, 422, "pin_required")
        self.assertEqual(self.lane.post("/v1/sales", body, "required").stored, required.stored)
        self.guess(card, TRIES)
        locked = self.lane.post("/v1/sales", body, "locked")
        self.assert_error(locked, 422, "pin_locked")
        self.assertTrue(self.lane.post("/v1/sales", body, "locked").is_replay)

    def test_a_success_is_replayed_without_a_pin_or_with_a_wrong_one(self):
        card = self.card()
        body = card.sale_of(100)
        first = self.lane.post("/v1/sales", body)
        with self.unchanged(card):
            for pin in (WRONG, None):
                again = self.lanes[1].post("/v1/sales", {**{k: v for k, v in body.items()
                                                            if k != "pin"},
                                                         **({"pin": pin} if pin else {})})
                self.assertEqual((again.is_replay, again.stored), (True, first.stored))
        self.assertEqual(self.guess(card, 1)[0].error["tries_left"], TRIES - 1)

    def test_a_card_is_issued_once_with_its_first_pin(self):
        body = {"card_no": "issued-twice"}
        first = self.lane.post("/v1/cards", {**body, "pin": PIN}, "issue-twice")
        again = self.lane.post("/v1/cards", {**body, "pin": WRONG}, "issue-twice")
        self.assertEqual((again.is_replay, again.stored), (True, first.stored))
        self.assert_error(self.lane.post("/v1/cards", {**body, "pin": WRONG}), 409, "card_exists")
        sale = {"order_no": "issued-1", "card_no": "issued-twice", "amount": 1}
        self.assert_error(self.lane.post("/v1/sales", {**sale, "pin": WRONG}), 422, "pin_wrong")


class WhileOneIsChecked(PinCase):
    """A check takes its time: the sale waits, and others do not."""

    def seen_under_check(self, meanwhile):
        """A sale whose PIN is under check, as the answer to the same call proves; then `meanwhile`,
        a function of the sale's body. Checks are done one after the other: those of other cards go
        first. Returns (the sale's answer, meanwhile's)."""
        card, others = self.card(), self.others()
        for _ in range(50):
            body = card.sale_of(1)
            for lane, other in zip(self.lanes[3:], others):
                lane.send("POST", "/v1/sales", other.sale_of(1))
            self.lanes[0].send("POST", "/v1/sales", body)
            came = self.once_in_progress(body, meanwhile)
            for lane, _ in zip(self.lanes[3:], others):
                self.assertEqual(lane.receive().status, 201)
            answer = self.lanes[0].receive()
            if came is not None:
                return answer, came
            self.assertEqual(answer.status, 201)
        raise AssertionError("no check was seen under way")

    def once_in_progress(self, body, meanwhile):
        """What `meanwhile` makes of a sale in progress; None: it was done before."""
        probe = {k: v for k, v in body.items() if k != "pin"}
        while True:
            answer = self.lanes[1].post("/v1/sales", probe)
            if answer.code == "order_in_progress":
                self.assertTrue(answer.error["retryable"])
                return meanwhile(body)
            if answer.code != "pin_required":  # that is: it did not come yet
                self.assertEqual((answer.status, answer.is_replay), (201, True))
                return None

    def others(self):
        """Cards whose PINs are checked, too."""
        cards = [Card(self.lane, f"{self._testMethodName}-{n}", PIN) for n in range(6)]
        for card in cards:
            card.top_up(1000)
        return cards

    def test_the_same_order_is_in_progress(self):
        first, second = self.seen_under_check(
            lambda body: self.lanes[2].post("/v1/sales", body, "kept?"))
        # It was in progress still, or done meanwhile; then the key is bound to the success.
        self.assertIn((second.status, second.code, second.is_replay),
                      ((409, "order_in_progress", False), (201, None, True)))
        self.assertEqual(first.status, 201)

    def test_an_order_in_progress_is_kept_for_no_key(self):
        def ask(body):
            return [self.lanes[2].post("/v1/sales", body, "busy"), body]

        first, (_, body) = self.seen_under_check(ask)
        again = self.lanes[2].post("/v1/sales", body, "busy")
        self.assertEqual((again.status, again.is_replay, again.stored), (201, True, first.stored))

    def test_a_cancel_comes_before_the_sale(self):
        for _ in range(20):
            first, answer = self.seen_under_check(
                lambda body: self.cancel(body["order_no"], "sale", lane=self.lanes[2]))
            self.assertEqual(answer.status, 200, answer)
            if "txn" not in answer.body:  # it was still under check
                self.assert_error(first, 409, "order_cancelled", txn=None)
                return
            self.assertEqual(first.status, 201)
        self.fail("every sale was quicker than its cancel")

    def test_other_calls_are_answered(self):
        def others(body):
            return [self.lanes[2].post("/v1/top-ups", {"order_no": body["order_no"], "paid": 1,
                                                       "card_no": body["card_no"],
                                                       "tender": "cash"}).status,
                    self.lanes[2].get("/v1/health").status]

        _, came = self.seen_under_check(others)
        self.assertEqual(came, [201, 200])


class ManyChecks(PinCase):
    """More at a time than one box compares, and tills that do not wait."""

    LANES = 80

    def test_too_many_at_once_are_told_to_come_again(self):
        card = self.card(paid=LANES * 100)
        bodies = [card.sale_of(1) for _ in range(self.LANES)]
        todo = bodies
        while todo:
            answers = self.at_once([("/v1/sales", body, None) for body in todo])
            self.assertEqual({(a.status, a.code) for a in answers} -
                             {(201, None), (429, "rate_limited")}, set())
            self.assertIn(201, [a.status for a in answers])
            todo = [body for body, a in zip(todo, answers) if a.status == 429]
        self.assertEqual(card.held()[0], LANES * 100 - self.LANES)

    def test_a_till_that_hangs_up_finds_its_sale_done(self):
        card = self.card()
        bodies = [card.sale_of(1) for _ in range(10)]
        for at, body in zip(self.lanes, bodies):
            lane = Lane(self.shop.url, at.token)
            lane.send("POST", "/v1/sales", body)
            lane.close()
        answers = [self.lane.post("/v1/sales", body) for body in bodies]
        for body, answer in zip(bodies, answers):
            while answer.code == "order_in_progress":
                answer = self.lane.post("/v1/sales", body)
            self.assertEqual(answer.status, 201)
        self.assertEqual(card.held()[0], 1000 - len(bodies))

    def test_who_waits_when_the_store_is_ended_is_answered_first(self):
        card = self.card()
        bodies = [card.sale_of(1) for _ in range(10)]
        for lane, body in zip(self.lanes, bodies):
            lane.send("POST", "/v1/sales", body)
        answers = [self.lanes[0].receive()]  # so the others were taken, too, or come too late
        self.shop.process.terminate()
        for lane in self.lanes[1:len(bodies)]:
            try:
                answers.append(lane.receive())
            except OSError:
                pass
        self.assertEqual(self.shop.process.wait(20), 0)
        self.assertEqual({a.status for a in answers}, {201})
        done = self.stored_after_restart(card)
        self.assertEqual(done, len(answers))

    def stored_after_restart(self, card):
        """How many sales of 1 the journal has."""
        self.restart(signal.SIGTERM)
        return 1000 - card.held()[0]


class Nowhere(PinCase):
    """No file has a PIN."""

    def test_no_file_and_no_answer_has_a_pin(self):
        card = self.card()
        answers = [self.lane.post("/v1/sales", card.sale_of(100), "right"),
                   self.lane.post("/v1/sales", self.wrong_sale(card), "wrong"),
                   self.lane.post("/v1/quotes", card.sale_of(1)),
                   self.lane.post("/v1/sales", {**card.sale_of(1), "pin": PIN + "1"}),
                   self.lane.post("/v1/sales", {**card.sale_of(1), "nip": PIN}),
                   self.lane.post("/v1/cards", {"card_no": "x", "pin": WRONG, "account_type": "y"}),
                   self.lane.get(f"/v1/accounts/{card.account}"),
                   self.lane.get(f"/v1/accounts/{card.account}/activities"),
                   self.lane.get(f"/v1/orders/{card.no}-2")]
        for answer in answers:
            for pin in (PIN, WRONG):
                self.assertNotIn(pin, repr(answer))
        self.assert_in_no_file()  # the write-ahead log is full of it all
        self.restart(signal.SIGKILL)
        self.assert_in_no_file()
        self.restart(signal.SIGTERM)
        self.assert_in_no_file()

    def assert_in_no_file(self):
        names = [os.path.join(folder, name) for folder, _, names in os.walk(self.shop.dir)
                 for name in names]
        self.assertIn(os.path.join(self.shop.data, "journal.db"), names)
        self.assertIn(os.path.join(self.shop.dir, "log"), names)
        read = b""
        for name in names:
            with open(name, "rb") as f:
                read += f.read()
        self.assertIn(b"$argon2id$v=19$m=8192,", read)
        for pin in (PIN, WRONG):
            self.assertNotIn(pin.encode(), read)


if __name__ == "__main__":
    unittest.main()
