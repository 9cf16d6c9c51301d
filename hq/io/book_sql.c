#include "book_sql.h"

#include <string.h>

#include "ids.h"

/* Sorted arrays meet their rows by index; a hash join over them is the planner's mistake. */
const char book_session_sql[] =
	"SELECT trib.expect('TB005', pg_try_advisory_lock(1414678850)::int, 1);" /* 'TRIB' */
	"SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off;"
	"SET synchronous_commit = on; SET idle_in_transaction_session_timeout = '60s'";

const char book_copy_sql[] =
	"BEGIN; COPY trib.journal (store, incarnation, seq, kind, business_day, at, account, amount,"
	" order_no, operator, cancels, head, bytes) FROM STDIN (FORMAT binary)";

static void field_text(struct pg_buffer *b, const char *s)
{
	if (s == NULL)
		pg_field_null(b);
	else
		pg_field(b, s, strlen(s));
}

static void copy_row(struct pg_buffer *b, const struct journal_row *row)
{
	const Trib__V1__Entry *e = row->entry;

	pg_put_i16(b, 13);
	pg_field_i32(b, row->store);
	pg_field_i32(b, (int32_t)row->incarnation);
	pg_field_i64(b, (int64_t)row->seq);
	if (e == NULL) { /* quarantined as malformed: only its place and bytes are known */
		pg_field_i16(b, 0);
		for (int i = 0; i < 3; i++)
			pg_field_null(b);
		pg_field_i64(b, 0);
		for (int i = 0; i < 3; i++)
			pg_field_null(b);
	} else {
		pg_field_i16(b, row->store == 0 ? TRIB__V1__ENTRY__BODY_QUARANTINED :
						  (int16_t)entry_kind(e));
		pg_field_i32(b, pg_date(e->business_day));
		pg_field_i64(b, pg_timestamp(e->wall_ms));
		if (e->has_account)
			pg_field(b, e->account.data, e->account.len);
		else
			pg_field_null(b);
		pg_field_i64(b, row->amount);
		field_text(b, e->order_no);
		field_text(b, e->operator_);
		if (e->has_cancels)
			pg_field_i16(b, (int16_t)e->cancels);
		else
			pg_field_null(b);
	}
	pg_field(b, row->head, HEAD_BYTES);
	pg_field(b, row->bytes, row->len);
}

void book_copy_data(const struct ingest_group *g, struct pg_buffer *ret)
{
	static const char header[] = "PGCOPY\n\377\r\n"; /* its NUL is part of the format */

	ret->len = 0;
	pg_put(ret, header, sizeof(header));
	pg_put_i32(ret, 0); /* flags */
	pg_put_i32(ret, 0); /* no extension */
	for (size_t i = 0; i < g->n_rows; i++)
		copy_row(ret, &g->rows[i]);
	pg_put_i16(ret, -1);
}

/* ---- cursors ---- */

static bool moved(const struct cursor_row *c)
{
	return c->to.seq != c->from.seq;
}

#define EACH_CURSOR(c)                                                                    \
	for (const struct cursor_row *c = g->cursors; c < g->cursors + g->n_cursors; c++) \
		if (moved(c))

static bool fill_cursors(const struct ingest_group *g, struct pg_params *p)
{
	struct pg_buffer *b;
	size_t n = 0;

	EACH_CURSOR(c)
	n++;
	b = pg_array(p, PG_INT4, n);
	EACH_CURSOR(c)
	pg_field_i32(b, c->store);
	b = pg_array(p, PG_INT4, n);
	EACH_CURSOR(c)
	pg_field_i32(b, (int32_t)c->incarnation);
	b = pg_array(p, PG_INT8, n);
	EACH_CURSOR(c)
	pg_field_i64(b, (int64_t)c->from.seq);
	b = pg_array(p, PG_INT8, n);
	EACH_CURSOR(c)
	pg_field_i64(b, (int64_t)c->to.seq);
	b = pg_array(p, PG_BYTEA, n);
	EACH_CURSOR(c)
	pg_field(b, c->to.head, HEAD_BYTES);
	pg_value_i64(p, (int64_t)n);
	return n > 0;
}

