#include "link_internal.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "link_peers.h"
#include "log.h"

#define OPTION_ZAP_ENFORCE_DOMAIN 93 /* ZMQ_ZAP_ENFORCE_DOMAIN, which zmq.h hides as a draft */
#define ANY_LABEL "any"

struct link_server {
	struct link_context *ctx; /* borrowed */
	struct link_server *next; /* in ctx->servers */
	struct link_server_handler handler;
	void *router;
	struct link_pump pump;
	ev_timer writable; /* runs while a caller was told ERR_AGAIN */
	char domain[32]; /* ZAP's, of this server only */
	char endpoint[LINK_ENDPOINT_BYTES]; /* bound */
	uint8_t public_key[LINK_KEY_BYTES];
	size_t max_message_bytes;
	struct link_peers peers; /* unused without admit */
	struct link_server_stats stats;
};

/* ---- admission ---- */

struct link_server *link_server_find(struct link_context *ctx, const char *domain, size_t len)
{
	struct link_server *s;

	for (s = ctx->servers; s != NULL; s = s->next) {
		if (strlen(s->domain) == len && memcmp(s->domain, domain, len) == 0)
			return s;
	}
	return NULL;
}

static bool user_id_is_valid(const char *user_id)
{
	size_t len = strnlen(user_id, LINK_USER_ID_BYTES);
	size_t i;

	for (i = 0; i < len; i++) {
		if (user_id[i] <= ' ' || user_id[i] > '~')
			return false;
	}
	return len > 0 && len < LINK_USER_ID_BYTES;
}

static int admit_known(struct link_server *s, const uint8_t key[LINK_KEY_BYTES],
		       char ret_label[LINK_LABEL_BYTES])
{
	char user_id[LINK_USER_ID_BYTES] = "";

	switch (s->handler.admit(s->handler.ctx, key, user_id)) {
	case LINK_ADMIT:
		break;
	case LINK_REVOKED:
		s->stats.revoked++;
		return 400;
	case LINK_NOT_YET:
	default:
		s->stats.not_yet++;
		return 300;
	}
	if (!user_id_is_valid(user_id)) {
		log_event(LOG_LEVEL_ERROR, "link_bad_user_id", "endpoint=%s", s->endpoint);
		return 500;
	}
	if (link_peers_admit(&s->peers, user_id, ret_label) != 0) {
		log_event(LOG_LEVEL_ERROR, "link_peers_full", "endpoint=%s peer=%s", s->endpoint,
			  user_id);
		s->stats.not_yet++;
		return 300;
	}
	s->stats.admitted++;
	return 200;
}

int link_server_admit(struct link_server *s, const uint8_t key[LINK_KEY_BYTES],
		      char ret_label[LINK_LABEL_BYTES])
{
	if (s->handler.admit != NULL)
		return admit_known(s, key, ret_label);
	(void)snprintf(ret_label, LINK_LABEL_BYTES, ANY_LABEL);
	s->stats.admitted++;
	return 200;
}

/* ---- receiving ---- */

static void deliver(struct link_server *s, const struct link_route *route, zmq_msg_t *body)
{
	/* Of the body: the id frame loses its metadata after any ZMQ_EVENTS call. */
	const char *label = zmq_msg_gets(body, "User-Id");
	char user_id[LINK_USER_ID_BYTES] = ANY_LABEL; /* a copy, which outlives a forget */
	struct link_peer peer = { user_id, *route };
	enum link_heard heard = LINK_HEARD;
	const char *known = user_id;

	if (label == NULL || label[0] == '\0' || zmq_msg_size(body) == 0)
		heard = LINK_HEARD_MALFORMED;
	else if (s->handler.admit != NULL)
		heard = link_peers_hear(&s->peers, label, route, &known);
	switch (heard) {
	case LINK_HEARD:
		break;
	case LINK_HEARD_STALE:
		s->stats.dropped_stale++;
		return;
	case LINK_HEARD_FORGOTTEN:
		s->stats.dropped_forgotten++;
		return;
	case LINK_HEARD_MALFORMED:
		s->stats.dropped_malformed++;
		return;
	}
	if (known != user_id)
		(void)snprintf(user_id, sizeof(user_id), "%s", known);
	s->stats.received++;
	s->handler.on_message(s->handler.ctx, &peer, zmq_msg_data(body), zmq_msg_size(body));
}

