/* Events to the core, and its writes into the spool. */
#include <string.h>
#include <time.h>

#include "fault.h"
#include "log.h"
#include "relayd.h"

uint64_t relayd_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000 + 1;
}

int64_t relayd_wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void relayd_raise(struct relayd *d, enum relay_alarm kind, const struct peer *p)
{
	alarm_raise(&d->alarms, kind, p != NULL ? p->node : 0, p != NULL ? p->incarnation : 0,
		    relayd_wall_ms());
}

static struct spool_stream *stream_of(struct peer *p, int direction)
{
	return direction == TRIB__V1__DIRECTION__DOWN ? &p->down : &p->up;
}

/* A Signed message as bytes in the scratch arena. */
static ProtobufCBinaryData pack_signed(struct relayd *d, const Trib__V1__Signed *s)
{
	ProtobufCBinaryData b = { .len = trib__v1__signed__get_packed_size(s) };

	b.data = arena_alloc(&d->scratch, b.len);
	if (b.data == NULL) {
		b.len = 0;
		return b;
	}
	trib__v1__signed__pack(s, b.data);
	return b;
}

static void keep_evidence(struct relayd *d, struct peer *p, int direction,
			  const Trib__V1__Batch *batch)
{
	size_t len = trib__v1__batch__get_packed_size(batch);
	uint8_t *bytes = arena_alloc(&d->scratch, len);

	if (bytes == NULL)
		return;
	trib__v1__batch__pack(batch, bytes);
	spool_keep_evidence(d->spool, stream_of(p, direction), bytes, len, relayd_wall_ms());
}

/* Returns false for an effect that is no write. */
static bool run_write(struct relayd *d, const struct relay_effect *fx, const struct relay_event *ev,
		      const struct step_input *in)
{
	ProtobufCBinaryData b;

	switch ((int)fx->kind) {
	case RELAY_DO_PERSIST:
		b = pack_signed(d, in->batch->head);
		spool_append(d->spool, stream_of(in->peer, fx->direction), ev->batch.batch,
			     fx->skip, b.data, b.len);
		return true;
	case RELAY_DO_REBASE:
		log_event(LOG_LEVEL_NOTICE, "spool_starts", "peer=%s seq=%llu", in->peer->user_id,
			  (unsigned long long)fx->at.seq);
		spool_rebase(d->spool, &in->peer->up, &fx->at, relayd_wall_ms());
		return true;
	case RELAY_DO_KEEP_BOOKED:
		b = pack_signed(d, in->booked);
		spool_keep_booked(d->spool, fx->node, fx->incarnation, ev->booked.at.seq, b.data,
				  b.len);
		return true;
	case RELAY_DO_EVIDENCE:
		keep_evidence(d, in->peer, fx->direction, in->batch);
		return true;
	default:
		return false;
	}
}

/* One event without what its sends lead to. Returns whether *ret_next is an answer to a SEND. */
static bool step_once(struct relayd *d, struct relay_event *ev, const struct step_input *in,
		      struct relay_event *ret_next, int *ret_err)
{
	struct relay_effects fx;
	bool has_next = false;

	ev->now_ms = relayd_now_ms();
	*ret_err = relay_step(d->core, ev, &fx);
	for (size_t i = 0; i < fx.n; i++) {
		arena_reset(&d->scratch);
		if (!run_write(d, &fx.list[i], ev, in))
			has_next |= relayd_run_effect(d, &fx.list[i], ret_next);
	}
	return has_next;
}

int relayd_step(struct relayd *d, struct relay_event *ev, const struct step_input *in)
{
	struct relay_event answer, next;
	int err, ignored;

	if (!step_once(d, ev, in, &answer, &err))
		return err;
	while (step_once(d, &answer, NULL, &next, &ignored))
		answer = next;
	return err;
}

/* A rolled back transaction: what the streams' bounds are on disk. A store that became known in it
 * is written once more. */
static void reload_streams(struct relayd *d)
{
	for (size_t i = 0; i < d->peers.n; i++) {
		struct peer *p = &d->peers.list[i];

		spool_stream_load(d->spool, TRIB__V1__DIRECTION__UP, p->node, p->incarnation,
				  p->up_seed, &p->up);
		spool_stream_load(d->spool, TRIB__V1__DIRECTION__DOWN, p->node, p->incarnation,
				  p->down_seed, &p->down);
		spool_add_store(d->spool, p->node, p->incarnation, p->certificate,
				p->certificate_len);
	}
}

void relayd_commit(struct relayd *d)
{
	struct relay_event ev = { .kind = RELAY_COMMITTED };

	if (!spool_is_dirty(d->spool))
		return;
	FAULT_POINT("relay.before_commit");
	if (spool_commit(d->spool) != 0) {
		relayd_raise(d, RELAY_ALARM_DISK_FULL, NULL);
		reload_streams(d);
		ev.kind = RELAY_COMMIT_FAILED;
	} else {
		alarm_calm(&d->alarms, RELAY_ALARM_DISK_FULL, 0, 0);
	}
	FAULT_POINT("relay.after_commit");
	(void)!relayd_step(d, &ev, NULL);
}
