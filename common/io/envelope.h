/* Envelopes as bytes, and all checks of what a peer's bytes say that need no state.
 *
 * What comes out of this module is well formed: no field twice, no two bodies, enums known, text
 * valid UTF-8 without control characters, lengths of keys, heads and signatures right, numbers in
 * their ranges (those of sync.h, entry.h and ids.h for batches, items and nodes). A Hello is a
 * store's (node, incarnation, journal, down) or a relay's (region), nothing between; so is a
 * certificate. A BOOKED ack carries its BookedAck, no other does. What it can't know is left to the reader: whether signatures hold, whether the
 * peer may say this, whether positions fit. Unknown fields are skipped (a later minor version may
 * add some); an unknown body is ERR_INVALID. */
#ifndef TRIB_IO_ENVELOPE_H
#define TRIB_IO_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "err.h"
#include "wire.pb-c.h"

#define ENVELOPE_PROTOCOL 1 /* spoken */
#define ENVELOPE_PROTOCOL_MIN 1 /* understood */
#define ENVELOPE_PROTOCOL_MAX 1

#define ENVELOPE_MAX_BYTES (1u << 20)
#define ENVELOPE_ARENA_BYTES (4u << 20)

#define CHAIN_ID_BYTES 16
#define WIRE_SEQ_MAX UINT32_MAX /* a lot id has 32 bits for it */
#define SOFTWARE_MAX 64 /* bytes of text, as below */
#define MODE_MAX 32
#define REFUSE_CODE_MAX 32
#define REFUSE_DETAIL_MAX 256
#define ENDPOINT_MAX 255

/* Packed bytes, reused from message to message; zero is empty. */
struct send_buffer {
	uint8_t *data; /* owned */
	size_t len;
	size_t cap;
};

/* Memory for unpacking; one per loop is enough. */
struct envelope_reader {
	struct arena arena; /* over `memory`; callers may take more of it until the next unpack */
	void *memory; /* owned, ENVELOPE_ARENA_BYTES */
};

/* Aborts when out of memory. The struct must not move afterwards. */
void envelope_reader_init(struct envelope_reader *r);
void envelope_reader_finish(struct envelope_reader *r);

/* An envelope without a body that speaks ENVELOPE_PROTOCOL. */
void envelope_init(Trib__V1__Envelope *ret);

/* Pack into b, replacing what it held. ERR_FULL over ENVELOPE_MAX_BYTES (b is empty then). Our own
 * messages are not checked. Aborts when out of memory. */
int MUST_CHECK envelope_pack(struct send_buffer *b, const Trib__V1__Envelope *e);

void send_buffer_finish(struct send_buffer *b);

/* Unpack and check data[0..len). Resets r's arena; the result lives there until the next unpack
 * and borrows nothing from data. ERR_VERSION: the protocol is not ours; answer with
 * envelope_pack_version_refusal. ERR_INVALID: garbage. */
int MUST_CHECK envelope_unpack(struct envelope_reader *r, const void *data, size_t len,
			       const Trib__V1__Envelope **ret);

/* Refuse{code, detail or NULL}; a detail too long is cut. */
void envelope_pack_refuse(struct send_buffer *b, const char *code, const char *detail);

/* Refuse{code "protocol", protocol_min, protocol_max}. */
void envelope_pack_version_refusal(struct send_buffer *b);

/* The payloads that travel as bytes, unpacked into the arena (not reset) and checked alike; they
 * borrow nothing from data. Verify the signature first: verify_signed. ERR_INVALID, also for what
 * the arena has no room for. */
int MUST_CHECK payload_unpack_certificate(struct arena *a, const void *data, size_t len,
					  const Trib__V1__Certificate **ret);
int MUST_CHECK payload_unpack_head(struct arena *a, const void *data, size_t len,
				   const Trib__V1__SignedHead **ret);
int MUST_CHECK payload_unpack_booked_ack(struct arena *a, const void *data, size_t len,
					 const Trib__V1__BookedAck **ret);
int MUST_CHECK payload_unpack_hello(struct arena *a, const void *data, size_t len,
				    const Trib__V1__HelloPayload **ret);
int MUST_CHECK payload_unpack_health(struct arena *a, const void *data, size_t len,
				     const Trib__V1__Health **ret);
int MUST_CHECK payload_unpack_roster(struct arena *a, const void *data, size_t len,
				     const Trib__V1__Roster **ret);
int MUST_CHECK payload_unpack_enroll_request(struct arena *a, const void *data, size_t len,
					     const Trib__V1__EnrollRequest **ret);
int MUST_CHECK payload_unpack_enroll_grant(struct arena *a, const void *data, size_t len,
					   const Trib__V1__EnrollGrant **ret);

/* A Signed message that was stored as its own bytes. */
int MUST_CHECK payload_unpack_signed(struct arena *a, const void *data, size_t len,
				     const Trib__V1__Signed **ret);

#endif
