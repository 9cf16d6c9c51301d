#include "agent.h"

#include <assert.h>
#include <string.h>

#include "agent_internal.h"

static void check_invariants(const struct agent *a)
{
	assert(a->durable.seq <= a->head.seq); /* G1 */
	assert(a->up.end_seq == a->durable.seq); /* G4 */
	assert(a->booked_seq <= a->durable.seq && a->relayed_seq <= a->durable.seq); /* G6 */
	assert(a->day >= a->durable_day); /* G7 */
	assert(a->sealed_day >= a->durable_sealed_day && a->sealed_day <= a->day); /* G14 */
	assert(a->n_pending <= AGENT_MAX_PENDING);
}

struct agent_effect *agent_effect_add(struct agent_effects *out, enum agent_effect_kind kind)
{
	struct agent_effect *e;

	assert(out->n < AGENT_MAX_EFFECTS);
	e = &out->list[out->n++];
	memset(e, 0, sizeof(*e));
	e->kind = kind;
	return e;
}

void agent_effect_alarm(struct agent_effects *out, enum agent_alarm what, uint64_t own_seq,
			uint64_t peer_seq)
{
	struct agent_effect *e = agent_effect_add(out, AGENT_ALARM);

	e->alarm.what = what;
	e->alarm.own_seq = own_seq;
	e->alarm.peer_seq = peer_seq;
}

void agent_init(struct agent *a, const struct agent_identity *id, const struct agent_resume *r)
{
	memset(a, 0, offsetof(struct agent, memory));
	a->id = *id;
	a->durable = r->journal;
	a->head = r->journal;
	a->durable_day = r->business_day;
	a->day = r->business_day;
	a->durable_sealed_day = r->sealed_day;
	a->sealed_day = r->sealed_day;
	a->cutoff_min = r->cutoff_min;
	a->relayed_seq = r->relayed_seq < r->journal.seq ? r->relayed_seq : r->journal.seq;
	a->is_rolled_back = !agent_claim_fits(a, &r->booked) || !agent_claim_fits(a, &r->proof);
	if (r->booked.present && agent_claim_fits(a, &r->booked))
		a->booked_seq = r->booked.at.seq;
	a->now_ms = r->now_ms;
	agent_clock_init(&a->clock, r->business_day != INT32_MIN, r->entry_wall_ms, r->now_ms);
	agent_disk_init(&a->disk, r->disk_reserve_bytes);
	a->uplink_since_ms = r->wall_ms;
	a->heartbeat_ms = AGENT_NEVER;
	a->stall_booked_seq = a->booked_seq;
	a->stall_since_ms = AGENT_NEVER;
	sync_out_init(&a->up, r->journal.seq);
	sync_in_init(&a->down, &r->down);
	arena_init(&a->arena, a->memory, sizeof(a->memory));
	check_invariants(a);
}

static void on_rules(struct agent *a, const struct agent_event *ev)
{
	assert(ev->rules.n <= AGENT_MAX_RULE_SETS);
	for (size_t i = 0; i < ev->rules.n; i++)
		a->rule_sets[i] = ev->rules.sets[i];
	a->n_rule_sets = ev->rules.n;
}

static void on_disk(struct agent *a, const struct agent_event *ev, struct agent_effects *out)
{
	switch (agent_disk_judge(&a->disk, &ev->disk, ev->now_ms)) {
	case AGENT_DISK_NOTHING:
		break;
	case AGENT_DISK_MAKE_BALLAST:
		agent_effect_add(out, AGENT_MAKE_BALLAST)->ballast_bytes =
			agent_ballast_bytes(a->disk.reserve_bytes);
		break;
	case AGENT_DISK_GIVE_UP_BALLAST:
		agent_effect_add(out, AGENT_GIVE_UP_BALLAST);
		break;
	}
}

/* Levels that changed, once each. */
static void tell_levels(struct agent *a, struct agent_effects *out)
{
	if (a->clock.level != a->clock.told_level)
		agent_effect_add(out, AGENT_TELL_CLOCK);
	if (a->disk.level != a->disk.told_level)
		agent_effect_add(out, AGENT_TELL_DISK);
	a->clock.told_level = a->clock.level;
	a->disk.told_level = a->disk.level;
}

