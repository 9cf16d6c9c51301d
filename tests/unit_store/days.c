#include "days.h"

#include <string.h>

#include "journal_verify.h"

#define DAY_MS (24 * INT64_C(3600000))

void days_set_clock(struct shop *s, int32_t day, int minutes)
{
	int64_t wall_ms = day * DAY_MS + (minutes - s->utc_offset_min) * INT64_C(60000);

	if (wall_ms > s->wall_ms) /* time passes */
		s->now_ms += (uint64_t)(wall_ms - s->wall_ms);
	s->wall_ms = wall_ms;
}

int days_setup(void **state)
{
	int r = shop_setup(state);

	days_set_clock(*state, TODAY, 12 * 60);
	return r;
}

uint64_t days_sell(struct shop *s, const char *order_no, int64_t amount)
{
	struct agent_command c = shop_sale(s, order_no, "4001", amount);
	struct shop_answer *a = shop_do(s, &c);

	assert_true(a->is_append);
	return a->seq;
}

uint64_t days_close(struct shop *s, int32_t day)
{
	struct agent_command c = shop_close(s, day);
	struct shop_answer *a = shop_do_close(s, &c);

	if (!a->is_append)
		fail_msg("day %d: %s", day, code_name(a->code));
	return a->seq;
}

static void count(void *ctx, const char *what, const char *where)
{
	(void)where;
	*(int *)ctx += strcmp(what, "day_seal") == 0 ? 1 : 1000;
}

int days_verify(struct shop *s)
{
	struct journal_verify *v = journal_verify_start(s->journal, &s->id);
	uint64_t entries;
	int n = 0;

	while (!journal_verify_step(v, 2))
		;
	(void)journal_verify_finish(v, 100, count, &n, &entries);
	return n;
}
