#include <inttypes.h>
#include <string.h>

#include "check_run.h"
#include "down.pb-c.h"

enum {
	INCARNATION,
	SEQ,
	BYTES,
	HEAD,
	SIGNED
};

static void check_message(struct check_run *c, const struct check_incarnation *i, uint64_t seq,
			  const void *bytes, size_t len)
{
	Trib__V1__DownMessage *m;

	arena_reset(&c->arena);
	m = trib__v1__down_message__unpack(&c->arena.allocator, len, bytes);
	if (m != NULL && m->node == i->store && m->incarnation == i->incarnation && m->seq == seq)
		return;
	check_differ(c, "down_log", "the message of this place",
		     m == NULL ? "no message" : "that of another",
		     "store %s, incarnation %u, down message %" PRIu64, check_code(c, i->store),
		     i->incarnation, seq);
}

static void check_row(struct check_run *c, struct check_walk *w, const struct check_incarnation *i,
		      const struct pgcursor *rows)
{
	uint64_t seq = (uint64_t)pgc_int(rows, SEQ);
	size_t len, head_len, signed_len;
	const void *bytes = pgc_bytes(rows, BYTES, &len), *head = pgc_bytes(rows, HEAD, &head_len);
	const void *signed_head = pgc_bytes(rows, SIGNED, &signed_len);

	check_walk_item(c, w, "down_log", i, seq, bytes, len, head, head_len);
	check_walk_signed(c, w, "down_log", i, TRIB__V1__DIRECTION__DOWN, c->hq_key, signed_head,
			  signed_len);
	check_message(c, i, seq, bytes, len);
}

void check_down(struct check_run *c, const struct check_store *s)
{
	struct pgcursor rows;
	bool has_row;

	pgcursor_open(&rows, c->conn, "down",
		      "SELECT incarnation, seq, bytes, head, signed FROM trib.down_log"
		      " WHERE store = %d ORDER BY incarnation, seq",
		      s->store);
	has_row = pgcursor_next(&rows);
	for (size_t k = 0; k < c->n_incarnations; k++) {
		const struct check_incarnation *i = &c->incarnations[k];
		struct check_walk w;

		if (i->store != s->store)
			continue;
		check_walk_begin(&w, i->down_seed);
		for (; has_row && pgc_int(&rows, INCARNATION) == i->incarnation;
		     has_row = pgcursor_next(&rows))
			check_row(c, &w, i, &rows);
		check_walk_end(c, &w, "down_log", i, &i->down);
	}
	for (; has_row; has_row = pgcursor_next(&rows))
		check_differ(c, "down_log", "nothing", "a message",
			     "store %s, incarnation %" PRId64 ", down message %" PRId64, s->code,
			     pgc_int(&rows, INCARNATION), pgc_int(&rows, SEQ));
	pgcursor_close(&rows);
}