static bool fill_signed(const struct ingest_group *g, struct pg_params *p)
{
	struct pg_buffer *b;

	b = pg_array(p, PG_INT4, g->n_signed);
	for (size_t i = 0; i < g->n_signed; i++)
		pg_field_i32(b, g->signed_heads[i].store);
	b = pg_array(p, PG_INT4, g->n_signed);
	for (size_t i = 0; i < g->n_signed; i++)
		pg_field_i32(b, (int32_t)g->signed_heads[i].incarnation);
	b = pg_array(p, PG_INT8, g->n_signed);
	for (size_t i = 0; i < g->n_signed; i++)
		pg_field_i64(b, (int64_t)g->signed_heads[i].seq);
	b = pg_array(p, PG_BYTEA, g->n_signed);
	for (size_t i = 0; i < g->n_signed; i++)
		pg_field(b, g->signed_heads[i].signed_head.data,
			 g->signed_heads[i].signed_head.len);
	return g->n_signed > 0;
}

/* ---- accounts and cards ---- */

static const ProtobufCBinaryData *card_of(const struct opened_row *o)
{
	return o->is_link ? &o->entry->card_linked->card_no : &o->entry->account_opened->card_no;
}

#define EACH_OPENED(o)                                                                 \
	for (const struct opened_row *o = g->opened; o < g->opened + g->n_opened; o++) \
		if (!o->is_link)

static bool fill_accounts(const struct ingest_group *g, struct pg_params *p)
{
	char card[CARD_NO_MAX + 1], masked[CARD_NO_MAX + 1];
	struct pg_buffer *b;
	size_t n = 0;

	EACH_OPENED(o)
	n++;
	b = pg_array(p, PG_UUID, n);
	EACH_OPENED(o)
	pg_field(b, o->entry->account.data, ACCOUNT_ID_BYTES);
	b = pg_array(p, PG_TEXT, n);
	EACH_OPENED(o)
	field_text(b, o->entry->account_opened->account_type);
	b = pg_array(p, PG_INT4, n);
	EACH_OPENED(o)
	pg_field_i32(b, o->store);
	b = pg_array(p, PG_TEXT, n);
	EACH_OPENED(o)
	{
		memcpy(card, card_of(o)->data, card_of(o)->len);
		card[card_of(o)->len] = '\0';
		card_mask(card, masked);
		field_text(b, masked);
	}
	b = pg_array(p, PG_TIMESTAMPTZ, n);
	EACH_OPENED(o)
	pg_field_i64(b, pg_timestamp(o->entry->wall_ms));
	return n > 0;
}

static bool fill_facts(const struct ingest_group *g, struct pg_params *p)
{
	struct pg_buffer *b;
	size_t n = 0;

	EACH_OPENED(o)
	n++;
	b = pg_array(p, PG_INT4, n);
	EACH_OPENED(o)
	pg_field_i32(b, o->store);
	b = pg_array(p, PG_UUID, n);
	EACH_OPENED(o)
	pg_field(b, o->entry->account.data, ACCOUNT_ID_BYTES);
	return n > 0;
}

static bool fill_cards(const struct ingest_group *g, struct pg_params *p)
{
	struct pg_buffer *b;

	b = pg_array(p, PG_TEXT, g->n_opened);
	for (size_t i = 0; i < g->n_opened; i++)
		pg_field(b, card_of(&g->opened[i])->data, card_of(&g->opened[i])->len);
	b = pg_array(p, PG_UUID, g->n_opened);
	for (size_t i = 0; i < g->n_opened; i++)
		pg_field(b, g->opened[i].entry->account.data, ACCOUNT_ID_BYTES);
	return g->n_opened > 0;
}

/* ---- holdings ---- */

