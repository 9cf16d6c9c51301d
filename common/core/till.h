/* The till's verbs as pure decisions: a command, an account and a rule set in; an entry's body
 * and effects, or a refusal, out. The same entry is then folded here and at HQ.
 *
 *   command ──> *_decide ──> entry (body, effects) ──> account_fold ──> journal
 *                  │
 *                  └──> enum code + facts (nothing changes)
 *
 * Invariants
 *   T1  a decide changes no account; only account_fold of its entry does
 *   T2  a decided entry folds without error into the account that it was decided on
 *   T3  payable = sum of tenders; stored value tender = sum of the slices taken
 *   T4  sum of refunds of a receipt <= the receipt (design invariant 12)
 *   T5  refunding a receipt in any pieces ends at exactly what one whole refund gives
 */
#ifndef TRIB_CORE_TILL_H
#define TRIB_CORE_TILL_H

#include "account.h"
#include "arena.h"
#include "code.h"
#include "rules.h"

#define TENDER_STORED_VALUE "stored_value"
#define SALE_MAX_LINES 500
#define SALE_MAX_TENDERS 16
/* Lots that one sale may take: what undoes it, a reversal of its refund, still fits an entry. */
#define SALE_MAX_LOTS 512

/* Where and when an operation happens; time comes in with the event. */
struct till_context {
	int32_t node;
	uint32_t incarnation;
	uint64_t seq; /* that the entry will have: names the lot of a top-up */
	int64_t wall_ms;
	int32_t today; /* store's calendar day, days since 1970-01-01: expiry */
	int32_t business_day;
	const Trib__V1__RuleSet *rules;
};

struct tender {
	const char *type;
	int64_t amount;
	const char *payment_ref; /* or NULL */
};

struct sale_line {
	const char *sku;
	const char *category; /* or NULL */
	int64_t qty_milli;
	int64_t amount;
};

struct top_up_command {
	int64_t paid;
	const char *tender;
	const char *payment_ref; /* or NULL */
};

struct sale_command {
	int64_t amount; /* list amount; with lines it is their sum */
	size_t n_lines;
	const struct sale_line *lines;
	size_t n_tenders; /* 0: all stored value */
	const struct tender *tenders;
	int64_t use_points; /* > 0 is CODE_NO_RULE until a rule kind allows it */
	bool allow_partial;
	bool has_expected_payable;
	int64_t expected_payable;
	const char *staff; /* who sold; or NULL */
};

struct redemption_command {
	int64_t points;
	const char *item;
};

/* The receipt that a refund is of: the sale's (or top-up's) own entry, and what came back so far. */
struct receipt {
	const Trib__V1__Entry *entry; /* body: sale or top-up */
	int64_t refunded; /* sum over all tenders, fen */
	/* Lots among the sale's effects that a refund of their top-up closed: bonus that comes back
	 * to them expires in the same step. */
	size_t n_closed;
	const int64_t *closed;
};

struct refund_command {
	bool has_amount;
	int64_t amount; /* else the whole rest */
	const char *reason; /* or NULL */
	/* Cancels the order. Of a sale it is never refused for want of points: they become a debt,
	 * whatever the policy. Of a top-up it is refused where anything of it was spent. */
	bool is_cancel;
};

/* Facts that go with a refusal; 0 where they do not apply. */
struct till_facts {
	int64_t total; /* of the account, last known */
	int64_t available_here;
	int64_t payable;
	int64_t rest; /* refundable rest of a receipt */
	int64_t points_held; /* that can be taken back */
	int64_t points_wanted; /* back by a refund, or for a redemption */
	int64_t tendered; /* sum of tenders that are not the payable */
	const char *param, *detail; /* where there is more to say than the code; static, or NULL */
};

