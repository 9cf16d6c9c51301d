/* A box's enrolment: from a code told by a person to an enrolled data directory. */
#ifndef TRIB_IO_ENROLL_CLIENT_H
#define TRIB_IO_ENROLL_CLIENT_H

#include <stdbool.h>

#include "enroll.h"
#include "err.h"

#define ENROLL_CLIENT_ERROR_BYTES 1024

struct enroll_client {
	const char *data_dir; /* its node.keys are made where there are none yet */
	const char *code; /* as typed */
	const char *above; /* "relay" or "hq": names the options in messages */
	const char *endpoint; /* enrolment endpoint of that one, [tcp://]HOST:PORT */
	const char *key; /* its CURVE key in Z85 */
	bool is_store; /* the code must be for a store, else for a relay */
	bool (*is_enrolled)(const char *data_dir);
	/* Write what HQ granted, so that a crash in between can be repeated. One line in err. */
	int (*write)(const char *data_dir, const Trib__V1__EnrollGrant *grant, char *err);
};

/* Enrol; runs the default loop for at most about 30 s. May be repeated with the same code after any
 * failure: the same keys and code make the same request, which HQ answers alike. One line in err.
 * ERR_EXISTS: the directory is enrolled. ERR_DENIED: HQ refused. ERR_AGAIN: no answer in time.
 * ERR_INVALID: an argument is wrong. */
int MUST_CHECK enroll_client_run(const struct enroll_client *options, char *err);

#endif
