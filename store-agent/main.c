/* trib-store: the agent on a shop's own box. */
#include <ev.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config.h"
#include "daemon_args.h"
#include "enroll_client.h"
#include "identity.h"
#include "log.h"
#include "service.h"
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
	"  --config FILE      configuration ([store] data_dir, relay, http_listen)\n"
	"  --code CODE        enrolment code, from 'tribctl store enroll'\n"
	"  --relay ENDPOINT   the relay's enrolment endpoint, [tcp://]HOST:PORT\n"
	"  --relay-key KEY    the relay's public CURVE key in Z85\n"
	"\n"
	"Exit status: 0 well, 1 failed, 2 wrong usage or configuration.\n";

static const struct config_key config_keys[] = {
	{ "store", "data_dir", CONFIG_PATH, NULL, true, 0, 0, "where keys and journal are kept" },
	{ "store", "relay", CONFIG_ENDPOINT, NULL, false, 0, 0,
	  "the relay, where it is not the one told at enrolment" },
	{ "store", "http_listen", CONFIG_ENDPOINT, "127.0.0.1:7311", false, 0, 0,
	  "where the tills call, on this box; port 0: see endpoints.json in data_dir" },
};
#define N_CONFIG_KEYS (sizeof(config_keys) / sizeof(config_keys[0]))

static const struct daemon_cli cli = { "trib-store", usage, "relay" };

/* The endpoint in the form that the link takes. */
static const char *relay_endpoint(const struct config *c, char storage[300])
{
	struct endpoint e;

	if (!config_has(c, "store", "relay"))
		return NULL;
	config_endpoint(c, "store", "relay", &e);
	snprintf(storage, 300, "tcp://%s:%u", e.host, (unsigned)e.port);
	return storage;
}

/* Tokens and card numbers travel in the clear: only within the box. */
static int is_loopback(const struct config *c)
{
	struct endpoint e;

	config_endpoint(c, "store", "http_listen", &e);
	if (strncmp(e.host, "127.", 4) == 0 || strcmp(e.host, "::1") == 0)
		return 1;
	fprintf(stderr,
		"trib-store: http_listen must be a loopback address (127.0.0.1 or ::1), not %s: "
		"listening on a network needs TLS, which this version does not offer\n",
		e.host);
	return 0;
}

static int serve(const struct config *c)
{
	static struct store store; /* large, and must not move */
	char err[STORE_ERROR_BYTES], relay[300];
	struct ev_loop *loop = ev_default_loop(0);
	struct store_options options = { .data_dir = config_string(c, "store", "data_dir") };
	struct endpoint listen;

	config_endpoint(c, "store", "http_listen", &listen);
	options.listen_host = listen.host;
	options.listen_port = listen.port;
	options.relay = relay_endpoint(c, relay);
	signal(SIGPIPE, SIG_IGN);
	if (store_open(&store, loop, &options, err) < 0) {
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

static int enroll(const struct config *c, const struct daemon_args *a)
{
	const struct enroll_client options = { .data_dir = config_string(c, "store", "data_dir"),
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

int main(int argc, char **argv)
{
	struct daemon_args a = { 0 };
	char err[CONFIG_ERROR_BYTES];
	struct config *c;
	int status = daemon_args_parse(argc, argv, &cli, &a);

	if (status >= 0)
		return status;
	if (daemon_args_are(&a, "config", "sample")) {
		config_print_help(config_keys, N_CONFIG_KEYS, stdout);
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
	if (config_read(a.config, config_keys, N_CONFIG_KEYS, &c, err) < 0) {
		fprintf(stderr, "trib-store: %s\n", err);
		return 2;
	}
	if (!is_loopback(c))
		status = 2;
	else if (daemon_args_are(&a, "config", "check"))
		puts("ok");
	else
		status = daemon_args_are(&a, "enroll", NULL) ? enroll(c, &a) : serve(c);
	config_destroy(c);
	return status < 0 ? 0 : status;
}
