#include "agent_clock.h"

/* What the moment has become by now. */
static int64_t flowed(const struct agent_moment *m, uint64_t now_ms)
{
	return m->wall_ms + (now_ms > m->at_ms ? (int64_t)(now_ms - m->at_ms) : 0);
}

static struct agent_moment moment(int64_t wall_ms, uint64_t at_ms)
{
	return (struct agent_moment){ .is_known = true, .wall_ms = wall_ms, .at_ms = at_ms };
}

void agent_clock_init(struct agent_clock *c, bool has_entry, int64_t entry_wall_ms, uint64_t now_ms)
{
	*c = (struct agent_clock){ 0 };
	if (has_entry)
		c->entry = moment(entry_wall_ms, now_ms);
	c->durable_entry = c->entry;
}

struct verdict {
	enum agent_clock_why why;
	int64_t off_ms;
};

static struct verdict off(enum agent_clock_why why, int64_t off_ms)
{
	return (struct verdict){ .why = why, .off_ms = off_ms };
}

static struct verdict judge(const struct agent_clock *c, int64_t wall_ms, uint64_t now_ms)
{
	int64_t tolerance_ms =
		AGENT_CLOCK_TOLERANCE_MS - (c->level > 0 ? AGENT_CLOCK_HYSTERESIS_MS : 0); /* K4 */
	int64_t entry = c->entry.wall_ms, relay = flowed(&c->relay, now_ms);

	if (c->relay.is_known && wall_ms > relay + tolerance_ms)
		return off(AGENT_CLOCK_OFF_RELAY, wall_ms - relay);
	if (c->relay.is_known && wall_ms < relay - tolerance_ms)
		return off(AGENT_CLOCK_OFF_RELAY, relay - wall_ms);
	if (c->relay.is_known && entry > relay + AGENT_CLOCK_TOLERANCE_MS)
		return off(AGENT_CLOCK_BELIEVED, 0); /* K3 */
	if (c->entry.is_known && wall_ms < entry - tolerance_ms)
		return off(AGENT_CLOCK_BEFORE_ENTRY, entry - wall_ms);
	if (c->relay.is_known || !c->entry.is_known)
		return off(AGENT_CLOCK_BELIEVED, 0);
	entry = flowed(&c->entry, now_ms) + AGENT_CLOCK_OFFLINE_MS - AGENT_CLOCK_TOLERANCE_MS;
	return wall_ms > entry + tolerance_ms ? off(AGENT_CLOCK_AFTER_ENTRY, wall_ms - entry) :
						off(AGENT_CLOCK_BELIEVED, 0);
}

void agent_clock_judge(struct agent_clock *c, int64_t wall_ms, uint64_t now_ms)
{
	struct verdict v = judge(c, wall_ms, now_ms);

	c->why = v.why;
	c->off_ms = v.off_ms;
	if (v.why == AGENT_CLOCK_BELIEVED)
		c->level = 0;
	else if (v.off_ms > AGENT_CLOCK_DAY_MS - (c->level > 1 ? AGENT_CLOCK_HYSTERESIS_MS : 0))
		c->level = 2;
	else
		c->level = 1;
}

void agent_clock_welcome(struct agent_clock *c, int64_t relay_wall_ms, uint64_t now_ms)
{
	c->relay = moment(relay_wall_ms, now_ms);
}

bool agent_clock_hear(struct agent_clock *c, int64_t relay_wall_ms, uint64_t now_ms)
{
	if (c->relay.is_known && relay_wall_ms < flowed(&c->relay, now_ms) - AGENT_CLOCK_STALE_MS)
		return false;
	c->relay = moment(relay_wall_ms, now_ms);
	return true;
}

int64_t agent_clock_time(const struct agent_clock *c, int64_t wall_ms, uint64_t now_ms)
{
	int64_t relay = flowed(&c->relay, now_ms), entry = flowed(&c->entry, now_ms);
	int64_t ret = wall_ms;

	if (judge(c, wall_ms, now_ms).why == AGENT_CLOCK_BELIEVED)
		return wall_ms;
	if (!c->relay.is_known)
		return entry; /* without either, every clock is believed */
	if (relay < ret)
		ret = relay;
	return c->entry.is_known && ret < entry ? entry : ret;
}

void agent_clock_on_entry(struct agent_clock *c, int64_t entry_wall_ms, uint64_t now_ms)
{
	c->entry = moment(entry_wall_ms, now_ms);
}

void agent_clock_on_committed(struct agent_clock *c)
{
	c->durable_entry = c->entry;
}

void agent_clock_on_rolled_back(struct agent_clock *c)
{
	c->entry = c->durable_entry;
}

const char *agent_clock_why_name(enum agent_clock_why why)
{
	switch (why) {
	case AGENT_CLOCK_BELIEVED:
		return "believed";
	case AGENT_CLOCK_OFF_RELAY:
		return "off_relay";
	case AGENT_CLOCK_BEFORE_ENTRY:
		return "before_last_entry";
	case AGENT_CLOCK_AFTER_ENTRY:
		return "after_last_entry";
	}
	return "unknown";
}
