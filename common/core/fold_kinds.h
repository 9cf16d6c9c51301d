/* Inside of fold.c: the kinds of entries and the cells that they post to. */
#ifndef TRIB_CORE_FOLD_KINDS_H
#define TRIB_CORE_FOLD_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fold.h"

/* One entry under folding. The header's effects are checked one by one already: known units, lots
 * of those units, none twice, nothing beyond AMOUNT_MAX, so that their sums fit. */
struct folding {
	const Trib__V1__Entry *e;
	struct fold *out;
	const char *why; /* of the refusal */
	size_t n_value, n_points; /* effects */
	int64_t value_in, value_out; /* principal and bonus, each positive */
	int64_t points_in, points_out;
	bool is_mixed; /* an effect's principal and bonus have different signs */

	/* The body at hand is undone: its effects have the other sign, and so have its postings. */
	bool is_undo;
	uint32_t at_incarnation; /* of the entry that the body is, or was, first written in */
	uint64_t at_seq;
};

/* Refuse the entry for a static reason: ERR_INVALID. */
static inline int fold_refuse(struct folding *f, const char *why)
{
	f->why = why;
	return ERR_INVALID;
}

/* Add to a posting of money, bonus or points; 0 adds nothing. With is_undo a debit is a credit.
 * ERR_FULL. */
int MUST_CHECK fold_debit(struct folding *f, enum ledger_account account, enum ledger_unit unit,
			  int32_t party1, int32_t party2, int64_t amount);
int MUST_CHECK fold_credit(struct folding *f, enum ledger_account account, enum ledger_unit unit,
			   int32_t party1, int32_t party2, int64_t amount);

/* Count the entry, and `amount`, in a day total. Bonus and points of 0 are left out. ERR_FULL. */
int MUST_CHECK fold_total(struct folding *f, enum total_kind kind, enum tender_kind tender,
			  enum ledger_unit unit, int64_t amount);

/* Entry `seq` of an incarnation of this store is older than the body at hand. */
bool fold_is_earlier(const struct folding *f, uint32_t incarnation, uint64_t seq);

/* Points of the header must be `given` less what pays debt, or `taken` less what becomes debt;
 * posts them, and the day total. What took points and is undone gives them. */
int MUST_CHECK fold_points_given(struct folding *f, enum total_kind kind, int64_t given);
int MUST_CHECK fold_points_taken(struct folding *f, enum total_kind kind, int64_t taken);

int MUST_CHECK fold_top_up(struct folding *f, const Trib__V1__TopUp *b);
int MUST_CHECK fold_sale(struct folding *f, const Trib__V1__Sale *b);
int MUST_CHECK fold_refund(struct folding *f, const Trib__V1__Refund *b);
int MUST_CHECK fold_refund_top_up(struct folding *f, const Trib__V1__RefundTopUp *b);
int MUST_CHECK fold_redemption(struct folding *f, const Trib__V1__PointsRedeemed *b);
int MUST_CHECK fold_reversal(struct folding *f, const Trib__V1__Reversal *b);

#endif
