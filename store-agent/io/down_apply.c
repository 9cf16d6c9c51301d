#include <string.h>

#include "clock.h"
#include "down.pb-c.h"
#include "log.h"
#include "rules.h"
#include "sign.h"
#include "store.h"
#include "uplink.h"

/* A message that HQ signed and this version can't read moves nothing of value: it is kept, its
 * position counts, and the log tells. */
static int keep_unread(uint64_t seq, const char *why)
{
	log_event(LOG_LEVEL_WARNING, "down_unread", "seq=%llu why=%s", (unsigned long long)seq,
		  why);
	return 0;
}

static int apply_settings(struct store *s, uint64_t seq, const Trib__V1__StoreSettings *m,
			  struct arena *a, bool *ret_settings)
{
	size_t len = trib__v1__store_settings__get_packed_size(m);
	uint8_t *packed;

	if (strcmp(m->code, s->identity.agent.store) != 0)
		return keep_unread(seq, "settings_of_another_store");
	if (m->cutoff_min < 0 || m->cutoff_min >= 24 * 60)
		return keep_unread(seq, "cutoff_out_of_range");
	packed = arena_alloc(a, len);
	if (packed == NULL)
		return keep_unread(seq, "settings_too_large");
	trib__v1__store_settings__pack(m, packed);
	*ret_settings = true;
	return journal_put(s->journal, "settings", packed, len);
}

static int apply_rules(struct store *s, uint64_t seq, const ProtobufCBinaryData *bytes,
		       struct arena *a, bool *ret_rules)
{
	const Trib__V1__Signed *signed_rules;
	const char *why = "";
	Trib__V1__RuleSet *r;

	if (payload_unpack_signed(a, bytes->data, bytes->len, &signed_rules) < 0 ||
	    verify_signed(signed_rules, SIGN_DOMAIN_RULES, s->identity.hq_key) < 0)
		return keep_unread(seq, "rules_not_signed_by_hq");
	r = trib__v1__rule_set__unpack(&a->allocator, signed_rules->payload.len,
				       signed_rules->payload.data);
	if (r == NULL || r->version > INT64_MAX)
		return keep_unread(seq, "rules_unreadable");
	if (rules_validate(r, &why) < 0)
		return keep_unread(seq, "rules_invalid");
	*ret_rules = true;
	log_event(LOG_LEVEL_NOTICE, "rules_received", "version=%llu effective_ms=%lld",
		  (unsigned long long)r->version, (long long)r->effective_ms);
	return journal_put_rule_set(s->journal, r->version, r->effective_ms,
				    signed_rules->payload.data, signed_rules->payload.len);
}

static bool is_amount(int64_t x)
{
	return x >= 0 && x <= HELD_MAX;
}

static bool are_facts_sound(const Trib__V1__AccountFacts *f)
{
	if (f->account.len != ACCOUNT_ID_BYTES || !store_code_is_valid(f->home_store) ||
	    f->as_of_ms <= 0 || !is_amount(f->principal) || !is_amount(f->bonus) ||
	    !is_amount(f->points))
		return false;
	for (size_t i = 0; i < f->n_holders; i++) {
		const Trib__V1__HolderFact *h = f->holders[i];

		if (!store_code_is_valid(h->store) || !is_amount(h->principal) ||
		    !is_amount(h->bonus))
			return false;
		for (size_t k = 0; k < i; k++) {
			if (strcmp(f->holders[k]->store, h->store) == 0)
				return false;
		}
	}
	return true;
}

static int apply_facts(struct store *s, uint64_t seq, const Trib__V1__AccountFacts *f)
{
	bool is_known = true;
	int64_t here = 0;
	int r;

	if (!are_facts_sound(f))
		return keep_unread(seq, "facts_unsound");
	for (size_t i = 0; i < f->n_holders; i++) {
		if (strcmp(f->holders[i]->store, s->identity.agent.store) == 0)
			here = f->holders[i]->principal + f->holders[i]->bonus;
	}
	r = journal_put_facts(s->journal, f, here, &is_known);
	if (r == 0 && !is_known)
		return keep_unread(seq, "facts_of_an_unknown_account");
	return r;
}

int down_apply(struct store *s, uint64_t seq, const void *bytes, size_t len, struct arena *a,
	       bool *ret_rules, bool *ret_settings)
{
	const Trib__V1__DownMessage *m = trib__v1__down_message__unpack(&a->allocator, len, bytes);

	if (m == NULL)
		return keep_unread(seq, "unreadable");
	if (m->node != s->identity.agent.node || m->incarnation != s->identity.agent.incarnation ||
	    m->seq != seq)
		return keep_unread(seq, "names_another_place");
	switch (m->body_case) {
	case TRIB__V1__DOWN_MESSAGE__BODY_STORE_SETTINGS:
		return apply_settings(s, seq, m->store_settings, a, ret_settings);
	case TRIB__V1__DOWN_MESSAGE__BODY_RULE_SET:
		return apply_rules(s, seq, &m->rule_set, a, ret_rules);
	case TRIB__V1__DOWN_MESSAGE__BODY_ACCOUNT_FACTS:
		return apply_facts(s, seq, m->account_facts);
	case TRIB__V1__DOWN_MESSAGE__BODY__NOT_SET:
	case _TRIB__V1__DOWN_MESSAGE__BODY__CASE_IS_INT_SIZE:
		break;
	}
	return keep_unread(seq, "kind_not_known");
}
