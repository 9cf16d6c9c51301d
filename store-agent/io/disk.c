#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "log.h"
#include "store.h"

#define POLL_S 1.0
#define STAT_BLOCK_BYTES 512
#define BALLAST_PATH_BYTES (sizeof(((struct store *)0)->data_dir) + sizeof("/" BALLAST_FILE))

static void ballast_path(const struct store *s, char ret[BALLAST_PATH_BYTES])
{
	snprintf(ret, BALLAST_PATH_BYTES, "%s/" BALLAST_FILE, s->data_dir);
}

/* A whole one: its blocks are there. */
static bool is_ballast(const char *path, uint64_t bytes)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == bytes &&
	       (uint64_t)st.st_blocks * STAT_BLOCK_BYTES >= bytes;
}

void disk_init(struct store *s, uint64_t reserve_bytes)
{
	char path[BALLAST_PATH_BYTES];
	uint64_t bytes = agent_ballast_bytes(reserve_bytes);

	ballast_path(s, path);
	s->disk.ballast = AGENT_BALLAST_NONE;
	if (bytes > 0 && is_ballast(path, bytes))
		s->disk.ballast = AGENT_BALLAST_KEPT;
	else
		(void)unlink(path); /* a broken attempt, or another reserve's; or there is none */
}

/* What the file system says; unknown where it says nothing. */
static void read_room(struct store *s, struct agent_disk_facts *ret)
{
	struct statvfs v;

	if (statvfs(s->data_dir, &v) != 0) {
		if (!s->disk.is_stat_failing)
			log_event(LOG_LEVEL_ERROR, "disk_room_unknown", "errno=%d", errno);
		s->disk.is_stat_failing = true;
		return;
	}
	s->disk.is_stat_failing = false;
	ret->free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
	if (v.f_files > 0) /* else it makes them as it needs them */
		ret->free_inodes = v.f_favail;
}

static void poll_room(struct store *s)
{
	struct agent_event ev = { .kind = AGENT_DISK };

	ev.disk.free_bytes = ev.disk.free_inodes = AGENT_DISK_UNKNOWN;
	ev.disk.ballast = s->disk.ballast;
	ev.disk.is_full = s->disk.is_full;
	read_room(s, &ev.disk);
	s->disk.is_full = false;
	(void)store_step(s, &ev);
}

static void on_poll(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;

	poll_room(w->data);
}

void disk_start(struct store *s)
{
	poll_room(s);
	ev_timer_init(&s->disk.poll, on_poll, POLL_S, POLL_S);
	s->disk.poll.data = s;
	ev_timer_start(s->loop, &s->disk.poll);
}

void disk_stop(struct store *s)
{
	ev_timer_stop(s->loop, &s->disk.poll);
}

void disk_saw_full(struct store *s, const char *doing)
{
	if (!s->disk.is_told_full)
		log_event(LOG_LEVEL_CRITICAL, "disk_full", "doing=%s seq=%llu", doing,
			  (unsigned long long)s->agent->durable.seq);
	s->disk.is_full = s->disk.is_told_full = true;
	if (ev_is_active(&s->disk.poll)) { /* else the store is closing */
		ev_timer_stop(s->loop, &s->disk.poll);
		ev_timer_set(&s->disk.poll, 0., POLL_S);
		ev_timer_start(s->loop, &s->disk.poll);
	}
}

static bool is_lack_of_room(int code)
{
	return code == ENOSPC || code == EDQUOT || code == EINTR;
}

/* A file of that size whose blocks are there, and as much again was free: 0, or an errno. */
static int write_ballast(const char *path, uint64_t bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int code;

	if (fd < 0)
		return errno;
	code = posix_fallocate(fd, 0, (off_t)(2 * bytes));
	if (code == 0 && ftruncate(fd, (off_t)bytes) != 0)
		code = errno;
	if (close(fd) != 0 && code == 0)
		code = errno;
	if (code != 0)
		(void)unlink(path);
	return code;
}

void disk_make_ballast(struct store *s, uint64_t bytes)
{
	char path[BALLAST_PATH_BYTES];
	int code;

	ballast_path(s, path);
	code = write_ballast(path, bytes);
	if (code == 0) {
		s->disk.ballast = AGENT_BALLAST_KEPT;
		log_event(LOG_LEVEL_NOTICE, "ballast_kept", "bytes=%llu",
			  (unsigned long long)bytes);
	} else if (!is_lack_of_room(code)) {
		s->disk.ballast = AGENT_BALLAST_IMPOSSIBLE;
		log_event(LOG_LEVEL_ERROR, "ballast_impossible", "errno=%d", code);
	}
}

void disk_give_up_ballast(struct store *s)
{
	char path[BALLAST_PATH_BYTES];

	ballast_path(s, path);
	if (unlink(path) != 0 && errno != ENOENT) {
		log_event(LOG_LEVEL_ERROR, "ballast_stays", "errno=%d", errno);
		return;
	}
	s->disk.ballast = AGENT_BALLAST_NONE;
	log_event(LOG_LEVEL_CRITICAL, "ballast_given_up", "free_bytes=%llu",
		  (unsigned long long)s->agent->disk.free_bytes);
}

void disk_tell(struct store *s)
{
	const struct agent_disk *d = &s->agent->disk;

	if (d->level == 0)
		s->disk.is_told_full = false;
	log_event(d->level > 0 ? LOG_LEVEL_CRITICAL : LOG_LEVEL_NOTICE,
		  d->level > 0 ? "disk_low" : "disk_has_room",
		  "level=%u free_bytes=%llu reserve_bytes=%llu", d->level,
		  (unsigned long long)d->free_bytes, (unsigned long long)d->reserve_bytes);
}
