/* store and region: what belongs to the chain, and how it gets in. */
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "commands.h"
#include "output.h"
#include "text.h"

#define REGION_MAX 9999

/* Call and print the answer. */
static int ask_and_print(const struct ctl *ctl, enum target t, const char *method, const char *path,
			 json_t *body)
{
	json_t *answer = NULL;
	int r = client_ask(ctl, t, method, path, body, &answer);

	if (r == EXIT_OK)
		r = output_print(ctl, answer);
	json_decref(answer);
	return r;
}

/* An endpoint that is bound to every address is of no use on another machine. */
static void warn_of_every_address(const json_t *answer, const char *field, const char *en,
				  const char *zh)
{
	static const char *const every[] = { "://0.0.0.0:", "://*:", "://[::]:" };
	const char *endpoint = json_string_value(json_object_get(answer, field));

	for (size_t i = 0; endpoint != NULL && i < sizeof(every) / sizeof(every[0]); i++)
		if (strstr(endpoint, every[i]) != NULL)
			say("%s", T(en, zh));
}

static int enroll(const struct ctl *ctl, const char *path, json_t *body)
{
	json_t *answer = NULL;
	int r = client_ask(ctl, TARGET_HQ, "POST", path, body, &answer);

	if (r == EXIT_OK)
		r = output_print(ctl, answer);
	warn_of_every_address(
		answer, "hq_endpoint",
		"HQ listens on every address; set advertise_enroll in hq.conf to what "
		"the other machine can reach",
		"总部监听全部地址，请在 hq.conf 中将 advertise_enroll 设为对方可访问的地址");
	warn_of_every_address(
		answer, "relay_endpoint",
		"the relay listens on every address; set advertise in relay.conf to "
		"what the other machine can reach",
		"中继监听全部地址，请在 relay.conf 中将 advertise 设为对方可访问的地址");
	json_decref(answer);
	return r;
}

/* "04:30" -> 270. */
static int parse_cutoff(const char *s, int *ret)
{
	if (strlen(s) != 5 || s[2] != ':' || strspn(s, "0123456789") != 2 ||
	    strspn(s + 3, "0123456789") != 2)
		return ERR_INVALID;
	*ret = ((s[0] - '0') * 10 + s[1] - '0') * 60 + (s[3] - '0') * 10 + s[4] - '0';
	return s[3] < '6' && *ret < 24 * 60 ? 0 : ERR_INVALID;
}

int store_list(struct ctl *ctl, const struct args *args)
{
	(void)args;
	return ask_and_print(ctl, TARGET_HQ, "GET", "/v1/stores", NULL);
}

int store_show(struct ctl *ctl, const struct args *args)
{
	char path[PATH_BYTES], code[PATH_BYTES / 2];

	snprintf(path, sizeof(path), "/v1/stores/%s", client_segment(args->positions[0], code));
	return ask_and_print(ctl, TARGET_HQ, "GET", path, NULL);
}

int store_enroll(struct ctl *ctl, const struct args *args)
{
	const char *cutoff = args_value(args, "cutoff");
	char path[PATH_BYTES], code[PATH_BYTES / 2];
	json_t *body;
	int64_t region;
	int minutes = 0;

	if (args_int(args, "--region", args_value(args, "region"), 1, REGION_MAX, &region) !=
	    EXIT_OK)
		return EXIT_USAGE;
	if (cutoff != NULL && parse_cutoff(cutoff, &minutes) != 0)
		return say_usage("store enroll",
				 T("--cutoff must be a time such as 04:30, not '%s'",
				   "--cutoff 必须是时间，例如 04:30，而不是“%s”"),
				 cutoff);
	body = json_pack("{s:I, s:s*, s:s*, s:o*, s:s}", "region", (json_int_t)region, "entity",
			 args_value(args, "entity"), "time_zone", args_value(args, "time-zone"),
			 "cutoff_min", cutoff != NULL ? json_integer(minutes) : NULL, "reason",
			 args_value(args, "reason"));
	snprintf(path, sizeof(path), "/v1/stores/%s/enroll",
		 client_segment(args->positions[0], code));
	return enroll(ctl, path, body);
}

int region_list(struct ctl *ctl, const struct args *args)
{
	(void)args;
	return ask_and_print(ctl, TARGET_HQ, "GET", "/v1/regions", NULL);
}

/* "/v1/regions/N" with the first position as N. */
static int region_path(const struct args *args, const char *rest, char *ret)
{
	int64_t region;
	int r = args_int(args, "N", args->positions[0], 1, REGION_MAX, &region);

	if (r == EXIT_OK)
		snprintf(ret, PATH_BYTES, "/v1/regions/%lld%s", (long long)region, rest);
	return r;
}

int region_show(struct ctl *ctl, const struct args *args)
{
	char path[PATH_BYTES];

	if (region_path(args, "", path) != EXIT_OK)
		return EXIT_USAGE;
	return ask_and_print(ctl, TARGET_HQ, "GET", path, NULL);
}

int region_enroll(struct ctl *ctl, const struct args *args)
{
	char path[PATH_BYTES];

	if (region_path(args, "/enroll", path) != EXIT_OK)
		return EXIT_USAGE;
	return enroll(ctl, path,
		      json_pack("{s:s*, s:s}", "name", args_value(args, "name"), "reason",
				args_value(args, "reason")));
}
