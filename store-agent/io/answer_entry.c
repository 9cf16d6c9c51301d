#include "answer.h"
#include "answer_internal.h"
#include "store.h"

/* The answers that an entry makes, and a quote's. */

static void put_balances(struct store *s, const struct agent_append *x, struct text *t)
{
	struct balance total = answer_total_balance(s, x->account, &x->here);

	answer_put_balance(t, "balance", &total);
	answer_put_balance(t, "available_here", &x->here);
}

static void put_txn(struct store *s, const struct agent_append *x, struct text *t)
{
	char txn[TXN_TEXT_BYTES];

	txn_format(s->identity.agent.store, s->identity.agent.incarnation, x->at.seq, txn);
	text_key_string(t, "txn", txn);
	text_key_string(t, "order_no", x->command->order_no);
}

void answer_sum_effects(const Trib__V1__Entry *e, int unit, int64_t *ret_principal,
			int64_t *ret_bonus)
{
	*ret_principal = 0;
	*ret_bonus = 0;
	for (size_t i = 0; i < e->n_effects; i++) {
		if ((int)e->effects[i]->unit != unit)
			continue;
		*ret_principal += e->effects[i]->principal;
		*ret_bonus += e->effects[i]->bonus;
	}
}

static void put_top_up(struct store *s, const struct agent_append *x, struct text *t)
{
	const Trib__V1__TopUp *b = x->entry->top_up;
	int64_t bonus = 0, points = 0, uses = 0;
	const char *tier = NULL;

	for (size_t i = 0; i < b->n_gives; i++) {
		bonus += b->gives[i]->bonus;
		points += b->gives[i]->points;
		uses += b->gives[i]->uses;
		if (b->gives[i]->tier != NULL)
			tier = b->gives[i]->tier;
	}
	put_txn(s, x, t);
	text_key(t, "gives");
	text_raw(t, "{");
	text_key_int(t, "principal", b->paid);
	text_key_int(t, "bonus", bonus);
	text_key_int(t, "points", points);
	text_key_int(t, "uses", uses);
	if (tier != NULL)
		text_key_string(t, "tier", tier);
	text_raw(t, "}");
	put_balances(s, x, t);
}

static void put_tenders(struct text *t, const char *name, const char *what, Trib__V1__Tender **list,
			size_t n)
{
	text_key(t, name);
	text_raw(t, "[");
	for (size_t i = 0; i < n; i++) {
		text_comma(t);
		text_raw(t, "{");
		text_key_string(t, what, list[i]->type);
		text_key_int(t, "amount", list[i]->amount);
		if (list[i]->payment_ref != NULL)
			text_key_string(t, "payment_ref", list[i]->payment_ref);
		text_raw(t, "}");
	}
	text_raw(t, "]");
}

static void put_discounts(struct text *t, const Trib__V1__Sale *b)
{
	text_key(t, "discounts");
	text_raw(t, "[");
	for (size_t i = 0; i < b->n_discounts; i++) {
		text_comma(t);
		text_raw(t, "{");
		text_key_string(t, "rule", b->discounts[i]->rule);
		text_key_int(t, "amount", b->discounts[i]->amount);
		text_raw(t, "}");
	}
	text_raw(t, "]");
}

/* Value and points that came onto (or, with a minus, left) the account. */
static void put_moved(struct text *t, const char *name, int64_t principal, int64_t bonus,
		      int64_t points)
{
	text_key(t, name);
	text_raw(t, "{");
	text_key_int(t, "principal", principal);
	text_key_int(t, "bonus", bonus);
	text_key_int(t, "points", points);
	text_raw(t, "}");
}

/* What quotes and sales tell alike. */
static void put_priced(const Trib__V1__Sale *b, int64_t rules_version, struct text *t)
{
	text_key_int(t, "list_amount", b->list_amount);
	put_discounts(t, b);
	text_key_int(t, "payable", b->payable);
	put_tenders(t, "tenders", "type", b->tenders, b->n_tenders);
	text_key_int(t, "points_earned", b->points_earned);
	text_key_int(t, "rules_version", rules_version);
}

static int64_t sum_discounts(const Trib__V1__Sale *b)
{
	int64_t sum = 0;

	for (size_t i = 0; i < b->n_discounts; i++)
		sum += b->discounts[i]->amount;
	return sum;
}

/* What allow_partial left for other means. */
static void put_remaining(const Trib__V1__Sale *b, struct text *t)
{
	int64_t remaining = b->list_amount - sum_discounts(b) - b->payable;

	if (remaining > 0)
		text_key_int(t, "remaining", remaining);
}

static void put_sale(struct store *s, const struct agent_append *x, struct text *t)
{
	const Trib__V1__Sale *b = x->entry->sale;
	int64_t principal, bonus;

	answer_sum_effects(x->entry, TRIB__V1__UNIT__UNIT_VALUE, &principal, &bonus);
	put_txn(s, x, t);
	put_priced(b, (int64_t)x->entry->rules_version, t);
	text_key_bool(t, "approvable", true);
	put_moved(t, "paid_from", -principal, -bonus, b->points_used);
	put_remaining(b, t);
	put_balances(s, x, t);
}

