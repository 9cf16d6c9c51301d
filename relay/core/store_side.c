#include "state.h"
#include "wire.pb-c.h"

enum {
	UP = TRIB__V1__DIRECTION__UP,
	DOWN = TRIB__V1__DIRECTION__DOWN
};

/* A small message is due; it leaves when the queue of its side comes to it. */
void relay_due_add(struct relay *r, struct relay_store *s, unsigned due)
{
	if (s->link != RELAY_STORE_ONLINE)
		due &= ~(unsigned)DUE_TO_STORE;
	if (r->hq != RELAY_HQ_OPEN)
		due &= ~(unsigned)DUE_TO_HQ;
	s->due |= due;
	if ((due & DUE_TO_STORE) != 0)
		relay_queue_push(r, QUEUE_DUE, s);
	if ((due & DUE_TO_HQ) != 0)
		relay_queue_push(r, QUEUE_HQ_DUE, s);
}

void relay_store_go_offline(struct relay_store *s)
{
	s->link = RELAY_STORE_OFFLINE;
	s->wants_down = false;
	s->is_blocked = false;
	s->due &= ~(unsigned)DUE_TO_STORE;
	sync_out_close(&s->down_out);
}

/* Open the down stream once everything that the store has is here too. */
void relay_store_open_down(struct relay *r, struct relay_store *s)
{
	if (s->link != RELAY_STORE_ONLINE || !s->wants_down)
		return;
	if (sync_out_open(&s->down_out, s->down_want_seq) != 0)
		return; /* HQ has yet to send us what the store has */
	s->wants_down = false;
	if (s->down_want_seq > s->applied_seq)
		s->applied_seq = s->down_want_seq;
	relay_due_add(r, s, DUE_HQ_APPLIED);
	relay_queue_push(r, QUEUE_DOWN, s);
}

static bool may_welcome(const struct relay *r, const struct relay_store *s, uint64_t now_ms)
{
	if (s->is_rebasing)
		return false;
	if (!relay_store_is_empty(s) || s->has_resume)
		return true;
	if (r->hq == RELAY_HQ_DOWN && r->hq_was_tried)
		return true;
	return now_ms >= s->waiting_since_ms + RELAY_WELCOME_WAIT_MS;
}

/* Leave WAITING if nothing is worth waiting for. */
void relay_store_try_welcome(struct relay *r, struct relay_store *s, uint64_t now_ms)
{
	if (s->link != RELAY_STORE_WAITING || !may_welcome(r, s, now_ms))
		return;
	s->link = RELAY_STORE_ONLINE;
	s->heartbeat_ms = now_ms;
	s->due_ms = 0;
	relay_due_add(r, s, DUE_WELCOME);
	relay_store_open_down(r, s);
}

static int on_hello(struct relay *r, struct relay_store *s, const struct relay_event *ev,
		    struct relay_effects *fx)
{
	if (!s->is_listed)
		return ERR_UNKNOWN_NODE;
	relay_store_go_offline(s);
	s->link = RELAY_STORE_WAITING;
	s->waiting_since_ms = ev->now_ms;
	relay_grant_open(&s->grant, r->config.store_window_bytes);
	s->window = (struct sync_window){ .granted = ev->hello.window_bytes };
	s->wants_down = true;
	s->down_want_seq = ev->hello.down_seq;
	s->pull = (struct question){ 0 };
	relay_effect_calm(fx, s, RELAY_ALARM_STORE_SILENT);
	if (ev->hello.journal_seq < s->up_in.durable.seq)
		relay_effect_alarm(fx, s, RELAY_ALARM_STORE_BEHIND);
	else
		relay_effect_calm(fx, s, RELAY_ALARM_STORE_BEHIND);
	relay_store_try_welcome(r, s, ev->now_ms);
	return 0;
}

static void ask_again(struct relay *r, struct relay_store *s, uint64_t now_ms)
{
	uint64_t seq = s->up_in.accepted.seq + 1;

	if (s->pull.seq == seq && now_ms < s->pull.asked_ms + RELAY_PULL_REPEAT_MS)
		return; /* what is under way behind the gap would each ask once more */
	s->pull = (struct question){ .seq = seq, .asked_ms = now_ms };
	relay_due_add(r, s, DUE_PULL);
}

