#include <string.h>

#include "agent_internal.h"
#include "day_sum.h"

/* Closing a business day.
 *
 *             LOADED               COMMAND again, summed up to the day's last entry
 *   (asked) ─────────> SUMMING ──────────────────────────────────────────────────> entry "day sealed"
 *                         ^ │
 *                         └─┘ COMMAND again, and the day went on meanwhile
 *
 * Any day that has begun may be closed, in any order, whether it has entries or not; once for ever.
 * The present day goes on until its seal is decided: what is sold while it is summed is in it. After
 * a seal the next day is open, however early that is. A till's figures that differ keep nothing
 * from being sealed: the journal is what happened, and the seal says that they differ. */

int32_t agent_open_day(const struct agent *a)
{
	return a->sealed_day >= a->day ? a->sealed_day + 1 : a->day;
}

static size_t count_closes(const struct agent *a)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n_checking; i++)
		n += a->checking[i]->verb == AGENT_CLOSE_DAY;
	return n;
}

/* The sum is of all that the day has now; equal heads, so it is of the very same entries. */
static bool is_summed(const struct agent_day_sum *sum, const struct agent_day *day)
{
	return sum->of.first_seq == day->first_seq && sum->of.last.seq == day->last.seq &&
	       head_equal(sum->of.last.head, day->last.head);
}

static enum code ask_sum(struct agent *a, const struct agent_command *c, struct agent_effects *out)
{
	if (count_closes(a) >= AGENT_MAX_CLOSES)
		return CODE_RATE_LIMITED;
	agent_effect_add(out, AGENT_SUM_DAY)->load = c;
	return CODE_ORDER_IN_PROGRESS;
}

static bool differs(const struct agent_command *c)
{
	const struct day_sum *sum = c->close.sum->sum;

	return (c->close.has_stored_value && c->close.stored_value != sum->stored_value) ||
	       (c->close.has_count && c->close.count != sum->orders);
}

/* The one run of entries that this incarnation has of the day. */
static int fill_range(struct agent *a, const struct agent_day *day, Trib__V1__DaySealed *b)
{
	Trib__V1__SeqRange *x = arena_alloc(&a->arena, sizeof(*x));
	Trib__V1__SeqRange **list = arena_alloc(&a->arena, sizeof(*list));

	if (x == NULL || list == NULL)
		return ERR_FULL;
	trib__v1__seq_range__init(x);
	x->incarnation = a->id.incarnation;
	x->first_seq = day->first_seq;
	x->last_seq = day->last.seq;
	x->head.data = arena_memdup(&a->arena, day->last.head, HEAD_BYTES);
	x->head.len = HEAD_BYTES;
	list[0] = x;
	b->n_ranges = 1;
	b->ranges = list;
	return x->head.data != NULL ? 0 : ERR_FULL;
}

static enum code seal(struct agent *a, const struct agent_command *c, const struct agent_day *day,
		      Trib__V1__Entry *e)
{
	Trib__V1__DaySealed *b = arena_alloc(&a->arena, sizeof(*b));

	if (b == NULL)
		return CODE_INTERNAL;
	trib__v1__day_sealed__init(b);
	b->day = c->close.day;
	if (fill_range(a, day, b) < 0 || day_sum_fill(c->close.sum->sum, &a->arena, b) < 0)
		return CODE_INTERNAL;
	b->has_pos_stored_value = c->close.has_stored_value;
	b->pos_stored_value = c->close.stored_value;
	b->has_pos_count = c->close.has_count;
	b->pos_count = c->close.count;
	b->is_mismatch = differs(c);
	b->has_is_mismatch = b->is_mismatch;
	e->body_case = TRIB__V1__ENTRY__BODY_DAY_SEALED;
	e->day_sealed = b;
	return CODE_OK;
}

/* The newest day that has begun by the clock; one that has entries stays so where the clock is set
 * back by as much as is credible. What the last entry says does not count beyond that: after an
 * early close it is of tomorrow, and closing tomorrow again would run ahead without end. */
static int32_t begun_day(const struct agent *a, const struct agent_command *c)
{
	int64_t wall_ms = agent_time_ms(a, c->wall_ms, a->now_ms);
	int32_t day = agent_business_day(wall_ms, c->utc_offset_min, a->cutoff_min, INT32_MIN);
	int32_t soon = agent_business_day(wall_ms + AGENT_CLOCK_TOLERANCE_MS, c->utc_offset_min,
					  a->cutoff_min, INT32_MIN);

	return a->day >= soon ? soon : day;
}

enum code agent_close(struct agent *a, const struct agent_command *c, const struct agent_loaded *l,
		      Trib__V1__Entry *e, struct agent_effects *out)
{
	if (c->close.day > begun_day(a, c)) {
		agent_refuse_value(out, c, "day", "this business day has not begun");
		return CODE_BAD_VALUE;
	}
	if (c->close.sum != NULL && c->close.sum->sum == NULL)
		return CODE_INTERNAL;
	if (c->close.sum == NULL || !is_summed(c->close.sum, &l->day))
		return ask_sum(a, c, out);
	return seal(a, c, &l->day, e);
}
