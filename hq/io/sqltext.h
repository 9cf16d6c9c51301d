/* Text-format parameters for libpq, built piece by piece, and values read back from it.
 *
 * All of it aborts when out of memory. */
#ifndef TRIB_HQ_SQLTEXT_H
#define TRIB_HQ_SQLTEXT_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct sqltext { /* zero is empty; data is NUL-terminated once anything was added */
	char *data; /* owned */
	size_t len, cap;
};

void sqltext_add(struct sqltext *t, const char *s);
void sqltext_addf(struct sqltext *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), nonnull(2)));

/* One bytea as \x… */
void sqltext_add_hex(struct sqltext *t, const void *data, size_t len);

/* Arrays: "{a,b}". An item begins with the bracket or a comma; array_end also makes "{}". */
void sqltext_item_int(struct sqltext *t, int64_t v);
void sqltext_item_bytes(struct sqltext *t, const void *data, size_t len);
void sqltext_array_end(struct sqltext *t);

/* Forget the contents; wipe also overwrites them. Both free. */
void sqltext_finish(struct sqltext *t);
void sqltext_wipe(struct sqltext *t);

/* Columns of a text-format result. NULL counts as 0, "" and false. */
int64_t pg_int(const PGresult *r, int row, int col);
bool pg_bool(const PGresult *r, int row, int col);
const char *pg_text(const PGresult *r, int row, int col);
bool pg_null(const PGresult *r, int row, int col);

/* A bytea of exactly len bytes; ERR_INVALID. */
int MUST_CHECK pg_bytes(const PGresult *r, int row, int col, void *ret, size_t len);

/* A bytea of any length; free *ret. ERR_INVALID. */
int MUST_CHECK pg_bytes_dup(const PGresult *r, int row, int col, uint8_t **ret, size_t *ret_len);

/* Overwrite a value in the result's own memory: it held a secret. */
void pg_wipe(const PGresult *r, int row, int col);

#endif
