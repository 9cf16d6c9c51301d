#include "pin.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define HASH_PASSES 3
#define HASH_BYTES ((size_t)8 * 1024 * 1024)

_Static_assert(PIN_VERIFIER_BYTES >= crypto_pwhash_STRBYTES, "a verifier fits");

struct pin_job {
	struct pin_job *next;
	char pin[PIN_MAX + 1];
	bool is_check;
	char verifier[PIN_VERIFIER_BYTES]; /* given to a check, made by a hash */
	bool is_right; /* of a check; of a hash: it was made */
	bool is_failed; /* memory ran out: the PIN may be right or wrong */
	pin_done *done;
	void *ctx;
};

struct pin_queue {
	struct pin_job *first, **last;
};

struct pin_worker {
	struct ev_loop *loop; /* borrowed */
	ev_async wake;
	pthread_t thread;
	unsigned n_jobs; /* the loop's: not done yet */
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t more;
	struct pin_queue waiting, finished;
	bool is_ending;
};

static void queue_init(struct pin_queue *q)
{
	q->first = NULL;
	q->last = &q->first;
}

static void queue_put(struct pin_queue *q, struct pin_job *job)
{
	job->next = NULL;
	*q->last = job;
	q->last = &job->next;
}

static struct pin_job *queue_take(struct pin_queue *q)
{
	struct pin_job *job = q->first;

	if (job == NULL)
		return NULL;
	q->first = job->next;
	if (q->first == NULL)
		q->last = &q->first;
	return job;
}

static void job_destroy(struct pin_job *job)
{
	sodium_memzero(job, sizeof(*job));
	free(job);
}

static void job_run(struct pin_job *job)
{
	size_t len = strlen(job->pin);

	errno = 0;
	if (job->is_check)
		job->is_right = crypto_pwhash_str_verify(job->verifier, job->pin, len) == 0;
	else
		job->is_right = crypto_pwhash_str(job->verifier, job->pin, len, HASH_PASSES,
						  HASH_BYTES) == 0;
	job->is_failed = !job->is_right && errno != EINVAL; /* EINVAL: it is another PIN */
}

static void *run(void *arg)
{
	struct pin_worker *w = arg;

	pthread_mutex_lock(&w->lock);
	while (!w->is_ending) {
		struct pin_job *job = queue_take(&w->waiting);

		if (job == NULL) {
			pthread_cond_wait(&w->more, &w->lock);
			continue;
		}
		pthread_mutex_unlock(&w->lock);
		job_run(job);
		pthread_mutex_lock(&w->lock);
		queue_put(&w->finished, job);
		ev_async_send(w->loop, &w->wake);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static struct pin_job *take_finished(struct pin_worker *w)
{
	struct pin_job *job;

	pthread_mutex_lock(&w->lock);
	job = queue_take(&w->finished);
	pthread_mutex_unlock(&w->lock);
	return job;
}

static void on_wake(struct ev_loop *loop, ev_async *watcher, int revents)
{
	struct pin_worker *w = watcher->data;
	struct pin_job *job;
	(void)loop;
	(void)revents;

	while ((job = take_finished(w)) != NULL) {
		const struct pin_result result = {
			.is_right = job->is_check && job->is_right,
			.is_failed = job->is_failed,
			.verifier = !job->is_check && job->is_right ? job->verifier : NULL,
		};

		w->n_jobs--;
		job->done(job->ctx, &result);
		job_destroy(job);
	}
}

int pin_worker_create(struct ev_loop *loop, struct pin_worker **ret)
{
	struct pin_worker *w = calloc(1, sizeof(*w));
	sigset_t all, before;
	int r;

	if (w == NULL)
		return ERR_IO;
	w->loop = loop;
	queue_init(&w->waiting);
	queue_init(&w->finished);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->more, NULL);
	sigfillset(&all); /* signals are the loop's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0) {
		log_event(LOG_LEVEL_ERROR, "thread_failed", "errno=%d", r);
		pthread_cond_destroy(&w->more);
		pthread_mutex_destroy(&w->lock);
		free(w);
		return ERR_IO;
	}
	ev_async_init(&w->wake, on_wake);
	w->wake.data = w;
	ev_async_start(loop, &w->wake);
	*ret = w;
	return 0;
}

static void queue_drop(struct pin_queue *q)
{
	struct pin_job *job;

	while ((job = queue_take(q)) != NULL)
		job_destroy(job);
}

void pin_worker_destroy(struct pin_worker *w)
{
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->is_ending = true;
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	ev_async_stop(w->loop, &w->wake);
	queue_drop(&w->waiting);
	queue_drop(&w->finished);
	pthread_cond_destroy(&w->more);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static int submit(struct pin_worker *w, const char *pin, const char *verifier, pin_done *done,
		  void *ctx)
{
	struct pin_job *job;

	if (w->n_jobs >= (verifier != NULL ? PIN_MAX_JOBS : PIN_MAX_HASHES))
		return ERR_FULL;
	job = calloc(1, sizeof(*job));
	if (job == NULL)
		return ERR_FULL;
	snprintf(job->pin, sizeof(job->pin), "%s", pin);
	job->is_check = verifier != NULL;
	if (verifier != NULL)
		snprintf(job->verifier, sizeof(job->verifier), "%s", verifier);
	job->done = done;
	job->ctx = ctx;
	w->n_jobs++;
	pthread_mutex_lock(&w->lock);
	queue_put(&w->waiting, job);
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
	return 0;
}

int pin_hash(struct pin_worker *w, const char *pin, pin_done *done, void *ctx)
{
	return submit(w, pin, NULL, done, ctx);
}

int pin_check(struct pin_worker *w, const char *pin, const char *verifier, pin_done *done,
	      void *ctx)
{
	return submit(w, pin, verifier, done, ctx);
}
