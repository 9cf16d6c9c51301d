#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "check_run.h"

/* ---- holdings ---- */

static const char *unit_text(int64_t unit)
{
	switch (unit) {
	case TRIB__V1__UNIT__UNIT_VALUE:
		return "value";
	case TRIB__V1__UNIT__UNIT_POINTS:
		return "points";
	case TRIB__V1__UNIT__UNIT_USES:
		return "uses";
	default:
		return "no unit";
	}
}

static const char *held_text(int64_t principal, int64_t bonus, char ret[64])
{
	snprintf(ret, 64, "P%" PRId64 " B%" PRId64, principal, bonus);
	return ret;
}

static void differ_holding(struct check_run *c, const struct holding_key *k, const char *check,
			   const char *expected, const char *found)
{
	char account[ACCOUNT_TEXT_BYTES];

	check_differ(c, check, expected, found, "store %s, account %s, lot %" PRId64 ", %s",
		     check_code(c, k->node), check_account_text(k->account, account), k->lot,
		     unit_text(k->unit));
}

enum {
	H_ACCOUNT,
	H_LOT,
	H_UNIT,
	H_PRINCIPAL,
	H_BONUS,
	H_ISSUER,
	H_EXPIRES,
	H_ISSUED_AT,
	H_ISSUED_P,
	H_ISSUED_B
};

static const char *terms_text(char ret[128], int64_t issuer, bool is_never, int32_t expires,
			      int64_t issued_us, int64_t principal, int64_t bonus)
{
	char day[16];

	snprintf(ret, 128,
		 "issuer %" PRId64 ", P%" PRId64 " B%" PRId64 ", expires %s, issued %" PRId64,
		 issuer, principal, bonus, is_never ? "never" : check_day_text(expires, day),
		 issued_us);
	return ret;
}

static void compare_terms(struct check_run *c, const struct refold_holding *h,
			  const struct pgcursor *row)
{
	char expected[128], found[128];

	if (!h->is_issued)
		return;
	terms_text(expected, h->issuer, h->expires == LOT_NEVER, h->expires, h->issued_ms * 1000,
		   h->issued_principal, h->issued_bonus);
	terms_text(found, pgc_int(row, H_ISSUER), pgc_null(row, H_EXPIRES),
		   pgc_null(row, H_EXPIRES) ? 0 : pgc_date(row, H_EXPIRES),
		   pgc_null(row, H_ISSUED_AT) ? 0 : pgc_us(row, H_ISSUED_AT),
		   pgc_int(row, H_ISSUED_P), pgc_int(row, H_ISSUED_B));
	if (strcmp(expected, found) != 0)
		differ_holding(c, &h->key, "holding_terms", expected, found);
}

static void compare_holding(struct check_run *c, const struct check_store *s,
			    const struct pgcursor *row)
{
	struct refold_holding *h;
	struct holding_key key;
	char expected[64], found[64];
	int64_t principal = pgc_int(row, H_PRINCIPAL), bonus = pgc_int(row, H_BONUS);
	size_t len;

	memset(&key, 0, sizeof(key));
	key.node = s->store;
	key.lot = pgc_int(row, H_LOT);
	key.unit = (int32_t)pgc_int(row, H_UNIT);
	memcpy(key.account, pgc_bytes(row, H_ACCOUNT, &len), ACCOUNT_ID_BYTES);
	h = growing_find(&c->refold.holdings, &key);
	if (h == NULL) {
		differ_holding(c, &key, "holding", "nothing", held_text(principal, bonus, found));
		return;
	}
	h->is_seen = true;
	if (h->principal != principal || h->bonus != bonus)
		differ_holding(c, &key, "holding", held_text(h->principal, h->bonus, expected),
			       held_text(principal, bonus, found));
	compare_terms(c, h, row);
}

static void check_holdings(struct check_run *c, const struct check_store *s)
{
	struct pgcursor rows;

	pgcursor_open(&rows, c->conn, "holdings",
		      "SELECT account, lot, unit, principal, bonus, issuer, expires, issued_at,"
		      " issued_principal, issued_bonus FROM trib.holding WHERE node = %d",
		      s->store);
	while (pgcursor_next(&rows))
		compare_holding(c, s, &rows);
	pgcursor_close(&rows);
	for (size_t i = 0; i < growing_n(&c->refold.holdings); i++) {
		const struct refold_holding *h = growing_row(&c->refold.holdings, i);
		char expected[64];

		if (!h->is_seen && (h->principal != 0 || h->bonus != 0))
			differ_holding(c, &h->key, "holding",
				       held_text(h->principal, h->bonus, expected), "nothing");
	}
}

/* ---- postings ---- */

static const char *sides_text(int64_t debit, int64_t credit, char ret[64])
{
	snprintf(ret, 64, "Dr %" PRId64 " Cr %" PRId64, debit, credit);
	return ret;
}

