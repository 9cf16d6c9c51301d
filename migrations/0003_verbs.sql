-- Refunds of top-ups, redemptions, reversals, cancelled orders, sealed days and PIN events.
--
--   B5  receipt.refunded = sum of the refunds of that sale or top-up, less those undone; it is
--       never below 0 nor above what the receipt came to (design 12)

-- A receipt all of whose refunds were undone keeps its row, at 0.
ALTER TABLE trib.receipt ADD CHECK (refunded >= 0);

-- The verb whose order the entry cancels; its order_no is that order's.
ALTER TABLE trib.journal ADD COLUMN cancels smallint;

-- Entry kinds that the store was last told to be accepted here; null: not recorded.
ALTER TABLE trib.incarnation ADD COLUMN announced_kinds integer[];

CREATE OR REPLACE FUNCTION trib.kind_name(kind smallint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE kind WHEN 32 THEN 'account_opened' WHEN 33 THEN 'card_linked'
		WHEN 35 THEN 'top_up' WHEN 36 THEN 'sale' WHEN 37 THEN 'refund'
		WHEN 38 THEN 'refund_top_up' WHEN 39 THEN 'points_redeemed'
		WHEN 45 THEN 'order_cancelled' WHEN 47 THEN 'day_sealed' WHEN 50 THEN 'pin_event'
		WHEN 51 THEN 'reversal'
		WHEN 100 THEN 'certificate_issued' WHEN 101 THEN 'quarantined'
		WHEN 102 THEN 'rule_set_published' ELSE 'unknown' END
	$$;
CREATE OR REPLACE FUNCTION trib.total_kind_name(kind smallint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE kind WHEN 1 THEN 'account_opened' WHEN 2 THEN 'top_up' WHEN 3 THEN 'sale'
		WHEN 4 THEN 'refund' WHEN 5 THEN 'refund_top_up' WHEN 6 THEN 'redemption'
		WHEN 7 THEN 'reversal_refund' WHEN 8 THEN 'reversal_refund_top_up'
		WHEN 9 THEN 'reversal_redemption' ELSE 'unknown' END
	$$;
CREATE FUNCTION trib.verb_name(verb smallint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE verb WHEN 2 THEN 'top_up' WHEN 3 THEN 'sale' WHEN 4 THEN 'refund'
		WHEN 5 THEN 'redemption' END
	$$;

CREATE OR REPLACE VIEW book.journal_entry AS
	SELECT s.code AS store, j.incarnation, j.seq, j.at, j.business_day,
		trib.kind_name(j.kind) AS kind, j.account, j.order_no, j.operator, j.amount,
		q.reason AS quarantined, trib.verb_name(j.cancels) AS cancels
	FROM trib.journal j JOIN trib.store s USING (store)
	LEFT JOIN trib.quarantine q USING (store, incarnation, seq)
	WHERE trib.sees_store(j.store);
