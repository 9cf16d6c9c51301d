#include "till.h"

#include <string.h>

#include "decide.h"
#include "fold.h"
#include "lots.h"
#include "money.h"

/* How a receipt is paid. */
struct payment {
	bool has_stored_value;
	int64_t stored_value; /* wanted, and then taken */
	int64_t others;
};

static bool are_lines_valid(const struct sale_command *cmd)
{
	int64_t sum = 0; /* of at most SALE_MAX_LINES times AMOUNT_MAX */

	if (cmd->n_lines > SALE_MAX_LINES)
		return false;
	for (size_t i = 0; i < cmd->n_lines; i++) {
		const struct sale_line *l = &cmd->lines[i];

		if (l->sku == NULL || !money_is_amount(l->amount, 0) ||
		    !money_is_amount(l->qty_milli, 1))
			return false;
		sum += l->amount;
	}
	return cmd->n_lines == 0 || sum == cmd->amount;
}

/* Check the tenders and add them up into *ret; without any, stored value pays all of `payable`. */
static bool add_tenders(const struct sale_command *cmd, int64_t payable, struct payment *ret)
{
	struct payment p = { .has_stored_value = cmd->n_tenders == 0 };

	if (cmd->n_tenders > SALE_MAX_TENDERS)
		return false;
	if (cmd->n_tenders == 0)
		p.stored_value = payable;
	for (size_t i = 0; i < cmd->n_tenders; i++) {
		enum tender_kind kind = tender_parse(cmd->tenders[i].type);
		int64_t amount = cmd->tenders[i].amount;

		if (kind == TENDER_NONE || !money_is_amount(amount, 1))
			return false;
		if (kind != TENDER_KIND_STORED_VALUE) {
			p.others += amount;
			continue;
		}
		if (p.has_stored_value)
			return false;
		p.has_stored_value = true;
		p.stored_value = amount;
	}
	*ret = p;
	return true;
}

static int add_lines(const struct sale_command *cmd, struct arena *a, Trib__V1__Sale *body)
{
	body->lines = arena_alloc(a, cmd->n_lines * sizeof(Trib__V1__SaleLine *));
	if (body->lines == NULL)
		return ERR_FULL;
	for (size_t i = 0; i < cmd->n_lines; i++) {
		const struct sale_line *from = &cmd->lines[i];
		Trib__V1__SaleLine *l = arena_alloc(a, sizeof(*l));

		if (l == NULL)
			return ERR_FULL;
		trib__v1__sale_line__init(l);
		l->sku = arena_strdup(a, from->sku);
		if (from->category != NULL)
			l->category = arena_strdup(a, from->category);
		if (l->sku == NULL || (from->category != NULL && l->category == NULL))
			return ERR_FULL;
		l->qty_milli = from->qty_milli;
		l->amount = from->amount;
		body->lines[body->n_lines++] = l;
	}
	return 0;
}

/* The tenders as they were paid: stored value with what was taken. */
static int copy_tenders(const struct sale_command *cmd, const struct payment *p, struct arena *a,
			Trib__V1__Sale *body)
{
	const struct tender all = { .type = TENDER_STORED_VALUE };
	const struct tender *from = cmd->n_tenders > 0 ? cmd->tenders : &all;
	size_t n = cmd->n_tenders > 0 ? cmd->n_tenders : 1;

	body->tenders = arena_alloc(a, n * sizeof(Trib__V1__Tender *));
	if (body->tenders == NULL)
		return ERR_FULL;
	for (size_t i = 0; i < n; i++) {
		bool is_stored = tender_parse(from[i].type) == TENDER_KIND_STORED_VALUE;
		Trib__V1__Tender *t = draft_tender(a, from[i].type,
						   is_stored ? p->stored_value : from[i].amount,
						   from[i].payment_ref);

		if (t == NULL)
			return ERR_FULL;
		body->tenders[body->n_tenders++] = t;
	}
	return 0;
}

/* Points of the receipt's payable at the rate of today's rules, which the receipt keeps. */
static int price_points(const struct till_context *t, struct arena *a, Trib__V1__Sale *body)
{
	struct points_rate rate = rules_points(t->rules);
	int64_t points;
	int r = points_earned(&rate, body->payable, &points);

	if (r < 0)
		return r;
	if (points > AMOUNT_MAX)
		return ERR_FULL;
	if (rate.rule == NULL)
		return 0;
	body->points_rate = arena_alloc(a, sizeof(*body->points_rate));
	if (body->points_rate == NULL)
		return ERR_FULL;
	trib__v1__points_rate__init(body->points_rate);
	body->points_rate->rule = arena_strdup(a, rate.rule);
	body->points_rate->num = rate.num;
	body->points_rate->den = rate.den;
	body->points_earned = points;
	body->has_points_earned = points != 0;
	return body->points_rate->rule != NULL ? 0 : ERR_FULL;
}

