#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "api_error.h"
#include "http_internal.h"

#define BODY_KEEP_BYTES 4096 /* a buffer up to this size stays with its connection */
#define DROPPED_MAX_BYTES ((size_t)1024 * 1024) /* of a body that is refused */

static void request_reset(struct http_request *req)
{
	if (req->body_cap > BODY_KEEP_BYTES) {
		free(req->body);
		req->body = NULL;
		req->body_cap = 0;
	}
	req->body_len = req->dropped = 0;
	req->refused = NULL;
	req->gone = req->too_large = req->answered = false;
	req->method = req->origin = NULL;
	req->path[0] = '\0';
	req->data = NULL;
	req->reply_headers_len = 0;
	req->trace_id[0] = '\0';
}

static bool body_append(struct http_request *req, const char *data, size_t len)
{
	size_t need = req->body_len + len;

	if (need > req->server->options.body_max_bytes)
		req->too_large = true;
	if (req->too_large || req->refused != NULL) {
		req->dropped += len;
		return req->dropped <= DROPPED_MAX_BYTES;
	}
	if (need + 1 > req->body_cap) {
		size_t cap = req->body_cap == 0 ? 1024 : req->body_cap * 2;
		char *grown;

		while (cap < need + 1)
			cap *= 2;
		grown = realloc(req->body, cap);
		if (grown == NULL)
			return false;
		req->body = grown;
		req->body_cap = cap;
	}
	memcpy(req->body + req->body_len, data, len);
	req->body_len = need;
	req->body[need] = '\0';
	return true;
}

static struct MHD_Response *make_response(struct http_request *req, char *body, size_t len)
{
	static char empty[1];
	struct MHD_Response *response;
	const char *name, *end = req->reply_headers + req->reply_headers_len;
	bool has_type = false;

	response = MHD_create_response_from_buffer(len, body != NULL ? body : empty,
						   body != NULL ? MHD_RESPMEM_MUST_FREE :
								  MHD_RESPMEM_PERSISTENT);
	if (response == NULL) {
		free(body);
		return NULL;
	}
	for (name = req->reply_headers; name < end;) {
		const char *value = name + strlen(name) + 1;

		if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_TYPE) == 0)
			has_type = true;
		(void)MHD_add_response_header(response, name, value);
		name = value + strlen(value) + 1;
	}
	if (!has_type && len > 0)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
					      "application/json");
	http_add_origin(req, response);
	if (req->server->draining)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	return response;
}

void http_reply_take(struct http_request *req, int status, char *body, size_t len)
{
	struct MHD_Response *response;
	bool queued;

	assert(req->state == HTTP_PENDING && status >= 200 && status < 600);
	response = make_response(req, body, len);
	queued = response != NULL &&
		 MHD_queue_response(req->mhd, (unsigned)status, response) == MHD_YES;
	if (response != NULL)
		MHD_destroy_response(response);
	http_look_at_clock(req->server);
	/* Where memory ran out the connection is closed: on_access finds nothing to wait for. */
	req->answered = queued;
	http_request_move(req, HTTP_ANSWERING);
	if (req->suspended) {
		req->suspended = false;
		req->server->resumed = true;
		MHD_resume_connection(req->mhd);
	}
}

void http_reply(struct http_request *req, int status, const char *body, size_t len)
{
	char *copy = NULL;

	if (len > 0) {
		copy = malloc(len);
		if (copy != NULL)
			memcpy(copy, body, len);
		else
			status = 500;
	}
	http_reply_take(req, status, copy, copy != NULL ? len : 0);
}

/* Answer in the server's own name; the request never reaches the daemon. */
static void refuse(struct http_request *req, int status, enum code code, const char *param)
{
	json_t *error = api_error_json(code, param, NULL, http_trace_id(req));
	char *text = error != NULL ? json_dumps(error, JSON_COMPACT) : NULL;

	json_decref(error);
	http_request_move(req, HTTP_PENDING);
	http_reply_take(req, status, text, text != NULL ? strlen(text) : 0);
}

static void answer_preflight(struct http_request *req)
{
	http_request_move(req, HTTP_PENDING);
	http_answer_preflight(req);
	http_reply_take(req, MHD_HTTP_NO_CONTENT, NULL, 0);
}

