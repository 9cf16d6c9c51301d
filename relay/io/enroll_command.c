#include "enroll_command.h"

#include <ev.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "enroll.h"
#include "envelope.h"
#include "identity.h"
#include "link.h"

#define ENROLL_TIMEOUT_S 20.0

struct enrolment {
	struct ev_loop *loop;
	const char *dir;
	struct enroll_code code;
	struct node_keys keys;
	struct enroll_exchange exchange;
	struct link_client *link;
	struct envelope_reader reader;
	struct send_buffer out;
	ev_timer timeout;
	int status;
};

static void end(struct enrolment *e, int status)
{
	e->status = status;
	ev_break(e->loop, EVBREAK_ALL);
}

static void on_up(void *ctx)
{
	struct enrolment *e = ctx;
	Trib__V1__Envelope env;

	arena_reset(&e->reader.arena);
	envelope_init(&env);
	env.body_case = TRIB__V1__ENVELOPE__BODY_ENROLL;
	if (enroll_request_build(&e->reader.arena, &e->code, &e->keys, &env.enroll, &e->exchange) ||
	    envelope_pack(&e->out, &env) != 0 ||
	    link_client_send(e->link, e->out.data, e->out.len) != 0) {
		fprintf(stderr, "trib-relay: the request could not be sent\n");
		end(e, 1);
	}
}

static const char *why_not(int err)
{
	switch (err) {
	case ERR_SIGNATURE:
		return "the answer is not made with this code";
	case ERR_UNKNOWN_KEY:
		return "the answer is of another headquarters, or for another box";
	default:
		return "the answer is not well formed";
	}
}

static void on_reply(struct enrolment *e, const Trib__V1__EnrollReply *reply)
{
	const Trib__V1__EnrollGrant *grant;
	const Trib__V1__Certificate *c;
	char why[KEYS_WHY_BYTES] = "";
	int err = enroll_reply_open(&e->reader.arena, &e->code, &e->exchange, reply, &grant, &c);

	if (err == ERR_DENIED) {
		fprintf(stderr, "trib-relay: headquarters refused: %s\n", reply->refused);
		end(e, 1);
		return;
	}
	if (err != 0) {
		fprintf(stderr, "trib-relay: %s\n", why_not(err));
		end(e, 1);
		return;
	}
	if (c->has_node) {
		fprintf(stderr, "trib-relay: this code is for a store, not for a relay\n");
		end(e, 1);
		return;
	}
	if (identity_store(e->dir, grant, why) != 0) {
		fprintf(stderr, "trib-relay: %s\n", why);
		end(e, 1);
		return;
	}
	fprintf(stderr, "trib-relay: enrolled for region %d\n", c->region);
	end(e, 0);
}

static void on_message(void *ctx, const uint8_t *data, size_t len)
{
	struct enrolment *e = ctx;
	const Trib__V1__Envelope *env;

	if (envelope_unpack(&e->reader, data, len, &env) != 0) {
		fprintf(stderr, "trib-relay: the answer is not well formed\n");
		end(e, 1);
	} else if (env->body_case == TRIB__V1__ENVELOPE__BODY_ENROLL_REPLY) {
		on_reply(e, env->enroll_reply);
	} else if (env->body_case == TRIB__V1__ENVELOPE__BODY_REFUSE) {
		fprintf(stderr, "trib-relay: headquarters refused: %s\n", env->refuse->code);
		end(e, 1);
	}
}

static void on_timeout(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	fprintf(stderr,
		"trib-relay: no answer from headquarters within %.0f s; check --hq and "
		"--hq-key, then try again\n",
		ENROLL_TIMEOUT_S);
	end(w->data, 1);
}

static int talk(struct enrolment *e, const char *endpoint, const uint8_t key[LINK_KEY_BYTES])
{
	struct link_client_config config = { .endpoint = endpoint };
	const struct link_client_handler handler = { .on_up = on_up,
						     .on_message = on_message,
						     .ctx = e };
	struct link_context *links;

	if (link_context_create(e->loop, 0, &links) != 0)
		return 1;
	memcpy(config.server_key, key, LINK_KEY_BYTES);
	memcpy(config.public_key, e->keys.curve_pub, LINK_KEY_BYTES);
	memcpy(config.secret_key, e->keys.curve_secret, LINK_KEY_BYTES);
	if (link_client_create(links, &config, &handler, &e->link) != 0) {
		fprintf(stderr, "trib-relay: --hq %s is no endpoint (tcp://HOST:PORT)\n", endpoint);
		e->status = 2;
	} else {
		ev_timer_init(&e->timeout, on_timeout, ENROLL_TIMEOUT_S, 0.0);
		e->timeout.data = e;
		ev_timer_start(e->loop, &e->timeout);
		ev_run(e->loop, 0);
		ev_timer_stop(e->loop, &e->timeout);
		link_client_destroy(e->link, 0);
	}
	sodium_memzero(&config, sizeof(config));
	link_context_destroy(links);
	return e->status;
}

int enroll_command(const struct settings *settings, const char *code, const char *hq_endpoint,
		   const char *hq_key)
{
	struct enrolment e = { .dir = settings->data_dir, .status = 1 };
	char why[KEYS_WHY_BYTES] = "";
	uint8_t key[LINK_KEY_BYTES];

	if (identity_exists(e.dir)) {
		fprintf(stderr, "trib-relay: %s is enrolled already; nothing was changed\n", e.dir);
		return 1;
	}
	if (enroll_code_parse(code, &e.code, why) != 0) {
		fprintf(stderr, "trib-relay: %s\n", why);
		return 2;
	}
	if (z85_parse_key(hq_key, key) != 0) {
		fprintf(stderr, "trib-relay: --hq-key is not a key of 40 Z85 characters\n");
		return 2;
	}
	if (node_keys_load_or_create(e.dir, &e.keys, why) != 0) {
		fprintf(stderr, "trib-relay: %s\n", why);
		return 1;
	}
	e.loop = ev_default_loop(0);
	envelope_reader_init(&e.reader);
	e.status = talk(&e, hq_endpoint, key);
	envelope_reader_finish(&e.reader);
	send_buffer_finish(&e.out);
	node_keys_wipe(&e.keys);
	enroll_code_wipe(&e.code);
	return e.status;
}
