/* A shop with one account for tests: each verb goes through decide, bytes, both folds.
 *
 * After every operation the fixture checks the account's invariants A1-A5, that the books balance
 * (F1), that the books' principal, bonus and points are what the account holds, and that every lot is
 * conserved (issued - consumed - lapsed - refunded = held); a refusal must have changed nothing
 * (T1). */
#ifndef TRIB_TESTS_TILL_FIXTURE_H
#define TRIB_TESTS_TILL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "account.h"
#include "entry.h"
#include "fold.h"
#include "ids.h"
#include "money.h"
#include "till.h"

#define SHOP_NODE 107
#define SHOP_MAX_RULES 4
#define SHOP_MAX_STEPS 4
#define SHOP_MAX_CLOSED 64
#define SHOP_MAX_LOTS 1200

/* What became of a lot, principal and bonus, by the bodies of the entries. */
struct lot_story {
	int64_t lot;
	int64_t issued[2], consumed[2], lapsed[2], refunded[2];
};

/* A member of a table of ledger sums, credits less debits. */
#define LEDGER_CELLS (LEDGER_ISSUED + 1)

struct shop {
	struct account acc;
	struct account before; /* the last operation */
	struct till_context t;
	struct till_facts facts;
	struct fold fold; /* of the last operation's entry */
	Trib__V1__Entry *entry; /* unpacked from its bytes; until the next operation */
	size_t entry_bytes;
	uint8_t bytes[64 * 1024];
	int64_t ledger[LEDGER_CELLS][LEDGER_UNIT_USES + 1];
	int64_t clearing[TENDER_OTHER + 1]; /* debits less credits by tender */
	size_t n_lots;
	struct lot_story lots[SHOP_MAX_LOTS];

	size_t n_closed; /* lots that refunds of top-ups closed */
	int64_t closed[SHOP_MAX_CLOSED];

	struct arena draft, unpacked, kept;

	Trib__V1__RuleSet rules;
	Trib__V1__AccountType type, *types[1];
	Trib__V1__PointsRule points, *points_list[1];
	Trib__V1__TopUpRule top_ups[SHOP_MAX_RULES], *top_up_list[SHOP_MAX_RULES];
	Trib__V1__LadderStep steps[SHOP_MAX_RULES][SHOP_MAX_STEPS];
	Trib__V1__LadderStep *step_lists[SHOP_MAX_RULES][SHOP_MAX_STEPS];
};

/* cmocka's setup and teardown; *state is a fresh struct shop: an account that holds nothing, one
 * point for each 100 fen, no gifts, pro rata, debt, on 2026-12-01. */
int shop_setup(void **state);
int shop_teardown(void **state);

/* Days since 1970-01-01. */
int32_t day_of(int year, int month, int day);

/* Let the shop's day be another one. */
void shop_set_day(struct shop *s, int32_t day);

/* Add a top-up rule of n steps of (paid, bonus). */
Trib__V1__TopUpRule *shop_add_ladder(struct shop *s, char *id, bool repeat, size_t n,
				     const int64_t steps[][2]);

/* Put an older lot into the account and the books, issued_ms `age` before now. */
void shop_put_lot(struct shop *s, uint64_t seq, int64_t principal, int64_t bonus, int32_t expires,
		  int64_t age);
void shop_put_points(struct shop *s, int64_t lot, int64_t points);

enum code shop_top_up(struct shop *s, int64_t paid);
enum code shop_sell(struct shop *s, int64_t amount); /* all stored value */
enum code shop_sell_command(struct shop *s, const struct sale_command *cmd);

/* The last operation's entry as a receipt; lives as long as the shop. */
struct receipt shop_keep_receipt(struct shop *s);

/* Refund `amount`, 0 being the whole rest, and count it in of->refunded. */
enum code shop_refund(struct shop *s, struct receipt *of, int64_t amount);

/* Of a top-up; with the amount 0 whatever is left of its lot. Closes the lot in the shop. */
enum code shop_refund_top_up(struct shop *s, struct receipt *of, int64_t amount);
enum code shop_cancel_top_up(struct shop *s, struct receipt *of);
enum code shop_redeem(struct shop *s, int64_t points);

/* Undo the kept entry; *of_receipt is the receipt that it refunded, or NULL for a redemption. */
enum code shop_reverse(struct shop *s, const Trib__V1__Entry *undone, struct receipt *of_receipt);

struct balance shop_balance(const struct shop *s);
void assert_balance(const struct shop *s, int64_t principal, int64_t bonus);
void assert_slice(const struct shop *s, uint64_t seq, int64_t principal, int64_t bonus);

/* Principal and bonus that the last entry moved, over all value effects. */
void assert_moved(const struct shop *s, int64_t principal, int64_t bonus);
void assert_same_holdings(const struct account *x, const struct account *y);

/* The lot that the shop's entry seq issues. */
int64_t shop_lot(uint64_t seq);

/* ---- till_check.c ---- */

/* Book the last entry and continue its lots' stories; then all must agree. */
void shop_check(struct shop *s);

/* A lot that came into being. */
void shop_issued(struct shop *s, int64_t lot, int64_t principal, int64_t bonus);

#endif
