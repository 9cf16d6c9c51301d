/* Whom a region's relay serves, as HQ signs it. */
#ifndef TRIB_HQ_ROSTER_H
#define TRIB_HQ_ROSTER_H

#include "arena.h"
#include "hqd.h"

/* The signed Roster of a region as of hqd.roster_version, in the arena: certificates of the active
 * incarnations, CURVE keys of the closed ones. ERR_FULL. */
int MUST_CHECK roster_build(struct hqd *h, int32_t region, struct arena *a, Trib__V1__Signed **ret);

#endif