/* Receive one message, of any number of frames. ERR_AGAIN when there is none. */
static int receive(struct link_server *s)
{
	struct link_route route = { .len = 0 };
	zmq_msg_t id, body;
	unsigned n_bodies = 0;
	bool has_more;
	int r;

	zmq_msg_init(&id);
	zmq_msg_init(&body);
	r = link_recv(s->router, &id);
	has_more = r == 0 && zmq_msg_more(&id) != 0;
	while (r == 0 && has_more) { /* the frames of one message are here together */
		r = link_recv(s->router, &body);
		n_bodies++;
		has_more = r == 0 && zmq_msg_more(&body) != 0;
	}
	if (r == 0) {
		if (n_bodies == 1 && zmq_msg_size(&id) <= sizeof(route.id)) {
			route.len = (uint8_t)zmq_msg_size(&id);
			memcpy(route.id, zmq_msg_data(&id), route.len);
			deliver(s, &route, &body);
		} else {
			s->stats.dropped_malformed++;
		}
	}
	zmq_msg_close(&id);
	zmq_msg_close(&body);
	return r;
}

static void on_readable(void *arg)
{
	struct link_server *s = arg;
	int i, r = 0;

	for (i = 0; i < LINK_BUDGET && r == 0; i++)
		r = receive(s);
	if (r == ERR_IO)
		log_event(LOG_LEVEL_ERROR, "link_receive_failed", "endpoint=%s why=\"%s\"",
			  s->endpoint, zmq_strerror(zmq_errno()));
}

/* ---- sending ---- */

static void on_writable(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct link_server *s = w->data;

	(void)loop;
	(void)revents;
	if (s->handler.on_writable != NULL)
		s->handler.on_writable(s->handler.ctx);
}

int link_server_send_to(struct link_server *s, const struct link_route *route, const void *data,
			size_t len)
{
	int r;

	if (len == 0 || len > s->max_message_bytes || route->len == 0 ||
	    route->len > sizeof(route->id))
		return ERR_INVALID;
	link_pump_touch(&s->pump);
	r = link_send_frame(s->router, route->id, route->len, ZMQ_SNDMORE);
	if (r == -EAGAIN) {
		s->stats.again++;
		if (!ev_is_active(&s->writable)) {
			ev_timer_set(&s->writable, LINK_WRITABLE_MS / 1000.0, 0.);
			ev_timer_start(s->ctx->loop, &s->writable);
		}
		return ERR_AGAIN;
	}
	if (r == -EHOSTUNREACH)
		return ERR_NOT_FOUND;
	if (r == 0)
		r = link_send_frame(s->router, data, len, 0);
	if (r != 0) {
		/* Never seen: after its id frame a ROUTER takes or drops the body. To go on would
		 * send the next id as a body. */
		log_event(LOG_LEVEL_CRITICAL, "link_send_failed", "endpoint=%s why=\"%s\"",
			  s->endpoint, zmq_strerror(-r));
		abort();
	}
	s->stats.sent++;
	return 0;
}

int link_server_send(struct link_server *s, const char *user_id, const void *data, size_t len)
{
	struct link_peer_slot *slot;
	int r;

	if (s->handler.admit == NULL)
		return ERR_NOT_FOUND;
	slot = link_peers_find(&s->peers, user_id);
	if (slot == NULL || slot->route.len == 0)
		return ERR_NOT_FOUND;
	r = link_server_send_to(s, &slot->route, data, len);
	if (r == ERR_NOT_FOUND)
		slot->route.len = 0;
	return r;
}

void link_server_forget(struct link_server *s, const char *user_id)
{
	if (s->handler.admit != NULL)
		link_peers_forget(&s->peers, user_id);
}

/* ---- life ---- */

