/* Whose pages may call: Host, Origin and preflights. */
#include "http_fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void foreign_hosts_and_origins_are_refused(void **state)
{
	static const char *const origins[] = { "https://pos.example", NULL };
	static const char *const hosts[] = { "till.lan", NULL };
	static const struct {
		const char *header;
		int status;
	} cases[] = {
		{ "Host: localhost", 201 },
		{ "Host: 127.0.0.1:80", 201 },
		{ "Host: [::1]:7311", 201 },
		{ "Host: TILL.lan:7311", 201 },
		{ "Host: localhost\r\nOrigin: https://pos.example", 201 },
		{ "Host: evil.example", 403 },
		{ "Host: evil.example:80", 403 },
		{ "Host: localhost.evil.example", 403 },
		{ "Host: localhost:80@evil.example", 403 },
		{ "Host: 127.0.0.1.evil.example", 403 },
		{ "Host: 10.0.0.1", 403 },
		{ "Host:", 403 },
		{ "Host: localhost\r\nOrigin: https://evil.example", 403 },
		{ "Host: localhost\r\nOrigin: null", 403 },
		{ "X: y", 400 },
	};
	struct fixture *f = start(&(struct http_server_options){ .allowed_hosts = hosts,
								 .allowed_origins = origins });
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = connect_to(f);

		snprintf(text, sizeof(text), "GET /a HTTP/1.1\r\n%s\r\n\r\n", cases[i].header);
		send_text(fd, text);
		expect_status(receive(f, fd), cases[i].status);
		close(fd);
	}
	assert_int_equal(f->n_requests, 5);
	stop(f);
}

#define ASK(headers) "OPTIONS /v1/sales HTTP/1.1\r\nHost: localhost\r\n" headers "\r\n"

static void allowed_pages_may_ask_and_read(void **state)
{
	static const char *const origins[] = { "https://pos.example", NULL };
	struct fixture *f = start(&(struct http_server_options){ .allowed_origins = origins });
	int fd = connect_to(f);
	const char *got;

	(void)state;
	send_text(fd, ASK("Origin: https://pos.example\r\n"
			  "Access-Control-Request-Method: POST\r\n"
			  "Access-Control-Request-Headers: authorization, content-type\r\n"
			  "Access-Control-Request-Private-Network: true\r\n"));
	got = receive(f, fd);
	expect_status(got, 204);
	assert_non_null(strstr(got, "Access-Control-Allow-Origin: https://pos.example\r\n"));
	assert_non_null(strstr(got, "Access-Control-Allow-Methods: GET, POST, DELETE\r\n"));
	assert_non_null(strstr(got, "Access-Control-Allow-Headers: Authorization, Content-Type"));
	assert_non_null(strstr(got, "Access-Control-Allow-Private-Network: true\r\n"));
	assert_non_null(strstr(got, "Vary: Origin\r\n"));
	assert_int_equal(f->n_requests, 0);
	send_text(fd, "GET /a HTTP/1.1\r\nHost: localhost\r\nOrigin: https://pos.example\r\n\r\n");
	got = receive(f, fd);
	expect_status(got, 201);
	assert_non_null(strstr(got, "Access-Control-Allow-Origin: https://pos.example\r\n"));
	assert_non_null(strstr(got, "Access-Control-Expose-Headers: Trib-Witness"));
	send_text(fd, GET("/a")); /* no page, no headers for one */
	assert_null(strstr(receive(f, fd), "Access-Control"));
	close(fd);
	stop(f);
}

static void other_preflights_get_no_permission(void **state)
{
	static const char *const origins[] = { "https://pos.example", NULL };
	static const struct {
		const char *text;
		int status;
	} cases[] = {
		{ ASK("Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n"),
		  403 },
		{ ASK("Origin: https://pos.example.evil\r\n"
		      "Access-Control-Request-Method: POST\r\n"),
		  403 },
		{ ASK("Origin: null\r\nAccess-Control-Request-Method: POST\r\n"), 403 },
		/* none of a browser: the daemon's to judge */
		{ ASK("Access-Control-Request-Method: POST\r\n"), 201 },
	};
	struct fixture *f = start(&(struct http_server_options){ .allowed_origins = origins });

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = connect_to(f);
		const char *got;

		send_text(fd, cases[i].text);
		got = receive(f, fd);
		expect_status(got, cases[i].status);
		assert_null(strstr(got, "Access-Control-Allow"));
		close(fd);
	}
	stop(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(foreign_hosts_and_origins_are_refused),
		cmocka_unit_test(allowed_pages_may_ask_and_read),
		cmocka_unit_test(other_preflights_get_no_permission),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
