/* account, journal, books, version: reading and proving what is there. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "commands.h"
#include "output.h"
#include "text.h"

#define CARD_BYTES 128
#define ACCOUNT_CHARACTERS 26
#define ACTIVITIES_MAX 200

/* Whether a check's answer tells of a difference. */
static bool has_difference(const json_t *answer)
{
	return json_integer_value(json_object_get(answer, "difference")) != 0 ||
	       json_array_size(json_object_get(answer, "differences")) > 0 ||
	       json_is_false(json_object_get(answer, "ok"));
}

/* HQ, but the store where only that is named. */
static enum target hq_or_store(const struct ctl *ctl)
{
	if (ctl->urls[TARGET_STORE] != NULL)
		return TARGET_STORE;
	if (!service_is_named(ctl, TARGET_HQ) && service_is_named(ctl, TARGET_STORE))
		return TARGET_STORE;
	return TARGET_HQ;
}

/* The one line of a card file; "-" is stdin. */
static int read_card(const char *path, char *ret)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char *line = NULL;
	size_t len;

	if (f == NULL) {
		say("%s: %s", path, strerror(errno));
		return EXIT_FAILED;
	}
	line = fgets(ret, CARD_BYTES, f);
	if (f != stdin)
		fclose(f);
	len = line != NULL ? strcspn(ret, "\r\n") : 0;
	if (len == 0 || len >= CARD_BYTES - 1) {
		say(T("%s: expected one line with a card number", "%s：应为一行卡号"), path);
		return EXIT_FAILED;
	}
	ret[len] = '\0';
	return EXIT_OK;
}

/* One account found is shown as such, several as a list. */
static int print_found(const struct ctl *ctl, const json_t *answer)
{
	const json_t *items = output_items(answer);

	if (items != NULL && json_array_size(items) == 1)
		return output_print(ctl, json_array_get(items, 0));
	return output_print(ctl, answer);
}

static int ask_account(const struct ctl *ctl, enum target t, const char *id, json_t **ret)
{
	char path[PATH_BYTES], segment[PATH_BYTES / 2];

	snprintf(path, sizeof(path), "/v1/accounts/%s", client_segment(id, segment));
	return client_ask(ctl, t, "GET", path, NULL, ret);
}

/* The accounts of the card in a file: at least one. */
static int ask_card(const struct ctl *ctl, enum target t, const char *card_file, json_t **ret)
{
	char card[CARD_BYTES];
	int r = read_card(card_file, card);

	if (r == EXIT_OK)
		r = client_ask(ctl, t, "POST",
			       t == TARGET_HQ ? "/v1/accounts/search" : "/v1/cards/search",
			       json_pack("{s:s}", "card_no", card), ret);
	if (r != EXIT_OK || output_items(*ret) == NULL || json_array_size(output_items(*ret)) > 0)
		return r;
	say(T("there is no such card", "没有找到这张卡"));
	return EXIT_FAILED;
}

/* What happened to an account at a store: the newest n. */
static int show_activities(const struct ctl *ctl, const char *id, int64_t n)
{
	char path[PATH_BYTES], segment[PATH_BYTES / 2];
	json_t *answer = NULL;
	int r;

	snprintf(path, sizeof(path), "/v1/accounts/%s/activities?limit=%lld",
		 client_segment(id, segment), (long long)n);
	r = client_ask(ctl, TARGET_STORE, "GET", path, NULL, &answer);
	if (r == EXIT_OK)
		r = output_print(ctl, json_object_get(answer, "activities"));
	json_decref(answer);
	return r;
}

static int check_account_args(const struct args *args, enum target t, int64_t *ret_n)
{
	const char *id = args->positions[0], *n = args_value(args, "activities");

	if ((id != NULL) == (args_value(args, "card-file") != NULL))
		return say_usage("account show", T("give either ACCOUNT or --card-file",
						   "请给出 ACCOUNT 或 --card-file 之一"));
	if (id != NULL && strlen(id) != ACCOUNT_CHARACTERS)
		return say_usage("account show",
				 T("%s is not an account id (26 characters). For a card: tribctl "
				   "account show --card-file -",
				   "%s 不是账户号（26 个字符）。按卡号查询：tribctl account show "
				   "--card-file -"),
				 id);
	if (n != NULL && t != TARGET_STORE)
		return say_usage("account show", T("--activities asks a store: give --store URL",
						   "--activities 查询门店：请给出 --store URL"));
	return n == NULL ? EXIT_OK : args_int(args, "--activities", n, 1, ACTIVITIES_MAX, ret_n);
}

