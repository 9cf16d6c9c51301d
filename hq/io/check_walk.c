#include <stdio.h>
#include <string.h>

#include "check_run.h"
#include "envelope.h"
#include "sign.h"

void check_walk_begin(struct check_walk *w, const uint8_t seed[HEAD_BYTES])
{
	memset(w, 0, sizeof(*w));
	memcpy(w->at.head, seed, HEAD_BYTES);
}

static const char *head_text(const void *head, char ret[24])
{
	const uint8_t *h = head;

	snprintf(ret, 24, "%02x%02x%02x%02x%02x%02x…", h[0], h[1], h[2], h[3], h[4], h[5]);
	return ret;
}

#define PLACE "store %s, incarnation %u"

void check_walk_item(struct check_run *c, struct check_walk *w, const char *what,
		     const struct check_incarnation *i, uint64_t seq, const void *bytes, size_t len,
		     const void *head, size_t head_len)
{
	uint8_t next[HEAD_BYTES], other[HEAD_BYTES];
	char expected[24], found[24];

	if (seq != w->at.seq + 1) {
		check_differ(c, what, "present", "missing", PLACE ", entries %llu to %llu",
			     check_code(c, i->store), i->incarnation,
			     (unsigned long long)w->at.seq + 1, (unsigned long long)seq - 1);
		w->at.seq = seq;
		w->has_alternative = false;
		if (head_len == HEAD_BYTES)
			memcpy(w->at.head, head, HEAD_BYTES);
		return;
	}
	chain_next(w->at.head, bytes, len, next);
	w->at.seq = seq;
	if (w->has_alternative) { /* then it was the item before this one that was changed */
		chain_next(w->alternative, bytes, len, other);
		if (head_len == HEAD_BYTES && memcmp(other, head, HEAD_BYTES) == 0)
			memcpy(next, other, HEAD_BYTES);
	}
	memcpy(w->at.head, next, HEAD_BYTES);
	w->has_alternative = head_len == HEAD_BYTES && memcmp(next, head, HEAD_BYTES) != 0;
	if (head_len == HEAD_BYTES && !w->has_alternative)
		return;
	if (w->has_alternative)
		memcpy(w->alternative, head, HEAD_BYTES);
	check_differ(c, what, head_text(next, expected),
		     head_len == HEAD_BYTES ? head_text(head, found) : "no head",
		     PLACE ", entry %llu, head", check_code(c, i->store), i->incarnation,
		     (unsigned long long)seq);
}

static const char *signed_fault(struct check_run *c, const struct check_walk *w,
				const struct check_incarnation *i, int direction,
				const uint8_t key[32], const void *bytes, size_t len)
{
	const Trib__V1__Signed *s;
	const Trib__V1__SignedHead *h;

	arena_reset(&c->arena);
	if (payload_unpack_signed(&c->arena, bytes, len, &s) < 0)
		return "no signed head";
	if (verify_signed(s, SIGN_DOMAIN_HEAD, key) < 0)
		return "a signature that does not hold";
	if (payload_unpack_head(&c->arena, s->payload.data, s->payload.len, &h) < 0)
		return "a payload that is no head";
	if (memcmp(h->chain.data, c->chain, sizeof(c->chain)) != 0 ||
	    (int)h->stream->direction != direction || h->stream->node != i->store ||
	    h->stream->incarnation != i->incarnation || h->seq != w->at.seq)
		return "the head of another place";
	if (memcmp(h->head.data, w->at.head, HEAD_BYTES) != 0 &&
	    !(w->has_alternative && memcmp(h->head.data, w->alternative, HEAD_BYTES) == 0))
		return "another head";
	return NULL;
}

void check_walk_signed(struct check_run *c, struct check_walk *w, const char *what,
		       const struct check_incarnation *i, int direction, const uint8_t key[32],
		       const void *bytes, size_t len)
{
	const char *fault = signed_fault(c, w, i, direction, key, bytes, len);

	w->signed_seq = w->at.seq;
	if (fault != NULL)
		check_differ(c, "signature", "the signed head", fault, PLACE ", %s %llu",
			     check_code(c, i->store), i->incarnation,
			     strcmp(what, "journal") == 0 ? "entry" : "down message",
			     (unsigned long long)w->at.seq);
}

void check_walk_end(struct check_run *c, const struct check_walk *w, const char *what,
		    const struct check_incarnation *i, const struct position *cursor)
{
	char expected[64], found[64], head[24];

	if (w->at.seq == cursor->seq &&
	    (memcmp(w->at.head, cursor->head, HEAD_BYTES) == 0 ||
	     (w->has_alternative && memcmp(w->alternative, cursor->head, HEAD_BYTES) == 0)))
		return;
	snprintf(expected, sizeof(expected), "%llu, %s", (unsigned long long)w->at.seq,
		 head_text(w->at.head, head));
	snprintf(found, sizeof(found), "%llu, %s", (unsigned long long)cursor->seq,
		 head_text(cursor->head, head));
	check_differ(c, "cursor", expected, found, PLACE ", end of its %s", check_code(c, i->store),
		     i->incarnation, strcmp(what, "journal") == 0 ? "journal" : "down log");
}
