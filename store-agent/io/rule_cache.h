/* The rule sets in use and to come, unpacked. */
#ifndef TRIB_STORE_RULE_CACHE_H
#define TRIB_STORE_RULE_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "agent.h"
#include "journal.h"

struct rule_cache {
	size_t n;
	Trib__V1__RuleSet *sets[AGENT_MAX_RULE_SETS]; /* owned, rising versions */
	void *base_memory; /* owned: the built-in set, where HQ has sent none yet */
};

/* Read the kept rule sets: the one effective now and up to seven later ones; the built-in base
 * rules as version 0 where there is none. Aborts when out of memory. */
void rule_cache_load(struct rule_cache *c, struct journal *j, int64_t wall_ms);
void rule_cache_finish(struct rule_cache *c);

#endif
