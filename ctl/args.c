#include "args.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "help.h"
#include "nearest.h"
#include "text.h"

#define WORDS_MAX 64

static const char *const target_flags[] = { "hq", "relay", "store" };
static const char *const format_words[] = { "table", "json", "csv", NULL };

/* One pass over argv. */
struct reader {
	int argc;
	char **argv;
	const struct command *commands;
	size_t n_commands;
	struct ctl *ctl;
	struct args *args;
	bool help, version;
};

const char *command_name(const struct command *c, char *buf)
{
	snprintf(buf, 64, "%s%s%s", c->noun, c->verb != NULL ? " " : "",
		 c->verb != NULL ? c->verb : "");
	return buf;
}

/* Tell that `word` is unknown, with the nearest known one. */
static int tell_unknown(const char *where, const char *what, const char *prefix, const char *word,
			const char *const *words, size_t n)
{
	const char *near = word_nearest(word, words, n);

	if (near != NULL)
		return say_usage(where,
				 T("unknown %s '%s%s'; did you mean '%s%s'?",
				   "未知的%s“%s%s”，是否想输入“%s%s”？"),
				 what, prefix, word, prefix, near);
	return say_usage(where, T("unknown %s '%s%s'", "未知的%s“%s%s”"), what, prefix, word);
}

static int choose_format(struct reader *r, const char *value)
{
	for (int i = 0; format_words[i] != NULL; i++) {
		if (strcmp(value, format_words[i]) == 0) {
			r->ctl->format = (enum format)i;
			return EXIT_OK;
		}
	}
	return tell_unknown("", T("output format", "输出格式"), "", value, format_words, 3);
}

static int choose_lang(const char *value)
{
	static const char *const words[] = { "zh", "en" };

	if (strcmp(value, "zh") == 0 || strcmp(value, "en") == 0) {
		text_set_lang(*value == 'z' ? LANG_ZH : LANG_EN);
		return EXIT_OK;
	}
	return tell_unknown("", T("language", "语言"), "", value, words, 2);
}

/* An option of tribctl itself. */
static int set_global(struct reader *r, const char *name, const char *value)
{
	if (strcmp(name, "output") == 0)
		return choose_format(r, value);
	if (strcmp(name, "lang") == 0)
		return choose_lang(value);
	for (size_t i = 0; i < 3; i++) {
		if (strcmp(name, target_flags[i]) != 0)
			continue;
		if (r->ctl->urls[i] != NULL)
			return say_usage("", T("--%s is given twice", "--%s 重复出现"), name);
		r->ctl->urls[i] = value;
	}
	return EXIT_OK;
}

