/* rules: checked here by the same code that headquarters compiles them with. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "commands.h"
#include "output.h"
#include "rules_json.h"
#include "text.h"

#define ARENA_BYTES ((size_t)4 * 1024 * 1024)

/* The whole text of a file; "-" is stdin. A new string, NULL after telling. */
static char *read_file(const char *path, size_t *ret_len)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char *text = malloc(RULES_TEXT_MAX_BYTES + 2);
	bool failed;

	if (f == NULL || text == NULL) {
		say("%s: %s", path, strerror(errno));
		free(text);
		return NULL;
	}
	*ret_len = fread(text, 1, RULES_TEXT_MAX_BYTES + 1, f);
	failed = ferror(f) != 0;
	if (failed)
		say("%s: %s", path, strerror(errno));
	if (f != stdin)
		fclose(f);
	if (failed) {
		free(text);
		return NULL;
	}
	text[*ret_len] = '\0';
	return text;
}

/* Compile and, in *ret, count what is in the set. */
static int check_text(const char *path, const char *text, size_t len, json_t **ret)
{
	uint8_t *buffer = malloc(ARENA_BYTES);
	char err[RULES_ERROR_BYTES];
	Trib__V1__RuleSet *set;
	struct arena a;
	int r = EXIT_FAILED;

	if (buffer == NULL) {
		say(T("out of memory", "内存不足"));
		return EXIT_FAILED;
	}
	arena_init(&a, buffer, ARENA_BYTES);
	if (rules_from_text(text, len, 1, 0, &a, &set, err) != 0) {
		say("%s: %s", path, err);
	} else {
		*ret = json_pack("{s:s, s:s*, s:I, s:I, s:I}", "file", path, "name", set->name,
				 "points", (json_int_t)set->n_points, "top_ups",
				 (json_int_t)set->n_top_ups, "account_types",
				 (json_int_t)set->n_account_types);
		r = *ret != NULL ? EXIT_OK : EXIT_FAILED;
	}
	free(buffer);
	return r;
}

/* What a set does not give may be meant so, or forgotten. */
static void warn_of_nothing(const char *path, const json_t *counts)
{
	if (counts == NULL)
		return;
	if (json_integer_value(json_object_get(counts, "points")) == 0)
		say(T("%s: gives no points", "%s：不赠送积分"), path);
	if (json_integer_value(json_object_get(counts, "top_ups")) == 0)
		say(T("%s: no gifts for top-ups", "%s：充值不赠送"), path);
}

int rules_check(struct ctl *ctl, const struct args *args)
{
	const char *path = args->positions[0];
	json_t *counts = NULL;
	size_t len;
	char *text = read_file(path, &len);
	int r;

	if (text == NULL)
		return EXIT_FAILED;
	r = check_text(path, text, len, &counts);
	if (r == EXIT_OK)
		r = output_print(ctl, counts);
	warn_of_nothing(path, counts);
	json_decref(counts);
	free(text);
	return r;
}

int rules_publish(struct ctl *ctl, const struct args *args)
{
	const char *path = args->positions[0];
	json_t *counts = NULL, *rules = NULL, *answer = NULL;
	size_t len;
	char *text = read_file(path, &len);
	int r;

	if (text == NULL)
		return EXIT_FAILED;
	r = check_text(path, text, len, &counts);
	warn_of_nothing(path, counts);
	if (r == EXIT_OK) {
		rules = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
		r = client_ask(ctl, TARGET_HQ, "POST", "/v1/rules",
			       json_pack("{s:o, s:s}", "rules", rules, "reason",
					 args_value(args, "reason")),
			       &answer);
	}
	if (r == EXIT_OK)
		r = output_print(ctl, answer);
	json_decref(answer);
	json_decref(counts);
	free(text);
	return r;
}

int rules_show(struct ctl *ctl, const struct args *args)
{
	json_t *answer = NULL;
	char path[PATH_BYTES] = "/v1/rules";
	int64_t version;
	int r;

	if (args->positions[0] != NULL) {
		if (args_int(args, "VERSION", args->positions[0], 1, INT64_MAX, &version) !=
		    EXIT_OK)
			return EXIT_USAGE;
		snprintf(path, sizeof(path), "/v1/rules/%lld", (long long)version);
	}
	r = client_ask(ctl, TARGET_HQ, "GET", path, NULL, &answer);
	if (r == EXIT_OK)
		r = output_print(ctl, answer);
	json_decref(answer);
	return r;
}
