/* Folding the journals anew, store by store: what the books' tables must say.
 *
 *   quarantine (HQ's own journal) ─┐
 *   entries of one store ──────────┴─> refold_entry ──> cells of the store ─┐
 *                                         │                                 ├─> io compares
 *                                         └──> accounts and cards ──────────┘
 *
 * Invariants
 *   R1  nothing but entries and bookings goes in: a table of the books is only ever compared
 *   R2  for each store, day and unit: debits = credits
 *   R3  for each issuer and unit: the ledger's liability = what all nodes hold */
#ifndef TRIB_HQ_REFOLD_H
#define TRIB_HQ_REFOLD_H

#include <stdbool.h>

#include "fold.h"
#include "growing.h"
#include "ids.h"
#include "ingest.h"

struct refold_holding {
	struct holding_key key;
	int64_t principal, bonus;
	int32_t issuer, expires;
	int64_t issued_ms, issued_principal, issued_bonus;
	bool is_issued; /* the terms hold */
	bool is_seen; /* for the comparison */
};
struct refold_posting {
	struct posting_key key;
	int64_t debit, credit;
	bool is_seen;
};
struct refold_total {
	struct total_key key;
	int64_t count, amount;
	bool is_seen;
};

/* When an entry was booked. Bookings of one transaction share `at`, and which of them came first
 * is then not recorded: any of them may have opened an account. */
struct refold_booking {
	int64_t no;
	int64_t at;
};

/* One account over all stores: the table's row goes in first, openings are held against it. */
struct refold_account {
	uint8_t account[ACCOUNT_ID_BYTES];
	int64_t points_owed; /* folded */
	int64_t found_owed;
	int32_t found_home;
	int32_t home; /* of the first opening */
	bool is_found, is_opened;
	bool is_home_right, is_type_right, is_mask_right; /* for some opening of the first moment */
	char found_type[ACCOUNT_TYPE_MAX];
	char found_mask[CARD_NO_MAX + 1];
	char type[ACCOUNT_TYPE_MAX]; /* of the first opening */
	char mask[CARD_NO_MAX + 1];
	struct refold_booking first;
};
struct refold_card {
	char card_no[CARD_NO_MAX]; /* zero-padded */
	uint8_t found_account[ACCOUNT_ID_BYTES];
	uint8_t account[ACCOUNT_ID_BYTES]; /* of the first naming */
	bool is_found, is_named, is_right;
	struct refold_booking first;
};

struct refold_place {
	int32_t store;
	uint32_t incarnation;
	uint64_t seq;
};
struct refold_quarantine {
	struct refold_place key;
	const char *reason; /* from `grower`; owned */
	bool is_seen; /* an entry is there */
	bool is_found; /* the table has it */
};

struct refold_receipt { /* of a sale or top-up that was refunded, in part or whole */
	struct refold_place key;
	int64_t refunded; /* less what was undone */
	int16_t kind; /* of its entry, that it must be */
	bool is_seen;
};

struct refold_balance_key {
	int32_t store;
	int32_t business_day;
	int32_t unit;
};
struct refold_balance {
	struct refold_balance_key key;
	int64_t debit, credit;
};
struct refold_liability_key {
	int32_t issuer;
	int32_t unit; /* enum ledger_unit */
};
struct refold_liability {
	struct refold_liability_key key;
	int64_t ledger, held;
};

struct refold {
	const struct grower *grower;
	struct growing holdings, postings, totals, balances; /* of the store at hand */
	struct growing accounts, cards, quarantine, receipts, liabilities; /* of the chain */
	struct fold fold;
};

void refold_init(struct refold *r, const struct grower *grower);
void refold_finish(struct refold *r);

/* HQ says that this entry is in quarantine. Copies reason. */
void refold_quarantined(struct refold *r, int32_t store, uint32_t incarnation, uint64_t seq,
			const char *reason);

/* Whether it is; marks it as seen. */
bool refold_is_quarantined(struct refold *r, int32_t store, uint32_t incarnation, uint64_t seq);

/* Rows of trib.account and trib.card, before the first entry. */
void refold_found_account(struct refold *r, const uint8_t account[ACCOUNT_ID_BYTES],
			  const char *type, int32_t home, const char *mask, int64_t points_owed);
void refold_found_card(struct refold *r, const char *card_no, size_t len,
		       const uint8_t account[ACCOUNT_ID_BYTES]);

/* Begin a store's cells. */
void refold_begin(struct refold *r);

/* Fold one entry that is not in quarantine. ERR_INVALID with a static reason where the entry
 * cannot be in the books: it does not fold, drives a holding below zero, undoes what was never
 * refunded, or refunds one receipt as a sale and as a top-up. */
int MUST_CHECK refold_entry(struct refold *r, const Trib__V1__Entry *e,
			    const struct refold_booking *booking, const char **ret_why);

/* The store is complete: add it to the chain's sums (R2, R3). */
void refold_end(struct refold *r);

#endif
