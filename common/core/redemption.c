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

/* Take points that are held, those that expire first. */
static int take_points(const struct account *acc, int32_t today, int64_t points, struct draft *d)
{
	int64_t rest = points;

	for (uint32_t i = 0; i < acc->n_slices && rest > 0; i++) { /* A3 */
		const struct slice *s = &acc->slices[i];
		int64_t x = rest < s->principal ? rest : s->principal;
		int r;

		if (s->unit != TRIB__V1__UNIT__UNIT_POINTS || today > s->expires)
			continue;
		r = draft_add(d, TRIB__V1__UNIT__UNIT_POINTS, s->lot, -x, 0, NULL);
		if (r < 0)
			return r;
		rest -= x;
	}
	return 0;
}

enum code redemption_decide(const struct till_context *t, const struct account *acc,
			    const struct redemption_command *cmd, struct arena *a,
			    Trib__V1__Entry *ret_entry, struct till_facts *ret_facts)
{
	Trib__V1__Entry e = *ret_entry;
	struct till_facts facts = facts_of(acc, t->today);
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
	    take_points(acc, t->today, cmd->points, &d) < 0 || draft_finish(&d, t, acc, &e) < 0)
		return CODE_INTERNAL;
	*ret_entry = e;
	return CODE_OK;
}
