-- Reporting views for psql and BI tools: stable names, read-only. A login that stands in
-- trib.region_role sees its region's rows only; book.card is for the finance role.

CREATE TABLE trib.region_role (
	role name PRIMARY KEY,
	region integer NOT NULL REFERENCES trib.region
);

CREATE FUNCTION trib.sees_store(node integer) RETURNS boolean
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
	AS $$
	SELECT NOT EXISTS (SELECT 1 FROM trib.region_role r WHERE r.role = session_user)
		OR EXISTS (SELECT 1 FROM trib.region_role r JOIN trib.store s USING (region)
			WHERE r.role = session_user AND s.store = node)
	$$;

CREATE FUNCTION trib.kind_name(kind smallint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE kind WHEN 32 THEN 'account_opened' WHEN 33 THEN 'card_linked'
		WHEN 35 THEN 'top_up' WHEN 36 THEN 'sale' WHEN 37 THEN 'refund'
		WHEN 100 THEN 'certificate_issued' WHEN 101 THEN 'quarantined'
		WHEN 102 THEN 'rule_set_published' ELSE 'unknown' END
	$$;
CREATE FUNCTION trib.total_kind_name(kind smallint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE kind WHEN 1 THEN 'account_opened' WHEN 2 THEN 'top_up' WHEN 3 THEN 'sale'
		WHEN 4 THEN 'refund' ELSE 'unknown' END
	$$;
CREATE FUNCTION trib.tender_name(tender integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE tender WHEN 1 THEN 'stored_value' WHEN 2 THEN 'cash' WHEN 3 THEN 'bank_card'
		WHEN 4 THEN 'alipay' WHEN 5 THEN 'wechat' WHEN 6 THEN 'unionpay' WHEN 7 THEN 'other'
		ELSE '' END
	$$;
CREATE FUNCTION trib.ledger_unit_name(unit smallint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE unit WHEN 1 THEN 'money' WHEN 2 THEN 'bonus' WHEN 3 THEN 'points'
		WHEN 4 THEN 'uses' ELSE '' END
	$$;
CREATE FUNCTION trib.unit_name(unit smallint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE unit WHEN 1 THEN 'value' WHEN 2 THEN 'points' WHEN 3 THEN 'uses' ELSE '' END
	$$;
CREATE FUNCTION trib.ledger_account_name(a smallint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT (ARRAY['tender_clearing', 'principal', 'bonus', 'points', 'uses',
		'deferred_membership', 'revenue', 'promotion_cost', 'clearing', 'breakage',
		'rounding', 'receivable', 'chain_loss', 'issued'])[a]
	$$;
CREATE FUNCTION trib.party_name(node integer) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN node = 0 THEN 'HQ' ELSE
		coalesce((SELECT code FROM trib.store s WHERE s.store = node), node::text) END
	$$;

CREATE SCHEMA book;

CREATE VIEW book.account_balance AS
	SELECT a.account, a.card_no_masked, a.account_type, a.tier, a.status,
		s.code AS home_store,
		coalesce(h.principal, 0)::bigint AS principal, coalesce(h.bonus, 0)::bigint AS bonus,
		coalesce(h.points, 0)::bigint AS points, a.points_owed, 0::bigint AS in_transit
	FROM trib.account a
	JOIN trib.store s ON s.store = a.home_store
	LEFT JOIN LATERAL (
		SELECT sum(principal) FILTER (WHERE unit = 1) AS principal,
			sum(bonus) FILTER (WHERE unit = 1) AS bonus,
			sum(principal) FILTER (WHERE unit = 2) AS points
		FROM trib.holding WHERE holding.account = a.account) h ON true
	WHERE trib.sees_store(a.home_store);

CREATE VIEW book.card AS
	SELECT c.account, c.card_no FROM trib.card c;

CREATE VIEW book.store_status AS
	SELECT s.code AS store, s.region, s.entity,
		CASE WHEN s.state <> 'enrolled' THEN s.state
			WHEN i.last_seen > now() - interval '30 seconds' THEN 'online'
			ELSE 'silent' END AS state,
		i.incarnation, greatest(i.stored_seq, i.booked_seq) AS stored_seq,
		greatest(i.relayed_seq, i.booked_seq) AS relayed_seq,
		i.booked_seq, i.last_seen, i.rules_version
	FROM trib.store s
	LEFT JOIN trib.incarnation i ON i.store = s.store AND i.state = 'active'
	WHERE s.store <> 0 AND trib.sees_store(s.store);

CREATE VIEW book.store_day AS
	SELECT s.code AS store, t.business_day, trib.total_kind_name(t.kind) AS kind,
		trib.tender_name(t.tender) AS tender, trib.ledger_unit_name(t.unit) AS unit,
		t.count, t.amount
	FROM trib.day_total t JOIN trib.store s USING (store)
	WHERE trib.sees_store(t.store);

CREATE VIEW book.trial_balance AS
	SELECT s.code AS store, p.business_day,
		trib.ledger_account_name(p.ledger_account) || CASE p.ledger_account
			WHEN 1 THEN '(' || s.code || ', ' || trib.tender_name(p.party2) || ')'
			WHEN 4 THEN '' WHEN 5 THEN ''
			ELSE '(' || trib.party_name(p.party1) || ')' END AS ledger_account,
		trib.ledger_unit_name(p.unit) AS unit, p.debit, p.credit
	FROM trib.posting p JOIN trib.store s USING (store)
	WHERE trib.sees_store(p.store);

CREATE VIEW book.journal_entry AS
	SELECT s.code AS store, j.incarnation, j.seq, j.at, j.business_day,
		trib.kind_name(j.kind) AS kind, j.account, j.order_no, j.operator, j.amount,
		q.reason AS quarantined
	FROM trib.journal j JOIN trib.store s USING (store)
	LEFT JOIN trib.quarantine q USING (store, incarnation, seq)
	WHERE trib.sees_store(j.store);

CREATE VIEW book.holding AS
	SELECT trib.party_name(h.node) AS node, h.account, h.lot, trib.unit_name(h.unit) AS unit,
		h.principal, h.bonus, trib.party_name(h.issuer) AS issuer, h.expires
	FROM trib.holding h
	WHERE trib.sees_store(h.node);

CREATE VIEW book.exception AS
	SELECT e.id, e.kind, s.code AS store, e.account, e.opened_at, e.owner, e.state, e.evidence
	FROM trib.exception e LEFT JOIN trib.store s USING (store)
	WHERE e.store IS NULL OR trib.sees_store(e.store);

-- Roles are the cluster's: made where the migrating login may make them, else by the DBA.
DO $$
BEGIN
	IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'tributary_report') THEN
		CREATE ROLE tributary_report NOLOGIN;
	END IF;
	IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'tributary_finance') THEN
		CREATE ROLE tributary_finance NOLOGIN IN ROLE tributary_report;
	END IF;
	GRANT USAGE ON SCHEMA book TO tributary_report;
	GRANT SELECT ON book.account_balance, book.store_status, book.store_day,
		book.trial_balance, book.journal_entry, book.holding, book.exception
		TO tributary_report;
	GRANT SELECT ON book.card TO tributary_finance;
EXCEPTION WHEN insufficient_privilege THEN
	RAISE NOTICE 'roles tributary_report and tributary_finance must be made by the DBA';
END
$$;
