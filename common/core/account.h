/* One account as a node sees it: the slices that it holds, and what the member owes.
 *
 *   lot ──────┬─ slice at store A      issued - consumed - expired - refunded
 *             ├─ slice at store B        = sum of slices + in transit + stranded
 *             └─ slice in HQ's pool
 *
 * Invariants
 *   A1  every slice has principal >= 0 and bonus >= 0 (design invariant 2)
 *   A2  a lot and unit stand at most once in slices[]
 *   A3  slices[] is sorted by (unit, expires, issued_ms, lot): the order of taking
 *   A4  points_owed >= 0; it is no slice
 *   A5  a slice of value or uses holds at most what was issued of its lot; no field passes HELD_MAX
 */
#ifndef TRIB_CORE_ACCOUNT_H
#define TRIB_CORE_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "entry.pb-c.h"
#include "err.h"

#define ACCOUNT_ID_BYTES 16
#define ACCOUNT_MAX_SLICES 1024
#define ACCOUNT_TYPE_MAX 32 /* with NUL */
#define LOT_NEVER INT32_MAX /* slice.expires of a lot that does not expire */
#define POINTS_LOT_NEVER INT64_C(-999912) /* points without expiry */

/* Most that one slice, or points_owed, may reach: all slices of an account then add up in int64. */
#define HELD_MAX (INT64_C(1) << 51)

struct slice {
	int64_t lot;
	int32_t unit; /* Trib__V1__Unit */
	int32_t issuer; /* node, as the lot's number says; 0 for points */
	int32_t expires; /* last day it may be spent, days since 1970-01-01, or LOT_NEVER */
	int64_t issued_ms;
	int64_t issued_principal, issued_bonus; /* of the whole lot; 0 for points */
	int64_t principal, bonus; /* held here; points and uses stand in principal */
};

enum account_status {
	ACCOUNT_ACTIVE = 1,
	ACCOUNT_BLOCKED = 2,
	ACCOUNT_CLOSED = 3
};

struct account {
	uint8_t id[ACCOUNT_ID_BYTES];
	char type[ACCOUNT_TYPE_MAX];
	char tier[ACCOUNT_TYPE_MAX]; /* "" is none */
	int32_t status; /* enum account_status */
	int64_t points_owed;
	/* HQ's facts, where the account has its home elsewhere; as_of_ms is 0 when there are none. */
	char home_store[16];
	int64_t facts_as_of_ms;
	int64_t facts_principal, facts_bonus, facts_points; /* whole account as HQ knew it */
	int64_t facts_here; /* principal + bonus of it that HQ knew to be here */
	uint32_t n_slices;
	struct slice slices[ACCOUNT_MAX_SLICES];
};

struct balance {
	int64_t principal, bonus, points, uses;
};

/* An active account of that id and type that holds nothing. type is shorter than
 * ACCOUNT_TYPE_MAX, or "default" is put in its place. */
void account_init(struct account *a, const uint8_t id[ACCOUNT_ID_BYTES], const char *type);

/* Sums of what is held and spendable on `today` (days since 1970-01-01). */
void account_balance(const struct account *a, int32_t today, struct balance *ret);

/* Principal and bonus of the whole account as far as this node knows: what is spendable here, and
 * what HQ's facts put elsewhere. */
int64_t account_total_known(const struct account *a, int32_t today);

/* The slice of (unit, lot), or NULL. */
const struct slice *account_find(const struct account *a, int32_t unit, int64_t lot);

/* Last day of a points lot: of its month, LOT_NEVER for POINTS_LOT_NEVER. ERR_INVALID where the
 * number is no points lot's. */
int MUST_CHECK points_lot_expires(int64_t lot, int32_t *ret_day);

/* Insert or replace one slice, keeping A2 and A3: used to load an account. One of 0/0 is not
 * kept. ERR_UNDERFLOW where s breaks A1, ERR_INVALID where its terms contradict its lot's number
 * or it breaks A5, ERR_FULL. */
int MUST_CHECK account_put(struct account *a, const struct slice *s);

/* What account_fold would answer, changing nothing. */
int MUST_CHECK account_check(const struct account *a, const Trib__V1__Entry *e);

/* Fold one entry's header effects (slice effects, points_owed) into the account.
 *
 * All or nothing. A slice that ends at 0/0 is removed from slices[]. A value or uses lot that is
 * not there yet needs its terms, in the effect; of one that is there, terms may come again and must
 * be the same. A points lot's terms follow from its number, terms in the effect are not read.
 * ERR_UNDERFLOW (A1, A4), ERR_OVERFLOW (HELD_MAX), ERR_FULL; ERR_INVALID: terms, A5, a lot twice in
 * one entry, or another account's entry. */
int MUST_CHECK account_fold(struct account *a, const Trib__V1__Entry *e);

#endif
