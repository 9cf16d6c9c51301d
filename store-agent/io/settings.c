#include "settings.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "rate.h"

#define SECTION "store"
#define MIB (UINT64_C(1) << 20)
#define TIMEOUT_MIN_MS 50
#define TIMEOUT_MAX_MS 3600000

static const struct config_key keys[] = {
	{ .section = SECTION,
	  .key = "data_dir",
	  .type = CONFIG_PATH,
	  .required = true,
	  .help = "where keys and journal are kept" },
	{ .section = SECTION,
	  .key = "relay",
	  .type = CONFIG_ENDPOINT,
	  .help = "the relay, where it is not the one told at enrolment" },
	{ .section = SECTION,
	  .key = "disk_reserve_mib",
	  .type = CONFIG_INT,
	  .fallback = "64",
	  .min = 1,
	  .max = 1 << 20,
	  .help = "with less free on data_dir's disk spends stop, with half top-ups and refunds" },
	{ .section = SECTION,
	  .key = "http_listen",
	  .type = CONFIG_ENDPOINT,
	  .fallback = "127.0.0.1:7311",
	  .help = "where tills on this box call, in the clear, so on loopback only; port 0: see "
		  "endpoints.json in data_dir" },
	{ .section = SECTION,
	  .key = "http_socket",
	  .type = CONFIG_PATH,
	  .help = "a unix socket for them besides (mode 0660), at most 107 bytes long" },
	{ .section = SECTION,
	  .key = "lan_listen",
	  .type = CONFIG_ENDPOINT,
	  .help = "where tills on the shop's network call, always with TLS: ADDRESS:7312, or *:7312 "
		  "with lan_advertise" },
	{ .section = SECTION,
	  .key = "lan_advertise",
	  .type = CONFIG_STRING,
	  .help = "host or address by which they reach it, where not lan_listen's own" },
	{ .section = SECTION,
	  .key = "connections_max",
	  .type = CONFIG_INT,
	  .fallback = "1024",
	  .min = CONNECTIONS_MIN,
	  .max = 65536,
	  .help = "open connections of each listener; one more takes the place of an idle one" },
	{ .section = SECTION,
	  .key = "request_timeout_ms",
	  .type = CONFIG_INT,
	  .fallback = "10000",
	  .min = TIMEOUT_MIN_MS,
	  .max = TIMEOUT_MAX_MS,
	  .help = "for a handshake and the first header, for a body, and for taking the answer" },
	{ .section = SECTION,
	  .key = "idle_timeout_ms",
	  .type = CONFIG_INT,
	  .fallback = "30000",
	  .min = TIMEOUT_MIN_MS,
	  .max = TIMEOUT_MAX_MS,
	  .help = "from an answer to a known till's next whole header" },
	{ .section = SECTION,
	  .key = "lane_rate",
	  .type = CONFIG_INT,
	  .fallback = "100",
	  .min = 0,
	  .max = RATE_MAX,
	  .help = "requests a second that one lane may make, twice that in a burst; 0: no limit" },
	{ .section = SECTION,
	  .key = "allowed_hosts",
	  .type = CONFIG_STRING,
	  .help = "further names by which tills call, with commas: till.lan, 192.168.1.5" },
	{ .section = SECTION,
	  .key = "allowed_origins",
	  .type = CONFIG_STRING,
	  .help = "pages that may call from a browser, with commas: https://pos.example" },
};
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

/* What is wrong with one key, beyond what its type says. */
struct complaint {
	const char *path;
	char *err;
};

