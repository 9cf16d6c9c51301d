/* Whom a region's relay serves, as HQ signs it. */
#ifndef TRIB_HQ_ROSTER_H
#define TRIB_HQ_ROSTER_H

#include "arena.h"
#include "hqd.h"

#define ROSTER_ARENA_BYTES (8u << 20) /* what the largest one needs while it is built */

/* The signed Roster of a region as of hqd.roster_version, in the arena: certificates of the active
 * incarnations, CURVE keys of the closed ones. ERR_FULL. */
int MUST_CHECK roster_build(struct hqd *h, int32_t region, struct arena *a, Trib__V1__Signed **ret);

/* Whether one more certificate of that many bytes (Signed, packed) leaves the roster of a region
 * small enough for one message. */
bool roster_has_room(const struct hqd *h, int32_t region, size_t certificate_len);

#endif
