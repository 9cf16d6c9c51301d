/* Checking the journal against itself, in small steps between the turns of the loop:
 *
 *   chain   every head is the hash of the head before it and the entry; the first is the
 *           certificate's
 *   folds   slices, points owed, receipts and order records are what the entries add up to
 *
 * One run at a time; a second request waits for the same answer. */
#ifndef TRIB_STORE_VERIFY_H
#define TRIB_STORE_VERIFY_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent.h"

#define VERIFY_MAX_WAITING 16
#define VERIFY_MAX_DIFFERENCES 100

struct http_request;
struct store;
struct journal_verify;

struct verify {
	struct journal_verify *run; /* owned; NULL: none under way */
	ev_timer timer;
	size_t n_waiting;
	struct http_request *waiting[VERIFY_MAX_WAITING];
};

void verify_init(struct store *s);

/* Answer the request when a run is done. */
void verify_request(struct store *s, struct http_request *http);
void verify_finish(struct store *s);

#endif