static bool is_global(const char *name)
{
	static const char *const names[] = { "output", "lang", "hq", "relay", "store" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static int tell_unknown_option(struct reader *r, const char *name)
{
	const char *words[WORDS_MAX] = {
		"output", "lang", "hq", "relay", "store", "help", "version"
	};
	const struct command *c = r->args->command;
	char where[64] = "";
	size_t n = 7;

	if (c != NULL) {
		command_name(c, where);
		for (const struct option_spec *o = c->options; o->name != NULL; o++)
			words[n++] = o->name;
	}
	return tell_unknown(where, T("option", "选项"), "--", name, words, n);
}

/* One option, whose value may be its own word or the next one. *i is at its word. */
static int read_option(struct reader *r, int *i, const char *name, const char *value)
{
	const struct command *c = r->args->command;
	char where[64] = "";
	size_t k = 0;
	bool global = is_global(name);

	if (c != NULL) {
		command_name(c, where);
		while (!global && c->options[k].name != NULL &&
		       strcmp(c->options[k].name, name) != 0)
			k++;
	}
	if (!global && (c == NULL || c->options[k].name == NULL))
		return tell_unknown_option(r, name);
	if (!global && c->options[k].metavar == NULL) {
		if (value != NULL)
			return say_usage(where, T("--%s takes no value", "--%s 不带取值"), name);
		value = "";
	} else if (value == NULL) {
		if (*i + 1 >= r->argc)
			return say_usage(where, T("--%s needs a value", "--%s 缺少取值"), name);
		value = r->argv[++*i];
	}
	if (global)
		return set_global(r, name, value);
	if (r->args->values[k] != NULL)
		return say_usage(where, T("--%s is given twice", "--%s 重复出现"), name);
	if (*value == '\0' && c->options[k].metavar != NULL)
		return say_usage(where, T("--%s must not be empty", "--%s 不能为空"), name);
	r->args->values[k] = value;
	return EXIT_OK;
}

static int read_dashed(struct reader *r, int *i)
{
	const char *word = r->argv[*i];
	const char *equals = strchr(word, '=');
	char name[64];

	if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) {
		r->help = true;
		return EXIT_OK;
	}
	if (strcmp(word, "--version") == 0) {
		r->version = true;
		return EXIT_OK;
	}
	if (word[1] == 'o' && word[2] == '\0')
		return read_option(r, i, "output", NULL);
	if (word[1] == 'o' && word[2] != '\0')
		return read_option(r, i, "output", word + 2);
	if (word[1] != '-')
		return say_usage("", T("unknown option '%s'", "未知的选项“%s”"), word);
	word += 2;
	snprintf(name, sizeof(name), "%.*s", equals != NULL ? (int)(equals - word) : 63, word);
	return read_option(r, i, name, equals != NULL ? equals + 1 : NULL);
}

static const struct command *find_command(const struct reader *r, const char *noun,
					  const char *verb)
{
	for (size_t i = 0; i < r->n_commands; i++) {
		const struct command *c = &r->commands[i];

		if (strcmp(c->noun, noun) == 0 &&
		    (verb == NULL ? c->verb == NULL :
				    c->verb != NULL && strcmp(c->verb, verb) == 0))
			return c;
	}
	return NULL;
}

static bool is_noun(const struct reader *r, const char *noun)
{
	for (size_t i = 0; i < r->n_commands; i++)
		if (strcmp(r->commands[i].noun, noun) == 0)
			return true;
	return false;
}

static int tell_unknown_command(const struct reader *r, const char *noun, const char *verb)
{
	const char *words[WORDS_MAX];
	size_t n = 0;

	assert(r->n_commands <= WORDS_MAX);
	for (size_t i = 0; i < r->n_commands; i++) {
		const struct command *c = &r->commands[i];

		if (verb == NULL)
			words[n++] = c->noun;
		else if (strcmp(c->noun, noun) == 0)
			words[n++] = c->verb;
	}
	if (verb == NULL)
		return tell_unknown("", T("command", "命令"), "", noun, words, n);
	return tell_unknown(noun, T("verb", "子命令"), "", verb, words, n);
}

/* A word without a dash: noun, then verb, then positions. */
static int read_word(struct reader *r, const char **noun, const char *word)
{
	struct args *a = r->args;
	char where[64];
	size_t k = 0;

	if (*noun == NULL) {
		if (!is_noun(r, word))
			return tell_unknown_command(r, word, NULL);
		*noun = word;
		a->command = find_command(r, word, NULL);
		return EXIT_OK;
	}
	if (a->command == NULL) {
		a->command = find_command(r, *noun, word);
		return a->command != NULL ? EXIT_OK : tell_unknown_command(r, *noun, word);
	}
	while (a->command->positions[k].name != NULL && a->positions[k] != NULL)
		k++;
	if (a->command->positions[k].name == NULL)
		return say_usage(command_name(a->command, where),
				 T("unexpected '%s'", "多余的参数“%s”"), word);
	a->positions[k] = word;
	return EXIT_OK;
}

static int check_complete(const struct args *a)
{
	const struct command *c = a->command;
	char where[64];

	command_name(c, where);
	for (size_t i = 0; c->positions[i].name != NULL; i++)
		if (c->positions[i].required && a->positions[i] == NULL)
			return say_usage(where, T("%s is missing", "缺少 %s"),
					 c->positions[i].name);
	for (size_t i = 0; c->options[i].name != NULL; i++)
		if (c->options[i].required && a->values[i] == NULL)
			return say_usage(where, T("--%s %s is required", "必须给出 --%s %s"),
					 c->options[i].name, c->options[i].metavar);
	return EXIT_OK;
}

/* --lang counts for all messages, also for those about words before it. */
static void look_for_lang(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *value = NULL;

		if (strcmp(argv[i], "--lang") == 0 && i + 1 < argc)
			value = argv[i + 1];
		else if (strncmp(argv[i], "--lang=", 7) == 0)
			value = argv[i] + 7;
		if (value != NULL && strcmp(value, "zh") == 0)
			text_set_lang(LANG_ZH);
		else if (value != NULL && strcmp(value, "en") == 0)
			text_set_lang(LANG_EN);
	}
}

