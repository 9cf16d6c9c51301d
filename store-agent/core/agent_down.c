#include "agent_internal.h"

/* HQ's down log:
 *
 *   DOWN_BATCH ──judged──> DOWN_PERSIST ──(one transaction)──> DOWN_COMMITTED ──> DOWN_ACK
 *                  ├─────> DOWN_ACK      all known already
 *                  ├─────> DOWN_PULL     a gap: never buffered
 *                  └─────> DOWN_COMPARE ──> DOWN_COMPARED */

static void ack(const struct agent *a, struct agent_effects *out)
{
	struct agent_effect *e = agent_effect_add(out, AGENT_DOWN_ACK);

	e->down_ack.seq = a->down.durable.seq;
	e->down_ack.credit_total = a->down_bytes + AGENT_DOWN_WINDOW_BYTES;
}

static void on_verdict(struct agent *a, enum sync_verdict v, const struct sync_batch *b,
		       const struct sync_judged *j, struct agent_effects *out)
{
	struct agent_effect *e;

	switch (v) {
	case SYNC_PERSIST:
		e = agent_effect_add(out, AGENT_DOWN_PERSIST);
		e->persist.skip = j->skip;
		e->persist.last_seq = a->down.accepted.seq;
		break;
	case SYNC_DUPLICATE:
		ack(a, out);
		break;
	case SYNC_GAP:
		e = agent_effect_add(out, AGENT_DOWN_PULL);
		e->down_pull.from_seq = j->pull_from;
		e->down_pull.credit_total = a->down_bytes + AGENT_DOWN_WINDOW_BYTES;
		break;
	case SYNC_COMPARE:
		agent_effect_add(out, AGENT_DOWN_COMPARE)->compare_seq = j->compare_seq;
		break;
	case SYNC_FORK:
		a->is_degraded = true;
		agent_effect_alarm(out, AGENT_ALARM_DOWN_FORK, a->down.durable.seq, b->signed_seq);
		break;
	case SYNC_TAMPERED:
		agent_effect_alarm(out, AGENT_ALARM_DOWN_TAMPERED, a->down.durable.seq,
				   b->signed_seq);
		agent_effect_add(out, AGENT_RESTART_LINK)->why = "down_tampered";
		break;
	case SYNC_STOPPED:
		break;
	}
}

void agent_on_down_batch(struct agent *a, const struct sync_batch *b, struct agent_effects *out)
{
	struct sync_judged j;

	for (size_t i = 0; i < b->n; i++)
		a->down_bytes += b->items[i].len;
	sync_in_batch(&a->down, b, &j);
	on_verdict(a, j.verdict, b, &j, out);
}

void agent_on_down_compared(struct agent *a, const struct sync_batch *b, const uint8_t *own_head,
			    struct agent_effects *out)
{
	const struct sync_judged none = { .verdict = SYNC_STOPPED };

	on_verdict(a, sync_in_compared(&a->down, b, own_head), b, &none, out);
}

void agent_on_down_committed(struct agent *a, struct agent_effects *out)
{
	sync_in_persisted(&a->down, a->down.accepted.seq, a->down.accepted.head);
	ack(a, out); /* G8 */
}

void agent_on_down_failed(struct agent *a, struct agent_effects *out)
{
	sync_in_reset(&a->down);
	agent_effect_add(out, AGENT_RESTART_LINK)->why = "down_not_persisted";
}
