#include "relayd.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "encode.h"
#include "file.h"
#include "log.h"
#include "service.h"

#define STORE_WINDOW_BYTES (1u << 20)
#define HQ_WINDOW_BYTES (4u << 20)
#define LINGER_MS 500

/* ---- the loop ---- */

static void arm_timer(struct relayd *d)
{
	uint64_t at = relay_deadline_ms(d->core), now = relayd_now_ms();
	double after = at <= now ? 0.0 : (double)(at - now) / 1000.0;

	ev_timer_stop(d->loop, &d->timer);
	ev_timer_set(&d->timer, after, 0.0);
	ev_timer_start(d->loop, &d->timer);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct relayd *d = w->data;

	(void)loop;
	(void)revents;
	relayd_commit(d);
	arm_timer(d);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct relay_event ev = { .kind = RELAY_TICK };

	(void)loop;
	(void)revents;
	(void)!relayd_step(w->data, &ev, NULL);
}

static void on_watchdog(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	service_notify("WATCHDOG=1");
}

static void on_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct relayd *d = w->data;

	(void)revents;
	d->is_stopping = true;
	ev_break(loop, EVBREAK_ALL);
}

static void start_watchers(struct relayd *d)
{
	const char *us = getenv("WATCHDOG_USEC");
	double watchdog_s = us == NULL ? 0.0 : strtod(us, NULL) / 2e6;

	ev_prepare_init(&d->prepare, on_prepare);
	ev_timer_init(&d->timer, on_timer, 0.0, 0.0);
	ev_signal_init(&d->sigterm, on_signal, SIGTERM);
	ev_signal_init(&d->sigint, on_signal, SIGINT);
	d->prepare.data = d->timer.data = d->sigterm.data = d->sigint.data = d;
	ev_prepare_start(d->loop, &d->prepare);
	ev_timer_start(d->loop, &d->timer);
	ev_signal_start(d->loop, &d->sigterm);
	ev_signal_start(d->loop, &d->sigint);
	ev_timer_init(&d->watchdog, on_watchdog, watchdog_s, watchdog_s);
	if (watchdog_s > 0)
		ev_timer_start(d->loop, &d->watchdog);
}

/* ---- setting up ---- */

/* The endpoint as others reach it: the bound one, with the advertised host where one is set. */
static void advertise(const struct relayd *d, const char *bound, char ret[LINK_ENDPOINT_BYTES])
{
	const char *port = strrchr(bound, ':');

	if (d->settings->advertise == NULL || port == NULL)
		snprintf(ret, LINK_ENDPOINT_BYTES, "%s", bound);
	else
		snprintf(ret, LINK_ENDPOINT_BYTES, "tcp://%s%s", d->settings->advertise, port);
}

static int load_identity(struct relayd *d)
{
	char path[4096], why[KEYS_WHY_BYTES] = "";
	uint8_t token[ADMIN_TOKEN_BYTES];
	struct log_value v;
	int err = identity_load(d->settings->data_dir, &d->id, why);

	if (err != 0)
		goto fail;
	if (d->settings->hq[0] != '\0')
		memcpy(d->id.hq_endpoint, d->settings->hq, sizeof(d->id.hq_endpoint));
	snprintf(path, sizeof(path), "%s/admin.token", d->settings->data_dir);
	err = secret_file_read(path, token, sizeof(token), why);
	if (err == ERR_NOT_FOUND)
		err = secret_file_create(path, token, sizeof(token), why);
	if (err != 0)
		goto fail;
	sodium_bin2hex(d->admin_token, sizeof(d->admin_token), token, sizeof(token));
	sodium_memzero(token, sizeof(token));
	return 0;
fail:
	log_event(LOG_LEVEL_ERROR, "identity_failed", "why=%s", log_quote(&v, why));
	return err;
}

