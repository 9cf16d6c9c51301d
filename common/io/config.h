/* Strict configuration files: what is written must be declared, once, and mean something.
 *
 * inih passes duplicates, continues indented lines and splits long ones; here each of them is an
 * error that names the file and the line:
 *
 *   hq.conf:12: unknown key 'listne' in [hq]; did you mean 'listen'? */
#ifndef TRIB_IO_CONFIG_H
#define TRIB_IO_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "err.h"

#define CONFIG_LINE_MAX 199 /* bytes of one line, without its newline */
#define CONFIG_ERROR_BYTES 512

enum config_type {
	CONFIG_STRING, /* not empty */
	CONFIG_INT, /* decimal int64 in [min, max]; min == max == 0: any */
	CONFIG_BOOL, /* yes, no, true, false, on, off */
	CONFIG_ENDPOINT, /* HOST:PORT, [IPV6]:PORT, *:PORT, each also after tcp:// */
	CONFIG_PATH, /* relative paths count from the file's own directory */
};

struct config_key {
	const char *section, *key;
	enum config_type type;
	const char *fallback; /* as it would stand in the file, or NULL: not set */
	bool required;
	int64_t min, max; /* CONFIG_INT */
	const char *help; /* one line */
};

struct config; /* values of one file */

struct endpoint {
	char host[256]; /* without brackets; "*" is any address */
	uint16_t port; /* 0: the kernel chooses */
};

/* Read the file at `path` against the n_keys declared keys, which are borrowed for the config's
 * life. On failure writes one line (no newline) to err, which has CONFIG_ERROR_BYTES.
 *
 * ERR_IO: cannot be read. ERR_INVALID: everything else. */
int MUST_CHECK config_read(const char *path, const struct config_key *keys, size_t n_keys,
			   struct config **ret, char *err);

/* The same from memory; `name` stands for the file in messages and gives paths their directory. */
int MUST_CHECK config_parse(const char *name, const char *text, size_t len,
			    const struct config_key *keys, size_t n_keys, struct config **ret,
			    char *err);

void config_destroy(struct config *c);

/* Whether the key has a value, from the file or as its fallback. */
bool config_has(const struct config *c, const char *section, const char *key);

/* Values of declared keys; asking for an undeclared key or for another type is a bug and asserts.
 * config_string (for strings, endpoints and paths) is NULL where nothing is set; config_int and
 * config_bool need a fallback or `required`. Borrowed from c. */
const char *config_string(const struct config *c, const char *section, const char *key);
int64_t config_int(const struct config *c, const char *section, const char *key);
bool config_bool(const struct config *c, const char *section, const char *key);

/* The parts of a CONFIG_ENDPOINT that is set. */
void config_endpoint(const struct config *c, const char *section, const char *key,
		     struct endpoint *ret);

/* Parse one endpoint as above. ERR_INVALID leaves *ret untouched. */
int MUST_CHECK endpoint_parse(const char *s, struct endpoint *ret);

/* The table as a commented sample file: sections, keys, fallbacks, help. */
void config_print_help(const struct config_key *keys, size_t n_keys, FILE *f);

#endif
