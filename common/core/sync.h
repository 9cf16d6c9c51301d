/* Both ends of one ordered, hash-chained stream: a journal going up or a down log coming down.
 *
 *            sync_out (sender)                           sync_in (receiver)
 *
 *   CLOSED ──open(peer seq)──> OPEN              IN_OPEN ──authentic other history──> IN_FORKED
 *     ^                         │ next() -> send     │
 *     └───────── close ─────────┘ ack / pull         └─ batch -> PERSIST -> persisted -> ack
 *
 *   sender    0 <= acked <= sent <= end          next() sends (sent, end], bounded by bytes
 *   receiver  0 <= durable <= accepted           durable: fsynced; accepted: handed to persist
 *
 * Invariants
 *   Y1  acked <= sent <= end at the sender; durable.seq <= accepted.seq at the receiver
 *   Y2  the receiver's accepted head is the hash of exactly the items 1..accepted.seq
 *   Y3  nothing above durable.seq is ever acked
 *   Y4  a batch either extends the accepted chain whole, or nothing of it is kept
 *   Y5  a position only moves with content: no peer's word moves accepted or durable
 *   Y6  after `forked` nothing is accepted any more
 *
 * A gap is asked for again, never buffered; a duplicate is acked again. */
#ifndef TRIB_CORE_SYNC_H
#define TRIB_CORE_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chain.h"
#include "err.h"
#include "wire.pb-c.h"

#define SYNC_BATCH_MAX_BYTES (256u * 1024)
#define SYNC_BATCH_MAX_ITEMS 4096u

struct sync_out {
	bool is_open;
	uint64_t end_seq; /* durable here */
	uint64_t sent_seq;
	uint64_t acked_seq; /* durable there */
};

/* A sender whose stream ends at end_seq here; closed. */
void sync_out_init(struct sync_out *s, uint64_t end_seq);

/* The peer has everything up to peer_seq and is ready. ERR_STATE when the peer claims more than
 * there is (it knows a later life of this stream): the sender stays closed. */
int MUST_CHECK sync_out_open(struct sync_out *s, uint64_t peer_seq);

/* The link is gone; what was sent and not acked is sent again after the next open. */
void sync_out_close(struct sync_out *s);

/* More items are durable here. end_seq never falls. */
void sync_out_extend(struct sync_out *s, uint64_t end_seq);

/* First seq to send next, or 0 when there is nothing to send. */
uint64_t sync_out_next(const struct sync_out *s);

/* Items up to last_seq were handed to the link. */
void sync_out_sent(struct sync_out *s, uint64_t last_seq);

/* The peer has made everything up to seq durable. False when that moved nothing, also for a seq
 * beyond what was sent (a peer that lies). */
bool sync_out_ack(struct sync_out *s, uint64_t seq);

/* The peer asks for from_seq again. False when from_seq makes no sense (beyond what was sent + 1,
 * or 0). */
bool sync_out_pull(struct sync_out *s, uint64_t from_seq);

enum sync_verdict {
	SYNC_PERSIST, /* items [skip, n) extend the chain: make them durable */
	SYNC_DUPLICATE, /* all known and the same: ack durable again */
	SYNC_GAP, /* ask again from accepted + 1 */
	SYNC_COMPARE, /* look up the own head at compare_seq, then sync_in_compared() */
	SYNC_FORK, /* authentic, and another history: evidence, stop */
	SYNC_TAMPERED, /* the items are not what was signed: the link peer's fault */
	SYNC_STOPPED, /* forked before */
};

struct sync_in {
	bool is_forked;
	struct position durable;
	struct position accepted;
};

/* One batch whose signed head (seq, head) was verified by the caller under the stream's key. */
struct sync_batch {
	uint64_t first_seq;
	const uint8_t *prev_head; /* HEAD_BYTES, as the peer claims */
	size_t n;
	const ProtobufCBinaryData *items;
	uint64_t signed_seq;
	const uint8_t *signed_head; /* HEAD_BYTES */
};

struct sync_judged {
	enum sync_verdict verdict;
	size_t skip; /* SYNC_PERSIST: items before it are known already */
	uint64_t pull_from; /* SYNC_GAP */
	uint64_t compare_seq; /* SYNC_COMPARE */
};

/* A receiver that has everything up to `at`. */
void sync_in_init(struct sync_in *s, const struct position *at);

/* Judge one batch. On SYNC_PERSIST `accepted` has moved to its end, and the caller must persist
 * items[skip..n) and then call sync_in_persisted(), or sync_in_reset() when that failed. */
void sync_in_batch(struct sync_in *s, const struct sync_batch *b, struct sync_judged *ret);

/* Answer to SYNC_COMPARE: own head at that seq, or NULL where it is not kept. */
enum sync_verdict sync_in_compared(struct sync_in *s, const struct sync_batch *b,
				   const uint8_t *own_head);

/* Everything up to seq is durable; head as accepted there. */
void sync_in_persisted(struct sync_in *s, uint64_t seq, const uint8_t head[HEAD_BYTES]);

/* Persisting failed: forget what is not durable. */
void sync_in_reset(struct sync_in *s);

/* Byte credit of one connection, in running totals so that a lost or doubled credit message is
 * harmless. */
struct sync_window {
	uint64_t granted; /* total that may have been sent */
	uint64_t used; /* total that was sent */
};

static inline bool sync_window_is_open(const struct sync_window *w)
{
	return w->used < w->granted; /* one batch may pass the edge: at most SYNC_BATCH_MAX_BYTES */
}

static inline void sync_window_credit(struct sync_window *w, uint64_t total)
{
	if (total > w->granted)
		w->granted = total;
}

#endif
