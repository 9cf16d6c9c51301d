/* bench-start PORT FILE PROGRAM [ARGUMENT...]: how long a program takes from its start to its first
 * answer at 127.0.0.1:PORT. FILE is the whole request. The program is ended with SIGTERM.
 *
 * bench-start 0 - PROGRAM [ARGUMENT...]: how long it takes from its start to its end.
 *
 * On stdout a line of JSON. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "http_answer.h"

#define PATIENCE_NS UINT64_C(60000000000)
#define RETRY_NS 50000

static char request[65536], answer[65536];
static size_t request_len;
static pid_t child;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "bench-start: %s: %s\n", what, strerror(errno));
	if (child > 0) {
		(void)kill(child, SIGKILL);
		(void)waitpid(child, NULL, 0);
	}
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void read_request(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, request, sizeof(request)) : -1;

	if (n <= 0)
		fail(path);
	request_len = (size_t)n;
	close(fd);
}

/* A connection as soon as somebody listens. */
static int connect_when_served(int port, uint64_t until_ns)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	const struct timespec retry = { .tv_nsec = RETRY_NS };

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (;;) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0)
			fail("socket");
		if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
			return fd;
		close(fd);
		if (waitpid(child, NULL, WNOHANG) != 0) {
			child = 0;
			fail("the program ended");
		}
		if (now_ns() > until_ns)
			fail("the program does not listen");
		nanosleep(&retry, NULL);
	}
}

static void ask(int fd, struct http_answer *ret)
{
	size_t len = 0;
	int r;

	if (send(fd, request, request_len, MSG_NOSIGNAL) != (ssize_t)request_len)
		fail("send");
	do {
		ssize_t n = recv(fd, answer + len, sizeof(answer) - 1 - len, 0);

		if (n <= 0)
			fail("no answer");
		len += (size_t)n;
		answer[len] = '\0';
		r = http_answer_read(answer, len, ret);
	} while (r == 0);
	if (r < 0)
		fail("no HTTP answer");
}

static void time_answer(int port, uint64_t began)
{
	int fd = connect_when_served(port, began + PATIENCE_NS);
	uint64_t listens = now_ns(), answered;
	struct http_answer a;

	ask(fd, &a);
	answered = now_ns();
	printf("{\"status\":%d,\"listens_s\":%.6f,\"answers_s\":%.6f}\n", a.status,
	       (double)(listens - began) / 1e9, (double)(answered - began) / 1e9);
	close(fd);
	(void)kill(child, SIGTERM);
	(void)waitpid(child, NULL, 0);
}

static void time_end(uint64_t began)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		fail("wait");
	printf("{\"status\":%d,\"ends_s\":%.6f}\n", status, (double)(now_ns() - began) / 1e9);
}

static void start(char **argv)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	child = vfork();
	if (child == 0) {
		(void)dup2(null, STDOUT_FILENO);
		(void)dup2(null, STDERR_FILENO);
		execv(argv[0], argv);
		_exit(127);
	}
	if (child < 0 || null < 0)
		fail("start");
	close(null);
}

int main(int argc, char **argv)
{
	uint64_t began;
	int port;

	if (argc < 4) {
		fputs("usage: bench-start PORT FILE PROGRAM [ARGUMENT...]\n", stderr);
		return 2;
	}
	port = atoi(argv[1]);
	if (port != 0)
		read_request(argv[2]);
	(void)prctl(PR_SET_TIMERSLACK, 1UL); /* else 50 us become 100 */
	began = now_ns();
	start(argv + 3);
	if (port != 0)
		time_answer(port, began);
	else
		time_end(began);
	return 0;
}
