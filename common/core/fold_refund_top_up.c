#include "fold_kinds.h"

#include "ids.h"
#include "money.h"

static int check_body(struct folding *f, const Trib__V1__RefundTopUp *b)
{
	if (!money_is_amount(b->amount, 1) || !money_is_amount(b->bonus, 0) ||
	    !money_is_amount(b->rest, 0) || b->amount + b->rest > AMOUNT_MAX)
		return fold_refuse(f, "the refund's amount or rest is out of bounds");
	if (!money_is_amount(b->points_clawed_back, 0))
		return fold_refuse(f, "the points clawed back are out of bounds");
	if (b->of_seq < 1 || b->of_seq > LOT_SEQ_MAX || b->of_incarnation > INCARNATION_MAX)
		return fold_refuse(f, "the receipt's number is out of bounds");
	if (!fold_is_earlier(f, b->of_incarnation, b->of_seq))
		return fold_refuse(f, "the receipt is later than its refund");
	return 0;
}

/* The one value effect must be what the body says of the top-up's lot. */
static int check_lot(struct folding *f, const Trib__V1__RefundTopUp *b)
{
	const Trib__V1__Entry *e = f->e;
	const Trib__V1__SliceEffect *x = NULL;
	int64_t sign = f->is_undo ? 1 : -1;

	for (size_t i = 0; i < e->n_effects; i++) {
		if (e->effects[i]->unit == TRIB__V1__UNIT__UNIT_VALUE)
			x = e->effects[i];
	}
	if (f->n_value != 1 || x == NULL)
		return fold_refuse(f, "a refund of a top-up takes one lot");
	if (x->lot != lot_id(e->node, b->of_incarnation, b->of_seq))
		return fold_refuse(f, "the lot taken is not the top-up's");
	if (x->principal != sign * b->amount || x->bonus != sign * b->bonus)
		return fold_refuse(f, "the lot's effect is not the refund");
	return 0;
}

int fold_refund_top_up(struct folding *f, const Trib__V1__RefundTopUp *b)
{
	enum total_kind kind = f->is_undo ? TOTAL_REVERSAL_REFUND_TOP_UP : TOTAL_REFUND_TOP_UP;
	enum tender_kind tender = tender_parse(b->paid_out->type);
	int32_t store = f->e->node; /* the lot's issuer as well */
	int r = check_body(f, b);

	if (r == 0)
		r = check_lot(f, b);
	if (r < 0)
		return r;
	if (tender == TENDER_NONE || tender == TENDER_KIND_STORED_VALUE ||
	    b->paid_out->amount != b->amount)
		return fold_refuse(f, "what is paid out is not the refund");
	r = fold_debit(f, LEDGER_PRINCIPAL, LEDGER_UNIT_MONEY, store, 0, b->amount);
	if (r == 0)
		r = fold_credit(f, LEDGER_TENDER_CLEARING, LEDGER_UNIT_MONEY, store,
				(int32_t)tender, b->amount);
	if (r == 0)
		r = fold_debit(f, LEDGER_BONUS, LEDGER_UNIT_BONUS, store, 0, b->bonus);
	if (r == 0)
		r = fold_credit(f, LEDGER_ISSUED, LEDGER_UNIT_BONUS, store, 0, b->bonus);
	if (r == 0)
		r = fold_total(f, kind, tender, LEDGER_UNIT_MONEY, b->amount);
	if (r == 0)
		r = fold_total(f, kind, TENDER_NONE, LEDGER_UNIT_BONUS, b->bonus);
	return r < 0 ? r : fold_points_taken(f, kind, b->points_clawed_back);
}
