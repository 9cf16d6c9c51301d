/* Summing a business day's entries in small steps, for its close.
 *
 *   start ──> step ... step ──> all of the day that is durable is in the sum ──> finish
 *               ^        │
 *               └────────┘ the day goes on
 *
 * A step takes as many entries as came since the last one, and some more: however busy the tills
 * are, the sum catches up with them. */
#ifndef TRIB_STORE_DAY_RUN_H
#define TRIB_STORE_DAY_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent_command.h"
#include "ids.h"
#include "journal.h"
#include "text.h"

#define DAY_RUN_MAX_ROWS 1000

struct day_run;

/* Borrows j, and id until it is finished. Aborts when out of memory. */
struct day_run *day_run_start(struct journal *j, const struct agent_identity *id, int32_t day);

/* Sum some n more entries; true when the sum is of all that the journal has of the day, or has
 * failed. Outside of a transaction, so that nothing summed is rolled back. */
bool day_run_step(struct day_run *r, size_t n);

/* What the steps made; sum is NULL where an entry could not be summed. It lives until day_run_finish. */
const struct agent_day_sum *day_run_sum(const struct day_run *r);

/* The day's first orders and cancels, as the items of a JSON array; *ret_has_more: there are more
 * than DAY_RUN_MAX_ROWS. */
const struct text *day_run_rows(const struct day_run *r, bool *ret_has_more);

void day_run_finish(struct day_run *r);

#endif
