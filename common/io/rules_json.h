/* Rule sets as people write them: JSON in, Trib__V1__RuleSet out, and back.
 *
 *   {"name": "summer",
 *    "points": [{"id": "points", "points": 1, "per": 100, "multiplier": "3/2"}],
 *    "top_ups": [{"id": "gift", "steps": [{"paid": 50000, "bonus": 5000, "points": 100}],
 *                 "repeat": true, "expires_days": 365, "account_types": ["default"]}],
 *    "account_types": [{"name": "default", "consumption": "pro_rata", "clawback": "debt",
 *                       "offline_keep": 100000, "offline_keep_away": 0, "idle_days": 30}]}
 *
 * Amounts are fen. All but the names, id, points, per, steps, paid and the account type "default" may
 * be absent; so may the other lists. Errors name their place: "top_ups[1].steps[0].paid: must be ...". */
#ifndef TRIB_IO_RULES_JSON_H
#define TRIB_IO_RULES_JSON_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "down.pb-c.h"
#include "err.h"

#define RULES_ERROR_BYTES 384
#define RULES_TEXT_MAX_BYTES (256 * 1024)

/* The built-in rule set: no gifts, 1 point per 100 fen, the default account type pro_rata/debt.
 * The same text as deploy/rules/base.json. NUL-terminated. */
extern const char rules_base_json[];

/* Compile authoring JSON. The message, `source` included (the JSON, compact), lies in the arena.
 * version and effective_ms are the caller's. The result passed rules_validate.
 *
 * ERR_INVALID with one line in err (RULES_ERROR_BYTES); ERR_FULL where the arena is. */
int MUST_CHECK rules_from_json(const json_t *json, uint64_t version, int64_t effective_ms,
			       struct arena *a, Trib__V1__RuleSet **ret, char *err);

/* The same from text, where doubled keys, depth and size are checked too. */
int MUST_CHECK rules_from_text(const char *text, size_t len, uint64_t version, int64_t effective_ms,
			       struct arena *a, Trib__V1__RuleSet **ret, char *err);

/* Authoring JSON of a rule set, a new reference; NULL when memory ran out. version, effective_ms
 * and source are not in it. */
json_t *rules_to_json(const Trib__V1__RuleSet *r);

#endif
