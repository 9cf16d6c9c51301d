#include "till_fixture.h"

static struct lot_story *story_of(struct shop *s, int64_t lot)
{
	size_t i = 0;

	while (i < s->n_lots && s->lots[i].lot != lot)
		i++;
	assert_true(i < SHOP_MAX_LOTS);
	if (i == s->n_lots)
		s->lots[s->n_lots++] = (struct lot_story){ .lot = lot };
	return &s->lots[i];
}

void shop_issued(struct shop *s, int64_t lot, int64_t principal, int64_t bonus)
{
	struct lot_story *x = story_of(s, lot);

	x->issued[0] += principal;
	x->issued[1] += bonus;
}

static void check_account(const struct account *a)
{
	for (uint32_t i = 0; i < a->n_slices; i++) {
		const struct slice *x = &a->slices[i], *y = x + 1;

		assert_true(x->principal >= 0 && x->bonus >= 0);
		assert_true(x->principal + x->bonus > 0);
		if (x->unit == TRIB__V1__UNIT__UNIT_VALUE)
			assert_true(x->principal <= x->issued_principal &&
				    x->bonus <= x->issued_bonus);
		if (i + 1 == a->n_slices)
			break;
		assert_true(x->unit != y->unit || x->lot != y->lot);
		assert_true(x->unit < y->unit ||
			    (x->unit == y->unit &&
			     (x->expires < y->expires ||
			      (x->expires == y->expires && x->issued_ms <= y->issued_ms))));
	}
	assert_true(a->points_owed >= 0);
}

/* The books of all operations so far hold what the account holds. */
static void check_books(const struct shop *s)
{
	struct balance held = { 0 };

	for (uint32_t i = 0; i < s->acc.n_slices; i++) {
		const struct slice *x = &s->acc.slices[i];

		if (x->unit == TRIB__V1__UNIT__UNIT_VALUE) {
			held.principal += x->principal;
			held.bonus += x->bonus;
		} else {
			held.points += x->principal;
		}
	}
	assert_int_equal(s->ledger[LEDGER_PRINCIPAL][LEDGER_UNIT_MONEY], held.principal);
	assert_int_equal(s->ledger[LEDGER_BONUS][LEDGER_UNIT_BONUS], held.bonus);
	assert_int_equal(s->ledger[LEDGER_POINTS][LEDGER_UNIT_POINTS], held.points);
}

static void tell_refund(struct shop *s, const Trib__V1__Refund *b, int64_t sign)
{
	for (size_t i = 0; i < b->n_back; i++) {
		const Trib__V1__SliceBack *k = b->back[i];
		struct lot_story *x = story_of(s, k->lot);

		x->consumed[0] -= sign * k->principal;
		x->consumed[1] -= sign * (k->bonus + k->expired_bonus);
		x->lapsed[1] += sign * k->expired_bonus;
	}
}

static void tell_top_up_refund(struct shop *s, const Trib__V1__RefundTopUp *b, int64_t sign)
{
	struct lot_story *x = story_of(s, lot_id(s->entry->node, b->of_incarnation, b->of_seq));

	x->refunded[0] += sign * b->amount;
	x->lapsed[1] += sign * b->bonus;
}

static void tell_sale(struct shop *s)
{
	for (size_t i = 0; i < s->entry->n_effects; i++) {
		const Trib__V1__SliceEffect *f = s->entry->effects[i];

		if (f->unit != TRIB__V1__UNIT__UNIT_VALUE)
			continue;
		story_of(s, f->lot)->consumed[0] -= f->principal;
		story_of(s, f->lot)->consumed[1] -= f->bonus;
	}
}

