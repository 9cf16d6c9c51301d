/* Small files that must be there whole or not at all. */
#ifndef TRIB_IO_FILE_H
#define TRIB_IO_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "err.h"

/* Put data into dir/name by way of a temporary file and rename; file and directory are fsynced.
 * ERR_IO, with errno. */
int MUST_CHECK file_write(const char *dir, const char *name, const void *data, size_t len,
			  mode_t mode);

/* Read at most cap bytes. ERR_NOT_FOUND, ERR_FULL (longer), ERR_IO. */
int MUST_CHECK file_read(const char *dir, const char *name, void *ret, size_t cap, size_t *ret_len);

#endif
