/* Pieces that the verbs' decisions share: an entry's effects, its points, its tenders. */
#ifndef TRIB_CORE_DECIDE_H
#define TRIB_CORE_DECIDE_H

#include "till.h"

/* What the account has before the operation: available_here, total, points_held. */
struct till_facts facts_of(const struct account *acc, int32_t today);

/* Where the account lacks value: CODE_INSUFFICIENT_HERE where only its home elsewhere and HQ know
 * the total of now, else CODE_INSUFFICIENT_BALANCE. */
enum code insufficient(const struct account *acc);

/* e is an entry of this account. */
bool is_entry_of(const Trib__V1__Entry *e, const struct account *acc);

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

/* A copy in arena memory of the terms that an entry carries, or NULL when it is full. */
Trib__V1__LotTerms *draft_terms_copy(struct draft *d, const Trib__V1__LotTerms *from);

/* Give points (>= 0): they pay what the member owes first, the rest goes to the points lot without
 * expiry. ERR_FULL. */
int MUST_CHECK draft_gain_points(struct draft *d, const struct account *acc, int64_t points);

enum points_order {
	POINTS_SOONEST_FIRST, /* by expiry */
	POINTS_LATEST_FIRST
};

/* Take points (>= 0) from the slices held here and not expired; *ret_rest is what they lack. Room
 * for all slices is needed. ERR_FULL. */
int MUST_CHECK draft_take_points(struct draft *d, const struct account *acc, int32_t today,
				 int64_t points, enum points_order order, int64_t *ret_rest);

/* Take back points (>= 0) from the slices held here and not expired, those that expire last first:
 * the other order would let a member renew points near their end by buying and refunding. What
 * the slices lack becomes debt. Room for all slices is needed. ERR_FULL. */
int MUST_CHECK draft_claw_points(struct draft *d, const struct account *acc, int32_t today,
				 int64_t points);

/* Give back `points` that an entry with these effects took: they pay what the member owes first, the
 * rest goes into the lots that they came from, so that nobody renews points by undoing; what was
 * debt then goes to the lot without expiry. Room for all effects and one more is needed. ERR_FULL. */
int MUST_CHECK draft_restore_points(struct draft *d, const struct account *acc,
				    const Trib__V1__Entry *taken, int64_t points);

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
