/* The room on the data directory's file system: told to the core about once a second, and the
 * ballast file DATA/ballast, which the core has made and given up (agent_disk.h). */
#ifndef TRIB_STORE_DISK_H
#define TRIB_STORE_DISK_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent_disk.h"

#define BALLAST_FILE "ballast"

struct store;

struct disk {
	ev_timer poll;
	enum agent_ballast ballast;
	bool is_full; /* a write found no room: to be told with the next poll */
	bool is_told_full; /* logged since there was room */
	bool is_stat_failing;
};

/* Look for the ballast that a reserve of that size has; one of another size is removed. */
void disk_init(struct store *s, uint64_t reserve_bytes);

/* Tell the core for the first time, then again every second. */
void disk_start(struct store *s);
void disk_stop(struct store *s);

/* A write found the disk full: the core is told before the loop sleeps. */
void disk_saw_full(struct store *s, const char *doing);

/* Effects of the core. */
void disk_make_ballast(struct store *s, uint64_t bytes);
void disk_give_up_ballast(struct store *s);
void disk_tell(struct store *s); /* log the core's new level */

#endif