static void differ_posting(struct check_run *c, const struct posting_key *k, const char *expected,
			   const char *found)
{
	char day[16];

	check_differ(c, "posting", expected, found, "store %s, %s, %s(%d, %d), %s",
		     check_code(c, k->store), check_day_text(k->business_day, day),
		     ledger_account_name((enum ledger_account)k->account), k->party1, k->party2,
		     ledger_unit_name((enum ledger_unit)k->unit));
}

static void check_postings(struct check_run *c, const struct check_store *s)
{
	char expected[64], found[64];
	struct pgcursor rows;

	pgcursor_open(&rows, c->conn, "postings",
		      "SELECT business_day, ledger_account, party1, party2, unit, debit, credit"
		      " FROM trib.posting WHERE store = %d",
		      s->store);
	while (pgcursor_next(&rows)) {
		int64_t debit = pgc_int(&rows, 5), credit = pgc_int(&rows, 6);
		struct refold_posting *p;
		struct posting_key key;

		memset(&key, 0, sizeof(key));
		key.store = s->store;
		key.business_day = pgc_date(&rows, 0);
		key.account = (int16_t)pgc_int(&rows, 1);
		key.party1 = (int32_t)pgc_int(&rows, 2);
		key.party2 = (int32_t)pgc_int(&rows, 3);
		key.unit = (int16_t)pgc_int(&rows, 4);
		p = growing_find(&c->refold.postings, &key);
		if (p != NULL)
			p->is_seen = true;
		if (p == NULL || p->debit != debit || p->credit != credit)
			differ_posting(c, &key,
				       p != NULL ? sides_text(p->debit, p->credit, expected) :
						   "nothing",
				       sides_text(debit, credit, found));
	}
	pgcursor_close(&rows);
	for (size_t i = 0; i < growing_n(&c->refold.postings); i++) {
		const struct refold_posting *p = growing_row(&c->refold.postings, i);

		if (!p->is_seen && (p->debit != 0 || p->credit != 0))
			differ_posting(c, &p->key, sides_text(p->debit, p->credit, expected),
				       "nothing");
	}
	for (size_t i = 0; i < growing_n(&c->refold.balances); i++) {
		const struct refold_balance *b = growing_row(&c->refold.balances, i);
		char day[16];

		if (b->debit != b->credit)
			check_differ(c, "trial_balance", "debits = credits",
				     sides_text(b->debit, b->credit, found), "store %s, %s, %s",
				     s->code, check_day_text(b->key.business_day, day),
				     ledger_unit_name((enum ledger_unit)b->key.unit));
	}
}

/* ---- day totals ---- */

static const char *total_text(int64_t count, int64_t amount, char ret[64])
{
	snprintf(ret, 64, "%" PRId64 " x, %" PRId64, count, amount);
	return ret;
}

static void differ_total(struct check_run *c, const struct total_key *k, const char *expected,
			 const char *found)
{
	char day[16];

	check_differ(c, "day_total", expected, found, "store %s, %s, %s, %s, %s",
		     check_code(c, k->store), check_day_text(k->business_day, day),
		     total_kind_name((enum total_kind)k->kind),
		     k->tender == TENDER_NONE ? "no tender" :
						tender_name((enum tender_kind)k->tender),
		     ledger_unit_name((enum ledger_unit)k->unit));
}

static void check_totals(struct check_run *c, const struct check_store *s)
{
	char expected[64], found[64];
	struct pgcursor rows;

	pgcursor_open(&rows, c->conn, "totals",
		      "SELECT business_day, kind, tender, unit, count, amount FROM trib.day_total"
		      " WHERE store = %d",
		      s->store);
	while (pgcursor_next(&rows)) {
		int64_t count = pgc_int(&rows, 4), amount = pgc_int(&rows, 5);
		struct refold_total *t;
		struct total_key key;

		memset(&key, 0, sizeof(key));
		key.store = s->store;
		key.business_day = pgc_date(&rows, 0);
		key.kind = (int16_t)pgc_int(&rows, 1);
		key.tender = (int16_t)pgc_int(&rows, 2);
		key.unit = (int16_t)pgc_int(&rows, 3);
		t = growing_find(&c->refold.totals, &key);
		if (t != NULL)
			t->is_seen = true;
		if (t == NULL || t->count != count || t->amount != amount)
			differ_total(c, &key,
				     t != NULL ? total_text(t->count, t->amount, expected) :
						 "nothing",
				     total_text(count, amount, found));
	}
	pgcursor_close(&rows);
	for (size_t i = 0; i < growing_n(&c->refold.totals); i++) {
		const struct refold_total *t = growing_row(&c->refold.totals, i);

		if (!t->is_seen && (t->count != 0 || t->amount != 0))
			differ_total(c, &t->key, total_text(t->count, t->amount, expected),
				     "nothing");
	}
}

void check_store_tables(struct check_run *c, const struct check_store *s)
{
	check_holdings(c, s);
	check_postings(c, s);
	check_totals(c, s);
}
