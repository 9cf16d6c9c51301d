/* What bench-record writes and bench-loop reads: how a program wrote to its SQLite file.
 *
 *   RECORD_EXEC       u32 length, text        run by sqlite3_exec: pragmas
 *   RECORD_STATEMENT  u32 length, text        a writing statement; numbered from 0 as they come
 *   RECORD_RUN        u32 number, u32 n, n times u8 type and
 *                       SQLITE_INTEGER        i64
 *                       SQLITE_TEXT, _BLOB    u32 length, bytes
 *                       SQLITE_NULL           nothing
 *   RECORD_COMMIT
 *
 * In the byte order of the machine. */
#ifndef TRIB_BENCH_RECORD_H
#define TRIB_BENCH_RECORD_H

enum record_kind {
	RECORD_EXEC = 'E',
	RECORD_STATEMENT = 'S',
	RECORD_RUN = 'R',
	RECORD_COMMIT = 'C'
};

#endif
