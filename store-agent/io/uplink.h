/* The link to the relay: messages in become events of the core, its effects become messages. */
#ifndef TRIB_STORE_UPLINK_H
#define TRIB_STORE_UPLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent.h"
#include "envelope.h"
#include "link.h"

struct store;

#define BOOKED_BYTES 1024 /* of a Signed BookedAck */

struct uplink {
	struct link_context *context;
	struct link_client *client;
	struct envelope_reader reader;
	struct send_buffer buffer;
	struct arena arena; /* of the message under construction, over memory */
	void *memory; /* owned */

	uint8_t *items; /* owned: bytes of the batch under construction */
	size_t n_items, items_len;
	ProtobufCBinaryData item[SYNC_BATCH_MAX_ITEMS];
	struct position last; /* of its last item */

	bool has_send; /* the core wants a batch sent: see uplink_pump */
	uint64_t send_first, send_end;

	const Trib__V1__Batch *down; /* under judgement; NULL: none */
	const Trib__V1__Signed *booked; /* of the ack under judgement; NULL: none */
	uint8_t kept[BOOKED_BYTES]; /* newest booked ack, packed */
	size_t kept_len;
	bool is_kept_dirty; /* not written yet */
	uint8_t proof[BOOKED_BYTES]; /* booked ack of another history than ours, packed */
	size_t proof_len; /* 0: none came in this process */
	bool is_proof_dirty; /* not written yet */
	bool is_proof_new; /* no attempt yet to write it */
	int64_t relayed_written; /* relayed_seq as the journal has it */

	bool has_clock;
	int64_t clock_offset_ms; /* relay's clock less ours, when last heard */
};

/* Start trying the relay at the endpoint. ERR_IO, ERR_INVALID with a line in err
 * (STORE_ERROR_BYTES). */
int MUST_CHECK uplink_open(struct store *s, const char *endpoint, char *err);
void uplink_close(struct store *s);

/* Send what the core asked for, a bounded number of batches; true when there is more. */
bool uplink_pump(struct store *s);

/* Write the newest booked ack and relayed position into the transaction under way; a full disk
 * shows at the commit. After a rollback they are to be written again. */
void uplink_keep(struct store *s);
bool uplink_has_to_keep(const struct store *s);
void uplink_forget_kept(struct store *s);

/* What HQ signed about our journal, as kept: the newest booked ack, or the proof that it booked
 * another history. Absent where none is kept that is HQ's and of this incarnation. The heads are in
 * storage. */
#define UPLINK_BOOKED "booked"
#define UPLINK_PROOF "booked_other"
struct agent_claim uplink_kept(struct store *s, const char *name, uint8_t storage[HEAD_BYTES]);

/* Effects of the core. */
void uplink_hello(struct store *s);
void uplink_heartbeat(struct store *s);
void uplink_keep_booked(struct store *s);
void uplink_keep_proof(struct store *s);
void uplink_down_ack(struct store *s, uint64_t seq, uint64_t credit_total);
void uplink_down_pull(struct store *s, uint64_t from_seq, uint64_t credit_total);
void uplink_down_compare(struct store *s, uint64_t seq);
void uplink_down_persist(struct store *s, size_t skip);

/* down_apply.c: write one down message of ours and what follows from it; arena for unpacking.
 * *ret_rules and *ret_settings are set where those changed. ERR_FULL: the disk is full. */
int MUST_CHECK down_apply(struct store *s, uint64_t seq, const void *bytes, size_t len,
			  struct arena *a, bool *ret_rules, bool *ret_settings);

#endif
