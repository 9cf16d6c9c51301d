/* What the configuration file says. */
#ifndef TRIB_STORE_SETTINGS_H
#define TRIB_STORE_SETTINGS_H

#include "config.h"
#include "listeners.h"

struct settings {
	struct config *config; /* owned; what the pointers below borrow from */
	const char *data_dir;
	char relay[300]; /* "": as enrolment told */
	unsigned lane_rate; /* requests a second; 0: no limit */
	uint64_t disk_reserve_bytes;
	struct listeners_options listen;
	char *hosts, *origins; /* owned: what its lists point into */
};

/* Read the file. ERR_IO, ERR_INVALID; one line in err (CONFIG_ERROR_BYTES). */
int MUST_CHECK settings_read(const char *path, struct settings *ret, char *err);
void settings_finish(struct settings *s);

/* The sample file. */
void settings_print_help(FILE *f);

#endif
