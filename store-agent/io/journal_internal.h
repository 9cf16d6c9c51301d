/* What the journal's files share: the connection and its prepared statements. */
#ifndef TRIB_STORE_JOURNAL_INTERNAL_H
#define TRIB_STORE_JOURNAL_INTERNAL_H

#include <sqlite3.h>

#include "arena.h"
#include "journal.h"

#define JOURNAL_ARENA_BYTES (2u * 1024 * 1024)

/* Members by their account's last entry, newest first. */
#define JOURNAL_RECENT \
	"ORDER BY (SELECT max(seq) FROM account_entry e WHERE e.account = m.account) DESC, account"

#define JOURNAL_STATEMENTS(X)                                                                      \
	X(BEGIN, "BEGIN IMMEDIATE")                                                                \
	X(COMMIT, "COMMIT")                                                                        \
	X(ROLLBACK, "ROLLBACK")                                                                    \
	X(ENTRY_PUT, "INSERT INTO entry (seq, bytes, head) VALUES (?1, ?2, ?3)")                   \
	X(ENTRY_LAST, "SELECT seq, bytes, head FROM entry ORDER BY seq DESC LIMIT 1")              \
	X(ENTRY_HEAD, "SELECT head FROM entry WHERE seq = ?1")                                     \
	X(ENTRY_BYTES, "SELECT bytes FROM entry WHERE seq = ?1")                                   \
	X(ENTRY_RANGE,                                                                             \
	  "SELECT seq, bytes, head FROM entry WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq")           \
	X(ORDER_GET, "SELECT verb, fingerprint, seq, status, answer, cancel_seq, is_reversed, "    \
		     "cancel_answer FROM order_record WHERE verb = ?1 AND order_no = ?2")          \
	X(ORDER_PUT,                                                                               \
	  "INSERT INTO order_record (verb, order_no, fingerprint, seq, status, answer) "           \
	  "VALUES (?1, ?2, ?3, ?4, ?5, ?6)")                                                       \
	X(ORDER_CANCEL,                                                                            \
	  "INSERT INTO order_record (verb, order_no, fingerprint, seq, status, answer, "           \
	  "cancel_seq, is_reversed, cancel_answer) VALUES (?1, ?2, x'', ?3, 409, '', ?3, ?4, "     \
	  "?5) ON CONFLICT (verb, order_no) DO UPDATE SET cancel_seq = excluded.cancel_seq, "      \
	  "is_reversed = excluded.is_reversed, cancel_answer = excluded.cancel_answer")            \
	X(ORDER_ALL, "SELECT verb, seq, answer, cancel_seq, is_reversed FROM order_record "        \
		     "WHERE verb IN (2, 3, 4, 5) AND order_no = ?1 ORDER BY verb")                 \
	X(KEY_GET, "SELECT k.verb, k.fingerprint, k.seq, k.status, "                               \
		   "coalesce(k.answer, o.answer, d.answer), NULL, 0, NULL FROM key_record k LEFT " \
		   "JOIN order_record o ON o.verb = k.verb AND o.order_no = k.order_no LEFT "      \
		   "JOIN day_seal d ON k.verb = 7 AND d.day = CAST(k.order_no AS INTEGER) "        \
		   "WHERE k.key = ?1")                                                             \
	X(KEY_PUT, "INSERT INTO key_record "                                                       \
		   "(key, verb, order_no, fingerprint, seq, status, answer, at_ms) "               \
		   "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")                                      \
	X(KEY_FORGET, "DELETE FROM key_record WHERE key IN (SELECT key FROM key_record "           \
		      "WHERE status = 422 AND at_ms < ?1 LIMIT ?2)")                               \
	X(ACCOUNT_GET, "SELECT account, type, tier, status, points_owed, home_store, "             \
		       "facts_as_of_ms, facts_principal, facts_bonus, facts_points, facts_here, "  \
		       "pin_verifier, pin_failures, pin_locked_until_ms "                          \
		       "FROM account WHERE account = ?1")                                          \
	X(ACCOUNT_OF_CARD, "SELECT account FROM card WHERE card_no = ?1")                          \
	X(ACCOUNT_PUT, "INSERT INTO account (account, type, tier, status, points_owed) "           \
		       "VALUES (?1, ?2, ?3, ?4, ?5)")                                              \
	X(ACCOUNT_SET_PIN, "UPDATE account SET pin_verifier = ?2 WHERE account = ?1")              \
	X(ACCOUNT_PIN, "UPDATE account SET pin_failures = ?2, pin_locked_until_ms = ?3 "           \
		       "WHERE account = ?1")                                                       \
	X(ACCOUNT_ENTRY_PUT, "INSERT INTO account_entry (account, seq) VALUES (?1, ?2)")           \
	X(ACCOUNT_ENTRIES,                                                                         \
	  "SELECT e.seq, e.bytes FROM account_entry a JOIN entry e ON e.seq = a.seq "              \
	  "WHERE a.account = ?1 AND a.seq < ?2 ORDER BY a.seq DESC LIMIT ?3")                      \
	X(MEMBER_PUT, "INSERT INTO member (account, sealed, phone_index, last4_index) "            \
		      "VALUES (?1, ?2, ?3, ?4)")                                                   \
	X(MEMBER_ANY, "SELECT sealed FROM member LIMIT 1")                                         \
	X(MEMBER_BY_PHONE, "SELECT account FROM member m WHERE phone_index = ?1 " JOURNAL_RECENT)  \
	X(MEMBER_BY_LAST4, "SELECT account FROM member m WHERE last4_index = ?1 " JOURNAL_RECENT)  \
	X(OWNER_GET, "SELECT a.pin_verifier IS NOT NULL, m.sealed FROM account a "                 \
		     "LEFT JOIN member m ON m.account = a.account WHERE a.account = ?1")           \
	X(ACCOUNT_OWED, "UPDATE account SET points_owed = ?2 WHERE account = ?1")                  \
	X(ACCOUNT_FACTS, "UPDATE account SET home_store = ?2, facts_as_of_ms = ?3, "               \
			 "facts_principal = ?4, facts_bonus = ?5, facts_points = ?6, "             \
			 "facts_here = ?7 WHERE account = ?1")                                     \
	X(CARD_PUT, "INSERT INTO card (card_no, account) VALUES (?1, ?2)")                         \
	X(CARD_ALL, "SELECT card_no FROM card WHERE account = ?1 ORDER BY card_no")                \
	X(SLICE_ALL, "SELECT unit, lot, issuer, expires, issued_ms, issued_principal, "            \
		     "issued_bonus, principal, bonus FROM slice WHERE account = ?1")               \
	X(SLICE_PUT, "INSERT INTO slice (account, unit, lot, issuer, expires, issued_ms, "         \
		     "issued_principal, issued_bonus, principal, bonus) "                          \
		     "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) "                           \
		     "ON CONFLICT (account, unit, lot) DO UPDATE "                                 \
		     "SET principal = excluded.principal, bonus = excluded.bonus")                 \
	X(SLICE_DROP, "DELETE FROM slice WHERE account = ?1 AND unit = ?2 AND lot = ?3")           \
	X(HOLDER_ALL, "SELECT store, principal, bonus, silent_since_ms FROM holder "               \
		      "WHERE account = ?1 ORDER BY store")                                         \
	X(HOLDER_DROP, "DELETE FROM holder WHERE account = ?1")                                    \
	X(HOLDER_PUT, "INSERT INTO holder (account, store, principal, bonus, silent_since_ms) "    \
		      "VALUES (?1, ?2, ?3, ?4, ?5)")                                               \
	X(RECEIPT_GET, "SELECT refunded FROM receipt WHERE seq = ?1")                              \
	X(RECEIPT_PUT, "INSERT INTO receipt (seq, refunded) VALUES (?1, ?2) "                      \
		       "ON CONFLICT (seq) DO UPDATE SET refunded = excluded.refunded")             \
	X(REFUND_PUT, "INSERT INTO refund (seq, of_seq) VALUES (?1, ?2)")                          \
	X(REFUND_UNDO, "UPDATE refund SET is_undone = 1 WHERE seq = ?1")                           \
	X(REFUND_LATER, "SELECT 1 FROM refund WHERE of_seq = ?1 AND seq > ?2 AND is_undone = 0")   \
	X(DAY_PUT, "INSERT OR IGNORE INTO business_day (day, first_seq) VALUES (?1, ?2)")          \
	X(DAY_FIRST, "SELECT first_seq FROM business_day WHERE day = ?1")                          \
	X(DAY_NEXT, "SELECT first_seq FROM business_day WHERE day > ?1 "                           \
		    "ORDER BY day LIMIT 1")                                                        \
	X(SEAL_PUT, "INSERT INTO day_seal (day, seq, fingerprint, answer) "                        \
		    "VALUES (?1, ?2, ?3, ?4)")                                                     \
	X(SEAL_GET, "SELECT 7, fingerprint, seq, 201, answer, NULL, 0, NULL "                      \
		    "FROM day_seal WHERE day = ?1")                                                \
	X(SEAL_LAST, "SELECT day FROM day_seal ORDER BY day DESC LIMIT 1")                         \
	X(DOWN_PUT, "INSERT INTO down (seq, bytes, head) VALUES (?1, ?2, ?3)")                     \
	X(DOWN_LAST, "SELECT seq, bytes, head FROM down ORDER BY seq DESC LIMIT 1")                \
	X(DOWN_HEAD, "SELECT head FROM down WHERE seq = ?1")                                       \
	X(RULES_PUT, "INSERT OR IGNORE INTO rule_set (version, effective_ms, payload) "            \
		     "VALUES (?1, ?2, ?3)")                                                        \
	X(RULES_ALL, "SELECT payload FROM rule_set WHERE version >= coalesce("                     \
		     "(SELECT max(version) FROM rule_set WHERE effective_ms <= ?1), 0) "           \
		     "OR version = (SELECT version FROM rule_set WHERE effective_ms <= ?1 "        \
		     "ORDER BY version DESC LIMIT 1 OFFSET 1) ORDER BY version")                   \
	X(LANE_ALL, "SELECT lane, token_hash, label FROM lane ORDER BY lane")                      \
	X(LANE_PUT, "INSERT INTO lane (lane, token_hash, label) VALUES (?1, ?2, ?3) "              \
		    "ON CONFLICT (lane) DO UPDATE "                                                \
		    "SET token_hash = excluded.token_hash, label = excluded.label")                \
	X(LANE_DROP, "DELETE FROM lane WHERE lane = ?1")                                           \
	X(PAIRING_PUT, "INSERT INTO pairing (code_hash, lane, label, expires_ms) "                 \
		       "VALUES (?1, ?2, ?3, ?4)")                                                  \
	X(PAIRING_DROP_LANE, "DELETE FROM pairing WHERE lane = ?1 OR expires_ms < ?2")             \
	X(PAIRING_DROP_PENDING, "DELETE FROM pairing WHERE lane = ?1 AND expires_ms >= ?2")        \
	X(PAIRING_GET, "SELECT lane, label, expires_ms FROM pairing WHERE code_hash = ?1")         \
	X(PAIRING_DROP, "DELETE FROM pairing WHERE code_hash = ?1")                                \
	X(META_PUT, "INSERT INTO meta (name, value) VALUES (?1, ?2) "                              \
		    "ON CONFLICT (name) DO UPDATE SET value = excluded.value")                     \
	X(META_GET, "SELECT value FROM meta WHERE name = ?1")