int agent_step(struct agent *a, const struct agent_event *ev, struct agent_effects *ret)
{
	int r = 0;

	ret->n = 0;
	a->now_ms = ev->now_ms;
	agent_clock_judge(&a->clock, ev->wall_ms, ev->now_ms);
	switch (ev->kind) {
	case AGENT_COMMAND:
		r = agent_on_command(a, ev->command, ret);
		break;
	case AGENT_LOADED:
		agent_on_loaded(a, ev->loaded.command, ev->loaded.with, ret);
		break;
	case AGENT_COMMITTED:
		agent_on_committed(a, ret);
		break;
	case AGENT_ROLLED_BACK:
		agent_on_rolled_back(a, ret);
		break;
	case AGENT_RULES:
		on_rules(a, ev);
		break;
	case AGENT_SETTINGS:
		a->cutoff_min = ev->settings.cutoff_min;
		a->kinds = ev->settings.kinds;
		break;
	case AGENT_LINK_UP:
	case AGENT_LINK_LOST:
	case AGENT_WELCOME:
	case AGENT_ACK:
	case AGENT_PULL:
	case AGENT_CREDIT:
	case AGENT_BATCH_SENT:
	case AGENT_BLOCKED:
	case AGENT_WRITABLE:
	case AGENT_DOWN_BATCH:
	case AGENT_HEARD:
	case AGENT_TICK:
		r = agent_on_link_event(a, ev, ret);
		break;
	case AGENT_DISK:
		on_disk(a, ev, ret);
		break;
	case AGENT_DOWN_COMPARED:
		agent_on_down_compared(a, &ev->compared.batch, ev->compared.own_head, ret);
		break;
	case AGENT_DOWN_COMMITTED:
		agent_on_down_committed(a, ret);
		break;
	case AGENT_DOWN_FAILED:
		agent_on_down_failed(a, ret);
		break;
	}
	agent_watch_booking(a, ev->now_ms, ret);
	tell_levels(a, ret);
	check_invariants(a);
	return r;
}

const Trib__V1__RuleSet *agent_rules_at(const struct agent *a, int64_t wall_ms)
{
	for (size_t i = a->n_rule_sets; i > 0; i--) {
		if (a->rule_sets[i - 1]->effective_ms <= wall_ms)
			return a->rule_sets[i - 1];
	}
	return a->n_rule_sets > 0 ? a->rule_sets[0] : NULL;
}

const char *agent_sync_state(const struct agent *a, uint64_t seq)
{
	if (seq <= a->booked_seq)
		return "booked";
	return seq <= a->relayed_seq ? "relayed" : "stored";
}

const char *agent_mode(const struct agent *a)
{
	return agent_mode_why(a) != NULL ? "degraded" : "normal";
}

size_t agent_mode_whys(const struct agent *a, const char *ret[AGENT_MAX_WHYS])
{
	bool is_clock_graver = a->clock.level > a->disk.level;
	size_t n = 0;

	if (a->is_rolled_back)
		ret[n++] = "journal_rolled_back";
	if (is_clock_graver)
		ret[n++] = "clock_untrusted";
	if (a->disk.level > 0)
		ret[n++] = "disk_low";
	if (a->clock.level > 0 && !is_clock_graver)
		ret[n++] = "clock_untrusted";
	if (a->down.is_forked)
		ret[n++] = "down_fork";
	else if (a->is_degraded && !a->is_rolled_back)
		ret[n++] = "relay_disagrees";
	if (a->is_stalled)
		ret[n++] = "booking_stalled";
	return n;
}

const char *agent_mode_why(const struct agent *a)
{
	const char *whys[AGENT_MAX_WHYS];

	return agent_mode_whys(a, whys) > 0 ? whys[0] : NULL;
}

int64_t agent_time_ms(const struct agent *a, int64_t wall_ms, uint64_t now_ms)
{
	return agent_clock_time(&a->clock, wall_ms, now_ms);
}

const char *agent_alarm_name(enum agent_alarm what)
{
	switch (what) {
	case AGENT_ALARM_RELAY_AHEAD:
		return "relay_ahead";
	case AGENT_ALARM_RELAY_FORK:
		return "relay_fork";
	case AGENT_ALARM_ROLLED_BACK:
		return "journal_rolled_back";
	case AGENT_ALARM_ACK_MISMATCH:
		return "ack_mismatch";
	case AGENT_ALARM_DOWN_FORK:
		return "down_fork";
	case AGENT_ALARM_DOWN_TAMPERED:
		return "down_tampered";
	case AGENT_ALARM_BOOKING_STALLED:
		return "booking_stalled";
	}
	return "unknown";
}
