#include <assert.h>
#include <string.h>

#include "ingest_private.h"
#include "money.h"

const uint32_t ingest_kinds[] = {
	TRIB__V1__ENTRY__BODY_ACCOUNT_OPENED,  TRIB__V1__ENTRY__BODY_CARD_LINKED,
	TRIB__V1__ENTRY__BODY_TOP_UP,          TRIB__V1__ENTRY__BODY_SALE,
	TRIB__V1__ENTRY__BODY_REFUND,          TRIB__V1__ENTRY__BODY_REFUND_TOP_UP,
	TRIB__V1__ENTRY__BODY_POINTS_REDEEMED, TRIB__V1__ENTRY__BODY_ORDER_CANCELLED,
	TRIB__V1__ENTRY__BODY_DAY_SEALED,      TRIB__V1__ENTRY__BODY_PIN_EVENT,
	TRIB__V1__ENTRY__BODY_REVERSAL,
};
const size_t ingest_n_kinds = sizeof(ingest_kinds) / sizeof(ingest_kinds[0]);

static bool is_store_kind(int kind)
{
	for (size_t i = 0; i < ingest_n_kinds; i++) {
		if ((int)ingest_kinds[i] == kind)
			return true;
	}
	return false;
}

struct blocked_key ingest_blocked_key(int32_t store, const uint8_t account[ACCOUNT_ID_BYTES])
{
	struct blocked_key key;

	memset(&key, 0, sizeof(key));
	key.store = store;
	memcpy(key.account, account, ACCOUNT_ID_BYTES);
	return key;
}

static const char *opened_fault(const struct ingest *g, const Trib__V1__Entry *e)
{
	const ProtobufCBinaryData *card;
	uint8_t id[ACCOUNT_ID_BYTES];
	char text[CARD_NO_MAX + 1];

	if (!e->has_account)
		return "names no account";
	if (e->body_case == TRIB__V1__ENTRY__BODY_ACCOUNT_OPENED) {
		card = &e->account_opened->card_no;
		if (!text_is_valid(e->account_opened->account_type, ACCOUNT_TYPE_MAX - 1))
			return "account type is no valid text";
	} else {
		card = &e->card_linked->card_no;
	}
	if (card->len == 0 || card->len > CARD_NO_MAX)
		return "card number has a wrong length";
	memcpy(text, card->data, card->len);
	text[card->len] = '\0';
	if (!text_is_valid(text, CARD_NO_MAX) || strlen(text) != card->len)
		return "card number is no valid text";
	if (e->body_case == TRIB__V1__ENTRY__BODY_ACCOUNT_OPENED) {
		account_id(g->account_key, card->data, card->len, id);
		if (memcmp(id, e->account.data, sizeof(id)) != 0)
			return "account id is not that of the card";
	}
	return NULL;
}

static const char *refund_fault(const Trib__V1__Entry *e)
{
	struct receipt_change c;

	if (!receipt_change_of(e, &c))
		return NULL;
	if (c.key.store != e->node)
		return "refunds a receipt that another store holds";
	if (c.key.incarnation == e->incarnation && (uint64_t)c.key.seq >= e->seq)
		return "refunds what was not sold yet";
	return NULL;
}

/* What an order of that verb is cancelled by, besides the word that nothing is left of it. */
static bool is_cancelled_by(uint32_t verb, const Trib__V1__Entry *e)
{
	bool is_reversal = e->body_case == TRIB__V1__ENTRY__BODY_REVERSAL;

	switch ((enum order_verb)verb) {
	case ORDER_TOP_UP:
		return e->body_case == TRIB__V1__ENTRY__BODY_REFUND_TOP_UP;
	case ORDER_SALE:
		return e->body_case == TRIB__V1__ENTRY__BODY_REFUND;
	case ORDER_REFUND:
		return is_reversal &&
		       e->reversal->what_case != TRIB__V1__REVERSAL__WHAT_POINTS_REDEEMED;
	case ORDER_REDEMPTION:
		return is_reversal &&
		       e->reversal->what_case == TRIB__V1__REVERSAL__WHAT_POINTS_REDEEMED;
	}
	return false;
}

static const char *cancel_fault(const Trib__V1__Entry *e)
{
	if (e->body_case == TRIB__V1__ENTRY__BODY_ORDER_CANCELLED)
		return e->has_cancels && e->cancels == e->order_cancelled->verb ?
			       NULL :
			       "cancels no order, or one of another verb";
	if (e->has_cancels && !is_cancelled_by(e->cancels, e))
		return "cancels an order of a verb that it does not undo";
	return NULL;
}

