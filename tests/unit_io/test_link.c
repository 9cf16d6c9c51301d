#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "keys.h"
#include "link.h"

#define BOUND_S 60.0 /* far beyond what any of these takes, also under sanitizers */
#define BIG_BYTES (64u * 1024)

static struct ev_loop *loop;
static struct link_context *context;

/* ---- a server that knows some keys ---- */

struct known_key {
	uint8_t key[LINK_KEY_BYTES];
	char user_id[LINK_USER_ID_BYTES];
	enum link_verdict verdict;
};

struct host {
	struct link_server *server;
	struct link_server_config config;
	struct node_keys keys;
	char endpoint[LINK_ENDPOINT_BYTES];
	struct known_key known[4];
	size_t n_known;
	bool is_any;

	size_t n_messages;
	size_t n_out_of_order;
	char last_user[LINK_USER_ID_BYTES];
	struct link_route last_route;
	char last_text[64];
	bool answers; /* each message with "re:" ‖ message */
	bool forgets; /* the sender in the callback */
	size_t n_writable;
};

static enum link_verdict host_admit(void *ctx, const uint8_t key[LINK_KEY_BYTES],
				    char ret_user_id[LINK_USER_ID_BYTES])
{
	struct host *h = ctx;

	for (size_t i = 0; i < h->n_known; i++) {
		if (memcmp(h->known[i].key, key, LINK_KEY_BYTES) != 0)
			continue;
		memcpy(ret_user_id, h->known[i].user_id, LINK_USER_ID_BYTES);
		return h->known[i].verdict;
	}
	return LINK_NOT_YET;
}

static void host_on_message(void *ctx, const struct link_peer *peer, const uint8_t *data,
			    size_t len)
{
	struct host *h = ctx;
	char answer[80];
	uint32_t number;

	if (len >= sizeof(number)) {
		memcpy(&number, data, sizeof(number));
		if (number != h->n_messages)
			h->n_out_of_order++;
	}
	h->n_messages++;
	(void)snprintf(h->last_user, sizeof(h->last_user), "%s", peer->user_id);
	(void)snprintf(h->last_text, sizeof(h->last_text), "%.*s", (int)(len < 60 ? len : 60),
		       (const char *)data);
	h->last_route = peer->route;
	if (h->forgets)
		link_server_forget(h->server, peer->user_id);
	if (h->answers) {
		int n = snprintf(answer, sizeof(answer), "re:%s", h->last_text);

		if (link_server_send_to(h->server, &peer->route, answer, (size_t)n) != 0)
			abort();
	}
}

static void host_on_writable(void *ctx)
{
	struct host *h = ctx;

	h->n_writable++;
}

static void host_open(struct host *h, const char *endpoint)
{
	struct link_server_handler handler = {
		.admit = h->is_any ? NULL : host_admit,
		.on_message = host_on_message,
		.on_writable = host_on_writable,
		.ctx = h,
	};
	int r = ERR_EXISTS;

	h->config.endpoint = endpoint;
	memcpy(h->config.secret_key, h->keys.curve_secret, LINK_KEY_BYTES);
	/* A port that was just left may need a moment. */
	for (ev_tstamp end = ev_time() + BOUND_S; r == ERR_EXISTS && ev_time() < end;)
		r = link_server_create(context, &h->config, &handler, &h->server);
	assert_int_equal(r, 0);
	(void)snprintf(h->endpoint, sizeof(h->endpoint), "%s", link_server_endpoint(h->server));
}

static void host_start(struct host *h)
{
	node_keys_generate(&h->keys);
	host_open(h, "tcp://127.0.0.1:0");
	assert_int_not_equal(atoi(strrchr(h->endpoint, ':') + 1), 0);
}

static void host_know(struct host *h, const struct node_keys *k, const char *user_id,
		      enum link_verdict verdict)
{
	struct known_key *known = &h->known[h->n_known++];

	memcpy(known->key, k->curve_pub, LINK_KEY_BYTES);
	(void)snprintf(known->user_id, sizeof(known->user_id), "%s", user_id);
	known->verdict = verdict;
}

/* ---- a client ---- */

