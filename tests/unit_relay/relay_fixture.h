/* A relay core with made-up journals of stores and HQ's down logs, and a log of its effects.
 *
 * Items are eight bytes that name their place; a stream's heads follow from its seed, so every
 * batch can be made anew. The fixture answers each SEND with `send_items` items. */
#ifndef TRIB_TESTS_RELAY_FIXTURE_H
#define TRIB_TESTS_RELAY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "relay.h"
#include "wire.pb-c.h"

#define LOG_MAX 4096
#define BATCH_ITEMS_MAX 512
#define UP TRIB__V1__DIRECTION__UP
#define DOWN TRIB__V1__DIRECTION__DOWN

struct fixture {
	struct relay *relay;
	void *memory;
	uint64_t now_ms;
	uint64_t send_items; /* items of one batch that goes out */
	size_t send_bytes; /* and its bytes; 0: items * 8 */
	bool is_blocked; /* answer the next SENDs with BLOCKED */
	int last_err;
	size_t n;
	struct relay_effect log[LOG_MAX];
	/* of the batch made last */
	uint8_t bytes[BATCH_ITEMS_MAX][8];
	ProtobufCBinaryData items[BATCH_ITEMS_MAX];
	uint8_t prev_head[HEAD_BYTES], end_head[HEAD_BYTES];
	struct sync_batch batch;
	size_t extra_bytes; /* that batches claim to have besides */
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Head of the stream of (node, direction) after seq; branch 0 is the true history, others leave it
 * after item 10. */
void stream_head(int direction, int32_t node, int branch, uint64_t seq, uint8_t ret[HEAD_BYTES]);

/* Step with the present time; the log is cleared first. Answers sends and logs what follows. */
void step(struct fixture *f, struct relay_event ev);
void tick(struct fixture *f, uint64_t ms); /* time passes */
void commit(struct fixture *f);

/* The events of a store's and HQ's life; incarnation 1. */
void know(struct fixture *f, int32_t node);
void know_at(struct fixture *f, int32_t node, uint64_t base, uint64_t end);
void store_hello(struct fixture *f, int32_t node, uint64_t down_seq);
void store_batch(struct fixture *f, int32_t node, int branch, uint64_t first, uint64_t last);
void hq_batch(struct fixture *f, int32_t node, uint64_t first, uint64_t last);
void hq_open(struct fixture *f, uint64_t window);
void hq_resume(struct fixture *f, int32_t node, int branch, uint64_t seq);
void hq_ack(struct fixture *f, int32_t node, int branch, uint64_t seq);
void simple(struct fixture *f, enum relay_event_kind kind, int32_t node, uint64_t value);

/* Effects of this kind in the log, of one node (0: of any). */
size_t count(const struct fixture *f, enum relay_effect_kind kind, int32_t node);
const struct relay_effect *find(const struct fixture *f, enum relay_effect_kind kind, int32_t node);
bool has_alarm(const struct fixture *f, enum relay_alarm alarm);

#endif