enum holding_class {
	CHANGE, /* a slice that must be there */
	ISSUE, /* a value or uses lot that must not be there yet */
	POINTS, /* a points lot: there or not */
};

static enum holding_class class_of(const struct holding_delta *d)
{
	if (d->key.unit == TRIB__V1__UNIT__UNIT_POINTS)
		return POINTS;
	return d->is_issue ? ISSUE : CHANGE;
}

static size_t count_class(const struct ingest_group *g, enum holding_class cls)
{
	size_t n = 0;

	for (size_t i = 0; i < g->holdings.n; i++)
		n += class_of(cells_sorted(&g->holdings, i)) == cls;
	return n;
}

#define EACH_HOLDING(d, cls)                                                         \
	for (size_t i_ = 0; i_ < g->holdings.n; i_++)                                \
		for (const struct holding_delta *d = cells_sorted(&g->holdings, i_); \
		     d != NULL && class_of(d) == (cls); d = NULL)

static void fill_keys(const struct ingest_group *g, struct pg_params *p, enum holding_class cls,
		      size_t n)
{
	struct pg_buffer *b;

	b = pg_array(p, PG_INT4, n);
	EACH_HOLDING(d, cls)
	pg_field_i32(b, d->key.node);
	b = pg_array(p, PG_UUID, n);
	EACH_HOLDING(d, cls)
	pg_field(b, d->key.account, ACCOUNT_ID_BYTES);
	b = pg_array(p, PG_INT8, n);
	EACH_HOLDING(d, cls)
	pg_field_i64(b, d->key.lot);
	b = pg_array(p, PG_INT2, n);
	EACH_HOLDING(d, cls)
	pg_field_i16(b, (int16_t)d->key.unit);
	b = pg_array(p, PG_INT8, n);
	EACH_HOLDING(d, cls)
	pg_field_i64(b, d->principal);
	b = pg_array(p, PG_INT8, n);
	EACH_HOLDING(d, cls)
	pg_field_i64(b, d->bonus);
}

enum way {
	MIN_PRINCIPAL,
	MAX_PRINCIPAL,
	MIN_BONUS,
	MAX_BONUS
};

static void fill_way(const struct ingest_group *g, struct pg_params *p, enum holding_class cls,
		     size_t n, enum way way)
{
	struct pg_buffer *b = pg_array(p, PG_INT8, n);

	EACH_HOLDING(d, cls)
	pg_field_i64(b, way == MIN_PRINCIPAL ? d->min_principal :
			way == MAX_PRINCIPAL ? d->max_principal :
			way == MIN_BONUS     ? d->min_bonus :
					       d->max_bonus);
}

static bool fill_changes(const struct ingest_group *g, struct pg_params *p)
{
	size_t n = count_class(g, CHANGE);

	fill_keys(g, p, CHANGE, n);
	fill_way(g, p, CHANGE, n, MIN_PRINCIPAL);
	fill_way(g, p, CHANGE, n, MAX_PRINCIPAL);
	fill_way(g, p, CHANGE, n, MIN_BONUS);
	fill_way(g, p, CHANGE, n, MAX_BONUS);
	pg_value_i64(p, (int64_t)n);
	return n > 0;
}

static bool fill_points(const struct ingest_group *g, struct pg_params *p)
{
	size_t n = count_class(g, POINTS);

	fill_keys(g, p, POINTS, n);
	fill_way(g, p, POINTS, n, MIN_PRINCIPAL);
	pg_value_i64(p, (int64_t)n);
	return n > 0;
}

