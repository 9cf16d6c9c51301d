/* Proving the books runs in a child process, so that the loop never waits for it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api.h"
#include "log.h"

#define CHILDREN_MAX 3
#define OUTPUT_MAX (1u << 20)
#define REAP_S 0.02

extern char **environ;

struct child {
	struct api_call *call;
	pid_t pid;
	ev_io out; /* the pipe from its stdout */
	ev_timer reap;
	char *text; /* owned */
	size_t len, cap;
	bool is_books;
};

static unsigned n_children;
static bool is_books_running;

/* The environment for the child: ours, with the store to look at or none. */
static char **child_environment(const char *assignment)
{
	size_t n = 0, kept = 0;
	char **env;

	while (environ[n] != NULL)
		n++;
	env = calloc(n + 2, sizeof(*env));
	if (env == NULL)
		abort();
	for (size_t i = 0; i < n; i++) {
		if (strncmp(environ[i], "TRIB_CHECK_STORE=", 17) != 0 &&
		    strncmp(environ[i], "TRIB_FAULT=", 11) != 0)
			env[kept++] = environ[i];
	}
	env[kept] = (char *)(uintptr_t)assignment;
	return env;
}

/* Only calls that are safe between fork and exec. */
static void run_child(int out, char *const *argv, char *const *env)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(out, STDOUT_FILENO) >= 0)
		execve("/proc/self/exe", argv, env);
	_exit(127);
}

static pid_t spawn(const struct hqd *h, const char *store, int *ret_fd)
{
	char assignment[32 + HTTP_SEGMENT_BYTES] = "TRIB_CHECK_STORE=";
	const char *argv[] = { "trib-hq", "books-check", "--config", h->config_path, NULL };
	char **env;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	strncat(assignment, store != NULL ? store : "", HTTP_SEGMENT_BYTES);
	env = child_environment(assignment);
	pid = fork();
	if (pid == 0)
		run_child(fds[1], (char *const *)(uintptr_t)argv, env);
	free(env);
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return -1;
	}
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	*ret_fd = fds[0];
	return pid;
}

static void child_free(struct child *c)
{
	free(c->text);
	free(c->call);
	free(c);
}

/* Whether or not the loop's own SIGCHLD handler was first, the output says how it went. */
static void on_reap(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct child *c = w->data;

	(void)revents;
	if (waitpid(c->pid, NULL, WNOHANG) == 0)
		return;
	ev_timer_stop(loop, w);
	child_free(c);
}

static void answer(struct child *c)
{
	json_t *result = c->len > 0 ? json_loadb(c->text, c->len, 0, NULL) : NULL;
	bool is_whole = json_is_object(result);

	json_decref(result);
	if (is_whole)
		http_reply(c->call->req, 200, c->text, c->len);
	else
		api_reply_failed(c->call->req, ERR_IO,
				 "the check did not end; its log line says why");
}

static void on_output(struct ev_loop *loop, ev_io *w, int revents)
{
	struct child *c = w->data;
	ssize_t n;

	(void)revents;
	if (c->cap - c->len < 4096) {
		c->cap = c->cap == 0 ? 16384 : 2 * c->cap;
		c->text = realloc(c->text, c->cap);
		if (c->text == NULL)
			abort();
	}
	n = read(w->fd, c->text + c->len, c->cap - c->len);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && c->len + (size_t)n <= OUTPUT_MAX) {
		c->len += (size_t)n;
		return;
	}
	ev_io_stop(loop, w);
	close(w->fd);
	n_children--; /* it is at its end: who hears the answer may ask for the next at once */
	if (c->is_books)
		is_books_running = false;
	answer(c);
	ev_timer_start(loop, &c->reap);
}

static void start(struct hqd *h, struct http_request *req, const char *store)
{
	struct child *c;
	int fd;

	if (n_children >= CHILDREN_MAX || (store == NULL && is_books_running)) {
		api_reply_error(req, CODE_RATE_LIMITED, NULL,
				json_pack("{s:s}", "detail", "a check is running already"));
		return;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		abort();
	c->pid = spawn(h, store, &fd);
	if (c->pid < 0) {
		free(c);
		api_reply_failed(req, ERR_FULL, strerror(errno));
		return;
	}
	n_children++;
	c->is_books = store == NULL;
	is_books_running |= c->is_books;
	c->call = api_call_create(h, req);
	ev_io_init(&c->out, on_output, fd, EV_READ);
	c->out.data = c;
	ev_timer_init(&c->reap, on_reap, 0, REAP_S);
	c->reap.data = c;
	ev_io_start(h->loop, &c->out);
}

void api_check_books(struct hqd *h, struct http_request *req, const struct http_match *m)
{
	(void)m;
	start(h, req, NULL);
}

/* ---- one journal ---- */

static void on_store(void *ctx, int err, const PGresult *rows, const char *message)
{
	struct api_call *c = ctx;

	if (err != 0)
		api_reply_failed(c->req, err, message);
	else if (PQntuples(rows) == 0)
		api_reply_error(c->req, CODE_NOT_FOUND, "store", NULL);
	else
		start(c->h, c->req, pg_text(rows, 0, 0));
	free(c);
}

void api_verify_journal(struct hqd *h, struct http_request *req, const struct http_match *m)
{
	db_query(h->db, "SELECT code FROM trib.store WHERE code = $1", 1,
		 (const char *const[]){ m->arg[0] }, on_store, api_call_create(h, req));
}
