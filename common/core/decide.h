/* Pieces that the verbs' decisions share: an entry's effects, its points, its tenders. */
#ifndef TRIB_CORE_DECIDE_H
#define TRIB_CORE_DECIDE_H

#include "till.h"

/* Effects of an entry under construction, in arena memory. */
struct draft {
	struct arena *arena; /* borrowed */
	size_t n, cap;
	Trib__V1__SliceEffect **effects;
	int64_t points_owed; /* change */
};

/* Room for cap effects. ERR_FULL. */
int MUST_CHECK draft_init(struct draft *d, struct arena *a, size_t cap);

/* Add a change of (unit, lot). Takes terms, which is arena memory or NULL. ERR_FULL. */
int MUST_CHECK draft_add(struct draft *d, Trib__V1__Unit unit, int64_t lot, int64_t principal,
			 int64_t bonus, Trib__V1__LotTerms *terms);

/* Terms of s in arena memory, or NULL when it is full. */
Trib__V1__LotTerms *draft_terms(struct draft *d, const struct slice *s);

/* Give points (>= 0): they pay what the member owes first, the rest goes to the points lot without
 * expiry. ERR_FULL. */
int MUST_CHECK draft_gain_points(struct draft *d, const struct account *acc, int64_t points);

/* Take back points (>= 0) from the slices held here and not expired, those that expire last first:
 * the other order would let a member renew points near their end by buying and refunding. What
 * the slices lack becomes debt. Room for all slices is needed. ERR_FULL. */
int MUST_CHECK draft_claw_points(struct draft *d, const struct account *acc, int32_t today,
				 int64_t points);

/* Put account, effects, points_owed and the rules version into *ret_entry, whose body is set.
 *
 * Answers what account_check of it says (T2), ERR_FULL where the arena is full; then *ret_entry is
 * of no use. */
int MUST_CHECK draft_finish(const struct draft *d, const struct till_context *t,
			    const struct account *acc, Trib__V1__Entry *ret_entry);

/* A tender in arena memory, or NULL when it is full. payment_ref may be NULL. */
Trib__V1__Tender *draft_tender(struct arena *a, const char *type, int64_t amount,
			       const char *payment_ref);

#endif
