#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "utf8.h"

#define LINE_BYTES 2048

static enum log_level max_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	max_level = level;
}

/* One line is one write, so that lines of several processes on one stderr never mix. */
static void write_line(char *line, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)line[i];

		if (c < 0x20 || c == 0x7f)
			line[i] = '?';
	}
	line[len++] = '\n';
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, line, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* nobody is left to be told */
		line += n;
		len -= (size_t)n;
	}
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
	char line[LINE_BYTES + 1];
	int saved_errno = errno;
	size_t len;
	int n;

	if (level > max_level)
		return;
	n = snprintf(line, LINE_BYTES, "<%d>event=%s", (int)level, event);
	len = n < 0 ? 0 : (size_t)n;
	if (fmt != NULL && len + 1 < LINE_BYTES) {
		va_list ap;

		line[len++] = ' ';
		va_start(ap, fmt);
		n = vsnprintf(line + len, LINE_BYTES - len, fmt, ap);
		va_end(ap);
		if (n > 0)
			len += (size_t)n;
	}
	if (len > LINE_BYTES - 1)
		len = LINE_BYTES - 1;
	write_line(line, len);
	errno = saved_errno;
}

static int is_plain(const char *s)
{
	if (*s == '\0')
		return 0;
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c <= 0x20 || c == 0x7f || c == '"' || c == '\\' || c == '=')
			return 0;
	}
	return 1;
}

const char *log_quote(struct log_value *v, const char *s)
{
	size_t n = 0, len;

	if (s == NULL)
		s = "-";
	len = strlen(s);
	if (is_plain(s) && len < sizeof(v->text)) {
		memcpy(v->text, s, len + 1);
		return v->text;
	}
	v->text[n++] = '"';
	for (; *s != '\0' && n < sizeof(v->text) - 4; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			v->text[n++] = '\\';
		v->text[n++] = c < 0x20 || c == 0x7f ? '?' : *s;
	}
	if (*s != '\0')
		n = utf8_cut(v->text, n);
	v->text[n++] = '"';
	v->text[n] = '\0';
	return v->text;
}
