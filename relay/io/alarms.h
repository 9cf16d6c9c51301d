/* What is wrong now, for the log and for the health page. Bounded: the oldest make room. */
#ifndef TRIB_RELAY_ALARMS_H
#define TRIB_RELAY_ALARMS_H

#include <stdbool.h>
#include <stdint.h>

#include "relay.h"

#define ALARMS_MAX 256u

struct alarm {
	bool is_used;
	enum relay_alarm kind;
	int32_t node; /* 0: of none */
	uint32_t incarnation;
	uint64_t count;
	int64_t first_ms, last_ms; /* wall time */
	int64_t logged_ms;
};

struct alarms {
	struct alarm list[ALARMS_MAX];
};

/* Raise, or count once more; logs the first and then at most one a minute. */
void alarm_raise(struct alarms *a, enum relay_alarm kind, int32_t node, uint32_t incarnation,
		 int64_t wall_ms);

/* It is over. */
void alarm_calm(struct alarms *a, enum relay_alarm kind, int32_t node, uint32_t incarnation);

#endif
