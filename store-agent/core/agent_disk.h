/* How much room the disk has, and what is kept back as it gets less. R is the configured reserve;
 * F is what is free on the file system beside the ballast, a file of R/8 that holds room for the end.
 *
 *   F                        R = 64 MiB   what happens
 *   above 5/4 R              80 MiB       a ballast is made where there is none
 *   below R                  64 MiB       level 1: no spends; ends at 9/8 R
 *   below R/2                32 MiB       level 2: no top-ups, refunds, new cards; ends at 5/8 R
 *   below R/4                16 MiB       the ballast is given up: F grows by R/8
 *   below R/16, no ballast    4 MiB       level 3: no cancels, no day's close; ends at 3/16 R
 *
 * A commit needs a few pages (of 4 KiB) for each command in the log, which grows to about 1000 pages;
 * then they go to the database, and what is new there needs room a second time. So at level 3 there
 * is still room for the whole log to go over. Down messages and acks are written at every level.
 *
 * Invariants
 *   V1  giving up the ballast ends no level: R/4 + R/8 is below R/2
 *   V2  making it begins none: 5/4 R - R/8 is 9/8 R
 *   V3  level 3 does not come while there is a ballast, however sudden the disk got full
 *   V4  a level that began ends R/8 higher, so that it does not go to and fro
 *   V5  a write that found no room, whatever the file system tells of it (quotas, another process's
 *       files): the ballast is given up and level 2 stands until a ballast could be made again,
 *       twice its size at first, or cannot be made for another reason than room
 *   V6  few free inodes: level 1 below 64, level 2 below 16. The files in use need none; the next
 *       start does. */
#ifndef TRIB_AGENT_DISK_H
#define TRIB_AGENT_DISK_H

#include <stdbool.h>
#include <stdint.h>

#define AGENT_DISK_RETRY_MS 2000u /* between attempts to make a ballast */
#define AGENT_DISK_UNKNOWN UINT64_MAX

enum agent_ballast {
	AGENT_BALLAST_NONE,
	AGENT_BALLAST_KEPT,
	AGENT_BALLAST_IMPOSSIBLE, /* the file system takes no such file */
};

enum agent_disk_wish {
	AGENT_DISK_NOTHING,
	AGENT_DISK_MAKE_BALLAST,
	AGENT_DISK_GIVE_UP_BALLAST,
};

struct agent_disk_facts {
	uint64_t free_bytes, free_inodes; /* for this process; or AGENT_DISK_UNKNOWN */
	enum agent_ballast ballast; /* as these bytes were counted */
	bool is_full; /* a write found no room since the last facts */
};

struct agent_disk {
	uint64_t reserve_bytes; /* 0: not watched */
	unsigned level; /* 0: enough room */
	uint64_t free_bytes;
	bool is_full; /* V5 */
	uint64_t retry_ms; /* no ballast is made before */
	unsigned told_level;
};

void agent_disk_init(struct agent_disk *d, uint64_t reserve_bytes);

/* Judge the facts; what is to be done about the ballast. */
enum agent_disk_wish agent_disk_judge(struct agent_disk *d, const struct agent_disk_facts *f,
				      uint64_t now_ms);

/* Size of the ballast for that reserve. */
uint64_t agent_ballast_bytes(uint64_t reserve_bytes);

#endif
