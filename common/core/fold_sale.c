#include "fold_kinds.h"

#include "ids.h"
#include "money.h"
#include "till.h"

/* Amounts of the receipt: lines, discounts and payable. A partial sale's payable is below what
 * the discounts leave. */
static int check_amounts(struct folding *f, const Trib__V1__Sale *b)
{
	int64_t lines = 0, left = b->list_amount;

	if (!money_is_amount(b->list_amount, 1) || !money_is_amount(b->payable, 1))
		return fold_refuse(f, "the receipt's amount is out of bounds");
	if (b->n_lines > SALE_MAX_LINES || b->n_discounts > SALE_MAX_LINES)
		return fold_refuse(f, "too many lines or discounts");
	for (size_t i = 0; i < b->n_lines; i++) {
		if (!money_is_amount(b->lines[i]->amount, 0) || b->lines[i]->qty_milli < 1)
			return fold_refuse(f, "a line is out of bounds");
		lines += b->lines[i]->amount;
	}
	if (b->n_lines > 0 && lines != b->list_amount)
		return fold_refuse(f, "the lines are not the list amount");
	for (size_t i = 0; i < b->n_discounts; i++) {
		if (!money_is_amount(b->discounts[i]->amount, 0))
			return fold_refuse(f, "a discount is out of bounds");
		left -= b->discounts[i]->amount;
	}
	if (b->payable > left)
		return fold_refuse(f, "payable is above what the discounts leave");
	return 0;
}

static int check_points(struct folding *f, const Trib__V1__Sale *b)
{
	int64_t earned = 0;

	if (b->points_used != 0)
		return fold_refuse(f, "points used by a sale");
	if (b->points_rate != NULL &&
	    money_mul_div(b->payable, b->points_rate->num, b->points_rate->den, &earned) < 0)
		return fold_refuse(f, "the points rate is out of bounds");
	if (b->points_earned != earned || !money_is_amount(earned, 0))
		return fold_refuse(f, "points earned are not the rate's");
	return 0;
}

/* Post the tenders other than stored value; *ret_stored is that one's amount. */
static int fold_tenders(struct folding *f, const Trib__V1__Sale *b, int64_t *ret_stored)
{
	int64_t sum = 0, stored = 0;
	int r = 0;

	if (b->n_tenders < 1 || b->n_tenders > SALE_MAX_TENDERS)
		return fold_refuse(f, "no tender or too many");
	for (size_t i = 0; i < b->n_tenders && r == 0; i++) {
		const Trib__V1__Tender *t = b->tenders[i];
		enum tender_kind kind = tender_parse(t->type);

		if (kind == TENDER_NONE || !money_is_amount(t->amount, 1))
			return fold_refuse(f, "a tender is unknown or out of bounds");
		if (kind == TENDER_KIND_STORED_VALUE && stored > 0)
			return fold_refuse(f, "stored value stands twice in the tenders");
		sum += t->amount;
		if (kind == TENDER_KIND_STORED_VALUE)
			stored = t->amount;
		else
			r = fold_debit(f, LEDGER_TENDER_CLEARING, LEDGER_UNIT_MONEY, f->e->node,
				       (int32_t)kind, t->amount);
		if (r == 0)
			r = fold_total(f, TOTAL_SALE, kind, LEDGER_UNIT_MONEY, t->amount);
	}
	if (r < 0)
		return r;
	if (sum != b->payable)
		return fold_refuse(f, "the tenders are not the payable");
	*ret_stored = stored;
	return 0;
}

/* Post the slices taken; the bonus in them costs the seller. */
static int fold_taken(struct folding *f)
{
	const Trib__V1__Entry *e = f->e;
	int64_t bonus = 0;
	int r = 0;

	for (size_t i = 0; i < e->n_effects && r == 0; i++) {
		const Trib__V1__SliceEffect *x = e->effects[i];
		int32_t issuer = lot_issuer(x->lot);

		if (x->unit != TRIB__V1__UNIT__UNIT_VALUE)
			continue;
		bonus -= x->bonus;
		r = fold_debit(f, LEDGER_PRINCIPAL, LEDGER_UNIT_MONEY, issuer, 0, -x->principal);
		if (r == 0)
			r = fold_debit(f, LEDGER_BONUS, LEDGER_UNIT_BONUS, issuer, 0, -x->bonus);
		if (r == 0)
			r = fold_credit(f, LEDGER_ISSUED, LEDGER_UNIT_BONUS, issuer, 0, -x->bonus);
	}
	if (r == 0)
		r = fold_debit(f, LEDGER_PROMOTION_COST, LEDGER_UNIT_MONEY, e->node, 0, bonus);
	return r < 0 ? r : fold_total(f, TOTAL_SALE, TENDER_NONE, LEDGER_UNIT_BONUS, bonus);
}

int fold_sale(struct folding *f, const Trib__V1__Sale *b)
{
	int64_t stored;
	int r = check_amounts(f, b);

	if (r == 0)
		r = check_points(f, b);
	if (r == 0)
		r = fold_tenders(f, b, &stored);
	if (r < 0)
		return r;
	if (f->value_in != 0)
		return fold_refuse(f, "a sale gives value");
	if (f->value_out != stored)
		return fold_refuse(f, "the slices taken are not the stored value tender");
	r = fold_taken(f);
	if (r == 0)
		r = fold_credit(f, LEDGER_REVENUE, LEDGER_UNIT_MONEY, f->e->node, 0, b->payable);
	return r < 0 ? r : fold_points_given(f, TOTAL_SALE, b->points_earned);
}
