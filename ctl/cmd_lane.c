/* lane: which tills a store serves. Asks the store itself. */
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "commands.h"
#include "output.h"
#include "text.h"

#define LANE_MAX 9999

static int read_lane(const struct args *args, int64_t *ret)
{
	return args_int(args, "--lane", args_value(args, "lane"), 1, LANE_MAX, ret);
}

/* What the till's installer types: on the store's box, or elsewhere on its network, where the store
 * is known by its pin. */
static void add_commands(json_t *answer, const struct service *s)
{
	const char *code = json_string_value(json_object_get(answer, "code"));
	const char *https = json_string_value(json_object_get(answer, "https"));
	const char *pin = json_string_value(json_object_get(answer, "tls_pin"));

	if (code == NULL)
		return;
	(void)json_object_set_new(answer, "command",
				  json_sprintf("curl -d '{\"code\":\"%s\"}' %s/v1/pair", code,
					       s->url));
	if (https != NULL && pin != NULL)
		(void)json_object_set_new(
			answer, "lan_command",
			json_sprintf("curl -k --pinnedpubkey '%s' -d '{\"code\":\"%s\"}' %s/v1/pair",
				     pin, code, https));
}

int lane_pair(struct ctl *ctl, const struct args *args)
{
	json_t *answer = NULL;
	struct service s;
	int64_t lane;
	int r;

	if (read_lane(args, &lane) != EXIT_OK)
		return EXIT_USAGE;
	r = service_find(ctl, TARGET_STORE, &s);
	if (r == EXIT_OK)
		r = client_call(&s, "POST", "/v1/lanes/pair",
				json_pack("{s:I, s:s*}", "lane", (json_int_t)lane, "label",
					  args_value(args, "label")),
				&answer);
	if (r == EXIT_OK) {
		add_commands(answer, &s);
		if (ctl->format == FORMAT_TABLE) {
			(void)json_object_set(answer, "pairing_code",
					      json_object_get(answer, "code"));
			(void)json_object_del(answer, "code");
		}
		r = output_print(ctl, answer);
	}
	json_decref(answer);
	return r;
}

int lane_list(struct ctl *ctl, const struct args *args)
{
	json_t *answer = NULL;
	const json_t *lanes;
	int r = client_ask(ctl, TARGET_STORE, "GET", "/v1/lanes", NULL, &answer);

	(void)args;
	if (r == EXIT_OK) {
		lanes = json_object_get(answer, "lanes");
		r = output_print(ctl, lanes != NULL ? lanes : answer);
	}
	json_decref(answer);
	return r;
}

int lane_revoke(struct ctl *ctl, const struct args *args)
{
	char path[PATH_BYTES];
	json_t *answer = NULL;
	int64_t lane;
	int r;

	if (read_lane(args, &lane) != EXIT_OK)
		return EXIT_USAGE;
	snprintf(path, sizeof(path), "/v1/lanes/%lld", (long long)lane);
	r = client_ask(ctl, TARGET_STORE, "DELETE", path,
		       json_pack("{s:s}", "reason", args_value(args, "reason")), &answer);
	if (r == EXIT_OK)
		r = output_print(ctl, answer);
	json_decref(answer);
	return r;
}
