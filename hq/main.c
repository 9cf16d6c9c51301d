/* trib-hq: the books of a chain. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "config.h"
#include "daemon_args.h"
#include "encode.h"
#include "file.h"
#include "hqd.h"
#include "log.h"
#include "service.h"

#define STOP_LIMIT_S 10.

static const struct config_key keys[] = {
	{ "hq", "data_dir", CONFIG_PATH, NULL, true, 0, 0,
	  "folder of HQ's keys and admin token; mode 0700, keep a backup" },
	{ "hq", "postgres", CONFIG_STRING, NULL, true, 0, 0,
	  "libpq connection string of the books, e.g. host=/run/postgresql dbname=tributary" },
	{ "hq", "listen", CONFIG_ENDPOINT, "tcp://*:7401", false, 0, 0, "where relays connect" },
	{ "hq", "enroll_listen", CONFIG_ENDPOINT, "tcp://*:7402", false, 0, 0,
	  "where a relay enrols" },
	{ "hq", "http_listen", CONFIG_ENDPOINT, "127.0.0.1:7403", false, 0, 0,
	  "admin API, for tribctl" },
	{ "hq", "advertise", CONFIG_ENDPOINT, NULL, false, 0, 0,
	  "what relays are told to connect to; default: what listen was bound to" },
	{ "hq", "advertise_enroll", CONFIG_ENDPOINT, NULL, false, 0, 0,
	  "what region enroll shows; default: what enroll_listen was bound to" },
	{ "hq", "chain_name", CONFIG_STRING, "tributary", false, 0, 0, "shown to people" },
};
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

static struct hqd hq;

static const char usage[] =
	"usage: trib-hq --config FILE\n"
	"       trib-hq books-check --config FILE\n"
	"       trib-hq config check --config FILE\n"
	"       trib-hq config sample\n"
	"       trib-hq --help | --version\n"
	"\n"
	"Keeps the books of a chain in PostgreSQL: books the stores' journals, enrols relays and\n"
	"stores, sends rules down, and answers tribctl.\n"
	"\n"
	"  --config FILE   configuration; 'config sample' prints one with every key explained\n"
	"  books-check     prove the books from the journals' bytes once, and print JSON\n"
	"\n"
	"Exit status: 0 well, 1 failed, 2 wrong usage or configuration; books-check: 5 when a\n"
	"difference was found.\n";

static const struct daemon_cli cli = { "trib-hq", usage, NULL };

static int read_config(const char *path, struct config **ret)
{
	char err[CONFIG_ERROR_BYTES];

	if (config_read(path, keys, N_KEYS, ret, err) < 0) {
		fprintf(stderr, "trib-hq: %s\n", err);
		return 1;
	}
	return 0;
}

/* ---- start ---- */

static int load_secret(const char *name, uint8_t *ret, size_t len)
{
	char path[512], why[KEYS_WHY_BYTES];
	int r;

	snprintf(path, sizeof(path), "%s/%s", hq.data_dir, name);
	r = secret_file_read(path, ret, len, why);
	if (r == ERR_NOT_FOUND)
		r = secret_file_create(path, ret, len, why);
	if (r < 0)
		fprintf(stderr, "trib-hq: %s\n", why);
	return r;
}

static int load_keys(void)
{
	static const uint8_t label[] = "trib.chain.v1";
	char why[KEYS_WHY_BYTES];
	uint8_t token[32];
	char text[65];

	if (mkdir(hq.data_dir, 0700) < 0 && errno != EEXIST) {
		fprintf(stderr, "trib-hq: cannot make %s: %s\n", hq.data_dir, strerror(errno));
		return ERR_IO;
	}
	if (node_keys_load_or_create(hq.data_dir, &hq.keys, why) < 0) {
		fprintf(stderr, "trib-hq: %s\n", why);
		return ERR_IO;
	}
	crypto_generichash(hq.chain, sizeof(hq.chain), label, sizeof(label), hq.keys.sign_pub, 32);
	if (load_secret("account.key", hq.account_key, sizeof(hq.account_key)) < 0 ||
	    load_secret("admin.token", token, sizeof(token)) < 0)
		return ERR_IO;
	sodium_bin2hex(text, sizeof(text), token, sizeof(token));
	crypto_generichash(hq.admin_token_hash, sizeof(hq.admin_token_hash), (uint8_t *)text, 64,
			   NULL, 0);
	sodium_memzero(token, sizeof(token));
	sodium_memzero(text, sizeof(text));
	return 0;
}

