/* A fresh ingest with three stores, and batches of entries written by hand. */
#ifndef TRIB_TESTS_INGEST_FIXTURE_H
#define TRIB_TESTS_INGEST_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "entry.h"
#include "ids.h"
#include "ingest.h"

#define DAY 20780
#define NOW_MS INT64_C(1795392000000)

struct fixture {
	struct ingest *g;
	void *memory;
	uint64_t seq[3]; /* written so far, by stream */
};

/* One allocation: batch, items table, bytes. */
struct builder {
	struct ingest_batch *b;
	ProtobufCBinaryData *items;
	uint8_t *next;
};

/* cmocka's setup and teardown; *state is a struct fixture with stores 101 to 103. */
int ingest_setup(void **state);
int ingest_teardown(void **state);

struct builder batch_of(struct fixture *f, uint32_t stream);
void add_bytes(struct fixture *f, struct builder *w, const void *bytes, size_t len);

/* Number, date and pack e as the stream's next. */
void add_entry(struct fixture *f, struct builder *w, Trib__V1__Entry *e);

void name_account(const char *card, uint8_t id[ACCOUNT_ID_BYTES]);
void add_opening(struct fixture *f, struct builder *w, const char *card);

/* A cash top-up whose lot claims another principal than was paid, or the same. */
void add_top_up(struct fixture *f, struct builder *w, const char *card, int64_t paid,
		int64_t claimed);

/* Commit the group that is out; returns the batches released. */
size_t book(struct fixture *f);
size_t free_all(struct ingest_batch *released);

#endif
