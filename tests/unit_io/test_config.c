#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

static const struct config_key keys[] = {
	{ .section = "hq",
	  .key = "listen",
	  .type = CONFIG_ENDPOINT,
	  .required = true,
	  .help = "where relays connect" },
	{ .section = "hq",
	  .key = "workers",
	  .type = CONFIG_INT,
	  .fallback = "4",
	  .min = 1,
	  .max = 64,
	  .help = "connections to PostgreSQL" },
	{ .section = "hq",
	  .key = "strict",
	  .type = CONFIG_BOOL,
	  .fallback = "yes",
	  .help = "refuse what is doubtful" },
	{ .section = "store", .key = "journal", .type = CONFIG_PATH, .help = "SQLite file" },
	{ .section = "store", .key = "name", .type = CONFIG_STRING, .help = "for people" },
};

static struct config *parse(const char *text, char *err)
{
	struct config *c = NULL;

	*err = '\0';
	if (config_parse("/etc/trib/hq.conf", text, strlen(text), keys,
			 sizeof(keys) / sizeof(keys[0]), &c, err) != 0)
		return NULL;
	return c;
}

static void expect_error(const char *text, const char *error)
{
	char err[CONFIG_ERROR_BYTES];

	assert_null(parse(text, err));
	assert_string_equal(err, error);
}

static void values_and_fallbacks_are_read(void **state)
{
	char err[CONFIG_ERROR_BYTES];
	struct endpoint e;
	struct config *c = parse("# comment\n\n[hq]\nlisten = tcp://[::1]:7300 ; inline\r\n"
				 "strict: off\n[store]\njournal = data/j.db\nname = 一号店",
				 err);

	(void)state;
	assert_string_equal(err, "");
	assert_non_null(c);
	config_endpoint(c, "hq", "listen", &e);
	assert_string_equal(e.host, "::1");
	assert_int_equal(e.port, 7300);
	assert_string_equal(config_string(c, "hq", "listen"), "tcp://[::1]:7300");
	assert_int_equal(config_int(c, "hq", "workers"), 4);
	assert_false(config_bool(c, "hq", "strict"));
	assert_string_equal(config_string(c, "store", "journal"), "/etc/trib/data/j.db");
	assert_string_equal(config_string(c, "store", "name"), "一号店");
	config_destroy(c);
}

static void unset_optional_key_is_absent(void **state)
{
	char err[CONFIG_ERROR_BYTES];
	struct config *c = parse("[hq]\nlisten = *:0\n", err);

	(void)state;
	assert_non_null(c);
	assert_false(config_has(c, "store", "journal"));
	assert_null(config_string(c, "store", "journal"));
	assert_true(config_has(c, "hq", "workers"));
	config_destroy(c);
}

static void unknown_key_names_line_and_neighbour(void **state)
{
	(void)state;
	expect_error("[hq]\n\nlistne = *:1\n",
		     "/etc/trib/hq.conf:3: unknown key 'listne' in [hq]; did you mean 'listen'?");
	expect_error("[hq]\nzebra = 1\n", "/etc/trib/hq.conf:2: unknown key 'zebra' in [hq]");
	/* A key of another section is no key of this one. */
	expect_error("[store]\nworkers = 1\n",
		     "/etc/trib/hq.conf:2: unknown key 'workers' in [store]");
}

static void unknown_section_names_line_and_neighbour(void **state)
{
	(void)state;
	expect_error("[stroe]\nname = x\n",
		     "/etc/trib/hq.conf:1: unknown section [stroe]; did you mean [store]?");
	expect_error("[zebra]\n", "/etc/trib/hq.conf:1: unknown section [zebra]");
	expect_error("[hq\n", "/etc/trib/hq.conf:1: a section's name must end with ']'");
	expect_error("[hq] x\n", "/etc/trib/hq.conf:1: unexpected text after the section's name");
}

static void doubled_keys_and_sections_are_refused(void **state)
{
	(void)state;
	expect_error("[hq]\nworkers = 1\nworkers = 1\n",
		     "/etc/trib/hq.conf:3: 'workers' in [hq] stands twice, first in line 2");
	expect_error("[hq]\nlisten = *:1\n[store]\n[hq]\n",
		     "/etc/trib/hq.conf:4: section [hq] stands twice");
}

