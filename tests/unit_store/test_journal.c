/* The journal on its disk: who may open it, a full disk, and its check of itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal_internal.h"
#include "journal_verify.h"
#include "shop.h"

static const char certificate[] = "a certificate's payload";

static void sql(struct shop *s, const char *text)
{
	assert_int_equal(sqlite3_exec(s->journal->db, text, NULL, NULL, NULL), SQLITE_OK);
}

static void a_second_user_is_told_so(void **state)
{
	struct shop *s = *state;
	char err[JOURNAL_ERROR_BYTES] = "";
	struct journal *other;

	assert_int_equal(journal_open(s->dir, certificate, sizeof(certificate), &other, err),
			 ERR_EXISTS);
	assert_non_null(strstr(err, "another trib-store uses"));
}

static void another_certificate_is_refused(void **state)
{
	struct shop *s = *state;
	char err[JOURNAL_ERROR_BYTES] = "";
	struct journal *other;

	journal_close(s->journal);
	s->journal = NULL;
	assert_int_equal(journal_open(s->dir, "another", 7, &other, err), ERR_DENIED);
}

static void a_journal_that_is_gone_is_not_made_anew(void **state)
{
	struct shop *s = *state;
	char err[JOURNAL_ERROR_BYTES] = "", path[128];
	struct journal *other;
	FILE *f;

	shop_fill(s, "4001", 1000);
	journal_close(s->journal);
	s->journal = NULL;
	snprintf(path, sizeof(path), "%s/%s", s->dir, JOURNAL_FILE);
	assert_int_equal(remove(path), 0);
	assert_int_equal(journal_open(s->dir, certificate, sizeof(certificate), &other, err),
			 ERR_NOT_FOUND);
	assert_non_null(strstr(err, "the journal is gone"));
	assert_null(fopen(path, "rb"));
	f = fopen(path, "wb"); /* empty */
	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(journal_open(s->dir, certificate, sizeof(certificate), &other, err),
			 ERR_NOT_FOUND);
}

static void enrolment_takes_over_an_empty_journal_only(void **state)
{
	struct shop *s = *state;
	char err[JOURNAL_ERROR_BYTES] = "";
	struct journal *other;

	journal_close(s->journal);
	s->journal = NULL;
	assert_int_equal(journal_create(s->dir, "another", 7, err), 0);
	assert_int_equal(journal_create(s->dir, "another", 7, err), 0);
	assert_int_equal(journal_open(s->dir, "another", 7, &other, err), 0);
	journal_close(other);
	assert_int_equal(journal_create(s->dir, certificate, sizeof(certificate), err), 0);
	shop_restart(s);
	shop_fill(s, "4001", 1000);
	journal_close(s->journal);
	s->journal = NULL;
	assert_int_equal(journal_create(s->dir, "another", 7, err), ERR_DENIED);
}

static void add_name(void *ctx, const void *payload, size_t len)
{
	strncat(ctx, payload, len);
}

static void the_rules_before_the_effective_ones_are_kept_at_hand(void **state)
{
	struct shop *s = *state;
	static const struct {
		int64_t wall_ms;
		const char *names;
	} rows[] = { { 50, "abcdef" }, { 100, "abcdef" }, { 200, "abcdef" }, { 300, "bcdef" },
		     { 500, "bcdef" }, { 600, "cef" },    { 900, "def" },    { 950, "ef" } };
	char names[16];

	assert_int_equal(journal_put_rule_set(s->journal, 1, 100, "a", 1), 0);
	assert_int_equal(journal_put_rule_set(s->journal, 2, 200, "b", 1), 0);
	assert_int_equal(journal_put_rule_set(s->journal, 3, 300, "c", 1), 0);
	assert_int_equal(journal_put_rule_set(s->journal, 4, 900, "d", 1), 0);
	assert_int_equal(journal_put_rule_set(s->journal, 5, 600, "e", 1), 0);
	assert_int_equal(journal_put_rule_set(s->journal, 6, 950, "f", 1), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		names[0] = '\0';
		journal_each_rule_set(s->journal, rows[i].wall_ms, add_name, names);
		assert_string_equal(names, rows[i].names);
	}
	journal_rollback(s->journal);
}

