#include "migrations.h"

#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define FILE_MAX_BYTES ((size_t)16 * 1024 * 1024)
#define PATH_BYTES 1024

static int is_sql(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return len > 4 && strcmp(e->d_name + len - 4, ".sql") == 0;
}

/* "0001_books.sql" -> 1, "books". */
static int parse_name(struct migration *m)
{
	size_t len = strlen(m->file);

	if (strspn(m->file, "0123456789") != 4 || m->file[4] != '_' || len <= 9)
		return EXIT_FAILED;
	m->version = atoi(m->file);
	m->name = strndup(m->file + 5, len - 9);
	return m->name != NULL ? EXIT_OK : EXIT_FAILED;
}

static int read_text(struct migration *m, const char *dir)
{
	unsigned char hash[crypto_generichash_BYTES];
	char path[PATH_BYTES];
	size_t len = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, m->file);
	f = fopen(path, "re");
	m->text = malloc(FILE_MAX_BYTES + 1);
	if (f != NULL && m->text != NULL)
		len = fread(m->text, 1, FILE_MAX_BYTES + 1, f);
	if (f == NULL || m->text == NULL || ferror(f) || len > FILE_MAX_BYTES) {
		say("%s: %s", path, len > FILE_MAX_BYTES ? strerror(EFBIG) : strerror(errno));
		if (f != NULL)
			fclose(f);
		return EXIT_FAILED;
	}
	fclose(f);
	m->text[len] = '\0';
	if (memchr(m->text, '\0', len) != NULL) {
		say(T("%s holds a NUL byte", "%s 含有 NUL 字节"), path);
		return EXIT_FAILED;
	}
	crypto_generichash(hash, sizeof(hash), (unsigned char *)m->text, len, NULL, 0);
	sodium_bin2hex(m->hash, sizeof(m->hash), hash, sizeof(hash));
	return EXIT_OK;
}

/* Take the names of a sorted directory into the list. */
static int take_files(const char *dir, struct dirent **names, size_t n, struct migrations *ret)
{
	ret->list = calloc(n, sizeof(*ret->list));
	if (ret->list == NULL)
		return EXIT_FAILED;
	for (size_t i = 0; i < n; i++) {
		struct migration *m = &ret->list[ret->n++];

		m->file = strdup(names[i]->d_name);
		if (m->file == NULL || parse_name(m) != EXIT_OK) {
			say(T("%s/%s is not named NNNN_name.sql",
			      "%s/%s 的文件名不是 NNNN_名称.sql"),
			    dir, names[i]->d_name);
			return EXIT_FAILED;
		}
		if (m->version != (int)i + 1) {
			say(T("%s/%s: migration %04zu is missing or there twice",
			      "%s/%s：迁移 %04zu 缺失或重复"),
			    dir, m->file, i + 1);
			return EXIT_FAILED;
		}
		if (read_text(m, dir) != EXIT_OK)
			return EXIT_FAILED;
	}
	return EXIT_OK;
}

int migrations_load(const char *dir, struct migrations *ret)
{
	struct dirent **names = NULL;
	bool is_given = dir != NULL;
	int n, r = EXIT_FAILED;

	if (!is_given) {
		dir = TRIB_MIGRATIONS_DIR;
		n = scandir(dir, &names, is_sql, alphasort);
		if (n < 0) {
			dir = "migrations";
			n = scandir(dir, &names, is_sql, alphasort);
		}
	} else {
		n = scandir(dir, &names, is_sql, alphasort);
	}
	if (n < 0 && is_given)
		say("%s: %s", dir, strerror(errno));
	else if (n < 0)
		say(T("no folder 'migrations' here; name it with --dir",
		      "此处没有 migrations 目录，请用 --dir 指定"));
	else if (n == 0)
		say(T("%s: holds no migrations", "%s：没有迁移脚本"), dir);
	else
		r = take_files(dir, names, (size_t)n, ret);
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	if (r != EXIT_OK)
		migrations_finish(ret);
	return r;
}

void migrations_finish(struct migrations *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->list[i].file);
		free(m->list[i].name);
		free(m->list[i].text);
	}
	free(m->list);
	m->n = 0;
	m->list = NULL;
}
