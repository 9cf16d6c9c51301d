/* The store agent's state machine: a till's command, a link's message or a commit in; effects out.
 *
 * One turn of the daemon's loop is one transaction of its journal:
 *
 *   COMMAND ──> LOAD ──> LOADED ──> APPEND or ANSWER      any number of times
 *      ^                    │            │
 *      └── PIN checked ── CHECK_PIN      │
 *      └── day summed ─── SUM_DAY        │
 *                                        │
 *                              (the loop commits once)
 *                                        │
 *                COMMITTED ──────────────┴────────── ROLLED_BACK
 *                    │                                    │
 *              RELEASE the answers, SEND_BATCH      REFUSE them all (disk_low)
 *
 * and the link to the relay:
 *
 *            LINK_UP / SEND_HELLO        WELCOME, positions are ours
 *   DOWN ─────────────────────> GREETING ───────────────────────────> OPEN ──> SEND_BATCH ...
 *    ^                              │ WELCOME, the relay or HQ is ahead, or   │
 *    │                              │ has another history                     │ HQ's ack is not of
 *    │                              └──────────────────> HALTED <─────────────┘ this journal
 *    │                                                     │ alarm; nothing is sent
 *    └─────────── LINK_DOWN ────────┴──────────────────────┴────── from each
 *
 * Invariants
 *   G1  durable.seq <= head.seq; the entries between are of the turn under way
 *   G2  nobody is answered before the commit of the turn in which the answer was decided, replays
 *       included: what they repeat may be of the same turn
 *   G3  an entry covers down.durable: what its decision could have seen of the down log
 *   G4  up.end_seq = durable.seq: nothing leaves the shop that is not fsynced in it
 *   G5  at most one success per (verb, order number): the record is written with the entry
 *   G6  booked_seq <= durable.seq, relayed_seq <= durable.seq, and both fall only as told below
 *   G7  the business day of an entry is never before that of the entry before it
 *   G8  a down message is acked after DOWN_COMMITTED, never in the list that persists it
 *   G9  between LOAD and its LOADED there is no other step
 *   G10 once HQ's signature proved that this journal is not the one it booked, no entry is decided
 *       any more and no link opens, in this process and in later ones
 *   G11 while a PIN is checked, or a day summed, nothing is decided: the second COMMAND loads and
 *       judges anew, so that what happened meanwhile (a cancel, a lock, a success from another
 *       lane) counts
 *   G12 a wrong PIN is an entry before it is an answer
 *   G13 a cancelled order has no later success, whatever the key
 *   G14 an entry's business day is later than every sealed one; a seal's own may be its day
 *   G15 trouble of level n (agent_clock.h, agent_disk.h) keeps back the verbs of rank n and below,
 *       see agent_gate.c; nothing else: what is known is answered, the link goes on
 *
 * relayed_seq is what the relay of the present Welcome holds; it falls when that says less.
 * booked_seq is HQ's signed word and never falls. */
#ifndef TRIB_AGENT_AGENT_H
#define TRIB_AGENT_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent_clock.h"
#include "agent_command.h"
#include "agent_disk.h"
#include "arena.h"
#include "chain.h"
#include "entry.h"
#include "fold.h"
#include "ids.h"
#include "sync.h"

#define AGENT_MAX_PENDING 4096
#define AGENT_MAX_RULE_SETS 8
#define AGENT_MAX_CHECKS 64 /* PINs under check at a time, */
#define AGENT_MAX_LANE_CHECKS 4 /* of one lane: others do not wait behind it for long */
#define AGENT_MAX_CLOSES 8 /* days that are summed or wait for it */
#define AGENT_MAX_HELD (AGENT_MAX_CHECKS + AGENT_MAX_CLOSES)
#define AGENT_MAX_EFFECTS 8
#define AGENT_ARENA_BYTES (1024u * 1024)
#define AGENT_DOWN_WINDOW_BYTES (1024u * 1024)
#define AGENT_HEARTBEAT_MS 5000
#define AGENT_SILENCE_MS 20000
#define AGENT_STALL_MS 60000
#define AGENT_MAX_WHYS 6
#define AGENT_NEVER UINT64_MAX

enum agent_link {
	AGENT_LINK_DOWN,
	AGENT_LINK_GREETING,
	AGENT_LINK_OPEN,
	AGENT_LINK_HALTED
};

