#include "config_value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int parse_int(const char *s, int64_t *ret)
{
	char *end;
	long long v;

	if (!isdigit((unsigned char)s[s[0] == '-']))
		return ERR_INVALID;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno != 0 || *end != '\0')
		return ERR_INVALID;
	*ret = v;
	return 0;
}

static int check_int(const struct config_key *k, const char *value, int64_t *ret, char *why)
{
	bool bounded = k->min != 0 || k->max != 0;
	int64_t v;

	if (parse_int(value, &v) != 0) {
		snprintf(why, CONFIG_WHY_BYTES, "must be a whole number, not '%s'", value);
		return ERR_INVALID;
	}
	if (bounded && (v < k->min || v > k->max)) {
		snprintf(why, CONFIG_WHY_BYTES,
			 "must be from %" PRId64 " to %" PRId64 ", not %" PRId64, k->min, k->max,
			 v);
		return ERR_INVALID;
	}
	*ret = v;
	return 0;
}

static int check_bool(const char *value, int64_t *ret, char *why)
{
	static const char *const yes[] = { "yes", "true", "on" };
	static const char *const no[] = { "no", "false", "off" };

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (strcmp(value, yes[i]) == 0 || strcmp(value, no[i]) == 0) {
			*ret = strcmp(value, yes[i]) == 0;
			return 0;
		}
	}
	snprintf(why, CONFIG_WHY_BYTES, "must be yes or no, not '%s'", value);
	return ERR_INVALID;
}

int config_value_check(const struct config_key *k, const char *value, int64_t *ret_number,
		       struct endpoint *ret_endpoint, char *why)
{
	if (*value == '\0') {
		snprintf(why, CONFIG_WHY_BYTES, "has no value");
		return ERR_INVALID;
	}
	switch (k->type) {
	case CONFIG_STRING:
	case CONFIG_PATH:
		return 0;
	case CONFIG_INT:
		return check_int(k, value, ret_number, why);
	case CONFIG_BOOL:
		return check_bool(value, ret_number, why);
	case CONFIG_ENDPOINT:
		if (endpoint_parse(value, ret_endpoint) == 0)
			return 0;
		snprintf(why, CONFIG_WHY_BYTES,
			 "must be HOST:PORT, [IPV6]:PORT or *:PORT, not '%s'", value);
		return ERR_INVALID;
	}
	return ERR_INVALID;
}

char *config_value_path(const char *file, const char *value)
{
	const char *slash = strrchr(file, '/');
	char *path;

	if (*value == '/' || slash == NULL)
		return strdup(value);
	if (asprintf(&path, "%.*s/%s", (int)(slash - file), file, value) < 0)
		return NULL;
	return path;
}

int endpoint_parse(const char *s, struct endpoint *ret)
{
	struct endpoint e = { .port = 0 };
	const char *host = s, *colon;
	size_t len;
	int64_t port;

	if (strncmp(s, "tcp://", 6) == 0)
		host += 6;
	if (*host == '[') {
		host++;
		len = strcspn(host, "]");
		if (host[len] == '\0' || strspn(host, "0123456789abcdefABCDEF:.%") < len)
			return ERR_INVALID;
		colon = host + len + 1;
	} else {
		len = strcspn(host, ":");
		colon = host + len;
		for (size_t i = 0; i < len; i++)
			if (!isalnum((unsigned char)host[i]) && strchr(".-_", host[i]) == NULL &&
			    !(host[i] == '*' && len == 1))
				return ERR_INVALID;
	}
	if (len == 0 || len >= sizeof(e.host) || *colon != ':' || colon[1] == '-')
		return ERR_INVALID;
	if (parse_int(colon + 1, &port) != 0 || port > UINT16_MAX)
		return ERR_INVALID;
	memcpy(e.host, host, len);
	e.port = (uint16_t)port;
	*ret = e;
	return 0;
}

void config_print_help(const struct config_key *keys, size_t n_keys, FILE *f)
{
	for (size_t i = 0; i < n_keys; i++) {
		const struct config_key *k = &keys[i];

		if (i == 0 || strcmp(k->section, keys[i - 1].section) != 0)
			fprintf(f, "%s[%s]\n", i > 0 ? "\n" : "", k->section);
		fprintf(f, "# %s%s\n", k->help, k->required ? " (required)" : "");
		fprintf(f, "%s%s = %s\n", k->required ? "" : "#", k->key,
			k->fallback != NULL ? k->fallback : "");
	}
}
