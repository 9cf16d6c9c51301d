#include <assert.h>

#include "state.h"
#include "wire.pb-c.h"

enum {
	UP = TRIB__V1__DIRECTION__UP,
	DOWN = TRIB__V1__DIRECTION__DOWN
};

/* ---- sending, by turns ---- */

static bool can_send_up(const struct relay *r)
{
	return r->hq == RELAY_HQ_OPEN && !r->hq_is_blocked && sync_window_is_open(&r->hq_window);
}

static bool can_send_down(const struct relay_store *s)
{
	return s->link == RELAY_STORE_ONLINE && (s->due & DUE_WELCOME) == 0 && !s->is_blocked &&
	       sync_window_is_open(&s->window);
}

static void send_batch(struct relay *r, const struct relay_store *s, enum relay_peer to,
		       uint64_t from_seq, struct relay_effects *fx)
{
	struct relay_effect *e = relay_effect_add(fx, RELAY_DO_SEND, s);

	e->to = to;
	e->direction = to == RELAY_TO_HQ ? UP : DOWN;
	e->at.seq = from_seq;
	e->total = to == RELAY_TO_HQ ? s->up_out.end_seq : s->down_out.end_seq; /* R3 */
	r->is_sending = true;
	r->sends_left--;
}

static bool send_up(struct relay *r, struct relay_effects *fx)
{
	struct relay_store *s;

	if (!can_send_up(r))
		return false;
	while ((s = relay_queue_pop(r, QUEUE_UP)) != NULL) {
		uint64_t from = sync_out_next(&s->up_out);

		if (from != 0) {
			send_batch(r, s, RELAY_TO_HQ, from, fx);
			return true;
		}
	}
	return false;
}

/* A store that can't take anything leaves the queue; credit, writable or welcome bring it back. */
static bool send_down(struct relay *r, struct relay_effects *fx)
{
	struct relay_store *s;

	while ((s = relay_queue_pop(r, QUEUE_DOWN)) != NULL) {
		uint64_t from = sync_out_next(&s->down_out);

		if (from != 0 && can_send_down(s)) {
			send_batch(r, s, RELAY_TO_STORE, from, fx);
			return true;
		}
	}
	return false;
}

static void send_next(struct relay *r, struct relay_effects *fx)
{
	bool down_first = r->down_is_next;

	if (r->is_sending || r->sends_left == 0)
		return;
	r->down_is_next = !down_first;
	if (down_first) {
		if (!send_down(r, fx))
			send_up(r, fx);
	} else if (!send_up(r, fx)) {
		send_down(r, fx);
	}
}

void relay_on_sent(struct relay *r, const struct relay_event *ev)
{
	struct relay_store *s = relay_table_find(r, ev->node, ev->incarnation);

	assert(r->is_sending && s != NULL);
	r->is_sending = false;
	if (ev->sent.to == RELAY_TO_HQ) {
		r->hq_window.used += ev->sent.bytes;
		sync_out_sent(&s->up_out, ev->sent.last_seq);
		relay_queue_push(r, QUEUE_UP, s); /* behind all others: R5 */
	} else {
		s->window.used += ev->sent.bytes;
		sync_out_sent(&s->down_out, ev->sent.last_seq);
		relay_queue_push(r, QUEUE_DOWN, s);
	}
}

void relay_on_blocked(struct relay *r, const struct relay_event *ev)
{
	struct relay_store *s = relay_table_find(r, ev->node, ev->incarnation);

	assert(r->is_sending && s != NULL);
	r->is_sending = false;
	if (ev->sent.to == RELAY_TO_HQ) {
		r->hq_is_blocked = true;
		relay_queue_push(r, QUEUE_UP, s);
	} else {
		s->is_blocked = true;
	}
}

void relay_on_writable(struct relay *r)
{
	r->hq_is_blocked = false;
	for (uint32_t i = 0; i < r->n_stores; i++) {
		if (!r->stores[i].is_blocked)
			continue;
		r->stores[i].is_blocked = false;
		relay_queue_push(r, QUEUE_DOWN, &r->stores[i]);
	}
}

/* ---- small messages ---- */

