#include "till.h"

#include "decide.h"
#include "fold.h"
#include "ids.h"
#include "money.h"

/* The lot of a top-up as it stands. */
struct issue {
	int64_t lot;
	int64_t points; /* that the rules gave with it */
	const struct slice *held; /* or NULL */
};

static bool is_receipt_of(const struct receipt *of, const struct till_context *t,
			  const struct account *acc)
{
	const Trib__V1__Entry *e = of->entry;

	return e->body_case == TRIB__V1__ENTRY__BODY_TOP_UP && e->node == t->node &&
	       is_entry_of(e, acc) && of->refunded >= 0 && of->refunded <= e->top_up->paid;
}

static int64_t points_given(const Trib__V1__TopUp *b)
{
	int64_t sum = 0; /* decided within AMOUNT_MAX */

	for (size_t i = 0; i < b->n_gives; i++)
		sum += b->gives[i]->points;
	return sum;
}

/* Nothing of the lot was spent, lapsed or paid back. */
static bool is_whole(const struct issue *lot, const struct receipt *of)
{
	return lot->held != NULL && of->refunded == 0 &&
	       lot->held->principal == lot->held->issued_principal &&
	       lot->held->bonus == lot->held->issued_bonus;
}

static enum code check_amount(const struct receipt *of, const struct refund_command *cmd,
			      const struct account *acc, const struct issue *lot, int64_t rest)
{
	if (cmd->has_amount && !money_is_amount(cmd->amount, 1))
		return CODE_BAD_VALUE;
	if (cmd->is_cancel && !is_whole(lot, of))
		return insufficient(acc);
	if (rest == 0 || (cmd->has_amount && cmd->amount > rest))
		return CODE_REFUND_EXCEEDS_SALE;
	return cmd->has_amount && cmd->amount < rest ? CODE_BAD_VALUE : CODE_OK;
}

/* Points to take back: what the rest of the top-up before deserves more than the rest after, so
 * that further refunds of what comes back to the lot end at all that were given. */
static int points_back(const struct receipt *of, const struct issue *lot, int64_t amount,
		       int64_t *ret)
{
	int64_t paid = of->entry->top_up->paid, before, after;
	int r;

	if (amount > paid - of->refunded)
		return ERR_INVALID;
	r = money_mul_div(paid - of->refunded, lot->points, paid, &before);
	if (r == 0)
		r = money_mul_div(paid - of->refunded - amount, lot->points, paid, &after);
	if (r == 0)
		*ret = before - after;
	return r;
}

static Trib__V1__RefundTopUp *make_body(const struct receipt *of, const struct slice *held,
					int64_t points, const char *reason, struct arena *a)
{
	const Trib__V1__TopUp *paid = of->entry->top_up;
	Trib__V1__RefundTopUp *body = arena_alloc(a, sizeof(*body));

	if (body == NULL)
		return NULL;
	trib__v1__refund_top_up__init(body);
	body->of_incarnation = of->entry->incarnation;
	body->of_seq = of->entry->seq;
	body->amount = held->principal;
	body->bonus = held->bonus;
	body->has_bonus = held->bonus != 0;
	body->points_clawed_back = points;
	body->has_points_clawed_back = points != 0;
	body->rest = paid->paid - of->refunded - held->principal;
	body->paid_out = draft_tender(a, paid->tender, held->principal, paid->payment_ref);
	if (body->paid_out == NULL)
		return NULL;
	if (reason != NULL) {
		body->reason = arena_strdup(a, reason);
		if (body->reason == NULL)
			return NULL;
	}
	return body;
}

static int take_lot(const struct slice *held, struct draft *d)
{
	Trib__V1__LotTerms *terms = draft_terms(d, held);

	if (terms == NULL)
		return ERR_FULL;
	return draft_add(d, TRIB__V1__UNIT__UNIT_VALUE, held->lot, -held->principal, -held->bonus,
			 terms);
}

enum code top_up_refund_decide(const struct till_context *t, const struct account *acc,
			       const struct receipt *of, const struct refund_command *cmd,
			       struct arena *a, Trib__V1__Entry *ret_entry,
			       struct till_facts *ret_facts)
{
	const Trib__V1__AccountType *type = rules_account_type(t->rules, acc->type);
	Trib__V1__Entry e = *ret_entry;
	struct till_facts facts = { 0 };
	struct issue lot;
	struct draft d;
	enum code c;

	*ret_facts = facts;
	if (!is_receipt_of(of, t, acc))
		return CODE_INTERNAL;
	lot.lot = lot_id(of->entry->node, of->entry->incarnation, of->entry->seq);
	lot.points = points_given(of->entry->top_up);
	lot.held = account_find(acc, TRIB__V1__UNIT__UNIT_VALUE, lot.lot);
	facts = facts_of(acc, t->today);
	facts.payable = of->entry->top_up->paid;
	facts.rest = lot.held != NULL ? lot.held->principal : 0;
	c = check_amount(of, cmd, acc, &lot, facts.rest);
	if (c == CODE_BAD_VALUE) {
		facts.param = "amount";
		facts.detail = "a top-up is refunded whole: leave amount out";
	}
	if (c == CODE_OK && points_back(of, &lot, facts.rest, &facts.points_wanted) < 0)
		c = CODE_INTERNAL;
	*ret_facts = facts;
	if (c != CODE_OK)
		return c;
	if (type->clawback == TRIB__V1__CLAWBACK__CLAWBACK_REFUSE &&
	    facts.points_wanted > facts.points_held)
		return CODE_POINTS_SHORT;

	e.body_case = TRIB__V1__ENTRY__BODY_REFUND_TOP_UP;
	e.refund_top_up = make_body(of, lot.held, facts.points_wanted, cmd->reason, a);
	if (e.refund_top_up == NULL || draft_init(&d, a, 1 + (size_t)acc->n_slices) < 0 ||
	    take_lot(lot.held, &d) < 0 ||
	    draft_claw_points(&d, acc, t->today, facts.points_wanted) < 0 ||
	    draft_finish(&d, t, acc, &e) < 0)
		return CODE_INTERNAL;
	*ret_entry = e;
	return CODE_OK;
}
