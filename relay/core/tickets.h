/* Enrolments under way through the relay: whose answer goes where, and how many a second.
 *
 * Nothing of them is kept: a box that gets no answer asks again. */
#ifndef TRIB_RELAY_TICKETS_H
#define TRIB_RELAY_TICKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

#define TICKETS_MAX 64u
#define TICKET_LIFE_MS 30000u
#define TICKET_ROUTE_BYTES 32u
#define ENROLL_PER_SECOND 20u

struct ticket {
	uint64_t no; /* 0: free */
	uint64_t until_ms;
	uint8_t route[TICKET_ROUTE_BYTES]; /* the caller's, opaque */
};

struct tickets {
	uint64_t last_no;
	uint64_t second_ms; /* when the running second began */
	unsigned taken; /* requests in it */
	struct ticket list[TICKETS_MAX];
};

/* first_no makes tickets of one life of the relay differ from those of another. */
void tickets_init(struct tickets *t, uint64_t first_no);

/* A ticket for one request. ERR_AGAIN: over ENROLL_PER_SECOND. ERR_FULL: too many under way. */
int MUST_CHECK tickets_open(struct tickets *t, uint64_t now_ms,
			    const uint8_t route[TICKET_ROUTE_BYTES], uint64_t *ret_no);

/* The ticket's answer has come; it is void afterwards. ERR_NOT_FOUND: unknown or expired. */
int MUST_CHECK tickets_close(struct tickets *t, uint64_t now_ms, uint64_t no,
			     uint8_t ret_route[TICKET_ROUTE_BYTES]);

#endif
