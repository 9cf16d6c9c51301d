#include "agent_command.h"

#include <string.h>

#include "agent.h"
#include "ids.h"

#define MINUTE_MS INT64_C(60000)
#define DAY_MS INT64_C(86400000)

const char *agent_verb_name(enum agent_verb v)
{
	switch (v) {
	case AGENT_OPEN_CARD:
		return "open_card";
	case AGENT_TOP_UP:
		return "top_up";
	case AGENT_SALE:
		return "sale";
	case AGENT_REFUND:
		return "refund";
	case AGENT_REDEMPTION:
		return "redemption";
	case AGENT_CANCEL:
		return "cancel";
	case AGENT_CLOSE_DAY:
		return "close_day";
	}
	return "unknown";
}

bool agent_verb_has_orders(enum agent_verb v)
{
	return v == AGENT_TOP_UP || v == AGENT_SALE || v == AGENT_REFUND || v == AGENT_REDEMPTION;
}

static int32_t floor_days(int64_t ms)
{
	return (int32_t)(ms / DAY_MS - (ms % DAY_MS < 0));
}

int32_t agent_calendar_day(int64_t wall_ms, int32_t utc_offset_min)
{
	return floor_days(wall_ms + utc_offset_min * MINUTE_MS);
}

int32_t agent_business_day(int64_t wall_ms, int32_t utc_offset_min, int32_t cutoff_min,
			   int32_t last)
{
	int32_t day = floor_days(wall_ms + (utc_offset_min - (int64_t)cutoff_min) * MINUTE_MS);

	return day > last ? day : last;
}

static const char hex_digits[] = "0123456789abcdef";

static char *put_decimal(char *p, uint64_t v)
{
	char digits[20];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	while (n > 0)
		*p++ = digits[--n];
	return p;
}

void agent_witness_format(const struct agent *a, char ret_text[AGENT_WITNESS_BYTES])
{
	char *p = put_decimal(ret_text, a->id.incarnation);

	*p++ = '.';
	p = put_decimal(p, a->durable.seq);
	*p++ = '.';
	for (size_t i = 0; i < AGENT_WITNESS_PREFIX_BYTES; i++) {
		*p++ = hex_digits[a->durable.head[i] >> 4];
		*p++ = hex_digits[a->durable.head[i] & 15];
	}
	*p = '\0';
}

/* Digits up to a dot, which is passed; one spelling per number. */
static const char *get_decimal(const char *p, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (*p < '0' || *p > '9' || (*p == '0' && p[1] != '.'))
		return NULL;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (v > (max - (uint64_t)(*p - '0')) / 10)
			return NULL;
		v = v * 10 + (uint64_t)(*p - '0');
	}
	*ret = v;
	return *p == '.' ? p + 1 : NULL;
}

static int hex_value(char c)
{
	const char *at = c != '\0' ? strchr(hex_digits, c) : NULL;

	return at != NULL ? (int)(at - hex_digits) : -1;
}

int agent_witness_parse(const char *text, struct agent_witness *ret)
{
	struct agent_witness w = { .present = true };
	uint64_t incarnation;
	const char *p = get_decimal(text, INCARNATION_MAX, &incarnation);

	if (p != NULL)
		p = get_decimal(p, LOT_SEQ_MAX, &w.seq);
	if (p == NULL || strlen(p) != 2 * (size_t)AGENT_WITNESS_PREFIX_BYTES)
		return ERR_INVALID;
	for (size_t i = 0; i < AGENT_WITNESS_PREFIX_BYTES; i++) {
		int high = hex_value(p[2 * i]), low = hex_value(p[2 * i + 1]);

		if (high < 0 || low < 0)
			return ERR_INVALID;
		w.prefix[i] = (uint8_t)(high << 4 | low);
	}
	w.incarnation = (uint32_t)incarnation;
	*ret = w;
	return 0;
}
