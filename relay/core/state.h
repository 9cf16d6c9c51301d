/* What the relay's core keeps; for the files of this core only. */
#ifndef TRIB_RELAY_STATE_H
#define TRIB_RELAY_STATE_H

#include "relay.h"

#define NO_STORE UINT32_MAX

/* Queues of stores, each store at most once on each. */
enum relay_queue {
	QUEUE_UP, /* something to send to HQ; served by turns */
	QUEUE_DOWN, /* something to send to the store; by turns */
	QUEUE_DUE, /* a small message to the store is due: see enum due */
	QUEUE_HQ_DUE, /* a small message to HQ about the store is due */
	QUEUE_PRESENT,
	QUEUE_DIRTY, /* written since the last commit */
	QUEUE_COUNT,
};

enum due {
	DUE_WELCOME = 1 << 0,
	DUE_ACK = 1 << 1,
	DUE_BOOKED = 1 << 2,
	DUE_CREDIT = 1 << 3,
	DUE_PULL = 1 << 4,
	DUE_HQ_RELAYED = 1 << 5,
	DUE_HQ_APPLIED = 1 << 6,
	DUE_HQ_PULL = 1 << 7,
};
#define DUE_TO_STORE (DUE_WELCOME | DUE_ACK | DUE_BOOKED | DUE_CREDIT | DUE_PULL)
#define DUE_TO_HQ (DUE_HQ_RELAYED | DUE_HQ_APPLIED | DUE_HQ_PULL)

/* The window that we grant to a peer, on one connection. */
struct grant {
	uint64_t received;
	uint64_t pending; /* of them not durable yet */
	uint64_t total; /* granted so far */
};

/* A repeated question is asked once in RELAY_PULL_REPEAT_MS. */
struct question {
	uint64_t seq;
	uint64_t asked_ms;
};

struct relay_store {
	int32_t node;
	uint32_t incarnation;
	bool is_listed;
	enum relay_store_link link;
	uint64_t waiting_since_ms;
	uint64_t heard_ms;
	uint64_t heartbeat_ms;

	uint64_t base_seq;
	struct sync_in up_in;
	struct sync_out up_out;
	uint64_t booked_seq;
	uint64_t moved_ms; /* when up_out last became or stayed whole, or an ack moved it */
	bool has_resume; /* on this connection to HQ */
	uint64_t ahead_seq; /* HQ's books are there, beyond the spool; 0: not so */
	bool is_rebasing; /* until the commit */
	struct position rebase_to;

	struct sync_in down_in;
	struct sync_out down_out;
	bool wants_down; /* down_out opens at down_want_seq once that is durable here */
	uint64_t down_want_seq;
	uint64_t applied_seq;

	struct grant grant;
	struct sync_window window; /* that the store grants us */
	bool is_blocked;

	unsigned due;
	uint64_t due_ms; /* not before */
	uint64_t hq_due_ms;
	struct question pull, hq_pull;

	unsigned queued; /* bit per queue */
	uint32_t next[QUEUE_COUNT];
};

struct queue {
	uint32_t head, tail;
};

struct relay {
	struct relay_config config;
	uint32_t n_stores;
	uint32_t n_slots; /* a power of two, at least twice max_stores */
	struct relay_store *stores;
	uint32_t *slots; /* index + 1 by (node, incarnation) */
	struct queue queues[QUEUE_COUNT];

	enum relay_hq_link hq;
	bool hq_was_tried;
	uint64_t hq_since_ms;
	uint64_t hq_heard_ms;
	uint64_t hq_heartbeat_ms;
	struct sync_window hq_window; /* that HQ grants us */
	struct grant hq_grant;
	bool hq_is_blocked;

	bool is_sending; /* a SEND is not answered yet */
	bool down_is_next;
	unsigned sends_left;

	bool is_stalled;
	uint64_t sweep_ms; /* when the next sweep over all stores starts */
	uint32_t sweep_at; /* store to go on with; UINT32_MAX: no sweep is under way */
	bool sweep_saw_stall;
};

/* table.c */
struct relay_store *relay_table_find(const struct relay *r, int32_t node, uint32_t incarnation);
struct relay_store *relay_table_add(struct relay *r, int32_t node, uint32_t incarnation);

void relay_queue_push(struct relay *r, enum relay_queue q, struct relay_store *s);
struct relay_store *relay_queue_pop(struct relay *r, enum relay_queue q);
struct relay_store *relay_queue_head(const struct relay *r, enum relay_queue q);

/* effect.c */
struct relay_effect *relay_effect_add(struct relay_effects *fx, enum relay_effect_kind kind,
				      const struct relay_store *s);
void relay_effect_alarm(struct relay_effects *fx, const struct relay_store *s,
			enum relay_alarm alarm);
void relay_effect_calm(struct relay_effects *fx, const struct relay_store *s,
		       enum relay_alarm alarm);
void relay_effect_refuse(struct relay_effects *fx, const struct relay_store *s, enum relay_peer to,
			 int direction, const char *code);

/* Room for the effects of one more store. */
static inline bool effects_have_room(const struct relay_effects *fx)
{
	return fx->n + 8 <= RELAY_MAX_EFFECTS;
}

/* grant.c */
void relay_grant_open(struct grant *g, uint64_t window_bytes);
bool relay_grant_take(struct grant *g, size_t bytes);
bool relay_grant_is_due(const struct grant *g, uint64_t window_bytes);
uint64_t relay_grant_renew(struct grant *g, uint64_t window_bytes);

/* store_side.c */
int relay_on_store_event(struct relay *r, const struct relay_event *ev, struct relay_effects *fx);
void relay_store_go_offline(struct relay_store *s);
void relay_store_try_welcome(struct relay *r, struct relay_store *s, uint64_t now_ms);
void relay_store_open_down(struct relay *r, struct relay_store *s);
void relay_due_add(struct relay *r, struct relay_store *s, unsigned due);

/* hq_side.c */
int relay_on_hq_event(struct relay *r, const struct relay_event *ev, struct relay_effects *fx);

/* commit.c */
void relay_on_committed(struct relay *r, uint64_t now_ms);
void relay_on_commit_failed(struct relay *r, uint64_t now_ms);
void relay_mark_dirty(struct relay *r, struct relay_store *s);
bool relay_store_is_empty(const struct relay_store *s);

/* work.c */
void relay_work(struct relay *r, uint64_t now_ms, struct relay_effects *fx);
bool relay_work_is_ready(const struct relay *r);
void relay_on_sent(struct relay *r, const struct relay_event *ev);
void relay_on_blocked(struct relay *r, const struct relay_event *ev);
void relay_on_writable(struct relay *r);

/* sweep.c */
void relay_sweep(struct relay *r, uint64_t now_ms, struct relay_effects *fx);

#endif
