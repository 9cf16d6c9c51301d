/* One DEALER per attempt, thrown away at its end: a DEALER does not come back after ZAP refused it.
 *
 *             backoff            handshake
 *   WAITING ──────────> TRYING ────────────> UP
 *    ^   ^                │  │                │
 *    │   └── end_attempt ─┴──│────────────────┤
 *    │                       v                v
 *    └──── zero timer ─── CLOSING <── link_client_restart
 *
 * The socket is open in TRYING and UP only. CLOSING exists so that link_client_restart never calls
 * back into its caller. */
#include "link_internal.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

enum state {
	WAITING,
	TRYING,
	UP,
	CLOSING
};

static const bool may_move[4][4] = {
	[WAITING] = { [TRYING] = true },
	[TRYING] = { [UP] = true, [WAITING] = true, [CLOSING] = true },
	[UP] = { [WAITING] = true, [CLOSING] = true },
	[CLOSING] = { [WAITING] = true },
};

struct link_client {
	struct link_context *ctx; /* borrowed */
	struct link_client_handler handler;
	char endpoint[LINK_ENDPOINT_BYTES];
	uint8_t server_key[LINK_KEY_BYTES];
	uint8_t public_key[LINK_KEY_BYTES];
	uint8_t secret_key[LINK_KEY_BYTES];
	size_t max_message_bytes;
	int queue_messages;
	unsigned backoff_min_ms;
	unsigned backoff_max_ms;
	unsigned handshake_ms;
	unsigned stable_ms;

	enum state state;
	bool was_up; /* in CLOSING: on_down is due, else on_failed */
	unsigned failures; /* attempts since the link was stable */
	enum link_end last_logged; /* of attempts that failed alike only the first is logged */
	bool has_logged;
	void *dealer; /* NULL but in TRYING and UP */
	void *monitor; /* PAIR socket on its events; as the dealer */
	struct link_pump data_pump;
	struct link_pump monitor_pump;
	ev_timer timer; /* WAITING: next attempt; TRYING: give up; UP: stable; CLOSING: now */
	ev_timer writable; /* runs while a caller was told ERR_AGAIN */
	struct link_client_stats stats;
};

static void move(struct link_client *c, enum state to)
{
	if (!may_move[c->state][to])
		abort();
	c->state = to;
}

static void arm(struct link_client *c, unsigned ms)
{
	ev_timer_stop(c->ctx->loop, &c->timer);
	ev_now_update(c->ctx->loop); /* a long turn must not shorten the time */
	ev_timer_set(&c->timer, ms / 1000.0, 0.);
	ev_timer_start(c->ctx->loop, &c->timer);
}

const char *link_end_name(enum link_end why)
{
	switch (why) {
	case LINK_END_TIMEOUT:
		return "timeout";
	case LINK_END_UNREACHABLE:
		return "unreachable";
	case LINK_END_REFUSED:
		return "refused";
	case LINK_END_LOST:
		return "lost";
	case LINK_END_RESTART:
		return "restart";
	}
	abort();
}

/* ---- sockets of one attempt ---- */

static void close_sockets(struct link_client *c, int linger_ms)
{
	link_pump_stop(&c->data_pump);
	link_pump_stop(&c->monitor_pump);
	ev_timer_stop(c->ctx->loop, &c->writable);
	if (c->dealer != NULL) {
		(void)zmq_socket_monitor(c->dealer, NULL, 0);
		(void)link_set_int(c->dealer, ZMQ_LINGER, linger_ms);
		(void)zmq_close(c->dealer);
	}
	if (c->monitor != NULL)
		(void)zmq_close(c->monitor);
	c->dealer = NULL;
	c->monitor = NULL;
}

static int set_options(struct link_client *c)
{
	void *d = c->dealer;

	if (zmq_setsockopt(d, ZMQ_CURVE_SERVERKEY, c->server_key, LINK_KEY_BYTES) != 0 ||
	    zmq_setsockopt(d, ZMQ_CURVE_PUBLICKEY, c->public_key, LINK_KEY_BYTES) != 0 ||
	    zmq_setsockopt(d, ZMQ_CURVE_SECRETKEY, c->secret_key, LINK_KEY_BYTES) != 0 ||
	    link_set_int(d, ZMQ_RECONNECT_IVL, -1) != 0 || link_set_int(d, ZMQ_IMMEDIATE, 1) != 0 ||
	    link_set_int(d, ZMQ_CONNECT_TIMEOUT, (int)c->handshake_ms) != 0 ||
	    link_set_int(d, ZMQ_HANDSHAKE_IVL, (int)c->handshake_ms) != 0)
		return ERR_IO;
	return link_set_common(d, c->max_message_bytes, c->queue_messages);
}

