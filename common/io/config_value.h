/* Judging single configuration values; config.c's other half. */
#ifndef TRIB_IO_CONFIG_VALUE_H
#define TRIB_IO_CONFIG_VALUE_H

#include "config.h"

#define CONFIG_WHY_BYTES 320

/* Whether `value` is one of k's type. Sets *ret_number for integers and booleans, *ret_endpoint for
 * endpoints. ERR_INVALID with a clause ("must be ...") in why (CONFIG_WHY_BYTES). */
int MUST_CHECK config_value_check(const struct config_key *k, const char *value,
				  int64_t *ret_number, struct endpoint *ret_endpoint, char *why);

/* value as it is where absolute, else below the directory of `file`; malloc'ed, NULL: no memory. */
char *config_value_path(const char *file, const char *value);

#endif
