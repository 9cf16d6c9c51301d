/* A till's command as the core takes it, and what has to be loaded to judge it. */
#ifndef TRIB_AGENT_COMMAND_H
#define TRIB_AGENT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account.h"
#include "till.h"

#define AGENT_FINGERPRINT_BYTES 16
#define AGENT_WITNESS_PREFIX_BYTES 8

enum agent_verb { /* the numbers are stored: never reuse one */
	AGENT_OPEN_CARD = 1,
	AGENT_TOP_UP = 2,
	AGENT_SALE = 3,
	AGENT_REFUND = 4,
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
	const char *order_no; /* NULL: AGENT_OPEN_CARD */
	const char *card_no; /* NULL: AGENT_REFUND */
	const char *key; /* Idempotency-Key, or NULL */
	const uint8_t *trace_id; /* 16 bytes, or NULL */
	uint8_t fingerprint[AGENT_FINGERPRINT_BYTES]; /* of verb and body */
	struct agent_witness witness;
	union {
		const char *account_type; /* AGENT_OPEN_CARD */
		struct top_up_command top_up;
		struct sale_command sale;
		struct {
			struct refund_command how;
			const char *store; /* of the receipt */
			uint32_t incarnation; /* where named by txn */
			uint64_t seq; /* 0: named by order number */
			const char *order_no; /* or NULL */
		} refund;
	};
};

/* A stored answer; its text stays with the loader. */
struct agent_record {
	bool is_found;
	enum agent_verb verb;
	uint8_t fingerprint[AGENT_FINGERPRINT_BYTES];
	int status;
	uint64_t seq; /* of the entry; 0 for a refusal */
};

struct agent_loaded {
	struct agent_record by_key; /* where the command has a key */
	struct agent_record by_order; /* (verb, order_no) */
	bool has_account; /* of the card, or of the receipt */
	bool has_card; /* the card number is known */
	/* Never NULL: storage of the loader, filled where has_account. Folded in place. */
	struct account *account;
	/* Refund: the entry that `of` names in this journal (for an order number that of the sale, else
	 * that of the top-up), or NULL; with what of it came back so far. */
	const Trib__V1__Entry *receipt;
	int64_t receipt_refunded;
	const uint8_t *witness_head; /* own head at witness.seq, or NULL where there is none */
};

/* "sale" and so on; static. */
const char *agent_verb_name(enum agent_verb v);

/* INCARNATION.SEQ.PREFIX, as agent_witness_format writes it. ERR_INVALID leaves *ret untouched. */
int MUST_CHECK agent_witness_parse(const char *text, struct agent_witness *ret);

/* Days since 1970-01-01 of the store's calendar. */
int32_t agent_calendar_day(int64_t wall_ms, int32_t utc_offset_min);

/* The business day: the calendar day of the local time less the cut-off, never before `last`. */
int32_t agent_business_day(int64_t wall_ms, int32_t utc_offset_min, int32_t cutoff_min,
			   int32_t last);

#endif
