/* The spool: one SQLite database of what stores and HQ entrusted to this relay.
 *
 * Writes gather in one transaction until spool_commit(), once per turn of the loop. Readers see
 * them at once. A full disk rolls the transaction back and is no more than that; every other error
 * of the database ends the process (it opens again after a restart, and nothing was promised). */
#ifndef TRIB_RELAY_SPOOL_H
#define TRIB_RELAY_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "chain.h"
#include "err.h"
#include "sync.h"
#include "wire.pb-c.h"

#define SPOOL_FILE "spool.db"
#define SPOOL_WHY_BYTES 4608

struct spool;

/* One stream's bounds; the caller keeps it, the spool's functions move it. */
struct spool_stream {
	int64_t no;
	struct position base;
	struct position end; /* uncommitted items included */
	bool is_forked;
};

/* Open or create dir/spool.db. Also the lock against a second relay on the same folder.
 * ERR_EXISTS: another process has it. ERR_INVALID: not a spool, or of a later version. ERR_IO.
 * why: SPOOL_WHY_BYTES, one sentence. */
int MUST_CHECK spool_open(const char *dir, struct spool **ret, char *why);
void spool_close(struct spool *sp);

/* Something was written since the last commit. */
bool spool_is_dirty(const struct spool *sp);

/* Make the turn's writes durable. ERR_FULL: the disk is full, all of them are undone; load the
 * streams again. 0 when there was nothing to do. */
int MUST_CHECK spool_commit(struct spool *sp);

/* ---- stores ---- */

struct spool_store {
	int32_t node;
	uint32_t incarnation;
	uint64_t booked_seq;
	const uint8_t *certificate; /* Signed; borrowed for the call */
	size_t certificate_len;
};

/* Calls fn for each store in order. fn must not use the spool. */
void spool_each_store(struct spool *sp, void (*fn)(void *ctx, const struct spool_store *s),
		      void *ctx);

/* Remember a store's certificate; known ones are left as they are. */
void spool_add_store(struct spool *sp, int32_t node, uint32_t incarnation, const void *certificate,
		     size_t len);

/* The newest BookedAck: Signed bytes as they came. */
void spool_keep_booked(struct spool *sp, int32_t node, uint32_t incarnation, uint64_t seq,
		       const void *booked, size_t len);

/* A copy in the arena. ERR_NOT_FOUND, ERR_FULL. */
int MUST_CHECK spool_booked(struct spool *sp, int32_t node, uint32_t incarnation, struct arena *a,
			    ProtobufCBinaryData *ret);

/* The roster as Signed bytes; it replaces the one before. */
void spool_keep_roster(struct spool *sp, uint64_t version, const void *roster, size_t len);
int MUST_CHECK spool_roster(struct spool *sp, struct arena *a, ProtobufCBinaryData *ret);

/* ---- streams: spool_stream.c ---- */

/* The stream's bounds; a stream not seen before starts, empty, after `seed` (seq 0). */
void spool_stream_load(struct spool *sp, int direction, int32_t node, uint32_t incarnation,
		       const uint8_t seed[HEAD_BYTES], struct spool_stream *ret);

/* Append items[skip..n), which extend st->end, with the signed head (Signed bytes) at the last. */
void spool_append(struct spool *sp, struct spool_stream *st, const struct sync_batch *b,
		  size_t skip, const void *signed_head, size_t len);

/* Start again at `at`: base and end. Items above are set aside. */
void spool_rebase(struct spool *sp, struct spool_stream *st, const struct position *at,
		  int64_t wall_ms);

/* The other branch; the stream is marked. At most 64 batches are kept of one stream. */
void spool_keep_evidence(struct spool *sp, struct spool_stream *st, const void *batch, size_t len,
			 int64_t wall_ms);

/* Head after seq. ERR_NOT_FOUND outside [base, end]. */
int MUST_CHECK spool_head(struct spool *sp, const struct spool_stream *st, uint64_t seq,
			  uint8_t ret_head[HEAD_BYTES]);

/* A run of items that ends at a signed head. */
struct spool_run {
	uint64_t first_seq;
	uint64_t last_seq;
	uint8_t prev_head[HEAD_BYTES];
	size_t n;
	ProtobufCBinaryData *items; /* in the arena, as all else */
	size_t bytes; /* of all items */
	ProtobufCBinaryData signed_head; /* Signed bytes at last_seq */
};

/* As many items from from_seq on as make one batch, at most up to last_seq, cut at the last signed
 * head. ERR_NOT_FOUND: from_seq is not kept, or no signed head follows in a batch's bounds.
 * ERR_FULL: the arena. */
int MUST_CHECK spool_read(struct spool *sp, const struct spool_stream *st, uint64_t from_seq,
			  uint64_t last_seq, struct arena *a, struct spool_run *ret);

#endif
