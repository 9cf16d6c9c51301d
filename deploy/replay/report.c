#include "report.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BAR_CELLS 40
#define TERMINAL_EVERY_S 0.1

int report_init(struct report *r, uint32_t n_total, double now)
{
	*r = (struct report){ .n_total = n_total, .started = now };
	r->is_terminal = isatty(STDERR_FILENO);
	r->latency_us = malloc(sizeof(*r->latency_us) * (n_total + (size_t)1));
	return r->latency_us == NULL ? -1 : 0;
}

void report_finish(struct report *r)
{
	free(r->latency_us);
	r->latency_us = NULL;
}

void report_success(struct report *r, const struct row *row)
{
	r->by_kind[row->kind].n++;
	r->by_kind[row->kind].sum += row->amount;
	r->n_done++;
}

void report_refusal(struct report *r, const char *code)
{
	unsigned int i = 0;

	r->n_refused++;
	r->n_done++;
	while (i < r->n_codes && strncmp(r->refused[i].code, code, CODE_BYTES - 1) != 0)
		i++;
	if (i == REFUSAL_CODES)
		i--; /* the codes are far fewer; never run past the table */
	if (i == r->n_codes) {
		snprintf(r->refused[i].code, CODE_BYTES, "%s", code);
		r->n_codes++;
	}
	r->refused[i].n++;
}

void report_latency(struct report *r, double seconds)
{
	double us = seconds * 1e6;

	if (r->n_latencies < r->n_total)
		r->latency_us[r->n_latencies++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

void report_progress(struct report *r, double now)
{
	unsigned int percent =
		r->n_total == 0 ? 100 : (unsigned int)((uint64_t)r->n_done * 100 / r->n_total);
	double seconds = now - r->started;
	double rate = seconds > 0 ? r->n_done / seconds : 0;
	bool is_last = r->n_done == r->n_total && r->percent_shown < 100;
	char bar[BAR_CELLS + 1];

	if (!r->is_terminal) {
		if (percent / 10 > r->percent_shown / 10)
			fprintf(stderr, "%3u %%  %u/%u  %.0f/s\n", percent, r->n_done, r->n_total,
				rate);
		r->percent_shown = percent;
		return;
	}
	if (!is_last && now - r->shown < TERMINAL_EVERY_S)
		return;
	for (unsigned int i = 0; i < BAR_CELLS; i++)
		bar[i] = i < percent * BAR_CELLS / 100 ? '#' : '.';
	bar[BAR_CELLS] = '\0';
	fprintf(stderr, "\r[%s] %3u %%  %u/%u  %.0f/s\033[K%s", bar, percent, r->n_done, r->n_total,
		rate, is_last ? "\n" : "");
	r->percent_shown = percent;
	r->shown = now;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Nearest-rank percentile of the sorted latencies, in ms to the microsecond. */
static json_t *percentile_ms(const struct report *r, unsigned int percent)
{
	uint64_t rank = ((uint64_t)r->n_latencies * percent + 99) / 100;

	if (r->n_latencies == 0)
		return json_null();
	return json_real(r->latency_us[rank > 0 ? rank - 1 : 0] / 1000.);
}

static json_t *kinds_json(const struct report *r)
{
	json_t *o = json_object();

	for (unsigned int kind = 0; kind < ROW_KINDS; kind++)
		json_object_set_new(o, row_kind_name((enum row_kind)kind),
				    json_pack("{s:I,s:I}", "count", (json_int_t)r->by_kind[kind].n,
					      "sum", (json_int_t)r->by_kind[kind].sum));
	return o;
}

static json_t *refused_json(const struct report *r)
{
	json_t *o = json_object();

	for (unsigned int i = 0; i < r->n_codes; i++)
		json_object_set_new(o, r->refused[i].code,
				    json_integer((json_int_t)r->refused[i].n));
	return o;
}

int report_print(struct report *r, double now)
{
	double seconds = now - r->started;
	uint64_t n = r->n_done - r->n_unanswered;
	json_t *summary;
	int status;

	qsort(r->latency_us, r->n_latencies, sizeof(*r->latency_us), by_value);
	summary = json_pack("{s:I,s:f,s:f,s:o,s:o,s:I,s:I,s:I,s:I,s:{s:o,s:o,s:o,s:o}}",
			    "operations", (json_int_t)n, "seconds", seconds, "operations_per_s",
			    seconds > 0 ? (double)n / seconds : 0., "by_kind", kinds_json(r),
			    "refused", refused_json(r), "cards_issued", (json_int_t)r->n_cards,
			    "retries", (json_int_t)r->n_retries, "replayed",
			    (json_int_t)r->n_replayed, "unanswered",
			    (json_int_t)(r->n_total - r->n_done + r->n_unanswered), "latency_ms",
			    "p50", percentile_ms(r, 50), "p95", percentile_ms(r, 95), "p99",
			    percentile_ms(r, 99), "max", percentile_ms(r, 100));
	if (summary == NULL)
		return -1;
	if (r->is_terminal && r->percent_shown < 100)
		fputc('\n', stderr);
	status = json_dumpf(summary, stdout, JSON_REAL_PRECISION(6) | JSON_COMPACT);
	json_decref(summary);
	if (status == 0 && (fputc('\n', stdout) == EOF || fflush(stdout) != 0))
		status = -1;
	return status;
}