enum agent_alarm {
	AGENT_ALARM_RELAY_AHEAD, /* the relay says it holds more than our journal has */
	AGENT_ALARM_RELAY_FORK, /* the relay's head differs from ours at one seq */
	AGENT_ALARM_ROLLED_BACK, /* HQ booked more than our journal has: it was rolled back */
	AGENT_ALARM_ACK_MISMATCH, /* HQ booked another history than ours: a clone or a rollback */
	AGENT_ALARM_DOWN_FORK, /* two authentic down logs */
	AGENT_ALARM_DOWN_TAMPERED, /* the link peer changed what HQ signed */
	AGENT_ALARM_BOOKING_STALLED, /* the link is open, entries wait, and HQ signs nothing new */
};

enum agent_event_kind {
	AGENT_COMMAND,
	AGENT_LOADED,
	AGENT_COMMITTED,
	AGENT_ROLLED_BACK,
	AGENT_RULES, /* the rule sets known now */
	AGENT_SETTINGS,
	AGENT_LINK_UP,
	AGENT_LINK_LOST,
	AGENT_WELCOME,
	AGENT_ACK,
	AGENT_PULL,
	AGENT_CREDIT,
	AGENT_BATCH_SENT,
	AGENT_BLOCKED, /* the link's queue is full */
	AGENT_WRITABLE,
	AGENT_DOWN_BATCH,
	AGENT_DOWN_COMPARED,
	AGENT_DOWN_COMMITTED,
	AGENT_DOWN_FAILED,
	AGENT_HEARD, /* any other message of the relay */
	AGENT_TICK,
	AGENT_DISK, /* how much room the disk has; about once a second */
};

/* A position that a peer names, beside our own head at that seq. */
struct agent_claim {
	bool present;
	struct position at;
	const uint8_t *own_head; /* NULL: beyond our journal */
};

struct agent_event {
	enum agent_event_kind kind;
	uint64_t now_ms; /* monotonic */
	int64_t wall_ms;
	union {
		const struct agent_command *command;
		struct {
			const struct agent_command *command;
			struct agent_loaded *with;
		} loaded;
		struct {
			size_t n; /* at most AGENT_MAX_RULE_SETS */
			const Trib__V1__RuleSet *const
				*sets; /* borrowed until the next AGENT_RULES */
		} rules;
		struct {
			int32_t cutoff_min;
			uint64_t kinds; /* bit by kind: what HQ books; 0: not told */
		} settings;
		struct {
			struct agent_claim relayed;
			struct agent_claim booked; /* HQ's signature verified */
			uint64_t window_bytes;
			int64_t clock_ms; /* the relay's wall clock */
		} welcome;
		int64_t heard_clock_ms; /* HEARD: the relay's wall clock; 0: not told */
		struct agent_disk_facts disk;
		struct {
			bool is_booked; /* else relayed */
			uint64_t seq;
			struct agent_claim booked; /* HQ's signature verified */
		} ack;
		uint64_t pull_from;
		uint64_t credit_total;
		struct {
			uint64_t last_seq;
			uint64_t bytes;
		} sent;
		struct sync_batch down; /* HQ's signature verified; for DOWN_COMPARED too */
		struct {
			struct sync_batch batch;
			const uint8_t *own_head; /* NULL: not kept */
		} compared;
	};
};

enum agent_effect_kind {
	AGENT_LOAD, /* read what the command needs, then step LOADED */
	AGENT_CHECK_PIN, /* compare with the account's verifier, set command->pin, step COMMAND again */
	AGENT_SUM_DAY, /* sum the day's durable entries, set command->close.sum, step COMMAND again */
	AGENT_APPEND, /* write entry, account and records in the turn's transaction */
	AGENT_ANSWER, /* an answer that moves nothing; it waits for the commit alike */
	AGENT_RELEASE, /* answer these requests as decided */
	AGENT_REFUSE, /* answer these requests with `code` instead */
	AGENT_SEND_HELLO,
	AGENT_SEND_BATCH, /* up to SYNC_BATCH_MAX_BYTES from first_seq; then BATCH_SENT or BLOCKED */
	AGENT_KEEP_BOOKED, /* keep the booked ack just judged, in some later transaction */
	AGENT_KEEP_PROOF, /* keep it as the proof that this journal is not what HQ booked, at once */
	AGENT_DOWN_COMPARE, /* look up our down log's head at seq, then step DOWN_COMPARED */
	AGENT_DOWN_PERSIST, /* items from `skip` on in a transaction of their own */
	AGENT_DOWN_ACK,
	AGENT_DOWN_PULL,
	AGENT_HEARTBEAT,
	AGENT_RESTART_LINK,
	AGENT_ALARM,
	AGENT_MAKE_BALLAST, /* the next AGENT_DISK tells whether it stands */
	AGENT_GIVE_UP_BALLAST,
	AGENT_TELL_CLOCK, /* the clock's level changed */
	AGENT_TELL_DISK, /* the disk's level changed */
};

