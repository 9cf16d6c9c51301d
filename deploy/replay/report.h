/* What a replay did: counted as it goes, shown as progress on stderr, printed as JSON at the end. */
#ifndef TRIB_REPLAY_REPORT_H
#define TRIB_REPLAY_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "rows.h"

#define REFUSAL_CODES 64
#define CODE_BYTES 32

struct refusals {
	char code[CODE_BYTES];
	uint64_t n;
};

struct report {
	double started, ended; /* seconds of the loop's clock */
	uint32_t n_total; /* operations to do */
	uint32_t n_done; /* answered for good, or given up */
	struct {
		uint64_t n;
		int64_t sum;
	} by_kind[ROW_KINDS]; /* successes */
	struct refusals refused[REFUSAL_CODES];
	unsigned int n_codes;
	uint64_t n_refused;
	uint64_t n_unanswered; /* given up */
	uint64_t n_cards; /* issued */
	uint64_t n_retries;
	uint64_t n_replayed;
	uint32_t *latency_us; /* owned; of answers to operations */
	uint32_t n_latencies;
	bool is_terminal;
	unsigned int percent_shown;
	double shown; /* when */
};

int report_init(struct report *r, uint32_t n_total, double now) __attribute__((warn_unused_result));
void report_finish(struct report *r);

void report_success(struct report *r, const struct row *row);
void report_refusal(struct report *r, const char *code);
void report_latency(struct report *r, double seconds);

/* Show how far it is, if it is worth it: in place on a terminal, else a line each tenth. */
void report_progress(struct report *r, double now);

/* Print the summary as one line of JSON on standard output. 0, or -1. */
int report_print(struct report *r, double now) __attribute__((warn_unused_result));

#endif
