#include <assert.h>

#include "agent_internal.h"

static const bool moves[4][4] = {
	[AGENT_LINK_DOWN] = { [AGENT_LINK_GREETING] = true },
	[AGENT_LINK_GREETING] = { [AGENT_LINK_DOWN] = true,
				  [AGENT_LINK_OPEN] = true,
				  [AGENT_LINK_HALTED] = true },
	[AGENT_LINK_OPEN] = { [AGENT_LINK_DOWN] = true, [AGENT_LINK_HALTED] = true },
	[AGENT_LINK_HALTED] = { [AGENT_LINK_DOWN] = true },
};

static void link_move(struct agent *a, enum agent_link to)
{
	assert(moves[a->link][to]);
	a->link = to;
}

static bool is_welcomed(const struct agent *a)
{
	return a->link == AGENT_LINK_OPEN || a->link == AGENT_LINK_HALTED;
}

bool agent_is_online(const struct agent *a, uint64_t now_ms)
{
	return a->link == AGENT_LINK_OPEN && now_ms < a->heard_ms + AGENT_SILENCE_MS;
}

/* When what waits has waited too long, or AGENT_NEVER. */
static uint64_t stall_deadline_ms(const struct agent *a)
{
	if (a->stall_since_ms == AGENT_NEVER || a->is_stalled)
		return AGENT_NEVER;
	return a->stall_waited_ms < AGENT_STALL_MS ?
		       a->stall_since_ms + AGENT_STALL_MS - a->stall_waited_ms :
		       a->stall_since_ms;
}

uint64_t agent_deadline_ms(const struct agent *a)
{
	uint64_t at = a->heard_ms + AGENT_SILENCE_MS;
	uint64_t stall = stall_deadline_ms(a);

	if (a->link == AGENT_LINK_DOWN)
		return AGENT_NEVER;
	if (a->heartbeat_ms < at)
		at = a->heartbeat_ms;
	return stall < at ? stall : at;
}

void agent_watch_booking(struct agent *a, uint64_t now_ms, struct agent_effects *out)
{
	bool waits = a->booked_seq < a->durable.seq;

	if (!waits || a->booked_seq != a->stall_booked_seq) {
		a->stall_booked_seq = a->booked_seq;
		a->stall_waited_ms = 0;
		a->stall_since_ms = AGENT_NEVER;
		a->is_stalled = false;
	}
	if (a->link != AGENT_LINK_OPEN && a->stall_since_ms != AGENT_NEVER) {
		a->stall_waited_ms += now_ms - a->stall_since_ms;
		a->stall_since_ms = AGENT_NEVER;
	}
	if (waits && a->link == AGENT_LINK_OPEN && a->stall_since_ms == AGENT_NEVER)
		a->stall_since_ms = now_ms;
	if (now_ms >= stall_deadline_ms(a)) {
		a->is_stalled = true;
		agent_effect_alarm(out, AGENT_ALARM_BOOKING_STALLED, a->durable.seq, a->booked_seq);
	}
}

void agent_send_next(const struct agent *a, struct agent_effects *out)
{
	uint64_t first = sync_out_next(&a->up);
	struct agent_effect *e;

	if (first == 0 || a->link != AGENT_LINK_OPEN || a->is_blocked ||
	    !sync_window_is_open(&a->window))
		return;
	e = agent_effect_add(out, AGENT_SEND_BATCH);
	e->send.first_seq = first;
	e->send.end_seq = a->up.end_seq;
}

static int on_link_up(struct agent *a, uint64_t now_ms, struct agent_effects *out)
{
	if (a->link != AGENT_LINK_DOWN)
		return ERR_STATE;
	link_move(a, AGENT_LINK_GREETING);
	a->is_blocked = false;
	a->window = (struct sync_window){ 0 };
	a->down_bytes = 0;
	a->heard_ms = now_ms;
	a->heartbeat_ms = AGENT_NEVER; /* the first one follows the Welcome */
	agent_effect_add(out, AGENT_SEND_HELLO);
	return 0;
}

static void on_link_lost(struct agent *a, int64_t wall_ms)
{
	if (a->link == AGENT_LINK_DOWN)
		return;
	if (a->link == AGENT_LINK_OPEN)
		a->uplink_since_ms = wall_ms;
	link_move(a, AGENT_LINK_DOWN);
	sync_out_close(&a->up);
	a->heartbeat_ms = AGENT_NEVER;
}

static bool is_beyond(const struct agent *a, const struct agent_claim *c)
{
	return c->present && c->at.seq > a->durable.seq;
}

static bool is_other_history(const struct agent_claim *c)
{
	return c->present && c->own_head != NULL && !head_equal(c->own_head, c->at.head);
}

bool agent_claim_fits(const struct agent *a, const struct agent_claim *c)
{
	return !is_beyond(a, c) && !is_other_history(c);
}

/* HQ's word about our journal. True where it fits: else this is not the journal that HQ booked, but
 * an older image of it or a copy's, and nothing in it may be spent again. */
static bool judge_booked(struct agent *a, const struct agent_claim *c, struct agent_effects *out)
{
	if (!agent_claim_fits(a, c)) {
		if (a->is_rolled_back)
			return false;
		a->is_rolled_back = true;
		agent_effect_add(out, AGENT_KEEP_PROOF);
		agent_effect_alarm(
			out, is_beyond(a, c) ? AGENT_ALARM_ROLLED_BACK : AGENT_ALARM_ACK_MISMATCH,
			a->durable.seq, c->at.seq);
		return false;
	}
	if (c->present && c->at.seq > a->booked_seq) {
		a->booked_seq = c->at.seq;
		agent_effect_add(out, AGENT_KEEP_BOOKED);
	}
	return true;
}