static bool fill_issues(const struct ingest_group *g, struct pg_params *p)
{
	size_t n = count_class(g, ISSUE);
	struct pg_buffer *b;

	fill_keys(g, p, ISSUE, n);
	b = pg_array(p, PG_INT4, n);
	EACH_HOLDING(d, ISSUE)
	pg_field_i32(b, d->issuer);
	b = pg_array(p, PG_DATE, n);
	EACH_HOLDING(d, ISSUE)
	{
		if (d->expires == LOT_NEVER)
			pg_field_null(b);
		else
			pg_field_i32(b, pg_date(d->expires));
	}
	b = pg_array(p, PG_TIMESTAMPTZ, n);
	EACH_HOLDING(d, ISSUE)
	pg_field_i64(b, pg_timestamp(d->issued_ms));
	b = pg_array(p, PG_INT8, n);
	EACH_HOLDING(d, ISSUE)
	pg_field_i64(b, d->issued_principal);
	b = pg_array(p, PG_INT8, n);
	EACH_HOLDING(d, ISSUE)
	pg_field_i64(b, d->issued_bonus);
	pg_value_i64(p, (int64_t)n);
	return n > 0;
}

static bool fill_owed(const struct ingest_group *g, struct pg_params *p)
{
	struct pg_buffer *b;

	b = pg_array(p, PG_UUID, g->owed.n);
	for (size_t i = 0; i < g->owed.n; i++)
		pg_field(b, cells_sorted(&g->owed, i), ACCOUNT_ID_BYTES);
	b = pg_array(p, PG_INT8, g->owed.n);
	for (size_t i = 0; i < g->owed.n; i++)
		pg_field_i64(b,
			     ((const struct owed_delta *)cells_sorted(&g->owed, i))->points_owed);
	b = pg_array(p, PG_INT8, g->owed.n);
	for (size_t i = 0; i < g->owed.n; i++)
		pg_field_i64(
			b, ((const struct owed_delta *)cells_sorted(&g->owed, i))->min_points_owed);
	pg_value_i64(p, (int64_t)g->owed.n);
	return g->owed.n > 0;
}

#define EACH_RECEIPT(r)                                                                       \
	for (size_t i_ = 0; i_ < g->receipts.n; i_++)                                         \
		for (const struct receipt_sum *r = cells_sorted(&g->receipts, i_); r != NULL; \
		     r = NULL)

static bool fill_receipts(const struct ingest_group *g, struct pg_params *p)
{
	struct pg_buffer *b;
	size_t n = g->receipts.n;

	b = pg_array(p, PG_INT4, n);
	EACH_RECEIPT(r)
	pg_field_i32(b, r->key.store);
	b = pg_array(p, PG_INT4, n);
	EACH_RECEIPT(r)
	pg_field_i32(b, (int32_t)r->key.incarnation);
	b = pg_array(p, PG_INT8, n);
	EACH_RECEIPT(r)
	pg_field_i64(b, r->key.seq);
	b = pg_array(p, PG_INT2, n);
	EACH_RECEIPT(r)
	pg_field_i16(b, r->kind);
	b = pg_array(p, PG_UUID, n);
	EACH_RECEIPT(r)
	pg_field(b, r->account, ACCOUNT_ID_BYTES);
	b = pg_array(p, PG_INT8, n);
	EACH_RECEIPT(r)
	pg_field_i64(b, r->refunded);
	b = pg_array(p, PG_INT8, n);
	EACH_RECEIPT(r)
	pg_field_i64(b, r->min_refunded);
	b = pg_array(p, PG_INT8, n);
	EACH_RECEIPT(r)
	pg_field_i64(b, r->max_refunded);
	pg_value_i64(p, (int64_t)n);
	return n > 0;
}

/* ---- sums ---- */

#define EACH_POSTING(s)                                                                       \
	for (size_t i_ = 0; i_ < g->postings.n; i_++)                                         \
		for (const struct posting_sum *s = cells_sorted(&g->postings, i_); s != NULL; \
		     s = NULL)

