/* trib-proxy: a TCP proxy for one link of a chain, which tests and the demo cut, mend and slow. */
#include <errno.h>
#include <ev.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "proxy.h"

enum {
	EXIT_USAGE = 2,
};

struct options {
	const char *listen;
	const char *target;
	const char *control;
	const char *ready_file; /* or NULL: standard output */
};

static void usage(FILE *to)
{
	fputs("usage: trib-proxy --listen HOST:PORT --target HOST:PORT --control SOCKET\n"
	      "                  [--ready-file FILE]\n"
	      "\n"
	      "Pass TCP connections on to the target. The port (0 in --listen: a free one) is\n"
	      "written to the ready file, else to standard output, once connections are taken.\n"
	      "Commands on the control socket, one a line:\n"
	      "\n"
	      "  mode pass        let bytes pass\n"
	      "  mode blackhole   keep and accept connections, move no byte; the next mode resets\n"
	      "                   these connections\n"
	      "  mode reset       reset all connections, and new ones at once\n"
	      "  mode delay MS    let bytes pass, MS milliseconds later in each direction\n"
	      "  status           print mode and counters\n",
	      to);
}

static int parse_options(int argc, char **argv, struct options *ret_options)
{
	static const struct option known[] = {
		{ "listen", required_argument, NULL, 'l' },
		{ "target", required_argument, NULL, 't' },
		{ "control", required_argument, NULL, 'c' },
		{ "ready-file", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct options o = { 0 };
	int opt;

	while ((opt = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		switch (opt) {
		case 'l':
			o.listen = optarg;
			break;
		case 't':
			o.target = optarg;
			break;
		case 'c':
			o.control = optarg;
			break;
		case 'r':
			o.ready_file = optarg;
			break;
		case 'h':
			usage(stdout);
			exit(EXIT_SUCCESS);
		default:
			return -1;
		}
	}
	if (optind != argc || o.listen == NULL || o.target == NULL || o.control == NULL)
		return -1;
	*ret_options = o;
	return 0;
}

/* Resolve HOST:PORT; the caller frees the result. */
static struct addrinfo *resolve(const char *text, int flags)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags };
	const char *colon = strrchr(text, ':');
	struct addrinfo *found = NULL;
	char *host;
	int r;

	if (colon == NULL || colon == text || colon[1] == '\0') {
		fprintf(stderr, "trib-proxy: %s is not HOST:PORT\n", text);
		return NULL;
	}
	host = strndup(text, (size_t)(colon - text));
	r = host == NULL ? EAI_MEMORY : getaddrinfo(host, colon + 1, &hints, &found);
	free(host);
	if (r != 0)
		fprintf(stderr, "trib-proxy: %s: %s\n", text, gai_strerror(r));
	return r == 0 ? found : NULL;
}

static int listen_at(const struct addrinfo *at, unsigned int *ret_port)
{
	struct sockaddr_storage bound;
	socklen_t len = sizeof(bound);
	char port[16];
	int on = 1;
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, at->ai_addr, at->ai_addrlen) < 0 || listen(fd, 128) < 0 ||
	    getsockname(fd, (struct sockaddr *)&bound, &len) < 0 ||
	    getnameinfo((struct sockaddr *)&bound, len, NULL, 0, port, sizeof(port),
			NI_NUMERICSERV) != 0) {
		close(fd);
		return -1;
	}
	*ret_port = (unsigned int)strtoul(port, NULL, 10);
	return fd;
}

/* The file appears whole, under its name, when the proxy is ready. */
static int say_ready(const char *path, unsigned int port)
{
	char *part = NULL;
	FILE *f;
	int r;

	if (path == NULL)
		return printf("%u\n", port) < 0 || fflush(stdout) != 0 ? -1 : 0;
	if (asprintf(&part, "%s.part", path) < 0)
		return -1;
	f = fopen(part, "we");
	r = f == NULL || fprintf(f, "%u\n", port) < 0 ? -1 : 0;
	if (f != NULL && fclose(f) != 0)
		r = -1;
	if (r == 0)
		r = rename(part, path);
	free(part);
	return r;
}

static void on_signal(struct ev_loop *loop, ev_signal *w, int events)
{
	(void)w;
	(void)events;
	ev_break(loop, EVBREAK_ALL);
}

int main(int argc, char **argv)
{
	struct ev_loop *loop = ev_default_loop(0);
	struct options o;
	struct addrinfo *at = NULL, *target = NULL;
	struct proxy *proxy = NULL;
	struct control *control = NULL;
	ev_signal term, intr;
	unsigned int port;
	int fd, status = EXIT_FAILURE;

	if (parse_options(argc, argv, &o) < 0) {
		usage(stderr);
		return EXIT_USAGE;
	}
	at = resolve(o.listen, AI_PASSIVE);
	target = resolve(o.target, 0);
	if (at == NULL || target == NULL || loop == NULL)
		goto out;
	fd = listen_at(at, &port);
	if (fd < 0) {
		fprintf(stderr, "trib-proxy: cannot listen at %s: %s\n", o.listen, strerror(errno));
		goto out;
	}
	proxy = proxy_create(loop, fd, target->ai_addr, target->ai_addrlen);
	if (proxy == NULL) {
		close(fd);
		goto out;
	}
	control = control_create(loop, o.control, proxy);
	if (control == NULL) {
		fprintf(stderr, "trib-proxy: cannot listen at %s: %s\n", o.control,
			strerror(errno));
		goto out;
	}
	ev_signal_init(&term, on_signal, SIGTERM);
	ev_signal_init(&intr, on_signal, SIGINT);
	ev_signal_start(loop, &term);
	ev_signal_start(loop, &intr);
	if (say_ready(o.ready_file, port) < 0) {
		fprintf(stderr, "trib-proxy: cannot write the ready file: %s\n", strerror(errno));
		goto out;
	}
	ev_run(loop, 0);
	status = EXIT_SUCCESS;
out:
	control_destroy(control);
	proxy_destroy(proxy);
	if (at != NULL)
		freeaddrinfo(at);
	if (target != NULL)
		freeaddrinfo(target);
	return status;
}
