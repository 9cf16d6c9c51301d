/* Members at rest: their key's file, forms, masks, seals and indexes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keys.h"
#include "member.h"

static const uint8_t account[ACCOUNT_ID_BYTES] = { 1, 2, 3 };
static const uint8_t other_account[ACCOUNT_ID_BYTES] = { 1, 2, 4 };
static const struct member wang = { .name = "王小明",
				    .phone = "13800135678",
				    .birthday = "1990-02-28" };

struct place {
	char dir[64], file[96];
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_true(sodium_init() >= 0);
	snprintf(p->dir, sizeof(p->dir), "/tmp/trib-member.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->file, sizeof(p->file), "%s/%s", p->dir, MEMBER_KEY_FILE);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	(void)unlink(p->file);
	assert_int_equal(rmdir(p->dir), 0); /* nothing else is left */
	free(p);
	return 0;
}

static void load(const struct place *p, const uint8_t *sealed, struct member_keys *ret)
{
	char err[KEYS_WHY_BYTES];

	assert_int_equal(member_keys_load(ret, p->dir, sealed, err), 0);
}

static void make(const struct place *p, struct member_keys *ret)
{
	load(p, NULL, ret);
	assert_int_equal(ret->state, MEMBER_KEY_NONE);
	assert_int_equal(member_keys_need(ret, p->dir), 0);
	assert_int_equal(ret->state, MEMBER_KEY_READY);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

static void the_key_is_made_once_for_its_owner_and_read_again(void **state)
{
	struct place *p = *state;
	struct member_keys first, again;
	uint8_t sealed[MEMBER_SEALED_BYTES];
	struct stat st;

	load(p, NULL, &first);
	assert_int_not_equal(access(p->file, F_OK), 0); /* not before it is needed */
	make(p, &first);
	assert_int_equal(stat(p->file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	member_seal(&first, account, &wang, sealed);
	load(p, sealed, &again);
	assert_memory_equal(&first, &again, sizeof(first));
	load(p, NULL, &again); /* it was made, and then the member was not kept */
	assert_memory_equal(&first, &again, sizeof(first));
	assert_int_equal(member_keys_need(&again, p->dir), 0);
	assert_memory_equal(&first, &again, sizeof(first));
}

static void a_key_open_to_others_is_refused(void **state)
{
	struct place *p = *state;
	char err[KEYS_WHY_BYTES] = "";
	struct member_keys k;

	make(p, &k);
	assert_int_equal(chmod(p->file, 0640), 0);
	assert_int_equal(member_keys_load(&k, p->dir, NULL, err), ERR_DENIED);
	assert_non_null(strstr(err, "chmod 600"));
}

static void a_key_that_is_gone_or_damaged_is_lost_and_not_made_anew(void **state)
{
	struct place *p = *state;
	uint8_t sealed[MEMBER_SEALED_BYTES];
	struct member_keys k;

	make(p, &k);
	member_seal(&k, account, &wang, sealed);
	assert_int_equal(unlink(p->file), 0);
	load(p, sealed, &k);
	assert_int_equal(k.state, MEMBER_KEY_LOST);
	assert_int_equal(member_keys_need(&k, p->dir), ERR_NOT_FOUND);
	assert_int_not_equal(access(p->file, F_OK), 0);
	write_file(p->file, "0011\n");
	load(p, NULL, &k);
	assert_int_equal(k.state, MEMBER_KEY_LOST);
	assert_int_equal(member_keys_need(&k, p->dir), ERR_NOT_FOUND);
}

static void a_new_key_that_was_put_there_opens_no_older_seal(void **state)
{
	struct place *p = *state;
	uint8_t sealed[MEMBER_SEALED_BYTES];
	struct member_keys k;
	struct member m;

	make(p, &k);
	member_seal(&k, account, &wang, sealed);
	assert_int_equal(unlink(p->file), 0);
	make(p, &k);
	load(p, sealed, &k);
	assert_int_equal(k.state, MEMBER_KEY_READY);
	assert_int_equal(member_open(&k, account, sealed, &m), ERR_SIGNATURE);
	memcpy(sealed, k.id, sizeof(k.id)); /* the name alone opens nothing */
	assert_int_equal(member_open(&k, account, sealed, &m), ERR_SIGNATURE);
}

static void a_key_that_cannot_be_made_is_told(void **state)
{
	struct place *p = *state;
	struct member_keys k;

	load(p, NULL, &k);
	assert_int_equal(member_keys_need(&k, "/tmp/trib-member/is/not/there"), ERR_IO);
	assert_int_equal(k.state, MEMBER_KEY_NONE);
	assert_int_equal(member_keys_need(&k, p->dir), 0);
}

static void check_opens(const struct member_keys *k, const struct member *m)
{
	uint8_t sealed[MEMBER_SEALED_BYTES];
	struct member out;

	memset(&out, 0, sizeof(out));
	member_seal(k, account, m, sealed);
	assert_int_equal(member_open(k, account, sealed, &out), 0);
	assert_string_equal(out.name, m->name);
	assert_string_equal(out.phone, m->phone);
	assert_string_equal(out.birthday, m->birthday);
}

static void what_is_sealed_opens_for_its_account_alone(void **state)
{
	struct member most = { .birthday = "1999-12-31" }, none = { .name = "" };
	uint8_t one[MEMBER_SEALED_BYTES], two[MEMBER_SEALED_BYTES];
	struct member_keys k;
	struct member out;

	make(*state, &k);
	memset(most.name, 'n', MEMBER_NAME_MAX);
	memset(most.phone, '9', MEMBER_PHONE_MAX);
	check_opens(&k, &wang);
	check_opens(&k, &most);
	check_opens(&k, &none);
	member_seal(&k, account, &wang, one);
	member_seal(&k, account, &wang, two);
	assert_memory_not_equal(one + MEMBER_KEY_ID_BYTES, two + MEMBER_KEY_ID_BYTES, 24);
	assert_memory_not_equal(one + MEMBER_KEY_ID_BYTES + 24, two + MEMBER_KEY_ID_BYTES + 24,
				MEMBER_PLAIN_BYTES);
	assert_int_equal(member_open(&k, other_account, one, &out), ERR_SIGNATURE);
	for (size_t i = 0; i < sizeof(one); i++) {
		one[i] ^= 1;
		assert_int_equal(member_open(&k, account, one, &out), ERR_SIGNATURE);
		one[i] ^= 1;
	}
	assert_int_equal(member_open(&k, account, one, &out), 0);
}

static void phone_numbers_are_digits_and_one_number_in_both_spellings(void **state)
{
	static const struct {
		const char *text, *parsed;
	} rows[] = {
		{ "13800135678", "13800135678" },
		{ "+8613800135678", "13800135678" },
		{ "+85298765432", "+85298765432" },
		{ "+862112345678", "+862112345678" }, /* no mobile number */
		{ "+86138001356789", "+86138001356789" },
		{ "8613800135678", "8613800135678" },
		{ "12345", "12345" },
		{ "+1234", "+1234" },
		{ "12345678901234567890", "12345678901234567890" },
		{ "1234", NULL },
		{ "123456789012345678901", NULL },
		{ "138 0013 5678", NULL },
		{ "138-0013-5678", NULL },
		{ "1380013567x", NULL },
		{ "++13800135678", NULL },
		{ "138+0013567", NULL },
		{ "", NULL },
		{ "１３８００１３", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char parsed[MEMBER_PHONE_MAX + 1] = "untouched";
		int r = member_phone_parse(rows[i].text, parsed);

		if ((r == 0) != (rows[i].parsed != NULL))
			fail_msg("%s: %d", rows[i].text, r);
		assert_string_equal(parsed, r == 0 ? rows[i].parsed : "untouched");
	}
}

static void a_masked_phone_number_never_shows_all(void **state)
{
	char digits[MEMBER_PHONE_MAX + 1] = "12345678901234567890", masked[MEMBER_PHONE_MAX + 1];

	(void)state;
	member_phone_mask("13800135678", masked);
	assert_string_equal(masked, "138****5678");
	member_phone_mask("+85298765432", masked);
	assert_string_equal(masked, "+85*****5432");
	member_phone_mask("12345", masked);
	assert_string_equal(masked, "1**45");
	for (size_t n = MEMBER_PHONE_MAX; n >= MEMBER_PHONE_MIN; n--) {
		size_t hidden = 0, first, last = 0;

		digits[n] = '\0';
		member_phone_mask(digits, masked);
		assert_int_equal(strlen(masked), n);
		first = strcspn(masked, "*");
		while (masked[n - 1 - last] != '*')
			last++;
		for (size_t i = 0; i < n; i++)
			hidden += masked[i] == '*';
		assert_true(first <= 3 && last <= 4 && hidden >= 2);
		assert_int_equal(first + hidden + last, n);
	}
}

static void birthdays_are_days_of_the_calendar(void **state)
{
	static const char *const good[] = { "1990-02-28", "2000-02-29", "1996-02-29",
					    "1900-01-01", "2023-12-31", "2023-04-30" };
	static const char *const bad[] = { "1990-02-29",
					   "1900-02-29",
					   "2023-04-31",
					   "2023-13-01",
					   "2023-00-01",
					   "2023-01-00",
					   "1899-12-31",
					   "1990-2-281",
					   "1990/02/28",
					   "1990-02-2x",
					   "+990-02-28",
					   "1990-02-28 ",
					   "" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!member_birthday_is_valid(good[i]))
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (member_birthday_is_valid(bad[i]))
			fail_msg("%s", bad[i]);
}

static void indexes_follow_from_the_key_and_from_what_they_are_of(void **state)
{
	struct place *p = *state;
	uint8_t one[MEMBER_INDEX_BYTES], two[MEMBER_INDEX_BYTES], plain[MEMBER_INDEX_BYTES];
	struct member_keys k, other;

	make(p, &k);
	assert_int_equal(unlink(p->file), 0);
	make(p, &other);
	member_phone_index(&k, "13800135678", one);
	member_phone_index(&k, "13800135678", two);
	assert_memory_equal(one, two, sizeof(one));
	member_phone_index(&k, "13800135679", two);
	assert_memory_not_equal(one, two, sizeof(one));
	member_phone_index(&other, "13800135678", two);
	assert_memory_not_equal(one, two, sizeof(one));
	crypto_generichash(plain, sizeof(plain), (const uint8_t *)"13800135678", 11, NULL, 0);
	assert_memory_not_equal(one, plain, sizeof(one));
	member_last4_index(&k, "13800135678", one);
	member_last4_index(&k, "5678", two);
	assert_memory_equal(one, two, sizeof(one));
	member_phone_index(&k, "5678", two); /* keys of their own */
	assert_memory_not_equal(one, two, sizeof(one));
}

static void a_print_tells_fields_texts_and_keys_apart(void **state)
{
	struct place *p = *state;
	char prints[5][MEMBER_PRINT_BYTES];
	struct member_keys k, other;

	make(p, &k);
	assert_int_equal(unlink(p->file), 0);
	make(p, &other);
	member_print(&k, "name", "ab", prints[0]);
	member_print(&k, "name", "ac", prints[1]);
	member_print(&k, "phone", "ab", prints[2]);
	member_print(&k, "namea", "b", prints[3]);
	member_print(&other, "name", "ab", prints[4]);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(strlen(prints[i]), MEMBER_PRINT_BYTES - 1);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(prints[i], prints[j]);
	}
	member_print(&k, "name", "ab", prints[1]);
	assert_string_equal(prints[0], prints[1]);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_key_is_made_once_for_its_owner_and_read_again),
		T(a_key_open_to_others_is_refused),
		T(a_key_that_is_gone_or_damaged_is_lost_and_not_made_anew),
		T(a_new_key_that_was_put_there_opens_no_older_seal),
		T(a_key_that_cannot_be_made_is_told),
		T(what_is_sealed_opens_for_its_account_alone),
		cmocka_unit_test(phone_numbers_are_digits_and_one_number_in_both_spellings),
		cmocka_unit_test(a_masked_phone_number_never_shows_all),
		cmocka_unit_test(birthdays_are_days_of_the_calendar),
		T(indexes_follow_from_the_key_and_from_what_they_are_of),
		T(a_print_tells_fields_texts_and_keys_apart),
	};

	return cmocka_run_group_tests_name("member", tests, NULL, NULL);
}
