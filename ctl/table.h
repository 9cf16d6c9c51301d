/* Rows and columns out of flat objects; the common ground of tables and CSV. */
#ifndef TRIB_CTL_TABLE_H
#define TRIB_CTL_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "err.h"

struct table {
	size_t n_columns, n_rows;
	char **fields; /* owned names, in the order of printing */
	char **cells; /* owned, row by row; NULL: the object lacks the field */
	bool for_people;
	bool *is_number; /* by column: all its cells are numbers */
};

/* Build from an array of objects; members that are objects become "outer.inner" columns, arrays
 * compact JSON. for_people: times are short and local, empty lists are left out. ERR_FULL when memory runs out. Pair with table_finish in any case. */
int MUST_CHECK table_init(struct table *t, const json_t *items, bool for_people);
void table_finish(struct table *t);

/* Aligned columns with headings. width: fit into so many columns; 0: as wide as need be. Returns how
 * many of the table's columns were left out for that. */
size_t table_print(const struct table *t, FILE *f, int width, bool color);

/* Heading and value of each field of row 0, one to a line. */
void table_print_upright(const struct table *t, FILE *f, bool color);

/* RFC 4180, but lines end with a bare newline. */
void table_print_csv(const struct table *t, FILE *f);

#endif
