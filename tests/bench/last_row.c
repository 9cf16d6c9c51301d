/* bench-last-row DATABASE TABLE: open a SQLite file as a journal is opened and read the last row of a
 * table: the least that a start could do. On stdout the row's number. */
#include <sqlite3.h>
#include <stdio.h>

static int run(sqlite3 *db, const char *table)
{
	sqlite3_stmt *st;
	char sql[256];
	int r;

	if (sqlite3_exec(db,
			 "PRAGMA locking_mode=EXCLUSIVE;"
			 "PRAGMA journal_mode=WAL;"
			 "PRAGMA synchronous=FULL;"
			 "BEGIN IMMEDIATE;"
			 "COMMIT;",
			 NULL, NULL, NULL) != SQLITE_OK)
		return 1;
	sqlite3_snprintf(sizeof(sql), sql,
			 "SELECT rowid, * FROM \"%w\" ORDER BY rowid DESC LIMIT 1", table);
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		return 1;
	r = sqlite3_step(st);
	if (r == SQLITE_ROW)
		printf("%lld\n", (long long)sqlite3_column_int64(st, 0));
	return sqlite3_finalize(st) != SQLITE_OK || r != SQLITE_ROW;
}

int main(int argc, char **argv)
{
	sqlite3 *db;
	int r;

	if (argc != 3) {
		fputs("usage: bench-last-row DATABASE TABLE\n", stderr);
		return 2;
	}
	r = sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (r != SQLITE_OK || run(db, argv[2]) != 0) {
		fprintf(stderr, "bench-last-row: %s\n", sqlite3_errmsg(db));
		r = 1;
	}
	sqlite3_close(db);
	return r != 0;
}