int account_show(struct ctl *ctl, const struct args *args)
{
	const char *id = args->positions[0];
	enum target t = hq_or_store(ctl);
	json_t *answer = NULL;
	int64_t n = 0;
	int r = check_account_args(args, t, &n);

	if (r != EXIT_OK)
		return r;
	if (id == NULL) {
		r = ask_card(ctl, t, args_value(args, "card-file"), &answer);
		id = json_string_value(
			json_object_get(json_array_get(output_items(answer), 0), "account"));
	} else if (n == 0) {
		r = ask_account(ctl, t, id, &answer);
	}
	if (r == EXIT_OK)
		r = n > 0 && id != NULL ? show_activities(ctl, id, n) : print_found(ctl, answer);
	json_decref(answer);
	return r;
}

/* Append "&name=value" (or "?...") where the option is given and a number. */
static int add_number(const struct args *args, const char *name, int64_t min, char *path)
{
	const char *value = args_value(args, name);
	size_t len = strlen(path);
	char what[32];
	int64_t n;

	if (value == NULL)
		return EXIT_OK;
	snprintf(what, sizeof(what), "--%s", name);
	if (args_int(args, what, value, min, INT64_MAX, &n) != EXIT_OK)
		return EXIT_USAGE;
	snprintf(path + len, PATH_BYTES - len, "%c%s=%lld", strchr(path, '?') != NULL ? '&' : '?',
		 name, (long long)n);
	return EXIT_OK;
}

/* "/v1/journal/CODE" at HQ, "/v1/journal" at a store, which has no other journal. */
static int journal_path(const struct args *args, enum target t, char *ret)
{
	const char *code = args->positions[0];
	char segment[PATH_BYTES / 2], where[64];

	if (t == TARGET_STORE && code != NULL)
		return say_usage(command_name(args->command, where),
				 T("with --store, STORE '%s' is superfluous",
				   "使用 --store 时不需要 STORE“%s”"),
				 code);
	if (t == TARGET_STORE)
		snprintf(ret, PATH_BYTES, "/v1/journal");
	else
		snprintf(ret, PATH_BYTES, "/v1/journal/%s", client_segment(code, segment));
	return EXIT_OK;
}

int journal_show(struct ctl *ctl, const struct args *args)
{
	enum target t = hq_or_store(ctl);
	char path[PATH_BYTES];
	json_t *answer = NULL;
	int r;

	if (t == TARGET_HQ && args->positions[0] == NULL)
		return say_usage("journal show", T("STORE is missing", "缺少 STORE"));
	if (journal_path(args, t, path) != EXIT_OK ||
	    add_number(args, "from", 1, path) != EXIT_OK ||
	    add_number(args, "limit", 1, path) != EXIT_OK ||
	    add_number(args, "incarnation", 1, path) != EXIT_OK)
		return EXIT_USAGE;
	r = client_ask(ctl, t, "GET", path, NULL, &answer);
	if (r == EXIT_OK)
		r = output_print(ctl, answer);
	json_decref(answer);
	return r;
}

/* Verify one journal; the answer in *ret also where it tells of a difference. */
static int verify_one(const struct ctl *ctl, enum target t, const char *journal, json_t **ret)
{
	char path[PATH_BYTES + 16];
	int r;

	snprintf(path, sizeof(path), "%s/verify", journal);
	r = client_ask(ctl, t, "POST", path, json_object(), ret);
	if (r == EXIT_OK && has_difference(*ret))
		r = EXIT_DIFFERENCE;
	return r;
}

/* The worse of two results: a difference outweighs a failure, a failure among successes is
 * EXIT_PARTLY. */
