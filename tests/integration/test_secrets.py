"""Keys and tokens stay in their files: 0600, and in no log; nor does a card or phone number."""

import glob
import os
import re
import stat
import unittest

from harness import Chain

CARD = "6222021234567890123"
PHONE, NAME = "13800135678", "王小明"


class Secrets(unittest.TestCase):
    """A chain that has enrolled, traded, refused, and lost a daemon."""

    @classmethod
    def setUpClass(cls):
        cls.chain = Chain(stores=1, regions=1)
        cls.chain.__enter__()
        cls.addClassCleanup(cls.chain.__exit__, None, None, None)
        chain = cls.chain
        chain.till("0101", "POST", "/v1/cards", {"card_no": CARD,
                                                 "member": {"name": NAME, "phone": PHONE}})
        chain.till("0101", "POST", "/v1/cards/search", {"phone": PHONE})
        chain.till("0101", "POST", "/v1/top-ups", {"order_no": "T1", "card_no": CARD, "paid": 5000,
                                                   "tender": "cash"})
        chain.till("0101", "POST", "/v1/sales", {"order_no": "S1", "card_no": CARD,
                                                 "amount": 9000000})
        chain.till("0101", "POST", "/v1/sales", {"order_no": "S1", "card_no": CARD, "bogus": CARD})
        chain.kill(chain.hq())
        chain.start(chain.hq())
        chain.wait_booked()

    def secret_files(self):
        """Key files and tokens of all daemons."""
        found = [path for node in self.chain.nodes() for name in ("*.keys", "*.key", "*.token")
                 for path in glob.glob(os.path.join(node["data"], name))]
        self.assertGreaterEqual(len(found), 8)
        return found

    def test_secret_files_are_for_their_owner_only(self):
        for path in self.secret_files():
            with self.subTest(os.path.basename(path)):
                self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)

    def test_no_log_holds_a_secret(self):
        words = {CARD, PHONE, NAME, self.chain.store("0101")["token"]}
        for path in self.secret_files():
            with open(path, encoding="ascii") as f:
                words |= set(re.findall(r"[0-9A-Za-z+/_-]{32,}", f.read()))
        self.assertGreaterEqual(len(words), 13)
        for log in glob.glob(os.path.join(self.chain.dir, "log", "*")):
            with open(log, encoding="utf-8", errors="replace") as f:
                text = f.read()
            for word in words:
                self.assertNotIn(word, text, f"a secret stands in {os.path.basename(log)}")

    def test_a_member_stays_in_the_shop_and_is_sealed_there(self):
        got = self.chain.till("0101", "POST", "/v1/cards/search", {"phone": PHONE})[2]
        self.assertEqual(got["accounts"][0]["member"], {"name": NAME, "phone": "138****5678"})
        (whole,), = self.chain.sql("SELECT string_agg(encode(bytes, 'hex'), ' ') FROM trib.journal")
        self.assertIn(CARD.encode().hex(), whole)
        for word in (PHONE, NAME):
            self.assertNotIn(word.encode().hex(), whole)
        for node in self.chain.nodes():
            for folder, _, names in os.walk(node["data"]):
                for name in names:
                    with open(os.path.join(folder, name), "rb") as f:
                        text = f.read()
                    for word in (PHONE, NAME):
                        self.assertNotIn(word.encode(), text, os.path.join(folder, name))

    def test_the_books_show_the_card_masked(self):
        (masked,), = self.chain.sql("SELECT card_no_masked FROM book.account_balance")
        self.assertRegex(masked, r"^\*+0123$")
        status, output = self.chain.tribctl_status("journal", "show", "0101")
        self.assertEqual(status, 0)
        self.assertNotIn(CARD, output)


if __name__ == "__main__":
    unittest.main()
