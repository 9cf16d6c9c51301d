/* What the entries of a business day add up to: HQ's day totals split by operator, and the two
 * figures that a till's own books are compared with.
 *
 *   entry ──fold_entry──> day totals ──┬──> cells (kind, tender, unit, operator)
 *                                      └──> stored value, orders
 *
 *   stored value   the stored-value tenders: of sales, less what refunds of sales put back (bonus
 *                  that expired on its way included), plus what refunds undone took again
 *   orders         successes of top-up, sale, refund and redemption, less those of them that an
 *                  entry of the same day cancelled; a cancel itself is none, and one of an order
 *                  that never arrived changes nothing
 *
 * Both are of the day that the entries are of: a sale of yesterday that is cancelled today counts
 * in yesterday's figures, and its money comes off today's stored value.
 *
 * Invariants
 *   D1  over all operators, a cell is the sum of the entries' day totals
 *   D2  an operator is listed whole or not at all; those that find no room are one more, called ""
 *   D3  cells are in the order of kind, tender, unit, operator; no operator and "" come first
 *   D4  it fits an entry: at most DAY_SUM_MAX_CELLS cells, and DAY_SUM_MAX_BYTES once it was filled
 *   D5  it follows from the entries in their order, and from nothing else: never change it, seals
 *       are checked against it for ever */
#ifndef TRIB_CORE_DAY_SUM_H
#define TRIB_CORE_DAY_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "entry.h"
#include "fold.h"

#define DAY_SUM_MAX_CELLS SEAL_MAX_TOTALS
#define DAY_SUM_MAX_OPERATORS 512
#define DAY_SUM_MAX_BYTES (ENTRY_MAX_BYTES - 4096)

enum { /* of day_sum_cell.who and day_sum.names: then come the listed operators */
	DAY_SUM_NOBODY,
	DAY_SUM_OTHERS,
	DAY_SUM_LISTED
};

struct day_sum_cell {
	int16_t kind, tender, unit; /* as of struct day_total */
	uint16_t who;
	int64_t count, amount;
};

struct day_sum {
	uint64_t first_seq; /* of what was added; 0: nothing was */
	int64_t stored_value, orders;
	size_t n_cells;
	struct day_sum_cell cells[DAY_SUM_MAX_CELLS];
	bool is_closed; /* no further operator is listed */
	size_t n_names;
	char names[DAY_SUM_LISTED + DAY_SUM_MAX_OPERATORS]
		  [OPERATOR_MAX + 1]; /* as they first appeared */
	struct fold fold; /* scratch */
};

void day_sum_init(struct day_sum *s);

/* Add the next entry of the day. *ret_stored_value is its share of the stored value. ERR_INVALID:
 * it does not fold; ERR_OVERFLOW. After an error the sum is of no use. */
int MUST_CHECK day_sum_add(struct day_sum *s, const Trib__V1__Entry *e, int64_t *ret_stored_value);

/* The totals of a seal, in memory of `a`; names stay in s. Operators that the entry has no room for
 * are added to "" first, those that appeared last. ERR_FULL: the arena is. */
int MUST_CHECK day_sum_fill(struct day_sum *s, struct arena *a, Trib__V1__DaySealed *ret);

#endif
