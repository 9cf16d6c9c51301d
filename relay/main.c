/* trib-relay: the command line. */
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon_args.h"
#include "enroll_client.h"
#include "identity.h"
#include "log.h"
#include "relayd.h"
#include "service.h"

static const char usage[] =
	"usage: trib-relay --config FILE\n"
	"       trib-relay enroll --config FILE --code CODE --hq ENDPOINT --hq-key KEY\n"
	"       trib-relay config check --config FILE\n"
	"       trib-relay config sample\n"
	"       trib-relay --help | --version\n"
	"\n"
	"Carries the journals of a region's stores to headquarters and its messages down to them.\n"
	"\n"
	"  --config FILE      configuration; 'config sample' prints one with every key explained\n"
	"  --code CODE        enrolment code, from 'tribctl region enroll'\n"
	"  --hq ENDPOINT      HQ's enrolment endpoint, [tcp://]HOST:PORT\n"
	"  --hq-key KEY       HQ's public CURVE key in Z85\n"
	"\n"
	"Exit status: 0 well, 1 failed, 2 wrong usage or configuration.\n";

static const struct daemon_cli cli = { "trib-relay", usage, "hq" };

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

static int enroll(const struct daemon_args *a, const struct settings *settings)
{
	const struct enroll_client options = { .data_dir = settings->data_dir,
					       .code = a->code,
					       .above = cli.above,
					       .endpoint = a->above,
					       .key = a->above_key,
					       .is_store = false,
					       .is_enrolled = identity_exists,
					       .write = identity_store };
	char err[ENROLL_CLIENT_ERROR_BYTES];

	if (a->code == NULL || a->above == NULL || a->above_key == NULL)
		return daemon_args_refuse(&cli, "enroll needs --code, --hq and --hq-key");
	if (enroll_client_run(&options, err) < 0) {
		fprintf(stderr, "trib-relay: %s\n", err);
		return 1;
	}
	printf("enrolled; now run: trib-relay --config %s\n", a->config);
	return 0;
}

static int run(const struct daemon_args *a, struct settings *settings)
{
	if (daemon_args_are(a, "config", "check")) {
		puts("ok");
		return 0;
	}
	if (mkdir(settings->data_dir, 0700) < 0 && errno != EEXIST) {
		fprintf(stderr, "trib-relay: %s: %s\n", settings->data_dir, strerror(errno));
		return 1;
	}
	return daemon_args_are(a, "enroll", NULL) ? enroll(a, settings) : serve(settings);
}

int main(int argc, char **argv)
{
	struct daemon_args a = { 0 };
	struct settings settings;
	char err[CONFIG_ERROR_BYTES];
	int status = daemon_args_parse(argc, argv, &cli, &a);

	if (status >= 0)
		return status;
	if (daemon_args_are(&a, "config", "sample")) {
		settings_print_help(stdout);
		return 0;
	}
	if (a.config == NULL ||
	    !(daemon_args_are(&a, NULL, NULL) || daemon_args_are(&a, "enroll", NULL) ||
	      daemon_args_are(&a, "config", "check"))) {
		return daemon_args_refuse(&cli, a.config == NULL ? "--config FILE is missing" :
								   "no such command");
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