void answer_of_quote(const struct agent_answer *x, struct text *t)
{
	text_clear(t);
	text_raw(t, "{");
	put_priced(x->quote, (int64_t)x->quote_rules_version, t);
	text_key_bool(t, "approvable", x->code == CODE_OK);
	if (x->code != CODE_OK)
		text_key_string(t, "why", code_name(x->code));
	put_remaining(x->quote, t);
	if (x->is_pin_required)
		text_key_bool(t, "pin_required", true);
	text_raw(t, "}");
}

static void put_refund(const struct agent_append *x, struct text *t)
{
	const Trib__V1__Refund *b = x->entry->refund;
	int64_t principal, bonus;

	answer_sum_effects(x->entry, TRIB__V1__UNIT__UNIT_VALUE, &principal, &bonus);
	text_key_int(t, "amount", b->amount);
	put_moved(t, "restored", principal, bonus, 0);
	put_tenders(t, "paid_out", "tender", b->paid_out, b->n_paid_out);
	text_key_int(t, "points_clawed_back", b->points_clawed_back);
	text_key_int(t, "rest", b->rest);
}

static void put_top_up_refund(const struct agent_append *x, struct text *t)
{
	Trib__V1__RefundTopUp *b = x->entry->refund_top_up;

	text_key_int(t, "amount", b->amount);
	put_moved(t, "restored", 0, 0, 0);
	put_moved(t, "taken", b->amount, b->bonus, 0);
	put_tenders(t, "paid_out", "tender", &b->paid_out, 1);
	text_key_int(t, "points_clawed_back", b->points_clawed_back);
	text_key_int(t, "rest", b->rest);
}

/* What an undone refund gave back, and what of it the till handed out and takes in again. */
static void put_collect(const Trib__V1__Reversal *r, struct text *t)
{
	switch ((int)r->what_case) {
	case TRIB__V1__REVERSAL__WHAT_REFUND:
		text_key_int(t, "amount", r->refund->amount);
		put_tenders(t, "collect", "tender", r->refund->paid_out, r->refund->n_paid_out);
		break;
	case TRIB__V1__REVERSAL__WHAT_REFUND_TOP_UP:
		text_key_int(t, "amount", r->refund_top_up->amount);
		put_tenders(t, "collect", "tender", &r->refund_top_up->paid_out, 1);
		break;
	}
}

/* What a refund or redemption that is undone moved back. */
static void put_reversal(const struct agent_append *x, struct text *t)
{
	const Trib__V1__Entry *e = x->entry;
	int64_t principal, bonus, points, unused;

	put_collect(e->reversal, t);
	answer_sum_effects(e, TRIB__V1__UNIT__UNIT_VALUE, &principal, &bonus);
	answer_sum_effects(e, TRIB__V1__UNIT__UNIT_POINTS, &points, &unused);
	put_moved(t, "restored", principal, bonus, points - e->points_owed);
}

static void put_redemption(struct store *s, const struct agent_append *x, struct text *t)
{
	const Trib__V1__PointsRedeemed *b = x->entry->points_redeemed;

	put_txn(s, x, t);
	text_key_int(t, "points", b->points);
	text_key_string(t, "item", b->item);
	put_balances(s, x, t);
}

static void put_cancel(struct store *s, const struct agent_append *x, struct text *t)
{
	text_key_string(t, "state", "cancelled");
	text_key_string(t, "verb", agent_verb_name(x->command->cancel));
	text_key_bool(t, "reversed", x->is_reversing);
	if (!x->is_reversing) {
		text_key_string(t, "order_no", x->command->order_no);
		return;
	}
	put_txn(s, x, t);
	switch ((int)x->entry->body_case) {
	case TRIB__V1__ENTRY__BODY_REFUND:
		put_refund(x, t);
		break;
	case TRIB__V1__ENTRY__BODY_REFUND_TOP_UP:
		put_top_up_refund(x, t);
		break;
	default:
		put_reversal(x, t);
		break;
	}
	put_balances(s, x, t);
}

void answer_of_entry(struct store *s, const struct agent_append *x, struct text *t)
{
	text_clear(t);
	if (x->command->verb == AGENT_OPEN_CARD) {
		answer_of_account(s, x->account, x->command->card_no, x->command->wall_ms, t);
		return;
	}
	text_raw(t, "{");
	if (x->keeps == AGENT_KEEPS_CANCEL) {
		put_cancel(s, x, t);
	} else if (x->command->verb == AGENT_TOP_UP) {
		put_top_up(s, x, t);
	} else if (x->command->verb == AGENT_SALE) {
		put_sale(s, x, t);
	} else if (x->command->verb == AGENT_REDEMPTION) {
		put_redemption(s, x, t);
	} else {
		put_txn(s, x, t);
		if (x->entry->body_case == TRIB__V1__ENTRY__BODY_REFUND)
			put_refund(x, t);
		else
			put_top_up_refund(x, t);
		put_balances(s, x, t);
	}
	text_raw(t, "}");
}
