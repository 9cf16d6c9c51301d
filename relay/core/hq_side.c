#include "state.h"
#include "wire.pb-c.h"

enum {
	UP = TRIB__V1__DIRECTION__UP,
	DOWN = TRIB__V1__DIRECTION__DOWN
};

static void close_uplinks(struct relay *r)
{
	for (uint32_t i = 0; i < r->n_stores; i++) {
		struct relay_store *s = &r->stores[i];

		s->has_resume = false;
		s->ahead_seq = 0;
		s->due &= ~(unsigned)DUE_TO_HQ;
		s->hq_pull = (struct question){ 0 };
		sync_out_close(&s->up_out);
	}
	while (relay_queue_pop(r, QUEUE_PRESENT) != NULL)
		;
}

static void on_up(struct relay *r, uint64_t now_ms, struct relay_effects *fx)
{
	close_uplinks(r);
	r->hq = RELAY_HQ_GREETING;
	r->hq_since_ms = now_ms;
	r->hq_is_blocked = false;
	r->hq_window = (struct sync_window){ 0 };
	relay_grant_open(&r->hq_grant, r->config.hq_window_bytes);
	relay_effect_add(fx, RELAY_DO_HELLO, NULL)->total = r->hq_grant.total;
}

static void on_welcome(struct relay *r, const struct relay_event *ev, struct relay_effects *fx)
{
	if (r->hq != RELAY_HQ_GREETING)
		return;
	r->hq = RELAY_HQ_OPEN;
	r->hq_heartbeat_ms = ev->now_ms;
	sync_window_credit(&r->hq_window, ev->window_bytes);
	relay_effect_calm(fx, NULL, RELAY_ALARM_HQ_SILENT);
	for (uint32_t i = 0; i < r->n_stores; i++) {
		r->stores[i].moved_ms = ev->now_ms;
		r->stores[i].hq_due_ms = 0;
		relay_queue_push(r, QUEUE_PRESENT, &r->stores[i]);
		relay_due_add(r, &r->stores[i], DUE_HQ_APPLIED);
	}
}

static void on_gone(struct relay *r)
{
	close_uplinks(r);
	r->hq = RELAY_HQ_DOWN;
	r->hq_was_tried = true;
	r->sweep_ms = 0; /* stores may be waiting for HQ's word */
}

static void keep_booked(struct relay *r, struct relay_store *s, uint64_t seq,
			struct relay_effects *fx)
{
	s->booked_seq = seq;
	relay_mark_dirty(r, s);
	relay_effect_add(fx, RELAY_DO_KEEP_BOOKED, s);
	relay_due_add(r, s, DUE_BOOKED);
}

static void rebase(struct relay *r, struct relay_store *s, const struct position *to,
		   struct relay_effects *fx)
{
	s->is_rebasing = true;
	s->rebase_to = *to;
	sync_out_close(&s->up_out);
	relay_mark_dirty(r, s);
	relay_effect_add(fx, RELAY_DO_REBASE, s)->at = *to;
}

static void on_resume(struct relay *r, struct relay_store *s, const struct relay_event *ev,
		      struct relay_effects *fx)
{
	const struct position *at = &ev->booked.at;
	const uint8_t *own = ev->booked.own_head;

	if (r->hq != RELAY_HQ_OPEN || s->is_rebasing)
		return;
	s->has_resume = true;
	s->moved_ms = ev->now_ms;
	if (at->seq < s->booked_seq || ev->booked.down_seq < s->down_in.durable.seq)
		relay_effect_alarm(fx, s, RELAY_ALARM_HQ_BEHIND);
	else
		relay_effect_calm(fx, s, RELAY_ALARM_HQ_BEHIND);
	if (at->seq < s->base_seq) {
		rebase(r, s, at, fx);
		return;
	}
	if (at->seq <= s->up_in.durable.seq && (own == NULL || !head_equal(own, at->head))) {
		sync_out_close(&s->up_out);
		relay_effect_alarm(fx, s, RELAY_ALARM_BOOKS_DIFFER);
		relay_store_try_welcome(r, s, ev->now_ms);
		return;
	}
	relay_effect_calm(fx, s, RELAY_ALARM_BOOKS_DIFFER);
	if (at->seq > s->booked_seq)
		keep_booked(r, s, at->seq, fx);
	if (at->seq > s->up_in.durable.seq) {
		if (relay_store_is_empty(s))
			rebase(r, s, at, fx);
		else
			s->ahead_seq = at->seq;
	} else if (sync_out_open(&s->up_out, at->seq) == 0) {
		relay_queue_push(r, QUEUE_UP, s);
	}
	relay_store_try_welcome(r, s, ev->now_ms);
}

static void on_ack(struct relay *r, struct relay_store *s, const struct relay_event *ev,
		   struct relay_effects *fx)
{
	const struct position *at = &ev->booked.at;
	const uint8_t *own = ev->booked.own_head;