static bool fill_postings(const struct ingest_group *g, struct pg_params *p)
{
	struct pg_buffer *b;
	size_t n = g->postings.n;

	b = pg_array(p, PG_INT4, n);
	EACH_POSTING(s)
	pg_field_i32(b, s->key.store);
	b = pg_array(p, PG_DATE, n);
	EACH_POSTING(s)
	pg_field_i32(b, pg_date(s->key.business_day));
	b = pg_array(p, PG_INT2, n);
	EACH_POSTING(s)
	pg_field_i16(b, s->key.account);
	b = pg_array(p, PG_INT4, n);
	EACH_POSTING(s)
	pg_field_i32(b, s->key.party1);
	b = pg_array(p, PG_INT4, n);
	EACH_POSTING(s)
	pg_field_i32(b, s->key.party2);
	b = pg_array(p, PG_INT2, n);
	EACH_POSTING(s)
	pg_field_i16(b, s->key.unit);
	b = pg_array(p, PG_INT8, n);
	EACH_POSTING(s)
	pg_field_i64(b, s->debit);
	b = pg_array(p, PG_INT8, n);
	EACH_POSTING(s)
	pg_field_i64(b, s->credit);
	return n > 0;
}

#define EACH_TOTAL(s)                               \
	for (size_t i_ = 0; i_ < g->totals.n; i_++) \
		for (const struct total_sum *s = cells_sorted(&g->totals, i_); s != NULL; s = NULL)

static bool fill_totals(const struct ingest_group *g, struct pg_params *p)
{
	struct pg_buffer *b;
	size_t n = g->totals.n;

	b = pg_array(p, PG_INT4, n);
	EACH_TOTAL(s)
	pg_field_i32(b, s->key.store);
	b = pg_array(p, PG_DATE, n);
	EACH_TOTAL(s)
	pg_field_i32(b, pg_date(s->key.business_day));
	b = pg_array(p, PG_INT2, n);
	EACH_TOTAL(s)
	pg_field_i16(b, s->key.kind);
	b = pg_array(p, PG_INT2, n);
	EACH_TOTAL(s)
	pg_field_i16(b, s->key.tender);
	b = pg_array(p, PG_INT2, n);
	EACH_TOTAL(s)
	pg_field_i16(b, s->key.unit);
	b = pg_array(p, PG_INT8, n);
	EACH_TOTAL(s)
	pg_field_i64(b, s->count);
	b = pg_array(p, PG_INT8, n);
	EACH_TOTAL(s)
	pg_field_i64(b, s->amount);
	return n > 0;
}

static bool fill_quarantine(const struct ingest_group *g, struct pg_params *p)
{
	struct pg_buffer *b;
	size_t n = g->n_quarantined;

	b = pg_array(p, PG_INT4, n);
	for (size_t i = 0; i < n; i++)
		pg_field_i32(b, g->quarantined[i].store);
	b = pg_array(p, PG_INT4, n);
	for (size_t i = 0; i < n; i++)
		pg_field_i32(b, (int32_t)g->quarantined[i].incarnation);
	b = pg_array(p, PG_INT8, n);
	for (size_t i = 0; i < n; i++)
		pg_field_i64(b, (int64_t)g->quarantined[i].seq);
	b = pg_array(p, PG_UUID, n);
	for (size_t i = 0; i < n; i++) {
		if (g->quarantined[i].has_account)
			pg_field(b, g->quarantined[i].account, ACCOUNT_ID_BYTES);
		else
			pg_field_null(b);
	}
	b = pg_array(p, PG_TEXT, n);
	for (size_t i = 0; i < n; i++)
		field_text(b, g->quarantined[i].reason);
	b = pg_array(p, PG_TEXT, n);
	for (size_t i = 0; i < n; i++)
		field_text(b, g->quarantined[i].detail);
	return n > 0;
}

#define HOLDING_KEY_IS_D \
	"h.node = d.node AND h.account = d.account AND h.lot = d.lot AND h.unit = d.unit"
#define RECEIPT_KEY_IS_D "r.store = d.store AND r.incarnation = d.incarnation AND r.seq = d.seq"
#define HOLDING_ARRAYS "$1::int4[], $2::uuid[], $3::int8[], $4::int2[], $5::int8[], $6::int8[]"
#define HOLDING_COLUMNS "node, account, lot, unit, principal, bonus"

