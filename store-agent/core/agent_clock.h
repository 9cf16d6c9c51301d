/* Whether the box's clock can be believed, and what time it is where it cannot.
 *
 *   known in this process            believed                                  else
 *   a relay's clock (Welcome,        within 5 min of it plus our monotonic     level 1; by more
 *   heartbeats after it)             time, and not before the last entry       than 12 h: level 2
 *                                    - 5 min
 *   no relay's, the last entry       from the last entry - 5 min to 7 days     the same, counted
 *                                    after it plus our monotonic time          from what is believed
 *   neither                          all
 *
 * Level 1 keeps spends back; from 12 h on even the business day would be wrong: level 2 keeps back
 * all but cancels and the day's close.
 *
 * Invariants
 *   K1  a clock that is not believed dates no entry: what is written meanwhile is dated by
 *       agent_clock_time(), the last entry's time plus what passed since by our monotonic clock;
 *       later only where the relay's clock and the box's are both later, and then the earlier one
 *   K2  so the last entry's time is one that was believed, after a restart too, and no entry makes a
 *       wrong clock credible
 *   K3  the last entry's time yields where a relay's clock is behind it: two clocks against a label
 *   K4  between the levels lie 10 s, so that a clock on the border does not go to and fro */
#ifndef TRIB_AGENT_CLOCK_H
#define TRIB_AGENT_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define AGENT_CLOCK_TOLERANCE_MS (INT64_C(5) * 60 * 1000)
#define AGENT_CLOCK_OFFLINE_MS (INT64_C(7) * 24 * 3600 * 1000)
#define AGENT_CLOCK_DAY_MS (INT64_C(12) * 3600 * 1000) /* beyond: the business day is wrong */
#define AGENT_CLOCK_HYSTERESIS_MS (INT64_C(10) * 1000)
#define AGENT_CLOCK_STALE_MS (INT64_C(60) * 1000)

enum agent_clock_why {
	AGENT_CLOCK_BELIEVED,
	AGENT_CLOCK_OFF_RELAY, /* too far from the relay's */
	AGENT_CLOCK_BEFORE_ENTRY, /* the last entry is later */
	AGENT_CLOCK_AFTER_ENTRY, /* the last entry is long ago, and no relay confirms it */
};

/* A moment that was known, by the wall and by our monotonic clock. */
struct agent_moment {
	bool is_known;
	int64_t wall_ms;
	uint64_t at_ms;
};

struct agent_clock {
	struct agent_moment entry; /* the last entry, or that of the start */
	struct agent_moment durable_entry; /* committed */
	struct agent_moment relay; /* its clock when last heard */
	unsigned level; /* 0: believed */
	enum agent_clock_why why;
	int64_t off_ms; /* how far beyond what is believed; 0 at level 0 */
	unsigned told_level;
};

/* At the start: the last entry's wall time, or has_entry false for an empty journal. */
void agent_clock_init(struct agent_clock *c, bool has_entry, int64_t entry_wall_ms,
		      uint64_t now_ms);

/* Set level, why and off_ms for this reading of the wall clock. */
void agent_clock_judge(struct agent_clock *c, int64_t wall_ms, uint64_t now_ms);

/* The relay named its clock: with its Welcome, or later on the same link. False, and nothing is
 * taken: it is more than AGENT_CLOCK_STALE_MS behind what this link's words said before. Either it
 * lay somewhere for long, or the relay's clock was set back; a new Welcome tells. */
void agent_clock_welcome(struct agent_clock *c, int64_t relay_wall_ms, uint64_t now_ms);
bool agent_clock_hear(struct agent_clock *c, int64_t relay_wall_ms, uint64_t now_ms);

/* wall_ms where it is believed, else the latest time that is sure to be past (K1). */
int64_t agent_clock_time(const struct agent_clock *c, int64_t wall_ms, uint64_t now_ms);

/* An entry was decided that is dated so; its turn committed, or rolled back. */
void agent_clock_on_entry(struct agent_clock *c, int64_t entry_wall_ms, uint64_t now_ms);
void agent_clock_on_committed(struct agent_clock *c);
void agent_clock_on_rolled_back(struct agent_clock *c);

/* "off_relay", "before_last_entry", "after_last_entry" or "believed"; static. */
const char *agent_clock_why_name(enum agent_clock_why why);

#endif
