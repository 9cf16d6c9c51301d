/* What the configuration file says. */
#ifndef TRIB_RELAY_SETTINGS_H
#define TRIB_RELAY_SETTINGS_H

#include <stdint.h>

#include "config.h"
#include "link.h"

struct settings {
	struct config *config; /* owned; what the pointers below borrow from */
	const char *data_dir;
	char hq[LINK_ENDPOINT_BYTES]; /* "": as enrolment told */
	char listen[LINK_ENDPOINT_BYTES];
	char enroll_listen[LINK_ENDPOINT_BYTES];
	struct endpoint http;
	const char *advertise; /* host name for others, or NULL: the bound address */
	uint32_t max_stores;
	int log_level;
};

/* Read the file. ERR_IO, ERR_INVALID; err has CONFIG_ERROR_BYTES. */
int MUST_CHECK settings_read(const char *path, struct settings *ret, char *err);
void settings_finish(struct settings *s);

/* The sample file. */
void settings_print_help(FILE *f);

#endif