static int open_spool(struct relayd *d)
{
	const struct relay_config config = { .max_stores = d->settings->max_stores,
					     .store_window_bytes = STORE_WINDOW_BYTES,
					     .hq_window_bytes = HQ_WINDOW_BYTES };
	char why[SPOOL_WHY_BYTES];
	struct log_value v;
	uint64_t first_ticket;
	int err = spool_open(d->settings->data_dir, &d->spool, why);

	if (err != 0) {
		log_event(LOG_LEVEL_ERROR, "spool_refused", "why=%s", log_quote(&v, why));
		return err;
	}
	d->core_memory = aligned_alloc(16, (relay_size(&config) + 15) & ~(size_t)15);
	d->scratch_memory = malloc(SCRATCH_BYTES);
	if (d->core_memory == NULL || d->scratch_memory == NULL)
		abort();
	arena_init(&d->scratch, d->scratch_memory, SCRATCH_BYTES);
	envelope_reader_init(&d->reader);
	d->core = relay_init(d->core_memory, &config);
	peers_init(&d->peers, config.max_stores);
	randombytes_buf(&first_ticket, sizeof(first_ticket));
	tickets_init(&d->tickets, first_ticket);
	return 0;
}

static int bind_stores(struct relayd *d)
{
	struct link_server_config config = { .endpoint = d->settings->listen,
					     .max_peers = d->settings->max_stores };
	const struct link_server_handler handler = { .admit = relayd_admit,
						     .on_message = relayd_on_store_message,
						     .on_writable = relayd_on_writable,
						     .ctx = d };
	struct link_server_config enroll_config = { .endpoint = d->settings->enroll_listen,
						    .max_message_bytes = LINK_ENROLL_MAX_BYTES };
	const struct link_server_handler enroll_handler = { .on_message = relayd_on_enroll_message,
							    .ctx = d };
	int err;

	memcpy(config.secret_key, d->id.keys.curve_secret, LINK_KEY_BYTES);
	memcpy(enroll_config.secret_key, d->id.keys.curve_secret, LINK_KEY_BYTES);
	err = link_server_create(d->links, &config, &handler, &d->stores);
	if (err == 0)
		err = link_server_create(d->links, &enroll_config, &enroll_handler, &d->enroll);
	sodium_memzero(&config, sizeof(config));
	sodium_memzero(&enroll_config, sizeof(enroll_config));
	if (err != 0) {
		log_event(LOG_LEVEL_ERROR, "bind_failed", "listen=%s enroll_listen=%s err=%d",
			  d->settings->listen, d->settings->enroll_listen, err);
		return err;
	}
	advertise(d, link_server_endpoint(d->stores), d->listen_endpoint);
	advertise(d, link_server_endpoint(d->enroll), d->enroll_endpoint);
	return 0;
}

static int connect_hq(struct relayd *d)
{
	struct link_client_config config = { .endpoint = d->id.hq_endpoint,
					     /* a Present and two acks of each store at once */
					     .queue_messages =
						     (int)(4 * d->settings->max_stores + 1024),
					     .backoff_max_ms = 5000 };
	const struct link_client_handler handler = { .on_up = relayd_on_hq_up,
						     .on_message = relayd_on_hq_message,
						     .on_writable = relayd_on_writable,
						     .on_down = relayd_on_hq_down,
						     .on_failed = relayd_on_hq_down,
						     .ctx = d };
	int err;

	memcpy(config.server_key, d->id.hq_curve_pub, LINK_KEY_BYTES);
	memcpy(config.public_key, d->id.keys.curve_pub, LINK_KEY_BYTES);
	memcpy(config.secret_key, d->id.keys.curve_secret, LINK_KEY_BYTES);
	err = link_client_create(d->links, &config, &handler, &d->hq);
	sodium_memzero(&config, sizeof(config));
	if (err != 0)
		log_event(LOG_LEVEL_ERROR, "uplink_failed", "endpoint=%s err=%d", d->id.hq_endpoint,
			  err);
	return err;
}

static int serve_http(struct relayd *d)
{
	struct http_server_options options = { .host = d->settings->http.host,
					       .port = d->settings->http.port };
	const struct http_handler handler = { .on_request = relayd_on_http, .ctx = d };
	char why[HTTP_ERROR_BYTES];
	struct log_value v;
	int err;

	if (strcmp(options.host, "*") == 0)
		options.host = "0.0.0.0";
	err = http_server_create(d->loop, &options, &handler, &d->http, why);
	if (err != 0)
		log_event(LOG_LEVEL_ERROR, "http_failed", "why=%s", log_quote(&v, why));
	return err;
}

