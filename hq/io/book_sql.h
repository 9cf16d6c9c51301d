/* The statements that one group of ingest runs, in their order, with the group as arrays. */
#ifndef TRIB_HQ_BOOK_SQL_H
#define TRIB_HQ_BOOK_SQL_H

#include "ingest.h"
#include "pg_array.h"

/* Rows for COPY trib.journal in binary format, header and trailer included. */
void book_copy_data(const struct ingest_group *g, struct pg_buffer *ret);
extern const char book_copy_sql[];

/* Settings and prepared statements of the writing connection. */
extern const char book_session_sql[];

struct book_sql {
	const char *name;
	const char *sql;
	/* Fill the parameters; false when the group has nothing for this statement. */
	bool (*fill)(const struct ingest_group *g, struct pg_params *p);
};
extern const struct book_sql book_sqls[];
extern const size_t book_n_sqls;
extern const size_t book_facts_sql; /* index of the one whose row count says that facts are due */

#endif
