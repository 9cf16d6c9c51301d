/* The ZAP handler (RFC 27): each CURVE handshake of the process asks here. */
#include "link_internal.h"

#include <stdio.h>
#include <string.h>

#include "log.h"

enum {
	ZAP_VERSION,
	ZAP_REQUEST_ID,
	ZAP_DOMAIN,
	ZAP_ADDRESS,
	ZAP_ROUTING_ID,
	ZAP_MECHANISM,
	ZAP_KEY
};
#define ZAP_FRAMES 7

static bool frame_is(zmq_msg_t *m, const char *text)
{
	return zmq_msg_size(m) == strlen(text) && memcmp(zmq_msg_data(m), text, strlen(text)) == 0;
}

static int judge(struct link_context *ctx, zmq_msg_t *frames, size_t n,
		 char label[LINK_LABEL_BYTES])
{
	struct link_server *s;

	if (n != ZAP_FRAMES || !frame_is(&frames[ZAP_VERSION], "1.0") ||
	    !frame_is(&frames[ZAP_MECHANISM], "CURVE") ||
	    zmq_msg_size(&frames[ZAP_KEY]) != LINK_KEY_BYTES)
		return 400;
	s = link_server_find(ctx, zmq_msg_data(&frames[ZAP_DOMAIN]),
			     zmq_msg_size(&frames[ZAP_DOMAIN]));
	if (s == NULL) /* was destroyed meanwhile */
		return LINK_NOT_YET;
	return link_server_admit(s, zmq_msg_data(&frames[ZAP_KEY]), label);
}

static int reply(void *socket, zmq_msg_t *request_id, int status, const char *label)
{
	char code[4];

	(void)snprintf(code, sizeof(code), "%03d", status);
	if (status != LINK_ADMIT)
		label = "";
	if (link_send_frame(socket, "1.0", 3, ZMQ_SNDMORE) != 0 ||
	    link_send_frame(socket, zmq_msg_data(request_id), zmq_msg_size(request_id),
			    ZMQ_SNDMORE) != 0 ||
	    link_send_frame(socket, code, 3, ZMQ_SNDMORE) != 0 ||
	    link_send_frame(socket, "", 0, ZMQ_SNDMORE) != 0 ||
	    link_send_frame(socket, label, strlen(label), ZMQ_SNDMORE) != 0)
		return ERR_IO;
	return link_send_frame(socket, "", 0, 0) == 0 ? 0 : ERR_IO;
}

/* One request and its answer. ERR_AGAIN when there is none. */
static int serve(struct link_context *ctx)
{
	zmq_msg_t frames[ZAP_FRAMES];
	char label[LINK_LABEL_BYTES];
	size_t n = 0;
	size_t i;
	int r = 0;
	bool has_more = true;

	for (i = 0; i < ZAP_FRAMES; i++)
		zmq_msg_init(&frames[i]);
	while (r == 0 && has_more) {
		/* What a stranger request has too many of ends up in the last frame. */
		zmq_msg_t *m = &frames[n < ZAP_FRAMES ? n : ZAP_FRAMES - 1];

		r = link_recv(ctx->zap, m);
		if (r == 0) {
			n++;
			has_more = zmq_msg_more(m) != 0;
		}
	}
	if (r == 0) {
		int status = judge(ctx, frames, n, label);

		r = reply(ctx->zap, &frames[ZAP_REQUEST_ID], status, label);
	}
	for (i = 0; i < ZAP_FRAMES; i++)
		zmq_msg_close(&frames[i]);
	return r;
}

static void on_readable(void *arg)
{
	struct link_context *ctx = arg;
	int i, r = 0;

	for (i = 0; i < LINK_BUDGET && r == 0; i++)
		r = serve(ctx);
	if (r == ERR_IO)
		log_event(LOG_LEVEL_ERROR, "zap_failed", "why=\"%s\"", zmq_strerror(zmq_errno()));
}

int link_zap_start(struct link_context *ctx)
{
	/* Before any ROUTER exists: without a handler ZAP lets everybody in. */
	ctx->zap = zmq_socket(ctx->zmq, ZMQ_REP);
	if (ctx->zap == NULL || link_set_int(ctx->zap, ZMQ_LINGER, 0) != 0 ||
	    zmq_bind(ctx->zap, "inproc://zeromq.zap.01") != 0)
		return ERR_IO;
	return link_pump_start(&ctx->zap_pump, ctx->loop, ctx->zap, on_readable, ctx);
}

void link_zap_stop(struct link_context *ctx)
{
	link_pump_stop(&ctx->zap_pump);
	if (ctx->zap != NULL)
		zmq_close(ctx->zap);
	ctx->zap = NULL;
}