static void a_damaged_end_is_refused(void **state)
{
	struct shop *s = *state;
	char err[JOURNAL_ERROR_BYTES] = "";
	struct journal *other;

	shop_fill(s, "4001", 1000);
	sql(s, "UPDATE entry SET bytes = x'00' WHERE seq = 2");
	journal_close(s->journal);
	s->journal = NULL;
	assert_int_equal(journal_open(s->dir, certificate, sizeof(certificate), &other, err),
			 ERR_CHAIN);
	assert_non_null(strstr(err, "seq 2"));
}

static void a_full_disk_refuses_the_turn_and_the_journal_goes_on(void **state)
{
	struct shop *s = *state;
	struct agent_event rolled_back = { .kind = AGENT_ROLLED_BACK };
	struct agent_command c;
	struct position before;
	char card[32], big[4096];

	shop_fill(s, "4001", 1000);
	before = s->agent->durable;
	sql(s, "PRAGMA max_page_count = 1"); /* no page beyond those that there are */
	memset(big, 'x', sizeof(big));
	for (int i = 0; i < 64; i++) {
		snprintf(card, sizeof(card), "meta%d", i);
		if (journal_put(s->journal, card, big, sizeof(big)) < 0)
			break;
	}
	assert_int_equal(journal_put(s->journal, "more", big, 1), ERR_FULL);
	assert_int_equal(journal_commit(s->journal), ERR_FULL);
	assert_int_equal(shop_step(s, &rolled_back), 0);
	sql(s, "PRAGMA max_page_count = 100000");
	c = shop_sale(s, "o1", "4001", 10);
	assert_int_equal(shop_do(s, &c)->seq, before.seq + 1);
}

static void ignore(void *ctx, const char *what, const char *where)
{
	char *first = ctx;
	(void)where;

	if (first[0] == '\0')
		snprintf(first, 32, "%s", what);
}

/* How many differences, and the first one's kind. */
static size_t verify(struct shop *s, char *first)
{
	const struct agent_identity id = { .node = 107, .incarnation = 1, .store = "0107" };
	struct journal_verify *v = journal_verify_start(s->journal, &id);
	uint64_t entries;

	first[0] = '\0';
	while (!journal_verify_step(v, 2))
		;
	return journal_verify_finish(v, 100, ignore, first, &entries);
}

static void make_some(struct shop *s)
{
	struct agent_command c;

	shop_fill(s, "4001", 1000);
	c = shop_sale(s, "o1", "4001", 400);
	(void)shop_do(s, &c);
	c = shop_refund(s, "r1", "0107", "o1", 150);
	(void)shop_do(s, &c);
	c = shop_sale(s, "o2", "4001", 750);
	(void)shop_do(s, &c);
}

static void a_sound_journal_has_no_differences(void **state)
{
	struct shop *s = *state;
	char first[32];

	assert_int_equal(verify(s, first), 0);
	make_some(s);
	assert_int_equal(verify(s, first), 0);
	assert_int_equal(verify(s, first), 0); /* it leaves nothing behind */
}

