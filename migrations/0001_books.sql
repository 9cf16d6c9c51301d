-- HQ's books. One writer per store: trib-hq's ingest.
--
-- Keys contain their distribution column (journal and holdings: the store; accounts: the account),
-- so that the same schema spreads over several servers.
--
--   journal ──fold──> holding, account.points_owed, posting, day_total, receipt
--      └── incarnation.booked_seq: the cursor, in the same transaction
--
-- Invariants
--   B1  journal has exactly the seqs 1..booked_seq of each incarnation (design 5)
--   B2  holding, posting, day_total and points_owed equal the fold of journal in the order of
--       booking, without the quarantined entries (design 6, 10)
--   B3  holding.principal >= 0 and holding.bonus >= 0, and no more than was issued (design 1, 2)
--   B4  per store, day and unit: sum of debits = sum of credits (design 6)
--   B5  receipt.refunded = sum of the refunds of that sale, and <= what it came to (design 12)
--   B6  down_log has exactly the seqs 1..down_seq of each incarnation

CREATE SCHEMA trib;

CREATE TABLE trib.chain (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	chain bytea NOT NULL CHECK (length(chain) = 16),
	name text NOT NULL,
	hq_epoch integer NOT NULL,
	hq_sign_key bytea NOT NULL CHECK (length(hq_sign_key) = 32),
	roster_version bigint NOT NULL DEFAULT 0,
	created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE trib.region (
	region integer PRIMARY KEY CHECK (region > 0),
	name text NOT NULL,
	state text NOT NULL CHECK (state IN ('new', 'enrolled', 'revoked')),
	certificate bytea,             -- Signed, as sent
	sign_key bytea,
	curve_key bytea,
	listen_endpoint text,          -- as the relay last told
	enroll_endpoint text,
	software text,
	last_seen timestamptz,
	created_at timestamptz NOT NULL DEFAULT now()
);

-- Node 0 is HQ itself.
CREATE TABLE trib.store (
	store integer PRIMARY KEY CHECK (store >= 0 AND store < 1048576),
	code text NOT NULL UNIQUE,
	region integer REFERENCES trib.region,
	entity text NOT NULL,
	time_zone text NOT NULL,
	cutoff_min integer NOT NULL CHECK (cutoff_min BETWEEN 0 AND 1439),
	state text NOT NULL CHECK (state IN ('new', 'enrolled', 'fenced')),
	created_at timestamptz NOT NULL DEFAULT now()
);

-- A store's life: its cursor, its down log's end, and what it last said of itself.
CREATE TABLE trib.incarnation (
	store integer NOT NULL REFERENCES trib.store,
	incarnation integer NOT NULL CHECK (incarnation BETWEEN 1 AND 1023),
	state text NOT NULL CHECK (state IN ('active', 'closed')),
	certificate bytea NOT NULL,    -- Signed, as sent
	sign_key bytea NOT NULL CHECK (length(sign_key) = 32),
	curve_key bytea,
	booked_seq bigint NOT NULL DEFAULT 0,
	booked_head bytea NOT NULL CHECK (length(booked_head) = 32),
	down_seq bigint NOT NULL DEFAULT 0,
	down_head bytea NOT NULL CHECK (length(down_head) = 32),
	down_applied bigint NOT NULL DEFAULT 0, -- as reported: display only
	stored_seq bigint NOT NULL DEFAULT 0,   -- as reported
	relayed_seq bigint NOT NULL DEFAULT 0,  -- as reported
	rules_version bigint,
	software text,
	last_seen timestamptz,
	is_forked boolean NOT NULL DEFAULT false, -- two histories were signed: nothing more is booked
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (store, incarnation)
);
CREATE UNIQUE INDEX ON trib.incarnation (store) WHERE state = 'active';

CREATE TABLE trib.enroll_code (
	code_id bytea PRIMARY KEY CHECK (length(code_id) = 8),
	secret bytea NOT NULL,
	region integer NOT NULL REFERENCES trib.region,
	store integer REFERENCES trib.store, -- null: the region's relay
	reason text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	used_at timestamptz,
	request_hash bytea,            -- of the request that used it: the same request is answered again
	grant_sealed bytea
);

CREATE TABLE trib.journal (
	store integer NOT NULL,
	incarnation integer NOT NULL,
	seq bigint NOT NULL,
	kind smallint NOT NULL,        -- the body's field number; 0 unknown
	business_day date,
	at timestamptz,
	account uuid,
	amount bigint NOT NULL,        -- paid, payable or refunded; 0 where none applies
	order_no text,
	operator text,
	head bytea NOT NULL,
	bytes bytea NOT NULL,          -- the entry: what was hashed and signed
	PRIMARY KEY (store, incarnation, seq)
);
CREATE INDEX ON trib.journal (account) WHERE account IS NOT NULL;

CREATE TABLE trib.signed_head (
	store integer NOT NULL,
	incarnation integer NOT NULL,
	seq bigint NOT NULL,
	signed bytea NOT NULL,         -- Signed SignedHead, as received
	PRIMARY KEY (store, incarnation, seq)
);

CREATE TABLE trib.booking (
	no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	store integer NOT NULL,
	incarnation integer NOT NULL,
	from_seq bigint NOT NULL,
	to_seq bigint NOT NULL,
	at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE trib.account (
	account uuid PRIMARY KEY,
	account_type text NOT NULL,
	tier text NOT NULL DEFAULT '',
	status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'blocked', 'closed')),
	home_store integer NOT NULL,
	card_no_masked text NOT NULL,
	points_owed bigint NOT NULL DEFAULT 0 CHECK (points_owed >= 0),
	opened_at timestamptz NOT NULL
);