/* What an entry changes of a receipt: of the sale or top-up at seq in this journal. */
struct agent_receipt_change {
	uint64_t seq; /* 0: of none */
	int64_t refunded; /* added to what came back of it */
	uint64_t undone_seq; /* a reversal: of the refund that it undoes; else 0 */
};

enum agent_keeps { /* what is written beside an entry */
	AGENT_KEEPS_ORDER, /* the answer, by order and key */
	AGENT_KEEPS_SEAL, /* the answer, by day and key */
	AGENT_KEEPS_CANCEL, /* the end of the order that the command cancels, and the answer */
	AGENT_KEEPS_NOTHING, /* the request's answer comes by itself */
};

struct agent_append {
	const struct agent_command *command;
	enum agent_keeps keeps;
	const Trib__V1__Entry *entry; /* all pointers: valid until the next LOADED */
	const uint8_t *bytes;
	size_t len;
	struct position at; /* of the entry */
	struct account *account; /* folded; NULL: the entry has none */
	bool is_new_account;
	bool is_first_of_day; /* of its business day */
	struct balance here; /* after the entry */
	struct agent_receipt_change receipt;
	int64_t receipt_refunded; /* its new sum */
	bool sets_pin;
	struct agent_pin pin; /* its new state */
	bool is_reversing; /* cancel: the entry undoes something */
};

enum agent_outcome {
	AGENT_REFUSED,
	AGENT_REPLAY_KEY,
	AGENT_REPLAY_ORDER,
	AGENT_REPLAY_CANCEL, /* of the cancel that the order has */
	AGENT_QUOTED,
};

struct agent_answer {
	const struct agent_command *command;
	enum agent_outcome outcome;
	enum code code; /* refused */
	const char *param; /* or NULL */
	const char *detail; /* or NULL; static English */
	struct till_facts facts;
	const char *held_store; /* that holds a receipt; or NULL */
	uint64_t cancel_seq; /* ORDER_CANCELLED: of the entry that reversed the order, or 0 */
	uint64_t seal_seq; /* DAY_CLOSED */
	uint32_t pin_tries_left; /* PIN_WRONG */
	int64_t pin_locked_until_ms; /* PIN_LOCKED, and PIN_WRONG that locked it; else 0 */
	const Trib__V1__Sale *quote; /* QUOTED: valid until the next LOADED; `code` says why not */
	uint64_t quote_rules_version;
	bool is_pin_required; /* QUOTED */
	bool keep_key; /* write the key record: a 422 with a key, or a replay under a new key */
};

struct agent_effect {
	enum agent_effect_kind kind;
	union {
		const struct agent_command *load; /* CHECK_PIN's and SUM_DAY's too */
		struct agent_append append;
		struct agent_answer answer;
		struct {
			size_t n;
			const uint32_t *requests; /* valid until the next step */
			enum code code; /* REFUSE */
		} finish;
		struct {
			uint64_t first_seq, end_seq;
		} send;
		uint64_t compare_seq;
		struct {
			size_t skip;
			uint64_t last_seq;
		} persist;
		struct {
			uint64_t seq;
			uint64_t credit_total;
		} down_ack;
		struct {
			uint64_t from_seq;
			uint64_t credit_total; /* what was dropped no longer fills the window */
		} down_pull;
		const char *why; /* RESTART_LINK */
		struct {
			enum agent_alarm what;
			uint64_t own_seq, peer_seq;
		} alarm;
		uint64_t ballast_bytes; /* MAKE_BALLAST */
	};
};

struct agent_effects {
	size_t n;
	struct agent_effect list[AGENT_MAX_EFFECTS];
};

struct agent_identity {
	int32_t node;
	uint32_t incarnation;
	char store[STORE_CODE_MAX];
	uint8_t account_key[ACCOUNT_KEY_BYTES];
};

/* What the journal says at the start. */
struct agent_resume {
	struct position journal;
	int32_t business_day; /* of its last entry; INT32_MIN where there is none */
	int32_t sealed_day; /* the latest one; INT32_MIN where there is none */
	int64_t entry_wall_ms; /* of its last entry, where there is one */
	struct position down;
	uint64_t relayed_seq;
	struct agent_claim booked, proof; /* kept by KEEP_BOOKED and KEEP_PROOF */
	int32_t cutoff_min;
	uint64_t disk_reserve_bytes; /* 0: the disk is not watched */
	uint64_t now_ms; /* monotonic */
	int64_t wall_ms;
};