/* The relay's word, which nobody signed: it only tells where to send from. */
static bool judge_relayed(struct agent *a, const struct agent_claim *c, struct agent_effects *out)
{
	if (is_beyond(a, c)) {
		agent_effect_alarm(out, AGENT_ALARM_RELAY_AHEAD, a->durable.seq, c->at.seq);
		return false;
	}
	if (is_other_history(c)) {
		agent_effect_alarm(out, AGENT_ALARM_RELAY_FORK, a->durable.seq, c->at.seq);
		return false;
	}
	return true;
}

static int on_welcome(struct agent *a, const struct agent_event *ev, struct agent_effects *out)
{
	uint64_t relayed = ev->welcome.relayed.present ? ev->welcome.relayed.at.seq : 0;
	bool fits;

	if (a->link != AGENT_LINK_GREETING)
		return ERR_STATE;
	agent_clock_welcome(&a->clock, ev->welcome.clock_ms, ev->now_ms);
	agent_clock_judge(&a->clock, ev->wall_ms, ev->now_ms);
	a->is_degraded = a->down.is_forked; /* judged anew with each link */
	fits = judge_booked(a, &ev->welcome.booked, out);
	if (!judge_relayed(a, &ev->welcome.relayed, out))
		fits = false;
	a->heartbeat_ms = ev->now_ms; /* health at once, then every AGENT_HEARTBEAT_MS */
	if (!fits || a->is_rolled_back) {
		a->is_degraded = true;
		link_move(a, AGENT_LINK_HALTED);
		return 0;
	}
	a->uplink_since_ms = ev->wall_ms;
	if (sync_out_open(&a->up, relayed) < 0)
		return ERR_STATE; /* not reached: relayed is not beyond durable */
	a->relayed_seq = relayed;
	a->window.granted = ev->welcome.window_bytes;
	link_move(a, AGENT_LINK_OPEN);
	agent_send_next(a, out);
	return 0;
}

static void on_ack(struct agent *a, const struct agent_event *ev, struct agent_effects *out)
{
	if (!ev->ack.is_booked) {
		if (sync_out_ack(&a->up, ev->ack.seq))
			a->relayed_seq = a->up.acked_seq;
	} else if (!judge_booked(a, &ev->ack.booked, out) && a->link == AGENT_LINK_OPEN) {
		a->uplink_since_ms = ev->wall_ms;
		sync_out_close(&a->up);
		link_move(a, AGENT_LINK_HALTED);
	}
}

static void on_tick(struct agent *a, uint64_t now_ms, struct agent_effects *out)
{
	if (a->link == AGENT_LINK_DOWN)
		return;
	if (now_ms >= a->heard_ms + AGENT_SILENCE_MS) {
		a->heard_ms = now_ms; /* once per silence; the link's end follows as an event */
		agent_effect_add(out, AGENT_RESTART_LINK)->why = "silence";
		return;
	}
	if (now_ms >= a->heartbeat_ms) {
		a->heartbeat_ms = now_ms + AGENT_HEARTBEAT_MS;
		agent_effect_add(out, AGENT_HEARTBEAT);
	}
}

/* Messages that make sense only after the Welcome. */
static int on_peer_message(struct agent *a, const struct agent_event *ev, struct agent_effects *out)
{
	if (!is_welcomed(a))
		return ERR_STATE;
	switch ((int)ev->kind) {
	case AGENT_ACK:
		on_ack(a, ev, out);
		break;
	case AGENT_PULL:
		if (sync_out_pull(&a->up, ev->pull_from) && a->relayed_seq > a->up.acked_seq)
			a->relayed_seq = a->up.acked_seq;
		agent_send_next(a, out);
		break;
	case AGENT_CREDIT:
		sync_window_credit(&a->window, ev->credit_total);
		agent_send_next(a, out);
		break;
	case AGENT_DOWN_BATCH:
		agent_on_down_batch(a, &ev->down, out);
		break;
	}
	return 0;
}

/* Any message without a meaning here but that the relay lives, and what time it has. */
static void on_heard(struct agent *a, const struct agent_event *ev, struct agent_effects *out)
{
	if (ev->heard_clock_ms == 0 || !is_welcomed(a))
		return;
	if (agent_clock_hear(&a->clock, ev->heard_clock_ms, ev->now_ms))
		agent_clock_judge(&a->clock, ev->wall_ms, ev->now_ms);
	else
		agent_effect_add(out, AGENT_RESTART_LINK)->why = "clock_went_back";
}

static void on_batch_sent(struct agent *a, const struct agent_event *ev, struct agent_effects *out)
{
	sync_out_sent(&a->up, ev->sent.last_seq);
	a->window.used += ev->sent.bytes;
	agent_send_next(a, out);
}

int agent_on_link_event(struct agent *a, const struct agent_event *ev, struct agent_effects *out)
{
	switch ((int)ev->kind) {
	case AGENT_LINK_UP:
		return on_link_up(a, ev->now_ms, out);
	case AGENT_LINK_LOST:
		on_link_lost(a, ev->wall_ms);
		return 0;
	case AGENT_TICK:
		on_tick(a, ev->now_ms, out);
		return 0;
	case AGENT_BLOCKED:
		a->is_blocked = true;
		return 0;
	case AGENT_WRITABLE:
		a->is_blocked = false;
		agent_send_next(a, out);
		return 0;
	case AGENT_BATCH_SENT:
		on_batch_sent(a, ev, out);
		return 0;
	}
	if (a->link == AGENT_LINK_DOWN)
		return ERR_STATE;
	a->heard_ms = ev->now_ms;
	if (ev->kind == AGENT_WELCOME)
		return on_welcome(a, ev, out);
	if (ev->kind != AGENT_HEARD)
		return on_peer_message(a, ev, out);
	on_heard(a, ev, out);
	return 0;
}