/* A socket that nobody gets into but through the ZAP handler. */
static int open_router(struct link_server *s, const struct link_server_config *config)
{
	int queue = config->queue_messages > 0 ? config->queue_messages : LINK_QUEUE_MESSAGES;

	s->router = zmq_socket(s->ctx->zmq, ZMQ_ROUTER);
	if (s->router == NULL)
		return ERR_IO;
	/* No ROUTER_HANDOVER: it would let one key take over another's routing id. */
	if (zmq_setsockopt(s->router, ZMQ_ZAP_DOMAIN, s->domain, strlen(s->domain)) != 0 ||
	    link_set_int(s->router, OPTION_ZAP_ENFORCE_DOMAIN, 1) != 0 ||
	    link_set_int(s->router, ZMQ_CURVE_SERVER, 1) != 0 ||
	    zmq_setsockopt(s->router, ZMQ_CURVE_SECRETKEY, config->secret_key, LINK_KEY_BYTES) !=
		    0 ||
	    link_set_int(s->router, ZMQ_ROUTER_MANDATORY, 1) != 0 ||
	    link_set_int(s->router, ZMQ_BACKLOG, 1024) != 0 ||
	    link_set_int(s->router, ZMQ_HANDSHAKE_IVL, 10000) != 0)
		return ERR_IO;
	return link_set_common(s->router, s->max_message_bytes, queue);
}

static int bind_router(struct link_server *s, const char *endpoint)
{
	size_t len = sizeof(s->endpoint);

	if (zmq_bind(s->router, endpoint) != 0) {
		int error = zmq_errno();

		errno = error;
		if (error == EADDRINUSE)
			return ERR_EXISTS;
		return error == EINVAL || error == EPROTONOSUPPORT ? ERR_INVALID : ERR_IO;
	}
	return zmq_getsockopt(s->router, ZMQ_LAST_ENDPOINT, s->endpoint, &len) == 0 ? 0 : ERR_IO;
}

int link_server_create(struct link_context *ctx, const struct link_server_config *config,
		       const struct link_server_handler *handler, struct link_server **ret)
{
	struct link_server *s;
	struct log_value v;
	int r = ERR_INVALID;

	if (config->endpoint == NULL || strncmp(config->endpoint, "tcp://", 6) != 0 ||
	    sodium_is_zero(config->secret_key, LINK_KEY_BYTES))
		return ERR_INVALID;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		abort();
	s->ctx = ctx;
	s->handler = *handler;
	s->max_message_bytes = config->max_message_bytes > 0 ? config->max_message_bytes :
							       LINK_MAX_BYTES;
	(void)snprintf(s->domain, sizeof(s->domain), "trib.%llu",
		       (unsigned long long)++ctx->next_name);
	if (crypto_scalarmult_curve25519_base(s->public_key, config->secret_key) != 0)
		goto fail;
	if (handler->admit != NULL)
		link_peers_init(&s->peers, config->max_peers > 0 ? config->max_peers : 16384);
	ev_timer_init(&s->writable, on_writable, 0., 0.);
	s->writable.data = s;
	s->next = ctx->servers;
	ctx->servers = s;
	r = open_router(s, config);
	if (r == 0)
		r = bind_router(s, config->endpoint);
	if (r == 0)
		r = link_pump_start(&s->pump, ctx->loop, s->router, on_readable, s);
	if (r != 0)
		goto fail;
	*ret = s;
	return 0;
fail:
	log_event(LOG_LEVEL_ERROR, "link_bind_failed", "endpoint=%s why=\"%s\"",
		  log_quote(&v, config->endpoint), zmq_strerror(errno));
	link_server_destroy(s, 0);
	return r;
}

void link_server_destroy(struct link_server *s, int linger_ms)
{
	struct link_server **at;

	if (s == NULL)
		return;
	for (at = &s->ctx->servers; *at != NULL; at = &(*at)->next) {
		if (*at == s) {
			*at = s->next;
			break;
		}
	}
	ev_timer_stop(s->ctx->loop, &s->writable);
	link_pump_stop(&s->pump);
	if (s->router != NULL) {
		/* First: unbinding ends the listener's connections with the linger of that moment. */
		(void)link_set_int(s->router, ZMQ_LINGER, linger_ms);
		if (s->endpoint[0] != '\0') /* the port is free sooner than by closing */
			(void)zmq_unbind(s->router, s->endpoint);
		(void)zmq_close(s->router);
	}
	link_peers_finish(&s->peers);
	free(s);
}

const char *link_server_endpoint(const struct link_server *s)
{
	return s->endpoint;
}

void link_server_public_key(const struct link_server *s, uint8_t ret_key[LINK_KEY_BYTES])
{
	memcpy(ret_key, s->public_key, LINK_KEY_BYTES);
}

const struct link_server_stats *link_server_stats(const struct link_server *s)
{
	return &s->stats;
}
