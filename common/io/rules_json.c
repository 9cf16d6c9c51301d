#include "rules_json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account.h"
#include "json_body.h"
#include "money.h"
#include "rules.h"

static const struct body_text id_text = { 1, RULE_ID_MAX, BODY_ANY };
static const struct body_text type_text = { 1, ACCOUNT_TYPE_MAX - 1, BODY_ANY };
static const struct body_text name_text = { 1, 64, BODY_ANY };

static const char *const consumption_words[] = { "pro_rata", "bonus_first", "principal_first",
						 NULL };
static const char *const clawback_words[] = { "debt", "refuse", NULL };

/* One compilation. Errors stick in the body, as do the arena's. */
struct compile {
	struct json_body body;
	struct arena *arena;
	Trib__V1__RuleSet *set;
	bool full;
};

static void *take(struct compile *c, size_t size)
{
	void *p = arena_alloc(c->arena, size);

	if (p == NULL)
		c->full = true;
	return p;
}

/* A copy in the arena; s may be NULL. */
static char *take_text(struct compile *c, const char *s)
{
	char *copy = s != NULL ? arena_strdup(c->arena, s) : NULL;

	if (s != NULL && copy == NULL)
		c->full = true;
	return copy;
}

static void fail_at(struct body_scope *s, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void fail_at(struct body_scope *s, const char *name, const char *fmt, ...)
{
	char detail[BODY_PARAM_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	body_fail(s, name, CODE_BAD_VALUE, detail);
}

/* Refuse an id that an earlier rule of any kind has. */
static void check_id(struct compile *c, struct body_scope *s, const char *id)
{
	if (id == NULL)
		return;
	for (size_t i = 0; i < c->set->n_points; i++)
		if (strcmp(c->set->points[i]->id, id) == 0)
			fail_at(s, "id", "points[%zu] has this id already", i);
	for (size_t i = 0; i < c->set->n_top_ups; i++)
		if (strcmp(c->set->top_ups[i]->id, id) == 0)
			fail_at(s, "id", "top_ups[%zu] has this id already", i);
}

static bool parse_ratio(const char *text, int64_t *ret_num, int64_t *ret_den)
{
	char *end;
	long long num, den = 1;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	num = strtoll(text, &end, 10);
	if (*end == '/') {
		if (end[1] < '0' || end[1] > '9')
			return false;
		den = strtoll(end + 1, &end, 10);
	}
	if (errno != 0 || *end != '\0' || num > RULE_FACTOR_MAX || den < 1 || den > RULE_FACTOR_MAX)
		return false;
	*ret_num = num;
	*ret_den = den;
	return true;
}

/* "multiplier": "3/2", "2" or {"num": 3, "den": 2}. */
static void read_multiplier(struct body_scope *s, Trib__V1__PointsRule *p)
{
	const json_t *v = body_raw(s, "multiplier", BODY_OPTIONAL);
	struct body_scope parts;

	if (v == NULL)
		return;
	p->has_multiplier_num = p->has_multiplier_den = true;
	if (json_is_object(v)) {
		if (!body_object(s, "multiplier", BODY_REQUIRED, &parts))
			return;
		p->multiplier_num = body_int(&parts, "num", BODY_REQUIRED, 0, RULE_FACTOR_MAX, 1);
		p->multiplier_den = body_int(&parts, "den", BODY_REQUIRED, 1, RULE_FACTOR_MAX, 1);
		body_end(&parts);
	} else if (!json_is_string(v) ||
		   !parse_ratio(json_string_value(v), &p->multiplier_num, &p->multiplier_den)) {
		fail_at(s, "multiplier",
			"must be a ratio such as \"3/2\" or {\"num\":3,\"den\":2}");
	}
}

static void read_points(struct compile *c, struct body_scope *list, size_t n)
{
	struct body_scope s;

	c->set->points = take(c, n * sizeof(*c->set->points));
	for (size_t i = 0; i < n && !c->full && body_item(list, i, &s); i++) {
		Trib__V1__PointsRule *p = take(c, sizeof(*p));
		const char *id = body_text(&s, "id", BODY_REQUIRED, &id_text);

		if (p == NULL)
			return;
		trib__v1__points_rule__init(p);
		check_id(c, &s, id);
		p->id = take_text(c, id);
		p->points = body_int(&s, "points", BODY_REQUIRED, 0, RULE_FACTOR_MAX, 0);
		p->per = body_int(&s, "per", BODY_REQUIRED, 1, RULE_FACTOR_MAX, 1);
		read_multiplier(&s, p);
		body_end(&s);
		if (c->body.code == CODE_OK && !c->full)
			c->set->points[c->set->n_points++] = p;
	}
}

static void read_steps(struct compile *c, struct body_scope *list, size_t n, Trib__V1__TopUpRule *t)
{
	int64_t reached = 0;
	struct body_scope s;

	t->steps = take(c, n * sizeof(*t->steps));
	for (size_t i = 0; i < n && !c->full && body_item(list, i, &s); i++) {
		Trib__V1__LadderStep *step = take(c, sizeof(*step));

		if (step == NULL)
			return;
		trib__v1__ladder_step__init(step);
		step->paid = body_int(&s, "paid", BODY_REQUIRED, 1, AMOUNT_MAX, 1);
		if (step->paid <= reached)
			fail_at(&s, "paid", "must be more than the step before, %" PRId64, reached);
		reached = step->paid;
		step->has_bonus = body_has(&s, "bonus");
		step->bonus = body_int(&s, "bonus", BODY_OPTIONAL, 0, AMOUNT_MAX, 0);
		step->has_points = body_has(&s, "points");
		step->points = body_int(&s, "points", BODY_OPTIONAL, 0, AMOUNT_MAX, 0);
		body_end(&s);
		t->steps[t->n_steps++] = step;
	}
}

static bool has_type(const Trib__V1__RuleSet *set, const char *name)
{
	for (size_t i = 0; i < set->n_account_types; i++)
		if (strcmp(set->account_types[i]->name, name) == 0)
			return true;
	return strcmp(name, "default") == 0;
}

/* The account types of a top-up rule; a misspelt one would never apply, so each must be known. */
static void read_rule_types(struct compile *c, struct body_scope *list, size_t n,
			    Trib__V1__TopUpRule *t)
{
	t->account_types = take(c, n * sizeof(*t->account_types));
	for (size_t i = 0; i < n && !c->full && c->body.code == CODE_OK; i++) {
		const char *type = body_item_text(list, i, &type_text);
		char detail[BODY_PARAM_BYTES];

		if (type == NULL)
			return;
		if (!has_type(c->set, type)) {
			snprintf(detail, sizeof(detail), "'%s' is none of the set's account types",
				 type);
			body_fail_item(list, i, CODE_BAD_VALUE, detail);
			return;
		}
		t->account_types[t->n_account_types++] = take_text(c, type);
	}
}

static void read_top_ups(struct compile *c, struct body_scope *list, size_t n)
{
	struct body_scope s, inner;

	c->set->top_ups = take(c, n * sizeof(*c->set->top_ups));
	for (size_t i = 0; i < n && !c->full && body_item(list, i, &s); i++) {
		Trib__V1__TopUpRule *t = take(c, sizeof(*t));
		const char *id = body_text(&s, "id", BODY_REQUIRED, &id_text);
		size_t m;

		if (t == NULL)
			return;
		trib__v1__top_up_rule__init(t);
		check_id(c, &s, id);
		t->id = take_text(c, id);
		m = body_array(&s, "steps", BODY_REQUIRED, 1, RULES_MAX_STEPS, &inner);
		read_steps(c, &inner, m, t);
		t->has_repeat = body_has(&s, "repeat");
		t->repeat = body_bool(&s, "repeat", BODY_OPTIONAL, false);
		t->has_expires_days = body_has(&s, "expires_days");
		t->expires_days =
			(int32_t)body_int(&s, "expires_days", BODY_OPTIONAL, 1, RULE_DAYS_MAX, 0);
		m = body_array(&s, "account_types", BODY_OPTIONAL, 1, RULES_MAX_ACCOUNT_TYPES,
			       &inner);
		read_rule_types(c, &inner, m, t);
		body_end(&s);
		if (c->body.code == CODE_OK && !c->full)
			c->set->top_ups[c->set->n_top_ups++] = t;
	}
}

static void read_account_types(struct compile *c, struct body_scope *list, size_t n)
{
	struct body_scope s;

	c->set->account_types = take(c, n * sizeof(*c->set->account_types));
	for (size_t i = 0; i < n && !c->full && body_item(list, i, &s); i++) {
		Trib__V1__AccountType *t = take(c, sizeof(*t));
		const char *name = body_text(&s, "name", BODY_REQUIRED, &type_text);
		int word;

		if (t == NULL)
			return;
		trib__v1__account_type__init(t);
		for (size_t k = 0; name != NULL && k < c->set->n_account_types; k++)
			if (strcmp(c->set->account_types[k]->name, name) == 0)
				fail_at(&s, "name", "account_types[%zu] has this name already", k);
		t->name = take_text(c, name);
		word = body_word(&s, "consumption", BODY_OPTIONAL, consumption_words);
		t->consumption = word < 0 ? TRIB__V1__CONSUMPTION__CONSUME_PRO_RATA :
					    (Trib__V1__Consumption)(word + 1);
		word = body_word(&s, "clawback", BODY_OPTIONAL, clawback_words);
		t->clawback = word < 0 ? TRIB__V1__CLAWBACK__CLAWBACK_DEBT :
					 (Trib__V1__Clawback)(word + 1);
		t->has_offline_keep = body_has(&s, "offline_keep");
		t->offline_keep =
			body_int(&s, "offline_keep", BODY_OPTIONAL, 0, AMOUNT_MAX, t->offline_keep);
		t->has_offline_keep_away = body_has(&s, "offline_keep_away");
		t->offline_keep_away = body_int(&s, "offline_keep_away", BODY_OPTIONAL, 0,
						AMOUNT_MAX, t->offline_keep_away);
		t->has_idle_days = body_has(&s, "idle_days");
		t->idle_days = (int32_t)body_int(&s, "idle_days", BODY_OPTIONAL, 0, RULE_DAYS_MAX,
						 t->idle_days);
		body_end(&s);
		if (c->body.code == CODE_OK && !c->full)
			c->set->account_types[c->set->n_account_types++] = t;
	}
}

static void read_set(struct compile *c)
{
	struct body_scope *top = &c->body.top, list;
	size_t n;

	c->set->name = take_text(c, body_text(top, "name", BODY_OPTIONAL, &name_text));
	n = body_array(top, "account_types", BODY_OPTIONAL, 0, RULES_MAX_ACCOUNT_TYPES, &list);
	read_account_types(c, &list, n); /* first: top_ups name them */
	n = body_array(top, "points", BODY_OPTIONAL, 0, RULES_MAX_POINTS, &list);
	read_points(c, &list, n);
	n = body_array(top, "top_ups", BODY_OPTIONAL, 0, RULES_MAX_TOP_UPS, &list);
	read_top_ups(c, &list, n);
}

static void set_source(struct compile *c)
{
	char *source = json_dumps(c->body.root, JSON_COMPACT);

	if (source != NULL) {
		c->set->has_source = true;
		c->set->source.len = strlen(source);
		c->set->source.data = arena_memdup(c->arena, source, c->set->source.len);
	}
	if (source == NULL || c->set->source.data == NULL)
		c->full = true;
	free(source);
}

/* What a set must say, though all of it has defaults: a set that lacks it is a slip of the pen. */
static const char *what_lacks(const Trib__V1__RuleSet *set)
{
	if (set->name == NULL)
		return "name: is required";
	for (size_t i = 0; i < set->n_account_types; i++)
		if (strcmp(set->account_types[i]->name, "default") == 0)
			return NULL;
	return "account_types: the type \"default\" is required";
}

/* Compile the body in c, which is finished afterwards in any case. */
static int compile(struct compile *c, uint64_t version, int64_t effective_ms, struct arena *a,
		   Trib__V1__RuleSet **ret, char *err)
{
	const char *why = "";
	int r = ERR_INVALID;

	c->arena = a;
	c->full = false;
	c->set = take(c, sizeof(*c->set));
	if (c->set != NULL) {
		trib__v1__rule_set__init(c->set);
		c->set->version = version;
		c->set->effective_ms = effective_ms;
		read_set(c);
		if (c->body.code == CODE_OK && !c->full)
			set_source(c);
	}
	if (c->full) {
		snprintf(err, RULES_ERROR_BYTES, "the rule set is too large");
		r = ERR_FULL;
	} else if (body_result(&c->body) != CODE_OK) {
		const char *colon = c->body.param[0] != '\0' ? ": " : "";

		snprintf(err, RULES_ERROR_BYTES, "%s%s%s", c->body.param, colon, c->body.detail);
	} else if (rules_validate(c->set, &why) != 0) {
		snprintf(err, RULES_ERROR_BYTES, "%s", why);
	} else if ((why = what_lacks(c->set)) != NULL) {
		snprintf(err, RULES_ERROR_BYTES, "%s", why);
	} else {
		*ret = c->set;
		r = 0;
	}
	body_finish(&c->body);
	return r;
}

int rules_from_json(const json_t *json, uint64_t version, int64_t effective_ms, struct arena *a,
		    Trib__V1__RuleSet **ret, char *err)
{
	struct compile c;

	/* The body only reads; its root's count goes up and down again. */
	body_init_value(&c.body, (json_t *)(uintptr_t)json);
	return compile(&c, version, effective_ms, a, ret, err);
}

int rules_from_text(const char *text, size_t len, uint64_t version, int64_t effective_ms,
		    struct arena *a, Trib__V1__RuleSet **ret, char *err)
{
	struct compile c;

	if (len > RULES_TEXT_MAX_BYTES) {
		snprintf(err, RULES_ERROR_BYTES, "over %d bytes", RULES_TEXT_MAX_BYTES);
		return ERR_INVALID;
	}
	body_init(&c.body, text, len);
	return compile(&c, version, effective_ms, a, ret, err);
}
