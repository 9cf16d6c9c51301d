#include "config.h"

#include <assert.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config_value.h"
#include "nearest.h"

#define FILE_MAX_BYTES (1024 * 1024)

struct config_entry {
	char *text; /* owned; NULL: not set */
	int line; /* 0: the fallback */
	int64_t number; /* CONFIG_INT, CONFIG_BOOL */
	struct endpoint endpoint; /* CONFIG_ENDPOINT */
};

struct config {
	const struct config_key *keys; /* borrowed */
	size_t n_keys;
	struct config_entry *entries; /* one for each key */
};

/* One pass over one file. */
struct parse {
	struct config *config;
	const char *name;
	const char *next, *end; /* text still to be read */
	int line;
	char section[CONFIG_LINE_MAX + 1];
	bool *seen; /* a section's mark, at its first key in the table */
	char *err;
	bool failed;
};

static void fail_at(struct parse *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The first error is the one that is told. */
static void fail_at(struct parse *p, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (p->failed)
		return;
	p->failed = true;
	if (p->line > 0)
		n = snprintf(p->err, CONFIG_ERROR_BYTES, "%s:%d: ", p->name, p->line);
	else
		n = snprintf(p->err, CONFIG_ERROR_BYTES, "%s: ", p->name);
	if (n < 0 || n >= CONFIG_ERROR_BYTES)
		return;
	va_start(ap, fmt);
	vsnprintf(p->err + n, CONFIG_ERROR_BYTES - (size_t)n, fmt, ap);
	va_end(ap);
}

static size_t section_first(const struct config *c, const char *section)
{
	size_t i;

	for (i = 0; i < c->n_keys; i++)
		if (strcmp(c->keys[i].section, section) == 0)
			break;
	return i;
}

static size_t key_find(const struct config *c, const char *section, const char *key)
{
	size_t i;

	for (i = 0; i < c->n_keys; i++)
		if (strcmp(c->keys[i].section, section) == 0 && strcmp(c->keys[i].key, key) == 0)
			break;
	return i;
}

/* The nearest word among the sections (section NULL) or among one section's keys. */
static const char *nearest(const struct config *c, const char *section, const char *word)
{
	const char **words = calloc(c->n_keys + 1, sizeof(*words));
	const char *best;
	size_t n = 0;

	if (words == NULL)
		return NULL;
	for (size_t i = 0; i < c->n_keys; i++)
		if (section == NULL)
			words[n++] = c->keys[i].section;
		else if (strcmp(c->keys[i].section, section) == 0)
			words[n++] = c->keys[i].key;
	best = word_nearest(word, words, n);
	free(words);
	return best;
}

/* "[name]" with nothing but blanks or a comment behind it. */
static void open_section(struct parse *p, const char *line, size_t len)
{
	const char *close = memchr(line, ']', len);
	size_t name_len, i;

	if (close == NULL) {
		fail_at(p, "a section's name must end with ']'");
		return;
	}
	name_len = (size_t)(close - line) - 1;
	for (const char *s = close + 1; s < line + len; s++) {
		if (*s == ';' || *s == '#')
			break;
		if (*s != ' ' && *s != '\t' && *s != '\r') {
			fail_at(p, "unexpected text after the section's name");
			return;
		}
	}
	memcpy(p->section, line + 1, name_len);
	p->section[name_len] = '\0';
	i = section_first(p->config, p->section);
	if (i == p->config->n_keys) {
		const char *near = nearest(p->config, NULL, p->section);

		if (near != NULL)
			fail_at(p, "unknown section [%s]; did you mean [%s]?", p->section, near);
		else
			fail_at(p, "unknown section [%s]", p->section);
	} else if (p->seen[i]) {
		fail_at(p, "section [%s] stands twice", p->section);
	} else {
		p->seen[i] = true;
	}
}

/* Judge a line before inih bends it into something else. */
static void check_line(struct parse *p, const char *line, size_t len)
{
	size_t blank = strspn(line, " \t\r");

	if (len > CONFIG_LINE_MAX)
		fail_at(p, "the line has %zu bytes; at most %d are allowed", len, CONFIG_LINE_MAX);
	else if (memchr(line, '\0', len) != NULL)
		fail_at(p, "a NUL byte stands in the line");
	else if (blank == len || line[blank] == '#' || line[blank] == ';')
		return;
	else if (line[0] == ' ' || line[0] == '\t')
		fail_at(p, "the line is indented; lines cannot be continued");
	else if (line[0] == '[')
		open_section(p, line, len);
	else if (p->section[0] == '\0')
		fail_at(p, "a section, as [%s], must come first", p->config->keys[0].section);
	else if (line[0] == '=' || line[0] == ':')
		fail_at(p, "a key is missing before '%c'", line[0]);
	else if (strcspn(line, "=:") == len)
		fail_at(p, "expected 'key = value'");
}

/* inih's reader: one line of the text, like fgets. */
static char *next_line(char *buf, int size, void *user)
{
	struct parse *p = user;
	const char *eol;
	char line[CONFIG_LINE_MAX + 2];
	size_t len, kept;

	if (p->failed || p->next == p->end)
		return NULL;
	eol = memchr(p->next, '\n', (size_t)(p->end - p->next));
	len = (size_t)((eol != NULL ? eol : p->end) - p->next);
	kept = len > CONFIG_LINE_MAX ? CONFIG_LINE_MAX : len;
	memcpy(line, p->next, kept);
	line[kept] = '\0';
	p->next += len + (eol != NULL);
	p->line++;
	check_line(p, line, len);
	if (p->failed)
		return NULL;
	assert(kept < (size_t)size);
	memcpy(buf, line, kept + 1);
	return buf;
}

/* Judge one value and keep it. */
static void store_value(struct parse *p, size_t i, const char *value)
{
	const struct config_key *k = &p->config->keys[i];
	struct config_entry *e = &p->config->entries[i];
	char why[CONFIG_WHY_BYTES];
	char *text;

	if (config_value_check(k, value, &e->number, &e->endpoint, why) != 0) {
		fail_at(p, "'%s' in [%s] %s", k->key, k->section, why);
		return;
	}
	text = k->type == CONFIG_PATH ? config_value_path(p->name, value) : strdup(value);
	if (text == NULL) {
		fail_at(p, "out of memory");
		return;
	}
	free(e->text);
	e->text = text;
	e->line = p->line;
}

static int on_value(void *user, const char *section, const char *name, const char *value)
{
	struct parse *p = user;
	size_t i = key_find(p->config, p->section, name);

	(void)section; /* inih cuts long names; p->section is whole */
	if (p->failed)
		return 0;
	if (i == p->config->n_keys) {
		const char *near = nearest(p->config, p->section, name);

		if (near != NULL)
			fail_at(p, "unknown key '%s' in [%s]; did you mean '%s'?", name, p->section,
				near);
		else
			fail_at(p, "unknown key '%s' in [%s]", name, p->section);
	} else if (p->config->entries[i].line != 0) {
		fail_at(p, "'%s' in [%s] stands twice, first in line %d", name, p->section,
			p->config->entries[i].line);
	} else {
		store_value(p, i, value);
	}
	return !p->failed;
}

static void fill_missing(struct parse *p)
{
	struct config *c = p->config;

	p->line = 0;
	for (size_t i = 0; i < c->n_keys && !p->failed; i++) {
		if (c->entries[i].text != NULL)
			continue;
		if (c->keys[i].required)
			fail_at(p, "'%s' is missing in [%s]", c->keys[i].key, c->keys[i].section);
		else if (c->keys[i].fallback != NULL)
			store_value(p, i, c->keys[i].fallback);
	}
}

int config_parse(const char *name, const char *text, size_t len, const struct config_key *keys,
		 size_t n_keys, struct config **ret, char *err)
{
	struct parse p = { .name = name, .next = text, .end = text + len, .err = err };
	struct config *c = calloc(1, sizeof(*c));
	int r;

	assert(n_keys > 0);
	p.seen = calloc(n_keys, sizeof(*p.seen));
	if (c != NULL)
		c->entries = calloc(n_keys, sizeof(*c->entries));
	if (c == NULL || c->entries == NULL || p.seen == NULL) {
		fail_at(&p, "out of memory");
		goto fail;
	}
	c->keys = keys;
	c->n_keys = n_keys;
	p.config = c;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		p.next += 3; /* Notepad's mark at the start of UTF-8 */
	r = ini_parse_stream(next_line, &p, on_value, &p);
	if (r != 0 && !p.failed)
		fail_at(&p, r > 0 ? "expected 'key = value'" : "out of memory");
	if (!p.failed)
		fill_missing(&p);
	if (p.failed)
		goto fail;
	free(p.seen);
	*ret = c;
	return 0;
fail:
	free(p.seen);
	config_destroy(c);
	return ERR_INVALID;
}

int config_read(const char *path, const struct config_key *keys, size_t n_keys, struct config **ret,
		char *err)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t len = 0;
	int r = ERR_IO;

	if (f == NULL) {
		snprintf(err, CONFIG_ERROR_BYTES, "%s: %s", path, strerror(errno));
		return ERR_IO;
	}
	text = malloc(FILE_MAX_BYTES + 1);
	if (text != NULL)
		len = fread(text, 1, FILE_MAX_BYTES + 1, f);
	if (text == NULL || ferror(f))
		snprintf(err, CONFIG_ERROR_BYTES, "%s: %s", path, strerror(errno));
	else if (len > FILE_MAX_BYTES)
		snprintf(err, CONFIG_ERROR_BYTES, "%s: over %d bytes", path, FILE_MAX_BYTES);
	else
		r = config_parse(path, text, len, keys, n_keys, ret, err);
	free(text);
	fclose(f);
	return r;
}

