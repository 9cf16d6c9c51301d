"""Refunds, and their undoing, of a store that lies: a receipt never goes below nothing nor above
itself, whatever the batch that hides it."""

import unittest

from hostile import HostileCase
from wire import entries

CARD = "60010001"


def body_of(sale, amount):
    """A refund of that much of the sale in cash, as nobody wrote it."""
    return entries().Refund(of_incarnation=1, of_seq=sale, amount=amount, rest=0,
                            paid_out=[entries().Tender(type="cash", amount=amount)])


class HostileRefunds(HostileCase):
    """Each test takes one of the stores over."""

    stores = 8

    def receipts(self, store):
        """{seq: (amount, refunded)}"""
        rows = self.chain.sql("SELECT seq, amount, refunded FROM trib.receipt"
                              f" WHERE store = {store.node}")
        return {int(seq): (int(amount), int(refunded)) for seq, amount, refunded in rows}

    def open_shop(self, code):
        """A store with an account of P10000 and a cash sale of 500, booked; (store, lot, sale)."""
        store = self.take(code)
        store.open(CARD)
        lot = store.top_up(CARD, 10000)
        sale = store.sale(CARD, 500)
        store.book(1)
        return store, lot, sale

    def test_refunds_and_their_undoing_are_booked_once(self):
        store, lot, sale = self.open_shop("0101")
        paid, body = store.pay_back(CARD, lot, 10000, order_no="T1", cancels=2)
        store.undo(CARD, paid, body, [entries().SliceEffect(lot=lot, unit=1, principal=10000)],
                   order_no="R1", cancels=4)
        store.pay_back(CARD, lot, 10000)
        back, body = store.cash_back(CARD, sale, 300)
        store.book(4)
        self.assertEqual(self.receipts(store), {2: (10000, 10000), 3: (500, 300)})
        store.undo(CARD, back, body)
        store.cash_back(CARD, sale, 500)
        store.book(8)
        self.assertEqual(self.quarantined(store), [])
        self.assertEqual(self.receipts(store), {2: (10000, 10000), 3: (500, 500)})
        self.assertEqual(self.chain.sql(
            "SELECT seq, kind, order_no, amount, cancels FROM book.journal_entry"
            " WHERE store = '0101' AND cancels IS NOT NULL ORDER BY seq"),
            [["4", "refund_top_up", "T1", "10000", "top_up"],
             ["5", "reversal", "R1", "10000", "refund"]])
        self.assertEqual(self.chain.sql(
            "SELECT kind, count, amount FROM book.store_day WHERE store = '0101'"
            " AND unit = 'money' AND kind LIKE 're%' ORDER BY kind"),
            [["refund", "2", "800"], ["refund_top_up", "2", "20000"],
             ["reversal_refund", "1", "300"], ["reversal_refund_top_up", "1", "10000"]])
        self.prove()

    def test_undone_twice(self):
        store, _, sale = self.open_shop("0102")
        back, body = store.cash_back(CARD, sale, 300)
        store.undo(CARD, back, body)
        again = store.undo(CARD, back, body)
        store.book(4)
        self.assertEqual(self.quarantined(store), [again])
        self.assertEqual(self.receipts(store), {sale: (500, 0)})
        self.prove()

    def test_undoing_that_a_refund_hides_in_the_same_batch(self):
        """Entry by entry the first is refused, so together as well."""
        store, _, sale = self.open_shop("0103")
        undone = store.undo(CARD, sale + 1, body_of(sale, 300))  # is itself that entry
        store.book(4)
        self.assertEqual(self.quarantined(store), [undone])
        other = self.take("0104")
        other.open(CARD)
        sale = other.sale(CARD, 500)
        other.cash_back(CARD, sale, 100)
        other.book(1)
        undone = other.undo(CARD, 3, body_of(sale, 300))
        hiding, _ = other.cash_back(CARD, sale, 300)
        other.book(4)
        self.assertEqual(self.quarantined(other), [undone, hiding])
        self.assertEqual(self.receipts(other), {sale: (500, 100)})
        self.prove()

    def test_refunds_beyond_the_receipt_that_an_undoing_hides(self):
        store, _, sale = self.open_shop("0105")
        store.cash_back(CARD, sale, 400)
        too_much, body = store.cash_back(CARD, sale, 400)
        hiding = store.undo(CARD, too_much, body)
        store.book(4)
        self.assertEqual(self.quarantined(store), [too_much, hiding])
        self.assertEqual(self.receipts(store), {sale: (500, 400)})
        self.prove()

    def test_top_up_refunded_as_a_sale(self):
        store, lot, _ = self.open_shop("0106")
        lie, _ = store.cash_back(CARD, lot & 0xffffffff, 100)
        store.book(4)
        self.assertEqual(self.quarantined(store), [lie])
        self.assertEqual(self.receipts(store), {})
        self.prove()

    def test_top_up_paid_back_beyond_what_was_paid(self):
        """A refund of a cash sale fills the lot again: what it holds is not what may go back."""
        store, lot, _ = self.open_shop("0107")
        sale = store.sale(CARD, 9000)
        store.pay_back(CARD, lot, 10000)
        store.refund(CARD, sale, 9000, lot)
        lie, _ = store.pay_back(CARD, lot, 9000)
        store.book(4)
        self.assertEqual(self.quarantined(store), [lie])
        self.assertEqual(self.receipts(store), {2: (10000, 10000), sale: (9000, 9000)})
        self.prove()

    def test_top_up_paid_back_that_was_spent(self):
        store, lot, _ = self.open_shop("0108")
        store.sale(CARD, 4000, lot)
        lie, _ = store.pay_back(CARD, lot, 10000)
        store.book(4)
        self.assertEqual(self.quarantined(store), [lie])
        self.assertEqual(self.receipts(store), {})
        self.prove()


if __name__ == "__main__":
    unittest.main()