static void tell_store(struct relay *r, struct relay_store *s, struct relay_effects *fx)
{
	struct relay_effect *e;

	if ((s->due & DUE_WELCOME) != 0) {
		e = relay_effect_add(fx, RELAY_DO_WELCOME, s);
		e->at = s->up_in.durable;
		e->total = s->grant.total;
		s->due &= ~(unsigned)(DUE_ACK | DUE_BOOKED); /* it says both */
		relay_queue_push(r, QUEUE_DOWN, s);
	}
	if ((s->due & DUE_ACK) != 0) {
		e = relay_effect_add(fx, RELAY_DO_ACK, s);
		e->direction = UP;
		e->stage = TRIB__V1__STAGE__RELAYED;
		e->at.seq = s->up_in.durable.seq; /* R2 */
	}
	if ((s->due & DUE_BOOKED) != 0)
		relay_effect_add(fx, RELAY_DO_PASS_BOOKED, s);
	if ((s->due & DUE_CREDIT) != 0)
		relay_effect_add(fx, RELAY_DO_CREDIT, s)->total =
			relay_grant_renew(&s->grant, r->config.store_window_bytes);
	if ((s->due & DUE_PULL) != 0) {
		e = relay_effect_add(fx, RELAY_DO_PULL, s);
		e->direction = UP;
		e->at.seq = s->up_in.accepted.seq + 1;
	}
	s->due &= ~(unsigned)DUE_TO_STORE;
}

static void tell_hq(struct relay_store *s, struct relay_effects *fx)
{
	struct relay_effect *e;

	if ((s->due & DUE_HQ_RELAYED) != 0) {
		e = relay_effect_add(fx, RELAY_DO_ACK, s);
		e->to = RELAY_TO_HQ;
		e->direction = DOWN;
		e->stage = TRIB__V1__STAGE__RELAYED;
		e->at.seq = s->down_in.durable.seq; /* R2 */
	}
	if ((s->due & DUE_HQ_APPLIED) != 0 && s->applied_seq > 0) {
		e = relay_effect_add(fx, RELAY_DO_ACK, s);
		e->to = RELAY_TO_HQ;
		e->direction = DOWN;
		e->stage = TRIB__V1__STAGE__APPLIED;
		e->at.seq = s->applied_seq;
	}
	if ((s->due & DUE_HQ_PULL) != 0) {
		e = relay_effect_add(fx, RELAY_DO_PULL, s);
		e->to = RELAY_TO_HQ;
		e->direction = DOWN;
		e->at.seq = s->down_in.accepted.seq + 1;
	}
	s->due &= ~(unsigned)DUE_TO_HQ;
}

static void work_stores(struct relay *r, uint64_t now_ms, struct relay_effects *fx)
{
	struct relay_store *s;

	while ((s = relay_queue_head(r, QUEUE_DUE)) != NULL && s->due_ms <= now_ms &&
	       effects_have_room(fx)) {
		relay_queue_pop(r, QUEUE_DUE);
		if ((s->due & DUE_TO_STORE) == 0)
			continue;
		tell_store(r, s, fx);
		s->due_ms = now_ms + RELAY_ACK_INTERVAL_MS; /* R4 */
	}
}

static void work_hq(struct relay *r, uint64_t now_ms, struct relay_effects *fx)
{
	struct relay_effect *e;
	struct relay_store *s;

	if (r->hq != RELAY_HQ_OPEN)
		return;
	if (relay_grant_is_due(&r->hq_grant, r->config.hq_window_bytes) && effects_have_room(fx)) {
		e = relay_effect_add(fx, RELAY_DO_CREDIT, NULL);
		e->to = RELAY_TO_HQ;
		e->total = relay_grant_renew(&r->hq_grant, r->config.hq_window_bytes);
	}
	while (effects_have_room(fx) && (s = relay_queue_pop(r, QUEUE_PRESENT)) != NULL) {
		e = relay_effect_add(fx, RELAY_DO_PRESENT, s);
		e->to = RELAY_TO_HQ;
		e->at = s->up_in.durable;
		e->down = s->down_in.durable;
	}
	while ((s = relay_queue_head(r, QUEUE_HQ_DUE)) != NULL && s->hq_due_ms <= now_ms &&
	       effects_have_room(fx)) {
		relay_queue_pop(r, QUEUE_HQ_DUE);
		tell_hq(s, fx);
		s->hq_due_ms = now_ms + RELAY_ACK_INTERVAL_MS; /* R4 */
	}
}

void relay_work(struct relay *r, uint64_t now_ms, struct relay_effects *fx)
{
	work_stores(r, now_ms, fx);
	work_hq(r, now_ms, fx);
	relay_sweep(r, now_ms, fx);
	if (effects_have_room(fx))
		send_next(r, fx);
}

/* Whether a TICK would send something at once. */
bool relay_work_is_ready(const struct relay *r)
{
	if (r->hq == RELAY_HQ_OPEN && (relay_queue_head(r, QUEUE_PRESENT) != NULL ||
				       relay_grant_is_due(&r->hq_grant, r->config.hq_window_bytes)))
		return true;
	if (relay_queue_head(r, QUEUE_UP) != NULL && can_send_up(r))
		return true;
	return relay_queue_head(r, QUEUE_DOWN) != NULL;
}
