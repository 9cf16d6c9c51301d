/* Rows of down logs: messages numbered, chained and signed, ready for one INSERT. */
#ifndef TRIB_HQ_DOWN_H
#define TRIB_HQ_DOWN_H

#include "hqd.h"
#include "sqltext.h"

/* Arrays of one INSERT into trib.down_log; zero is empty. */
struct down_rows {
	struct sqltext store, incarnation, seq, bytes, head, signed_head;
};

/* Add message m to the down log of (node, incarnation) that ends at *at, and move *at. Sets m's
 * node, incarnation, seq and time. ERR_FULL when the message passes ENTRY_MAX_BYTES,
 * which is the most that relays and stores take for one. */
int MUST_CHECK down_rows_add(const struct hqd *h, struct down_rows *r, int32_t node,
			     uint32_t incarnation, struct position *at, Trib__V1__DownMessage *m);

/* The INSERT; borrows r until the statement has run. */
void down_rows_statement(struct down_rows *r, struct book_statement *ret);

void down_rows_finish(struct down_rows *r);

struct down_op;

/* Add one message for s, in the order of calls; see down_append_filled. Skips a stream that is not
 * active any more. Borrows m, whose header it sets. */
int MUST_CHECK down_op_add(struct down_op *op, struct hq_stream *s, Trib__V1__DownMessage *m);

/* A statement of the same transaction, before those of the down logs. Values are copied. */
void down_op_statement(struct down_op *op, const struct book_statement *s);

/* As down_append, but fill() says what to append when the op's turn has come, from the state of
 * that moment. A negative return of fill() refuses the op: done gets ERR_STATE. */
void down_append_filled(struct hqd *h, int (*fill)(void *ctx, struct down_op *op),
			void (*done)(void *ctx, int err, const char *message), void *ctx);

/* Milliseconds since 1970 by the system's clock. */
int64_t hq_wall_ms(void);

/* Milliseconds of a clock that nobody sets: for intervals. Never 0. */
int64_t hq_mono_ms(void);

#endif