static const char *kind_fault(const struct ingest *g, const Trib__V1__Entry *e)
{
	const char *why;

	if (!is_store_kind(entry_kind(e)))
		return "kind is not one that a store writes";
	if (e->body_case == TRIB__V1__ENTRY__BODY_ACCOUNT_OPENED ||
	    e->body_case == TRIB__V1__ENTRY__BODY_CARD_LINKED)
		return opened_fault(g, e);
	if (e->body_case == TRIB__V1__ENTRY__BODY_PIN_EVENT && !e->has_account)
		return "names no account";
	why = refund_fault(e);
	return why != NULL ? why : cancel_fault(e);
}

static const char *entry_fault(const struct ingest *g, const Trib__V1__Entry *e)
{
	int64_t own_lot = lot_id(e->node, e->incarnation, e->seq);

	for (size_t i = 0; i < e->n_effects; i++) {
		const Trib__V1__SliceEffect *s = e->effects[i];

		if (s->principal > AMOUNT_MAX || s->principal < -AMOUNT_MAX ||
		    s->bonus > AMOUNT_MAX || s->bonus < -AMOUNT_MAX)
			return "an effect is larger than any operation may be";
		if (s->lot == own_lot &&
		    (e->body_case != TRIB__V1__ENTRY__BODY_TOP_UP || s->terms == NULL))
			return "issues a lot without its terms, or in an entry that is no top-up";
	}
	if (e->points_owed > AMOUNT_MAX || e->points_owed < -AMOUNT_MAX)
		return "points debt is larger than any operation may make it";
	return kind_fault(g, e);
}

/* What the group already knows speaks against the entry: lots issued in it have a known start, so
 * their bounds are judged here; all others by the database (G7). */
static const char *group_fault(const struct ingest_group *out, const Trib__V1__Entry *e)
{
	int64_t own_lot = lot_id(e->node, e->incarnation, e->seq);
	struct receipt_change c;

	for (size_t i = 0; i < e->n_effects; i++) {
		const Trib__V1__SliceEffect *s = e->effects[i];
		struct holding_key key = holding_key_of(e, s);
		const struct holding_delta *d = cells_find(&out->holdings, &key);

		if (d == NULL)
			continue;
		if (s->lot == own_lot)
			return "issues a lot that was moved before";
		if (d->is_issue &&
		    (d->principal + s->principal < 0 ||
		     d->principal + s->principal > d->issued_principal || d->bonus + s->bonus < 0 ||
		     d->bonus + s->bonus > d->issued_bonus))
			return "leaves less than nothing or more than was issued of a lot";
	}
	if (receipt_change_of(e, &c)) {
		const struct receipt_sum *r = cells_find(&out->receipts, &c.key);

		if (r != NULL && memcmp(r->account, e->account.data, ACCOUNT_ID_BYTES) != 0)
			return "refunds a receipt of another account";
		if (r != NULL && r->kind != c.kind)
			return "refunds a receipt of another kind";
	}
	return NULL;
}

static void note_way(int64_t sum, int64_t *min, int64_t *max)
{
	if (sum < *min)
		*min = sum;
	if (sum > *max)
		*max = sum;
}

static void add_holdings(struct ingest_group *out, const Trib__V1__Entry *e)
{
	int64_t own_lot = lot_id(e->node, e->incarnation, e->seq);

	for (size_t i = 0; i < e->n_effects; i++) {
		const Trib__V1__SliceEffect *s = e->effects[i];
		struct holding_key key = holding_key_of(e, s);
		struct holding_delta *d = cells_at(&out->holdings, &key);

		assert(d != NULL); /* has_room() */
		d->principal += s->principal;
		d->bonus += s->bonus;
		note_way(d->principal, &d->min_principal, &d->max_principal);
		note_way(d->bonus, &d->min_bonus, &d->max_bonus);
		if (s->lot != own_lot) /* terms of an older lot only repeat what is known */
			continue;
		d->is_issue = true;
		d->issuer = s->terms->issuer;
		d->expires = s->terms->has_expires ? s->terms->expires : LOT_NEVER;
		d->issued_ms = s->terms->issued_ms;
		d->issued_principal = s->terms->principal;
		d->issued_bonus = s->terms->bonus;
	}
	if (e->points_owed != 0) {
		struct owed_key key;
		struct owed_delta *d;
		int64_t unused = 0;

		memcpy(key.account, e->account.data, ACCOUNT_ID_BYTES);
		d = cells_at(&out->owed, &key);
		assert(d != NULL);
		d->points_owed += e->points_owed;
		note_way(d->points_owed, &d->min_points_owed, &unused);
	}
}

