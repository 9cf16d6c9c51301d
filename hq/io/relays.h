/* The links to the relays: one CURVE ROUTER, a region a peer.
 *
 *   GONE ──hello verified──> UP ──present──> a stream is open in both directions
 *     ^                       │
 *     └── 20 s of silence, a newer connection, a broken rule ──┘
 *
 * Invariants
 *   L1  who a peer is follows from its key (user id "r<region>"), never from a field
 *   L2  an ack leaves only after the commit that it tells of
 *   L3  at most one ack per store and 10 ms
 *   L4  what a relay may have sent and HQ has not booked is at most the window and one batch */
#ifndef TRIB_HQ_RELAYS_H
#define TRIB_HQ_RELAYS_H

#include "hqd.h"

#define RELAY_WINDOW_BYTES (16u << 20)
#define RELAY_DOWN_BATCH 200 /* messages read from the down log at a time */
#define RELAY_READS_MAX 64 /* reads of down logs under way */
#define RELAY_SILENCE_MS 20000
#define ACK_INTERVAL_MS 10

/* ---- relays.c ---- */
struct relays {
	struct hqd *h;
	struct envelope_reader reader;
	struct send_buffer out;
	uint32_t connections;
	struct enroll_bucket open_enrolments; /* of the open socket */
	unsigned n_compares; /* look-ups under way */
	unsigned n_reads; /* of down logs under way: RELAY_READS_MAX */
	uint32_t next_read; /* index of the stream whose turn is next */
	bool is_read_due; /* a stream found no room among them */
	struct ev_timer flush_timer, tick_timer;
};
extern struct relays relays;

/* ---- relays_batch.c ---- */

/* A batch of a journal; data is the whole message, for those that need a look-up first. */
void relays_on_batch(struct hqd *h, struct hq_region *r, const Trib__V1__Batch *m,
		     const uint8_t *data, size_t len);

/* ---- relays_send.c ---- */

/* Pack and send to the region's relay. ERR_AGAIN, ERR_NOT_FOUND. */
int MUST_CHECK relays_send(struct hq_region *r, const Trib__V1__Envelope *e);

/* Send what is due for every stream and region, as far as queues take it. */
void relays_flush(void);

/* Something is due for s. */
void relays_due(struct hq_stream *s, unsigned due);

/* Refuse, for the link or for one stream; and say so in the log. */
void relays_refuse(struct hq_region *r, const struct hq_stream *s, const char *code,
		   const char *detail);

/* Send the next down messages of s, if the window and the link allow; later, when too many streams
 * are being read. */
void relays_send_down(struct hq_stream *s);

/* The same for all streams, in turn. */
void relays_send_all_down(void);

#endif