static void continued_and_long_lines_are_refused(void **state)
{
	char text[512] = "[store]\nname = ", want[128];

	(void)state;
	expect_error("[hq]\nlisten = *:1\n  workers = 1\n",
		     "/etc/trib/hq.conf:3: the line is indented; lines cannot be continued");
	memset(text + strlen(text), 'x', 199 - strlen("name = "));
	strcat(text, "\n[hq]\nlisten = *:1\n");
	{
		char err[CONFIG_ERROR_BYTES];
		struct config *c = parse(text, err);

		assert_non_null(c);
		assert_int_equal(strlen(config_string(c, "store", "name")), 192);
		config_destroy(c);
	}
	memcpy(text, "[store]\nname = ", 15);
	memset(text + 15, 'x', 193);
	strcpy(text + 208, "\n");
	snprintf(want, sizeof(want),
		 "/etc/trib/hq.conf:2: the line has 200 bytes; at most 199 are allowed");
	expect_error(text, want);
}

static void bad_values_are_refused(void **state)
{
	(void)state;
	expect_error("[hq]\nworkers = 4x\n",
		     "/etc/trib/hq.conf:2: 'workers' in [hq] must be a whole number, not '4x'");
	expect_error("[hq]\nworkers = 0\n",
		     "/etc/trib/hq.conf:2: 'workers' in [hq] must be from 1 to 64, not 0");
	expect_error("[hq]\nworkers = 99999999999999999999\n",
		     "/etc/trib/hq.conf:2: 'workers' in [hq] must be a whole number, not "
		     "'99999999999999999999'");
	expect_error("[hq]\nworkers =\n", "/etc/trib/hq.conf:2: 'workers' in [hq] has no value");
	expect_error("[hq]\nstrict = maybe\n",
		     "/etc/trib/hq.conf:2: 'strict' in [hq] must be yes or no, not 'maybe'");
	expect_error("[hq]\nlisten = 7300\n",
		     "/etc/trib/hq.conf:2: 'listen' in [hq] must be HOST:PORT, [IPV6]:PORT or "
		     "*:PORT, not '7300'");
	expect_error("[hq]\nlisten\n", "/etc/trib/hq.conf:2: expected 'key = value'");
	expect_error("listen = *:1\n", "/etc/trib/hq.conf:1: a section, as [hq], must come first");
}

static void missing_required_key_is_named(void **state)
{
	(void)state;
	expect_error("[store]\nname = x\n", "/etc/trib/hq.conf: 'listen' is missing in [hq]");
	expect_error("", "/etc/trib/hq.conf: 'listen' is missing in [hq]");
}

static void endpoints_are_strict(void **state)
{
	static const char *const bad[] = { "",       ":1",    "a:",        "a:65536", "a:-1",
					   "a:1x",   "a b:1", "[::1:1",    "[]:1",    "**:1",
					   "tcp://", "a:1:2", "udp://a:1", "a/b:1" };
	struct endpoint e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(endpoint_parse(bad[i], &e), ERR_INVALID);
	assert_int_equal(endpoint_parse("relay-1.example:65535", &e), 0);
	assert_int_equal(e.port, 65535);
}

static void file_is_read_and_its_absence_told(void **state)
{
	char path[] = "/tmp/trib-config.XXXXXX", err[CONFIG_ERROR_BYTES];
	static const char text[] = "\xef\xbb\xbf[hq]\nlisten = 127.0.0.1:1\n";
	struct config *c = NULL;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	assert_int_equal(config_read(path, keys, sizeof(keys) / sizeof(keys[0]), &c, err), 0);
	config_destroy(c);
	unlink(path);
	assert_int_equal(config_read("/nowhere/x", keys, 1, &c, err), ERR_IO);
	assert_string_equal(err, "/nowhere/x: No such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_and_fallbacks_are_read),
		cmocka_unit_test(unset_optional_key_is_absent),
		cmocka_unit_test(unknown_key_names_line_and_neighbour),
		cmocka_unit_test(unknown_section_names_line_and_neighbour),
		cmocka_unit_test(doubled_keys_and_sections_are_refused),
		cmocka_unit_test(continued_and_long_lines_are_refused),
		cmocka_unit_test(bad_values_are_refused),
		cmocka_unit_test(missing_required_key_is_named),
		cmocka_unit_test(endpoints_are_strict),
		cmocka_unit_test(file_is_read_and_its_absence_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
