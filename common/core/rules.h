/* What a rule set says for one account and one moment. Pure lookups over the unpacked message. */
#ifndef TRIB_CORE_RULES_H
#define TRIB_CORE_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "down.pb-c.h"
#include "err.h"

/* Bounds that rules_validate puts on a rule set. */
#define RULES_MAX_POINTS 64
#define RULES_MAX_TOP_UPS 64
#define RULES_MAX_STEPS 64
#define RULES_MAX_ACCOUNT_TYPES 64
#define RULE_ID_MAX 64 /* bytes, without NUL */
#define RULE_FACTOR_MAX INT64_C(1000000000) /* of points, per, multiplier */
#define RULE_DAYS_MAX 36500

struct points_rate {
	const char *rule; /* borrowed from the rule set; NULL: no rule, no points */
	int64_t num, den; /* points of net n: floor(n * num / den) */
};

/* Check a rule set's values: positive denominators and steps, rising ladders, unique ids, known
 * enums, names and numbers in bounds. ERR_INVALID with a static English reason in *ret_why. The
 * lookups below want a rule set that passed, or NULL for "no rules yet". */
int MUST_CHECK rules_validate(const Trib__V1__RuleSet *r, const char **ret_why);

/* Whether a top-up rule is for accounts of that type. */
bool top_up_rule_applies(const Trib__V1__TopUpRule *rule, const char *type);

/* Settings of an account type; the set's "default" entry, or built-in defaults, when not named. */
const Trib__V1__AccountType *rules_account_type(const Trib__V1__RuleSet *r, const char *type);

/* The points rate that applies; the first rule of the set. */
struct points_rate rules_points(const Trib__V1__RuleSet *r);

/* floor(net * num / den); 0 where there is no rule. ERR_INVALID on a net below 0 or a rate that is
 * none, ERR_OVERFLOW. */
int MUST_CHECK points_earned(const struct points_rate *p, int64_t net, int64_t *ret);

/* The gifts of one top-up rule for `paid`: without repeat the highest step reached, once; with
 * repeat greedily from the top, each step as often as it fits in what remains. ERR_OVERFLOW. */
int MUST_CHECK ladder_give(const Trib__V1__TopUpRule *rule, int64_t paid, int64_t *ret_bonus,
			   int64_t *ret_points);

#endif