static int open_monitor(struct link_client *c)
{
	const int mask = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
			 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
			 ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED;
	char name[64];

	(void)snprintf(name, sizeof(name), "inproc://trib.monitor.%llu",
		       (unsigned long long)++c->ctx->next_name);
	if (zmq_socket_monitor(c->dealer, name, mask) != 0)
		return ERR_IO;
	c->monitor = zmq_socket(c->ctx->zmq, ZMQ_PAIR);
	if (c->monitor == NULL || link_set_int(c->monitor, ZMQ_LINGER, 0) != 0 ||
	    zmq_connect(c->monitor, name) != 0)
		return ERR_IO;
	return 0;
}

static void on_data(void *arg);
static void on_monitor(void *arg);

static int open_sockets(struct link_client *c)
{
	c->dealer = zmq_socket(c->ctx->zmq, ZMQ_DEALER);
	if (c->dealer == NULL || set_options(c) != 0 || open_monitor(c) != 0)
		return ERR_IO;
	if (link_pump_start(&c->monitor_pump, c->ctx->loop, c->monitor, on_monitor, c) != 0 ||
	    link_pump_start(&c->data_pump, c->ctx->loop, c->dealer, on_data, c) != 0)
		return ERR_IO;
	return zmq_connect(c->dealer, c->endpoint) == 0 ? 0 : ERR_IO;
}

/* ---- the attempt's course ---- */

static unsigned next_backoff_ms(const struct link_client *c)
{
	unsigned shift = c->failures < 20 ? c->failures : 20;
	uint64_t ms = (uint64_t)c->backoff_min_ms << shift;

	if (ms > c->backoff_max_ms)
		ms = c->backoff_max_ms;
	/* From half of it up, so that a thousand shops do not come back in step. */
	return (unsigned)(ms / 2 + randombytes_uniform((uint32_t)(ms - ms / 2 + 1)));
}

static void log_end(struct link_client *c, bool was_up, enum link_end why)
{
	if (was_up) {
		c->has_logged = false;
		log_event(LOG_LEVEL_NOTICE, "link_down", "endpoint=%s why=%s", c->endpoint,
			  link_end_name(why));
	} else if (!c->has_logged || c->last_logged != why) {
		c->has_logged = true;
		c->last_logged = why;
		log_event(LOG_LEVEL_NOTICE, "link_failed", "endpoint=%s why=%s", c->endpoint,
			  link_end_name(why));
	}
}

/* Wait for the next attempt and tell how the last one ended. The sockets are closed. */
static void conclude(struct link_client *c, bool was_up, enum link_end why)
{
	unsigned wait_ms = next_backoff_ms(c);

	c->failures++;
	move(c, WAITING);
	arm(c, wait_ms);
	log_end(c, was_up, why);
	if (was_up && c->handler.on_down != NULL)
		c->handler.on_down(c->handler.ctx, why);
	else if (!was_up && c->handler.on_failed != NULL)
		c->handler.on_failed(c->handler.ctx, why);
}

static void end_attempt(struct link_client *c, enum link_end why)
{
	bool was_up = c->state == UP;

	close_sockets(c, 0);
	conclude(c, was_up, why);
}

static void start_attempt(struct link_client *c)
{
	c->stats.attempts++;
	move(c, TRYING);
	arm(c, c->handshake_ms);
	if (open_sockets(c) != 0) {
		log_event(LOG_LEVEL_ERROR, "link_open_failed", "endpoint=%s why=\"%s\"",
			  c->endpoint, zmq_strerror(zmq_errno()));
		end_attempt(c, LINK_END_UNREACHABLE);
	}
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct link_client *c = w->data;

	(void)loop;
	(void)revents;
	switch (c->state) {
	case WAITING:
		start_attempt(c);
		break;
	case TRYING:
		end_attempt(c, LINK_END_TIMEOUT);
		break;
	case UP:
		c->failures = 0;
		break;
	case CLOSING:
		conclude(c, c->was_up, LINK_END_RESTART);
		break;
	}
}