struct guest {
	struct link_client *client;
	struct link_client_config config;
	struct node_keys keys;

	size_t n_up;
	size_t n_down;
	size_t n_failed;
	enum link_end last_end;
	size_t n_messages;
	size_t n_out_of_order;
	size_t n_writable;
	char last_text[64];
	bool restarts; /* at each message */
};

static void guest_on_up(void *ctx)
{
	struct guest *g = ctx;

	g->n_up++;
}

static void guest_on_message(void *ctx, const uint8_t *data, size_t len)
{
	struct guest *g = ctx;
	uint32_t number;

	if (len >= sizeof(number)) {
		memcpy(&number, data, sizeof(number));
		if (number != g->n_messages)
			g->n_out_of_order++;
	}
	g->n_messages++;
	(void)snprintf(g->last_text, sizeof(g->last_text), "%.*s", (int)(len < 60 ? len : 60),
		       (const char *)data);
	if (g->restarts)
		link_client_restart(g->client, "test");
}

static void guest_on_writable(void *ctx)
{
	struct guest *g = ctx;

	g->n_writable++;
}

static void guest_on_down(void *ctx, enum link_end why)
{
	struct guest *g = ctx;

	g->n_down++;
	g->last_end = why;
}

static void guest_on_failed(void *ctx, enum link_end why)
{
	struct guest *g = ctx;

	g->n_failed++;
	g->last_end = why;
}

static void guest_start(struct guest *g, const struct host *h)
{
	struct link_client_handler handler = {
		.on_up = guest_on_up,
		.on_message = guest_on_message,
		.on_writable = guest_on_writable,
		.on_down = guest_on_down,
		.on_failed = guest_on_failed,
		.ctx = g,
	};

	g->config.endpoint = h->endpoint;
	if (sodium_is_zero(g->config.server_key, LINK_KEY_BYTES))
		memcpy(g->config.server_key, h->keys.curve_pub, LINK_KEY_BYTES);
	memcpy(g->config.public_key, g->keys.curve_pub, LINK_KEY_BYTES);
	memcpy(g->config.secret_key, g->keys.curve_secret, LINK_KEY_BYTES);
	g->config.backoff_min_ms = 1;
	g->config.backoff_max_ms = 50;
	assert_int_equal(link_client_create(context, &g->config, &handler, &g->client), 0);
}

static void guest_say(struct guest *g, const char *text)
{
	assert_int_equal(link_client_send(g->client, text, strlen(text)), 0);
}

/* ---- running ---- */

static void on_tick(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)l;
	(void)w;
	(void)revents;
}

/* Run the loop until *value reaches at_least. */
static void run_until(const size_t *value, size_t at_least)
{
	ev_tstamp end = ev_time() + BOUND_S;
	ev_timer tick;

	ev_timer_init(&tick, on_tick, 0.05, 0.05);
	ev_timer_start(loop, &tick);
	while (*value < at_least && ev_time() < end)
		ev_run(loop, EVRUN_ONCE);
	ev_timer_stop(loop, &tick);
	assert_true(*value >= at_least);
}

static void run_until_u64(const uint64_t *value, uint64_t at_least)
{
	_Static_assert(sizeof(size_t) == sizeof(uint64_t), "a 64-bit machine");
	run_until((const size_t *)value, at_least);
}

static int setup(void **state)
{
	(void)state;
	if (sodium_init() < 0)
		return -1;
	loop = ev_loop_new(EVFLAG_AUTO);
	return loop == NULL ? -1 : link_context_create(loop, 0, &context);
}

static int teardown(void **state)
{
	(void)state;
	link_context_destroy(context);
	ev_loop_destroy(loop);
	return 0;
}

static void guest_at(struct guest *g, struct host *h, const char *user_id)
{
	node_keys_generate(&g->keys);
	host_know(h, &g->keys, user_id, LINK_ADMIT);
	guest_start(g, h);
	run_until(&g->n_up, 1);
}

/* ---- tests ---- */

