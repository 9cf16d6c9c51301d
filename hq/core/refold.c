#include "refold.h"

#include <string.h>

#include "entry.h"

void refold_init(struct refold *r, const struct grower *grower)
{
	memset(r, 0, sizeof(*r));
	r->grower = grower;
	growing_init(&r->holdings, grower, sizeof(struct refold_holding),
		     sizeof(struct holding_key));
	growing_init(&r->postings, grower, sizeof(struct refold_posting),
		     sizeof(struct posting_key));
	growing_init(&r->totals, grower, sizeof(struct refold_total), sizeof(struct total_key));
	growing_init(&r->balances, grower, sizeof(struct refold_balance),
		     sizeof(struct refold_balance_key));
	growing_init(&r->accounts, grower, sizeof(struct refold_account), ACCOUNT_ID_BYTES);
	growing_init(&r->cards, grower, sizeof(struct refold_card), CARD_NO_MAX);
	growing_init(&r->quarantine, grower, sizeof(struct refold_quarantine),
		     sizeof(struct refold_place));
	growing_init(&r->receipts, grower, sizeof(struct refold_receipt),
		     sizeof(struct refold_place));
	growing_init(&r->liabilities, grower, sizeof(struct refold_liability),
		     sizeof(struct refold_liability_key));
}

void refold_finish(struct refold *r)
{
	struct growing *all[] = { &r->holdings,   &r->postings, &r->totals,
				  &r->balances,   &r->accounts, &r->cards,
				  &r->quarantine, &r->receipts, &r->liabilities };

	for (size_t i = 0; i < growing_n(&r->quarantine); i++) {
		const struct refold_quarantine *q = growing_row(&r->quarantine, i);

		r->grower->release((void *)(uintptr_t)q->reason);
	}
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		growing_finish(all[i]);
}

/* ---- quarantine ---- */

static struct refold_place place(int32_t store, uint32_t incarnation, uint64_t seq)
{
	struct refold_place p;

	memset(&p, 0, sizeof(p));
	p.store = store;
	p.incarnation = incarnation;
	p.seq = seq;
	return p;
}

void refold_quarantined(struct refold *r, int32_t store, uint32_t incarnation, uint64_t seq,
			const char *reason)
{
	struct refold_place key = place(store, incarnation, seq);
	struct refold_quarantine *q = growing_at(&r->quarantine, &key);
	size_t len = strlen(reason);
	char *copy;

	if (q->reason != NULL)
		return;
	copy = r->grower->alloc(len + 1);
	memcpy(copy, reason, len);
	q->reason = copy;
}

bool refold_is_quarantined(struct refold *r, int32_t store, uint32_t incarnation, uint64_t seq)
{
	struct refold_place key = place(store, incarnation, seq);
	struct refold_quarantine *q = growing_find(&r->quarantine, &key);

	if (q != NULL)
		q->is_seen = true;
	return q != NULL;
}

/* ---- accounts and cards ---- */

static void copy_text(char *to, size_t cap, const char *from)
{
	size_t n = strnlen(from, cap - 1);

	memcpy(to, from, n);
	to[n] = '\0';
}

void refold_found_account(struct refold *r, const uint8_t account[ACCOUNT_ID_BYTES],
			  const char *type, int32_t home, const char *mask, int64_t points_owed)
{
	struct refold_account *a = growing_at(&r->accounts, account);

	a->is_found = true;
	a->found_home = home;
	a->found_owed = points_owed;
	copy_text(a->found_type, sizeof(a->found_type), type);
	copy_text(a->found_mask, sizeof(a->found_mask), mask);
}

static struct refold_card *card_at(struct refold *r, const void *card_no, size_t len)
{
	char key[CARD_NO_MAX];

	memset(key, 0, sizeof(key));
	memcpy(key, card_no, len < sizeof(key) ? len : sizeof(key));
	return growing_at(&r->cards, key);
}

void refold_found_card(struct refold *r, const char *card_no, size_t len,
		       const uint8_t account[ACCOUNT_ID_BYTES])
{
	struct refold_card *c = card_at(r, card_no, len);

	c->is_found = true;
	memcpy(c->found_account, account, ACCOUNT_ID_BYTES);
}

