#include "till.h"

#include "decide.h"

/* Put the undone body into the reversal's; *ret_points is what it took. False where it is of a kind
 * that cannot be undone. */
static bool set_body(const Trib__V1__Entry *of, Trib__V1__Reversal *body, int64_t *ret_points)
{
	switch ((int)of->body_case) {
	case TRIB__V1__ENTRY__BODY_REFUND:
		body->what_case = TRIB__V1__REVERSAL__WHAT_REFUND;
		body->refund = of->refund;
		*ret_points = of->refund->points_clawed_back;
		return true;
	case TRIB__V1__ENTRY__BODY_REFUND_TOP_UP:
		body->what_case = TRIB__V1__REVERSAL__WHAT_REFUND_TOP_UP;
		body->refund_top_up = of->refund_top_up;
		*ret_points = of->refund_top_up->points_clawed_back;
		return true;
	case TRIB__V1__ENTRY__BODY_POINTS_REDEEMED:
		body->what_case = TRIB__V1__REVERSAL__WHAT_POINTS_REDEEMED;
		body->points_redeemed = of->points_redeemed;
		*ret_points = of->points_redeemed->points;
		return true;
	default:
		return false;
	}
}

/* All that the entry put back is held still. */
static bool is_held(const struct account *acc, const Trib__V1__Entry *of)
{
	for (size_t i = 0; i < of->n_effects; i++) {
		const Trib__V1__SliceEffect *f = of->effects[i];
		const struct slice *held;

		if (f->unit != TRIB__V1__UNIT__UNIT_VALUE || f->principal + f->bonus < 0)
			continue;
		held = account_find(acc, (int32_t)f->unit, f->lot);
		if (held == NULL || held->principal < f->principal || held->bonus < f->bonus)
			return false;
	}
	return true;
}

/* The value effects of the entry with the other sign. */
static int add_opposite(const Trib__V1__Entry *of, struct draft *d)
{
	for (size_t i = 0; i < of->n_effects; i++) {
		const Trib__V1__SliceEffect *f = of->effects[i];
		Trib__V1__LotTerms *terms;
		int r;

		if (f->unit != TRIB__V1__UNIT__UNIT_VALUE)
			continue;
		if (f->terms == NULL)
			return ERR_INVALID;
		terms = draft_terms_copy(d, f->terms);
		if (terms == NULL)
			return ERR_FULL;
		r = draft_add(d, f->unit, f->lot, -f->principal, -f->bonus, terms);
		if (r < 0)
			return r;
	}
	return 0;
}

enum code reversal_decide(const struct till_context *t, const struct account *acc,
			  const Trib__V1__Entry *of, struct arena *a, Trib__V1__Entry *ret_entry,
			  struct till_facts *ret_facts)
{
	Trib__V1__Entry e = *ret_entry;
	struct till_facts facts = facts_of(acc, t->today);
	struct draft d;
	int64_t points;

	*ret_facts = facts;
	if (of->node != t->node || !is_entry_of(of, acc))
		return CODE_INTERNAL;
	e.body_case = TRIB__V1__ENTRY__BODY_REVERSAL;
	e.reversal = arena_alloc(a, sizeof(*e.reversal));
	if (e.reversal == NULL)
		return CODE_INTERNAL;
	trib__v1__reversal__init(e.reversal);
	e.reversal->of_incarnation = of->incarnation;
	e.reversal->of_seq = of->seq;
	if (!set_body(of, e.reversal, &points))
		return CODE_INTERNAL;
	if (!is_held(acc, of))
		return insufficient(acc);
	if (draft_init(&d, a, of->n_effects + 1) < 0 || add_opposite(of, &d) < 0 ||
	    draft_restore_points(&d, acc, of, points) < 0 || draft_finish(&d, t, acc, &e) < 0)
		return CODE_INTERNAL;
	*ret_entry = e;
	return CODE_OK;
}