/* One trib-hq per data_dir; the lock ends with the process. */
static int lock_data_dir(void)
{
	char path[512];
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd;

	snprintf(path, sizeof(path), "%s/lock", hq.data_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0) {
		fprintf(stderr, "trib-hq: another trib-hq uses %s\n", hq.data_dir);
		return ERR_EXISTS;
	}
	return 0;
}

static int start_http(const struct config *c)
{
	const struct http_handler handler = { .on_request = api_on_request, .ctx = &hq };
	struct http_server_options options = { 0 };
	static struct endpoint ep;
	char err[HTTP_ERROR_BYTES];

	config_endpoint(c, "hq", "http_listen", &ep);
	options.host = ep.host;
	options.port = ep.port;
	options.body_max_bytes = 1 << 20; /* a rule set */
	if (http_server_create(hq.loop, &options, &handler, &hq.http, err) < 0) {
		fprintf(stderr, "trib-hq: http_listen: %s\n", err);
		return ERR_IO;
	}
	hq.http_listen = ep.host;
	return 0;
}

static void set_advertised(const struct config *c)
{
	hq.advertise = config_has(c, "hq", "advertise") ? config_string(c, "hq", "advertise") :
							  link_server_endpoint(hq.relay_server);
	hq.advertise_enroll = config_has(c, "hq", "advertise_enroll") ?
				      config_string(c, "hq", "advertise_enroll") :
				      link_server_endpoint(hq.enroll_server);
}

static int write_endpoints(void)
{
	char text[1024], key[Z85_TEXT_BYTES];

	z85_format_key(hq.keys.curve_pub, key);
	snprintf(text, sizeof(text),
		 "{\"listen\":\"%s\",\"enroll_listen\":\"%s\",\"http\":\"http://%s:%u\","
		 "\"curve_key\":\"%s\",\"pid\":%d}\n",
		 link_server_endpoint(hq.relay_server), link_server_endpoint(hq.enroll_server),
		 hq.http_listen, http_server_port(hq.http), key, (int)getpid());
	return file_write(hq.data_dir, "endpoints.json", text, strlen(text), 0644);
}

/* The state was read for the first time: now relays may come. They find no socket before that,
 * which costs them less than one that admits nobody yet. */
void hq_on_ready(struct hqd *h)
{
	if (relays_create(h) < 0) {
		log_event(LOG_LEVEL_CRITICAL, "cannot_listen", "listen=%s enroll_listen=%s",
			  h->listen, h->enroll_listen);
		h->has_failed = true;
		ev_break(h->loop, EVBREAK_ALL);
		return;
	}
	set_advertised(h->config);
	if (write_endpoints() < 0) {
		log_event(LOG_LEVEL_CRITICAL, "cannot_write", "file=%s/endpoints.json",
			  h->data_dir);
		h->has_failed = true;
		ev_break(h->loop, EVBREAK_ALL);
		return;
	}
	log_event(LOG_LEVEL_NOTICE, "ready", "listen=%s", link_server_endpoint(h->relay_server));
	service_notify("READY=1");
}

/* ---- stop ---- */

static void on_stop_check(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	(void)revents;
	if (!book_is_idle(hq.book) && ev_now(loop) < *(double *)w->data)
		return;
	ev_break(loop, EVBREAK_ALL);
}

