/* Where a server listens: ports. */
#include "http_fixture.h"

#include <string.h>

static int create(struct fixture *f, const struct http_server_options *options,
		  struct http_server **ret, char *err)
{
	const struct http_handler handler = { .on_request = NULL };

	return http_server_create(f->loop, options, &handler, ret, err);
}

static void taken_port_is_told(void **state)
{
	struct fixture *f = start(&(struct http_server_options){ 0 });
	struct http_server_options same = { .port = http_server_port(f->server) };
	struct http_server *second = NULL;
	char err[HTTP_ERROR_BYTES];

	(void)state;
	assert_int_equal(create(f, &same, &second, err), ERR_IO);
	assert_non_null(strstr(err, "Address already in use"));
	same.host = "no.such.name";
	assert_int_equal(create(f, &same, &second, err), ERR_IO);
	assert_null(second);
	stop(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(taken_port_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
