#include <string.h>

#include "journal_internal.h"

int journal_put_member(struct journal *j, const uint8_t id[ACCOUNT_ID_BYTES],
		       const uint8_t sealed[MEMBER_SEALED_BYTES], const uint8_t *phone_index,
		       const uint8_t *last4_index)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_MEMBER_PUT);

	journal_bind_blob(st, 1, id, ACCOUNT_ID_BYTES);
	journal_bind_blob(st, 2, sealed, MEMBER_SEALED_BYTES);
	if (phone_index != NULL)
		journal_bind_blob(st, 3, phone_index, MEMBER_INDEX_BYTES);
	if (last4_index != NULL)
		journal_bind_blob(st, 4, last4_index, MEMBER_INDEX_BYTES);
	return journal_write(j, st);
}

/* What no key opens where it is damaged. */
static void sealed_copy(sqlite3_stmt *st, int column, uint8_t ret[MEMBER_SEALED_BYTES])
{
	memset(ret, 0, MEMBER_SEALED_BYTES);
	if (sqlite3_column_bytes(st, column) == MEMBER_SEALED_BYTES)
		memcpy(ret, sqlite3_column_blob(st, column), MEMBER_SEALED_BYTES);
}

bool journal_any_member(struct journal *j, uint8_t ret_sealed[MEMBER_SEALED_BYTES])
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_MEMBER_ANY);

	if (!journal_row(j, st))
		return false;
	sealed_copy(st, 0, ret_sealed);
	journal_reset(st);
	return true;
}

void journal_read_owner(struct journal *j, const uint8_t id[ACCOUNT_ID_BYTES],
			struct journal_owner *ret)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_OWNER_GET);

	memset(ret, 0, sizeof(*ret));
	journal_bind_blob(st, 1, id, ACCOUNT_ID_BYTES);
	if (!journal_row(j, st))
		return;
	ret->has_pin = sqlite3_column_int(st, 0) != 0;
	ret->has_member = sqlite3_column_type(st, 1) != SQLITE_NULL;
	if (ret->has_member)
		sealed_copy(st, 1, ret->sealed);
	journal_reset(st);
}

size_t journal_find_accounts(struct journal *j, enum journal_find by, const void *what, size_t len,
			     uint8_t (*ret)[ACCOUNT_ID_BYTES], size_t max)
{
	static const enum journal_statement statements[] = {
		[JOURNAL_BY_CARD] = JOURNAL_ACCOUNT_OF_CARD,
		[JOURNAL_BY_PHONE] = JOURNAL_MEMBER_BY_PHONE,
		[JOURNAL_BY_LAST4] = JOURNAL_MEMBER_BY_LAST4,
	};
	sqlite3_stmt *st = journal_statement(j, statements[by]);
	size_t n = 0;

	if (by == JOURNAL_BY_CARD)
		journal_bind_text(st, 1, what);
	else
		journal_bind_blob(st, 1, what, len);
	while (n < max && journal_row(j, st))
		memcpy(ret[n++], sqlite3_column_blob(st, 0), ACCOUNT_ID_BYTES);
	journal_reset(st);
	return n;
}
