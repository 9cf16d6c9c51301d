#include "link_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "log.h"

int link_recv(void *socket, zmq_msg_t *m)
{
	while (zmq_msg_recv(m, socket, ZMQ_DONTWAIT) < 0) {
		if (errno == EAGAIN)
			return ERR_AGAIN;
		if (errno != EINTR)
			return ERR_IO;
	}
	return 0;
}

int link_send_frame(void *socket, const void *data, size_t len, int flags)
{
	while (zmq_send(socket, data, len, flags | ZMQ_DONTWAIT) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

int link_set_int(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof(value)) == 0 ? 0 : ERR_IO;
}

int link_set_common(void *socket, size_t max_message_bytes, int queue_messages)
{
	int64_t max = (int64_t)max_message_bytes + LINK_CURVE_OVERHEAD;

	/* No ZMQ_HEARTBEAT_*: libzmq aborts when it meets a full receive queue. */
	if (link_set_int(socket, ZMQ_LINGER, 0) != 0 || link_set_int(socket, ZMQ_IPV6, 0) != 0 ||
	    link_set_int(socket, ZMQ_TCP_KEEPALIVE, 1) != 0 ||
	    link_set_int(socket, ZMQ_TCP_KEEPALIVE_IDLE, 60) != 0 ||
	    link_set_int(socket, ZMQ_TCP_KEEPALIVE_INTVL, 20) != 0 ||
	    link_set_int(socket, ZMQ_TCP_KEEPALIVE_CNT, 3) != 0 ||
	    link_set_int(socket, ZMQ_SNDHWM, queue_messages) != 0 ||
	    link_set_int(socket, ZMQ_RCVHWM, queue_messages) != 0 ||
	    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max, sizeof(max)) != 0)
		return ERR_IO;
	return 0;
}

int link_context_create(struct ev_loop *loop, unsigned max_sockets, struct link_context **ret)
{
	struct link_context *ctx = calloc(1, sizeof(*ctx));

	if (ctx == NULL)
		abort();
	ctx->loop = loop;
	ctx->zmq = zmq_ctx_new();
	if (ctx->zmq == NULL)
		goto fail;
	if (max_sockets > 0 && zmq_ctx_set(ctx->zmq, ZMQ_MAX_SOCKETS, (int)max_sockets) != 0)
		goto fail;
	if (link_zap_start(ctx) != 0)
		goto fail;
	*ret = ctx;
	return 0;
fail:
	log_event(LOG_LEVEL_ERROR, "link_context_failed", "why=\"%s\"", zmq_strerror(errno));
	link_context_destroy(ctx);
	return ERR_IO;
}

void link_context_destroy(struct link_context *ctx)
{
	if (ctx == NULL)
		return;
	if (ctx->servers != NULL)
		abort(); /* they would go on with a context that is gone */
	link_zap_stop(ctx);
	while (ctx->zmq != NULL && zmq_ctx_term(ctx->zmq) != 0 && errno == EINTR)
		;
	free(ctx);
}
