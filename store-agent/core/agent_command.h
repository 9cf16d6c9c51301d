/* A till's command as the core takes it, and what has to be loaded to judge it. */
#ifndef TRIB_AGENT_COMMAND_H
#define TRIB_AGENT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account.h"
#include "chain.h"
#include "till.h"

#define AGENT_FINGERPRINT_BYTES 16
#define AGENT_WITNESS_PREFIX_BYTES 8

enum agent_verb { /* the numbers are stored: never reuse one */
	AGENT_OPEN_CARD = 1,
	AGENT_TOP_UP = 2,
	AGENT_SALE = 3,
	AGENT_REFUND = 4,
	AGENT_REDEMPTION = 5,
	AGENT_CANCEL = 6,
	AGENT_CLOSE_DAY = 7,
};

/* A PIN on its way: it is checked outside, between COMMAND and a second COMMAND of the request. */
enum agent_pin_word {
	AGENT_PIN_ABSENT,
	AGENT_PIN_GIVEN, /* not checked yet */
	AGENT_PIN_RIGHT,
	AGENT_PIN_WRONG,
	AGENT_PIN_FAILED, /* it could not be checked */
};

struct day_sum;

/* A business day's entries: one run of this journal. */
struct agent_day {
	uint64_t first_seq;
	struct position last; /* seq before first_seq: there are none */
};

/* What they add up to, as far as they were summed. */
struct agent_day_sum {
	struct agent_day of;
	struct day_sum *sum; /* NULL: it failed */
};

/* What the till last heard of our journal. */
struct agent_witness {
	bool present;
	uint32_t incarnation;
	uint64_t seq;
	uint8_t prefix[AGENT_WITNESS_PREFIX_BYTES];
};

/* Borrowed from COMMAND until the request is released or refused; checked for form by the reader
 * of the request. */
struct agent_command {
	enum agent_verb verb;
	uint32_t request; /* names it in RELEASE and REFUSE */
	int64_t wall_ms;
	int32_t utc_offset_min;
	uint32_t lane;
	const char *operator_name; /* or NULL */
	const char *order_no; /* NULL: AGENT_OPEN_CARD, AGENT_CLOSE_DAY */
	const char *card_no; /* NULL: AGENT_REFUND, AGENT_CANCEL, AGENT_CLOSE_DAY */
	const char *key; /* Idempotency-Key, or NULL */
	const uint8_t *trace_id; /* 16 bytes, or NULL */
	uint8_t fingerprint[AGENT_FINGERPRINT_BYTES]; /* of verb and body */
	struct agent_witness witness;
	union {
		struct {
			const char *account_type; /* or NULL */
			bool has_pin; /* the loader has its verifier */
		} open;
		struct top_up_command top_up;
		struct {
			struct sale_command sale;
			enum agent_pin_word pin;
			bool is_quote; /* answer what it would be, and do nothing; order_no may be NULL */
		};
		struct redemption_command redemption;
		enum agent_verb cancel; /* AGENT_CANCEL: what kind of order order_no is */
		struct {
			struct refund_command how;
			const char *store; /* of the receipt */
			uint32_t incarnation; /* where named by txn */
			uint64_t seq; /* 0: named by order number */
			const char *order_no; /* or NULL */
		} refund;
		struct {
			int32_t day; /* since 1970-01-01 */
			bool has_stored_value, has_count; /* the till's own figures */
			int64_t stored_value, count;
			/* Summed between COMMAND and a second COMMAND; NULL: not yet. */
			const struct agent_day_sum *sum;
		} close;
	};
};

/* A stored answer; its text stays with the loader. */
struct agent_record {
	bool is_found;
	enum agent_verb verb;
	uint8_t fingerprint[AGENT_FINGERPRINT_BYTES];
	int status;
	uint64_t seq; /* of the entry; 0 for a refusal */
	/* Of an order: the entry that cancelled it, or 0. */
	uint64_t cancel_seq;
	bool is_reversed; /* and that entry reverses something */
};

/* A PIN's state as it is kept. */
struct agent_pin {
	bool is_set;
	uint32_t failures; /* in a row */
	int64_t locked_until_ms; /* wall */
};

#define AGENT_PIN_TRIES 5 /* in a row, then one for each lock */
#define AGENT_PIN_LOCK_MS (INT64_C(30) * 60 * 1000)

struct agent_loaded {
	struct agent_record by_key; /* where the command has a key */
	/* (verb, order_no); of AGENT_CANCEL: of the order it names; of AGENT_CLOSE_DAY: of the day */
	struct agent_record by_order;
	bool has_account; /* of the card, or of the receipt */
	bool has_card; /* the card number is known */
	/* Never NULL: storage of the loader, filled where has_account. Folded in place. */
	struct account *account;
	struct agent_pin pin; /* where has_account */
	/* Refund: the entry that `of` names in this journal (for an order number that of the sale, else
	 * that of the top-up), or NULL. Cancel: the entry of the order. */
	const Trib__V1__Entry *receipt;
	/* What of it came back so far; of a refund that is cancelled: of its own receipt. */
	int64_t receipt_refunded;
	bool is_last_refund; /* cancel of a refund: no later one of its receipt stands */
	bool is_receipt_cancelled; /* and the order of its receipt came to its end */
	size_t n_closed; /* lots of the receipt whose top-up was refunded */
	const int64_t *closed;
	struct agent_day day; /* AGENT_CLOSE_DAY: as it is now */
	const uint8_t *witness_head; /* own head at witness.seq, or NULL where there is none */
};

/* "sale" and so on; static. */
const char *agent_verb_name(enum agent_verb v);

/* Whether orders of that verb can be cancelled: AGENT_CANCEL's own can't. */
bool agent_verb_has_orders(enum agent_verb v);

/* INCARNATION.SEQ.PREFIX, as agent_witness_format writes it. ERR_INVALID leaves *ret untouched. */
int MUST_CHECK agent_witness_parse(const char *text, struct agent_witness *ret);

/* Days since 1970-01-01 of the store's calendar. */
int32_t agent_calendar_day(int64_t wall_ms, int32_t utc_offset_min);

/* The business day: the calendar day of the local time less the cut-off, never before `last`. */
int32_t agent_business_day(int64_t wall_ms, int32_t utc_offset_min, int32_t cutoff_min,
			   int32_t last);

#endif
