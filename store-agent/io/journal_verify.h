/* Recomputing the journal's chain and all that its entries add up to. */
#ifndef TRIB_STORE_JOURNAL_VERIFY_H
#define TRIB_STORE_JOURNAL_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal.h"

struct journal_verify;

/* Outside of a transaction. Borrows j. Aborts when out of memory. */
struct journal_verify *journal_verify_start(struct journal *j, const struct agent_identity *id);

/* Take the next n entries; true when the last one was taken. Outside of a transaction. */
bool journal_verify_step(struct journal_verify *v, size_t n);

/* Compare, in the same turn in which the last step answered true. Calls `each` for at most max
 * differences; the result is how many there are in all. Frees v. */
size_t journal_verify_finish(struct journal_verify *v, size_t max,
			     void (*each)(void *ctx, const char *what, const char *where),
			     void *ctx, uint64_t *ret_entries);

void journal_verify_cancel(struct journal_verify *v);

#endif
