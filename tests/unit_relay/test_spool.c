/* The spool on a real SQLite file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "spool.h"

#define UP TRIB__V1__DIRECTION__UP
#define N 100

struct fixture {
	char dir[64];
	struct spool *spool;
	struct spool_stream st;
	uint8_t seed[HEAD_BYTES];
	uint8_t bytes[N + 1][16];
	ProtobufCBinaryData items[N + 1];
	uint8_t heads[N + 1][HEAD_BYTES];
	uint8_t memory[1 << 20];
	struct arena arena;
};

static void open_it(struct fixture *f)
{
	char why[SPOOL_WHY_BYTES];

	if (spool_open(f->dir, &f->spool, why) != 0)
		fail_msg("%s", why);
	spool_stream_load(f->spool, UP, 107, 1, f->seed, &f->st);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/trib.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	memset(f->heads[0], 7, HEAD_BYTES);
	memset(f->seed, 7, HEAD_BYTES);
	for (size_t i = 1; i <= N; i++) {
		memset(f->bytes[i], (int)i, sizeof(f->bytes[i]));
		f->items[i] = (ProtobufCBinaryData){ .len = 16, .data = f->bytes[i] };
		chain_next(f->heads[i - 1], f->bytes[i], 16, f->heads[i]);
	}
	arena_init(&f->arena, f->memory, sizeof(f->memory));
	open_it(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = { "", "-wal", "-shm" };
	char path[128];

	spool_close(f->spool);
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s%s", f->dir, SPOOL_FILE, names[i]);
		unlink(path);
	}
	rmdir(f->dir);
	free(f);
	return 0;
}

static void append(struct fixture *f, uint64_t first, uint64_t last, const char *sig)
{
	struct sync_batch b = { .first_seq = first,
				.n = (size_t)(last - first + 1),
				.items = &f->items[first] };

	spool_append(f->spool, &f->st, &b, 0, sig, strlen(sig));
}

static void what_was_committed_is_there_after_opening_again(void **state)
{
	struct fixture *f = *state;
	uint8_t head[HEAD_BYTES];

	append(f, 1, 10, "ten");
	assert_true(spool_is_dirty(f->spool));
	assert_int_equal(spool_commit(f->spool), 0);
	append(f, 11, 20, "twenty"); /* never committed */
	spool_close(f->spool);
	open_it(f);
	assert_int_equal(f->st.end.seq, 10);
	assert_memory_equal(f->st.end.head, f->heads[10], HEAD_BYTES);
	assert_int_equal(spool_head(f->spool, &f->st, 4, head), 0);
	assert_memory_equal(head, f->heads[4], HEAD_BYTES);
	assert_int_equal(spool_head(f->spool, &f->st, 0, head), 0);
	assert_memory_equal(head, f->seed, HEAD_BYTES);
	assert_int_equal(spool_head(f->spool, &f->st, 11, head), ERR_NOT_FOUND);
}

static void run_is_cut_at_the_last_signed_head(void **state)
{
	struct fixture *f = *state;
	struct spool_run run;

	append(f, 1, 10, "ten");
	append(f, 11, 14, "fourteen");
	append(f, 15, 20, "twenty");
	assert_int_equal(spool_read(f->spool, &f->st, 3, 20, &f->arena, &run), 0);
	assert_int_equal(run.n, 18);
	assert_int_equal(run.last_seq, 20);
	assert_memory_equal(run.prev_head, f->heads[2], HEAD_BYTES);
	assert_memory_equal(run.items[0].data, f->bytes[3], 16);
	assert_int_equal(run.signed_head.len, 6);
	assert_int_equal(spool_read(f->spool, &f->st, 3, 19, &f->arena, &run), 0);
	assert_int_equal(run.last_seq, 14); /* 15 to 19 have no signed end */
	assert_int_equal(run.bytes, 12 * 16);
	assert_int_equal(spool_read(f->spool, &f->st, 15, 19, &f->arena, &run), ERR_NOT_FOUND);
	assert_int_equal(spool_read(f->spool, &f->st, 21, 21, &f->arena, &run), ERR_NOT_FOUND);
	assert_int_equal(spool_read(f->spool, &f->st, 0, 5, &f->arena, &run), ERR_NOT_FOUND);
}

