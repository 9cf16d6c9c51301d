/* A shop for tests: the agent's core over a real journal in a scratch folder, with time in the
 * test's hand and no network. */
#ifndef TRIB_TEST_SHOP_H
#define TRIB_TEST_SHOP_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "agent.h"
#include "day_run.h"
#include "journal.h"

#define SHOP_MAX_ANSWERS 16

/* What one request was told. */
struct shop_answer {
	bool is_decided; /* APPEND or ANSWER came */
	bool is_out; /* RELEASE or REFUSE came: the till may know */
	enum agent_outcome outcome; /* where it was an ANSWER */
	bool is_append;
	enum code code; /* CODE_OK: a success or a replay */
	uint64_t seq; /* of the entry, appended or replayed */
	struct till_facts facts;
	const char *param, *held_store;
	uint64_t seal_seq;
};

struct shop {
	char dir[64];
	struct journal *journal;
	struct agent *agent;
	struct agent_identity id;
	uint64_t now_ms;
	int64_t wall_ms;
	int32_t utc_offset_min;
	uint32_t next_request;
	struct agent_claim kept_booked, kept_proof; /* what the next start is told */
	struct shop_answer answers[SHOP_MAX_ANSWERS];
	const struct journal_loaded *loaded;
	const struct agent_command *summed; /* the last command whose day is to be summed, or NULL */
	struct day_run *run; /* owned: its sum; NULL: not begun */
	/* of the last step, but for those that it ran itself */
	struct agent_effects effects;
	uint8_t entry_head[HEAD_BYTES]; /* header fields of the last entry appended */
	uint64_t entry_down_seq;
	uint8_t entry_down_head[HEAD_BYTES];
	int32_t entry_business_day;
	uint8_t seal_bytes[64 * 1024]; /* the last seal, packed */
	size_t seal_len;
	int64_t entry_wall_ms;
	uint64_t disk_reserve_bytes; /* of the next start */
};

/* Group setup and teardown for cmocka: *state is the shop. */
int shop_setup(void **state);
int shop_teardown(void **state);

/* Close and open the journal again, as after a crash: what is not committed is gone. */
void shop_restart(struct shop *s);

/* Step an event; effects that the loop would run at once (LOAD, APPEND, ANSWER, RELEASE, REFUSE)
 * are run, the others stay in s->effects. */
int shop_step(struct shop *s, struct agent_event *ev);

/* Judge a command in the turn under way; the answer's place. */
struct shop_answer *shop_take(struct shop *s, struct agent_command *c);
void shop_commit(struct shop *s);
void shop_roll_back(struct shop *s);

/* A command and its commit. */
struct shop_answer *shop_do(struct shop *s, struct agent_command *c);

/* Commands for one lane; the fingerprint follows from all that is given but the key. */
struct agent_command shop_open(struct shop *s, const char *card_no);
struct agent_command shop_top_up(struct shop *s, const char *order_no, const char *card_no,
				 int64_t paid);
struct agent_command shop_sale(struct shop *s, const char *order_no, const char *card_no,
			       int64_t amount);
struct agent_command shop_refund(struct shop *s, const char *order_no, const char *store,
				 const char *of_order_no, int64_t amount);

struct agent_command shop_close(struct shop *s, int32_t day);

/* Sum n more entries, and some, of the day of a command that was taken; judge it again when they are
 * all there are. With n = 0 it is judged in any case. Outside of a turn. */
void shop_sum(struct shop *s, struct agent_command *c, size_t n);

/* A close, its sum and its commit; one at a time. */
struct shop_answer *shop_do_close(struct shop *s, struct agent_command *c);

/* A card with that much on it. */
void shop_fill(struct shop *s, const char *card_no, int64_t paid);

/* The effect of that kind in s->effects, or NULL. */
const struct agent_effect *shop_effect(const struct shop *s, enum agent_effect_kind kind);

#endif