static void on_batch(struct relay *r, struct relay_store *s, const struct relay_event *ev,
		     struct relay_effects *fx)
{
	const struct relay_batch *b = &ev->batch;
	struct sync_judged j;

	if (!relay_grant_take(&s->grant, b->bytes)) {
		relay_effect_alarm(fx, s, RELAY_ALARM_WINDOW);
		relay_effect_refuse(fx, s, RELAY_TO_STORE, UP, "window");
		return;
	}
	if (s->is_rebasing) {
		ask_again(r, s, ev->now_ms);
		return;
	}
	sync_in_batch(&s->up_in, b->batch, &j);
	if (j.verdict == SYNC_COMPARE)
		j.verdict = sync_in_compared(&s->up_in, b->batch, b->own_head);
	switch (j.verdict) {
	case SYNC_PERSIST:
		s->grant.pending += b->bytes;
		relay_mark_dirty(r, s);
		relay_effect_add(fx, RELAY_DO_PERSIST, s)->skip = j.skip;
		fx->list[fx->n - 1].direction = UP;
		break;
	case SYNC_COMPARE:
	case SYNC_DUPLICATE:
		relay_due_add(r, s, DUE_ACK);
		break;
	case SYNC_GAP:
		ask_again(r, s, ev->now_ms);
		break;
	case SYNC_FORK:
		relay_mark_dirty(r, s);
		relay_effect_add(fx, RELAY_DO_EVIDENCE, s)->direction = UP;
		relay_effect_alarm(fx, s, RELAY_ALARM_FORK);
		relay_effect_refuse(fx, s, RELAY_TO_STORE, UP, "fork");
		break;
	case SYNC_TAMPERED:
		relay_effect_alarm(fx, s, RELAY_ALARM_TAMPERED);
		relay_effect_refuse(fx, s, RELAY_TO_STORE, UP, "tampered");
		break;
	case SYNC_STOPPED:
		relay_effect_refuse(fx, s, RELAY_TO_STORE, UP, "fork");
		break;
	}
	if (relay_grant_is_due(&s->grant, r->config.store_window_bytes))
		relay_due_add(r, s, DUE_CREDIT);
}

static void on_applied(struct relay *r, struct relay_store *s, uint64_t seq)
{
	if (!sync_out_ack(&s->down_out, seq))
		return;
	if (seq > s->applied_seq)
		s->applied_seq = seq;
	relay_due_add(r, s, DUE_HQ_APPLIED);
}

int relay_on_store_event(struct relay *r, const struct relay_event *ev, struct relay_effects *fx)
{
	struct relay_store *s = relay_table_find(r, ev->node, ev->incarnation);

	if (s == NULL)
		return ERR_UNKNOWN_NODE;
	s->heard_ms = ev->now_ms;
	if (ev->kind == RELAY_STORE_HELLO)
		return on_hello(r, s, ev, fx);
	if (ev->kind == RELAY_STORE_GONE) {
		relay_store_go_offline(s);
		return 0;
	}
	if (s->link == RELAY_STORE_OFFLINE) {
		relay_effect_refuse(fx, s, RELAY_TO_STORE, 0, "hello_first");
		return ERR_STATE;
	}
	if (s->link == RELAY_STORE_WAITING)
		return 0; /* it sends nothing of weight before our welcome */
	if (ev->kind == RELAY_STORE_BATCH) {
		on_batch(r, s, ev, fx);
	} else if (ev->kind == RELAY_STORE_ACK) {
		on_applied(r, s, ev->seq);
	} else if (ev->kind == RELAY_STORE_PULL) {
		if (sync_out_pull(&s->down_out, ev->seq))
			relay_queue_push(r, QUEUE_DOWN, s);
	} else if (ev->kind == RELAY_STORE_CREDIT) {
		sync_window_credit(&s->window, ev->window_bytes);
		relay_queue_push(r, QUEUE_DOWN, s);
	}
	return 0;
}