/* What the request says of its body's length; libmicrohttpd has refused what is no number. */
static unsigned long long body_length(const struct http_request *req)
{
	const char *length = http_header(req, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return length != NULL ? strtoull(length, NULL, 10) : 0;
}

static void refuse_for_its_fault(struct http_request *req)
{
	if (req->refused != NULL)
		refuse(req, MHD_HTTP_FORBIDDEN, CODE_UNAUTHORIZED, req->refused);
	else
		refuse(req, code_status(CODE_TOO_LARGE), CODE_TOO_LARGE, NULL);
}

/* A client that sends its body apart, with Nagle's algorithm on, waits for our ack of the header:
 * 40 ms, were it delayed. */
static void hurry_body(const struct http_request *req)
{
	const int on = 1;

	(void)setsockopt(req->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on)); /* fails on unix */
}

/* What is to be refused is read to its end first: a client that is cut while it still sends may never
 * see the answer. Not where it would be long, nor where the client waits for our consent. */
static enum MHD_Result on_header(struct http_request *req, const char *method)
{
	unsigned long long length = body_length(req);

	if (length > 0 || http_header(req, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL)
		hurry_body(req);
	req->method = method;
	http_request_move(req, HTTP_BODY);
	req->refused = http_refused_header(req);
	req->too_large = length > req->server->options.body_max_bytes;
	if (req->refused == NULL && !req->too_large)
		return MHD_YES;
	if (length <= DROPPED_MAX_BYTES && http_header(req, MHD_HTTP_HEADER_EXPECT) == NULL)
		return MHD_YES;
	refuse_for_its_fault(req);
	return req->answered ? MHD_YES : MHD_NO;
}

static enum MHD_Result on_whole(struct http_request *req)
{
	struct http_server *s = req->server;

	if (req->refused != NULL || req->too_large) {
		refuse_for_its_fault(req);
		return req->answered ? MHD_YES : MHD_NO;
	}
	if (http_is_preflight(req)) {
		answer_preflight(req);
		return req->answered ? MHD_YES : MHD_NO;
	}
	if (req->body == NULL && !body_append(req, "", 0))
		return MHD_NO;
	req->body[req->body_len] = '\0';
	http_request_move(req, HTTP_PENDING);
	s->handed_out = true;
	s->handler.on_request(s->handler.ctx, req);
	if (req->state != HTTP_PENDING)
		return req->answered ? MHD_YES : MHD_NO;
	req->suspended = true;
	MHD_suspend_connection(req->mhd);
	return MHD_YES;
}

/* The request's target before libmicrohttpd decodes it. */
void *http_on_target(void *cls, const char *target, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct http_request *req = info != NULL ? info->socket_context : NULL;
	size_t len = strcspn(target, "?");

	(void)cls;
	if (req == NULL)
		return NULL;
	http_handshake_end(req);
	if (len >= sizeof(req->path))
		len = 0;
	memcpy(req->path, target, len);
	req->path[len] = '\0';
	return NULL; /* on_access finds the request by itself */
}

enum MHD_Result http_on_access(void *cls, struct MHD_Connection *connection, const char *url,
			       const char *method, const char *version, const char *upload,
			       size_t *upload_size, void **con_cls)
{
	struct http_request *req = *con_cls;

	(void)cls;
	(void)url; /* decoded: a segment's own '/' would part it */
	(void)version;
	if (req == NULL) {
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

		req = info != NULL ? info->socket_context : NULL;
		if (req == NULL)
			return MHD_NO;
		*con_cls = req;
		return on_header(req, method);
	}
	if (req->state != HTTP_BODY) /* resumed, but without an answer */
		return req->answered ? MHD_YES : MHD_NO;
	if (*upload_size > 0) {
		if (!body_append(req, upload, *upload_size))
			return MHD_NO;
		*upload_size = 0;
		return MHD_YES;
	}
	return on_whole(req);
}

void http_on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
		       enum MHD_RequestTerminationCode code)
{
	struct http_request *req = *con_cls;

	(void)cls;
	(void)connection;
	(void)code;
	if (req == NULL)
		return;
	*con_cls = NULL;
	http_request_move(req, HTTP_READING);
	request_reset(req);
}