static void message_goes_up_and_down(void **state)
{
	struct host h = { .answers = true };
	struct guest g = { 0 };

	(void)state;
	host_start(&h);
	node_keys_generate(&g.keys);
	host_know(&h, &g.keys, "s107.1", LINK_ADMIT);
	guest_start(&g, &h);
	assert_int_equal(link_client_send(g.client, "early", 5), ERR_STATE);
	run_until(&g.n_up, 1);
	assert_true(link_client_is_up(g.client));
	assert_int_equal(link_server_send(h.server, "s107.1", "x", 1), ERR_NOT_FOUND);
	guest_say(&g, "hello");
	run_until(&g.n_messages, 1);
	assert_string_equal(h.last_user, "s107.1");
	assert_string_equal(h.last_text, "hello");
	assert_string_equal(g.last_text, "re:hello");
	assert_int_equal(link_server_send(h.server, "s107.1", "news", 4), 0);
	run_until(&g.n_messages, 2);
	assert_string_equal(g.last_text, "news");
	assert_int_equal(link_server_send(h.server, "s108.1", "x", 1), ERR_NOT_FOUND);
	assert_int_equal(link_client_send(g.client, "", 0), ERR_INVALID);
	link_client_destroy(g.client, 0);
	link_server_destroy(h.server, 0);
}

static void wrong_server_key_never_comes_up(void **state)
{
	struct host h = { 0 };
	struct guest g = { 0 };
	struct node_keys other;

	(void)state;
	host_start(&h);
	node_keys_generate(&g.keys);
	node_keys_generate(&other);
	host_know(&h, &g.keys, "s1", LINK_ADMIT);
	memcpy(g.config.server_key, other.curve_pub, LINK_KEY_BYTES);
	g.config.handshake_ms = 300;
	guest_start(&g, &h);
	run_until(&g.n_failed, 2);
	assert_int_equal(g.n_up, 0);
	assert_int_equal(link_server_stats(h.server)->admitted, 0);
	link_client_destroy(g.client, 0);
	link_server_destroy(h.server, 0);
}

static void unknown_key_tries_again_until_it_is_known(void **state)
{
	struct host h = { 0 };
	struct guest g = { 0 };

	(void)state;
	host_start(&h);
	node_keys_generate(&g.keys);
	g.config.handshake_ms = 300;
	guest_start(&g, &h);
	run_until(&g.n_failed, 2);
	assert_int_equal(g.n_up, 0);
	assert_int_not_equal(g.last_end, LINK_END_REFUSED);
	assert_true(link_server_stats(h.server)->not_yet >= 2);
	host_know(&h, &g.keys, "s1", LINK_ADMIT);
	run_until(&g.n_up, 1);
	link_client_destroy(g.client, 0);
	link_server_destroy(h.server, 0);
}

static void revoked_key_is_told(void **state)
{
	struct host h = { 0 };
	struct guest g = { 0 };

	(void)state;
	host_start(&h);
	node_keys_generate(&g.keys);
	host_know(&h, &g.keys, "s1", LINK_REVOKED);
	guest_start(&g, &h);
	run_until(&g.n_failed, 2);
	assert_int_equal(g.last_end, LINK_END_REFUSED);
	assert_int_equal(g.n_up, 0);
	assert_true(link_server_stats(h.server)->revoked >= 2);
	link_client_destroy(g.client, 0);
	link_server_destroy(h.server, 0);
}

static void forgotten_peer_is_dropped_message_by_message(void **state)
{
	struct host h = { 0 };
	struct guest g = { 0 };

	(void)state;
	host_start(&h);
	guest_at(&g, &h, "s1");
	guest_say(&g, "one");
	run_until(&h.n_messages, 1);
	link_server_forget(h.server, "s1");
	link_server_forget(h.server, "nobody");
	guest_say(&g, "two");
	run_until_u64(&link_server_stats(h.server)->dropped_forgotten, 1);
	assert_int_equal(h.n_messages, 1);
	assert_int_equal(link_server_send(h.server, "s1", "x", 1), ERR_NOT_FOUND);

	/* The slot's next owner does not inherit the old connection, nor does a new life of s1. */
	link_client_restart(g.client, "test");
	run_until(&g.n_up, 2);
	guest_say(&g, "three");
	run_until(&h.n_messages, 2);
	assert_string_equal(h.last_text, "three");
	assert_int_equal(link_server_send(h.server, "s1", "x", 1), 0);
	run_until(&g.n_messages, 1);
	link_client_destroy(g.client, 0);
	link_server_destroy(h.server, 0);
}

