/* One HTTP call to a service, with its errors told to people. */
#ifndef TRIB_CTL_CLIENT_H
#define TRIB_CTL_CLIENT_H

#include <jansson.h>

#include "profile.h"

#define PATH_BYTES 1024

/* Call METHOD url+path with a JSON body (taken; NULL for none). The answer, a new reference, in
 * *ret when the status is 2xx. Else tells what happened and returns EXIT_UNREACHABLE (no answer),
 * EXIT_DENIED (401, 403) or EXIT_FAILED. */
int MUST_CHECK client_call(const struct service *s, const char *method, const char *path,
			   json_t *body, json_t **ret);

/* Find the target's service and call it. */
int MUST_CHECK client_ask(const struct ctl *ctl, enum target t, const char *method,
			  const char *path, json_t *body, json_t **ret);

/* A segment of a path, percent-encoded, into a buffer of PATH_BYTES / 2. */
const char *client_segment(const char *s, char *buf);

#endif
