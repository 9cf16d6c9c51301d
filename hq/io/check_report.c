#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "check_run.h"

void check_differ(struct check_run *c, const char *check, const char *expected, const char *found,
		  const char *cell, ...)
{
	char text[512];
	va_list ap;

	c->n_differences++;
	if (json_array_size(c->differences) >= CHECK_MAX_LISTED)
		return;
	va_start(ap, cell);
	vsnprintf(text, sizeof(text), cell, ap);
	va_end(ap);
	json_array_append_new(c->differences,
			      json_pack("{s:s, s:s, s:s+, s:s+}", "check", check, "cell", text,
					"expected", expected, "", "found", found, ""));
}

static int by_store(const void *key, const void *item)
{
	int32_t a = *(const int32_t *)key, b = ((const struct check_store *)item)->store;

	return a < b ? -1 : a > b;
}

const char *check_code(const struct check_run *c, int32_t store)
{
	const struct check_store *s =
		bsearch(&store, c->stores, c->n_stores, sizeof(*c->stores), by_store);

	return s != NULL ? s->code : "?";
}

const char *check_account_text(const uint8_t id[ACCOUNT_ID_BYTES], char ret[ACCOUNT_TEXT_BYTES])
{
	account_format(id, ret);
	return ret;
}

const char *check_day_text(int32_t day, char ret[16])
{
	time_t seconds = (time_t)day * 86400;
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL || strftime(ret, 16, "%Y-%m-%d", &tm) == 0)
		snprintf(ret, 16, "day %d", day);
	return ret;
}
