/* trib-replay: a file of operations, done at the tills of a running chain. */
#include <errno.h>
#include <ev.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "rows.h"
#include "run.h"
#include "shops.h"

#define CONNECTIONS_MAX 1024

enum {
	EXIT_USAGE = 2,
};

struct options {
	const char *dir;
	const char *input;
	const char *accounts; /* or NULL */
	uint32_t n_rows;
	struct run_options run;
};

static void usage(FILE *to)
{
	fputs("usage: trib-replay --dir DIR --input FILE [--rows N] [--connections N]\n"
	      "                   [--patience SECONDS] [--rate PER-SECOND] [--accounts FILE]\n"
	      "\n"
	      "Do the operations of FILE (CSV, plain or gzip; - is standard input) at the tills of\n"
	      "the chain in DIR. A card's operations keep their order; cards go side by side.\n"
	      "\n"
	      "Columns: " ROW_COLUMNS "\n"
	      "  at        a date, or a time such as 2026-01-31T12:00:00+08:00\n"
	      "  kind      topup, spend or refund\n"
	      "  amount    in fen, a whole number above 0\n"
	      "  of_order  of a refund: the sale's order_no; else empty\n"
	      "\n"
	      "  --rows N           only the first N rows\n"
	      "  --connections N    calls in flight over all stores, 1 to 1024 (default 32)\n"
	      "  --patience SECONDS how long a call without an answer is repeated (default 60)\n"
	      "  --rate PER-SECOND  start no more operations a second\n"
	      "  --accounts FILE    write each card's balance as the tills were last told, as CSV\n"
	      "\n"
	      "A JSON summary goes to standard output. The status is 1 when an operation got no\n"
	      "answer; refusals are answers.\n",
	      to);
}

static int parse_number(const char *text, double min, double max, double *ret_value)
{
	char *end;
	double value;

	errno = 0;
	value = strtod(text, &end);
	if (end == text || *end != '\0' || errno != 0 || !(value >= min && value <= max))
		return -1;
	*ret_value = value;
	return 0;
}

static int parse_option(struct options *o, int opt)
{
	double value;

	switch (opt) {
	case 'd':
		o->dir = optarg;
		return 0;
	case 'i':
		o->input = optarg;
		return 0;
	case 'a':
		o->accounts = optarg;
		return 0;
	case 'n':
		if (parse_number(optarg, 0, UINT32_MAX - 1, &value) < 0)
			return -1;
		o->n_rows = (uint32_t)value;
		return 0;
	case 'c':
		if (parse_number(optarg, 1, CONNECTIONS_MAX, &value) < 0)
			return -1;
		o->run.n_connections = (unsigned int)value;
		return 0;
	case 'p':
		return parse_number(optarg, 0, 86400, &o->run.patience_s);
	case 'r':
		return parse_number(optarg, 0, 1e9, &o->run.rate);
	default:
		return -1;
	}
}

static int parse_options(int argc, char **argv, struct options *ret_options)
{
	static const struct option known[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "input", required_argument, NULL, 'i' },
		{ "rows", required_argument, NULL, 'n' },
		{ "connections", required_argument, NULL, 'c' },
		{ "patience", required_argument, NULL, 'p' },
		{ "rate", required_argument, NULL, 'r' },
		{ "accounts", required_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct options o = {
		.n_rows = UINT32_MAX - 1,
		.run = { .n_connections = 32, .patience_s = 60 },
	};
	int opt, which = 0;

	while ((opt = getopt_long(argc, argv, "h", known, &which)) != -1) {
		if (opt == 'h') {
			usage(stdout);
			exit(EXIT_SUCCESS);
		}
		if (parse_option(&o, opt) < 0) {
			if (opt != '?')
				fprintf(stderr, "trib-replay: --%s: bad value %s\n",
					known[which].name, optarg);
			return -1;
		}
	}
	if (optind != argc || o.dir == NULL || o.input == NULL) {
		fputs("trib-replay: expected --dir DIR and --input FILE\n", stderr);
		return -1;
	}
	*ret_options = o;
	return 0;
}

static void on_signal(struct ev_loop *loop, ev_signal *w, int events)
{
	(void)w;
	(void)events;
	ev_break(loop, EVBREAK_ALL);
}

static int write_accounts(const struct run *run, const char *path)
{
	FILE *f = fopen(path, "we");
	int r = f == NULL ? -1 : run_write_accounts(run, f);

	if (f != NULL && fclose(f) != 0)
		r = -1;
	if (r < 0)
		fprintf(stderr, "trib-replay: cannot write %s: %s\n", path, strerror(errno));
	return r;
}

/* Returns the exit status. */
static int replay(struct ev_loop *loop, const struct options *o, const struct rows *rows,
		  struct shops *shops)
{
	struct report report;
	struct run *run = NULL;
	int status = EXIT_FAILURE;

	ev_now_update(loop);
	if (report_init(&report, rows->n_rows, ev_now(loop)) < 0)
		goto out;
	run = run_create(loop, &o->run, rows, shops, &report);
	if (run == NULL)
		goto out;
	run_start(run);
	if (rows->n_rows > 0)
		ev_run(loop, 0);
	if (report_print(&report, ev_now(loop)) < 0)
		goto out;
	if (o->accounts != NULL && write_accounts(run, o->accounts) < 0)
		goto out;
	if (report.n_done == report.n_total && report.n_unanswered == 0)
		status = EXIT_SUCCESS;
	else
		fputs("trib-replay: not every operation got an answer\n", stderr);
out:
	run_destroy(run);
	report_finish(&report);
	return status;
}

int main(int argc, char **argv)
{
	struct ev_loop *loop = ev_default_loop(0);
	struct shops shops = { 0 };
	struct rows rows = { 0 };
	struct options o;
	ev_signal term, intr;
	int status = EXIT_FAILURE;

	if (parse_options(argc, argv, &o) < 0) {
		fputs("Try 'trib-replay --help'.\n", stderr);
		return EXIT_USAGE;
	}
	if (loop == NULL)
		return EXIT_FAILURE;
	ev_signal_init(&term, on_signal, SIGTERM);
	ev_signal_init(&intr, on_signal, SIGINT);
	ev_signal_start(loop, &term);
	ev_signal_start(loop, &intr);
	if (shops_load(&shops, o.dir) == 0 && rows_load(&rows, o.input, o.n_rows, &shops) == 0)
		status = replay(loop, &o, &rows, &shops);
	rows_finish(&rows);
	shops_finish(&shops);
	return status;
}
