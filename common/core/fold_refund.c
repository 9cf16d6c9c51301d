#include "fold_kinds.h"

#include "entry.h"
#include "ids.h"
#include "money.h"
#include "till.h"

static enum total_kind total_of(const struct folding *f)
{
	return f->is_undo ? TOTAL_REVERSAL_REFUND : TOTAL_REFUND;
}

static int check_receipt(struct folding *f, const Trib__V1__Refund *b)
{
	const Trib__V1__Entry *e = f->e;
	bool is_own = !b->has_of_node || b->of_node == e->node;

	if (!money_is_amount(b->amount, 1) || !money_is_amount(b->rest, 0) ||
	    b->amount + b->rest > AMOUNT_MAX)
		return fold_refuse(f, "the refund's amount or rest is out of bounds");
	if (b->of_seq < 1 || b->of_incarnation > INCARNATION_MAX ||
	    (b->has_of_node && (b->of_node < 1 || b->of_node > NODE_MAX)))
		return fold_refuse(f, "the receipt's number is out of bounds");
	if (is_own && !fold_is_earlier(f, b->of_incarnation, b->of_seq))
		return fold_refuse(f, "the receipt is later than its refund");
	if (!money_is_amount(b->points_clawed_back, 0))
		return fold_refuse(f, "the points clawed back are out of bounds");
	return 0;
}

static int check_back(struct folding *f, const Trib__V1__SliceBack *s)
{
	if (s->lot <= 0 || s->issuer != lot_issuer(s->lot))
		return fold_refuse(f, "the issuer is not the one in the lot's number");
	if (!money_is_amount(s->principal, 0) || !money_is_amount(s->bonus, 0) ||
	    !money_is_amount(s->expired_bonus, 0))
		return fold_refuse(f, "a slice back is out of bounds");
	if (s->expired_principal != 0)
		return fold_refuse(f, "principal expired by a refund");
	if (s->bonus != 0 && s->expired_bonus != 0)
		return fold_refuse(f, "a lot's bonus is expired and is not");
	if (s->principal == 0 && s->bonus == 0 && s->expired_bonus == 0)
		return fold_refuse(f, "a slice back of nothing");
	return 0;
}

/* The value effects must be the slices back, in their order; one of which all expired has none. */
static int match_effects(struct folding *f, const Trib__V1__Refund *b)
{
	const Trib__V1__Entry *e = f->e;
	int64_t sign = f->is_undo ? -1 : 1;
	size_t k = 0;

	for (size_t i = 0; i < b->n_back; i++) {
		const Trib__V1__SliceBack *s = b->back[i];

		if (s->principal == 0 && s->bonus == 0)
			continue;
		while (k < e->n_effects && e->effects[k]->unit != TRIB__V1__UNIT__UNIT_VALUE)
			k++;
		if (k == e->n_effects || e->effects[k]->lot != s->lot ||
		    e->effects[k]->principal != sign * s->principal ||
		    e->effects[k]->bonus != sign * s->bonus)
			return fold_refuse(f, "the effects are not the slices back");
		k++;
	}
	for (; k < e->n_effects; k++) {
		if (e->effects[k]->unit == TRIB__V1__UNIT__UNIT_VALUE)
			return fold_refuse(f, "a value effect that is no slice back");
	}
	return 0;
}

/* Post one slice back. Bonus that expired comes back and goes out again. */
static int fold_back(struct folding *f, const Trib__V1__SliceBack *s)
{
	int64_t bonus = s->bonus + s->expired_bonus;
	int r = fold_credit(f, LEDGER_PRINCIPAL, LEDGER_UNIT_MONEY, s->issuer, 0, s->principal);

	if (r == 0)
		r = fold_debit(f, LEDGER_ISSUED, LEDGER_UNIT_BONUS, s->issuer, 0, bonus);
	if (r == 0)
		r = fold_credit(f, LEDGER_BONUS, LEDGER_UNIT_BONUS, s->issuer, 0, bonus);
	if (r == 0)
		r = fold_debit(f, LEDGER_BONUS, LEDGER_UNIT_BONUS, s->issuer, 0, s->expired_bonus);
	if (r == 0)
		r = fold_credit(f, LEDGER_ISSUED, LEDGER_UNIT_BONUS, s->issuer, 0,
				s->expired_bonus);
	return r;
}

/* Post all slices back and their totals; *ret_stored is their sum. */
static int fold_stored(struct folding *f, const Trib__V1__Refund *b, int64_t *ret_stored)
{
	int64_t principal = 0, bonus = 0;
	int r = 0;

	if (b->n_back > ENTRY_MAX_EFFECTS)
		return fold_refuse(f, "too many slices back");
	for (size_t i = 0; i < b->n_back && r == 0; i++) {
		const Trib__V1__SliceBack *s = b->back[i];

		r = check_back(f, s);
		if (r < 0)
			return r;
		for (size_t k = 0; k < i; k++) {
			if (b->back[k]->lot == s->lot)
				return fold_refuse(f, "a lot stands twice in the slices back");
		}
		r = fold_back(f, s);
		principal += s->principal;
		bonus += s->bonus + s->expired_bonus;
	}
	if (r == 0)
		r = match_effects(f, b);
	if (r == 0)
		r = fold_credit(f, LEDGER_PROMOTION_COST, LEDGER_UNIT_MONEY, f->e->node, 0, bonus);
	if (r == 0 && b->n_back > 0)
		r = fold_total(f, total_of(f), TENDER_KIND_STORED_VALUE, LEDGER_UNIT_MONEY,
			       principal + bonus);
	if (r == 0)
		r = fold_total(f, total_of(f), TENDER_NONE, LEDGER_UNIT_BONUS, bonus);
	if (r == 0)
		*ret_stored = principal + bonus;
	return r;
}

/* Post what the other tenders got; *ret_others is their sum. */
static int fold_paid_out(struct folding *f, const Trib__V1__Refund *b, int64_t *ret_others)
{
	int64_t sum = 0;
	int r = 0;

	if (b->n_paid_out > SALE_MAX_TENDERS)
		return fold_refuse(f, "too many tenders");
	for (size_t i = 0; i < b->n_paid_out && r == 0; i++) {
		const Trib__V1__Tender *t = b->paid_out[i];
		enum tender_kind kind = tender_parse(t->type);

		if (kind == TENDER_NONE || kind == TENDER_KIND_STORED_VALUE ||
		    !money_is_amount(t->amount, 1))
			return fold_refuse(f, "a tender is unknown or out of bounds");
		sum += t->amount;
		r = fold_credit(f, LEDGER_TENDER_CLEARING, LEDGER_UNIT_MONEY, f->e->node,
				(int32_t)kind, t->amount);
		if (r == 0)
			r = fold_total(f, total_of(f), kind, LEDGER_UNIT_MONEY, t->amount);
	}
	if (r == 0)
		*ret_others = sum;
	return r;
}

int fold_refund(struct folding *f, const Trib__V1__Refund *b)
{
	int64_t stored = 0, others = 0;
	int r = check_receipt(f, b);

	if (r == 0)
		r = fold_paid_out(f, b, &others);
	if (r == 0)
		r = fold_stored(f, b, &stored);
	if (r < 0)
		return r;
	if (stored + others != b->amount)
		return fold_refuse(f, "slices back and tenders are not the refund's amount");
	r = fold_debit(f, LEDGER_REVENUE, LEDGER_UNIT_MONEY, f->e->node, 0, b->amount);
	return r < 0 ? r : fold_points_taken(f, total_of(f), b->points_clawed_back);
}
