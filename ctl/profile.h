/* Where a service is and which token it wants: flag, then environment, then profile files. */
#ifndef TRIB_CTL_PROFILE_H
#define TRIB_CTL_PROFILE_H

#include "args.h"

#define ENDPOINT_URL_BYTES 512
#define ENDPOINT_TOKEN_BYTES 512

struct service {
	enum target target;
	char url[ENDPOINT_URL_BYTES]; /* without a slash at the end */
	char token[ENDPOINT_TOKEN_BYTES]; /* "" where none is known */
};

/* "hq", "relay", "store". */
const char *target_name(enum target t);

/* Whether a URL for t is given by flag or environment. */
bool service_is_named(const struct ctl *ctl, enum target t);

/* Find the service. EXIT_OK, else the exit code after telling what is wrong: EXIT_USAGE where
 * nothing names a URL. */
int MUST_CHECK service_find(const struct ctl *ctl, enum target t, struct service *ret);

#endif
