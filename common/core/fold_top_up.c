#include "fold_kinds.h"

#include "ids.h"
#include "money.h"
#include "rules.h"

/* Sums of what the rules gave. */
static int add_gives(struct folding *f, const Trib__V1__TopUp *b, int64_t *ret_bonus,
		     int64_t *ret_points)
{
	int64_t bonus = 0, points = 0;

	if (b->n_gives > RULES_MAX_TOP_UPS)
		return fold_refuse(f, "too many gifts");
	for (size_t i = 0; i < b->n_gives; i++) {
		const Trib__V1__RuleGive *g = b->gives[i];

		if (!money_is_amount(g->bonus, 0) || !money_is_amount(g->points, 0))
			return fold_refuse(f, "a gift is out of bounds");
		if (g->uses != 0)
			return fold_refuse(f, "a gift of uses");
		bonus += g->bonus;
		points += g->points;
	}
	*ret_bonus = bonus;
	*ret_points = points;
	return 0;
}

/* The one value effect must issue this entry's own lot, whole. */
static int check_lot(struct folding *f, int64_t paid, int64_t bonus)
{
	const Trib__V1__Entry *e = f->e;
	const Trib__V1__SliceEffect *x = NULL;

	if (f->n_value != 1)
		return fold_refuse(f, "a top-up issues one lot");
	for (size_t i = 0; i < e->n_effects; i++) {
		if (e->effects[i]->unit == TRIB__V1__UNIT__UNIT_VALUE)
			x = e->effects[i];
	}
	if (x == NULL || x->lot != lot_id(e->node, e->incarnation, e->seq))
		return fold_refuse(f, "a top-up issues a lot that is not its own");
	if (x->principal != paid)
		return fold_refuse(f, "principal issued is not what was paid");
	if (x->bonus != bonus)
		return fold_refuse(f, "bonus issued is not what the rules gave");
	if (x->terms == NULL || x->terms->principal != paid || x->terms->bonus != bonus)
		return fold_refuse(f, "the lot's terms are not what was issued");
	return 0;
}

int fold_top_up(struct folding *f, const Trib__V1__TopUp *b)
{
	enum tender_kind tender = tender_parse(b->tender);
	int32_t store = f->e->node; /* the lot's issuer as well */
	int64_t bonus, points;
	int r = add_gives(f, b, &bonus, &points);

	if (r < 0)
		return r;
	if (!money_is_amount(b->paid, 1))
		return fold_refuse(f, "paid is out of bounds");
	if (tender == TENDER_NONE || tender == TENDER_KIND_STORED_VALUE)
		return fold_refuse(f, "no tender that can pay a top-up");
	r = check_lot(f, b->paid, bonus);
	if (r == 0)
		r = fold_debit(f, LEDGER_TENDER_CLEARING, LEDGER_UNIT_MONEY, store, (int32_t)tender,
			       b->paid);
	if (r == 0)
		r = fold_credit(f, LEDGER_PRINCIPAL, LEDGER_UNIT_MONEY, store, 0, b->paid);
	if (r == 0)
		r = fold_debit(f, LEDGER_ISSUED, LEDGER_UNIT_BONUS, store, 0, bonus);
	if (r == 0)
		r = fold_credit(f, LEDGER_BONUS, LEDGER_UNIT_BONUS, store, 0, bonus);
	if (r == 0)
		r = fold_total(f, TOTAL_TOP_UP, tender, LEDGER_UNIT_MONEY, b->paid);
	if (r == 0)
		r = fold_total(f, TOTAL_TOP_UP, TENDER_NONE, LEDGER_UNIT_BONUS, bonus);
	return r < 0 ? r : fold_points_given(f, TOTAL_TOP_UP, points);
}
