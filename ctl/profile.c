#include "profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "text.h"

#define LINE_BYTES 1024

static const char *const names[] = { "hq", "relay", "store" };
static const char *const variables[] = { "TRIB_HQ", "TRIB_RELAY", "TRIB_STORE" };

/* One section of a profile file: [name or URL]. */
struct section {
	char name[ENDPOINT_URL_BYTES];
	char urls[3][ENDPOINT_URL_BYTES];
	char token_file[ENDPOINT_URL_BYTES];
};

const char *target_name(enum target t)
{
	return names[t];
}

static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : NULL;
}

bool service_is_named(const struct ctl *ctl, enum target t)
{
	return ctl->urls[t] != NULL || environment(variables[t]) != NULL;
}

static void copy_url(char *ret, const char *url)
{
	size_t len = strlen(url);

	while (len > 0 && url[len - 1] == '/')
		len--;
	snprintf(ret, ENDPOINT_URL_BYTES, "%.*s", (int)len, url);
}

static bool is_same_url(const char *a, const char *b)
{
	char x[ENDPOINT_URL_BYTES], y[ENDPOINT_URL_BYTES];

	copy_url(x, a);
	copy_url(y, b);
	return strcasecmp(x, y) == 0;
}

/* What a search wants: a section by its name, or any that knows the URL. */
struct wanted {
	enum target target;
	const char *name; /* or NULL */
	const char *url; /* or NULL */
};

static bool is_wanted(const struct wanted *w, const struct section *s)
{
	if (s->name[0] == '\0')
		return false;
	if (w->name != NULL)
		return strcmp(w->name, s->name) == 0;
	return is_same_url(w->url, s->name) || is_same_url(w->url, s->urls[w->target]);
}

static char *trim(char *s)
{
	size_t len;

	s += strspn(s, " \t\r\n");
	len = strlen(s);
	while (len > 0 && strchr(" \t\r\n", s[len - 1]) != NULL)
		s[--len] = '\0';
	return s;
}

/* One "key = value" of a section. False where the key is unknown or the value too long. */
static bool set_key(struct section *s, const char *key, const char *value)
{
	if (strlen(value) >= ENDPOINT_URL_BYTES)
		return false;
	for (size_t i = 0; i < 3; i++) {
		if (strcmp(key, names[i]) == 0) {
			copy_url(s->urls[i], value);
			return true;
		}
	}
	if (strcmp(key, "token_file") != 0)
		return false;
	strcpy(s->token_file, value);
	return true;
}

/* Read sections until the wanted one is whole. 1 found, 0 not, -1 after telling of a bad line. */
static int read_profiles(FILE *f, const char *path, const struct wanted *w, struct section *ret)
{
	struct section s = { .name = "" };
	char line[LINE_BYTES];
	int number = 0;

	while (fgets(line, sizeof(line), f) != NULL) {
		char *text = trim(line), *equals = strchr(text, '='), *close;

		number++;
		if (*text == '\0' || *text == '#' || *text == ';')
			continue;
		if (*text == '[') {
			if (is_wanted(w, &s))
				break;
			memset(&s, 0, sizeof(s));
			close = strrchr(text, ']');
			if (close != NULL && close[1] == '\0' &&
			    close - text < ENDPOINT_URL_BYTES) {
				*close = '\0';
				strcpy(s.name, trim(text + 1));
				continue;
			}
		} else if (equals != NULL && s.name[0] != '\0') {
			*equals = '\0';
			if (set_key(&s, trim(text), trim(equals + 1)))
				continue;
		}
		say(T("%s:%d: expected [NAME], hq =, relay =, store = or token_file =",
		      "%s:%d：此处应为 [名称]、hq =、relay =、store = 或 token_file ="),
		    path, number);
		return -1;
	}
	if (!is_wanted(w, &s))
		return 0;
	*ret = s;
	return 1;
}

/* The wanted section of the nearest file that has it; results as of read_profiles. */
static int find_section(const struct wanted *w, struct section *ret)
{
	const char *xdg = environment("XDG_CONFIG_HOME"), *home = environment("HOME");
	char paths[2][ENDPOINT_URL_BYTES] = { "", "/etc/tributary/profiles.ini" };

	if (xdg != NULL)
		snprintf(paths[0], sizeof(paths[0]), "%s/tributary/profiles.ini", xdg);
	else if (home != NULL)
		snprintf(paths[0], sizeof(paths[0]), "%s/.config/tributary/profiles.ini", home);
	for (size_t i = 0; i < 2; i++) {
		FILE *f = paths[i][0] != '\0' ? fopen(paths[i], "re") : NULL;
		int r;

		if (f == NULL)
			continue;
		r = read_profiles(f, paths[i], w, ret);
		fclose(f);
		if (r != 0)
			return r;
	}
	return 0;
}

static int read_token(const char *path, char *ret)
{
	char line[ENDPOINT_TOKEN_BYTES + 2] = "";
	const char *token;
	struct stat st;
	FILE *f = fopen(path, "re");

	if (f == NULL) {
		say("%s: %s", path, strerror(errno));
		return EXIT_FAILED;
	}
	if (fstat(fileno(f), &st) == 0 && (st.st_mode & 077) != 0)
		say(T("%s: others may read this token; chmod 600 it",
		      "%s：其他用户可读取该令牌，请执行 chmod 600"),
		    path);
	if (fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	fclose(f);
	token = trim(line);
	if (*token == '\0' || strlen(token) >= ENDPOINT_TOKEN_BYTES) {
		say(T("%s: holds no token", "%s：文件中没有令牌"), path);
		return EXIT_FAILED;
	}
	strcpy(ret, token);
	return EXIT_OK;
}

static int tell_no_url(enum target t)
{
	return say_usage("",
			 T("no URL for the %s: give --%s URL or set %s",
			   "未指定%s的网址：请使用 --%s URL 或设置 %s"),
			 t == TARGET_HQ    ? T("headquarters", "总部") :
			 t == TARGET_RELAY ? T("relay", "区域中继") :
					     T("store", "门店"),
			 names[t], variables[t]);
}

static int check_url(const char *url)
{
	if ((strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0) &&
	    strlen(url) < ENDPOINT_URL_BYTES && text_is_tame(url))
		return EXIT_OK;
	return say_usage("",
			 T("'%s' is no http:// or https:// URL and no profile",
			   "“%s”既不是 http:// 或 https:// 网址，也不是配置档名称"),
			 url);
}

int service_find(const struct ctl *ctl, enum target t, struct service *ret)
{
	const char *given = ctl->urls[t] != NULL ? ctl->urls[t] : environment(variables[t]);
	const char *token = environment("TRIB_TOKEN");
	struct section s = { .name = "" };
	struct wanted w = { .target = t };
	bool is_url = given != NULL && strstr(given, "://") != NULL;
	int found, r;

	memset(ret, 0, sizeof(*ret));
	ret->target = t;
	w.url = is_url ? given : NULL;
	w.name = is_url ? NULL : given != NULL ? given : "default";
	if (is_url && (r = check_url(given)) != EXIT_OK)
		return r;
	found = find_section(&w, &s);
	if (found < 0)
		return EXIT_FAILED;
	if (!is_url && s.urls[t][0] == '\0')
		return given != NULL ? check_url(given) : tell_no_url(t);
	copy_url(ret->url, is_url ? given : s.urls[t]);
	r = check_url(ret->url);
	if (r != EXIT_OK)
		return r;
	if (token == NULL && s.token_file[0] != '\0')
		return read_token(s.token_file, ret->token);
	snprintf(ret->token, sizeof(ret->token), "%s", token != NULL ? token : "");
	return EXIT_OK;
}
