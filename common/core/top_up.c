#include "till.h"

#include <string.h>

#include "decide.h"
#include "fold.h"
#include "ids.h"
#include "money.h"

struct gifts {
	int64_t bonus, points;
	int32_t expires; /* of the lot */
};

/* Last day of a lot that a rule gave something to. */
static int32_t rule_expires(const Trib__V1__TopUpRule *rule, int32_t business_day)
{
	int64_t day = (int64_t)business_day + rule->expires_days;

	return rule->has_expires_days && day < LOT_NEVER ? (int32_t)day : LOT_NEVER;
}

static int add_give(struct arena *a, const char *rule, int64_t bonus, int64_t points,
		    Trib__V1__TopUp *body)
{
	Trib__V1__RuleGive *g = arena_alloc(a, sizeof(*g));

	if (g == NULL)
		return ERR_FULL;
	trib__v1__rule_give__init(g);
	g->rule = arena_strdup(a, rule);
	g->bonus = bonus;
	g->has_bonus = bonus != 0;
	g->points = points;
	g->has_points = points != 0;
	body->gives[body->n_gives++] = g;
	return g->rule != NULL ? 0 : ERR_FULL;
}

/* Let every rule for the account's type give, into body->gives and *ret. */
static int collect_gifts(const struct till_context *t, const char *type, struct arena *a,
			 Trib__V1__TopUp *body, struct gifts *ret)
{
	struct gifts sum = { .expires = LOT_NEVER };
	size_t n = t->rules != NULL ? t->rules->n_top_ups : 0;

	body->gives = arena_alloc(a, n * sizeof(Trib__V1__RuleGive *));
	if (body->gives == NULL)
		return ERR_FULL;
	for (size_t i = 0; i < n; i++) {
		const Trib__V1__TopUpRule *rule = t->rules->top_ups[i];
		int32_t expires = rule_expires(rule, t->business_day);
		int64_t bonus, points;
		int r;

		if (!top_up_rule_applies(rule, type))
			continue;
		r = ladder_give(rule, body->paid, &bonus, &points);
		if (r < 0)
			return r;
		if (bonus == 0 && points == 0)
			continue;
		if (body->n_gives == 0 || expires > sum.expires)
			sum.expires = expires;
		r = add_give(a, rule->id, bonus, points, body);
		if (r == 0)
			r = money_add(sum.bonus, bonus, &sum.bonus);
		if (r == 0)
			r = money_add(sum.points, points, &sum.points);
		if (r < 0)
			return r;
	}
	*ret = sum;
	return sum.bonus <= AMOUNT_MAX && sum.points <= AMOUNT_MAX ? 0 : ERR_FULL;
}

static int issue_lot(const struct till_context *t, const struct gifts *g, int64_t paid,
		     struct draft *d)
{
	struct slice lot = {
		.lot = lot_id(t->node, t->incarnation, t->seq),
		.issuer = t->node,
		.expires = g->expires,
		.issued_ms = t->wall_ms,
		.issued_principal = paid,
		.issued_bonus = g->bonus,
	};
	Trib__V1__LotTerms *terms = draft_terms(d, &lot);

	if (terms == NULL)
		return ERR_FULL;
	return draft_add(d, TRIB__V1__UNIT__UNIT_VALUE, lot.lot, paid, g->bonus, terms);
}

static Trib__V1__TopUp *make_body(const struct top_up_command *cmd, struct arena *a)
{
	Trib__V1__TopUp *body = arena_alloc(a, sizeof(*body));

	if (body == NULL)
		return NULL;
	trib__v1__top_up__init(body);
	body->paid = cmd->paid;
	body->tender = arena_strdup(a, cmd->tender);
	if (cmd->payment_ref != NULL)
		body->payment_ref = arena_strdup(a, cmd->payment_ref);
	if (body->tender == NULL || (cmd->payment_ref != NULL && body->payment_ref == NULL))
		return NULL;
	return body;
}

enum code top_up_decide(const struct till_context *t, const struct account *acc,
			const struct top_up_command *cmd, struct arena *a,
			Trib__V1__Entry *ret_entry, struct till_facts *ret_facts)
{
	enum tender_kind tender = tender_parse(cmd->tender);
	Trib__V1__Entry e = *ret_entry;
	struct till_facts facts = facts_of(acc, t->today);
	struct draft d;
	struct gifts g;

	facts.payable = cmd->paid;
	*ret_facts = facts;
	if (cmd->paid < 1 || cmd->paid > AMOUNT_MAX || tender == TENDER_NONE ||
	    tender == TENDER_KIND_STORED_VALUE)
		return CODE_BAD_VALUE;
	if (acc->status == ACCOUNT_CLOSED)
		return CODE_CARD_BLOCKED;
	e.body_case = TRIB__V1__ENTRY__BODY_TOP_UP;
	e.top_up = make_body(cmd, a);
	if (e.top_up == NULL || collect_gifts(t, acc->type, a, e.top_up, &g) < 0 ||
	    draft_init(&d, a, 2) < 0 || issue_lot(t, &g, cmd->paid, &d) < 0 ||
	    draft_gain_points(&d, acc, g.points) < 0 || draft_finish(&d, t, acc, &e) < 0)
		return CODE_INTERNAL;
	*ret_entry = e;
	return CODE_OK;
}
