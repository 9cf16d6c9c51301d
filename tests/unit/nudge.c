#include "nudge.h"

#define MAX_FIELDS 64

struct fields {
	size_t n;
	int64_t *at[MAX_FIELDS];
};

static void add(struct fields *f, int64_t *x)
{
	assert_true(f->n < MAX_FIELDS);
	f->at[f->n++] = x;
}

static void add_refund(struct fields *f, Trib__V1__Refund *b)
{
	for (size_t i = 0; i < b->n_back; i++) {
		add(f, &b->back[i]->principal);
		add(f, &b->back[i]->bonus);
		add(f, &b->back[i]->expired_bonus);
	}
	for (size_t i = 0; i < b->n_paid_out; i++)
		add(f, &b->paid_out[i]->amount);
	add(f, &b->amount);
	add(f, &b->points_clawed_back);
}

static void add_refund_top_up(struct fields *f, Trib__V1__RefundTopUp *b)
{
	add(f, &b->amount);
	add(f, &b->bonus);
	add(f, &b->rest);
	add(f, &b->paid_out->amount);
	add(f, &b->points_clawed_back);
}

static void add_sale(struct fields *f, Trib__V1__Sale *b)
{
	for (size_t i = 0; i < b->n_tenders; i++)
		add(f, &b->tenders[i]->amount);
	add(f, &b->payable);
	add(f, &b->list_amount);
	add(f, &b->points_earned);
	add(f, &b->points_rate->num);
}

static void add_reversal(struct fields *f, Trib__V1__Reversal *b)
{
	if (b->what_case == TRIB__V1__REVERSAL__WHAT_REFUND)
		add_refund(f, b->refund);
	else if (b->what_case == TRIB__V1__REVERSAL__WHAT_REFUND_TOP_UP)
		add_refund_top_up(f, b->refund_top_up);
	else
		add(f, &b->points_redeemed->points);
}

static void add_body(struct fields *f, Trib__V1__Entry *e)
{
	switch ((int)e->body_case) {
	case TRIB__V1__ENTRY__BODY_TOP_UP:
		add(f, &e->top_up->paid);
		add(f, &e->top_up->gives[0]->bonus);
		add(f, &e->top_up->gives[0]->points);
		break;
	case TRIB__V1__ENTRY__BODY_SALE:
		add_sale(f, e->sale);
		break;
	case TRIB__V1__ENTRY__BODY_REFUND:
		add_refund(f, e->refund);
		break;
	case TRIB__V1__ENTRY__BODY_REFUND_TOP_UP:
		add_refund_top_up(f, e->refund_top_up);
		break;
	case TRIB__V1__ENTRY__BODY_POINTS_REDEEMED:
		add(f, &e->points_redeemed->points);
		break;
	default:
		add_reversal(f, e->reversal);
	}
}

/* Nudge one number of the entry: header, effects, body. */
static void mutate(Trib__V1__Entry *e, size_t which, int64_t by)
{
	struct fields f = { .n = 0 };
	int64_t *x;

	for (size_t i = 0; i < e->n_effects; i++) {
		add(&f, &e->effects[i]->principal);
		add(&f, &e->effects[i]->bonus);
		add(&f, &e->effects[i]->lot);
	}
	add(&f, &e->points_owed);
	add_body(&f, e);
	x = f.at[which % f.n];
	*x = (int64_t)((uint64_t)*x + (uint64_t)by);
}

/* What an accepted entry posts must be what its effects move. */
static void check_agrees(struct shop *s)
{
	int64_t principal = 0, bonus = 0, points = 0, diff[LEDGER_UNIT_USES + 1] = { 0 };
	int64_t posted_principal = 0, posted_bonus = 0, posted_points = 0;

	for (size_t i = 0; i < s->entry->n_effects; i++) {
		const Trib__V1__SliceEffect *x = s->entry->effects[i];

		if (x->unit == TRIB__V1__UNIT__UNIT_VALUE) {
			principal += x->principal;
			bonus += x->bonus;
		} else {
			points += x->principal;
		}
	}
	for (size_t i = 0; i < s->fold.n_postings; i++) {
		const struct posting *p = &s->fold.postings[i];
		int64_t credit = p->credit - p->debit;

		diff[p->unit] += credit;
		posted_principal += p->account == LEDGER_PRINCIPAL ? credit : 0;
		posted_bonus += p->account == LEDGER_BONUS ? credit : 0;
		posted_points += p->account == LEDGER_POINTS ? credit : 0;
	}
	for (int u = 0; u <= LEDGER_UNIT_USES; u++)
		assert_int_equal(diff[u], 0);
	assert_int_equal(posted_principal, principal);
	assert_int_equal(posted_bonus, bonus);
	assert_int_equal(posted_points, points);
}

void nudge_all(struct shop *s)
{
	static const int64_t by[] = { 1, -1, 100, INT64_MAX, INT64_MIN, AMOUNT_MAX, -AMOUNT_MAX };
	size_t accepted = 0, refused = 0;
	const char *why;

	for (size_t k = 0; k < sizeof(by) / sizeof(by[0]); k++) {
		for (size_t m = 0; m < 24 * 24 * 24; m++) {
			size_t i = m % 24, j = m / 24 % 24, l = m / 24 / 24;
			int64_t back = (int64_t)(0 - (uint64_t)by[k]);

			mutate(s->entry, i, by[k]);
			mutate(s->entry, j, m % 2 ? by[k] : back);
			mutate(s->entry, l, m % 3 ? by[k] : back);
			if (fold_entry(s->entry, &s->fold, &why) == 0) {
				check_agrees(s);
				accepted++;
			} else {
				refused++;
			}
			mutate(s->entry, i, back);
			mutate(s->entry, j, m % 2 ? back : by[k]);
			mutate(s->entry, l, m % 3 ? back : by[k]);
		}
	}
	assert_int_equal(fold_entry(s->entry, &s->fold, &why), 0);
	assert_true(accepted > 0);
	assert_true(refused > 10 * accepted);
}
