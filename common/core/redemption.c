#include "till.h"

#include "decide.h"
#include "money.h"

static Trib__V1__PointsRedeemed *make_body(const struct redemption_command *cmd, struct arena *a)
{
	Trib__V1__PointsRedeemed *body = arena_alloc(a, sizeof(*body));

	if (body == NULL)
		return NULL;
	trib__v1__points_redeemed__init(body);
	body->points = cmd->points;
	body->item = arena_strdup(a, cmd->item);
	return body->item != NULL ? body : NULL;
}

enum code redemption_decide(const struct till_context *t, const struct account *acc,
			    const struct redemption_command *cmd, struct arena *a,
			    Trib__V1__Entry *ret_entry, struct till_facts *ret_facts)
{
	Trib__V1__Entry e = *ret_entry;
	struct till_facts facts = facts_of(acc, t->today);
	int64_t lacking = 0;
	struct draft d;

	facts.points_wanted = cmd->points;
	*ret_facts = facts;
	if (!money_is_amount(cmd->points, 1) || cmd->item == NULL)
		return CODE_BAD_VALUE;
	if (acc->status != ACCOUNT_ACTIVE)
		return CODE_CARD_BLOCKED;
	if (cmd->points > facts.points_held)
		return CODE_POINTS_SHORT;
	e.body_case = TRIB__V1__ENTRY__BODY_POINTS_REDEEMED;
	e.points_redeemed = make_body(cmd, a);
	if (e.points_redeemed == NULL || draft_init(&d, a, acc->n_slices) < 0 ||
	    draft_take_points(&d, acc, t->today, cmd->points, POINTS_SOONEST_FIRST, &lacking) < 0 ||
	    lacking != 0 || draft_finish(&d, t, acc, &e) < 0)
		return CODE_INTERNAL;
	*ret_entry = e;
	return CODE_OK;
}
