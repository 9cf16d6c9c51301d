#include "ingest_fixture.h"

#include <stdlib.h>
#include <string.h>

#define BATCH_ROOM 65536

static const uint8_t account_key[ACCOUNT_KEY_BYTES] = "a key of this test, of 32 bytes";

int ingest_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct position origin = { 0 };

	f->memory = calloc(1, ingest_size());
	f->g = ingest_init(f->memory, 1, &origin, account_key);
	for (int32_t i = 0; i < 3; i++)
		assert_int_equal(ingest_add_stream(f->g, 101 + i, 1, &origin), i);
	*state = f;
	return 0;
}

int ingest_teardown(void **state)
{
	struct fixture *f = *state;
	struct ingest_batch *released;

	ingest_reset(f->g, &released);
	free_all(released);
	free(f->memory);
	free(f);
	return 0;
}

struct builder batch_of(struct fixture *f, uint32_t stream)
{
	struct builder w;

	w.b = calloc(1, sizeof(*w.b) + 512 * sizeof(*w.items) + BATCH_ROOM);
	w.items = (void *)(w.b + 1);
	w.next = (uint8_t *)(w.items + 512);
	w.b->stream = stream;
	w.b->first_seq = f->seq[stream] + 1;
	w.b->items = w.items;
	return w;
}

void add_bytes(struct fixture *f, struct builder *w, const void *bytes, size_t len)
{
	memcpy(w->next, bytes, len);
	w->items[w->b->n++] = (ProtobufCBinaryData){ len, w->next };
	w->next += len;
	f->seq[w->b->stream]++;
}

void add_entry(struct fixture *f, struct builder *w, Trib__V1__Entry *e)
{
	uint8_t bytes[ENTRY_MAX_BYTES];
	size_t len;

	e->node = 101 + (int32_t)w->b->stream;
	e->incarnation = 1;
	e->seq = f->seq[w->b->stream] + 1;
	e->wall_ms = NOW_MS;
	e->business_day = DAY;
	assert_int_equal(entry_pack(e, bytes, sizeof(bytes), &len), 0);
	add_bytes(f, w, bytes, len);
}

void name_account(const char *card, uint8_t id[ACCOUNT_ID_BYTES])
{
	account_id(account_key, card, strlen(card), id);
}

void add_opening(struct fixture *f, struct builder *w, const char *card)
{
	Trib__V1__Entry e = TRIB__V1__ENTRY__INIT;
	Trib__V1__AccountOpened body = TRIB__V1__ACCOUNT_OPENED__INIT;
	uint8_t id[ACCOUNT_ID_BYTES];

	name_account(card, id);
	e.has_account = 1;
	e.account = (ProtobufCBinaryData){ sizeof(id), id };
	body.account_type = (char *)(uintptr_t) "default";
	body.card_no = (ProtobufCBinaryData){ strlen(card), (uint8_t *)(uintptr_t)card };
	e.body_case = TRIB__V1__ENTRY__BODY_ACCOUNT_OPENED;
	e.account_opened = &body;
	add_entry(f, w, &e);
}

void add_top_up(struct fixture *f, struct builder *w, const char *card, int64_t paid,
		int64_t claimed)
{
	Trib__V1__Entry e = TRIB__V1__ENTRY__INIT;
	Trib__V1__TopUp body = TRIB__V1__TOP_UP__INIT;
	Trib__V1__SliceEffect effect = TRIB__V1__SLICE_EFFECT__INIT, *effects[] = { &effect };
	Trib__V1__LotTerms terms = TRIB__V1__LOT_TERMS__INIT;
	uint8_t id[ACCOUNT_ID_BYTES];

	name_account(card, id);
	e.has_account = 1;
	e.account = (ProtobufCBinaryData){ sizeof(id), id };
	body.paid = paid;
	body.tender = (char *)(uintptr_t) "cash";
	effect.lot = lot_id(101 + (int32_t)w->b->stream, 1, f->seq[w->b->stream] + 1);
	effect.unit = TRIB__V1__UNIT__UNIT_VALUE;
	effect.principal = claimed;
	terms.issuer = 101 + (int32_t)w->b->stream;
	terms.principal = claimed;
	terms.has_issued_ms = 1;
	terms.issued_ms = NOW_MS;
	effect.terms = &terms;
	e.n_effects = 1;
	e.effects = effects;
	e.body_case = TRIB__V1__ENTRY__BODY_TOP_UP;
	e.top_up = &body;
	add_entry(f, w, &e);
}

size_t free_all(struct ingest_batch *released)
{
	size_t n = 0;

	while (released != NULL) {
		struct ingest_batch *next = released->next;

		free(released);
		released = next;
		n++;
	}
	return n;
}

size_t book(struct fixture *f)
{
	struct ingest_batch *released;

	ingest_booked(f->g, &released);
	return free_all(released);
}
