#include "answer.h"
#include "http_server.h"
#include "routes.h"

/* api/openapi.json, as the build found it. */
static const unsigned char contract[] = {
#include "openapi.json.h"
};

void handle_openapi(struct call *call)
{
	answer_headers(call->store, call->http);
	http_reply(call->http, 200, (const char *)contract, sizeof(contract));
}
