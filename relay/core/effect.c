#include <assert.h>
#include <string.h>

#include "state.h"

static bool is_write(enum relay_effect_kind kind)
{
	return kind == RELAY_DO_PERSIST || kind == RELAY_DO_REBASE ||
	       kind == RELAY_DO_KEEP_BOOKED || kind == RELAY_DO_EVIDENCE;
}

static bool is_promise(enum relay_effect_kind kind)
{
	return kind == RELAY_DO_WELCOME || kind == RELAY_DO_ACK;
}

/* s is NULL where no store is meant. */
struct relay_effect *relay_effect_add(struct relay_effects *fx, enum relay_effect_kind kind,
				      const struct relay_store *s)
{
	struct relay_effect *e;

	assert(fx->n < RELAY_MAX_EFFECTS);
	e = &fx->list[fx->n++];
	memset(e, 0, sizeof(*e));
	e->kind = kind;
	if (s != NULL) {
		e->node = s->node;
		e->incarnation = s->incarnation;
	}
	fx->has_write |= is_write(kind);
	fx->has_promise |= is_promise(kind);
	assert(!(fx->has_write && fx->has_promise)); /* R1 */
	return e;
}

void relay_effect_alarm(struct relay_effects *fx, const struct relay_store *s,
			enum relay_alarm alarm)
{
	relay_effect_add(fx, RELAY_DO_ALARM, s)->alarm = alarm;
}

void relay_effect_calm(struct relay_effects *fx, const struct relay_store *s,
		       enum relay_alarm alarm)
{
	relay_effect_add(fx, RELAY_DO_CALM, s)->alarm = alarm;
}

void relay_effect_refuse(struct relay_effects *fx, const struct relay_store *s, enum relay_peer to,
			 int direction, const char *code)
{
	struct relay_effect *e = relay_effect_add(fx, RELAY_DO_REFUSE, s);

	e->to = to;
	e->direction = direction;
	e->code = code;
}

const char *relay_alarm_name(enum relay_alarm a)
{
	switch (a) {
	case RELAY_ALARM_WRONG_NODE:
		return "wrong_node";
	case RELAY_ALARM_BAD_SIGNATURE:
		return "bad_signature";
	case RELAY_ALARM_TAMPERED:
		return "tampered";
	case RELAY_ALARM_FORK:
		return "fork";
	case RELAY_ALARM_ACK_MISMATCH:
		return "ack_mismatch";
	case RELAY_ALARM_BOOKS_DIFFER:
		return "books_differ";
	case RELAY_ALARM_WINDOW:
		return "window_exceeded";
	case RELAY_ALARM_STORE_BEHIND:
		return "store_behind";
	case RELAY_ALARM_HQ_BEHIND:
		return "hq_behind";
	case RELAY_ALARM_STORE_SILENT:
		return "store_silent";
	case RELAY_ALARM_HQ_SILENT:
		return "hq_silent";
	case RELAY_ALARM_STALLED:
		return "uplink_stalled";
	case RELAY_ALARM_DISK_FULL:
		return "disk_full";
	case RELAY_ALARM_TABLE_FULL:
		return "too_many_stores";
	case RELAY_ALARM_COUNT:
		break;
	}
	return "none";
}
