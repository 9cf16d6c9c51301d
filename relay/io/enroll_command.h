/* `trib-relay enroll`: a relay's own enrolment, straight at HQ. */
#ifndef TRIB_RELAY_ENROLL_COMMAND_H
#define TRIB_RELAY_ENROLL_COMMAND_H

#include "settings.h"

/* Enrol and write the identity; tells on stderr what happened. May be repeated after a failure;
 * does nothing where the relay is enrolled. Returns the exit status. */
int enroll_command(const struct settings *settings, const char *code, const char *hq_endpoint,
		   const char *hq_key);

#endif