static int make_body(const struct till_context *t, const struct account *acc,
		     const struct sale_command *cmd, const struct payment *p, struct arena *a,
		     Trib__V1__Sale **ret)
{
	Trib__V1__Sale *body = arena_alloc(a, sizeof(*body));
	int r;

	if (body == NULL)
		return ERR_FULL;
	trib__v1__sale__init(body);
	body->list_amount = cmd->amount;
	body->payable = p->stored_value + p->others;
	body->account_type = arena_strdup(a, acc->type);
	body->tier = acc->tier[0] != '\0' ? arena_strdup(a, acc->tier) : NULL;
	body->staff = cmd->staff != NULL ? arena_strdup(a, cmd->staff) : NULL;
	if (body->account_type == NULL || (acc->tier[0] != '\0' && body->tier == NULL) ||
	    (cmd->staff != NULL && body->staff == NULL))
		return ERR_FULL;
	r = add_lines(cmd, a, body);
	if (r == 0)
		r = copy_tenders(cmd, p, a, body);
	if (r == 0)
		r = price_points(t, a, body);
	if (r == 0)
		*ret = body;
	return r;
}

static int add_taken(const struct lot_taken *taken, size_t n, struct draft *d)
{
	for (size_t i = 0; i < n; i++) {
		Trib__V1__LotTerms *terms = draft_terms(d, taken[i].slice);
		int r;

		if (terms == NULL)
			return ERR_FULL;
		r = draft_add(d, TRIB__V1__UNIT__UNIT_VALUE, taken[i].slice->lot,
			      -taken[i].principal, -taken[i].bonus, terms);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Whether the command can be a sale at all; fills *ret_payment, facts->payable and what a refusal
 * says. */
static enum code check_command(const struct sale_command *cmd, struct payment *ret_payment,
			       struct till_facts *facts)
{
	if (!money_is_amount(cmd->amount, 1) || !are_lines_valid(cmd) || cmd->use_points < 0)
		return CODE_BAD_VALUE;
	if (cmd->use_points > 0) {
		facts->detail = "no rule lets points pay: leave use_points out";
		return CODE_NO_RULE;
	}
	facts->payable = cmd->amount; /* there are no rules that discount yet */
	if (!add_tenders(cmd, facts->payable, ret_payment))
		return CODE_BAD_VALUE;
	if (cmd->has_expected_payable && cmd->expected_payable != facts->payable)
		return CODE_PAYABLE_CHANGED;
	if (ret_payment->stored_value + ret_payment->others != facts->payable) {
		facts->tendered = ret_payment->stored_value + ret_payment->others;
		facts->param = "tenders";
		facts->detail = "the tenders must add up to the payable";
		return CODE_BAD_VALUE;
	}
	return CODE_OK;
}

enum code sale_decide(const struct till_context *t, const struct account *acc,
		      const struct sale_command *cmd, struct arena *a, Trib__V1__Entry *ret_entry,
		      struct till_facts *ret_facts)
{
	Trib__V1__Entry e = *ret_entry;
	struct till_facts facts = facts_of(acc, t->today);
	struct payment p;
	struct lot_taken *taken;
	struct draft d;
	size_t n;
	int64_t sum;
	enum code c;

	c = check_command(cmd, &p, &facts);
	*ret_facts = facts;
	if (c != CODE_OK)
		return c;
	if (acc->status != ACCOUNT_ACTIVE)
		return CODE_CARD_BLOCKED;

	taken = arena_alloc(a, acc->n_slices * sizeof(*taken));
	if (taken == NULL || draft_init(&d, a, (size_t)acc->n_slices + 1) < 0)
		return CODE_INTERNAL;
	sum = lots_take(acc, t->today, rules_account_type(t->rules, acc->type)->consumption,
			p.stored_value, taken, &n);
	if (sum < p.stored_value && !(cmd->allow_partial && sum > 0))
		return facts.total >= p.stored_value ? CODE_INSUFFICIENT_HERE : insufficient(acc);
	if (n > SALE_MAX_LOTS) {
		ret_facts->param = "amount";
		ret_facts->detail = "more than 512 separate lots would pay it: split the sale";
		return CODE_BAD_VALUE;
	}
	p.stored_value = sum;
	e.body_case = TRIB__V1__ENTRY__BODY_SALE;
	if (make_body(t, acc, cmd, &p, a, &e.sale) < 0 || add_taken(taken, n, &d) < 0 ||
	    draft_gain_points(&d, acc, e.sale->points_earned) < 0 ||
	    draft_finish(&d, t, acc, &e) < 0)
		return CODE_INTERNAL;
	*ret_entry = e;
	return CODE_OK;
}

enum code sale_quote(const struct till_context *t, const struct account *acc,
		     const struct sale_command *cmd, struct arena *a, Trib__V1__Sale **ret_sale,
		     struct till_facts *ret_facts)
{
	Trib__V1__Entry e = TRIB__V1__ENTRY__INIT;
	Trib__V1__Sale *body = NULL;
	struct till_facts facts;
	struct payment p = { 0 };
	enum code c = sale_decide(t, acc, cmd, a, &e, ret_facts);
	enum code checked = check_command(cmd, &p, &facts);
	bool is_priced = checked == CODE_OK || (checked == CODE_PAYABLE_CHANGED &&
						p.stored_value + p.others == facts.payable);

	if (c == CODE_OK)
		body = e.sale; /* what allow_partial leaves is not in it */
	else if (is_priced && make_body(t, acc, cmd, &p, a, &body) < 0)
		c = CODE_INTERNAL;
	*ret_sale = c != CODE_INTERNAL ? body : NULL;
	return c;
}