static void peer_may_be_forgotten_in_its_own_message(void **state)
{
	struct host h = { .forgets = true };
	struct guest g = { 0 };

	(void)state;
	host_start(&h);
	guest_at(&g, &h, "s1");
	guest_say(&g, "one");
	guest_say(&g, "two");
	run_until_u64(&link_server_stats(h.server)->dropped_forgotten, 1);
	assert_int_equal(h.n_messages, 1);
	assert_string_equal(h.last_user, "s1");
	link_client_destroy(g.client, 0);
	link_server_destroy(h.server, 0);
}

static void newest_of_two_connections_of_a_key_wins(void **state)
{
	struct host h = { 0 };
	struct guest a = { 0 };
	struct guest b = { 0 };

	(void)state;
	host_start(&h);
	guest_at(&a, &h, "s1");
	guest_say(&a, "a1");
	run_until(&h.n_messages, 1);
	b.keys = a.keys;
	guest_start(&b, &h);
	run_until(&b.n_up, 1);
	guest_say(&a, "a2"); /* the newer one has not spoken yet */
	run_until(&h.n_messages, 2);
	guest_say(&b, "b1");
	run_until(&h.n_messages, 3);
	guest_say(&a, "a3");
	run_until_u64(&link_server_stats(h.server)->dropped_stale, 1);
	assert_int_equal(h.n_messages, 3);
	assert_int_equal(link_server_send(h.server, "s1", "x", 1), 0);
	run_until(&b.n_messages, 1);
	assert_int_equal(a.n_messages, 0);
	link_client_destroy(a.client, 0);
	link_client_destroy(b.client, 0);
	link_server_destroy(h.server, 0);
}

static void oversize_message_cuts_its_link_only(void **state)
{
	static uint8_t big[8192];
	struct host h = { .config = { .max_message_bytes = 4096 } };
	struct guest a = { .config = { .max_message_bytes = sizeof(big) } };
	struct guest b = { 0 };

	(void)state;
	host_start(&h);
	guest_at(&a, &h, "s1");
	guest_at(&b, &h, "s2");
	assert_int_equal(link_client_send(a.client, big, 4096), 0);
	run_until(&h.n_messages, 1);
	assert_int_equal(link_client_send(a.client, big, sizeof(big)), 0);
	run_until(&a.n_down, 1);
	assert_int_equal(a.last_end, LINK_END_LOST);
	run_until(&a.n_up, 2);
	assert_int_equal(h.n_messages, 1);
	assert_int_equal(b.n_down, 0);
	assert_int_equal(link_server_send(h.server, "s1", big, 4097), ERR_INVALID);
	assert_int_equal(link_client_send(a.client, big, sizeof(big) + 1), ERR_INVALID);
	link_client_destroy(a.client, 0);
	link_client_destroy(b.client, 0);
	link_server_destroy(h.server, 0);
}

static void client_comes_back_after_server_restart(void **state)
{
	struct host h = { .answers = true };
	struct guest g = { 0 };
	char endpoint[LINK_ENDPOINT_BYTES];

	(void)state;
	host_start(&h);
	guest_at(&g, &h, "s1");
	memcpy(endpoint, h.endpoint, sizeof(endpoint));
	link_server_destroy(h.server, 0);
	run_until(&g.n_down, 1);
	assert_int_equal(g.last_end, LINK_END_LOST);
	assert_false(link_client_is_up(g.client));
	assert_int_equal(link_client_send(g.client, "x", 1), ERR_STATE);
	run_until(&g.n_failed, 2); /* nobody listens */
	host_open(&h, endpoint);
	run_until(&g.n_up, 2);
	guest_say(&g, "again");
	run_until(&g.n_messages, 1);
	assert_string_equal(g.last_text, "re:again");
	link_client_destroy(g.client, 0);
	link_server_destroy(h.server, 0);
}

