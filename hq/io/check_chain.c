#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "check_run.h"

/* ---- accounts, cards ---- */

void check_load_accounts(struct check_run *c)
{
	struct pgcursor rows;
	size_t len;

	pgcursor_open(&rows, c->conn, "accounts",
		      "SELECT account, account_type, home_store, card_no_masked, points_owed"
		      " FROM trib.account");
	while (pgcursor_next(&rows))
		refold_found_account(&c->refold, pgc_bytes(&rows, 0, &len), pgc_text(&rows, 1),
				     (int32_t)pgc_int(&rows, 2), pgc_text(&rows, 3),
				     pgc_int(&rows, 4));
	pgcursor_close(&rows);
	pgcursor_open(&rows, c->conn, "cards", "SELECT card_no, account FROM trib.card");
	while (pgcursor_next(&rows)) {
		const char *card = pgc_text(&rows, 0);

		refold_found_card(&c->refold, card, strlen(card), pgc_bytes(&rows, 1, &len));
	}
	pgcursor_close(&rows);
}

static void differ_account(struct check_run *c, const struct refold_account *a, const char *column,
			   const char *expected, const char *found)
{
	char account[ACCOUNT_TEXT_BYTES];

	check_differ(c, "account", expected, found, "account %s, %s",
		     check_account_text(a->account, account), column);
}

static void check_account(struct check_run *c, const struct refold_account *a)
{
	char expected[24], found[24];

	if (!a->is_found || !a->is_opened) {
		differ_account(c, a, "row", a->is_opened ? "an account" : "nothing",
			       a->is_found ? "an account" : "nothing");
		return;
	}
	if (a->points_owed != a->found_owed) {
		snprintf(expected, sizeof(expected), "%" PRId64, a->points_owed);
		snprintf(found, sizeof(found), "%" PRId64, a->found_owed);
		differ_account(c, a, "points_owed", expected, found);
	}
	if (!a->is_home_right) {
		differ_account(c, a, "home_store", check_code(c, a->home),
			       check_code(c, a->found_home));
		return;
	}
	if (!a->is_type_right)
		differ_account(c, a, "account_type", a->type, a->found_type);
	if (!a->is_mask_right)
		differ_account(c, a, "card_no_masked", a->mask, a->found_mask);
}

static void check_card(struct check_run *c, const struct refold_card *k)
{
	char card[CARD_NO_MAX + 1], mask[CARD_NO_MAX + 1];
	char expected[ACCOUNT_TEXT_BYTES], found[ACCOUNT_TEXT_BYTES];

	if (k->is_found && k->is_named && k->is_right)
		return;
	memcpy(card, k->card_no, CARD_NO_MAX);
	card[CARD_NO_MAX] = '\0';
	card_mask(card, mask);
	check_differ(c, "card", k->is_named ? check_account_text(k->account, expected) : "nothing",
		     k->is_found ? check_account_text(k->found_account, found) : "nothing",
		     "card %s", mask);
}

/* ---- quarantine ---- */

static void check_quarantine(struct check_run *c)
{
	struct pgcursor rows;

	pgcursor_open(&rows, c->conn, "quarantined",
		      "SELECT store, incarnation, seq, reason FROM trib.quarantine");
	while (pgcursor_next(&rows)) {
		struct refold_quarantine *q;
		struct refold_place key;

		memset(&key, 0, sizeof(key));
		key.store = (int32_t)pgc_int(&rows, 0);
		key.incarnation = (uint32_t)pgc_int(&rows, 1);
		key.seq = (uint64_t)pgc_int(&rows, 2);
		q = growing_find(&c->refold.quarantine, &key);
		if (q != NULL)
			q->is_found = true;
		if (q == NULL || strcmp(q->reason, pgc_text(&rows, 3)) != 0)
			check_differ(c, "quarantine", q != NULL ? q->reason : "nothing",
				     pgc_text(&rows, 3), "store %s, incarnation %u, entry %" PRIu64,
				     check_code(c, key.store), key.incarnation, key.seq);
	}
	pgcursor_close(&rows);
	for (size_t i = 0; i < growing_n(&c->refold.quarantine); i++) {
		const struct refold_quarantine *q = growing_row(&c->refold.quarantine, i);

		if (!q->is_found || !q->is_seen)
			check_differ(c, "quarantine", q->reason,
				     q->is_seen ? "nothing" : "no such entry",
				     "store %s, incarnation %u, entry %" PRIu64,
				     check_code(c, q->key.store), q->key.incarnation, q->key.seq);
	}
}

/* ---- receipts ---- */

