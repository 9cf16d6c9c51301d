/* Proving the books from the journals' bytes, in a process of its own. */
#ifndef TRIB_HQ_CHECK_H
#define TRIB_HQ_CHECK_H

/* Recompute everything in one snapshot and print the result as one JSON object:
 *
 *   {"difference": N, "stores", "entries", "accounts", "seconds", "differences": [first 100]}
 *
 * HQ's public key is taken from data_dir, not from the database. With TRIB_CHECK_STORE=CODE in the
 * environment only that store's journal is walked: {"entries", "ok", "differences"}.
 *
 * Returns the exit status: 0 proven, 5 differences, 1 could not be checked (why is on stderr). */
int check_main(const char *postgres, const char *data_dir);

#endif
