#include <gnutls/gnutls.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "http_internal.h"

/* The client sent something, or took something. */
static void on_wake(struct ev_loop *loop, ev_io *w, int revents)
{
	struct http_request *req = w->data;
	struct http_server *s = req->server;

	(void)revents;
	ev_io_stop(loop, w);
	req->is_asleep = false;
	MHD_resume_connection(req->mhd);
	s->resumed = true;
	TAILQ_INSERT_TAIL(&s->shaking, req, shaking);
	req->is_shaking = true;
}

void http_handshake_begin(struct http_request *req)
{
	const int on = 1;

	if (req->server->options.tls_key == NULL)
		return;
	/* A handshake is a dialogue of small parts: none may wait for the other's ack. */
	(void)setsockopt(req->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	ev_init(&req->wake, on_wake);
	req->wake.data = req;
	TAILQ_INSERT_TAIL(&req->server->shaking, req, shaking);
	req->is_shaking = true;
}

void http_handshake_end(struct http_request *req)
{
	if (req->is_shaking)
		TAILQ_REMOVE(&req->server->shaking, req, shaking);
	if (req->is_asleep)
		ev_io_stop(req->server->loop, &req->wake);
	req->is_shaking = req->is_asleep = false;
}

static void sleep_until_ready(struct http_request *req, gnutls_session_t session)
{
	struct http_server *s = req->server;
	const int on = 1;
	bool wants_write = gnutls_record_get_direction(session) != 0;

	TAILQ_REMOVE(&s->shaking, req, shaking);
	req->is_shaking = false;
	req->is_asleep = true;
	MHD_suspend_connection(req->mhd);
	/* A client whose last words of the handshake wait for our ack holds its request back. */
	(void)setsockopt(req->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
	ev_io_set(&req->wake, req->fd, wants_write ? EV_WRITE : EV_READ);
	ev_io_start(s->loop, &req->wake);
}

void http_handshake_sleep(struct http_server *s)
{
	struct http_request *req, *next;

	for (req = TAILQ_FIRST(&s->shaking); req != NULL; req = next) {
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(req->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);

		next = TAILQ_NEXT(req, shaking);
		if (gnutls_record_check_pending(info->tls_session) == 0)
			sleep_until_ready(req, info->tls_session);
	}
}