static void run_is_bounded_by_bytes(void **state)
{
	struct fixture *f = *state;
	static uint8_t big[SYNC_BATCH_MAX_BYTES / 2];
	ProtobufCBinaryData item = { .len = sizeof(big), .data = big };
	struct spool_run run;

	for (uint64_t seq = 1; seq <= 4; seq++) {
		struct sync_batch b = { .first_seq = seq, .n = 1, .items = &item };

		spool_append(f->spool, &f->st, &b, 0, "s", 1);
	}
	assert_int_equal(spool_read(f->spool, &f->st, 1, 4, &f->arena, &run), 0);
	assert_int_equal(run.last_seq, 2);
	assert_int_equal(run.bytes, SYNC_BATCH_MAX_BYTES);
}

static void rebase_sets_aside_and_starts_again(void **state)
{
	struct fixture *f = *state;
	struct position at = { .seq = 30 };
	uint8_t head[HEAD_BYTES];

	memcpy(at.head, f->heads[30], HEAD_BYTES);
	spool_rebase(f->spool, &f->st, &at, 1);
	append(f, 31, 40, "forty");
	assert_int_equal(spool_commit(f->spool), 0);
	at.seq = 20;
	memcpy(at.head, f->heads[20], HEAD_BYTES);
	spool_rebase(f->spool, &f->st, &at, 2);
	assert_int_equal(f->st.end.seq, 20);
	append(f, 21, 35, "thirty-five"); /* 31 to 35 once more */
	assert_int_equal(spool_commit(f->spool), 0);
	assert_int_equal(spool_head(f->spool, &f->st, 35, head), 0);
	assert_memory_equal(head, f->heads[35], HEAD_BYTES);
	assert_int_equal(spool_head(f->spool, &f->st, 19, head), ERR_NOT_FOUND);
}

static void forked_mark_and_booked_ack_are_kept(void **state)
{
	struct fixture *f = *state;
	ProtobufCBinaryData b;

	spool_add_store(f->spool, 107, 1, "certificate", 11);
	assert_int_equal(spool_booked(f->spool, 107, 1, &f->arena, &b), ERR_NOT_FOUND);
	spool_keep_booked(f->spool, 107, 1, 9, "booked", 6);
	spool_keep_evidence(f->spool, &f->st, "batch", 5, 1);
	spool_keep_roster(f->spool, 3, "roster", 6);
	assert_int_equal(spool_commit(f->spool), 0);
	spool_close(f->spool);
	open_it(f);
	assert_true(f->st.is_forked);
	assert_int_equal(spool_booked(f->spool, 107, 1, &f->arena, &b), 0);
	assert_memory_equal(b.data, "booked", 6);
	assert_int_equal(spool_roster(f->spool, &f->arena, &b), 0);
	assert_int_equal(b.len, 6);
}

static void second_opening_is_refused(void **state)
{
	struct fixture *f = *state;
	struct spool *other;
	char why[SPOOL_WHY_BYTES];

	assert_int_equal(spool_open(f->dir, &other, why), ERR_EXISTS);
	assert_non_null(strstr(why, "another trib-relay"));
}

static void foreign_file_is_refused(void **state)
{
	struct fixture *f = *state;
	struct spool *other;
	char why[SPOOL_WHY_BYTES], dir[] = "/tmp/trib.XXXXXX", path[64];
	FILE *file;

	(void)f;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/%s", dir, SPOOL_FILE);
	file = fopen(path, "w");
	assert_non_null(file);
	for (int i = 0; i < 1000; i++)
		fputs("this is no database ", file);
	fclose(file);
	assert_int_equal(spool_open(dir, &other, why), ERR_INVALID);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_was_committed_is_there_after_opening_again),
		T(run_is_cut_at_the_last_signed_head),
		T(run_is_bounded_by_bytes),
		T(rebase_sets_aside_and_starts_again),
		T(forked_mark_and_booked_ack_are_kept),
		T(second_opening_is_refused),
		T(foreign_file_is_refused),
	};

	return cmocka_run_group_tests_name("relay_spool", tests, NULL, NULL);
}
