#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
	return now_ms(CLOCK_REALTIME);
}

uint64_t clock_monotonic_ms(void)
{
	return (uint64_t)now_ms(CLOCK_BOOTTIME);
}

static int is_zone_name(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_+-");

	return n > 0 && n < 64 && s[n] == '\0' && s[0] != '/';
}

int clock_set_zone(const char *name)
{
	char path[128];

	if (!is_zone_name(name))
		return ERR_INVALID;
	snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", name);
	if (access(path, R_OK) == 0)
		setenv("TZ", name, 1);
	else if (strcmp(name, "Asia/Shanghai") == 0) /* no summer time: one rule says it all */
		setenv("TZ", "CST-8", 1);
	else
		return ERR_NOT_FOUND;
	tzset();
	return 0;
}

int32_t clock_utc_offset_min(int64_t wall_ms)
{
	time_t s = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (localtime_r(&s, &tm) == NULL)
		return 0;
	return (int32_t)(tm.tm_gmtoff / 60);
}