static int tell_verb_is_missing(const struct reader *r, const char *noun)
{
	char list[512] = "";

	for (size_t i = 0; i < r->n_commands; i++) {
		const struct command *c = &r->commands[i];
		size_t len = strlen(list);

		if (strcmp(c->noun, noun) == 0)
			snprintf(list + len, sizeof(list) - len, "%s%s",
				 len > 0 ? T(", ", "、") : "", c->verb);
	}
	return say_usage(noun, T("'%s' needs a verb: %s", "“%s”之后缺少子命令：%s"), noun, list);
}

/* All words, up to a --help. */
static int read_words(struct reader *r, const char **noun)
{
	bool words_only = false, help_word = false;
	int code = EXIT_OK;

	for (int i = 1; i < r->argc && code == EXIT_OK && !r->version && (!r->help || help_word);
	     i++) {
		const char *word = r->argv[i];

		if (!words_only && strcmp(word, "--") == 0)
			words_only = true;
		else if (!words_only && word[0] == '-' && word[1] != '\0')
			code = read_dashed(r, &i);
		else if (*noun == NULL && !help_word && strcmp(word, "help") == 0)
			r->help = help_word = true;
		else
			code = read_word(r, noun, word);
	}
	return code;
}

int args_parse(int argc, char **argv, const struct command *commands, size_t n, struct ctl *ctl,
	       struct args *ret, int *ret_exit)
{
	struct reader r = { .argc = argc,
			    .argv = argv,
			    .commands = commands,
			    .n_commands = n,
			    .ctl = ctl,
			    .args = ret };
	const char *noun = NULL;

	memset(ret, 0, sizeof(*ret));
	look_for_lang(argc, argv);
	*ret_exit = read_words(&r, &noun);
	if (*ret_exit != EXIT_OK)
		return -1;
	if (r.version) {
		printf("tribctl %s\n", TRIB_VERSION);
		return -1;
	}
	if (r.help) {
		help_show(stdout, commands, n, noun, ret->command);
		return -1;
	}
	if (noun == NULL) {
		help_show(stderr, commands, n, NULL, NULL);
		*ret_exit = EXIT_USAGE;
		return -1;
	}
	*ret_exit = ret->command != NULL ? check_complete(ret) : tell_verb_is_missing(&r, noun);
	return *ret_exit == EXIT_OK ? 0 : -1;
}

const char *args_value(const struct args *args, const char *name)
{
	for (size_t i = 0; args->command->options[i].name != NULL; i++)
		if (strcmp(args->command->options[i].name, name) == 0)
			return args->values[i];
	assert(false);
	return NULL;
}

int args_int(const struct args *args, const char *what, const char *text, int64_t min, int64_t max,
	     int64_t *ret)
{
	char where[64], *end;
	long long v;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || *text == ' ' || *text == '+' || v < min ||
	    v > max)
		return say_usage(command_name(args->command, where),
				 T("%s must be a whole number from %lld to %lld, not '%s'",
				   "%s 必须是 %lld 到 %lld 的整数，而不是“%s”"),
				 what, (long long)min, (long long)max, text);
	*ret = v;
	return EXIT_OK;
}