/* Far more than one edge of ZMQ_FD, than the budget of one turn, and than both queues hold. */
static void two_thousand_messages_arrive_in_order(void **state)
{
	static uint8_t data[BIG_BYTES];
	struct host h = { 0 };
	struct guest g = { 0 };
	uint32_t up = 0;
	uint32_t down = 0;
	ev_tstamp end = ev_time() + 2 * BOUND_S;

	(void)state;
	host_start(&h);
	guest_at(&g, &h, "s1");
	while (up < 2000) {
		memcpy(data, &up, sizeof(up));
		if (link_client_send(g.client, data, sizeof(data)) == 0) {
			up++;
			continue;
		}
		run_until(&g.n_writable, g.n_writable + 1);
		assert_true(ev_time() < end);
	}
	run_until(&h.n_messages, 2000);
	assert_int_equal(h.n_out_of_order, 0);
	assert_true(link_client_stats(g.client)->again > 0);

	while (down < 2000) {
		memcpy(data, &down, sizeof(down));
		if (link_server_send(h.server, "s1", data, sizeof(data)) == 0) {
			down++;
			continue;
		}
		run_until(&h.n_writable, h.n_writable + 1);
		assert_true(ev_time() < end);
	}
	run_until(&g.n_messages, 2000);
	assert_int_equal(g.n_out_of_order, 0);
	assert_true(link_server_stats(h.server)->again > 0);
	assert_int_equal(g.n_down, 0);
	link_client_destroy(g.client, 0);
	link_server_destroy(h.server, 0);
}

/* Small ones all fit the queues, so no send wakes the receiver a second time. */
static void burst_within_the_queue_arrives_whole(void **state)
{
	struct host h = { .config = { .queue_messages = 4000 } };
	struct guest g = { .config = { .queue_messages = 4000 } };

	(void)state;
	host_start(&h);
	guest_at(&g, &h, "s1");
	for (uint32_t i = 0; i < 2000; i++)
		assert_int_equal(link_client_send(g.client, &i, sizeof(i)), 0);
	run_until(&h.n_messages, 2000);
	assert_int_equal(h.n_out_of_order, 0);
	for (uint32_t i = 0; i < 2000; i++)
		assert_int_equal(link_server_send(h.server, "s1", &i, sizeof(i)), 0);
	run_until(&g.n_messages, 2000);
	assert_int_equal(g.n_out_of_order, 0);
	link_client_destroy(g.client, 0);
	link_server_destroy(h.server, 0);
}

static void last_words_are_heard_before_the_end(void **state)
{
	struct host h = { 0 };
	struct guest g = { 0 };

	(void)state;
	host_start(&h);
	guest_at(&g, &h, "s1");
	guest_say(&g, "one");
	run_until(&h.n_messages, 1);
	assert_int_equal(link_server_send(h.server, "s1", "goodbye", 7), 0);
	link_server_destroy(h.server, 2000);
	run_until(&g.n_down, 1);
	assert_int_equal(g.n_messages, 1);
	assert_string_equal(g.last_text, "goodbye");

	host_open(&h, h.endpoint);
	run_until(&g.n_up, 2);
	guest_say(&g, "final ack");
	link_client_destroy(g.client, 2000);
	run_until(&h.n_messages, 2);
	assert_string_equal(h.last_text, "final ack");
	link_server_destroy(h.server, 0);
}

static void enrolment_socket_takes_any_key_and_little(void **state)
{
	static uint8_t big[LINK_ENROLL_MAX_BYTES + 1024];
	struct host h = { .is_any = true,
			  .config = { .max_message_bytes = LINK_ENROLL_MAX_BYTES } };
	struct guest a = { 0 };
	struct guest b = { 0 };

	(void)state;
	host_start(&h);
	node_keys_generate(&a.keys);
	node_keys_generate(&b.keys);
	guest_start(&a, &h);
	guest_start(&b, &h);
	run_until(&a.n_up, 1);
	run_until(&b.n_up, 1);
	guest_say(&a, "let me in");
	run_until(&h.n_messages, 1);
	assert_string_equal(h.last_user, "any");
	guest_say(&b, "me too");
	run_until(&h.n_messages, 2); /* no newest: both are strangers */
	assert_int_equal(link_server_send(h.server, "any", "x", 1), ERR_NOT_FOUND);
	assert_int_equal(link_server_send_to(h.server, &h.last_route, "x", 1), 0);
	run_until(&b.n_messages, 1);
	assert_int_equal(a.n_messages, 0);
	assert_int_equal(link_client_send(a.client, big, sizeof(big)), 0);
	run_until(&a.n_down, 1);
	assert_int_equal(h.n_messages, 2);
	link_client_destroy(a.client, 0);
	link_client_destroy(b.client, 0);
	link_server_destroy(h.server, 0);
}

