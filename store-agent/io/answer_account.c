#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "answer_internal.h"
#include "clock.h"
#include "store.h"

static void put_card(void *ctx, const char *card_no)
{
	struct text *t = ctx;
	char masked[CARD_NO_MAX + 1];

	card_mask(card_no, masked);
	text_comma(t);
	text_string(t, masked);
}

struct holders {
	struct text *t;
	const char *own_store;
	int32_t utc_offset_min;
};

static void put_holder(void *ctx, const struct journal_holder *h)
{
	struct holders *x = ctx;

	if (strcmp(h->store, x->own_store) == 0 || h->principal + h->bonus == 0)
		return;
	text_comma(x->t);
	text_raw(x->t, "{");
	text_key_string(x->t, "store", h->store);
	text_key_int(x->t, "amount", h->principal + h->bonus);
	if (h->has_silent_since)
		text_key_time(x->t, "silent_since", h->silent_since_ms, x->utc_offset_min);
	text_raw(x->t, "}");
}

static const char *unit_name(int32_t unit)
{
	switch (unit) {
	case TRIB__V1__UNIT__UNIT_POINTS:
		return "points";
	case TRIB__V1__UNIT__UNIT_USES:
		return "uses";
	default:
		return "value";
	}
}

static void put_lots(struct text *t, const struct account *a)
{
	char lot[24];

	text_key(t, "lots");
	text_raw(t, "[");
	for (uint32_t i = 0; i < a->n_slices; i++) {
		const struct slice *s = &a->slices[i];

		text_comma(t);
		text_raw(t, "{");
		snprintf(lot, sizeof(lot), "%lld", (long long)s->lot);
		text_key_string(t, "lot", lot); /* a number past 2^53 loses digits in some tills */
		text_key_string(t, "unit", unit_name(s->unit));
		text_key_int(t, "principal", s->principal);
		text_key_int(t, "bonus", s->bonus);
		text_key_day(t, "expires", s->expires);
		text_raw(t, "}");
	}
	text_raw(t, "]");
}

static const char *status_name(int32_t status)
{
	switch (status) {
	case ACCOUNT_BLOCKED:
		return "blocked";
	case ACCOUNT_CLOSED:
		return "closed";
	default:
		return "active";
	}
}

/* The object but for its closing brace. */
static void put_account(struct store *s, const struct account *a, const char *new_card,
			int64_t wall_ms, struct text *t)
{
	int32_t offset = clock_utc_offset_min(wall_ms);
	struct holders holders = { .t = t,
				   .own_store = s->identity.agent.store,
				   .utc_offset_min = offset };
	char id[ACCOUNT_TEXT_BYTES];
	struct balance here, total;

	account_balance(a, agent_calendar_day(wall_ms, offset), &here);
	total = answer_total_balance(s, a, &here);
	account_format(a->id, id);
	text_raw(t, "{");
	text_key_string(t, "account", id);
	text_key(t, "cards");
	text_raw(t, "[");
	journal_each_card(s->journal, a->id, put_card, t);
	if (new_card != NULL)
		put_card(t, new_card);
	text_raw(t, "]");
	text_key_string(t, "account_type", a->type);
	text_key_string(t, "tier", a->tier[0] != '\0' ? a->tier : NULL);
	text_key_string(t, "status", status_name(a->status));
	answer_put_balance(t, "balance", &total);
	text_key_int(t, "points_owed", a->points_owed);
	answer_put_balance(t, "available_here", &here);
	text_key(t, "held_elsewhere");
	text_raw(t, "[");
	journal_each_holder(s->journal, a->id, put_holder, &holders);
	text_raw(t, "]");
	put_lots(t, a);
	text_key_time(t, "as_of", a->facts_as_of_ms != 0 ? a->facts_as_of_ms : wall_ms, offset);
}

void answer_of_account(struct store *s, const struct account *a, const char *new_card,
		       int64_t wall_ms, struct text *t)
{
	text_clear(t);
	put_account(s, a, new_card, wall_ms, t);
	text_raw(t, "}");
}

static void put_member(struct store *s, const uint8_t id[ACCOUNT_ID_BYTES],
		       const struct journal_owner *owner, struct text *t)
{
	char masked[MEMBER_PHONE_MAX + 1];
	struct member m;

	text_key(t, "member");
	if (!owner->has_member || s->member_keys.state != MEMBER_KEY_READY ||
	    member_open(&s->member_keys, id, owner->sealed, &m) < 0) {
		text_raw(t, "null");
		return;
	}
	member_phone_mask(m.phone, masked);
	text_raw(t, "{");
	text_key_string(t, "name", m.name[0] != '\0' ? m.name : NULL);
	text_key_string(t, "phone", m.phone[0] != '\0' ? masked : NULL);
	text_raw(t, "}");
	sodium_memzero(&m, sizeof(m));
}

static void put_owner(struct store *s, const uint8_t id[ACCOUNT_ID_BYTES], struct text *t)
{
	struct journal_owner owner;

	journal_read_owner(s->journal, id, &owner);
	put_member(s, id, &owner, t);
	text_key_bool(t, "has_pin", owner.has_pin);
}

void answer_put_account(struct store *s, const struct account *a, struct text *t)
{
	put_account(s, a, NULL, store_time_ms(s), t);
	put_owner(s, a->id, t);
	answer_put_uplink(s, t);
	text_raw(t, "}");
}

void answer_add_owner(struct store *s, const uint8_t id[ACCOUNT_ID_BYTES], char **data, size_t *len)
{
	struct text *t = &s->today;
	char *whole;

	text_clear(t);
	put_owner(s, id, t);
	text_raw(t, "}");
	whole = realloc(*data, *len + t->len + ANSWER_TODAY_BYTES);
	if (whole == NULL)
		abort();
	whole[*len - 1] = ',';
	memcpy(whole + *len, t->data, t->len);
	*data = whole;
	*len += t->len;
}
