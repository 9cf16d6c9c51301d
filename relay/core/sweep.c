/* Once in RELAY_SWEEP_MS over all stores: silence, heartbeats, waits. */
#include "state.h"

static void sweep_store(struct relay *r, struct relay_store *s, uint64_t now_ms,
			struct relay_effects *fx)
{
	if (s->link != RELAY_STORE_OFFLINE && now_ms >= s->heard_ms + RELAY_SILENCE_MS) {
		relay_store_go_offline(s);
		relay_effect_alarm(fx, s, RELAY_ALARM_STORE_SILENT);
	}
	relay_store_try_welcome(r, s, now_ms);
	if (s->link == RELAY_STORE_ONLINE && now_ms >= s->heartbeat_ms + RELAY_HEARTBEAT_MS) {
		s->heartbeat_ms = now_ms;
		relay_effect_add(fx, RELAY_DO_HEARTBEAT, s);
	}
	if (r->hq == RELAY_HQ_OPEN && s->up_in.durable.seq > s->booked_seq &&
	    now_ms >= s->moved_ms + RELAY_STALL_MS)
		r->sweep_saw_stall = true;
}

static void sweep_hq(struct relay *r, uint64_t now_ms, struct relay_effects *fx)
{
	if (r->hq == RELAY_HQ_DOWN)
		return;
	if (now_ms >= r->hq_heard_ms + RELAY_SILENCE_MS) {
		relay_effect_alarm(fx, NULL, RELAY_ALARM_HQ_SILENT);
		relay_effect_add(fx, RELAY_DO_RESTART, NULL)->code = "silence";
		r->hq_heard_ms = now_ms; /* once, till the link's end is told */
		return;
	}
	if (r->hq == RELAY_HQ_OPEN && now_ms >= r->hq_heartbeat_ms + RELAY_HEARTBEAT_MS) {
		r->hq_heartbeat_ms = now_ms;
		relay_effect_add(fx, RELAY_DO_HEARTBEAT, NULL)->to = RELAY_TO_HQ;
	}
}

static void sweep_end(struct relay *r, uint64_t now_ms, struct relay_effects *fx)
{
	if (r->sweep_saw_stall && !r->is_stalled)
		relay_effect_alarm(fx, NULL, RELAY_ALARM_STALLED);
	if (!r->sweep_saw_stall && r->is_stalled)
		relay_effect_calm(fx, NULL, RELAY_ALARM_STALLED);
	r->is_stalled = r->sweep_saw_stall;
	r->sweep_ms = now_ms + RELAY_SWEEP_MS;
	r->sweep_at = UINT32_MAX;
}

/* Goes on at the next call where there was no room for all effects. */
void relay_sweep(struct relay *r, uint64_t now_ms, struct relay_effects *fx)
{
	if (r->sweep_at == UINT32_MAX) {
		if (now_ms < r->sweep_ms || !effects_have_room(fx))
			return;
		r->sweep_at = 0;
		r->sweep_saw_stall = false;
		sweep_hq(r, now_ms, fx);
	}
	while (r->sweep_at < r->n_stores && effects_have_room(fx))
		sweep_store(r, &r->stores[r->sweep_at++], now_ms, fx);
	if (r->sweep_at >= r->n_stores && effects_have_room(fx))
		sweep_end(r, now_ms, fx);
}
