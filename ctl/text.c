#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static enum lang lang = LANG_EN;

enum lang text_lang_of_environment(void)
{
	static const char *const names[] = { "LC_ALL", "LC_MESSAGES", "LANG" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);

		if (value != NULL && *value != '\0')
			return strncmp(value, "zh", 2) == 0 ? LANG_ZH : LANG_EN;
	}
	return LANG_EN;
}

void text_set_lang(enum lang l)
{
	lang = l;
}

enum lang text_lang(void)
{
	return lang;
}

const char *T(const char *en, const char *zh)
{
	return lang == LANG_ZH ? zh : en;
}

/* What a server or a file says may hold escape sequences: none reaches the terminal. */
static void say_tame(char *line)
{
	for (char *c = line; *c != '\0'; c++)
		if (((unsigned char)*c < 0x20 && *c != '\n') || *c == 0x7f)
			*c = '?';
	fprintf(stderr, "%s%s\n", T("tribctl: ", "tribctl："), line);
}

void say(const char *fmt, ...)
{
	char line[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	say_tame(line);
}

int say_usage(const char *command, const char *fmt, ...)
{
	char line[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	say_tame(line);
	fprintf(stderr, T("Try 'tribctl%s%s --help'.\n", "请参阅“tribctl%s%s --help”。\n"),
		*command != '\0' ? " " : "", command);
	return EXIT_USAGE;
}

/* The next character of s: its bytes and its columns. */
static int next_character(const char *s, int *ret_columns)
{
	mbstate_t state = { 0 };
	wchar_t wc;
	size_t n = mbrtowc(&wc, s, strlen(s), &state);
	int columns;

	if (n == (size_t)-1 || n == (size_t)-2 || n == 0) {
		*ret_columns = 1;
		return 1;
	}
	columns = wcwidth(wc);
	*ret_columns = columns < 0 ? 1 : columns;
	return (int)n;
}

int text_width(const char *s)
{
	int width = 0, columns;

	while (*s != '\0') {
		s += next_character(s, &columns);
		width += columns;
	}
	return width;
}

int text_fit(const char *s, int columns, int *ret_columns)
{
	int bytes = 0, width = 0;

	while (s[bytes] != '\0') {
		int w, n = next_character(s + bytes, &w);

		if (width + w > columns)
			break;
		width += w;
		bytes += n;
	}
	*ret_columns = width;
	return bytes;
}

bool text_is_tame(const char *s)
{
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)s[1] < 0xa0))
			return false;
	}
	return true;
}
