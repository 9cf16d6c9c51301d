/* Where the tills call: on this box over HTTP, through a unix socket, from the shop's network over
 * TLS. One handler serves all of them.
 *
 * All that is bound stands in DATA/endpoints.json:
 *
 *   {"http":"http://127.0.0.1:7311","socket":"/run/tributary/store.sock",
 *    "https":"https://192.168.1.5:7312","fingerprint":"0a:1b:..."}
 *
 * N1 Plain HTTP is on loopback only: tokens and card numbers never leave the box in the clear.
 * N2 The certificate is made at the first start of the network's listener, and kept. */
#ifndef TRIB_STORE_LISTENERS_H
#define TRIB_STORE_LISTENERS_H

#include <ev.h>
#include <stdbool.h>

#include "config.h"
#include "err.h"
#include "http_server.h"
#include "tls_cert.h"

#define LISTENERS_MAX 3
#define LISTENERS_ERROR_BYTES 640
#define LISTENERS_NAMES_MAX 32
#define LISTENERS_URL_BYTES 300
#define CONNECTIONS_MIN 16

/* Strings borrow from the configuration. */
struct listeners_options {
	struct endpoint http;
	const char *socket_path; /* NULL: none */
	bool has_lan, lan_is_every; /* every address: lan_advertise is set */
	struct endpoint lan;
	const char *lan_advertise; /* by what the tills reach it; NULL: by lan.host */
	unsigned connections_max; /* of each */
	unsigned request_timeout_ms, idle_timeout_ms;
	const char *allowed_hosts[LISTENERS_NAMES_MAX + 1]; /* NULL-ended */
	const char *allowed_origins[LISTENERS_NAMES_MAX + 1];
};

struct listeners {
	struct http_server *list[LISTENERS_MAX]; /* http, lan, socket; NULL: not there */
	struct tls_cert certificate; /* of the network's listener */
	char https[LISTENERS_URL_BYTES]; /* its URL, or "" */
};

/* Bind them all and write endpoints.json. l is zero before; it may be closed whatever comes back.
 * Borrows options for l's life; store is the store's code. One line in err
 * (LISTENERS_ERROR_BYTES). */
int MUST_CHECK listeners_open(struct listeners *l, struct ev_loop *loop,
			      const struct listeners_options *options, const char *data_dir,
			      const char *store, const struct http_handler *handler, char *err);
void listeners_close(struct listeners *l);

/* As http_server_drain and http_server_pending, of all. */
void listeners_drain(struct listeners *l);
unsigned listeners_pending(const struct listeners *l);

/* Port of plain HTTP. */
uint16_t listeners_port(const struct listeners *l);

#endif
