/* trib-relay: the command line. */
#include <ev.h>
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "enroll_command.h"
#include "log.h"
#include "relayd.h"
#include "service.h"

static const char usage[] =
	"usage: trib-relay --config FILE\n"
	"       trib-relay enroll --config FILE --code CODE --hq tcp://HOST:PORT --hq-key KEY\n"
	"       trib-relay config check --config FILE\n"
	"       trib-relay config sample\n"
	"       trib-relay --help | --version\n"
	"\n"
	"Carries the journals of a region's stores to headquarters and its messages down to them.\n";

struct arguments {
	const char *config, *code, *hq, *hq_key;
	const char *words[2];
	int n_words;
};

/* Returns -1 to go on, else the exit status. */
static int parse(int argc, char **argv, struct arguments *ret)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "code", required_argument, NULL, 'k' },
		{ "hq", required_argument, NULL, 'q' },
		{ "hq-key", required_argument, NULL, 'y' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			ret->config = optarg;
			break;
		case 'k':
			ret->code = optarg;
			break;
		case 'q':
			ret->hq = optarg;
			break;
		case 'y':
			ret->hq_key = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case 'v':
			puts("trib-relay " TRIB_VERSION);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	while (optind < argc) {
		if (ret->n_words == 2) {
			fputs(usage, stderr);
			return 2;
		}
		ret->words[ret->n_words++] = argv[optind++];
	}
	return -1;
}

static bool words_are(const struct arguments *a, const char *first, const char *second)
{
	int n = first == NULL ? 0 : second == NULL ? 1 : 2;

	return a->n_words == n && (n < 1 || strcmp(a->words[0], first) == 0) &&
	       (n < 2 || strcmp(a->words[1], second) == 0);
}

static int serve(struct settings *settings)
{
	struct relayd *d;
	struct ev_loop *loop = ev_default_loop(0);

	log_set_level((enum log_level)settings->log_level);
	signal(SIGPIPE, SIG_IGN);
	if (relayd_create(loop, settings, &d) != 0)
		return 1;
	service_notify("READY=1");
	ev_run(loop, 0);
	service_notify("STOPPING=1");
	relayd_destroy(d);
	log_event(LOG_LEVEL_NOTICE, "stopped", NULL);
	return 0;
}

static int run(const struct arguments *a, struct settings *settings)
{
	if (words_are(a, "config", "check")) {
		puts("ok");
		return 0;
	}
	if (words_are(a, "enroll", NULL)) {
		if (a->code == NULL || a->hq == NULL || a->hq_key == NULL) {
			fputs("trib-relay: enroll needs --code, --hq and --hq-key\n", stderr);
			return 2;
		}
		return enroll_command(settings, a->code, a->hq, a->hq_key);
	}
	return serve(settings);
}

int main(int argc, char **argv)
{
	struct arguments a = { 0 };
	struct settings settings;
	char err[CONFIG_ERROR_BYTES];
	int status = parse(argc, argv, &a);

	if (status >= 0)
		return status;
	if (words_are(&a, "config", "sample")) {
		settings_print_help(stdout);
		return 0;
	}
	if (a.config == NULL || !(words_are(&a, NULL, NULL) || words_are(&a, "enroll", NULL) ||
				  words_are(&a, "config", "check"))) {
		fputs(usage, stderr);
		return 2;
	}
	umask(077);
	if (sodium_init() < 0) {
		fputs("trib-relay: libsodium cannot start\n", stderr);
		return 1;
	}
	if (settings_read(a.config, &settings, err) != 0) {
		fprintf(stderr, "trib-relay: %s\n", err);
		return 2;
	}
	status = run(&a, &settings);
	settings_finish(&settings);
	return status;
}
