-- Version 2 of a store's journal: cancels, PINs, members, an account's history, business days.
-- order_record: a cancelled order has cancel_seq, the entry that ended it, and the cancel's answer.
-- One that never arrived has status 409, no fingerprint, and seq = cancel_seq.
ALTER TABLE order_record ADD COLUMN cancel_seq INTEGER;
ALTER TABLE order_record ADD COLUMN is_reversed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE order_record ADD COLUMN cancel_answer TEXT;
-- account: the PIN's verifier and what its failures lead to.
ALTER TABLE account ADD COLUMN pin_verifier TEXT;
ALTER TABLE account ADD COLUMN pin_failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN pin_locked_until_ms INTEGER NOT NULL DEFAULT 0;
-- account_entry: the entries of an account, to be shown.
CREATE TABLE account_entry (
  account BLOB NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (account, seq)
) STRICT, WITHOUT ROWID;
-- refund: refunds of a receipt of this journal; is_undone: a reversal followed.
CREATE TABLE refund (
  seq INTEGER PRIMARY KEY REFERENCES entry (seq),
  of_seq INTEGER NOT NULL,
  is_undone INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX refund_of ON refund (of_seq);
-- member: who an account belongs to, sealed; the indexes are keyed hashes.
CREATE TABLE member (
  account BLOB PRIMARY KEY REFERENCES account (account),
  sealed BLOB NOT NULL,
  phone_index BLOB,
  last4_index BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX member_phone ON member (phone_index) WHERE phone_index IS NOT NULL;
CREATE INDEX member_last4 ON member (last4_index) WHERE last4_index IS NOT NULL;
-- business_day: its first entry; its others follow up to the next day's first.
CREATE TABLE business_day (
  day INTEGER PRIMARY KEY,
  first_seq INTEGER NOT NULL
) STRICT;
-- day_seal: a closed day, its seal's entry and the answer.
CREATE TABLE day_seal (
  day INTEGER PRIMARY KEY,
  seq INTEGER NOT NULL REFERENCES entry (seq),
  fingerprint BLOB NOT NULL,
  answer TEXT NOT NULL
) STRICT;