/* Each decides one verb. On CODE_OK, *ret_entry's body and effects (account, points_owed,
 * rules_version included; node, seq, times, order and down position are the caller's) are set from
 * the arena `a`, which must outlive the entry. On a refusal *ret_entry is untouched. *ret_facts is
 * filled either way, as of before the operation; a partial sale's remaining is facts.payable less
 * the receipt's payable. CODE_INTERNAL only when the arena or a bound is full, or the receipt is
 * none of this account. Borrows all inputs; strings of the command are copied into the arena.
 *
 * Slice effects come in the order of taking (sale) or giving back (refund), value before points.
 * Effects of value always carry their lot's terms: a refund, perhaps elsewhere, needs them when
 * the slice is gone.
 *
 * Top-up: every rule for the account's type gives, and is recorded; the lot lives as long as the
 * longest of those that gave. Only a closed account refuses it. */
enum code top_up_decide(const struct till_context *t, const struct account *acc,
			const struct top_up_command *cmd, struct arena *a,
			Trib__V1__Entry *ret_entry, struct till_facts *ret_facts);

/* Sale: stored value pays what the other tenders leave. Only an active account may buy. */
enum code sale_decide(const struct till_context *t, const struct account *acc,
		      const struct sale_command *cmd, struct arena *a, Trib__V1__Entry *ret_entry,
		      struct till_facts *ret_facts);

/* Refund: money goes back to the other tenders in receipt order (Refund.paid_out), then to stored
 * value (Refund.back, whose principal and bonus are what stays; expired_bonus came back beside
 * them). of->refunded tells everything: it must be the sum of all refunds booked so far. */
enum code refund_decide(const struct till_context *t, const struct account *acc,
			const struct receipt *of, const struct refund_command *cmd, struct arena *a,
			Trib__V1__Entry *ret_entry, struct till_facts *ret_facts);

/* What a sale would be, without its doing. Answers the code and facts that sale_decide would;
 * *ret_sale is the body that the sale would have, with CODE_OK just as it would be taken; else as if
 * all the stored value asked for were there and the payable were expected, or NULL where the command cannot be priced: CODE_BAD_VALUE,
 * CODE_NO_RULE, CODE_INTERNAL, and CODE_PAYABLE_CHANGED where the tenders are not the payable. */
enum code sale_quote(const struct till_context *t, const struct account *acc,
		     const struct sale_command *cmd, struct arena *a, Trib__V1__Sale **ret_sale,
		     struct till_facts *ret_facts);

/* Refund of a top-up of this node: takes what this node holds of its lot, past its last day too,
 * pays the principal back to the top-up's tender and closes the lot; the bonus that is left lapses.
 * Of `points` given for `paid`, floor(points * rest / paid) stay deserved, all others are clawed back
 * by the account type's policy. facts->rest is the principal that can go back now. A lot is closed
 * whole: an amount must be exactly that (less is CODE_BAD_VALUE, more CODE_REFUND_EXCEEDS_SALE, as
 * is any refund where no principal is left). Principal that a refund of a sale brings back later may
 * be refunded again. With is_cancel anything but the whole lot as issued is
 * CODE_INSUFFICIENT_BALANCE, or CODE_INSUFFICIENT_HERE where the account has its home elsewhere. */
enum code top_up_refund_decide(const struct till_context *t, const struct account *acc,
			       const struct receipt *of, const struct refund_command *cmd,
			       struct arena *a, Trib__V1__Entry *ret_entry,
			       struct till_facts *ret_facts);

/* Redemption of points for an item of at most ITEM_MAX bytes: those that expire first.
 * CODE_POINTS_SHORT; only an active account may redeem. */
enum code redemption_decide(const struct till_context *t, const struct account *acc,
			    const struct redemption_command *cmd, struct arena *a,
			    Trib__V1__Entry *ret_entry, struct till_facts *ret_facts);

/* Undo an entry: a refund of a sale or of a top-up, or a redemption. That nothing later rests on it
 * (it is the last refund of its receipt) is the caller's to know. What it put back must be held
 * still, else CODE_INSUFFICIENT_BALANCE, or CODE_INSUFFICIENT_HERE for an account at home
 * elsewhere. Bonus that expired when it came back stays expired: nothing of it is held. Points that
 * it took pay what the member owes, then go back to their lots. *ret_entry borrows the body of `of`,
 * which must live as long. */
enum code reversal_decide(const struct till_context *t, const struct account *acc,
			  const Trib__V1__Entry *of, struct arena *a, Trib__V1__Entry *ret_entry,
			  struct till_facts *ret_facts);

#endif
