#include "fold.h"

#include <stdbool.h>

#include "account.h"
#include "entry.h"
#include "fold_kinds.h"
#include "ids.h"
#include "money.h"

static int merge(struct folding *f, const struct posting *p)
{
	struct fold *out = f->out;

	if (p->debit == 0 && p->credit == 0)
		return 0;
	for (size_t i = 0; i < out->n_postings; i++) {
		struct posting *have = &out->postings[i];
		int r;

		if (have->account != p->account || have->unit != p->unit ||
		    have->party1 != p->party1 || have->party2 != p->party2 ||
		    (have->debit > 0) != (p->debit > 0))
			continue;
		r = money_add(have->debit, p->debit, &have->debit);
		return r < 0 ? r : money_add(have->credit, p->credit, &have->credit);
	}
	if (out->n_postings == FOLD_MAX_POSTINGS) {
		f->why = "too many postings";
		return ERR_FULL;
	}
	out->postings[out->n_postings++] = *p;
	return 0;
}

static int post(struct folding *f, const struct posting *p)
{
	struct posting undo = *p;

	undo.debit = p->credit;
	undo.credit = p->debit;
	return merge(f, f->is_undo ? &undo : p);
}

int fold_debit(struct folding *f, enum ledger_account account, enum ledger_unit unit,
	       int32_t party1, int32_t party2, int64_t amount)
{
	struct posting p = { (int16_t)account, (int16_t)unit, party1, party2, amount, 0 };

	return post(f, &p);
}

int fold_credit(struct folding *f, enum ledger_account account, enum ledger_unit unit,
		int32_t party1, int32_t party2, int64_t amount)
{
	struct posting p = { (int16_t)account, (int16_t)unit, party1, party2, 0, amount };

	return post(f, &p);
}

int fold_total(struct folding *f, enum total_kind kind, enum tender_kind tender,
	       enum ledger_unit unit, int64_t amount)
{
	struct fold *out = f->out;

	if (amount == 0 && unit != LEDGER_UNIT_MONEY)
		return 0;
	for (size_t i = 0; i < out->n_totals; i++) {
		struct day_total *t = &out->totals[i];

		if (t->kind == (int16_t)kind && t->tender == (int16_t)tender &&
		    t->unit == (int16_t)unit)
			return money_add(t->amount, amount, &t->amount);
	}
	if (out->n_totals == FOLD_MAX_TOTALS)
		return ERR_FULL;
	out->totals[out->n_totals++] =
		(struct day_total){ (int16_t)kind, (int16_t)tender, (int16_t)unit, 1, amount };
	return 0;
}

bool fold_is_earlier(const struct folding *f, uint32_t incarnation, uint64_t seq)
{
	return incarnation < f->at_incarnation ||
	       (incarnation == f->at_incarnation && seq < f->at_seq);
}

int fold_points_given(struct folding *f, enum total_kind kind, int64_t given)
{
	int32_t store = f->e->node;
	int r;

	if (f->points_out != 0 || f->e->points_owed > 0)
		return fold_refuse(f, "points are taken where they are given");
	if (f->points_in - f->e->points_owed != given)
		return fold_refuse(f, "points of the effects are not the points given");
	r = fold_debit(f, LEDGER_ISSUED, LEDGER_UNIT_POINTS, store, 0, f->points_in);
	if (r == 0)
		r = fold_credit(f, LEDGER_POINTS, LEDGER_UNIT_POINTS, 0, 0, f->points_in);
	return r < 0 ? r : fold_total(f, kind, TENDER_NONE, LEDGER_UNIT_POINTS, given);
}