static int write_endpoints(struct relayd *d)
{
	char key[Z85_TEXT_BYTES], text[1024];
	int n;

	z85_format_key(d->id.keys.curve_pub, key);
	n = snprintf(text, sizeof(text),
		     "{\"listen\":\"%s\",\"enroll_listen\":\"%s\",\"http\":\"http://%s:%u\","
		     "\"curve_key\":\"",
		     d->listen_endpoint, d->enroll_endpoint,
		     strcmp(d->settings->http.host, "*") == 0 ? "127.0.0.1" :
								d->settings->http.host,
		     http_server_port(d->http));
	for (const char *c = key; *c != '\0' && n > 0 && (size_t)n < sizeof(text) - 8; c++) {
		if (*c == '"' || *c == '\\')
			text[n++] = '\\';
		text[n++] = *c;
	}
	if (n <= 0 || (size_t)n > sizeof(text) - 8)
		return ERR_FULL;
	snprintf(text + n, sizeof(text) - (size_t)n, "\"}\n");
	return file_write(d->settings->data_dir, "endpoints.json", text, strlen(text), 0644);
}

/* Each store takes a file descriptor: say early that there are too few. */
static void raise_file_limit(const struct relayd *d)
{
	struct rlimit l;
	rlim_t want = 2 * (rlim_t)d->settings->max_stores + 256;

	if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur >= want)
		return;
	l.rlim_cur = want < l.rlim_max ? want : l.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur < want)
		log_event(LOG_LEVEL_WARNING, "few_files", "limit=%ju wanted=%ju",
			  (uintmax_t)l.rlim_cur, (uintmax_t)want);
}

int relayd_create(struct ev_loop *loop, struct settings *settings, struct relayd **ret)
{
	struct relayd *d = calloc(1, sizeof(*d));
	int err;

	if (d == NULL)
		abort();
	d->loop = loop;
	d->settings = settings;
	raise_file_limit(d);
	err = load_identity(d);
	if (err == 0)
		err = open_spool(d);
	if (err == 0)
		err = link_context_create(loop, 0, &d->links);
	if (err == 0)
		err = bind_stores(d);
	if (err == 0)
		err = connect_hq(d);
	if (err == 0)
		err = serve_http(d);
	if (err == 0) {
		err = relayd_load_stores(d);
		if (err != 0)
			log_event(LOG_LEVEL_ERROR, "spool_unsound", "err=%d", err);
	}
	if (err == 0)
		err = write_endpoints(d);
	if (err != 0) {
		relayd_destroy(d);
		return err;
	}
	start_watchers(d);
	log_event(LOG_LEVEL_NOTICE, "started",
		  "region=%d listen=%s enroll=%s http_port=%u stores=%u", d->id.region,
		  d->listen_endpoint, d->enroll_endpoint, http_server_port(d->http),
		  relay_n_stores(d->core));
	*ret = d;
	return 0;
}

static void stop_watchers(struct relayd *d)
{
	ev_prepare_stop(d->loop, &d->prepare);
	ev_timer_stop(d->loop, &d->timer);
	ev_timer_stop(d->loop, &d->watchdog);
	ev_signal_stop(d->loop, &d->sigterm);
	ev_signal_stop(d->loop, &d->sigint);
}

void relayd_destroy(struct relayd *d)
{
	if (d == NULL)
		return;
	if (d->is_stopping)
		relayd_commit(d); /* and its acks */
	stop_watchers(d);
	http_server_destroy(d->http);
	link_client_destroy(d->hq, LINGER_MS);
	link_server_destroy(d->enroll, LINGER_MS);
	link_server_destroy(d->stores, LINGER_MS);
	link_context_destroy(d->links);
	spool_close(d->spool);
	peers_finish(&d->peers);
	if (d->core != NULL)
		envelope_reader_finish(&d->reader);
	send_buffer_finish(&d->out);
	free(d->scratch_memory);
	free(d->core_memory);
	node_keys_wipe(&d->id.keys);
	sodium_memzero(d->admin_token, sizeof(d->admin_token));
	free(d);
}
