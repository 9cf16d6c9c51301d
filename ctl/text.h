/* Messages in the operator's language, and the exit codes that scripts rely on. */
#ifndef TRIB_CTL_TEXT_H
#define TRIB_CTL_TEXT_H

#include <stdbool.h>

enum lang {
	LANG_EN,
	LANG_ZH
};

enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_UNREACHABLE = 3,
	EXIT_DENIED = 4,
	EXIT_DIFFERENCE = 5,
	EXIT_PARTLY = 6,
};

/* Chinese where LC_ALL, LC_MESSAGES or LANG (the first that is set) begins with "zh". */
enum lang text_lang_of_environment(void);

void text_set_lang(enum lang lang);
enum lang text_lang(void);

/* The sentence in the language chosen. */
const char *T(const char *en, const char *zh) __attribute__((format_arg(1), format_arg(2)));

/* One line on stderr: "tribctl: ..." or, in Chinese, "tribctl：...". */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same with a hint at the help of `command` ("store enroll", "" for tribctl's own). Returns
 * EXIT_USAGE. */
int say_usage(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Columns that s takes on a terminal; broken bytes and control characters count as 1. */
int text_width(const char *s);

/* Bytes of the longest start of s that takes at most `columns` columns; those it takes. */
int text_fit(const char *s, int columns, int *ret_columns);

/* Whether s has no bytes that a terminal might obey. */
bool text_is_tame(const char *s);

#endif