struct agent {
	struct agent_identity id;
	uint64_t now_ms; /* of the event under way */
	struct agent_clock clock;
	struct agent_disk disk;

	struct position durable, head;
	int32_t durable_day, day;
	int32_t durable_sealed_day, sealed_day; /* the latest one, or INT32_MIN */
	size_t n_pending;
	uint32_t pending[AGENT_MAX_PENDING];
	size_t n_finished; /* of `finished`, told by the last RELEASE or REFUSE */
	uint32_t finished[AGENT_MAX_PENDING];
	size_t n_checking; /* PINs under check, and days under their sum */
	const struct agent_command *checking[AGENT_MAX_HELD]; /* borrowed until COMMAND comes again */

	size_t n_rule_sets;
	const Trib__V1__RuleSet *rule_sets[AGENT_MAX_RULE_SETS]; /* borrowed, rising versions */
	int32_t cutoff_min;
	uint64_t kinds;

	enum agent_link link;
	bool is_blocked;
	bool is_degraded; /* an alarm on our own streams stands */
	bool is_rolled_back; /* HQ's signature proved it: no entries (G10) */
	struct sync_out up;
	struct sync_in down;
	struct sync_window window; /* ours to send in */
	uint64_t down_bytes; /* taken on this connection */
	uint64_t relayed_seq, booked_seq;
	uint64_t heard_ms, heartbeat_ms; /* monotonic; next heartbeat */

	/* What a relay says is no proof that it passes anything on: only HQ's signature is. While
	 * entries wait for it, the time of open links is added up. */
	uint64_t stall_booked_seq; /* booked_seq at the last progress */
	uint64_t stall_waited_ms; /* since then, over earlier links */
	uint64_t stall_since_ms; /* monotonic: of the present link, or AGENT_NEVER */
	bool is_stalled; /* AGENT_STALL_MS of it passed */
	int64_t uplink_since_ms; /* wall */

	struct arena arena; /* over memory[] */
	uint8_t bytes[ENTRY_MAX_BYTES];
	struct fold fold; /* scratch: what HQ will make of an entry */
	_Alignas(16) uint8_t memory[AGENT_ARENA_BYTES];
};

/* The agent points into itself: do not move it. */
void agent_init(struct agent *a, const struct agent_identity *id, const struct agent_resume *r);

/* Take one event. ret->list tells what to do, in order. Pointers in the effects are valid until
 * the next step, or as their own comment says.
 *
 * ERR_FULL: AGENT_COMMAND only, AGENT_MAX_PENDING are waiting: commit and try again. ERR_STATE: an
 * event that does not belong here (a second Welcome, an ack before it); nothing changed. */
int MUST_CHECK agent_step(struct agent *a, const struct agent_event *ev, struct agent_effects *ret);

/* No receipt: ret->seq is 0. */
void agent_receipt_change_of(const Trib__V1__Entry *e, struct agent_receipt_change *ret);

/* Monotonic time at which AGENT_TICK is due, or AGENT_NEVER. */
uint64_t agent_deadline_ms(const struct agent *a);

/* The link is open, and the relay was heard within AGENT_SILENCE_MS. */
bool agent_is_online(const struct agent *a, uint64_t now_ms);

/* "stored", "relayed" or "booked"; static. */
const char *agent_sync_state(const struct agent *a, uint64_t seq);

/* "normal", "degraded" or "fenced"; static. */
const char *agent_mode(const struct agent *a);

/* What a degraded mode comes from, the gravest first: "journal_rolled_back", "disk_low" and
 * "clock_untrusted" by their levels, "down_fork", "relay_disagrees", "booking_stalled"; static. How
 * many there are: 0 in normal mode. */
size_t agent_mode_whys(const struct agent *a, const char *ret[AGENT_MAX_WHYS]);

/* The first of them; NULL in normal mode. */
const char *agent_mode_why(const struct agent *a);

/* The time by this reading of the box's clock, or where that is not believed the one that entries
 * are dated by instead. */
int64_t agent_time_ms(const struct agent *a, int64_t wall_ms, uint64_t now_ms);

/* The set with the highest version that is effective at wall_ms. Where none is, the clock is slow:
 * the lowest version known. NULL where there are no sets at all. */
const Trib__V1__RuleSet *agent_rules_at(const struct agent *a, int64_t wall_ms);

/* "relay_ahead" and so on; static. */
const char *agent_alarm_name(enum agent_alarm what);

/* INCARNATION.SEQ.PREFIX of the durable head: what the answers' Trib-Witness says. */
#define AGENT_WITNESS_BYTES 52
void agent_witness_format(const struct agent *a, char ret_text[AGENT_WITNESS_BYTES]);

#endif