enum {
	R_STORE,
	R_INCARNATION,
	R_SEQ,
	R_AMOUNT,
	R_REFUNDED,
	R_SALE,
	R_KIND
};

static void differ_receipt(struct check_run *c, const struct refold_place *k, const char *column,
			   int64_t expected, int64_t found)
{
	char want[24], have[24];

	snprintf(want, sizeof(want), "%" PRId64, expected);
	snprintf(have, sizeof(have), "%" PRId64, found);
	check_differ(c, "receipt", want, have, "store %s, incarnation %u, receipt %" PRIu64 ", %s",
		     check_code(c, k->store), k->incarnation, k->seq, column);
}

/* Amount and kind of the sale or top-up were held against its bytes when its journal was walked. */
static void check_receipts(struct check_run *c)
{
	struct pgcursor rows;

	pgcursor_open(
		&rows, c->conn, "receipts",
		"SELECT r.store, r.incarnation, r.seq, r.amount, r.refunded,"
		" coalesce(j.amount, 0), coalesce(j.kind, 0) FROM trib.receipt r LEFT JOIN trib.journal j"
		" ON j.store = r.store AND j.incarnation = r.incarnation AND j.seq = r.seq");
	while (pgcursor_next(&rows)) {
		struct refold_receipt *r;
		struct refold_place key;

		memset(&key, 0, sizeof(key));
		key.store = (int32_t)pgc_int(&rows, R_STORE);
		key.incarnation = (uint32_t)pgc_int(&rows, R_INCARNATION);
		key.seq = (uint64_t)pgc_int(&rows, R_SEQ);
		r = growing_find(&c->refold.receipts, &key);
		if (r != NULL)
			r->is_seen = true;
		if ((r != NULL ? r->refunded : 0) != pgc_int(&rows, R_REFUNDED))
			differ_receipt(c, &key, "refunded", r != NULL ? r->refunded : 0,
				       pgc_int(&rows, R_REFUNDED));
		if (r != NULL && r->kind != pgc_int(&rows, R_KIND))
			differ_receipt(c, &key, "kind", r->kind, pgc_int(&rows, R_KIND));
		if (pgc_int(&rows, R_SALE) != pgc_int(&rows, R_AMOUNT))
			differ_receipt(c, &key, "amount", pgc_int(&rows, R_SALE),
				       pgc_int(&rows, R_AMOUNT));
	}
	pgcursor_close(&rows);
	for (size_t i = 0; i < growing_n(&c->refold.receipts); i++) {
		const struct refold_receipt *r = growing_row(&c->refold.receipts, i);

		if (!r->is_seen && r->refunded != 0)
			differ_receipt(c, &r->key, "refunded", r->refunded, 0);
	}
}

/* Signed heads at places where no entry is. */
static void check_loose_heads(struct check_run *c)
{
	struct pgcursor rows;

	pgcursor_open(&rows, c->conn, "loose",
		      "SELECT store, incarnation, seq FROM trib.signed_head s WHERE NOT EXISTS"
		      " (SELECT 1 FROM trib.journal j WHERE j.store = s.store"
		      " AND j.incarnation = s.incarnation AND j.seq = s.seq)");
	while (pgcursor_next(&rows))
		check_differ(c, "signature", "nothing", "a signed head without its entry",
			     "store %s, incarnation %" PRId64 ", entry %" PRId64,
			     check_code(c, (int32_t)pgc_int(&rows, 0)), pgc_int(&rows, 1),
			     pgc_int(&rows, 2));
	pgcursor_close(&rows);
}

void check_chain_tables(struct check_run *c)
{
	for (size_t i = 0; i < growing_n(&c->refold.accounts); i++)
		check_account(c, growing_row(&c->refold.accounts, i));
	for (size_t i = 0; i < growing_n(&c->refold.cards); i++)
		check_card(c, growing_row(&c->refold.cards, i));
	for (size_t i = 0; i < growing_n(&c->refold.liabilities); i++) {
		const struct refold_liability *l = growing_row(&c->refold.liabilities, i);
		char expected[24], found[24];

		if (l->ledger == l->held)
			continue;
		snprintf(expected, sizeof(expected), "%" PRId64, l->held);
		snprintf(found, sizeof(found), "%" PRId64, l->ledger);
		check_differ(c, "conservation", expected, found,
			     "ledger and holdings, issuer %s, %s", check_code(c, l->key.issuer),
			     ledger_unit_name((enum ledger_unit)l->key.unit));
	}
	check_quarantine(c);
	check_receipts(c);
	check_loose_heads(c);
}
