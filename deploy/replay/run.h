/* The replay itself: which card's next operation is sent when, and what its answer means. */
#ifndef TRIB_REPLAY_RUN_H
#define TRIB_REPLAY_RUN_H

#include <ev.h>
#include <stdio.h>

#include "report.h"
#include "rows.h"
#include "shops.h"

struct run_options {
	unsigned int n_connections; /* calls in flight over all shops */
	double patience_s; /* how long one operation, or a silent shop, is tried again */
	double rate; /* operations started per second at most; 0: as fast as it goes */
};

struct run;

/* Borrows all; NULL without memory. */
struct run *run_create(struct ev_loop *loop, const struct run_options *o, const struct rows *rows,
		       struct shops *shops, struct report *report);

/* Start. Breaks the loop when every operation has its answer or was given up. */
void run_start(struct run *r);

/* Write `card_no,principal,bonus,points` of each card as the tills were last told. 0, or -1. */
int run_write_accounts(const struct run *r, FILE *to) __attribute__((warn_unused_result));

void run_destroy(struct run *r);

#endif
