#include "alarms.h"

#include <string.h>

#include "log.h"

#define LOG_AGAIN_MS 60000

static struct alarm *find(struct alarms *a, enum relay_alarm kind, int32_t node,
			  uint32_t incarnation)
{
	for (size_t i = 0; i < ALARMS_MAX; i++) {
		struct alarm *x = &a->list[i];

		if (x->is_used && x->kind == kind && x->node == node &&
		    x->incarnation == incarnation)
			return x;
	}
	return NULL;
}

static struct alarm *find_room(struct alarms *a)
{
	struct alarm *oldest = &a->list[0];

	for (size_t i = 0; i < ALARMS_MAX; i++) {
		if (!a->list[i].is_used)
			return &a->list[i];
		if (a->list[i].last_ms < oldest->last_ms)
			oldest = &a->list[i];
	}
	return oldest;
}

void alarm_raise(struct alarms *a, enum relay_alarm kind, int32_t node, uint32_t incarnation,
		 int64_t wall_ms)
{
	struct alarm *x = find(a, kind, node, incarnation);

	if (x == NULL) {
		x = find_room(a);
		*x = (struct alarm){ .is_used = true,
				     .kind = kind,
				     .node = node,
				     .incarnation = incarnation,
				     .first_ms = wall_ms };
	}
	x->count++;
	x->last_ms = wall_ms;
	if (x->logged_ms != 0 && wall_ms < x->logged_ms + LOG_AGAIN_MS)
		return;
	x->logged_ms = wall_ms;
	log_event(LOG_LEVEL_WARNING, "alarm", "kind=%s peer=%d.%u count=%llu",
		  relay_alarm_name(kind), node, incarnation, (unsigned long long)x->count);
}

void alarm_calm(struct alarms *a, enum relay_alarm kind, int32_t node, uint32_t incarnation)
{
	struct alarm *x = find(a, kind, node, incarnation);

	if (x == NULL)
		return;
	x->is_used = false;
	log_event(LOG_LEVEL_NOTICE, "alarm_over", "kind=%s peer=%d.%u", relay_alarm_name(kind),
		  node, incarnation);
}