/* Whether something booked at b may be first; *ret_is_new where it is before all seen so far. */
static bool may_be_first(bool is_known, const struct refold_booking *first,
			 const struct refold_booking *b, bool *ret_is_new)
{
	*ret_is_new = !is_known || (b->no < first->no && b->at != first->at);
	return *ret_is_new || b->at == first->at;
}

static void name_card(struct refold *r, const ProtobufCBinaryData *card_no,
		      const ProtobufCBinaryData *account, const struct refold_booking *b)
{
	struct refold_card *c = card_at(r, card_no->data, card_no->len);
	bool is_new;

	if (!may_be_first(c->is_named, &c->first, b, &is_new))
		return;
	if (is_new) {
		c->first = *b;
		c->is_named = true;
		c->is_right = false;
		memcpy(c->account, account->data, ACCOUNT_ID_BYTES);
	}
	c->is_right |= memcmp(c->found_account, account->data, ACCOUNT_ID_BYTES) == 0;
}

static void open_account(struct refold *r, const Trib__V1__Entry *e, const struct refold_booking *b)
{
	struct refold_account *a = growing_at(&r->accounts, e->account.data);
	const ProtobufCBinaryData *card_no = &e->account_opened->card_no;
	char card[CARD_NO_MAX + 1], mask[CARD_NO_MAX + 1];
	size_t len = card_no->len < CARD_NO_MAX ? card_no->len : CARD_NO_MAX;
	bool is_new, is_home_right;

	name_card(r, card_no, &e->account, b);
	if (!may_be_first(a->is_opened, &a->first, b, &is_new))
		return;
	memcpy(card, card_no->data, len);
	card[len] = '\0';
	card_mask(card, mask);
	if (is_new) {
		a->first = *b;
		a->is_opened = true;
		a->home = e->node;
		a->is_home_right = a->is_type_right = a->is_mask_right = false;
		copy_text(a->type, sizeof(a->type), e->account_opened->account_type);
		copy_text(a->mask, sizeof(a->mask), mask);
	}
	is_home_right = a->found_home == e->node;
	a->is_home_right |= is_home_right;
	a->is_type_right |= is_home_right &&
			    strcmp(a->found_type, e->account_opened->account_type) == 0;
	a->is_mask_right |= is_home_right && strcmp(a->found_mask, mask) == 0;
}

/* ---- cells of a store ---- */

void refold_begin(struct refold *r)
{
	growing_clear(&r->holdings);
	growing_clear(&r->postings);
	growing_clear(&r->totals);
	growing_clear(&r->balances);
}

static int add_effect(struct refold *r, const Trib__V1__Entry *e, const Trib__V1__SliceEffect *s,
		      const char **ret_why)
{
	struct refold_holding *h;
	struct holding_key key = holding_key_of(e, s);

	h = growing_at(&r->holdings, &key);
	h->principal += s->principal;
	h->bonus += s->bonus;
	if (s->unit != TRIB__V1__UNIT__UNIT_POINTS &&
	    s->lot == lot_id(e->node, e->incarnation, e->seq) && s->terms != NULL) {
		h->is_issued = true;
		h->issuer = s->terms->issuer;
		h->expires = s->terms->has_expires ? s->terms->expires : LOT_NEVER;
		h->issued_ms = s->terms->issued_ms;
		h->issued_principal = s->terms->principal;
		h->issued_bonus = s->terms->bonus;
	}
	if (h->principal < 0 || h->bonus < 0) {
		*ret_why = "a holding falls below zero";
		return ERR_INVALID;
	}
	if (s->unit == TRIB__V1__UNIT__UNIT_POINTS)
		return 0;
	/* Conservation: a node holds of a lot at most what was issued of it. */
	if (!h->is_issued || h->principal > h->issued_principal || h->bonus > h->issued_bonus) {
		*ret_why = h->is_issued ? "more is held of a lot than was issued of it" :
					  "a lot that was never issued is moved";
		return ERR_INVALID;
	}
	return 0;
}