static void add_refund(struct ingest_group *out, const Trib__V1__Entry *e)
{
	struct receipt_change c;
	struct receipt_sum *sum;

	if (!receipt_change_of(e, &c))
		return;
	sum = cells_at(&out->receipts, &c.key);
	assert(sum != NULL);
	memcpy(sum->account, e->account.data, ACCOUNT_ID_BYTES);
	sum->kind = c.kind;
	sum->refunded += c.amount;
	note_way(sum->refunded, &sum->min_refunded, &sum->max_refunded);
}

static void add_sums(struct ingest_group *out, const Trib__V1__Entry *e, const struct fold *f)
{
	for (size_t i = 0; i < f->n_postings; i++) {
		const struct posting *p = &f->postings[i];
		struct posting_key key = posting_key_of(e, p);
		struct posting_sum *sum;

		sum = cells_at(&out->postings, &key);
		assert(sum != NULL);
		sum->debit += p->debit;
		sum->credit += p->credit;
	}
	for (size_t i = 0; i < f->n_totals; i++) {
		const struct day_total *t = &f->totals[i];
		struct total_key key = total_key_of(e, t);
		struct total_sum *sum;

		sum = cells_at(&out->totals, &key);
		assert(sum != NULL);
		sum->count += t->count;
		sum->amount += t->amount;
	}
}

static bool has_room(const struct ingest_group *out, const Trib__V1__Entry *e, const struct fold *f)
{
	return out->holdings.n + e->n_effects <= out->holdings.cap &&
	       out->owed.n + 1 <= out->owed.cap && out->receipts.n + 1 <= out->receipts.cap &&
	       out->postings.n + f->n_postings <= out->postings.cap &&
	       out->totals.n + f->n_totals <= out->totals.cap;
}

static void quarantine(struct ingest *g, const struct journal_row *row, const char *reason,
		       const char *detail)
{
	struct quarantine_row *q = &g->group.quarantined[g->group.n_quarantined++];

	*q = (struct quarantine_row){ .store = row->store,
				      .incarnation = row->incarnation,
				      .seq = row->seq,
				      .reason = reason,
				      .detail = detail };
	if (row->entry != NULL && row->entry->has_account) {
		struct blocked_key key = ingest_blocked_key(row->store, row->entry->account.data);

		q->has_account = true;
		memcpy(q->account, row->entry->account.data, ACCOUNT_ID_BYTES);
		(void)cells_at(&g->blocked_now, &key);
	}
}

static bool is_blocked(const struct ingest *g, const struct journal_row *row)
{
	struct blocked_key key;

	if (!row->entry->has_account)
		return false;
	key = ingest_blocked_key(row->store, row->entry->account.data);
	return cells_find(&g->blocked, &key) != NULL || cells_find(&g->blocked_now, &key) != NULL;
}

bool ingest_add_entry(struct ingest *g, struct journal_row *row)
{
	struct ingest_group *out = &g->group;
	Trib__V1__Entry *e = NULL;
	const char *why = "too large to unpack";
	int r;

	r = entry_unpack(row->bytes, row->len, row->store, row->incarnation, row->seq, &g->arena,
			 &e, &why);
	if (r < 0) {
		quarantine(g, row, "malformed", why);
		return true;
	}
	row->entry = e;
	if (is_blocked(g, row)) {
		quarantine(g, row, "account_blocked", "an earlier entry is in quarantine");
		return true;
	}
	if (g->must_quarantine && row->seq == g->culprit_seq && row->store == g->culprit_store &&
	    row->incarnation == g->culprit_incarnation) {
		quarantine(g, row, "refused", g->detail);
		return true;
	}
	why = entry_fault(g, e);
	if (why == NULL && fold_entry(e, &g->fold, &why) == 0)
		why = group_fault(out, e);
	if (why != NULL) {
		quarantine(g, row, "inconsistent", why);
		return true;
	}
	if (!has_room(out, e, &g->fold))
		return false;
	row->amount = entry_amount(e);
	add_holdings(out, e);
	add_sums(out, e, &g->fold);
	add_refund(out, e);
	if (e->body_case == TRIB__V1__ENTRY__BODY_ACCOUNT_OPENED ||
	    e->body_case == TRIB__V1__ENTRY__BODY_CARD_LINKED)
		out->opened[out->n_opened++] =
			(struct opened_row){ .entry = e,
					     .store = e->node,
					     .is_link = e->body_case ==
							TRIB__V1__ENTRY__BODY_CARD_LINKED };
	return true;
}
