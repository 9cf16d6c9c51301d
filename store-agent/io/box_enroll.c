#include "box_enroll.h"

#include <errno.h>
#include <ev.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "encode.h"
#include "enroll.h"
#include "envelope.h"
#include "fault.h"
#include "identity.h"
#include "link.h"

#define TIMEOUT_S 30.
#define RESEND_S 3. /* HQ answers the same request the same; a lost message is sent again */

struct box {
	const char *data_dir;
	struct enroll_code code;
	struct enroll_exchange exchange;
	struct node_keys keys;
	struct ev_loop *loop;
	struct link_client *client;
	struct envelope_reader reader;
	struct send_buffer request; /* packed once, sent as often as needed */
	ev_timer timeout, resend;
	enum link_end last_end;
	int result;
	char *err;
};

static void done(struct box *b, int result)
{
	b->result = result;
	ev_break(b->loop, EVBREAK_ALL);
}

static const char *refusal_text(int r)
{
	switch (r) {
	case ERR_SIGNATURE:
		return "the answer was not sealed for this box: somebody between changed it";
	case ERR_UNKNOWN_KEY:
		return "the answer is not from the HQ that this code belongs to";
	default:
		return "the answer cannot be read";
	}
}

static void on_reply(struct box *b, const Trib__V1__EnrollReply *reply)
{
	const Trib__V1__EnrollGrant *grant;
	const Trib__V1__Certificate *certificate;
	int r = enroll_reply_open(&b->reader.arena, &b->code, &b->exchange, reply, &grant,
				  &certificate);

	if (r == ERR_DENIED) {
		snprintf(b->err, BOX_ENROLL_ERROR_BYTES,
			 "HQ refused: %.64s; ask for a new code (tribctl store enroll)",
			 reply->refused);
		done(b, ERR_DENIED);
		return;
	}
	if (r < 0) {
		snprintf(b->err, BOX_ENROLL_ERROR_BYTES, "%s", refusal_text(r));
		done(b, r);
		return;
	}
	if (!certificate->has_node || certificate->store == NULL) {
		snprintf(b->err, BOX_ENROLL_ERROR_BYTES, "this code is not for a store");
		done(b, ERR_INVALID);
		return;
	}
	FAULT_POINT("store.enroll_before_write");
	done(b, identity_write(b->data_dir, grant, b->err));
}

static void on_message(void *ctx, const uint8_t *data, size_t len)
{
	struct box *b = ctx;
	const Trib__V1__Envelope *e;

	if (envelope_unpack(&b->reader, data, len, &e) < 0)
		return;
	if (e->body_case == TRIB__V1__ENVELOPE__BODY_ENROLL_REPLY)
		on_reply(b, e->enroll_reply);
}

static void send_request(struct box *b)
{
	if (link_client_is_up(b->client) &&
	    link_client_send(b->client, b->request.data, b->request.len) < 0)
		return; /* again at the next resend */
}

static void on_up(void *ctx)
{
	send_request(ctx);
}

static void on_failed(void *ctx, enum link_end why)
{
	((struct box *)ctx)->last_end = why;
}

static void on_resend(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	send_request(w->data);
}

static void on_timeout(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct box *b = w->data;
	(void)loop;
	(void)revents;

	snprintf(
		b->err, BOX_ENROLL_ERROR_BYTES,
		link_client_is_up(b->client) ?
			"the relay took the request, but no answer came within %.0f s%s" :
			"no answer from the relay within %.0f s (%s): check --relay and --relay-key",
		TIMEOUT_S, link_client_is_up(b->client) ? "" : link_end_name(b->last_end));
	done(b, ERR_AGAIN);
}

static int prepare(struct box *b, const char *code)
{
	char why[ENROLL_WHY_BYTES];
	Trib__V1__Envelope e;
	Trib__V1__Enroll *enroll;
	int r;

	if (enroll_code_parse(code, &b->code, why) < 0) {
		snprintf(b->err, BOX_ENROLL_ERROR_BYTES, "--code: %s", why);
		return ERR_INVALID;
	}
	if (mkdir(b->data_dir, 0700) < 0 && errno != EEXIST) {
		snprintf(b->err, BOX_ENROLL_ERROR_BYTES, "cannot create %.400s: %s", b->data_dir,
			 strerror(errno));
		return ERR_IO;
	}
	if (identity_exists(b->data_dir)) {
		snprintf(b->err, BOX_ENROLL_ERROR_BYTES,
			 "%.400s is enrolled already; a replacement needs an empty data directory",
			 b->data_dir);
		return ERR_EXISTS;
	}
	r = node_keys_load_or_create(b->data_dir, &b->keys, b->err);
	if (r < 0)
		return r;
	r = enroll_request_build(&b->reader.arena, &b->code, &b->keys, &enroll, &b->exchange);
	if (r < 0)
		return r;
	envelope_init(&e);
	e.body_case = TRIB__V1__ENVELOPE__BODY_ENROLL;
	e.enroll = enroll;
	return envelope_pack(&b->request, &e);
}

static int run(struct box *b, const char *relay, const char *relay_key)
{
	const struct link_client_handler handler = {
		.on_up = on_up, .on_message = on_message, .on_failed = on_failed, .ctx = b
	};
	struct link_client_config config = { .endpoint = relay, .max_message_bytes = 64 * 1024 };
	struct link_context *context;
	int r;

	if (z85_parse_key(relay_key, config.server_key) < 0) {
		snprintf(b->err, BOX_ENROLL_ERROR_BYTES,
			 "--relay-key is no key in Z85 (40 characters)");
		return ERR_INVALID;
	}
	if (link_context_create(b->loop, 0, &context) < 0) {
		snprintf(b->err, BOX_ENROLL_ERROR_BYTES, "cannot start ZeroMQ");
		return ERR_IO;
	}
	memcpy(config.public_key, b->keys.curve_pub, LINK_KEY_BYTES);
	memcpy(config.secret_key, b->keys.curve_secret, LINK_KEY_BYTES);
	r = link_client_create(context, &config, &handler, &b->client);
	sodium_memzero(config.secret_key, sizeof(config.secret_key));
	if (r < 0) {
		snprintf(b->err, BOX_ENROLL_ERROR_BYTES,
			 "--relay %.200s is no endpoint tcp://HOST:PORT", relay);
	} else {
		ev_timer_init(&b->timeout, on_timeout, TIMEOUT_S, 0.);
		ev_timer_init(&b->resend, on_resend, RESEND_S, RESEND_S);
		b->timeout.data = b;
		b->resend.data = b;
		ev_timer_start(b->loop, &b->timeout);
		ev_timer_start(b->loop, &b->resend);
		ev_run(b->loop, 0);
		ev_timer_stop(b->loop, &b->timeout);
		ev_timer_stop(b->loop, &b->resend);
		link_client_destroy(b->client, 0);
		r = b->result;
	}
	link_context_destroy(context);
	return r;
}

int box_enroll(const char *data_dir, const char *code, const char *relay, const char *relay_key,
	       char *err)
{
	struct box b = { .data_dir = data_dir, .loop = ev_default_loop(0), .err = err };
	int r;

	snprintf(err, BOX_ENROLL_ERROR_BYTES, "the request cannot be built");
	envelope_reader_init(&b.reader);
	r = prepare(&b, code);
	if (r == 0)
		r = run(&b, relay, relay_key);
	envelope_reader_finish(&b.reader);
	send_buffer_finish(&b.request);
	node_keys_wipe(&b.keys);
	enroll_code_wipe(&b.code);
	return r;
}