int fold_points_taken(struct folding *f, enum total_kind kind, int64_t taken)
{
	int32_t store = f->e->node;
	int64_t out = f->is_undo ? f->points_in : f->points_out;
	int64_t in = f->is_undo ? f->points_out : f->points_in;
	int64_t owed = f->is_undo ? -f->e->points_owed : f->e->points_owed;
	int r;

	if (in != 0 || owed < 0)
		return fold_refuse(f, "points are given where they are taken");
	if (out + owed != taken)
		return fold_refuse(f, "points of the effects are not the points taken");
	r = fold_debit(f, LEDGER_POINTS, LEDGER_UNIT_POINTS, 0, 0, out);
	if (r == 0)
		r = fold_credit(f, LEDGER_ISSUED, LEDGER_UNIT_POINTS, store, 0, out);
	return r < 0 ? r : fold_total(f, kind, TENDER_NONE, LEDGER_UNIT_POINTS, taken);
}

static bool is_delta(int64_t x)
{
	return x >= -AMOUNT_MAX && x <= AMOUNT_MAX;
}

static bool is_terms_valid(const Trib__V1__LotTerms *t)
{
	return t == NULL || (t->principal >= 0 && t->principal <= AMOUNT_MAX && t->bonus >= 0 &&
			     t->bonus <= AMOUNT_MAX);
}

static int add_value_effect(struct folding *f, const Trib__V1__SliceEffect *x)
{
	if (x->lot <= 0)
		return fold_refuse(f, "no value lot's number");
	if (x->terms != NULL && x->terms->issuer != lot_issuer(x->lot))
		return fold_refuse(f, "the issuer is not the one in the lot's number");
	f->n_value++;
	f->is_mixed |= (x->principal < 0 && x->bonus > 0) || (x->principal > 0 && x->bonus < 0);
	if (x->principal < 0 || x->bonus < 0)
		f->value_out -= x->principal + x->bonus;
	else
		f->value_in += x->principal + x->bonus;
	return 0;
}

static int add_points_effect(struct folding *f, const Trib__V1__SliceEffect *x)
{
	int32_t expires;

	if (points_lot_expires(x->lot, &expires) < 0)
		return fold_refuse(f, "no points lot's number");
	if (x->bonus != 0)
		return fold_refuse(f, "points have no bonus");
	f->n_points++;
	if (x->principal < 0)
		f->points_out -= x->principal;
	else
		f->points_in += x->principal;
	return 0;
}

static int add_effect(struct folding *f, size_t i)
{
	const Trib__V1__SliceEffect *x = f->e->effects[i];

	if (!is_delta(x->principal) || !is_delta(x->bonus) || !is_terms_valid(x->terms))
		return fold_refuse(f, "an effect is out of bounds");
	if (x->principal == 0 && x->bonus == 0)
		return fold_refuse(f, "an effect moves nothing");
	for (size_t k = 0; k < i; k++) {
		if (f->e->effects[k]->lot == x->lot && f->e->effects[k]->unit == x->unit)
			return fold_refuse(f, "a lot stands twice in the effects");
	}
	if (x->unit == TRIB__V1__UNIT__UNIT_VALUE)
		return add_value_effect(f, x);
	if (x->unit == TRIB__V1__UNIT__UNIT_POINTS)
		return add_points_effect(f, x);
	return fold_refuse(f, "an effect in a unit that this kind does not move");
}

/* What every kind that moves value shares. */
static int check_header(struct folding *f)
{
	const Trib__V1__Entry *e = f->e;

	if (e->node < 1 || e->node > NODE_MAX || e->incarnation > INCARNATION_MAX || e->seq < 1 ||
	    e->seq > LOT_SEQ_MAX)
		return fold_refuse(f, "node, incarnation or seq is out of bounds");
	if (!e->has_account || e->account.len != ACCOUNT_ID_BYTES)
		return fold_refuse(f, "no account");
	if (e->n_effects > ENTRY_MAX_EFFECTS)
		return fold_refuse(f, "too many effects");
	if (!is_delta(e->points_owed))
		return fold_refuse(f, "points owed are out of bounds");
	for (size_t i = 0; i < e->n_effects; i++) {
		int r = add_effect(f, i);

		if (r < 0)
			return r;
	}
	return f->is_mixed ? fold_refuse(f, "an effect gives and takes at once") : 0;
}