static void reply_to_a_connection_that_is_gone_is_not_found(void **state)
{
	struct host h = { 0 };
	struct guest g = { 0 };
	ev_tstamp end = ev_time() + BOUND_S;
	int r = 0;

	(void)state;
	host_start(&h);
	guest_at(&g, &h, "s1");
	guest_say(&g, "one");
	run_until(&h.n_messages, 1);
	link_client_destroy(g.client, 0);
	while (r != ERR_NOT_FOUND && ev_time() < end) {
		r = link_server_send(h.server, "s1", "x", 1);
		ev_run(loop, EVRUN_NOWAIT); /* a full queue learns of the end by receiving it */
	}
	assert_int_equal(r, ERR_NOT_FOUND);
	assert_int_equal(link_server_send_to(h.server, &h.last_route, "x", 1), ERR_NOT_FOUND);
	link_server_destroy(h.server, 0);
}

static void restart_stops_delivery_and_is_told_later(void **state)
{
	struct host h = { 0 };
	struct guest g = { .restarts = true };

	(void)state;
	host_start(&h);
	guest_at(&g, &h, "s1");
	guest_say(&g, "one");
	run_until(&h.n_messages, 1);
	for (int i = 0; i < 10; i++)
		assert_int_equal(link_server_send(h.server, "s1", "x", 1), 0);
	run_until(&g.n_down, 1);
	assert_int_equal(g.n_messages, 1); /* the other nine died with the connection */
	assert_int_equal(g.last_end, LINK_END_RESTART);
	g.restarts = false;
	run_until(&g.n_up, 2);
	link_client_restart(g.client, "twice");
	link_client_restart(g.client, "twice");
	assert_false(link_client_is_up(g.client));
	assert_int_equal(g.n_down, 1); /* never from within the call */
	run_until(&g.n_down, 2);
	run_until(&g.n_up, 3);
	assert_int_equal(g.n_down, 2);
	link_client_destroy(g.client, 0);
	link_server_destroy(h.server, 0);
}

static void full_table_of_peers_refuses_for_now(void **state)
{
	struct host h = { .config = { .max_peers = 1 } };
	struct guest a = { 0 };
	struct guest b = { .config = { .handshake_ms = 300 } };

	(void)state;
	host_start(&h);
	guest_at(&a, &h, "s1");
	node_keys_generate(&b.keys);
	host_know(&h, &b.keys, "s2", LINK_ADMIT);
	guest_start(&b, &h);
	run_until(&b.n_failed, 1);
	assert_int_equal(b.n_up, 0);
	link_server_forget(h.server, "s1");
	run_until(&b.n_up, 1);
	guest_say(&b, "in");
	run_until(&h.n_messages, 1);
	guest_say(&a, "out"); /* its slot is another's now */
	run_until_u64(&link_server_stats(h.server)->dropped_forgotten, 1);
	assert_int_equal(h.n_messages, 1);
	link_client_destroy(a.client, 0);
	link_client_destroy(b.client, 0);
	link_server_destroy(h.server, 0);
}

