/* trib-store enroll: from a code told by a person to an enrolled data directory. */
#ifndef TRIB_STORE_BOX_ENROLL_H
#define TRIB_STORE_BOX_ENROLL_H

#include "err.h"

#define BOX_ENROLL_ERROR_BYTES 1024

/* Enrol at the relay's enrolment endpoint, whose CURVE key is in Z85, and write the result into
 * data_dir. Runs a loop of its own for at most about 30 s. One line in err. ERR_EXISTS: the
 * directory is enrolled. ERR_DENIED: HQ refused. ERR_AGAIN: no answer in time. */
int MUST_CHECK box_enroll(const char *data_dir, const char *code, const char *relay,
			  const char *relay_key, char *err);

#endif
