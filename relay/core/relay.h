/* The relay's decisions: two durable streams for each store between it and HQ, forwarded fairly.
 *
 *            batch           PERSIST        COMMITTED          SEND, by turns
 *   store ──────────> up_in ─────────> spool ────────> up_out ───────────────> HQ
 *         <──────────                    │                    <───────────────
 *           ack RELAYED                  │                      ack BOOKED, passed on
 *                                        │
 *   store <────────── down_out <─────── spool <─────── down_in <────────────── HQ
 *           within its window                            batch, signed by HQ
 *
 * A store's link:
 *
 *   OFFLINE ──hello──> WAITING ──welcome──> ONLINE
 *      ^                  │                   │
 *      └──── gone, silent, unlisted ──────────┘      (a new hello starts again at WAITING)
 *
 *   WAITING lasts while the spool is empty and HQ may still tell where its books end: until its
 *   Resume, or until HQ proved out of reach, or RELAY_WELCOME_WAIT_MS.
 *
 * The link to HQ: DOWN ──up──> GREETING ──welcome──> OPEN; any end leads to DOWN.
 *
 * Where an up stream starts: at the seed of the store's certificate, or, while the spool holds
 * nothing of it, at a position that HQ signed. Nobody's mere word moves it. A spool with content
 * never jumps: where HQ's books are ahead of it, it catches up from the store and presents itself
 * again. Where HQ's books end before the spool starts (HQ was restored), it starts again there.
 *
 * Invariants
 *   R1  no list of effects holds both a write (PERSIST, REBASE, KEEP_BOOKED, EVIDENCE) and a
 *       promise (WELCOME, ACK)
 *   R2  a promise to a store or HQ names at most what a COMMITTED made durable
 *   R3  nothing is sent on that is not durable here: sync_out.end_seq <= sync_in.durable.seq
 *   R4  at most one ack per store, direction and RELAY_ACK_INTERVAL_MS
 *   R5  bytes under way to HQ pass its window by at most one batch, and stores take turns of one
 *       batch, so that no backlog delays another store's next entry by more than one window
 *   R6  bytes taken from a peer and not yet durable pass the window granted by at most one batch
 *   R7  the uplink is open for a store only after HQ's Resume on this connection
 *
 * Events come from io with everything verified; the time comes with the event. Effects are run in
 * their order, before the next event. Memory is the caller's and bounded. */
#ifndef TRIB_RELAY_RELAY_H
#define TRIB_RELAY_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chain.h"
#include "err.h"
#include "sync.h"

#define RELAY_ACK_INTERVAL_MS 10u
#define RELAY_HEARTBEAT_MS 5000u
#define RELAY_SILENCE_MS 20000u
#define RELAY_WELCOME_WAIT_MS 3000u
#define RELAY_STALL_MS 60000u
#define RELAY_PULL_REPEAT_MS 1000u
#define RELAY_SWEEP_MS 500u
#define RELAY_MAX_EFFECTS 64u
#define RELAY_SENDS_PER_EVENT 32u

struct relay;

struct relay_config {
	uint32_t max_stores; /* (node, incarnation) pairs */
	uint64_t store_window_bytes; /* granted to each store */
	uint64_t hq_window_bytes; /* granted to HQ for all down logs */
};

enum relay_store_link {
	RELAY_STORE_OFFLINE,
	RELAY_STORE_WAITING,
	RELAY_STORE_ONLINE
};
enum relay_hq_link {
	RELAY_HQ_DOWN,
	RELAY_HQ_GREETING,
	RELAY_HQ_OPEN
};

enum relay_alarm {
	RELAY_ALARM_WRONG_NODE, /* a peer spoke for another */
	RELAY_ALARM_BAD_SIGNATURE,
	RELAY_ALARM_TAMPERED, /* items are not what was signed */
	RELAY_ALARM_FORK, /* two authentic histories */
	RELAY_ALARM_ACK_MISMATCH, /* HQ's ack is not of the history kept here */
	RELAY_ALARM_BOOKS_DIFFER, /* nor is its Resume */
	RELAY_ALARM_WINDOW, /* a peer sent more than it was granted */
	RELAY_ALARM_STORE_BEHIND, /* the store has less than it had sent: rolled back */
	RELAY_ALARM_HQ_BEHIND, /* HQ has less than it had acked or sent: restored */
	RELAY_ALARM_STORE_SILENT,
	RELAY_ALARM_HQ_SILENT,
	RELAY_ALARM_STALLED, /* HQ is linked and books nothing, though something waits */
	RELAY_ALARM_DISK_FULL,
	RELAY_ALARM_TABLE_FULL, /* more stores than max_stores */
	RELAY_ALARM_COUNT,
};

enum relay_peer {
	RELAY_TO_STORE,
	RELAY_TO_HQ
};

/* ---- events ---- */

enum relay_event_kind {
	RELAY_TICK, /* the deadline has come */
	RELAY_COMMITTED, /* every write so far is durable */
	RELAY_COMMIT_FAILED, /* none since the last commit is */
	RELAY_KNOWN, /* a store of the spool or of the roster; again when is_listed changes */
	RELAY_STORE_HELLO,
	RELAY_STORE_BATCH,
	RELAY_STORE_ACK, /* DOWN, applied */
	RELAY_STORE_PULL, /* DOWN */
	RELAY_STORE_CREDIT,
	RELAY_STORE_HEARD, /* anything else of it */
	RELAY_STORE_GONE,
	RELAY_HQ_UP,
	RELAY_HQ_WELCOME,
	RELAY_HQ_RESUME,
	RELAY_HQ_BATCH, /* DOWN */
	RELAY_HQ_ACK, /* UP, booked */
	RELAY_HQ_PULL, /* UP */
	RELAY_HQ_CREDIT,
	RELAY_HQ_HEARD,
	RELAY_HQ_GONE, /* or could not be reached */
	RELAY_SENT, /* answer to SEND */
	RELAY_BLOCKED, /* answer to SEND: a queue is full */
	RELAY_WRITABLE, /* queues may have room again */
};

