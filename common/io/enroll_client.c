#include "enroll_client.h"

#include <errno.h>
#include <ev.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "encode.h"
#include "envelope.h"
#include "fault.h"
#include "link.h"

#define TIMEOUT_S 30.
#define RESEND_S 3. /* HQ answers the same request the same; a lost message is sent again */

struct box {
	const struct enroll_client *options;
	struct enroll_code code;
	struct enroll_exchange exchange;
	struct node_keys keys;
	struct ev_loop *loop;
	struct link_client *client;
	struct envelope_reader reader;
	struct send_buffer request; /* packed once, sent as often as needed */
	ev_timer timeout, resend;
	enum link_end last_end;
	char last_refusal[32]; /* that may pass */
	bool is_done; /* result stands: what else is queued is not heard */
	int result;
	char *err;
};

static void done(struct box *b, int result)
{
	b->is_done = true;
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

	if (r == ERR_DENIED && enroll_refusal_may_pass(reply->refused)) {
		snprintf(b->last_refusal, sizeof(b->last_refusal), "%s", reply->refused);
		return; /* asked again at the next resend */
	}
	if (r == ERR_DENIED) {
		snprintf(b->err, ENROLL_CLIENT_ERROR_BYTES,
			 "HQ refused: %.64s; ask for a new code (tribctl %s enroll)",
			 reply->refused, b->options->is_store ? "store" : "region");
		done(b, ERR_DENIED);
		return;
	}
	if (r < 0) {
		snprintf(b->err, ENROLL_CLIENT_ERROR_BYTES, "%s", refusal_text(r));
		done(b, r);
		return;
	}
	if (certificate->has_node != b->options->is_store) {
		snprintf(b->err, ENROLL_CLIENT_ERROR_BYTES, "this code is for a %s",
			 certificate->has_node ? "store" : "relay");
		done(b, ERR_INVALID);
		return;
	}
	FAULT_POINT("enroll.before_write");
	done(b, b->options->write(b->options->data_dir, grant, b->err));
}

static void on_message(void *ctx, const uint8_t *data, size_t len)
{
	struct box *b = ctx;
	const Trib__V1__Envelope *e;

	if (b->is_done || envelope_unpack(&b->reader, data, len, &e) < 0)
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

	if (b->last_refusal[0] != '\0')
		snprintf(b->err, ENROLL_CLIENT_ERROR_BYTES,
			 "still refused after %.0f s: %s; the code is still good, try again",
			 TIMEOUT_S, b->last_refusal);
	else if (link_client_is_up(b->client))
		snprintf(
			b->err, ENROLL_CLIENT_ERROR_BYTES,
			"the request was taken, but no answer came within %.0f s; the code is still"
			" good, try again",
			TIMEOUT_S);
	else
		snprintf(b->err, ENROLL_CLIENT_ERROR_BYTES,
			 "no answer from %.200s within %.0f s (%s): check --%s and --%s-key",
			 b->options->endpoint, TIMEOUT_S, link_end_name(b->last_end),
			 b->options->above, b->options->above);
	done(b, ERR_AGAIN);
}

static int prepare(struct box *b)
{
	const char *dir = b->options->data_dir;
	char why[ENROLL_WHY_BYTES];
	Trib__V1__Envelope e;
	Trib__V1__Enroll *enroll;
	int r;

	if (enroll_code_parse(b->options->code, &b->code, why) < 0) {
		snprintf(b->err, ENROLL_CLIENT_ERROR_BYTES, "--code: %s", why);
		return ERR_INVALID;
	}
	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		snprintf(b->err, ENROLL_CLIENT_ERROR_BYTES, "cannot create %.400s: %s", dir,
			 strerror(errno));
		return ERR_IO;
	}
	if (b->options->is_enrolled(dir)) {
		snprintf(b->err, ENROLL_CLIENT_ERROR_BYTES,
			 "%.400s is enrolled already; a replacement needs an empty data directory",
			 dir);
		return ERR_EXISTS;
	}
	r = node_keys_load_or_create(dir, &b->keys, b->err);
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

static int run(struct box *b)
{
	char endpoint[LINK_ENDPOINT_BYTES];
	const struct link_client_handler handler = {
		.on_up = on_up, .on_message = on_message, .on_failed = on_failed, .ctx = b
	};
	struct link_client_config config = { .endpoint = endpoint, .max_message_bytes = 64 * 1024 };
	struct link_context *context;
	int r;

	if (snprintf(endpoint, sizeof(endpoint), "%s%s",
		     strstr(b->options->endpoint, "://") == NULL ? "tcp://" : "",
		     b->options->endpoint) >= (int)sizeof(endpoint)) {
		snprintf(b->err, ENROLL_CLIENT_ERROR_BYTES, "--%s is too long", b->options->above);
		return ERR_INVALID;
	}
	if (z85_parse_key(b->options->key, config.server_key) < 0) {
		snprintf(b->err, ENROLL_CLIENT_ERROR_BYTES,
			 "--%s-key is no key in Z85 (40 characters)", b->options->above);
		return ERR_INVALID;
	}
	if (link_context_create(b->loop, 0, &context) < 0) {
		snprintf(b->err, ENROLL_CLIENT_ERROR_BYTES, "cannot start ZeroMQ");
		return ERR_IO;
	}
	memcpy(config.public_key, b->keys.curve_pub, LINK_KEY_BYTES);
	memcpy(config.secret_key, b->keys.curve_secret, LINK_KEY_BYTES);
	r = link_client_create(context, &config, &handler, &b->client);
	sodium_memzero(config.secret_key, sizeof(config.secret_key));
	if (r < 0) {
		snprintf(b->err, ENROLL_CLIENT_ERROR_BYTES,
			 "--%s %.200s is no endpoint [tcp://]HOST:PORT", b->options->above,
			 b->options->endpoint);
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

int enroll_client_run(const struct enroll_client *options, char *err)
{
	struct box b = { .options = options, .loop = ev_default_loop(0), .err = err };
	int r;

	snprintf(err, ENROLL_CLIENT_ERROR_BYTES, "the request cannot be built");
	envelope_reader_init(&b.reader);
	r = prepare(&b);
	if (r == 0)
		r = run(&b);
	envelope_reader_finish(&b.reader);
	send_buffer_finish(&b.request);
	node_keys_wipe(&b.keys);
	enroll_code_wipe(&b.code);
	return r;
}
