#include <assert.h>

#include "sync.h"

static void check(const struct sync_out *s)
{
	assert(s->acked_seq <= s->sent_seq && s->sent_seq <= s->end_seq); /* Y1 */
}

void sync_out_init(struct sync_out *s, uint64_t end_seq)
{
	*s = (struct sync_out){ .end_seq = end_seq };
}

int sync_out_open(struct sync_out *s, uint64_t peer_seq)
{
	if (peer_seq > s->end_seq)
		return ERR_STATE;
	s->is_open = true;
	s->sent_seq = peer_seq;
	s->acked_seq = peer_seq;
	return 0;
}

void sync_out_close(struct sync_out *s)
{
	s->is_open = false;
	s->sent_seq = s->acked_seq;
}

void sync_out_extend(struct sync_out *s, uint64_t end_seq)
{
	assert(end_seq >= s->end_seq);
	s->end_seq = end_seq;
	check(s);
}

uint64_t sync_out_next(const struct sync_out *s)
{
	return s->is_open && s->sent_seq < s->end_seq ? s->sent_seq + 1 : 0;
}

void sync_out_sent(struct sync_out *s, uint64_t last_seq)
{
	assert(last_seq > s->sent_seq);
	s->sent_seq = last_seq;
	check(s);
}

bool sync_out_ack(struct sync_out *s, uint64_t seq)
{
	if (!s->is_open || seq <= s->acked_seq || seq > s->sent_seq)
		return false;
	s->acked_seq = seq;
	return true;
}

bool sync_out_pull(struct sync_out *s, uint64_t from_seq)
{
	if (!s->is_open || from_seq == 0 || from_seq > s->sent_seq + 1)
		return false;
	s->sent_seq = from_seq - 1;
	if (s->acked_seq > s->sent_seq) /* the peer lost what it had acked: it may have it again */
		s->acked_seq = s->sent_seq;
	return true;
}