/* Continue the lots' stories with the entry's body; a top-up's lot is its own. */
static void tell(struct shop *s)
{
	const Trib__V1__Entry *e = s->entry;

	switch ((int)e->body_case) {
	case TRIB__V1__ENTRY__BODY_TOP_UP:
		shop_issued(s, e->effects[0]->lot, e->effects[0]->principal, e->effects[0]->bonus);
		break;
	case TRIB__V1__ENTRY__BODY_SALE:
		tell_sale(s);
		break;
	case TRIB__V1__ENTRY__BODY_REFUND:
		tell_refund(s, e->refund, 1);
		break;
	case TRIB__V1__ENTRY__BODY_REFUND_TOP_UP:
		tell_top_up_refund(s, e->refund_top_up, 1);
		break;
	case TRIB__V1__ENTRY__BODY_REVERSAL:
		if (e->reversal->what_case == TRIB__V1__REVERSAL__WHAT_REFUND)
			tell_refund(s, e->reversal->refund, -1);
		else if (e->reversal->what_case == TRIB__V1__REVERSAL__WHAT_REFUND_TOP_UP)
			tell_top_up_refund(s, e->reversal->refund_top_up, -1);
		break;
	default:
		break;
	}
}

/* Points that the entry gives by its body, debt included. */
static int64_t points_given(const Trib__V1__Entry *e)
{
	int64_t sum = 0;

	switch ((int)e->body_case) {
	case TRIB__V1__ENTRY__BODY_TOP_UP:
		for (size_t i = 0; i < e->top_up->n_gives; i++)
			sum += e->top_up->gives[i]->points;
		return sum;
	case TRIB__V1__ENTRY__BODY_SALE:
		return e->sale->points_earned;
	case TRIB__V1__ENTRY__BODY_REFUND:
		return -e->refund->points_clawed_back;
	case TRIB__V1__ENTRY__BODY_REFUND_TOP_UP:
		return -e->refund_top_up->points_clawed_back;
	case TRIB__V1__ENTRY__BODY_POINTS_REDEEMED:
		return -e->points_redeemed->points;
	default:
		if (e->reversal->what_case == TRIB__V1__REVERSAL__WHAT_REFUND)
			return e->reversal->refund->points_clawed_back;
		if (e->reversal->what_case == TRIB__V1__REVERSAL__WHAT_REFUND_TOP_UP)
			return e->reversal->refund_top_up->points_clawed_back;
		return e->reversal->points_redeemed->points;
	}
}

/* Points held, less what is owed. */
static int64_t points_of(const struct account *a)
{
	int64_t sum = -a->points_owed;

	for (uint32_t i = 0; i < a->n_slices; i++)
		sum += a->slices[i].unit == TRIB__V1__UNIT__UNIT_POINTS ? a->slices[i].principal :
									  0;
	return sum;
}

static void check_lots(const struct shop *s)
{
	for (size_t i = 0; i < s->n_lots; i++) {
		const struct lot_story *x = &s->lots[i];
		const struct slice *held =
			account_find(&s->acc, TRIB__V1__UNIT__UNIT_VALUE, x->lot);
		int64_t rest[2];

		for (int k = 0; k < 2; k++) {
			rest[k] = x->issued[k] - x->consumed[k] - x->lapsed[k] - x->refunded[k];
			assert_true(x->consumed[k] >= 0 && x->lapsed[k] >= 0 &&
				    x->refunded[k] >= 0);
		}
		assert_int_equal(rest[0], held != NULL ? held->principal : 0);
		assert_int_equal(rest[1], held != NULL ? held->bonus : 0);
	}
}

/* Post the fold into the shop's ledger, checking F1 on the way. */
static void book(struct shop *s)
{
	int64_t debit[LEDGER_UNIT_USES + 1] = { 0 }, credit[LEDGER_UNIT_USES + 1] = { 0 };

	for (size_t i = 0; i < s->fold.n_postings; i++) {
		const struct posting *p = &s->fold.postings[i];

		assert_true(p->debit >= 0 && p->credit >= 0 && p->debit + p->credit > 0);
		assert_true(p->debit == 0 || p->credit == 0);
		debit[p->unit] += p->debit;
		credit[p->unit] += p->credit;
		s->ledger[p->account][p->unit] += p->credit - p->debit;
		if (p->account == LEDGER_TENDER_CLEARING)
			s->clearing[p->party2] += p->debit - p->credit;
	}
	for (int u = 0; u <= LEDGER_UNIT_USES; u++)
		assert_int_equal(debit[u], credit[u]);
}

void shop_check(struct shop *s)
{
	book(s);
	tell(s);
	check_account(&s->acc);
	check_books(s);
	check_lots(s);
	assert_int_equal(points_of(&s->acc) - points_of(&s->before), points_given(s->entry));
}
