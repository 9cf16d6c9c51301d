"""The proof of the books: it passes on a chain that has traded, and one fen changed by hand in any
table is found and its cell named."""

import json
import unittest

from harness import Chain

CARD = "6001000100010001"
# Node numbers are given in the order of enrolment, which is no particular one.
FIRST, SECOND = (f"(select store from trib.store where code = '{code}')" for code in
                 ("0101", "0102"))


def answer_in(output):
    """The JSON object in a program's output; messages stand beside it."""
    return json.JSONDecoder().raw_decode(output[output.index("{"):])[0]


class Books(unittest.TestCase):
    """One chain for all; each test puts back what it changed."""

    @classmethod
    def setUpClass(cls):
        cls.chain = Chain(stores=2, regions=1)
        cls.chain.__enter__()
        cls.addClassCleanup(cls.chain.__exit__, None, None, None)
        cls.trade()

    @classmethod
    def trade(cls):
        """Top-ups, sales and refunds of one card in two shops, and of some others."""
        for store in ("0101", "0102"):
            for n in range(4):
                cls.till(store, "/v1/cards", {"card_no": CARD if n == 0 else f"{CARD}{store}{n}"})
        for n in range(4):
            card = CARD if n == 0 else f"{CARD}0101{n}"
            cls.till("0101", "/v1/top-ups", {"order_no": f"t{n}", "card_no": card, "paid": 50000,
                                             "tender": "cash"})
            for m in range(3):
                cls.till("0101", "/v1/sales", {"order_no": f"s{n}-{m}", "card_no": card,
                                               "amount": 1200 + 7 * m})
        cls.till("0102", "/v1/top-ups", {"order_no": "t0", "card_no": CARD, "paid": 700,
                                         "tender": "wechat"})
        cls.till("0101", "/v1/refunds", {"order_no": "r1", "amount": 200,
                                         "of": {"store": "0101", "order_no": "s0-0"}})
        cls.till("0101", "/v1/refunds", {"order_no": "r2",
                                         "of": {"store": "0101", "order_no": "s1-1"}})
        cls.undo()
        cls.chain.wait_booked()

    @classmethod
    def undo(cls):
        """Top-ups paid back, points redeemed, and all of it cancelled and done again."""
        card = f"{CARD}01023"
        of_top_up = {"store": "0102", "order_no": "t1"}
        for n in range(2):
            cls.till("0102", "/v1/top-ups", {"order_no": f"t{n + 1}", "card_no": card,
                                             "paid": 9000, "tender": "cash"})
        cls.till("0102", "/v1/sales", {"order_no": "s1", "card_no": card, "amount": 1000})
        for n in range(2):
            cls.till("0102", "/v1/refunds", {"order_no": f"r{n}", "of": of_top_up})
            cls.till("0102", "/v1/points/redemptions", {"order_no": f"p{n}", "card_no": card,
                                                        "points": 7, "item": "mug"})
            if n == 0:
                cls.cancel("0102", "r0", "refund")
                cls.cancel("0102", "p0", "redemption")
        cls.cancel("0102", "s1", "sale")  # brings principal back into the lot that r1 closed
        cls.cancel("0102", "t2", "top_up")
        cls.cancel("0102", "none", "sale")

    @classmethod
    def cancel(cls, store, order_no, verb):
        """A success of the call, which answers 200."""
        status, _, answer = cls.chain.till(store, "POST", f"/v1/orders/{order_no}/cancel",
                                           {"verb": verb})
        if status not in (200, 201):
            raise AssertionError(f"cancel {order_no}: {status} {answer}")

    @classmethod
    def till(cls, store, path, body):
        status, _, answer = cls.chain.till(store, "POST", path, body)
        if status != 201:
            raise AssertionError(f"{path}: {status} {answer}")
        return answer

    def check(self):
        """What the proof says: (exit status, its JSON)."""
        status, output = self.chain.tribctl_status("-o", "json", "books", "check")
        return status, answer_in(output)

    def assert_found(self, change, undo, check, *words):
        """The change is one difference, in a cell with these words; without it there is none."""
        self.chain.sql(change)
        try:
            status, result = self.check()
        finally:
            self.chain.sql(undo)
        self.assertEqual(status, 5, result)
        self.assertEqual(result["difference"], 1, result)
        found = result["differences"][0]
        self.assertEqual(found["check"], check)
        for word in words:
            self.assertIn(word, found["cell"])
        status, result = self.check()
        self.assertEqual((status, result["difference"]), (0, 0), result)
        return found

    def test_books_of_a_trading_chain_are_proven(self):
        status, result = self.check()
        self.assertEqual(status, 0, result)
        self.assertEqual(result["difference"], 0)
        self.assertEqual(result["stores"], 2)
        self.assertEqual(result["entries"],
                         int(self.chain.sql("select count(*) from trib.journal")[0][0]))
        self.assertEqual(result["accounts"], 7)

    def test_a_fen_in_a_holding_is_found(self):
        where = (f"where node = {FIRST} and unit = 1"
                 " and principal = 50000 - 1200 - 1207 - 1214 + 200")
        undo = where.replace("principal = 50000", "principal = 1 + 50000")
        found = self.assert_found(f"update trib.holding set principal = principal + 1 {where}",
                                  f"update trib.holding set principal = principal - 1 {undo}",
                                  "holding", "store 0101", "account ", "lot ", "value")
        self.assertEqual((found["expected"], found["found"]), ("P46579 B0", "P46580 B0"))

    def test_a_fen_in_a_posting_is_found(self):
        where = f"where store = {FIRST} and ledger_account = 7"
        self.assert_found(f"update trib.posting set credit = credit + 1 {where}",
                          f"update trib.posting set credit = credit - 1 {where}",
                          "posting", "store 0101", "revenue", "money")

    def test_a_fen_in_a_day_total_is_found(self):
        where = f"where store = {SECOND} and kind = 2 and tender = 5 and unit = 1"
        self.assert_found(f"update trib.day_total set amount = amount - 1 {where}",
                          f"update trib.day_total set amount = amount + 1 {where}",
                          "day_total", "store 0102", "top_up", "wechat", "money")

    def test_a_fen_in_a_journal_row_is_found(self):
        where = f"where store = {FIRST} and order_no = 's2-1'"
        found = self.assert_found(f"update trib.journal set amount = amount + 1 {where}",
                                  f"update trib.journal set amount = amount - 1 {where}",
                                  "journal", "store 0101", "amount")
        self.assertEqual((found["expected"], found["found"]), ("1207", "1208"))

    def test_undone_business_leaves_its_trace_and_no_value(self):
        where = f"where store = {SECOND} and cancels is not null"
        self.assertEqual(self.chain.sql(
            "select trib.kind_name(kind), trib.verb_name(cancels), count(*), sum(amount) from"
            f" trib.journal {where} group by 1, 2 order by 1, 2"),
            [["order_cancelled", "sale", "1", "0"], ["refund", "sale", "1", "1000"],
             ["refund_top_up", "top_up", "1", "9000"], ["reversal", "redemption", "1", "0"],
             ["reversal", "refund", "1", "8000"]])
        self.assertEqual(self.chain.sql(
            "select r.amount, r.refunded, trib.kind_name(j.kind) from trib.receipt r"
            f" join trib.journal j using (store, incarnation, seq) where r.store = {SECOND}"
            " order by 3, 2"),
            [["1000", "1000", "sale"], ["9000", "8000", "top_up"], ["9000", "9000", "top_up"]])
        self.assertEqual(self.chain.sql(
            "select sum(principal), sum(bonus) from trib.holding join trib.card using (account)"
            f" where card_no = '{CARD}01023' and unit = 1"), [["1000", "0"]])

    def test_a_cancel_that_no_entry_says_is_found(self):
        where = f"where store = {SECOND} and order_no = 't1'"
        found = self.assert_found(f"update trib.journal set cancels = 2 {where}",
                                  f"update trib.journal set cancels = null {where}",
                                  "journal", "store 0102", "cancels")
        self.assertEqual((found["expected"], found["found"]), ("nothing", "a verb"))

    def test_a_fen_in_a_top_up_s_receipt_is_found(self):
        where = f"where store = {SECOND} and amount = 9000 and refunded ="
        self.assert_found(f"update trib.receipt set refunded = 8001 {where} 8000",
                          f"update trib.receipt set refunded = 8000 {where} 8001",
                          "receipt", "store 0102", "refunded")

    def test_a_fen_in_a_receipt_is_found(self):
        self.assert_found("update trib.receipt set refunded = refunded - 1 where refunded = 200",
                          "update trib.receipt set refunded = 200 where refunded = 199",
                          "receipt", "store 0101", "refunded")

    def test_a_point_owed_is_found(self):
        where = f"where home_store = {SECOND}"
        self.chain.sql(f"update trib.account set points_owed = points_owed + 1 {where}")
        try:
            status, result = self.check()
        finally:
            self.chain.sql(f"update trib.account set points_owed = points_owed - 1 {where}")
        self.assertEqual((status, result["difference"]), (5, 3))
        self.assertEqual({d["check"] for d in result["differences"]}, {"account"})

    def test_a_bit_in_an_entrys_bytes_is_found(self):
        change = ("update trib.journal set bytes = set_byte(bytes, length(bytes) - 1,"
                  " get_byte(bytes, length(bytes) - 1) # 1)"
                  f" where store = {FIRST} and order_no = 's3-0'")
        self.chain.sql(change)
        try:
            status, result = self.check()
            verify, output = self.chain.tribctl_status("-o", "json", "journal", "verify", "0101")
        finally:
            self.chain.sql(change)
        self.assertEqual(status, 5, result)
        self.assertTrue(any(d["check"] == "journal" and "head" in d["cell"]
                            for d in result["differences"]), result)
        self.assertEqual(verify, 5, output)
        self.assertEqual(self.check()[0], 0)

    def test_a_deleted_entry_is_found(self):
        self.chain.sql("create table trib.kept as select * from trib.journal"
                       f" where store = {SECOND} and seq = 2")
        self.chain.sql(f"delete from trib.journal where store = {SECOND} and seq = 2")
        try:
            status, result = self.check()
        finally:
            self.chain.sql("insert into trib.journal select * from trib.kept")
            self.chain.sql("drop table trib.kept")
        self.assertEqual(status, 5, result)
        self.assertTrue(any(d["found"] == "missing" and "entries 2 to 2" in d["cell"]
                            for d in result["differences"]), result)
        self.assertEqual(self.check()[0], 0)

    def test_a_forged_signed_head_is_found(self):
        change = ("update trib.signed_head set signed = set_byte(signed, length(signed) - 1,"
                  f" get_byte(signed, length(signed) - 1) # 1) where store = {SECOND} and seq ="
                  f" (select max(seq) from trib.signed_head where store = {SECOND})")
        found = self.assert_found(change, change, "signature", "store 0102")
        self.assertEqual(found["found"], "a signature that does not hold")

    def test_a_changed_down_message_is_found(self):
        change = ("update trib.down_log set head = set_byte(head, 0, get_byte(head, 0) # 1)"
                  f" where store = {FIRST} and seq = 1")
        self.assert_found(change, change, "down_log", "store 0101", "head")

    def test_a_journal_is_verified_alone(self):
        status, output = self.chain.tribctl_status("-o", "json", "journal", "verify", "0101")
        self.assertEqual(status, 0, output)
        self.assertTrue(answer_in(output)["ok"])


if __name__ == "__main__":
    unittest.main()
