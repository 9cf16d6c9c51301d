#include "listeners.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "log.h"
#include "text.h"

#define ENDPOINTS_FILE "endpoints.json"
#define OTHER_FILES 256 /* the journal, ZeroMQ, timers, the loop */
#define CLOSING_FILES 128 /* of a listener: cut, but not closed yet */
#define CERTIFICATE_NAMES 4
#define EXPIRES_SOON_MS (30 * INT64_C(24) * 3600 * 1000)

enum {
	LISTENER_HTTP,
	LISTENER_LAN,
	LISTENER_SOCKET,
};

_Static_assert(LISTENER_SOCKET + 1 == LISTENERS_MAX, "a place for each");

/* Each connection takes a file descriptor. Where there cannot be enough of them the tables become
 * smaller, so that the next connection evicts one instead of failing. Returns connections_max. */
static unsigned raise_file_limit(const struct listeners_options *o)
{
	rlim_t n = 1 + (rlim_t)o->has_lan + (rlim_t)(o->socket_path != NULL), each;
	rlim_t want = n * ((rlim_t)o->connections_max + CLOSING_FILES) + OTHER_FILES;
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur >= want)
		return o->connections_max;
	l.rlim_cur = want < l.rlim_max ? want : l.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur >= want)
		return o->connections_max;
	(void)getrlimit(RLIMIT_NOFILE, &l);
	each = l.rlim_cur > OTHER_FILES ? (l.rlim_cur - OTHER_FILES) / n : 0;
	each = each > CLOSING_FILES + CONNECTIONS_MIN ? each - CLOSING_FILES : CONNECTIONS_MIN;
	log_event(LOG_LEVEL_WARNING, "few_files", "limit=%ju wanted=%ju connections_max=%ju",
		  (uintmax_t)l.rlim_cur, (uintmax_t)want, (uintmax_t)each);
	return each < o->connections_max ? (unsigned)each : o->connections_max;
}

/* Whether the network's address can be had, before a certificate names it: one made for a wrong
 * address would stay. */
static int try_address(const struct listeners_options *o, char *err)
{
	char why[HTTP_ERROR_BYTES];
	int r = http_server_try(o->lan.host, o->lan.port, why);

	if (r < 0)
		snprintf(err, LISTENERS_ERROR_BYTES, "lan_listen: %s", why);
	return r;
}

static int open_certificate(struct listeners *l, const struct listeners_options *o,
			    const char *data_dir, const char *store, char *err)
{
	const char *reached = o->lan_advertise != NULL ? o->lan_advertise : o->lan.host;
	char name[64], why[TLS_CERT_ERROR_BYTES];
	const char *names[CERTIFICATE_NAMES] = { name, reached };
	int64_t now = clock_wall_ms();
	int r;

	snprintf(name, sizeof(name), "store-%s", store);
	if (!o->lan_is_every && o->lan_advertise != NULL)
		names[2] = o->lan.host;
	r = tls_cert_open(data_dir, names, now, &l->certificate, why);
	if (r < 0) {
		snprintf(err, LISTENERS_ERROR_BYTES, "lan_listen: %s", why);
		return r;
	}
	if (!tls_cert_has_name(&l->certificate, reached))
		log_event(
			LOG_LEVEL_WARNING, "tls_name_missing",
			"name=%s why=\"only tills that pin the certificate will trust it\" "
			"remedy=\"remove tls.key and tls.crt, restart, and tell every till the new "
			"fingerprint\"",
			reached);
	if (l->certificate.expires_ms < now + EXPIRES_SOON_MS)
		log_event(LOG_LEVEL_WARNING, "tls_certificate_expires", "in_days=%lld",
			  (long long)((l->certificate.expires_ms - now) / (24 * 3600 * 1000)));
	return 0;
}

static void format_url(char *ret, size_t cap, const char *scheme, const char *host, uint16_t port)
{
	bool is_v6 = strchr(host, ':') != NULL;

	snprintf(ret, cap, "%s://%s%s%s:%u", scheme, is_v6 ? "[" : "", host, is_v6 ? "]" : "",
		 (unsigned)port);
}

/* One of the listeners, with what all have in common. */
static int open_one(struct http_server **ret, struct ev_loop *loop, const char *key,
		    const struct http_server_options *options, const struct http_handler *handler,
		    char *err)
{
	char why[HTTP_ERROR_BYTES];
	int r = http_server_create(loop, options, handler, ret, why);

	if (r < 0)
		snprintf(err, LISTENERS_ERROR_BYTES, "%s: %s", key, why);
	return r;
}