	if (own != NULL && !head_equal(own, at->head)) {
		relay_effect_alarm(fx, s, RELAY_ALARM_ACK_MISMATCH);
		return;
	}
	if (sync_out_ack(&s->up_out, at->seq))
		s->moved_ms = ev->now_ms;
	if (at->seq > s->booked_seq)
		keep_booked(r, s, at->seq, fx);
}

static void on_pull(struct relay *r, struct relay_store *s, uint64_t from_seq)
{
	if (!s->up_out.is_open)
		return;
	if (from_seq <= s->base_seq) { /* not kept here; its signed position is needed */
		sync_out_close(&s->up_out);
		relay_queue_push(r, QUEUE_PRESENT, s);
	} else if (sync_out_pull(&s->up_out, from_seq)) {
		relay_queue_push(r, QUEUE_UP, s);
	}
}

static void ask_again(struct relay *r, struct relay_store *s, uint64_t now_ms)
{
	uint64_t seq = s->down_in.accepted.seq + 1;

	if (s->hq_pull.seq == seq && now_ms < s->hq_pull.asked_ms + RELAY_PULL_REPEAT_MS)
		return;
	s->hq_pull = (struct question){ .seq = seq, .asked_ms = now_ms };
	relay_due_add(r, s, DUE_HQ_PULL);
}

static void on_batch(struct relay *r, struct relay_store *s, const struct relay_event *ev,
		     struct relay_effects *fx)
{
	const struct relay_batch *b = &ev->batch;
	struct sync_judged j;

	sync_in_batch(&s->down_in, b->batch, &j);
	if (j.verdict == SYNC_COMPARE)
		j.verdict = sync_in_compared(&s->down_in, b->batch, b->own_head);
	switch (j.verdict) {
	case SYNC_PERSIST:
		r->hq_grant.pending += b->bytes;
		relay_mark_dirty(r, s);
		relay_effect_add(fx, RELAY_DO_PERSIST, s)->skip = j.skip;
		fx->list[fx->n - 1].direction = DOWN;
		break;
	case SYNC_COMPARE:
	case SYNC_DUPLICATE:
		relay_due_add(r, s, DUE_HQ_RELAYED);
		break;
	case SYNC_GAP:
		ask_again(r, s, ev->now_ms);
		break;
	case SYNC_FORK:
		relay_mark_dirty(r, s);
		relay_effect_add(fx, RELAY_DO_EVIDENCE, s)->direction = DOWN;
		relay_effect_alarm(fx, s, RELAY_ALARM_FORK);
		relay_effect_refuse(fx, s, RELAY_TO_HQ, DOWN, "fork");
		break;
	case SYNC_TAMPERED:
		relay_effect_alarm(fx, s, RELAY_ALARM_TAMPERED);
		relay_effect_refuse(fx, s, RELAY_TO_HQ, DOWN, "tampered");
		break;
	case SYNC_STOPPED:
		relay_effect_refuse(fx, s, RELAY_TO_HQ, DOWN, "fork");
		break;
	}
}

static int on_stream_event(struct relay *r, const struct relay_event *ev, struct relay_effects *fx)
{
	struct relay_store *s = relay_table_find(r, ev->node, ev->incarnation);

	if (r->hq != RELAY_HQ_OPEN)
		return ERR_STATE;
	if (ev->kind == RELAY_HQ_BATCH && !relay_grant_take(&r->hq_grant, ev->batch.bytes)) {
		relay_effect_alarm(fx, s, RELAY_ALARM_WINDOW);
		relay_effect_add(fx, RELAY_DO_RESTART, NULL)->code = "window";
		return 0;
	}
	if (s == NULL)
		return ERR_UNKNOWN_NODE;
	if (ev->kind == RELAY_HQ_BATCH)
		on_batch(r, s, ev, fx);
	else if (ev->kind == RELAY_HQ_RESUME)
		on_resume(r, s, ev, fx);
	else if (ev->kind == RELAY_HQ_ACK)
		on_ack(r, s, ev, fx);
	else
		on_pull(r, s, ev->seq);
	return 0;
}

int relay_on_hq_event(struct relay *r, const struct relay_event *ev, struct relay_effects *fx)
{
	r->hq_heard_ms = ev->now_ms;
	if (ev->kind == RELAY_HQ_GONE) {
		on_gone(r);
		return 0;
	}
	if (ev->kind == RELAY_HQ_UP) {
		on_up(r, ev->now_ms, fx);
		return 0;
	}
	if (ev->kind == RELAY_HQ_WELCOME) {
		on_welcome(r, ev, fx);
		return 0;
	}
	if (ev->kind == RELAY_HQ_CREDIT) {
		sync_window_credit(&r->hq_window, ev->window_bytes);
		return 0;
	}
	if (ev->kind == RELAY_HQ_HEARD)
		return 0;
	return on_stream_event(r, ev, fx);
}
