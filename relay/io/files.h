/* Small files that must survive a power cut. */
#ifndef TRIB_RELAY_FILES_H
#define TRIB_RELAY_FILES_H

#include <stddef.h>

#include "err.h"

/* Replace dir/name by data[0..len) with this mode: written aside, fsynced, renamed, folder fsynced.
 * ERR_IO with errno. */
int MUST_CHECK file_replace(const char *dir, const char *name, const void *data, size_t len,
			    unsigned mode);

/* Read all of dir/name into buf[0..cap). ERR_NOT_FOUND, ERR_FULL (longer), ERR_IO. */
int MUST_CHECK file_read(const char *dir, const char *name, void *buf, size_t cap, size_t *ret_len);

#endif