CREATE TABLE trib.card (
	card_no text PRIMARY KEY,
	account uuid NOT NULL
);
CREATE INDEX ON trib.card (account);

CREATE TABLE trib.holding (
	node integer NOT NULL,
	account uuid NOT NULL,
	lot bigint NOT NULL,
	unit smallint NOT NULL,
	principal bigint NOT NULL CHECK (principal >= 0),
	bonus bigint NOT NULL CHECK (bonus >= 0),
	issuer integer NOT NULL,
	expires date,                  -- last day it may be spent; null: never
	issued_at timestamptz,
	issued_principal bigint NOT NULL,
	issued_bonus bigint NOT NULL,
	PRIMARY KEY (node, account, lot, unit),
	CHECK (unit = 2 OR (principal <= issued_principal AND bonus <= issued_bonus)) -- points lots gather
);
CREATE INDEX ON trib.holding (account);

CREATE TABLE trib.posting (
	store integer NOT NULL,
	business_day date NOT NULL,
	ledger_account smallint NOT NULL,
	party1 integer NOT NULL,
	party2 integer NOT NULL,
	unit smallint NOT NULL,
	debit bigint NOT NULL CHECK (debit >= 0),
	credit bigint NOT NULL CHECK (credit >= 0),
	PRIMARY KEY (store, business_day, ledger_account, party1, party2, unit)
);

CREATE TABLE trib.day_total (
	store integer NOT NULL,
	business_day date NOT NULL,
	kind smallint NOT NULL,
	tender smallint NOT NULL,
	unit smallint NOT NULL,
	count bigint NOT NULL,
	amount bigint NOT NULL,
	PRIMARY KEY (store, business_day, kind, tender, unit)
);

-- A receipt that something came back of (design 12). One that nothing came back of has no row.
CREATE TABLE trib.receipt (
	store integer NOT NULL,
	incarnation integer NOT NULL,
	seq bigint NOT NULL,           -- of the sale's entry
	amount bigint NOT NULL,
	refunded bigint NOT NULL CHECK (refunded <= amount),
	PRIMARY KEY (store, incarnation, seq)
);

-- Derived from HQ's own journal entries of kind `quarantined`.
CREATE TABLE trib.quarantine (
	store integer NOT NULL,
	incarnation integer NOT NULL,
	seq bigint NOT NULL,
	account uuid,
	reason text NOT NULL,
	detail text,
	PRIMARY KEY (store, incarnation, seq)
);

CREATE TABLE trib.exception (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	kind text NOT NULL,
	store integer,
	account uuid,
	opened_at timestamptz NOT NULL DEFAULT now(),
	owner text,
	state text NOT NULL DEFAULT 'open',
	evidence jsonb NOT NULL
);

-- Batches that are no part of the journal but show what somebody did.
CREATE TABLE trib.evidence (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	kind text NOT NULL,
	store integer NOT NULL,
	incarnation integer NOT NULL,
	first_seq bigint NOT NULL,
	region integer NOT NULL,       -- whose relay brought it
	batch bytea NOT NULL,          -- Batch: its items and signed head as received
	at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE trib.down_log (
	store integer NOT NULL,
	incarnation integer NOT NULL,
	seq bigint NOT NULL,
	bytes bytea NOT NULL,          -- DownMessage
	head bytea NOT NULL,
	signed bytea NOT NULL,         -- Signed SignedHead for this seq
	at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (store, incarnation, seq)
);

-- A store opened an account that had its home elsewhere: it is to be told what HQ knows.
CREATE TABLE trib.facts_due (
	store integer NOT NULL,
	account uuid NOT NULL,
	PRIMARY KEY (store, account)
);

CREATE TABLE trib.rule_set (
	version bigint PRIMARY KEY,
	name text NOT NULL,
	signed bytea NOT NULL,         -- Signed RuleSet, as sent
	source text NOT NULL,          -- the JSON that it was compiled from
	reason text NOT NULL,
	published_at timestamptz NOT NULL DEFAULT now()
);

-- A statement of ingest that must touch exactly `want` rows. TB001: a cursor is not where ingest
-- thinks. TB002: a slice that is not there was to be changed. TB003: value for an unknown account.
-- TB004: a refund of a sale that this account did not make. TB005: another trib-hq writes here.
CREATE FUNCTION trib.expect(code text, got bigint, want bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF got <> want THEN
		RAISE EXCEPTION 'expected % rows, found %', want, got USING ERRCODE = code;
	END IF;
END
$$;