static int open_lan(struct listeners *l, struct ev_loop *loop, const struct listeners_options *o,
		    struct http_server_options common, const struct http_handler *handler,
		    char *err)
{
	int r;

	common.host = o->lan.host;
	common.port = o->lan.port;
	common.advertised_host = o->lan_advertise;
	common.tls_key = l->certificate.key;
	common.tls_certificate = l->certificate.certificate;
	r = open_one(&l->list[LISTENER_LAN], loop, "lan_listen", &common, handler, err);
	if (r < 0)
		return r;
	format_url(l->https, sizeof(l->https), "https",
		   o->lan_advertise != NULL ? o->lan_advertise : o->lan.host,
		   http_server_port(l->list[LISTENER_LAN]));
	log_event(LOG_LEVEL_NOTICE, "listening_with_tls", "url=%s fingerprint=%s", l->https,
		  l->certificate.fingerprint);
	return 0;
}

/* Say where the tills are served. It is told already, or a full disk keeps it from being told: the
 * tills matter more. */
static void tell_endpoints(const char *data_dir, const char *text, size_t text_len)
{
	char kept[2048], path[4200];
	size_t len;

	if (file_read(data_dir, ENDPOINTS_FILE, kept, sizeof(kept), &len) == 0 && len == text_len &&
	    memcmp(kept, text, len) == 0)
		return;
	if (file_write(data_dir, ENDPOINTS_FILE, text, text_len, 0644) == 0)
		return;
	log_event(LOG_LEVEL_WARNING, "endpoints_not_written", "errno=%d", errno);
	snprintf(path, sizeof(path), "%s/%s", data_dir, ENDPOINTS_FILE);
	(void)unlink(path); /* what it says is wrong now */
}

static void write_endpoints(const struct listeners *l, const struct listeners_options *o,
			    const char *data_dir)
{
	char url[LISTENERS_URL_BYTES], *path;
	struct text t = { .data = NULL };

	format_url(url, sizeof(url), "http", o->http.host, listeners_port(l));
	text_raw(&t, "{");
	text_key_string(&t, "http", url);
	if (o->socket_path != NULL) {
		path = realpath(o->socket_path, NULL);
		text_key_string(&t, "socket", path != NULL ? path : o->socket_path);
		free(path);
	}
	if (o->has_lan) {
		text_key_string(&t, "https", l->https);
		text_key_string(&t, "fingerprint", l->certificate.fingerprint);
	}
	text_raw(&t, "}\n");
	tell_endpoints(data_dir, t.data, t.len);
	text_finish(&t);
}

int listeners_open(struct listeners *l, struct ev_loop *loop, const struct listeners_options *o,
		   const char *data_dir, const char *store, const struct http_handler *handler,
		   char *err)
{
	struct http_server_options common = { .connections_max = raise_file_limit(o),
					      .request_timeout_ms = o->request_timeout_ms,
					      .idle_timeout_ms = o->idle_timeout_ms,
					      .allowed_hosts = o->allowed_hosts,
					      .allowed_origins = o->allowed_origins };
	struct http_server_options http = common, socket = common;
	int r = 0;

	if (o->has_lan)
		r = try_address(o, err);
	if (r == 0 && o->has_lan)
		r = open_certificate(l, o, data_dir, store, err);
	http.host = o->http.host;
	http.port = o->http.port;
	if (r == 0)
		r = open_one(&l->list[LISTENER_HTTP], loop, "http_listen", &http, handler, err);
	socket.socket_path = o->socket_path;
	if (r == 0 && o->socket_path != NULL)
		r = open_one(&l->list[LISTENER_SOCKET], loop, "http_socket", &socket, handler, err);
	if (r == 0 && o->has_lan)
		r = open_lan(l, loop, o, common, handler, err);
	if (r == 0)
		write_endpoints(l, o, data_dir);
	return r;
}

void listeners_close(struct listeners *l)
{
	for (size_t i = 0; i < LISTENERS_MAX; i++) {
		if (l->list[i] != NULL)
			http_server_destroy(l->list[i]);
		l->list[i] = NULL;
	}
	tls_cert_finish(&l->certificate);
}

void listeners_drain(struct listeners *l)
{
	for (size_t i = 0; i < LISTENERS_MAX; i++)
		if (l->list[i] != NULL)
			http_server_drain(l->list[i]);
}

unsigned listeners_pending(const struct listeners *l)
{
	unsigned n = 0;

	for (size_t i = 0; i < LISTENERS_MAX; i++)
		if (l->list[i] != NULL)
			n += http_server_pending(l->list[i]);
	return n;
}

uint16_t listeners_port(const struct listeners *l)
{
	return http_server_port(l->list[LISTENER_HTTP]);
}