static void on_signal(struct ev_loop *loop, struct ev_signal *w, int revents)
{
	static struct ev_timer check;
	static double limit;

	(void)revents;
	if (hq.is_stopping)
		return;
	log_event(LOG_LEVEL_NOTICE, "stopping", "signal=%d", w->signum);
	service_notify("STOPPING=1");
	hq.is_stopping = true;
	http_server_drain(hq.http);
	limit = ev_now(loop) + STOP_LIMIT_S;
	ev_timer_init(&check, on_stop_check, 0., 0.02);
	check.data = &limit;
	ev_timer_start(loop, &check);
}

static int run(const struct config *c)
{
	static struct ev_signal term, interrupt;
	struct position origin = { 0 };
	int status;
	void *memory = calloc(1, ingest_size());

	hq.data_dir = config_string(c, "hq", "data_dir");
	hq.postgres = config_string(c, "hq", "postgres");
	hq.listen = config_string(c, "hq", "listen");
	hq.enroll_listen = config_string(c, "hq", "enroll_listen");
	hq.chain_name = config_string(c, "hq", "chain_name");
	hq.hq_epoch = 1;
	hq.streams = calloc(INGEST_MAX_STREAMS, sizeof(struct hq_stream *));
	hq.by_node = calloc(NODE_MAX + 1, sizeof(struct hq_stream *));
	if (memory == NULL || hq.streams == NULL || hq.by_node == NULL)
		abort();
	if (load_keys() < 0 || lock_data_dir() < 0)
		return 1;
	hq.loop = ev_default_loop(0);
	hq.ingest = ingest_init(memory, hq.hq_epoch, &origin, hq.account_key);
	hq_load_prepare(&hq);
	hq.config = c;
	if (link_context_create(hq.loop, 0, &hq.links) < 0 || start_http(c) < 0 ||
	    db_create(hq.loop, hq.postgres, &hq.db) < 0 || book_create(&hq, &hq.book) < 0)
		return 1;
	ev_signal_init(&term, on_signal, SIGTERM);
	ev_signal_start(hq.loop, &term);
	ev_signal_init(&interrupt, on_signal, SIGINT);
	ev_signal_start(hq.loop, &interrupt);
	log_event(LOG_LEVEL_NOTICE, "started", "version=%s", TRIB_VERSION);
	ev_run(hq.loop, 0);
	status = hq.has_failed ? 1 : 0;
	relays_destroy(&hq);
	http_server_destroy(hq.http);
	book_destroy(hq.book);
	db_destroy(hq.db);
	link_context_destroy(hq.links);
	node_keys_wipe(&hq.keys);
	log_event(LOG_LEVEL_NOTICE, "stopped", NULL);
	return status;
}

/* A connection takes a descriptor, and so does a stranger at the enrolment socket. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	struct daemon_args a = { 0 };
	struct config *c;
	int status = daemon_args_parse(argc, argv, &cli, &a);

	if (status >= 0)
		return status;
	if (daemon_args_are(&a, "config", "sample")) {
		config_print_help(keys, N_KEYS, stdout);
		return 0;
	}
	if (a.config == NULL)
		return daemon_args_refuse(&cli, "--config FILE is missing");
	if (!daemon_args_are(&a, NULL, NULL) && !daemon_args_are(&a, "config", "check") &&
	    !daemon_args_are(&a, "books-check", NULL))
		return daemon_args_refuse(&cli, "no such command");
	raise_descriptor_limit();
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	if (sodium_init() < 0)
		abort();
	hq.config_path = a.config;
	if (read_config(a.config, &c) != 0)
		return 2;
	if (daemon_args_are(&a, "config", "check")) {
		puts("ok");
		status = 0;
	} else if (daemon_args_are(&a, "books-check", NULL)) {
		status = check_main(config_string(c, "hq", "postgres"),
				    config_string(c, "hq", "data_dir"));
	} else {
		status = run(c);
	}
	config_destroy(c);
	return status;
}