static int combine(int so_far, int r, bool first)
{
	if (first || so_far == r)
		return r;
	if (so_far == EXIT_DIFFERENCE || r == EXIT_DIFFERENCE)
		return EXIT_DIFFERENCE;
	return EXIT_PARTLY;
}

static int verify_all(const struct ctl *ctl)
{
	json_t *stores = NULL, *results = json_array(), *store;
	int r = client_ask(ctl, TARGET_HQ, "GET", "/v1/stores", NULL, &stores), printed;
	size_t i;

	if (r != EXIT_OK)
		goto done;
	json_array_foreach(output_items(stores), i, store)
	{
		const char *code = json_string_value(json_object_get(store, "code"));
		char path[PATH_BYTES], segment[PATH_BYTES / 2];
		json_t *answer = NULL;
		int one;

		if (code == NULL)
			code = json_string_value(json_object_get(store, "store"));
		if (code == NULL)
			continue;
		snprintf(path, sizeof(path), "/v1/journal/%s", client_segment(code, segment));
		one = verify_one(ctl, TARGET_HQ, path, &answer);
		if (answer == NULL)
			say(T("store %s could not be verified", "门店 %s 未能校验"), code);
		else if (json_object_get(answer, "store") == NULL)
			(void)json_object_set_new(answer, "store", json_string(code));
		if (answer != NULL)
			(void)json_array_append_new(results, answer);
		r = combine(r, one, i == 0);
	}
	printed = output_print(ctl, results);
	if (printed != EXIT_OK)
		r = printed;
done:
	json_decref(stores);
	json_decref(results);
	return r;
}

int journal_verify(struct ctl *ctl, const struct args *args)
{
	enum target t = hq_or_store(ctl);
	char path[PATH_BYTES];
	json_t *answer = NULL;
	int r, printed;

	if (t == TARGET_HQ && args->positions[0] == NULL)
		return verify_all(ctl);
	if (journal_path(args, t, path) != EXIT_OK)
		return EXIT_USAGE;
	r = verify_one(ctl, t, path, &answer);
	printed = answer != NULL ? output_print(ctl, answer) : EXIT_OK;
	json_decref(answer);
	return printed != EXIT_OK ? printed : r;
}

/* The result in words, above the numbers. */
static void print_proved(const json_t *answer)
{
	json_int_t entries = json_integer_value(json_object_get(answer, "entries"));
	json_int_t stores = json_integer_value(json_object_get(answer, "stores"));

	if (text_lang() == LANG_ZH)
		printf("账目核对无误：%lld 家门店 %lld 条流水，差异为 0\n\n", (long long)stores,
		       (long long)entries);
	else
		printf("books proved: %lld entries of %lld stores, 0 differences\n\n",
		       (long long)entries, (long long)stores);
}

int books_check(struct ctl *ctl, const struct args *args)
{
	json_t *answer = NULL;
	int r = client_ask(ctl, TARGET_HQ, "POST", "/v1/books/check", json_object(), &answer);

	(void)args;
	if (r == EXIT_OK && ctl->format == FORMAT_TABLE && !has_difference(answer))
		print_proved(answer);
	if (r == EXIT_OK)
		r = output_print(ctl, answer);
	if (r == EXIT_OK && has_difference(answer)) {
		say(T("the books differ", "账目存在差异"));
		r = EXIT_DIFFERENCE;
	}
	json_decref(answer);
	return r;
}

int version_show(struct ctl *ctl, const struct args *args)
{
	json_t *versions = json_pack("{s:s}", "tribctl", TRIB_VERSION);
	int worst = EXIT_OK, r;

	(void)args;
	for (enum target t = TARGET_HQ; t <= TARGET_STORE; t++) {
		const char *path = t == TARGET_HQ ? "/v1/version" : "/v1/health";
		json_t *answer = NULL;

		if (!service_is_named(ctl, t))
			continue;
		r = client_ask(ctl, t, "GET", path, NULL, &answer);
		if (r == EXIT_OK)
			(void)json_object_set(versions, target_name(t),
					      json_object_get(answer, "version"));
		else
			worst = r;
		json_decref(answer);
	}
	r = output_print(ctl, versions);
	json_decref(versions);
	return r != EXIT_OK ? r : worst;
}
