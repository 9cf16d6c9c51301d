/* bench-load PORT FILE: play the requests of FILE at 127.0.0.1:PORT.
 *
 * FILE is a row of records: u32 connection, u32 status that is expected, u32 length, and so many
 * bytes of request. Each connection is kept alive and sends its next request when it has the answer
 * to the one before. On stdout a line of JSON. Status 1 where a connection broke; 0 else, answers
 * with another status are counted and the first of them is shown on stderr. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "http_answer.h"

#define MAX_CONNECTIONS 1024
#define ANSWER_BYTES 65536

struct request {
	const char *bytes; /* into the mapped file */
	uint32_t len, status;
	struct request *next; /* of the same connection */
};

struct connection {
	int fd;
	struct request *first, **last; /* first: under way or to come */
	uint64_t began_ns;
	size_t len; /* of the answer so far */
	char answer[ANSWER_BYTES + 1]; /* a NUL stays behind it */
};

static struct connection *connections[MAX_CONNECTIONS];
static size_t n_requests, n_answers, n_ok;
static uint64_t *latency_ns, *witness; /* by answer */

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "bench-load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *allocate(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (p == NULL)
		fail("memory");
	return p;
}

static struct connection *connection_of(uint32_t i)
{
	if (i >= MAX_CONNECTIONS)
		fail("too many connections");
	if (connections[i] == NULL) {
		connections[i] = allocate(1, sizeof(struct connection));
		connections[i]->last = &connections[i]->first;
	}
	return connections[i];
}

static void read_requests(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *at, *end;

	if (fd < 0 || fstat(fd, &st) != 0)
		fail(path);
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (at == MAP_FAILED)
		fail(path);
	end = at + st.st_size;
	while (end - at >= 12) {
		struct request *r = allocate(1, sizeof(*r));
		struct connection *c;
		uint32_t head[3];

		memcpy(head, at, sizeof(head));
		c = connection_of(head[0]);
		r->status = head[1];
		r->len = head[2];
		r->bytes = at + sizeof(head);
		at += sizeof(head) + r->len;
		*c->last = r;
		c->last = &r->next;
		n_requests++;
	}
	latency_ns = allocate(n_requests, sizeof(*latency_ns));
	witness = allocate(n_requests, sizeof(*witness));
}

static void connect_all(int port, int epoll)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	const int one = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
		struct connection *c = connections[i];
		struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

		if (c == NULL)
			continue;
		c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
			fail("connect");
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0 ||
		    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &ev) != 0)
			fail("epoll");
	}
}

/* Requests are far smaller than a socket's buffer, and only one is under way. */
static void send_first(struct connection *c)
{
	const struct request *r = c->first;

	c->began_ns = now_ns();
	c->len = 0;
	if (send(c->fd, r->bytes, r->len, MSG_NOSIGNAL) != (ssize_t)r->len)
		fail("send");
}

static void take_answer(struct connection *c, const struct http_answer *a)
{
	latency_ns[n_answers] = now_ns() - c->began_ns;
	witness[n_answers++] = a->witness_seq;
	if ((uint32_t)a->status == c->first->status)
		n_ok++;
	else if (n_ok + 1 == n_answers)
		fprintf(stderr, "bench-load: wanted status %u: %.*s\n", c->first->status,
			(int)c->len, c->answer);
	c->first = c->first->next;
	if (c->first != NULL)
		send_first(c);
}

static void on_readable(struct connection *c)
{
	ssize_t n = recv(c->fd, c->answer + c->len, ANSWER_BYTES - c->len, 0);
	struct http_answer a;

	if (n <= 0) {
		if (n < 0 && errno == EAGAIN)
			return;
		fail(n == 0 ? "closed by the server" : "recv");
	}
	c->len += (size_t)n;
	c->answer[c->len] = '\0';
	switch (http_answer_read(c->answer, c->len, &a)) {
	case 1:
		if (c->first == NULL || c->len != a.len)
			fail("more than an answer");
		take_answer(c, &a);
		break;
	case 0:
		if (c->len == ANSWER_BYTES)
			fail("too long an answer");
		break;
	default:
		fail("no HTTP answer");
	}
}

static uint64_t play(int epoll)
{
	struct epoll_event events[64];
	uint64_t began = now_ns();

	for (size_t i = 0; i < MAX_CONNECTIONS; i++)
		if (connections[i] != NULL)
			send_first(connections[i]);
	while (n_answers < n_requests) {
		int n = epoll_wait(epoll, events, 64, 30000);

		if (n == 0)
			errno = ETIMEDOUT;
		if (n <= 0 && errno != EINTR)
			fail("no answer");
		for (int i = 0; i < n; i++)
			on_readable(events[i].data.ptr);
	}
	return now_ns() - began;
}

static int compare(const void *x, const void *y)
{
	const uint64_t *a = x, *b = y;

	return (*a > *b) - (*a < *b);
}

static double quantile_us(double q)
{
	size_t at = (size_t)(q * (double)(n_answers - 1));

	return (double)latency_ns[at] / 1e3;
}

/* Answers with one witness were given after one commit. */
static size_t count_commits(void)
{
	size_t n = 0;

	qsort(witness, n_answers, sizeof(*witness), compare);
	for (size_t i = 0; i < n_answers; i++)
		n += witness[i] != 0 && (i == 0 || witness[i] != witness[i - 1]);
	return n;
}

static double cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	double seconds, cpu;

	if (argc != 3) {
		fputs("usage: bench-load PORT FILE\n", stderr);
		return 2;
	}
	if (epoll < 0)
		fail("epoll");
	read_requests(argv[2]);
	if (n_requests == 0)
		fail("no requests");
	connect_all(atoi(argv[1]), epoll);
	cpu = cpu_seconds();
	seconds = (double)play(epoll) / 1e9;
	cpu = cpu_seconds() - cpu;
	qsort(latency_ns, n_answers, sizeof(*latency_ns), compare);
	printf("{\"requests\":%zu,\"other\":%zu,\"seconds\":%.6f,\"cpu_seconds\":%.6f,"
	       "\"commits\":%zu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n",
	       n_answers, n_answers - n_ok, seconds, cpu, count_commits(), quantile_us(0.5),
	       quantile_us(0.99), quantile_us(1));
	return 0;
}
