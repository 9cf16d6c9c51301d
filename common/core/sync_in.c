#include <assert.h>
#include <string.h>

#include "sync.h"

void sync_in_init(struct sync_in *s, const struct position *at)
{
	s->is_forked = false;
	s->durable = *at;
	s->accepted = *at;
}

static void hash_items(const struct sync_batch *b, size_t from, size_t to, uint8_t head[HEAD_BYTES])
{
	for (size_t i = from; i < to; i++)
		chain_next(head, b->items[i].data, b->items[i].len, head);
}

/* Do the items, from the claimed previous head, end at the signed head? */
static bool is_authentic(const struct sync_batch *b)
{
	uint8_t head[HEAD_BYTES];

	memcpy(head, b->prev_head, HEAD_BYTES);
	hash_items(b, 0, b->n, head);
	return head_equal(head, b->signed_head);
}

static enum sync_verdict fork_or_tampered(struct sync_in *s, const struct sync_batch *b)
{
	if (!is_authentic(b))
		return SYNC_TAMPERED;
	s->is_forked = true;
	return SYNC_FORK;
}

void sync_in_batch(struct sync_in *s, const struct sync_batch *b, struct sync_judged *ret)
{
	uint64_t last = b->first_seq + b->n - 1;
	uint8_t head[HEAD_BYTES];
	size_t skip;

	*ret = (struct sync_judged){ .verdict = SYNC_STOPPED };
	if (s->is_forked)
		return;
	if (b->n == 0 || b->first_seq == 0 || last < b->first_seq || b->signed_seq != last) {
		ret->verdict = SYNC_TAMPERED; /* a head is signed for the last item or not at all */
		return;
	}
	if (b->first_seq > s->accepted.seq + 1) {
		ret->verdict = SYNC_GAP;
		ret->pull_from = s->accepted.seq + 1;
		return;
	}
	if (last < s->accepted.seq) {
		ret->verdict = SYNC_COMPARE;
		ret->compare_seq = last;
		return;
	}
	if (last == s->accepted.seq) {
		ret->verdict = head_equal(b->signed_head, s->accepted.head) ?
				       SYNC_DUPLICATE :
				       fork_or_tampered(s, b);
		return;
	}
	skip = (size_t)(s->accepted.seq + 1 - b->first_seq);
	memcpy(head, s->accepted.head, HEAD_BYTES);
	hash_items(b, skip, b->n, head);
	if (!head_equal(head, b->signed_head)) {
		ret->verdict = fork_or_tampered(s, b);
		return;
	}
	s->accepted.seq = last;
	memcpy(s->accepted.head, head, HEAD_BYTES);
	ret->verdict = SYNC_PERSIST;
	ret->skip = skip;
}

enum sync_verdict sync_in_compared(struct sync_in *s, const struct sync_batch *b,
				   const uint8_t *own_head)
{
	if (s->is_forked)
		return SYNC_STOPPED;
	if (own_head == NULL || head_equal(own_head, b->signed_head))
		return SYNC_DUPLICATE;
	return fork_or_tampered(s, b);
}

void sync_in_persisted(struct sync_in *s, uint64_t seq, const uint8_t head[HEAD_BYTES])
{
	assert(seq <= s->accepted.seq); /* Y1, Y3 */
	if (seq < s->durable.seq)
		return;
	s->durable.seq = seq;
	memcpy(s->durable.head, head, HEAD_BYTES);
}

void sync_in_reset(struct sync_in *s)
{
	s->accepted = s->durable;
}
