#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "rules_json.h"

/* What deploy/rules/base.json has too. */
const char rules_base_json[] =
	"{\n"
	"  \"name\": \"base\",\n"
	"  \"points\": [\n"
	"    {\"id\": \"base-points\", \"points\": 1, \"per\": 100}\n"
	"  ],\n"
	"  \"top_ups\": [],\n"
	"  \"account_types\": [\n"
	"    {\"name\": \"default\", \"consumption\": \"pro_rata\", \"clawback\": \"debt\"}\n"
	"  ]\n"
	"}\n";

/* Set a field where it is present; takes v. False when memory ran out. */
static bool put(json_t *object, const char *name, bool present, json_t *v)
{
	if (!present) {
		json_decref(v);
		return true;
	}
	return json_object_set_new(object, name, v) == 0;
}

static json_t *points_json(const Trib__V1__PointsRule *p)
{
	json_t *o = json_pack("{s:s, s:I, s:I}", "id", p->id, "points", (json_int_t)p->points,
			      "per", (json_int_t)p->per);
	bool has_multiplier = p->has_multiplier_num || p->has_multiplier_den;
	char ratio[48];

	snprintf(ratio, sizeof(ratio), "%" PRId64 "/%" PRId64, p->multiplier_num,
		 p->multiplier_den);
	if (!put(o, "multiplier", has_multiplier, json_string(ratio))) {
		json_decref(o);
		return NULL;
	}
	return o;
}

static json_t *step_json(const Trib__V1__LadderStep *s)
{
	json_t *o = json_pack("{s:I}", "paid", (json_int_t)s->paid);

	if (!put(o, "bonus", s->has_bonus, json_integer(s->bonus)) ||
	    !put(o, "points", s->has_points, json_integer(s->points))) {
		json_decref(o);
		return NULL;
	}
	return o;
}

static json_t *top_up_json(const Trib__V1__TopUpRule *t)
{
	json_t *o = json_pack("{s:s}", "id", t->id);
	json_t *steps = json_array(), *types = json_array();
	bool ok = true;

	for (size_t i = 0; i < t->n_steps; i++)
		ok = json_array_append_new(steps, step_json(t->steps[i])) == 0 && ok;
	for (size_t i = 0; i < t->n_account_types; i++)
		ok = json_array_append_new(types, json_string(t->account_types[i])) == 0 && ok;
	ok = put(o, "steps", true, steps) && ok;
	ok = put(o, "repeat", t->has_repeat, json_boolean(t->repeat)) && ok;
	ok = put(o, "expires_days", t->has_expires_days, json_integer(t->expires_days)) && ok;
	ok = put(o, "account_types", t->n_account_types > 0, types) && ok;
	if (!ok) {
		json_decref(o);
		return NULL;
	}
	return o;
}

static const char *consumption_word(Trib__V1__Consumption c)
{
	if (c == TRIB__V1__CONSUMPTION__CONSUME_BONUS_FIRST)
		return "bonus_first";
	if (c == TRIB__V1__CONSUMPTION__CONSUME_PRINCIPAL_FIRST)
		return "principal_first";
	return "pro_rata";
}

static json_t *account_type_json(const Trib__V1__AccountType *t)
{
	bool refuse = t->clawback == TRIB__V1__CLAWBACK__CLAWBACK_REFUSE;
	json_t *o = json_pack("{s:s, s:s, s:s}", "name", t->name, "consumption",
			      consumption_word(t->consumption), "clawback",
			      refuse ? "refuse" : "debt");

	if (!put(o, "offline_keep", t->has_offline_keep, json_integer(t->offline_keep)) ||
	    !put(o, "offline_keep_away", t->has_offline_keep_away,
		 json_integer(t->offline_keep_away)) ||
	    !put(o, "idle_days", t->has_idle_days, json_integer(t->idle_days))) {
		json_decref(o);
		return NULL;
	}
	return o;
}

json_t *rules_to_json(const Trib__V1__RuleSet *r)
{
	json_t *o = json_object();
	json_t *points = json_array(), *top_ups = json_array(), *types = json_array();
	bool ok = true;

	for (size_t i = 0; i < r->n_points; i++)
		ok = json_array_append_new(points, points_json(r->points[i])) == 0 && ok;
	for (size_t i = 0; i < r->n_top_ups; i++)
		ok = json_array_append_new(top_ups, top_up_json(r->top_ups[i])) == 0 && ok;
	for (size_t i = 0; i < r->n_account_types; i++)
		ok = json_array_append_new(types, account_type_json(r->account_types[i])) == 0 &&
		     ok;
	ok = put(o, "name", r->name != NULL, r->name != NULL ? json_string(r->name) : NULL) && ok;
	ok = put(o, "points", true, points) && ok;
	ok = put(o, "top_ups", true, top_ups) && ok;
	ok = put(o, "account_types", true, types) && ok;
	if (!ok) {
		json_decref(o);
		return NULL;
	}
	return o;
}