const struct book_sql book_sqls[] = {
	{ "cursor",
	  "WITH u AS (UPDATE trib.incarnation i SET booked_seq = d.to_seq, booked_head = d.head"
	  " FROM unnest($1::int4[], $2::int4[], $3::int8[], $4::int8[], $5::bytea[])"
	  " AS d(store, incarnation, from_seq, to_seq, head)"
	  " WHERE i.store = d.store AND i.incarnation = d.incarnation AND i.booked_seq = d.from_seq"
	  " RETURNING i.store, i.incarnation, d.from_seq, d.to_seq),"
	  " b AS (INSERT INTO trib.booking (store, incarnation, from_seq, to_seq)"
	  " SELECT store, incarnation, from_seq + 1, to_seq FROM u ORDER BY store)"
	  " SELECT trib.expect('TB001', count(*), $6::int8) FROM u",
	  fill_cursors },
	{ "signed_head",
	  "INSERT INTO trib.signed_head SELECT * FROM"
	  " unnest($1::int4[], $2::int4[], $3::int8[], $4::bytea[])",
	  fill_signed },
	{ "account",
	  "INSERT INTO trib.account (account, account_type, home_store, card_no_masked, opened_at)"
	  " SELECT account, type, store, masked, at FROM unnest($1::uuid[], $2::text[], $3::int4[],"
	  " $4::text[], $5::timestamptz[]) WITH ORDINALITY AS d(account, type, store, masked, at, n)"
	  " ORDER BY store, n ON CONFLICT (account) DO NOTHING", /* as bookings are recorded */
	  fill_accounts },
	{ "facts_due",
	  "INSERT INTO trib.facts_due SELECT d.store, d.account FROM"
	  " unnest($1::int4[], $2::uuid[]) AS d(store, account) JOIN trib.account a USING (account)"
	  " WHERE a.home_store <> d.store ON CONFLICT DO NOTHING",
	  fill_facts },
	{ "card",
	  "INSERT INTO trib.card SELECT * FROM unnest($1::text[], $2::uuid[])"
	  " ON CONFLICT (card_no) DO NOTHING",
	  fill_cards },
	{ "holding_issue",
	  "WITH i AS (INSERT INTO trib.holding SELECT d.* FROM unnest($1::int4[], $2::uuid[],"
	  " $3::int8[], $4::int2[], $5::int8[], $6::int8[], $7::int4[], $8::date[],"
	  " $9::timestamptz[], $10::int8[], $11::int8[]) AS d(node, account, lot, unit, principal,"
	  " bonus, issuer, expires, issued_at, issued_principal, issued_bonus)"
	  " JOIN trib.account a USING (account) RETURNING 1)"
	  " SELECT trib.expect('TB003', count(*), $12::int8) FROM i",
	  fill_issues },
	{ "holding_change",
	  "WITH u AS (UPDATE trib.holding h SET principal = h.principal + d.principal,"
	  " bonus = h.bonus + d.bonus FROM unnest(" HOLDING_ARRAYS ", $7::int8[], $8::int8[],"
	  " $9::int8[], $10::int8[]) AS d(" HOLDING_COLUMNS ", min_p, max_p, min_b, max_b)"
	  " WHERE " HOLDING_KEY_IS_D " AND h.principal + d.min_p >= 0"
	  " AND h.principal + d.max_p <= h.issued_principal AND h.bonus + d.min_b >= 0"
	  " AND h.bonus + d.max_b <= h.issued_bonus RETURNING 1)"
	  " SELECT trib.expect('TB002', count(*), $11::int8) FROM u",
	  fill_changes },
	{ "holding_points",
	  "WITH d AS (SELECT * FROM unnest(" HOLDING_ARRAYS ", $7::int8[])"
	  " AS d(" HOLDING_COLUMNS ", min_p)),"
	  " u AS (UPDATE trib.holding h SET principal = h.principal + d.principal FROM d"
	  " WHERE " HOLDING_KEY_IS_D " AND h.principal + d.min_p >= 0 RETURNING 1),"
	  " i AS (INSERT INTO trib.holding SELECT d.node, d.account, d.lot, d.unit, d.principal, 0,"
	  " 0, NULL, NULL, 0, 0 FROM d JOIN trib.account a USING (account) WHERE d.min_p >= 0"
	  " AND NOT EXISTS (SELECT 1 FROM trib.holding h WHERE " HOLDING_KEY_IS_D ") RETURNING 1)"
	  " SELECT trib.expect('TB003', (SELECT count(*) FROM u) + (SELECT count(*) FROM i),"
	  " $8::int8)",
	  fill_points },
	{ "owed",
	  "WITH u AS (UPDATE trib.account a SET points_owed = a.points_owed + d.owed"
	  " FROM unnest($1::uuid[], $2::int8[], $3::int8[]) AS d(account, owed, min_owed)"
	  " WHERE a.account = d.account AND a.points_owed + d.min_owed >= 0 RETURNING 1)"
	  " SELECT trib.expect('TB003', count(*), $4::int8) FROM u",
	  fill_owed },
	{ "receipt",
	  "WITH d AS (SELECT d.*, j.amount FROM unnest($1::int4[], $2::int4[], $3::int8[], $4::int2[],"
	  " $5::uuid[], $6::int8[], $7::int8[], $8::int8[]) AS d(store, incarnation, seq, kind, account,"
	  " refunded, min_r, max_r) JOIN trib.journal j ON j.store = d.store"
	  " AND j.incarnation = d.incarnation AND j.seq = d.seq AND j.kind = d.kind"
	  " AND j.account = d.account),"
	  " u AS (UPDATE trib.receipt r SET refunded = r.refunded + d.refunded FROM d"
	  " WHERE " RECEIPT_KEY_IS_D " AND r.refunded + d.min_r >= 0"
	  " AND r.refunded + d.max_r <= r.amount RETURNING 1),"
	  " i AS (INSERT INTO trib.receipt SELECT d.store, d.incarnation, d.seq, d.amount, d.refunded"
	  " FROM d WHERE d.min_r >= 0 AND d.max_r <= d.amount"
	  " AND NOT EXISTS (SELECT 1 FROM trib.receipt r WHERE " RECEIPT_KEY_IS_D ") RETURNING 1)"
	  " SELECT trib.expect('TB004', (SELECT count(*) FROM u) + (SELECT count(*) FROM i), $9::int8)",
	  fill_receipts },
	{ "posting",
	  "INSERT INTO trib.posting AS p SELECT * FROM unnest($1::int4[], $2::date[], $3::int2[],"
	  " $4::int4[], $5::int4[], $6::int2[], $7::int8[], $8::int8[])"
	  " ON CONFLICT (store, business_day, ledger_account, party1, party2, unit)"
	  " DO UPDATE SET debit = p.debit + excluded.debit, credit = p.credit + excluded.credit",
	  fill_postings },
	{ "day_total",
	  "INSERT INTO trib.day_total AS t SELECT * FROM unnest($1::int4[], $2::date[], $3::int2[],"
	  " $4::int2[], $5::int2[], $6::int8[], $7::int8[])"
	  " ON CONFLICT (store, business_day, kind, tender, unit)"
	  " DO UPDATE SET count = t.count + excluded.count, amount = t.amount + excluded.amount",
	  fill_totals },
	{ "quarantine",
	  "WITH q AS (INSERT INTO trib.quarantine SELECT * FROM unnest($1::int4[], $2::int4[],"
	  " $3::int8[], $4::uuid[], $5::text[], $6::text[]) RETURNING *)"
	  " INSERT INTO trib.exception (kind, store, account, evidence)"
	  " SELECT 'quarantined', store, account, jsonb_build_object('incarnation', incarnation,"
	  " 'seq', seq, 'reason', reason, 'detail', detail) FROM q",
	  fill_quarantine },
};
const size_t book_n_sqls = sizeof(book_sqls) / sizeof(book_sqls[0]);
const size_t book_facts_sql = 3;