/* ---- receiving ---- */

/* At most `budget` messages of the connection that is open now. */
static void receive(struct link_client *c, int budget)
{
	void *dealer = c->dealer;
	uint64_t attempt = c->stats.attempts;

	/* A callback may end the attempt. */
	while (budget-- > 0 && c->state == UP && c->stats.attempts == attempt) {
		zmq_msg_t m;
		bool has_more;

		zmq_msg_init(&m);
		if (link_recv(dealer, &m) != 0) {
			zmq_msg_close(&m);
			return;
		}
		has_more = zmq_msg_more(&m) != 0;
		if (has_more || zmq_msg_size(&m) == 0) {
			log_event(LOG_LEVEL_WARNING, "link_bad_frames", "endpoint=%s", c->endpoint);
			link_client_restart(c, "frames");
		} else {
			c->stats.received++;
			c->handler.on_message(c->handler.ctx, zmq_msg_data(&m), zmq_msg_size(&m));
		}
		zmq_msg_close(&m);
	}
}

static void on_data(void *arg)
{
	struct link_client *c = arg;
	uint64_t attempt = c->stats.attempts;

	/* The handshake's event is older than any message, but may be seen later. Until then
	 * messages wait. */
	on_monitor(c);
	if (c->state == UP && c->stats.attempts == attempt)
		receive(c, LINK_BUDGET);
}

static void on_handshake_done(struct link_client *c)
{
	struct log_value v;

	move(c, UP);
	arm(c, c->stable_ms);
	c->stats.ups++;
	log_event(LOG_LEVEL_INFO, "link_up", "endpoint=%s", log_quote(&v, c->endpoint));
	if (c->handler.on_up != NULL)
		c->handler.on_up(c->handler.ctx);
}

static void on_event(struct link_client *c, unsigned event)
{
	switch (event) {
	case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
		if (c->state == TRYING)
			on_handshake_done(c);
		break;
	case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
		end_attempt(c, LINK_END_REFUSED);
		break;
	case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
	case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
		end_attempt(c, LINK_END_UNREACHABLE);
		break;
	case ZMQ_EVENT_DISCONNECTED:
	case ZMQ_EVENT_CLOSED:
		if (c->state == TRYING) {
			end_attempt(c, LINK_END_UNREACHABLE);
			break;
		}
		/* What the server said last (why it hangs up) is still in the queue. */
		receive(c, c->queue_messages);
		if (c->state == UP)
			end_attempt(c, LINK_END_LOST);
		break;
	default:
		break;
	}
}

/* Take one event: a frame of 16 bits of event and 32 of value, and one with the endpoint. */
static int take_event(void *monitor, unsigned *ret_event)
{
	zmq_msg_t m;
	uint16_t event = 0;
	bool has_more = true;
	bool is_first = true;
	int r = 0;

	while (r == 0 && has_more) {
		zmq_msg_init(&m);
		r = link_recv(monitor, &m);
		if (r == 0 && is_first && zmq_msg_size(&m) >= sizeof(event))
			memcpy(&event, zmq_msg_data(&m), sizeof(event));
		has_more = r == 0 && zmq_msg_more(&m) != 0;
		is_first = false;
		zmq_msg_close(&m);
	}
	if (r == 0)
		*ret_event = event;
	return r;
}

static void on_monitor(void *arg)
{
	struct link_client *c = arg;
	uint64_t attempt = c->stats.attempts;
	void *monitor = c->monitor;
	unsigned event;
	int budget = LINK_BUDGET;

	link_pump_touch(&c->monitor_pump);
	while (budget-- > 0 && c->monitor == monitor && c->stats.attempts == attempt &&
	       take_event(monitor, &event) == 0)
		on_event(c, event);
}

/* ---- what the daemon calls ---- */

static void on_writable(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct link_client *c = w->data;

	(void)loop;
	(void)revents;
	if (c->handler.on_writable != NULL)
		c->handler.on_writable(c->handler.ctx);
}