/* F1. It follows from the checks of the kinds; a mistake there must not reach the books. */
static int check_balance(struct folding *f)
{
	int64_t diff[LEDGER_UNIT_USES + 1] = { 0 };

	for (size_t i = 0; i < f->out->n_postings; i++) {
		const struct posting *p = &f->out->postings[i];

		if (p->debit < 0 || p->credit < 0 ||
		    money_add(diff[p->unit], p->debit - p->credit, &diff[p->unit]) < 0)
			return fold_refuse(f, "a posting is negative or too large");
	}
	for (size_t i = 0; i <= LEDGER_UNIT_USES; i++) {
		if (diff[i] != 0)
			return fold_refuse(f, "debits differ from credits");
	}
	return 0;
}

static int fold_opened(struct folding *f)
{
	if (!f->e->has_account || f->e->account.len != ACCOUNT_ID_BYTES)
		return fold_refuse(f, "no account");
	return fold_total(f, TOTAL_ACCOUNT_OPENED, TENDER_NONE, LEDGER_UNIT_MONEY, 0);
}

static int fold_kind(struct folding *f)
{
	const Trib__V1__Entry *e = f->e;
	bool is_moving = e->n_effects > 0 || e->points_owed != 0;
	int (*by_kind)(struct folding * f) = NULL;
	int r;

	switch (e->body_case) {
	case TRIB__V1__ENTRY__BODY_TOP_UP:
		r = check_header(f);
		return r < 0 ? r : fold_top_up(f, e->top_up);
	case TRIB__V1__ENTRY__BODY_SALE:
		r = check_header(f);
		return r < 0 ? r : fold_sale(f, e->sale);
	case TRIB__V1__ENTRY__BODY_REFUND:
		r = check_header(f);
		return r < 0 ? r : fold_refund(f, e->refund);
	case TRIB__V1__ENTRY__BODY_REFUND_TOP_UP:
		r = check_header(f);
		return r < 0 ? r : fold_refund_top_up(f, e->refund_top_up);
	case TRIB__V1__ENTRY__BODY_POINTS_REDEEMED:
		r = check_header(f);
		return r < 0 ? r : fold_redemption(f, e->points_redeemed);
	case TRIB__V1__ENTRY__BODY_REVERSAL:
		r = check_header(f);
		return r < 0 ? r : fold_reversal(f, e->reversal);
	case TRIB__V1__ENTRY__BODY_ACCOUNT_OPENED:
		by_kind = fold_opened;
		break;
	case TRIB__V1__ENTRY__BODY_CARD_LINKED:
	case TRIB__V1__ENTRY__BODY_ORDER_CANCELLED:
	case TRIB__V1__ENTRY__BODY_DAY_SEALED:
	case TRIB__V1__ENTRY__BODY_PIN_EVENT:
	case TRIB__V1__ENTRY__BODY_CERTIFICATE_ISSUED:
	case TRIB__V1__ENTRY__BODY_QUARANTINED:
	case TRIB__V1__ENTRY__BODY_RULE_SET_PUBLISHED:
		break;
	case TRIB__V1__ENTRY__BODY__NOT_SET:
	case _TRIB__V1__ENTRY__BODY__CASE_IS_INT_SIZE:
		f->why = "a kind that is not known here moves something";
		return is_moving ? ERR_VERSION : 0;
	}
	if (is_moving)
		return fold_refuse(f, "a kind that moves nothing has effects");
	return by_kind != NULL ? by_kind(f) : 0;
}

int fold_entry(const Trib__V1__Entry *e, struct fold *ret, const char **ret_why)
{
	struct folding f = { .e = e,
			     .out = ret,
			     .why = "a sum is too large",
			     .at_incarnation = e->incarnation,
			     .at_seq = e->seq };
	int r;

	ret->n_postings = 0;
	ret->n_totals = 0;
	r = fold_kind(&f);
	if (r == 0)
		r = check_balance(&f);
	if (r < 0)
		*ret_why = f.why;
	return r;
}
