-- A store's journal. One connection, exclusive; one transaction a turn of the loop.
-- entry: what the shop did, as the exact bytes that are hashed, signed and sent.
CREATE TABLE entry (
  seq INTEGER PRIMARY KEY CHECK (seq > 0),
  bytes BLOB NOT NULL,
  head BLOB NOT NULL CHECK (length(head) = 32)
) STRICT;
-- order_record: the one success of each (verb, order number), for ever. verb: enum agent_verb.
CREATE TABLE order_record (
  verb INTEGER NOT NULL,
  order_no TEXT NOT NULL,
  fingerprint BLOB NOT NULL,
  seq INTEGER NOT NULL REFERENCES entry (seq),
  status INTEGER NOT NULL,
  answer TEXT NOT NULL,
  PRIMARY KEY (verb, order_no)
) STRICT, WITHOUT ROWID;
-- key_record: the answer to each Idempotency-Key. answer is null where order_record has it.
CREATE TABLE key_record (
  key TEXT PRIMARY KEY,
  verb INTEGER NOT NULL,
  order_no TEXT,
  fingerprint BLOB NOT NULL,
  seq INTEGER NOT NULL,
  status INTEGER NOT NULL,
  answer TEXT,
  at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX key_refused ON key_record (at_ms) WHERE status = 422;
CREATE TABLE account (
  account BLOB PRIMARY KEY CHECK (length(account) = 16),
  type TEXT NOT NULL,
  tier TEXT NOT NULL,
  status INTEGER NOT NULL,
  points_owed INTEGER NOT NULL CHECK (points_owed >= 0),
  home_store TEXT NOT NULL DEFAULT '',
  facts_as_of_ms INTEGER NOT NULL DEFAULT 0,
  facts_principal INTEGER NOT NULL DEFAULT 0,
  facts_bonus INTEGER NOT NULL DEFAULT 0,
  facts_points INTEGER NOT NULL DEFAULT 0,
  facts_here INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE card (
  card_no TEXT PRIMARY KEY,
  account BLOB NOT NULL REFERENCES account (account)
) STRICT, WITHOUT ROWID;
CREATE INDEX card_account ON card (account);
-- slice: what this node holds. unit: Trib.V1.Unit.
CREATE TABLE slice (
  account BLOB NOT NULL REFERENCES account (account),
  unit INTEGER NOT NULL,
  lot INTEGER NOT NULL,
  issuer INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  issued_ms INTEGER NOT NULL,
  issued_principal INTEGER NOT NULL,
  issued_bonus INTEGER NOT NULL,
  principal INTEGER NOT NULL CHECK (principal >= 0),
  bonus INTEGER NOT NULL CHECK (bonus >= 0),
  PRIMARY KEY (account, unit, lot)
) STRICT, WITHOUT ROWID;
-- holder: where HQ last knew the account's value to be.
CREATE TABLE holder (
  account BLOB NOT NULL REFERENCES account (account),
  store TEXT NOT NULL,
  principal INTEGER NOT NULL,
  bonus INTEGER NOT NULL,
  silent_since_ms INTEGER,
  PRIMARY KEY (account, store)
) STRICT, WITHOUT ROWID;
-- receipt: what of a sale came back so far.
CREATE TABLE receipt (
  seq INTEGER PRIMARY KEY REFERENCES entry (seq),
  refunded INTEGER NOT NULL CHECK (refunded >= 0)
) STRICT;
-- down: HQ's messages to this store and incarnation.
CREATE TABLE down (
  seq INTEGER PRIMARY KEY CHECK (seq > 0),
  bytes BLOB NOT NULL,
  head BLOB NOT NULL CHECK (length(head) = 32)
) STRICT;
CREATE TABLE rule_set (
  version INTEGER PRIMARY KEY,
  effective_ms INTEGER NOT NULL,
  payload BLOB NOT NULL
) STRICT;
CREATE TABLE lane (
  lane INTEGER PRIMARY KEY,
  token_hash BLOB NOT NULL,
  label TEXT NOT NULL
) STRICT;
CREATE TABLE pairing (
  code_hash BLOB PRIMARY KEY,
  lane INTEGER NOT NULL,
  label TEXT NOT NULL,
  expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- meta: certificate, booked, booked_other, relayed, down_signed, settings.
CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;