int link_client_send(struct link_client *c, const void *data, size_t len)
{
	int r;

	if (len == 0 || len > c->max_message_bytes)
		return ERR_INVALID;
	if (c->state != UP)
		return ERR_STATE;
	link_pump_touch(&c->data_pump);
	r = link_send_frame(c->dealer, data, len, 0);
	if (r == 0) {
		c->stats.sent++;
		return 0;
	}
	/* EAGAIN is also what a DEALER says whose connection just ended; the monitor tells. */
	if (r != -EAGAIN)
		log_event(LOG_LEVEL_ERROR, "link_send_failed", "endpoint=%s why=\"%s\"",
			  c->endpoint, zmq_strerror(-r));
	c->stats.again++;
	if (!ev_is_active(&c->writable)) {
		ev_timer_set(&c->writable, LINK_WRITABLE_MS / 1000.0, 0.);
		ev_timer_start(c->ctx->loop, &c->writable);
	}
	return ERR_AGAIN;
}

void link_client_restart(struct link_client *c, const char *why)
{
	if (c->state != TRYING && c->state != UP)
		return;
	log_event(LOG_LEVEL_NOTICE, "link_restart", "endpoint=%s why=%s", c->endpoint, why);
	c->was_up = c->state == UP;
	close_sockets(c, 0);
	move(c, CLOSING);
	arm(c, 0);
}

bool link_client_is_up(const struct link_client *c)
{
	return c->state == UP;
}

const struct link_client_stats *link_client_stats(const struct link_client *c)
{
	return &c->stats;
}

/* tcp://host:port, so that a bad configuration is refused at the start and not in every attempt. */
static bool endpoint_is_valid(const char *endpoint)
{
	const char *host = endpoint + 6;
	size_t host_len;
	unsigned long port;
	char *end;

	if (strlen(endpoint) >= LINK_ENDPOINT_BYTES || strncmp(endpoint, "tcp://", 6) != 0)
		return false;
	host_len =
		strspn(host, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_");
	if (host_len == 0 || host[host_len] != ':' || host[host_len + 1] < '0' ||
	    host[host_len + 1] > '9')
		return false;
	port = strtoul(host + host_len + 1, &end, 10);
	return *end == '\0' && port >= 1 && port <= 65535;
}

static unsigned or_default(unsigned value, unsigned standard)
{
	return value > 0 ? value : standard;
}

int link_client_create(struct link_context *ctx, const struct link_client_config *config,
		       const struct link_client_handler *handler, struct link_client **ret)
{
	struct link_client *c;
	uint8_t pub[LINK_KEY_BYTES];

	if (config->endpoint == NULL || !endpoint_is_valid(config->endpoint) ||
	    sodium_is_zero(config->server_key, LINK_KEY_BYTES) ||
	    crypto_scalarmult_curve25519_base(pub, config->secret_key) != 0 ||
	    memcmp(pub, config->public_key, LINK_KEY_BYTES) != 0)
		return ERR_INVALID;
	if (sodium_init() < 0)
		return ERR_IO;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		abort();
	c->ctx = ctx;
	c->handler = *handler;
	(void)snprintf(c->endpoint, sizeof(c->endpoint), "%s", config->endpoint);
	memcpy(c->server_key, config->server_key, LINK_KEY_BYTES);
	memcpy(c->public_key, config->public_key, LINK_KEY_BYTES);
	memcpy(c->secret_key, config->secret_key, LINK_KEY_BYTES);
	c->max_message_bytes = config->max_message_bytes > 0 ? config->max_message_bytes :
							       LINK_MAX_BYTES;
	c->queue_messages = config->queue_messages > 0 ? config->queue_messages :
							 LINK_QUEUE_MESSAGES;
	c->backoff_min_ms = or_default(config->backoff_min_ms, 100);
	c->backoff_max_ms = or_default(config->backoff_max_ms, 10000);
	c->handshake_ms = or_default(config->handshake_ms, 5000);
	c->stable_ms = or_default(config->stable_ms, 10000);
	c->state = WAITING;
	ev_timer_init(&c->timer, on_timer, 0., 0.);
	ev_timer_init(&c->writable, on_writable, 0., 0.);
	c->timer.data = c->writable.data = c;
	arm(c, 0);
	*ret = c;
	return 0;
}

void link_client_destroy(struct link_client *c, int linger_ms)
{
	if (c == NULL)
		return;
	ev_timer_stop(c->ctx->loop, &c->timer);
	close_sockets(c, linger_ms);
	sodium_memzero(c->secret_key, sizeof(c->secret_key));
	free(c);
}
