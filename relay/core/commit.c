#include <string.h>

#include "state.h"
#include "wire.pb-c.h"

/* Nothing of the journal is kept or on its way to disk. */
bool relay_store_is_empty(const struct relay_store *s)
{
	return s->up_in.accepted.seq == s->base_seq;
}

void relay_mark_dirty(struct relay *r, struct relay_store *s)
{
	relay_queue_push(r, QUEUE_DIRTY, s);
}

static void finish_rebase(struct relay *r, struct relay_store *s)
{
	bool is_forked = s->up_in.is_forked;

	s->is_rebasing = false;
	s->base_seq = s->rebase_to.seq;
	sync_in_init(&s->up_in, &s->rebase_to);
	s->up_in.is_forked = is_forked;
	sync_out_init(&s->up_out, s->base_seq);
	s->ahead_seq = 0;
	if (r->hq == RELAY_HQ_OPEN && s->has_resume && sync_out_open(&s->up_out, s->base_seq) != 0)
		s->has_resume = false;
	if (s->link == RELAY_STORE_ONLINE)
		relay_due_add(r, s, DUE_PULL);
}

static void commit_up(struct relay *r, struct relay_store *s, uint64_t now_ms)
{
	if (s->up_in.accepted.seq == s->up_in.durable.seq)
		return;
	if (s->up_out.acked_seq == s->up_out.end_seq || s->up_out.end_seq == s->base_seq)
		s->moved_ms = now_ms; /* it was all booked: the wait starts now */
	sync_in_persisted(&s->up_in, s->up_in.accepted.seq, s->up_in.accepted.head);
	sync_out_extend(&s->up_out, s->up_in.durable.seq);
	relay_queue_push(r, QUEUE_UP, s);
	relay_due_add(r, s, DUE_ACK);
	if (s->ahead_seq != 0 && s->up_in.durable.seq >= s->ahead_seq) {
		s->ahead_seq = 0;
		relay_queue_push(r, QUEUE_PRESENT, s);
	}
}

static void commit_down(struct relay *r, struct relay_store *s)
{
	if (s->down_in.accepted.seq == s->down_in.durable.seq)
		return;
	sync_in_persisted(&s->down_in, s->down_in.accepted.seq, s->down_in.accepted.head);
	sync_out_extend(&s->down_out, s->down_in.durable.seq);
	relay_due_add(r, s, DUE_HQ_RELAYED);
	relay_store_open_down(r, s);
	relay_queue_push(r, QUEUE_DOWN, s);
}

void relay_on_committed(struct relay *r, uint64_t now_ms)
{
	struct relay_store *s;

	while ((s = relay_queue_pop(r, QUEUE_DIRTY)) != NULL) {
		if (s->is_rebasing)
			finish_rebase(r, s);
		commit_up(r, s, now_ms);
		commit_down(r, s);
		s->grant.pending = 0;
		if (relay_grant_is_due(&s->grant, r->config.store_window_bytes))
			relay_due_add(r, s, DUE_CREDIT);
		relay_store_try_welcome(r, s, now_ms);
	}
	r->hq_grant.pending = 0;
}

/* What was accepted and not written is asked for again, not before a second has passed. */
void relay_on_commit_failed(struct relay *r, uint64_t now_ms)
{
	struct relay_store *s;

	while ((s = relay_queue_pop(r, QUEUE_DIRTY)) != NULL) {
		if (s->is_rebasing) {
			s->is_rebasing = false;
			s->has_resume = false;
			relay_queue_push(r, QUEUE_PRESENT, s);
		}
		if (s->up_in.accepted.seq != s->up_in.durable.seq) {
			sync_in_reset(&s->up_in);
			relay_due_add(r, s, DUE_PULL | DUE_CREDIT);
		}
		if (s->down_in.accepted.seq != s->down_in.durable.seq) {
			sync_in_reset(&s->down_in);
			relay_due_add(r, s, DUE_HQ_PULL);
		}
		s->grant.pending = 0;
		s->due_ms = s->hq_due_ms = now_ms + RELAY_PULL_REPEAT_MS;
	}
	r->hq_grant.pending = 0;
}