void config_destroy(struct config *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; c->entries != NULL && i < c->n_keys; i++)
		free(c->entries[i].text);
	free(c->entries);
	free(c);
}

static size_t declared(const struct config *c, const char *section, const char *key)
{
	size_t i = key_find(c, section, key);

	assert(i < c->n_keys);
	return i;
}

bool config_has(const struct config *c, const char *section, const char *key)
{
	return c->entries[declared(c, section, key)].text != NULL;
}

const char *config_string(const struct config *c, const char *section, const char *key)
{
	size_t i = declared(c, section, key);

	assert(c->keys[i].type != CONFIG_INT && c->keys[i].type != CONFIG_BOOL);
	return c->entries[i].text;
}

int64_t config_int(const struct config *c, const char *section, const char *key)
{
	size_t i = declared(c, section, key);

	assert(c->keys[i].type == CONFIG_INT && c->entries[i].text != NULL);
	return c->entries[i].number;
}

bool config_bool(const struct config *c, const char *section, const char *key)
{
	size_t i = declared(c, section, key);

	assert(c->keys[i].type == CONFIG_BOOL && c->entries[i].text != NULL);
	return c->entries[i].number != 0;
}

void config_endpoint(const struct config *c, const char *section, const char *key,
		     struct endpoint *ret)
{
	size_t i = declared(c, section, key);

	assert(c->keys[i].type == CONFIG_ENDPOINT && c->entries[i].text != NULL);
	*ret = c->entries[i].endpoint;
}