/* A socket of the test's own, without CURVE, that tries to get a word in. */
static void peer_without_curve_gets_nothing_in(void **state)
{
	struct host h = { 0 };
	void *zmq = zmq_ctx_new();
	void *dealer = zmq_socket(zmq, ZMQ_DEALER);
	void *monitor = zmq_socket(zmq, ZMQ_PAIR);
	ev_tstamp end = ev_time() + BOUND_S;
	bool is_refused = false;
	int zero = 0;

	(void)state;
	host_start(&h);
	(void)zmq_setsockopt(dealer, ZMQ_LINGER, &zero, sizeof(zero));
	assert_int_equal(zmq_socket_monitor(dealer, "inproc://m",
					    ZMQ_EVENT_DISCONNECTED |
						    ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
						    ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL),
			 0);
	assert_int_equal(zmq_connect(monitor, "inproc://m"), 0);
	assert_int_equal(zmq_connect(dealer, h.endpoint), 0);
	assert_int_equal(zmq_send(dealer, "hi", 2, ZMQ_DONTWAIT), 2);
	while (!is_refused && ev_time() < end) {
		zmq_msg_t m;

		ev_run(loop, EVRUN_NOWAIT);
		zmq_msg_init(&m);
		is_refused = zmq_msg_recv(&m, monitor, ZMQ_DONTWAIT) >= 0;
		zmq_msg_close(&m);
	}
	assert_true(is_refused);
	assert_int_equal(h.n_messages, 0);
	zmq_socket_monitor(dealer, NULL, 0);
	zmq_close(monitor);
	zmq_close(dealer);
	zmq_ctx_term(zmq);
	link_server_destroy(h.server, 0);
}

static void bad_configuration_is_refused_at_once(void **state)
{
	static const char *const endpoints[] = { "",
						 "tcp://",
						 "tcp://1.2.3.4",
						 "tcp://1.2.3.4:",
						 "tcp://1.2.3.4:0",
						 "tcp://1.2.3.4:65536",
						 "tcp://:80",
						 "ipc:///tmp/x",
						 "tcp://1.2.3.4:8o" };
	struct link_client_handler handler = { .on_message = guest_on_message };
	struct link_server_handler server_handler = { .on_message = host_on_message };
	struct link_server_config server_config = { .endpoint = "tcp://nowhere" };
	struct link_client_config config = { 0 };
	struct link_client *client = NULL;
	struct link_server *server = NULL;
	struct host h = { 0 };
	struct node_keys k;

	(void)state;
	host_start(&h);
	node_keys_generate(&k);
	memcpy(config.server_key, h.keys.curve_pub, LINK_KEY_BYTES);
	memcpy(config.public_key, k.curve_pub, LINK_KEY_BYTES);
	memcpy(config.secret_key, k.curve_secret, LINK_KEY_BYTES);
	for (size_t i = 0; i < sizeof(endpoints) / sizeof(*endpoints); i++) {
		config.endpoint = endpoints[i];
		assert_int_equal(link_client_create(context, &config, &handler, &client),
				 ERR_INVALID);
	}
	config.endpoint = h.endpoint;
	config.public_key[0] ^= 1;
	assert_int_equal(link_client_create(context, &config, &handler, &client), ERR_INVALID);

	assert_int_equal(link_server_create(context, &server_config, &server_handler, &server),
			 ERR_INVALID); /* no key */
	memcpy(server_config.secret_key, k.curve_secret, LINK_KEY_BYTES);
	assert_int_equal(link_server_create(context, &server_config, &server_handler, &server),
			 ERR_INVALID);
	server_config.endpoint = h.endpoint;
	assert_int_equal(link_server_create(context, &server_config, &server_handler, &server),
			 ERR_EXISTS);
	link_server_destroy(h.server, 0);
	link_server_destroy(NULL, 0);
	link_client_destroy(NULL, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(message_goes_up_and_down),
		T(wrong_server_key_never_comes_up),
		T(unknown_key_tries_again_until_it_is_known),
		T(revoked_key_is_told),
		T(forgotten_peer_is_dropped_message_by_message),
		T(peer_may_be_forgotten_in_its_own_message),
		T(newest_of_two_connections_of_a_key_wins),
		T(oversize_message_cuts_its_link_only),
		T(client_comes_back_after_server_restart),
		T(two_thousand_messages_arrive_in_order),
		T(burst_within_the_queue_arrives_whole),
		T(last_words_are_heard_before_the_end),
		T(enrolment_socket_takes_any_key_and_little),
		T(reply_to_a_connection_that_is_gone_is_not_found),
		T(restart_stops_delivery_and_is_told_later),
		T(full_table_of_peers_refuses_for_now),
		T(peer_without_curve_gets_nothing_in),
		T(bad_configuration_is_refused_at_once),
	};

	return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
