#include "rule_cache.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "rules.h"
#include "rules_json.h"

#define BASE_ARENA_BYTES (64u * 1024)

static void add(void *ctx, const void *payload, size_t len)
{
	struct rule_cache *c = ctx;
	const char *why = "";

	if (c->n == AGENT_MAX_RULE_SETS)
		return; /* the ones after them come in when time has passed */
	c->sets[c->n] = trib__v1__rule_set__unpack(NULL, len, payload);
	if (c->sets[c->n] == NULL)
		return;
	if (rules_validate(c->sets[c->n], &why) < 0) {
		struct log_value v;

		log_event(LOG_LEVEL_ERROR, "rules_invalid", "version=%llu why=%s",
			  (unsigned long long)c->sets[c->n]->version, log_quote(&v, why));
		trib__v1__rule_set__free_unpacked(c->sets[c->n], NULL);
		return;
	}
	c->n++;
}

static void add_base(struct rule_cache *c)
{
	char err[RULES_ERROR_BYTES];
	struct log_value v;
	struct arena a;

	c->base_memory = malloc(BASE_ARENA_BYTES);
	if (c->base_memory == NULL)
		abort();
	arena_init(&a, c->base_memory, BASE_ARENA_BYTES);
	if (rules_from_text(rules_base_json, strlen(rules_base_json), 1, 0, &a, &c->sets[0], err) <
	    0) {
		log_event(LOG_LEVEL_ERROR, "base_rules_invalid", "why=%s", log_quote(&v, err));
		abort();
	}
	c->sets[0]->version = 0; /* numbers are HQ's to give */
	c->sets[0]->effective_ms = INT64_MIN;
	c->n = 1;
}

void rule_cache_load(struct rule_cache *c, struct journal *j, int64_t wall_ms)
{
	rule_cache_finish(c);
	journal_each_rule_set(j, wall_ms, add, c);
	if (c->n == 0)
		add_base(c);
}

void rule_cache_finish(struct rule_cache *c)
{
	if (c->base_memory == NULL) {
		for (size_t i = 0; i < c->n; i++)
			trib__v1__rule_set__free_unpacked(c->sets[i], NULL);
	}
	free(c->base_memory);
	memset(c, 0, sizeof(*c));
}
