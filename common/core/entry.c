#include "entry.h"

#include <string.h>

#include "account.h"
#include "chain.h"
#include "ids.h"

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

int entry_order_verb(const Trib__V1__Entry *e)
{
	if (e->has_cancels)
		return 0;
	switch (entry_kind(e)) {
	case TRIB__V1__ENTRY__BODY_TOP_UP:
		return ORDER_TOP_UP;
	case TRIB__V1__ENTRY__BODY_SALE:
		return ORDER_SALE;
	case TRIB__V1__ENTRY__BODY_REFUND:
	case TRIB__V1__ENTRY__BODY_REFUND_TOP_UP:
		return ORDER_REFUND;
	case TRIB__V1__ENTRY__BODY_POINTS_REDEEMED:
		return ORDER_REDEMPTION;
	default:
		return 0;
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
	case TRIB__V1__ENTRY__BODY_REFUND_TOP_UP:
		return e->refund_top_up->amount;
	case TRIB__V1__ENTRY__BODY_REVERSAL:
		if (e->reversal->what_case == TRIB__V1__REVERSAL__WHAT_REFUND)
			return e->reversal->refund->amount;
		if (e->reversal->what_case == TRIB__V1__REVERSAL__WHAT_REFUND_TOP_UP)
			return e->reversal->refund_top_up->amount;
		return 0;
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

static int is_day(int64_t day)
{
	return day >= DAY_MIN && day <= DAY_MAX;
}

static int is_wall(int64_t ms)
{
	return ms >= WALL_MIN_MS && ms <= WALL_MAX_MS;
}

static int terms_are_sound(const Trib__V1__LotTerms *t)
{
	return t->issuer >= 0 && t->principal >= 0 && t->bonus >= 0 && is_wall(t->issued_ms) &&
	       (!t->has_expires || is_day(t->expires));
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

static int is_verb(uint32_t verb)
{
	return verb >= ORDER_TOP_UP && verb <= ORDER_REDEMPTION;
}

static const char *seal_fault(const Trib__V1__DaySealed *b)
{
	if (b->n_ranges > SEAL_MAX_RANGES || b->n_totals > SEAL_MAX_TOTALS)
		return "a seal has too many ranges or totals";
	if (!is_day(b->day))
		return "a date is out of range";
	for (size_t i = 0; i < b->n_ranges; i++) {
		const Trib__V1__SeqRange *x = b->ranges[i];

		if (x->head.len != HEAD_BYTES || x->incarnation > INCARNATION_MAX ||
		    x->first_seq > LOT_SEQ_MAX || x->last_seq > LOT_SEQ_MAX)
			return "a sealed range is out of bounds";
	}
	for (size_t i = 0; i < b->n_totals; i++) {
		const Trib__V1__SealedTotal *x = b->totals[i];

		if (x->kind < 0 || x->kind > INT16_MAX || x->tender < 0 || x->tender > INT16_MAX ||
		    x->unit < 0 || x->unit > INT16_MAX || x->count < 0 ||
		    !optional_text(x->operator_, OPERATOR_MAX))
			return "a sealed total is out of bounds";
	}
	return NULL;
}

static const char *pin_fault(const Trib__V1__PinEvent *b)
{
	if (b->result != TRIB__V1__PIN_RESULT__PIN_FAILED &&
	    b->result != TRIB__V1__PIN_RESULT__PIN_LOCKED)
		return "a PIN event of an unknown result";
	if (b->failures > INT32_MAX || (b->has_locked_until_ms && !is_wall(b->locked_until_ms)))
		return "a PIN event is out of bounds";
	return NULL;
}

/* Of the bodies that no fold looks into, and of texts. */
static const char *body_fault(const Trib__V1__Entry *e)
{
	switch (entry_kind(e)) {
	case TRIB__V1__ENTRY__BODY_REFUND_TOP_UP:
		return optional_text(e->refund_top_up->reason, REASON_MAX) ? NULL :
									     "no valid reason";
	case TRIB__V1__ENTRY__BODY_POINTS_REDEEMED:
		return text_is_valid(e->points_redeemed->item, ITEM_MAX) ? NULL : "no valid item";
	case TRIB__V1__ENTRY__BODY_ORDER_CANCELLED:
		if (e->order_cancelled->has_of_seq && e->order_cancelled->of_seq >= e->seq)
			return "cancels what did not happen yet";
		return is_verb(e->order_cancelled->verb) ? NULL : "cancels an unknown verb";
	case TRIB__V1__ENTRY__BODY_DAY_SEALED:
		return seal_fault(e->day_sealed);
	case TRIB__V1__ENTRY__BODY_PIN_EVENT:
		return pin_fault(e->pin_event);
	default:
		return NULL;
	}
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
	if (!is_day(e->business_day) || !is_wall(e->wall_ms))
		return "a date is out of range";
	if (e->has_cancels && (!is_verb(e->cancels) || e->order_no == NULL))
		return "cancels an unknown verb, or no order";
	if (!effects_are_sound(e))
		return "slice effects are not sound";
	return body_fault(e);
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
