#include "rules.h"

#include <string.h>

#include "account.h"
#include "entry.h"
#include "money.h"

static int refuse(const char **why, const char *reason)
{
	*why = reason;
	return ERR_INVALID;
}

static bool is_within(int64_t x, int64_t low, int64_t high)
{
	return x >= low && x <= high;
}

static bool is_name(const char *s, size_t max)
{
	return s != NULL && s[0] != '\0' && text_is_valid(s, max);
}

/* The i-th rule's id, points rules first: ids are unique over all kinds. */
static const char *rule_id(const Trib__V1__RuleSet *r, size_t i)
{
	return i < r->n_points ? r->points[i]->id : r->top_ups[i - r->n_points]->id;
}

static int check_ids(const Trib__V1__RuleSet *r, const char **why)
{
	size_t n = r->n_points + r->n_top_ups;

	for (size_t i = 0; i < n; i++) {
		if (!is_name(rule_id(r, i), RULE_ID_MAX))
			return refuse(why, "a rule's id is empty, too long or no text");
		for (size_t k = 0; k < i; k++) {
			if (strcmp(rule_id(r, k), rule_id(r, i)) == 0)
				return refuse(why, "two rules have the same id");
		}
	}
	return 0;
}

static int check_points(const Trib__V1__PointsRule *p, const char **why)
{
	if (!is_within(p->points, 0, RULE_FACTOR_MAX) || !is_within(p->per, 1, RULE_FACTOR_MAX) ||
	    !is_within(p->multiplier_num, 0, RULE_FACTOR_MAX) ||
	    !is_within(p->multiplier_den, 1, RULE_FACTOR_MAX))
		return refuse(why, "a points rule's number is out of bounds");
	return 0;
}

static int check_ladder(const Trib__V1__TopUpRule *t, const char **why)
{
	int64_t reached = 0;

	if (!is_within((int64_t)t->n_steps, 1, RULES_MAX_STEPS))
		return refuse(why, "a ladder has no step or too many");
	for (size_t i = 0; i < t->n_steps; i++) {
		const Trib__V1__LadderStep *s = t->steps[i];

		if (s->paid <= reached)
			return refuse(why, "a ladder's steps do not rise from above 0");
		reached = s->paid;
		if (s->paid > AMOUNT_MAX || !is_within(s->bonus, 0, AMOUNT_MAX) ||
		    !is_within(s->points, 0, AMOUNT_MAX))
			return refuse(why, "a ladder's amount is out of bounds");
	}
	return 0;
}

static int check_top_up(const Trib__V1__TopUpRule *t, const char **why)
{
	if (t->has_expires_days && !is_within(t->expires_days, 1, RULE_DAYS_MAX))
		return refuse(why, "expires_days is out of bounds");
	if (t->n_account_types > RULES_MAX_ACCOUNT_TYPES)
		return refuse(why, "a rule has too many account types");
	for (size_t i = 0; i < t->n_account_types; i++) {
		if (!is_name(t->account_types[i], ACCOUNT_TYPE_MAX - 1))
			return refuse(why, "an account type's name is empty, too long or no text");
	}
	return check_ladder(t, why);
}

static int check_account_type(const Trib__V1__AccountType *t, const char **why)
{
	if (!is_name(t->name, ACCOUNT_TYPE_MAX - 1))
		return refuse(why, "an account type's name is empty, too long or no text");
	if (!is_within(t->consumption, TRIB__V1__CONSUMPTION__CONSUME_PRO_RATA,
		       TRIB__V1__CONSUMPTION__CONSUME_PRINCIPAL_FIRST))
		return refuse(why, "an account type's consumption is unknown");
	if (!is_within(t->clawback, TRIB__V1__CLAWBACK__CLAWBACK_DEBT,
		       TRIB__V1__CLAWBACK__CLAWBACK_REFUSE))
		return refuse(why, "an account type's clawback is unknown");
	if (!is_within(t->offline_keep, 0, AMOUNT_MAX) ||
	    !is_within(t->offline_keep_away, 0, AMOUNT_MAX) ||
	    !is_within(t->idle_days, 0, RULE_DAYS_MAX))
		return refuse(why, "an account type's number is out of bounds");
	return 0;
}