static void each_tampering_is_found(void **state)
{
	static const struct {
		const char *sql, *what;
	} rows[] = {
		{ "UPDATE slice SET principal = principal + 1", "slice" },
		{ "DELETE FROM slice", "slice" },
		{ "UPDATE account SET points_owed = 7", "account" },
		{ "UPDATE receipt SET refunded = 1", "receipt" },
		{ "DELETE FROM order_record WHERE order_no = 'o1'", "order_record" },
		{ "UPDATE entry SET head = zeroblob(32) WHERE seq = 2", "chain" },
		{ "UPDATE entry SET bytes = CAST(bytes || x'00' AS BLOB) WHERE seq = 3", "chain" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		void *own = NULL;
		char first[32];

		assert_int_equal(shop_setup(&own), 0);
		make_some(own);
		sql(own, rows[i].sql);
		if (verify(own, first) == 0 || strcmp(first, rows[i].what) != 0)
			fail_msg("%s: found '%s'", rows[i].sql, first);
		assert_int_equal(shop_teardown(&own), 0);
	}
}

static void facts_reach_only_known_accounts(void **state)
{
	struct shop *s = *state;
	Trib__V1__AccountFacts f = TRIB__V1__ACCOUNT_FACTS__INIT;
	Trib__V1__HolderFact h = TRIB__V1__HOLDER_FACT__INIT, *list[] = { &h };
	const struct account *a;
	uint8_t id[ACCOUNT_ID_BYTES];
	struct agent_command c;
	struct shop_answer *answer;
	bool known = true;

	shop_fill(s, "4001", 1000);
	memcpy(id, s->journal->account.id, sizeof(id));
	h.store = (char *)(uintptr_t) "0101";
	h.principal = 5000;
	f.account = (ProtobufCBinaryData){ .len = 16, .data = id };
	f.home_store = h.store;
	f.as_of_ms = 1;
	f.principal = 5000;
	f.n_holders = 1;
	f.holders = list;
	assert_int_equal(journal_put_facts(s->journal, &f, 0, &known), 0);
	assert_true(known);
	assert_int_equal(journal_commit(s->journal), 0);
	a = journal_read_account(s->journal, id);
	assert_int_equal(a->facts_principal, 5000);
	c = shop_sale(s, "o1", "4001", 6000);
	answer = shop_do(s, &c);
	assert_int_equal(answer->code, CODE_INSUFFICIENT_HERE);
	assert_int_equal(answer->facts.total, 6000);
	assert_int_equal(answer->facts.available_here, 1000);
	id[0] ^= 1;
	assert_int_equal(journal_put_facts(s->journal, &f, 0, &known), 0);
	assert_false(known);
}

static void a_pairing_code_works_once_and_for_its_time(void **state)
{
	struct shop *s = *state;
	uint8_t one[32] = { 1 }, two[32] = { 2 }, three[32] = { 3 };
	char label[LANE_LABEL_MAX + 1];
	uint32_t lane;

	assert_int_equal(journal_put_pairing(s->journal, one, 4, "a", 1000), 0);
	assert_int_equal(journal_put_pairing(s->journal, two, 4, "b", 1000), 0);
	assert_int_equal(journal_put_pairing(s->journal, three, 5, "c", 1000), 0);
	assert_int_equal(journal_take_pairing(s->journal, one, 500, &lane, label), ERR_NOT_FOUND);
	assert_int_equal(journal_take_pairing(s->journal, two, 500, &lane, label), 0);
	assert_int_equal(lane, 4);
	assert_string_equal(label, "b");
	assert_int_equal(journal_take_pairing(s->journal, two, 500, &lane, label), ERR_NOT_FOUND);
	assert_int_equal(journal_take_pairing(s->journal, three, 1001, &lane, label),
			 ERR_NOT_FOUND);
}

static void old_refusals_are_forgotten(void **state)
{
	struct shop *s = *state;
	const int64_t day = 86400000;
	struct agent_command c;

	shop_fill(s, "4001", 1000);
	c = shop_sale(s, "o1", "4001", 5000);
	c.key = "k";
	assert_int_equal(shop_do(s, &c)->code, CODE_INSUFFICIENT_BALANCE);
	assert_int_equal(journal_maintain(s->journal, s->wall_ms + 89 * day), 0);
	assert_int_equal(shop_do(s, &c)->outcome, AGENT_REPLAY_KEY);
	assert_int_equal(journal_maintain(s->journal, s->wall_ms + 91 * day), 0);
	assert_int_equal(shop_do(s, &c)->outcome, AGENT_REFUSED);
}

static int64_t query(struct shop *s, const char *text)
{
	sqlite3_stmt *st;
	int64_t v;

	assert_int_equal(sqlite3_prepare_v2(s->journal->db, text, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return v;
}

static void many_old_refusals_are_forgotten_in_bursts(void **state)
{
	struct shop *s = *state;
	const int64_t later = s->wall_ms + INT64_C(91) * 86400000;

	sql(s, "INSERT INTO key_record (key, verb, fingerprint, seq, status, answer, at_ms) "
	       "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 17500) "
	       "SELECT 'k' || i, 3, zeroblob(16), 0, 422, '{}', 1 FROM n");
	assert_int_equal(journal_maintain(s->journal, later), ERR_AGAIN);
	assert_int_equal(query(s, "SELECT count(*) FROM key_record"), 1500);
	assert_int_equal(journal_maintain(s->journal, later), 0);
	assert_int_equal(query(s, "SELECT count(*) FROM key_record"), 0);
}

static const char to_version_1[] =
	"BEGIN; DROP TABLE account_entry; DROP TABLE refund; DROP TABLE member;"
	"DROP TABLE business_day; DROP TABLE day_seal;"
	"ALTER TABLE order_record DROP COLUMN cancel_seq;"
	"ALTER TABLE order_record DROP COLUMN is_reversed;"
	"ALTER TABLE order_record DROP COLUMN cancel_answer;"
	"ALTER TABLE account DROP COLUMN pin_verifier;"
	"ALTER TABLE account DROP COLUMN pin_failures;"
	"ALTER TABLE account DROP COLUMN pin_locked_until_ms;"
	"PRAGMA user_version = 1; COMMIT;";

/* All tables as they were made, and the rows of those that version 2 added. */
static const char contents_sql[] =
	"SELECT group_concat(line, char(10)) FROM ("
	"SELECT name || ' ' || coalesce(sql, '') AS line FROM sqlite_schema UNION ALL "
	"SELECT 'account_entry ' || hex(account) || ' ' || seq FROM account_entry UNION ALL "
	"SELECT 'refund ' || seq || ' ' || of_seq || ' ' || is_undone FROM refund UNION ALL "
	"SELECT 'day ' || day || ' ' || first_seq FROM business_day ORDER BY line)";

/* A new string. */
static char *contents(struct shop *s)
{
	sqlite3_stmt *st;
	char *text;

	assert_int_equal(sqlite3_prepare_v2(s->journal->db, contents_sql, -1, &st, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	text = strdup((const char *)sqlite3_column_text(st, 0));
	assert_non_null(text);
	sqlite3_finalize(st);
	return text;
}

static void sell(struct shop *s, const char *order_no, const char *card_no, int64_t amount)
{
	struct agent_command c = shop_sale(s, order_no, card_no, amount);

	assert_int_equal(shop_do(s, &c)->code, CODE_OK);
}

static void refund(struct shop *s, const char *order_no, const char *of_order_no, int64_t amount)
{
	struct agent_command c = shop_refund(s, order_no, "0107", of_order_no, amount);

	assert_int_equal(shop_do(s, &c)->code, CODE_OK);
}

/* Three business days of all that version 1 could write. */
static void trade_as_version_1(struct shop *s)
{
	const int64_t day_ms = 86400000;
	struct agent_command c;

	shop_fill(s, "4001", 10000);
	shop_fill(s, "4002", 500);
	sell(s, "o1", "4001", 4000);
	refund(s, "r1", "o1", 1500);
	s->wall_ms += day_ms;
	sell(s, "o2", "4002", 500);
	refund(s, "r2", "o1", 1000);
	s->wall_ms += 2 * day_ms;
	refund(s, "r3", "o2", 0);
	c = shop_top_up(s, "t2", "4001", 700);
	assert_int_equal(shop_do(s, &c)->code, CODE_OK);
}

static enum code cancel_refund(struct shop *s, const char *order_no)
{
	struct agent_command c = shop_refund(s, order_no, "0107", NULL, 0);

	c.verb = AGENT_CANCEL;
	memset(&c.refund, 0, sizeof(c.refund));
	c.cancel = AGENT_REFUND;
	return shop_do(s, &c)->code;
}

struct seqs {
	size_t n;
	uint64_t list[16];
};

static bool note_seq(void *ctx, uint64_t seq, const uint8_t *bytes, size_t len)
{
	struct seqs *x = ctx;
	(void)bytes;
	(void)len;

	x->list[x->n++] = seq;
	return true;
}

static void check_activities(struct shop *s, const char *card_no, uint64_t before, size_t max,
			     const char *expected)
{
	uint8_t id[1][ACCOUNT_ID_BYTES];
	struct seqs x = { .n = 0 };
	char text[64] = "";

	assert_int_equal(journal_find_accounts(s->journal, JOURNAL_BY_CARD, card_no, 0, id, 1), 1);
	journal_each_activity(s->journal, id[0], before, max, note_seq, &x);
	for (size_t i = 0; i < x.n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %llu",
			 (unsigned long long)x.list[i]);
	assert_string_equal(text, expected);
}

static void a_journal_of_version_1_becomes_what_it_would_be(void **state)
{
	struct shop *s = *state;
	char *before, *after, first[32];

	trade_as_version_1(s);
	assert_int_equal(verify(s, first), 0);
	before = contents(s);
	sql(s, to_version_1);
	assert_int_equal(query(s, "SELECT count(*) FROM sqlite_schema WHERE name = 'refund'"), 0);
	shop_restart(s);
	assert_int_equal(query(s, "PRAGMA user_version"), 2);
	after = contents(s);
	assert_string_equal(before, after);
	free(before);
	free(after);
	assert_int_equal(verify(s, first), 0);
	check_activities(s, "4001", UINT32_MAX, 16, " 10 8 6 5 2 1");
	check_activities(s, "4001", 8, 2, " 6 5");
	check_activities(s, "4002", UINT32_MAX, 16, " 9 7 4 3");
}

static void an_upgraded_journal_trades_on(void **state)
{
	struct shop *s = *state;
	char first[32];

	trade_as_version_1(s);
	sql(s, to_version_1);
	shop_restart(s);
	assert_int_equal(cancel_refund(s, "r1"), CODE_ORDER_CONFLICT); /* r2 came later */
	assert_int_equal(cancel_refund(s, "r2"), CODE_OK);
	assert_int_equal(cancel_refund(s, "r1"), CODE_OK);
	assert_int_equal(cancel_refund(s, "r3"), CODE_OK);
	refund(s, "r4", "o1", 4000);
	assert_int_equal(verify(s, first), 0);
	shop_restart(s);
	assert_int_equal(verify(s, first), 0);
}

static void count_difference(void *ctx, const char *what, const char *where)
{
	(void)what;
	(void)where;
	(*(int *)ctx)++;
}

static void verifying_leaves_no_tables(void **state)
{
	struct shop *s = *state;
	struct journal_verify *v;
	uint64_t entries;
	int n = 0;

	shop_fill(s, "4001", 1000);
	v = journal_verify_start(s->journal, &s->agent->id);
	assert_int_not_equal(query(s, "SELECT count(*) FROM sqlite_temp_schema"), 0);
	while (!journal_verify_step(v, 1))
		;
	(void)journal_verify_finish(v, 10, count_difference, &n, &entries);
	assert_int_equal(n, 0);
	assert_int_equal(query(s, "SELECT count(*) FROM sqlite_temp_schema"), 0);
	v = journal_verify_start(s->journal, &s->agent->id);
	(void)journal_verify_step(v, 1);
	journal_verify_cancel(v);
	assert_int_equal(query(s, "SELECT count(*) FROM sqlite_temp_schema"), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, shop_setup, shop_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_second_user_is_told_so),
		T(another_certificate_is_refused),
		T(a_journal_that_is_gone_is_not_made_anew),
		T(enrolment_takes_over_an_empty_journal_only),
		T(the_rules_before_the_effective_ones_are_kept_at_hand),
		T(a_damaged_end_is_refused),
		T(a_full_disk_refuses_the_turn_and_the_journal_goes_on),
		T(a_sound_journal_has_no_differences),
		cmocka_unit_test(each_tampering_is_found),
		T(facts_reach_only_known_accounts),
		T(a_pairing_code_works_once_and_for_its_time),
		T(old_refusals_are_forgotten),
		T(many_old_refusals_are_forgotten_in_bursts),
		T(verifying_leaves_no_tables),
		T(a_journal_of_version_1_becomes_what_it_would_be),
		T(an_upgraded_journal_trades_on),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
