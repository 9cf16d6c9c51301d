#include "entry.h"

#include <string.h>

#include "account.h"
#include "chain.h"

/* Years 1 to 9999 and a little less in days: what every database and calendar can show. */
#define WALL_MIN_MS INT64_C(-62135596800000)
#define WALL_MAX_MS INT64_C(253402300799999)
#define DAY_MIN (-100000)
#define DAY_MAX 1000000

int entry_kind(const Trib__V1__Entry *e)
{
	return (int)e->body_case; /* the oneof's case is the body's field number */
}

const char *entry_kind_name(int kind)
{
	switch (kind) {
	case TRIB__V1__ENTRY__BODY_ACCOUNT_OPENED:
		return "account_opened";
	case TRIB__V1__ENTRY__BODY_CARD_LINKED:
		return "card_linked";
	case TRIB__V1__ENTRY__BODY_TOP_UP:
		return "top_up";
	case TRIB__V1__ENTRY__BODY_SALE:
		return "sale";
	case TRIB__V1__ENTRY__BODY_REFUND:
		return "refund";
	case TRIB__V1__ENTRY__BODY_REFUND_TOP_UP:
		return "refund_top_up";
	case TRIB__V1__ENTRY__BODY_POINTS_REDEEMED:
		return "points_redeemed";
	case TRIB__V1__ENTRY__BODY_ORDER_CANCELLED:
		return "order_cancelled";
	case TRIB__V1__ENTRY__BODY_DAY_SEALED:
		return "day_sealed";
	case TRIB__V1__ENTRY__BODY_PIN_EVENT:
		return "pin_event";
	case TRIB__V1__ENTRY__BODY_REVERSAL:
		return "reversal";
	case TRIB__V1__ENTRY__BODY_CERTIFICATE_ISSUED:
		return "certificate_issued";
	case TRIB__V1__ENTRY__BODY_QUARANTINED:
		return "quarantined";
	case TRIB__V1__ENTRY__BODY_RULE_SET_PUBLISHED:
		return "rule_set_published";
	default:
		return "unknown";
	}
}

int64_t entry_amount(const Trib__V1__Entry *e)
{
	switch (entry_kind(e)) {
	case TRIB__V1__ENTRY__BODY_TOP_UP:
		return e->top_up->paid;
	case TRIB__V1__ENTRY__BODY_SALE:
		return e->sale->payable;
	case TRIB__V1__ENTRY__BODY_REFUND:
		return e->refund->amount;
	default:
		return 0;
	}
}

int entry_pack(const Trib__V1__Entry *e, uint8_t *buf, size_t cap, size_t *ret_len)
{
	size_t len = trib__v1__entry__get_packed_size(e);

	if (len > cap || len > ENTRY_MAX_BYTES)
		return ERR_FULL;
	*ret_len = trib__v1__entry__pack(e, buf);
	return 0;
}

static size_t utf8_sequence(const uint8_t *s)
{
	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		return (s[1] & 0xc0) == 0x80 && !(s[0] == 0xc2 && s[1] < 0xa0) ? 2 : 0;
	if (s[0] >= 0xe0 && s[0] <= 0xef) {
		if ((s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80)
			return 0;
		if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f))
			return 0; /* overlong; surrogates */
		return 3;
	}
	if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		if ((s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80 || (s[3] & 0xc0) != 0x80)
			return 0;
		if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}

int text_is_valid(const char *text, size_t max)
{
	const uint8_t *s = (const uint8_t *)text;

	if (strnlen(text, max + 1) > max)
		return 0;
	while (*s != '\0') {
		size_t n = utf8_sequence(s);

		if (n == 0)
			return 0;
		s += n;
	}
	return 1;
}

static int optional_text(const char *s, size_t max)
{
	return s == NULL || text_is_valid(s, max);
}

static int terms_are_sound(const Trib__V1__LotTerms *t)
{
	return t->issuer >= 0 && t->principal >= 0 && t->bonus >= 0 &&
	       t->issued_ms >= WALL_MIN_MS && t->issued_ms <= WALL_MAX_MS &&
	       (!t->has_expires || (t->expires >= DAY_MIN && t->expires <= DAY_MAX));
}

static int effects_are_sound(const Trib__V1__Entry *e)
{
	if (e->n_effects > ENTRY_MAX_EFFECTS || (e->n_effects > 0 && !e->has_account))
		return 0;
	for (size_t i = 0; i < e->n_effects; i++) {
		const Trib__V1__SliceEffect *s = e->effects[i];

		if (s->unit != TRIB__V1__UNIT__UNIT_VALUE &&
		    s->unit != TRIB__V1__UNIT__UNIT_POINTS && s->unit != TRIB__V1__UNIT__UNIT_USES)
			return 0;
		if (s->unit != TRIB__V1__UNIT__UNIT_VALUE && s->bonus != 0)
			return 0;
		if (s->lot == 0 || (s->terms != NULL && !terms_are_sound(s->terms)))
			return 0;
		for (size_t j = 0; j < i; j++) {
			if (e->effects[j]->lot == s->lot && e->effects[j]->unit == s->unit)
				return 0;
		}
	}
	return 1;
}

static const char *entry_fault(const Trib__V1__Entry *e, int32_t node, uint32_t incarnation,
			       uint64_t seq)
{
	if (e->node != node || e->incarnation != incarnation || e->seq != seq)
		return "the entry names another node, incarnation or seq than its place";
	if (e->has_account && e->account.len != ACCOUNT_ID_BYTES)
		return "account id is not 16 bytes";
	if (e->has_down_head && e->down_head.len != HEAD_BYTES)
		return "down head is not 32 bytes";
	if (e->has_fingerprint && e->fingerprint.len != 16)
		return "fingerprint is not 16 bytes";
	if (e->has_trace_id && e->trace_id.len != 16)
		return "trace id is not 16 bytes";
	if (!optional_text(e->operator_, OPERATOR_MAX) ||
	    !optional_text(e->order_no, ORDER_NO_MAX) || !optional_text(e->idempotency_key, 64))
		return "a text of the header is too long, not UTF-8 or has control characters";
	if (e->business_day < DAY_MIN || e->business_day > DAY_MAX || e->wall_ms < WALL_MIN_MS ||
	    e->wall_ms > WALL_MAX_MS)
		return "a date is out of range";
	if (!effects_are_sound(e))
		return "slice effects are not sound";
	return NULL;
}

int entry_unpack(const void *bytes, size_t len, int32_t node, uint32_t incarnation, uint64_t seq,
		 struct arena *a, Trib__V1__Entry **ret_entry, const char **ret_why)
{
	Trib__V1__Entry *e;
	const char *why;

	if (len > ENTRY_MAX_BYTES) {
		*ret_why = "the entry is larger than 64 KiB";
		return ERR_INVALID;
	}
	e = trib__v1__entry__unpack(&a->allocator, len, bytes);
	if (e == NULL) {
		*ret_why = "the bytes are no entry";
		return ERR_INVALID;
	}
	why = entry_fault(e, node, incarnation, seq);
	if (why != NULL) {
		*ret_why = why;
		return ERR_INVALID;
	}
	*ret_entry = e;
	return 0;
}
