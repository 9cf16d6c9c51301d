#include <stdio.h>
#include <string.h>
#include <time.h>

#include "routes.h"
#include "store.h"

#define DAY_TEXT_BYTES 11 /* 2027-01-31 and NUL */
#define DAY_S 86400
#define FIGURE_MAX INT64_C(1000000000000000) /* more than any day's; a double holds it */

/* Days since 1970-01-01 of a date that the calendar has; false: it is none, or before that. */
static bool parse_day(const char *text, int32_t *ret)
{
	char again[DAY_TEXT_BYTES + 16];
	struct tm tm = { 0 };
	time_t at;
	int n = 0;

	if (strlen(text) != DAY_TEXT_BYTES - 1 || strspn(text, "0123456789-") != DAY_TEXT_BYTES - 1)
		return false;
	if (sscanf(text, "%4d-%2d-%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &n) != 3 ||
	    n != DAY_TEXT_BYTES - 1)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	at = timegm(&tm); /* makes another date of one that is none */
	if (at < 0 || strftime(again, sizeof(again), "%Y-%m-%d", &tm) == 0 ||
	    strcmp(again, text) != 0)
		return false;
	*ret = (int32_t)(at / DAY_S);
	return true;
}

/* "pos": what the till's own books say. */
static void read_pos(struct command_reader *r)
{
	struct agent_command *c = &r->command;
	struct body_scope pos;

	if (!body_object(&r->body.top, "pos", BODY_OPTIONAL, &pos))
		return;
	c->close.stored_value = command_int(r, &pos, "stored_value", BODY_OPTIONAL, -FIGURE_MAX,
					    FIGURE_MAX, INT64_MIN);
	c->close.has_stored_value = c->close.stored_value != INT64_MIN;
	c->close.count = command_int(r, &pos, "count", BODY_OPTIONAL, 0, FIGURE_MAX, -1);
	c->close.has_count = c->close.count >= 0;
	body_end(&pos);
}

void handle_close_day(struct call *call)
{
	struct command_reader *r = command_begin(call, AGENT_CLOSE_DAY);
	const char *day = r->call.match.arg[0];

	fingerprint_text(&r->print, NULL, "day", day, NULL);
	if (!parse_day(day, &r->command.close.day))
		body_fail(&r->body.top, "day", CODE_BAD_VALUE,
			  "must be a date from 1970-01-01 on, as 2027-01-31");
	read_pos(r);
	command_finish(r);
}
