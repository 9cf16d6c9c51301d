#include "settings.h"

#include <stdio.h>
#include <string.h>

#include "log.h"

static const struct config_key keys[] = {
	{ .section = "relay",
	  .key = "data_dir",
	  .type = CONFIG_PATH,
	  .required = true,
	  .help = "folder of the spool, keys and certificate" },
	{ .section = "relay",
	  .key = "hq",
	  .type = CONFIG_ENDPOINT,
	  .help = "headquarters, where not as enrolment told" },
	{ .section = "relay",
	  .key = "listen",
	  .type = CONFIG_ENDPOINT,
	  .fallback = "*:5611",
	  .help = "where stores connect" },
	{ .section = "relay",
	  .key = "enroll_listen",
	  .type = CONFIG_ENDPOINT,
	  .fallback = "*:5612",
	  .help = "where new boxes enrol" },
	{ .section = "relay",
	  .key = "http_listen",
	  .type = CONFIG_ENDPOINT,
	  .fallback = "127.0.0.1:5613",
	  .help = "health and administration; keep it on loopback" },
	{ .section = "relay",
	  .key = "advertise",
	  .type = CONFIG_STRING,
	  .help = "host by which stores reach this relay; set it where listen is on every address" },
	{ .section = "relay",
	  .key = "max_stores",
	  .type = CONFIG_INT,
	  .fallback = "4096",
	  .min = 1,
	  .max = 16384,
	  .help = "stores and their earlier lives that it has room for" },
	{ .section = "relay",
	  .key = "log_level",
	  .type = CONFIG_INT,
	  .fallback = "6",
	  .min = LOG_LEVEL_CRITICAL,
	  .max = LOG_LEVEL_DEBUG,
	  .help = "as syslog's priorities: 6 is info, 7 debug" },
};
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

static int read_endpoint(const struct config *c, const char *key, char ret[LINK_ENDPOINT_BYTES])
{
	struct endpoint e;

	config_endpoint(c, "relay", key, &e);
	if (snprintf(ret, LINK_ENDPOINT_BYTES, "tcp://%s:%u", e.host, (unsigned)e.port) >=
	    LINK_ENDPOINT_BYTES)
		return ERR_INVALID;
	return 0;
}

int settings_read(const char *path, struct settings *ret, char *err)
{
	struct settings s = { 0 };
	int e = config_read(path, keys, N_KEYS, &s.config, err);

	if (e != 0)
		return e;
	s.data_dir = config_string(s.config, "relay", "data_dir");
	if (config_has(s.config, "relay", "hq"))
		e = read_endpoint(s.config, "hq", s.hq);
	if (e == 0)
		e = read_endpoint(s.config, "listen", s.listen);
	if (e == 0)
		e = read_endpoint(s.config, "enroll_listen", s.enroll_listen);
	if (e != 0) {
		snprintf(err, CONFIG_ERROR_BYTES, "%s: an endpoint is too long", path);
		config_destroy(s.config);
		return e;
	}
	config_endpoint(s.config, "relay", "http_listen", &s.http);
	s.advertise = config_string(s.config, "relay", "advertise");
	s.max_stores = (uint32_t)config_int(s.config, "relay", "max_stores");
	s.log_level = (int)config_int(s.config, "relay", "log_level");
	*ret = s;
	return 0;
}

void settings_finish(struct settings *s)
{
	config_destroy(s->config);
	s->config = NULL;
}

void settings_print_help(FILE *f)
{
	config_print_help(keys, N_KEYS, f);
}