static int check_account_types(const Trib__V1__RuleSet *r, const char **why)
{
	for (size_t i = 0; i < r->n_account_types; i++) {
		int err = check_account_type(r->account_types[i], why);

		if (err < 0)
			return err;
		for (size_t k = 0; k < i; k++) {
			if (strcmp(r->account_types[k]->name, r->account_types[i]->name) == 0)
				return refuse(why, "two account types have the same name");
		}
	}
	return 0;
}

int rules_validate(const Trib__V1__RuleSet *r, const char **ret_why)
{
	int err;

	if (r->version == 0)
		return refuse(ret_why, "version is 0");
	if (r->effective_ms < 0)
		return refuse(ret_why, "effective_ms is negative");
	if (r->n_points > RULES_MAX_POINTS || r->n_top_ups > RULES_MAX_TOP_UPS ||
	    r->n_account_types > RULES_MAX_ACCOUNT_TYPES)
		return refuse(ret_why, "too many rules");
	err = check_ids(r, ret_why);
	for (size_t i = 0; i < r->n_points && err == 0; i++)
		err = check_points(r->points[i], ret_why);
	for (size_t i = 0; i < r->n_top_ups && err == 0; i++)
		err = check_top_up(r->top_ups[i], ret_why);
	return err < 0 ? err : check_account_types(r, ret_why);
}

bool top_up_rule_applies(const Trib__V1__TopUpRule *rule, const char *type)
{
	for (size_t i = 0; i < rule->n_account_types; i++) {
		if (strcmp(rule->account_types[i], type) == 0)
			return true;
	}
	return rule->n_account_types == 0;
}

static const Trib__V1__AccountType *find_type(const Trib__V1__RuleSet *r, const char *type)
{
	for (size_t i = 0; r != NULL && i < r->n_account_types; i++) {
		if (strcmp(r->account_types[i]->name, type) == 0)
			return r->account_types[i];
	}
	return NULL;
}

const Trib__V1__AccountType *rules_account_type(const Trib__V1__RuleSet *r, const char *type)
{
	static char name[] = "default";
	static const Trib__V1__AccountType built_in = {
		.base = PROTOBUF_C_MESSAGE_INIT(&trib__v1__account_type__descriptor),
		.name = name,
		.consumption = TRIB__V1__CONSUMPTION__CONSUME_PRO_RATA,
		.clawback = TRIB__V1__CLAWBACK__CLAWBACK_DEBT,
		.offline_keep = 100000,
		.idle_days = 30,
	};
	const Trib__V1__AccountType *found = find_type(r, type);

	if (found == NULL)
		found = find_type(r, built_in.name);
	return found != NULL ? found : &built_in;
}

struct points_rate rules_points(const Trib__V1__RuleSet *r)
{
	struct points_rate rate = { .rule = NULL, .num = 0, .den = 1 };
	const Trib__V1__PointsRule *p;

	if (r == NULL || r->n_points == 0)
		return rate;
	p = r->points[0];
	rate.rule = p->id;
	rate.num = p->points * p->multiplier_num; /* RULE_FACTOR_MAX squared fits */
	rate.den = p->per * p->multiplier_den;
	return rate;
}

int points_earned(const struct points_rate *p, int64_t net, int64_t *ret)
{
	if (p->rule == NULL) {
		*ret = 0;
		return 0;
	}
	return money_mul_div(net, p->num, p->den, ret);
}

static int give_add(int64_t *sum, int64_t times, int64_t each)
{
	int64_t part;
	int r = money_mul_div(times, each, 1, &part);

	return r < 0 ? r : money_add(*sum, part, sum);
}

int ladder_give(const Trib__V1__TopUpRule *rule, int64_t paid, int64_t *ret_bonus,
		int64_t *ret_points)
{
	int64_t rest = paid, bonus = 0, points = 0;

	for (size_t i = rule->n_steps; i > 0; i--) {
		const Trib__V1__LadderStep *s = rule->steps[i - 1];
		int64_t times = rule->repeat ? rest / s->paid : 1;
		int r;

		if (rest < s->paid)
			continue;
		r = give_add(&bonus, times, s->bonus);
		if (r == 0)
			r = give_add(&points, times, s->points);
		if (r < 0)
			return r;
		if (!rule->repeat)
			break;
		rest -= times * s->paid;
	}
	*ret_bonus = bonus;
	*ret_points = points;
	return 0;
}
