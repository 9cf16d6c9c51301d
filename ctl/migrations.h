/* The files NNNN_name.sql of one directory. */
#ifndef TRIB_CTL_MIGRATIONS_H
#define TRIB_CTL_MIGRATIONS_H

#include <stddef.h>

#include "err.h"

#define MIGRATION_HASH_BYTES 65 /* BLAKE2b-256 in hex, and NUL */

struct migration {
	int version; /* NNNN */
	char *file; /* owned; "0001_books.sql" */
	char *name; /* owned; "books" */
	char *text; /* owned */
	char hash[MIGRATION_HASH_BYTES];
};

struct migrations {
	size_t n;
	struct migration *list; /* owned; versions 1..n */
};

/* Load from dir, or where that is NULL from the installed data directory, else ./migrations.
 * EXIT_OK, or EXIT_FAILED after telling: no files, a version twice or missing, a strange name. */
int MUST_CHECK migrations_load(const char *dir, struct migrations *ret);
void migrations_finish(struct migrations *m);

#endif