static void add_posting(struct refold *r, const Trib__V1__Entry *e, const struct posting *p)
{
	struct refold_posting *sum;
	struct refold_balance *balance;
	struct refold_balance_key balance_key = { e->node, e->business_day, p->unit };
	struct posting_key key = posting_key_of(e, p);

	sum = growing_at(&r->postings, &key);
	sum->debit += p->debit;
	sum->credit += p->credit;
	balance = growing_at(&r->balances, &balance_key);
	balance->debit += p->debit;
	balance->credit += p->credit;
}

static void add_total(struct refold *r, const Trib__V1__Entry *e, const struct day_total *t)
{
	struct refold_total *sum;
	struct total_key key = total_key_of(e, t);

	sum = growing_at(&r->totals, &key);
	sum->count += t->count;
	sum->amount += t->amount;
}

static int add_refund(struct refold *r, const Trib__V1__Entry *e, const char **ret_why)
{
	struct receipt_change c;
	struct refold_receipt *receipt;
	struct refold_place key;

	if (!receipt_change_of(e, &c))
		return 0;
	key = place(c.key.store, c.key.incarnation, (uint64_t)c.key.seq);
	receipt = growing_at(&r->receipts, &key);
	if (receipt->kind != 0 && receipt->kind != c.kind) {
		*ret_why = "a receipt is refunded as a sale and as a top-up";
		return ERR_INVALID;
	}
	receipt->kind = c.kind;
	receipt->refunded += c.amount;
	if (receipt->refunded < 0) {
		*ret_why = "more of a receipt is undone than was refunded";
		return ERR_INVALID;
	}
	return 0;
}

int refold_entry(struct refold *r, const Trib__V1__Entry *e, const struct refold_booking *booking,
		 const char **ret_why)
{
	struct refold_account *a;

	if (fold_entry(e, &r->fold, ret_why) < 0)
		return ERR_INVALID;
	for (size_t i = 0; i < r->fold.n_postings; i++)
		add_posting(r, e, &r->fold.postings[i]);
	for (size_t i = 0; i < r->fold.n_totals; i++)
		add_total(r, e, &r->fold.totals[i]);
	for (size_t i = 0; i < e->n_effects; i++) {
		if (add_effect(r, e, e->effects[i], ret_why) < 0)
			return ERR_INVALID;
	}
	if (add_refund(r, e, ret_why) < 0)
		return ERR_INVALID;
	if (e->points_owed != 0) {
		a = growing_at(&r->accounts, e->account.data);
		a->points_owed += e->points_owed;
	}
	if (e->body_case == TRIB__V1__ENTRY__BODY_ACCOUNT_OPENED)
		open_account(r, e, booking);
	else if (e->body_case == TRIB__V1__ENTRY__BODY_CARD_LINKED && e->has_account)
		name_card(r, &e->card_linked->card_no, &e->account, booking);
	return 0;
}

static struct refold_liability *liability_at(struct refold *r, int32_t issuer, int32_t unit)
{
	struct refold_liability_key key = { issuer, unit };

	return growing_at(&r->liabilities, &key);
}

static void add_ledger(struct refold *r, const struct refold_posting *p)
{
	int64_t owed = p->credit - p->debit;

	switch (p->key.account) {
	case LEDGER_PRINCIPAL:
	case LEDGER_BONUS:
		liability_at(r, p->key.party1, p->key.unit)->ledger += owed;
		break;
	case LEDGER_POINTS:
	case LEDGER_USES:
		liability_at(r, 0, p->key.unit)->ledger += owed;
		break;
	default:
		break;
	}
}

void refold_end(struct refold *r)
{
	for (size_t i = 0; i < growing_n(&r->holdings); i++) {
		const struct refold_holding *h = growing_row(&r->holdings, i);

		if (h->key.unit == TRIB__V1__UNIT__UNIT_VALUE) {
			liability_at(r, h->issuer, LEDGER_UNIT_MONEY)->held += h->principal;
			liability_at(r, h->issuer, LEDGER_UNIT_BONUS)->held += h->bonus;
		} else {
			liability_at(r, 0,
				     h->key.unit == TRIB__V1__UNIT__UNIT_POINTS ?
					     LEDGER_UNIT_POINTS :
					     LEDGER_UNIT_USES)
				->held += h->principal;
		}
	}
	for (size_t i = 0; i < growing_n(&r->postings); i++)
		add_ledger(r, growing_row(&r->postings, i));
}
