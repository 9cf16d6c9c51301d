/* The books' side of an entry: postings and day totals, both sums that HQ keeps per cell.
 *
 * Invariants
 *   F1  for each unit, an entry's debits equal its credits (design invariant 6)
 *   F2  money, bonus, points and uses are units of their own; the last three have the contra
 *       account `issued`
 *   F3  all cells of an entry lie in the writing store and in the entry's booking day
 */
#ifndef TRIB_CORE_FOLD_H
#define TRIB_CORE_FOLD_H

#include <stddef.h>
#include <stdint.h>

#include "entry.pb-c.h"
#include "err.h"

enum ledger_account { /* numbers are stored: never reuse one */
	LEDGER_TENDER_CLEARING = 1, /* party1 store, party2 enum tender_kind */
	LEDGER_PRINCIPAL = 2, /* party1 lot issuer */
	LEDGER_BONUS = 3, /* party1 lot issuer */
	LEDGER_POINTS = 4,
	LEDGER_USES = 5,
	LEDGER_DEFERRED_MEMBERSHIP = 6,
	LEDGER_REVENUE = 7, /* party1 store */
	LEDGER_PROMOTION_COST = 8, /* party1 bearer node; 0 is HQ */
	LEDGER_CLEARING = 9, /* party1, party2 stores */
	LEDGER_BREAKAGE = 10,
	LEDGER_ROUNDING = 11,
	LEDGER_RECEIVABLE = 12,
	LEDGER_CHAIN_LOSS = 13,
	LEDGER_ISSUED = 14, /* contra of bonus, points, uses; party1 issuer */
};

enum ledger_unit {
	LEDGER_UNIT_MONEY = 1,
	LEDGER_UNIT_BONUS = 2,
	LEDGER_UNIT_POINTS = 3,
	LEDGER_UNIT_USES = 4
};

enum total_kind {
	TOTAL_ACCOUNT_OPENED = 1,
	TOTAL_TOP_UP = 2,
	TOTAL_SALE = 3,
	TOTAL_REFUND = 4,
	TOTAL_REFUND_TOP_UP = 5,
	TOTAL_REDEMPTION = 6,
	TOTAL_REVERSAL_REFUND = 7, /* the undone entry stays in its own total */
	TOTAL_REVERSAL_REFUND_TOP_UP = 8,
	TOTAL_REVERSAL_REDEMPTION = 9,
};

/* Tenders are numbered for compact cells: TENDER_NONE where none applies. Numbers are stored. */
enum tender_kind {
	TENDER_NONE = 0,
	TENDER_KIND_STORED_VALUE = 1,
	TENDER_CASH = 2,
	TENDER_BANK_CARD = 3,
	TENDER_ALIPAY = 4,
	TENDER_WECHAT = 5,
	TENDER_UNIONPAY = 6,
	TENDER_OTHER = 7,
};

struct posting {
	int16_t account; /* enum ledger_account */
	int16_t unit; /* enum ledger_unit */
	int32_t party1, party2;
	int64_t debit, credit; /* >= 0; one of them 0 */
};

/* Money has one total for each tender of the entry, bonus and points one each with TENDER_NONE:
 * bonus given (top-up), used (sale), back, expired part included (refund), or lapsed (refund of a
 * top-up); points given, earned, clawed back or redeemed, debt included. `count` counts entries that touch the cell, so a receipt with two
 * tenders counts once in each. */
struct day_total {
	int16_t kind; /* enum total_kind */
	int16_t tender; /* enum tender_kind */
	int16_t unit; /* enum ledger_unit */
	int64_t count;
	int64_t amount; /* every kind counts positively, refunds and reversals too */
};

#define FOLD_MAX_POSTINGS 4096
#define FOLD_MAX_TOTALS 64

struct fold {
	size_t n_postings;
	size_t n_totals;
	struct posting postings[FOLD_MAX_POSTINGS];
	struct day_total totals[FOLD_MAX_TOTALS];
};

/* Postings and totals of one entry of store `e->node` (cells merged within the entry, debits and
 * credits of one cell apart).
 *
 * Checks the body's own arithmetic against the header's effects: the slices moved must be what
 * the body says (a peer's entry is not trusted to be consistent). ERR_INVALID with a static reason
 * in *ret_why where they differ; then *ret is unspecified. What only the state can tell is not
 * checked: that slices taken are held (account_fold), that a lot's terms are the lot's, that a
 * refund fits what is left of its receipt, that the body in a reversal is that of the entry undone.
 *
 * An entry that moves nothing folds to nothing. One of a kind this version does not know, with
 * effects or points owed, is ERR_VERSION: holdings must not change without postings. */
int MUST_CHECK fold_entry(const Trib__V1__Entry *e, struct fold *ret, const char **ret_why);

/* "cash" -> TENDER_CASH; TENDER_NONE for an unknown word or NULL. */
enum tender_kind tender_parse(const char *s);

/* Names as the reporting views show them, "unknown" for a number that is none; static. */
const char *tender_name(enum tender_kind k);
const char *ledger_account_name(enum ledger_account a);
const char *ledger_unit_name(enum ledger_unit u);
const char *total_kind_name(enum total_kind k);

#endif
