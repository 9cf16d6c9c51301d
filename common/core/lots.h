/* How an amount is spread over the lots of an account, and how it goes back into them. */
#ifndef TRIB_CORE_LOTS_H
#define TRIB_CORE_LOTS_H

#include "account.h"
#include "down.pb-c.h"

struct lot_taken {
	const struct slice *slice; /* borrowed from the account */
	int64_t principal, bonus; /* one of them above 0 */
};

/* Choose what pays `amount` (>= 0) of stored value on `today`: slices by soonest expiry, then
 * oldest; inside a slice by `how`, pro rata with bonus = floor(x * bonus / (principal + bonus)) of
 * what is held just before. ret_taken has room for acc->n_slices.
 *
 * Returns the sum taken: below `amount` where less is spendable. */
int64_t lots_take(const struct account *acc, int32_t today, Trib__V1__Consumption how,
		  int64_t amount, struct lot_taken *ret_taken, size_t *ret_n);

struct lot_back {
	const Trib__V1__SliceEffect *taken; /* borrowed from the sale's entry; has terms */
	int64_t principal, bonus; /* put back into the holding */
	int64_t expired_bonus; /* came back and expired in the same step */
};

/* Where bonus that comes back expires at once: in lots past their last day, or closed. */
struct lots_dead {
	int32_t today;
	size_t n;
	const int64_t *closed; /* borrowed */
};

/* Choose what goes back when a sale's stored value refunded rises from `before` to `after` in all.
 *
 * Slices are refilled in reverse order of taking; within a slice of which t was taken, the bonus
 * back after r is floor(r * bonus taken / t) in all, so pieces end exactly at the whole. Bonus of
 * a dead lot expires at once; its principal comes back as an ordinary slice, since
 * what a member paid does not lapse by a refund. ret_back has room for sale->n_effects.
 * ERR_INVALID where the entry's effects do not cover `after` or lack terms. */
int MUST_CHECK lots_give_back(const Trib__V1__Entry *sale, const struct lots_dead *dead,
			      int64_t before, int64_t after, struct lot_back *ret_back,
			      size_t *ret_n);

#endif
