/* trib-store: the agent on a shop's own box. */
#include <ev.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>

#include "daemon_args.h"
#include "enroll_client.h"
#include "identity.h"
#include "log.h"
#include "service.h"
#include "settings.h"
#include "store.h"

static const char usage[] =
	"usage: trib-store --config FILE\n"
	"       trib-store enroll --config FILE --code CODE --relay ENDPOINT --relay-key KEY\n"
	"       trib-store config check --config FILE\n"
	"       trib-store config sample\n"
	"       trib-store --help | --version\n"
	"\n"
	"Keeps a shop's journal of stored-value cards, serves its tills over HTTP and sends the\n"
	"journal to the region's relay.\n"
	"\n"
	"  --config FILE      configuration; 'config sample' prints one with every key explained\n"
	"  --code CODE        enrolment code, from 'tribctl store enroll'\n"
	"  --relay ENDPOINT   the relay's enrolment endpoint, [tcp://]HOST:PORT\n"
	"  --relay-key KEY    the relay's public CURVE key in Z85\n"
	"\n"
	"Exit status: 0 well, 1 failed, 2 wrong usage or configuration.\n";

static const struct daemon_cli cli = { "trib-store", usage, "relay" };

static int serve(const struct settings *settings)
{
	static struct store store; /* large, and must not move */
	char err[STORE_ERROR_BYTES];
	struct ev_loop *loop = ev_default_loop(0);

	signal(SIGPIPE, SIG_IGN);
	if (store_open(&store, loop, settings, err) < 0) {
		struct log_value v;

		log_event(LOG_LEVEL_CRITICAL, "not_started", "why=%s", log_quote(&v, err));
		fprintf(stderr, "trib-store: %s\n", err);
		return 1;
	}
	service_notify("READY=1");
	ev_run(loop, 0);
	service_notify("STOPPING=1");
	store_close(&store);
	log_event(LOG_LEVEL_NOTICE, "stopped", NULL);
	return 0;
}

static bool is_enrolled(const char *dir)
{
	return identity_exists(dir);
}

static int enroll(const struct settings *settings, const struct daemon_args *a)
{
	const struct enroll_client options = { .data_dir = settings->data_dir,
					       .code = a->code,
					       .above = cli.above,
					       .endpoint = a->above,
					       .key = a->above_key,
					       .is_store = true,
					       .is_enrolled = is_enrolled,
					       .write = identity_write };
	char err[ENROLL_CLIENT_ERROR_BYTES];

	if (a->code == NULL || a->above == NULL || a->above_key == NULL)
		return daemon_args_refuse(&cli, "enroll needs --code, --relay and --relay-key");
	if (enroll_client_run(&options, err) < 0) {
		fprintf(stderr, "trib-store: %s\n", err);
		return 1;
	}
	printf("enrolled; now run: trib-store --config %s\n", a->config);
	return 0;
}

static int run(const struct daemon_args *a, const struct settings *settings)
{
	if (daemon_args_are(a, "config", "check")) {
		puts("ok");
		return 0;
	}
	return daemon_args_are(a, "enroll", NULL) ? enroll(settings, a) : serve(settings);
}

int main(int argc, char **argv)
{
	struct daemon_args a = { 0 };
	char err[CONFIG_ERROR_BYTES];
	struct settings settings;
	int status = daemon_args_parse(argc, argv, &cli, &a);

	if (status >= 0)
		return status;
	if (daemon_args_are(&a, "config", "sample")) {
		settings_print_help(stdout);
		return 0;
	}
	if (a.config == NULL ||
	    !(daemon_args_are(&a, NULL, NULL) || daemon_args_are(&a, "enroll", NULL) ||
	      daemon_args_are(&a, "config", "check")))
		return daemon_args_refuse(&cli, a.config == NULL ? "--config FILE is missing" :
								   "no such command");
	umask(077);
	if (sodium_init() < 0) {
		fputs("trib-store: libsodium cannot start\n", stderr);
		return 1;
	}
	if (settings_read(a.config, &settings, err) < 0) {
		fprintf(stderr, "trib-store: %s\n", err);
		return 2;
	}
	status = run(&a, &settings);
	settings_finish(&settings);
	return status;
}