static int complain(const struct complaint *c, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int complain(const struct complaint *c, const char *key, const char *fmt, ...)
{
	int n = snprintf(c->err, CONFIG_ERROR_BYTES, "%s: '%s' in [%s] ", c->path, key, SECTION);
	va_list ap;

	if (n < 0 || n >= CONFIG_ERROR_BYTES)
		return ERR_INVALID;
	va_start(ap, fmt);
	vsnprintf(c->err + n, CONFIG_ERROR_BYTES - (size_t)n, fmt, ap);
	va_end(ap);
	return ERR_INVALID;
}

static bool is_address(const char *s)
{
	uint8_t address[16];

	return inet_pton(AF_INET, s, address) == 1 || inet_pton(AF_INET6, s, address) == 1;
}

/* A host name or a numeric address: no scheme, no port, no brackets. */
static bool is_host(const char *s)
{
	if (is_address(s))
		return true;
	for (const char *c = s; *c != '\0'; c++)
		if (!isalnum((unsigned char)*c) && strchr("-._", *c) == NULL)
			return false;
	return *s != '\0' && *s != '.' && *s != '-';
}

/* "SCHEME://HOST[:PORT]", as browsers send it: nothing behind. */
static bool is_origin(const char *s)
{
	size_t scheme = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789+-.");
	struct endpoint e;

	if (scheme == 0 || strncmp(s + scheme, "://", 3) != 0)
		return false;
	s += scheme + 3;
	if (is_host(s) && strchr(s, ':') == NULL)
		return true;
	return strchr(s, '/') == NULL && endpoint_parse(s, &e) == 0 && is_host(e.host);
}

/* Split the list in place. Items are trimmed. */
static int split(const struct complaint *complaint, const char *key, char *text,
		 bool (*is_good)(const char *), const char *what,
		 const char *ret[LISTENERS_NAMES_MAX + 1])
{
	size_t n = 0;
	char *item;

	while ((item = strsep(&text, ",")) != NULL) {
		size_t len;

		item += strspn(item, " \t");
		len = strlen(item);
		while (len > 0 && strchr(" \t", item[len - 1]) != NULL)
			item[--len] = '\0';
		if (!is_good(item))
			return complain(complaint, key, "must be %s, with commas between, not '%s'",
					what, item);
		if (n == LISTENERS_NAMES_MAX)
			return complain(complaint, key, "has more than %d", LISTENERS_NAMES_MAX);
		ret[n++] = item;
	}
	return 0;
}

static int read_lists(struct settings *s, const struct complaint *complaint)
{
	const char *hosts = config_string(s->config, SECTION, "allowed_hosts");
	const char *origins = config_string(s->config, SECTION, "allowed_origins");
	int r = 0;

	if ((hosts != NULL && (s->hosts = strdup(hosts)) == NULL) ||
	    (origins != NULL && (s->origins = strdup(origins)) == NULL))
		return complain(complaint, "allowed_hosts", "needs more memory than there is");
	if (s->hosts != NULL)
		r = split(complaint, "allowed_hosts", s->hosts, is_host,
			  "host names or addresses without scheme and port",
			  s->listen.allowed_hosts);
	if (r == 0 && s->origins != NULL)
		r = split(complaint, "allowed_origins", s->origins, is_origin,
			  "origins such as https://pos.example or http://127.0.0.1:8080",
			  s->listen.allowed_origins);
	return r;
}

/* N1 */
static int read_http(struct settings *s, const struct complaint *complaint)
{
	struct endpoint *e = &s->listen.http;
	const char *path = config_string(s->config, SECTION, "http_socket");
	size_t most = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

	config_endpoint(s->config, SECTION, "http_listen", e);
	if (!is_address(e->host) ||
	    (strncmp(e->host, "127.", 4) != 0 && strcmp(e->host, "::1") != 0))
		return complain(complaint, "http_listen",
				"must be a loopback address (127.0.0.1 or ::1), not %s: it is not "
				"encrypted; tills on the network call at lan_listen",
				e->host);
	if (path != NULL && strlen(path) > most)
		return complain(complaint, "http_socket",
				"has a path of %zu bytes; at most %zu are possible", strlen(path),
				most);
	s->listen.socket_path = path;
	return 0;
}

static bool is_every_address(const char *host)
{
	return strcmp(host, "*") == 0 || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static int read_lan(struct settings *s, const struct complaint *complaint)
{
	struct listeners_options *o = &s->listen;

	o->has_lan = config_has(s->config, SECTION, "lan_listen");
	o->lan_advertise = config_string(s->config, SECTION, "lan_advertise");
	if (o->lan_advertise != NULL && !is_host(o->lan_advertise))
		return complain(complaint, "lan_advertise",
				"must be a host name or an address, without a port, not '%s'",
				o->lan_advertise);
	if (o->lan_advertise != NULL && !o->has_lan)
		return complain(complaint, "lan_advertise", "needs lan_listen");
	if (!o->has_lan)
		return 0;
	config_endpoint(s->config, SECTION, "lan_listen", &o->lan);
	o->lan_is_every = is_every_address(o->lan.host);
	if (!o->lan_is_every && !is_address(o->lan.host))
		return complain(complaint, "lan_listen",
				"must have a numeric address of this machine, or *, not '%s'",
				o->lan.host);
	if (o->lan_is_every && o->lan_advertise == NULL)
		return complain(
			complaint, "lan_listen",
			"is on every address: lan_advertise must say by which one the tills "
			"reach this machine");
	return 0;
}

static unsigned read_unsigned(const struct settings *s, const char *key)
{
	return (unsigned)config_int(s->config, SECTION, key);
}

int settings_read(const char *path, struct settings *ret, char *err)
{
	const struct complaint complaint = { path, err };
	struct settings s = { .config = NULL };
	struct endpoint relay;
	int r = config_read(path, keys, N_KEYS, &s.config, err);

	if (r < 0)
		return r;
	s.data_dir = config_string(s.config, SECTION, "data_dir");
	if (config_has(s.config, SECTION, "relay")) {
		config_endpoint(s.config, SECTION, "relay", &relay);
		snprintf(s.relay, sizeof(s.relay), "tcp://%s:%u", relay.host, (unsigned)relay.port);
	}
	s.lane_rate = read_unsigned(&s, "lane_rate");
	s.disk_reserve_bytes = (uint64_t)config_int(s.config, SECTION, "disk_reserve_mib") * MIB;
	s.listen.connections_max = read_unsigned(&s, "connections_max");
	s.listen.request_timeout_ms = read_unsigned(&s, "request_timeout_ms");
	s.listen.idle_timeout_ms = read_unsigned(&s, "idle_timeout_ms");
	r = read_http(&s, &complaint);
	if (r == 0)
		r = read_lan(&s, &complaint);
	if (r == 0)
		r = read_lists(&s, &complaint);
	if (r == 0)
		*ret = s;
	else
		settings_finish(&s);
	return r;
}

void settings_finish(struct settings *s)
{
	config_destroy(s->config);
	free(s->hosts);
	free(s->origins);
	memset(s, 0, sizeof(*s));
}

void settings_print_help(FILE *f)
{
	config_print_help(keys, N_KEYS, f);
}