enum journal_statement {
#define X(name, sql) JOURNAL_##name,
	JOURNAL_STATEMENTS(X)
#undef X
	JOURNAL_N_STATEMENTS
};

struct journal {
	sqlite3 *db;
	sqlite3_stmt *statements[JOURNAL_N_STATEMENTS];
	bool has_writes; /* a transaction is open */
	bool is_broken; /* the disk was full in it: it can only be rolled back */
	uint8_t seed_up[HEAD_BYTES], seed_down[HEAD_BYTES];
	struct position end, down_end;
	struct account account; /* of the last load */
	struct journal_loaded loaded;
	int64_t closed[ENTRY_MAX_EFFECTS]; /* lots of the loaded receipt */
	uint8_t witness_head[HEAD_BYTES];
	struct arena arena; /* over memory: what the last load points at */
	void *memory; /* owned */
};

/* Open j->db with its settings and tables; creates makes what is not there. As journal_open. */
int MUST_CHECK journal_set_up(struct journal *j, const char *dir, bool creates, char *err);

/* Says that there is no journal where one must be. ERR_NOT_FOUND. */
int journal_gone(char *err);

sqlite3_stmt *journal_statement(struct journal *j, enum journal_statement s);

/* Step a reading statement: true with a row, false at the end, and then it is reset. A reader that
 * stops earlier calls journal_reset. */
bool journal_row(struct journal *j, sqlite3_stmt *st);
void journal_reset(sqlite3_stmt *st);

/* Run a writing statement inside the transaction, which is begun where there is none. ERR_FULL. */
int MUST_CHECK journal_write(struct journal *j, sqlite3_stmt *st);

/* journal_till.c: the stored answer that a record's statement finds, into the load under way. */
void journal_record_read(struct journal *j, sqlite3_stmt *st, struct agent_record *ret,
			 const char **ret_answer, size_t *ret_len);

/* journal_day.c: what closing a day needs, and the seal beside its entry. */
void journal_load_day(struct journal *j, const struct agent_command *c);
int MUST_CHECK journal_put_seal(struct journal *j, const struct agent_append *x, const char *answer,
				size_t len);

/* Log and end the process. */
void journal_die(struct journal *j, const char *doing) __attribute__((noreturn));

/* Binders: static storage until the statement is reset. text and blob may be NULL. */
void journal_bind_int(sqlite3_stmt *st, int at, int64_t v);
void journal_bind_text(sqlite3_stmt *st, int at, const char *s);
void journal_bind_blob(sqlite3_stmt *st, int at, const void *p, size_t len);

#endif