struct relay_known {
	bool is_listed; /* in HQ's roster: it may link */
	uint64_t up_base_seq; /* the spool holds (up_base_seq, up_end.seq] */
	struct position up_end;
	struct position down_end;
	bool up_is_forked, down_is_forked;
	uint64_t booked_seq; /* of the newest ack kept */
};

struct relay_hello {
	uint64_t window_bytes;
	uint64_t journal_seq;
	uint64_t down_seq;
};

/* One batch with a verified signed head. */
struct relay_batch {
	const struct sync_batch *batch;
	size_t bytes; /* of all items */
	const uint8_t *own_head; /* kept here at batch->signed_seq, or NULL */
};

/* A position that HQ signed for the store's journal. */
struct relay_booked {
	struct position at;
	const uint8_t *own_head; /* kept here at at.seq, or NULL */
	uint64_t down_seq; /* Resume only: end of HQ's down log */
};

struct relay_sent {
	enum relay_peer to;
	uint64_t last_seq;
	size_t bytes; /* of items */
};

struct relay_event {
	enum relay_event_kind kind;
	uint64_t now_ms; /* monotonic, from 1 */
	int32_t node; /* of STORE_*, KNOWN and all that name a store */
	uint32_t incarnation;
	union {
		struct relay_known known;
		struct relay_hello hello;
		struct relay_batch batch; /* STORE_BATCH, HQ_BATCH */
		struct relay_booked booked; /* HQ_RESUME, HQ_ACK */
		struct relay_sent sent; /* SENT, BLOCKED */
		uint64_t seq; /* *_PULL, STORE_ACK */
		uint64_t window_bytes; /* HQ_WELCOME, *_CREDIT */
	};
};

/* ---- effects ---- */

enum relay_effect_kind {
	/* writes, in the turn's transaction */
	RELAY_DO_PERSIST, /* items [skip, n) of the event's batch */
	RELAY_DO_REBASE, /* the up spool starts and ends at `at`; items above stay as they are */
	RELAY_DO_KEEP_BOOKED, /* the event's BookedAck is the store's newest */
	RELAY_DO_EVIDENCE, /* the event's batch forks the stream: keep it, mark the stream */
	/* promises */
	RELAY_DO_WELCOME, /* to a store: relayed is `at`; with the newest BookedAck */
	RELAY_DO_ACK, /* UP: RELAYED to the store; DOWN: `stage` to HQ; up to at.seq */
	/* the rest */
	RELAY_DO_PASS_BOOKED, /* the newest BookedAck to the store */
	RELAY_DO_CREDIT, /* `total` bytes */
	RELAY_DO_PULL, /* from at.seq */
	RELAY_DO_SEND, /* a batch from at.seq, cut at a signed head, at most up to seq `total`;
			* answer SENT or BLOCKED */
	RELAY_DO_REFUSE, /* `code` */
	RELAY_DO_HEARTBEAT,
	RELAY_DO_HELLO, /* to HQ */
	RELAY_DO_PRESENT, /* to HQ: spooled is `at`, down is `down` */
	RELAY_DO_RESTART, /* the link to HQ */
	RELAY_DO_ALARM,
	RELAY_DO_CALM, /* the alarm is over */
};

struct relay_effect {
	enum relay_effect_kind kind;
	enum relay_peer to;
	int direction; /* Trib__V1__Direction, where a stream is meant */
	int stage; /* Trib__V1__Stage */
	int32_t node;
	uint32_t incarnation;
	size_t skip;
	uint64_t total;
	struct position at; /* only seq for ACK, PULL and SEND */
	struct position down;
	const char *code; /* static */
	enum relay_alarm alarm;
};

struct relay_effects {
	size_t n;
	bool has_write; /* R1 */
	bool has_promise;
	struct relay_effect list[RELAY_MAX_EFFECTS];
};

/* Bytes that relay_init needs for config. */
size_t relay_size(const struct relay_config *config);

/* A relay that knows no store, in memory of relay_size() bytes aligned to 16; borrowed for ever. */
struct relay *relay_init(void *memory, const struct relay_config *config);

/* Judge one event. ret_fx replaces what it held.
 *
 * ERR_UNKNOWN_NODE: the store is not known, or not listed where it must be. ERR_FULL: KNOWN over
 * max_stores. ERR_STATE: the peer has not said hello. The effects hold in any case. */
int MUST_CHECK relay_step(struct relay *r, const struct relay_event *ev,
			  struct relay_effects *ret_fx);

/* When to send TICK at the latest; 0: at once. */
uint64_t relay_deadline_ms(const struct relay *r);

/* ---- for reports and tests ---- */

struct relay_store_view {
	int32_t node;
	uint32_t incarnation;
	enum relay_store_link link;
	bool is_listed;
	uint64_t spooled_seq; /* durable */
	uint64_t booked_seq;
	uint64_t down_seq; /* durable here */
	uint64_t applied_seq; /* durable at the store, as it says */
	bool is_forked;
};

enum relay_hq_link relay_hq(const struct relay *r);
uint32_t relay_n_stores(const struct relay *r);

/* The i-th store, in order of first acquaintance. */
void relay_view(const struct relay *r, uint32_t i, struct relay_store_view *ret);

/* ERR_NOT_FOUND */
int MUST_CHECK relay_find(const struct relay *r, int32_t node, uint32_t incarnation,
			  struct relay_store_view *ret);

/* "wrong_node" and so on; static. */
const char *relay_alarm_name(enum relay_alarm a);

#endif
