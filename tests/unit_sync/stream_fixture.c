#include "stream_fixture.h"

#include <stdio.h>
#include <string.h>

#include "wire.pb-c.h"

void stream_init(struct stream *s, uint32_t salt)
{
	memset(s, 0, sizeof(*s));
	chain_seed(TRIB__V1__DIRECTION__UP, &salt, sizeof(salt), s->heads[0]);
}

static void fix_views(struct stream *s)
{
	for (uint64_t i = 1; i <= s->end; i++)
		s->views[i] =
			(ProtobufCBinaryData){ .len = 1 + i % ITEM_BYTES, .data = s->items[i] };
}

void stream_grow(struct stream *s, uint64_t n, uint32_t salt)
{
	uint64_t old = s->end;

	assert_true(s->end + n <= STREAM_MAX);
	s->end += n;
	for (uint64_t i = old + 1; i <= s->end; i++) {
		memset(s->items[i], (int)(salt + i), ITEM_BYTES);
		s->items[i][0] = (uint8_t)salt;
	}
	fix_views(s);
	for (uint64_t i = old + 1; i <= s->end; i++)
		chain_next(s->heads[i - 1], s->views[i].data, s->views[i].len, s->heads[i]);
}

void stream_fork(struct stream *to, const struct stream *from, uint64_t seq, uint32_t salt)
{
	uint64_t n = from->end - seq;

	*to = *from;
	to->end = seq;
	stream_grow(to, n, salt);
}

struct sync_batch stream_batch(const struct stream *s, uint64_t first, uint64_t last)
{
	return (struct sync_batch){ .first_seq = first,
				    .prev_head = s->heads[first - 1],
				    .n = (size_t)(last - first + 1),
				    .items = &s->views[first],
				    .signed_seq = last,
				    .signed_head = s->heads[last] };
}

struct position stream_position(const struct stream *s, uint64_t seq)
{
	struct position p = { .seq = seq };

	memcpy(p.head, s->heads[seq], HEAD_BYTES);
	return p;
}

uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}
