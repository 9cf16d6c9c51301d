/* Where a server listens: ports and unix sockets. */
#include "http_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

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

/* A path in a new folder. */
static char *scratch(const char *name)
{
	static char dir[64], path[128];

	strcpy(dir, "/tmp/trib.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void remove_scratch(const char *path)
{
	char dir[128];

	snprintf(dir, sizeof(dir), "%s", path);
	(void)unlink(path);
	assert_int_equal(rmdir(dirname(dir)), 0);
}

static void unix_socket_serves_owner_and_group(void **state)
{
	const char *path = scratch("http.sock");
	struct fixture *f = start(&(struct http_server_options){ .socket_path = path });
	struct stat st;
	int fd = connect_unix(path);

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(http_server_port(f->server), 0);
	send_text(fd, "GET /a HTTP/1.1\r\nHost: whatever.example\r\n\r\n");
	expect_status(receive(f, fd), 201);
	assert_string_equal(f->peer, "unix");
	send_text(fd, "GET /a HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\n\r\n");
	expect_status(receive(f, fd), 403);
	close(fd);
	stop(f);
	assert_int_equal(access(path, F_OK), -1);
	remove_scratch(path);
}

static void stale_socket_is_replaced(void **state)
{
	const char *path = scratch("http.sock");
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct fixture *f;

	(void)state;
	strcpy(at.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	close(fd); /* as a process that was killed leaves it */
	f = start(&(struct http_server_options){ .socket_path = path });
	fd = connect_unix(path);
	send_text(fd, GET("/a"));
	expect_status(receive(f, fd), 201);
	close(fd);
	stop(f);
	remove_scratch(path);
}

static void served_sockets_and_other_files_are_left_alone(void **state)
{
	const char *path = scratch("http.sock");
	struct http_server_options options = { .socket_path = path };
	struct fixture *f = start(&options);
	struct http_server *second = NULL;
	char err[HTTP_ERROR_BYTES];
	int fd;

	(void)state;
	assert_int_equal(create(f, &options, &second, err), ERR_EXISTS);
	assert_non_null(strstr(err, "another process serves"));
	fd = connect_unix(path);
	send_text(fd, GET("/a"));
	expect_status(receive(f, fd), 201);
	close(fd);
	/* Somebody else's file in its place outlives the server. */
	assert_int_equal(unlink(path), 0);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	stop(f);
	assert_int_equal(access(path, F_OK), 0);
	f = start(&(struct http_server_options){ 0 });
	assert_int_equal(create(f, &options, &second, err), ERR_EXISTS);
	assert_non_null(strstr(err, "is not a socket"));
	assert_int_equal(access(path, F_OK), 0);
	assert_null(second);
	stop(f);
	remove_scratch(path);
}

static void impossible_sockets_are_told(void **state)
{
	struct fixture *f = start(&(struct http_server_options){ 0 });
	struct http_server *second = NULL;
	char err[HTTP_ERROR_BYTES], path[256];

	(void)state;
	memset(path, 'x', sizeof(path));
	memcpy(path, "/tmp/", 5);
	path[108] = '\0';
	assert_int_equal(create(f, &(struct http_server_options){ .socket_path = path }, &second,
				err),
			 ERR_INVALID);
	assert_non_null(strstr(err, "108 bytes; at most 107"));
	assert_int_equal(create(f, &(struct http_server_options){ .socket_path = "/no/such/dir/s" },
				&second, err),
			 ERR_IO);
	assert_non_null(strstr(err, "No such file or directory"));
	assert_null(second);
	stop(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(taken_port_is_told),
		cmocka_unit_test(unix_socket_serves_owner_and_group),
		cmocka_unit_test(stale_socket_is_replaced),
		cmocka_unit_test(served_sockets_and_other_files_are_left_alone),
		cmocka_unit_test(impossible_sockets_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
