/* What the files that shape answers share. */
#ifndef TRIB_STORE_ANSWER_INTERNAL_H
#define TRIB_STORE_ANSWER_INTERNAL_H

#include "agent.h"
#include "text.h"

struct store;

void answer_put_balance(struct text *t, const char *name, const struct balance *b);

/* Sums of the entry's effects of one unit, signed. */
void answer_sum_effects(const Trib__V1__Entry *e, int unit, int64_t *ret_principal,
			int64_t *ret_bonus);

/* The whole account, as far as it is known: what is here, and HQ's facts about the rest. */
struct balance answer_total_balance(struct store *s, const struct account *a,
				    const struct balance *here);

#endif
