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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(foreign_hosts_and_origins_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
