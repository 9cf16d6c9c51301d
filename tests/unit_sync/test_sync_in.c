/* The receiver of a stream, one batch at a time. */
#include "stream_fixture.h"

#include <stdlib.h>
#include <string.h>

struct fixture {
	struct stream a; /* 20 items */
	struct stream b; /* the same to 10, then others */
	struct sync_in in;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct position at;

	stream_init(&f->a, 7);
	stream_grow(&f->a, 20, 1);
	stream_fork(&f->b, &f->a, 10, 9);
	at = stream_position(&f->a, 0);
	sync_in_init(&f->in, &at);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static struct sync_judged judge(struct fixture *f, const struct stream *s, uint64_t first,
				uint64_t last)
{
	struct sync_batch b = stream_batch(s, first, last);
	struct sync_judged j;

	sync_in_batch(&f->in, &b, &j);
	return j;
}

/* Take [1, seq] and make it durable. */
static void take(struct fixture *f, uint64_t seq)
{
	assert_int_equal(judge(f, &f->a, f->in.accepted.seq + 1, seq).verdict, SYNC_PERSIST);
	sync_in_persisted(&f->in, seq, f->a.heads[seq]);
}

static void batch_that_extends_is_persisted(void **state)
{
	struct fixture *f = *state;
	struct sync_judged j = judge(f, &f->a, 1, 5);

	assert_int_equal(j.verdict, SYNC_PERSIST);
	assert_int_equal(j.skip, 0);
	assert_int_equal(f->in.accepted.seq, 5);
	assert_int_equal(f->in.durable.seq, 0);
	assert_memory_equal(f->in.accepted.head, f->a.heads[5], HEAD_BYTES);
}

static void overlap_is_skipped(void **state)
{
	struct fixture *f = *state;
	struct sync_judged j;

	take(f, 5);
	j = judge(f, &f->a, 3, 8);
	assert_int_equal(j.verdict, SYNC_PERSIST);
	assert_int_equal(j.skip, 3);
	assert_int_equal(f->in.accepted.seq, 8);
}

static void duplicate_is_told_at_the_end_and_compared_before_it(void **state)
{
	struct fixture *f = *state;
	struct sync_batch b = stream_batch(&f->a, 2, 4);
	struct sync_judged j;

	take(f, 5);
	assert_int_equal(judge(f, &f->a, 1, 5).verdict, SYNC_DUPLICATE);
	j = judge(f, &f->a, 2, 4);
	assert_int_equal(j.verdict, SYNC_COMPARE);
	assert_int_equal(j.compare_seq, 4);
	assert_int_equal(sync_in_compared(&f->in, &b, f->a.heads[4]), SYNC_DUPLICATE);
	assert_int_equal(sync_in_compared(&f->in, &b, NULL), SYNC_DUPLICATE);
	assert_false(f->in.is_forked);
}

static void gap_is_asked_for_and_not_kept(void **state)
{
	struct fixture *f = *state;
	struct sync_judged j;

	take(f, 5);
	j = judge(f, &f->a, 7, 9);
	assert_int_equal(j.verdict, SYNC_GAP);
	assert_int_equal(j.pull_from, 6);
	assert_int_equal(f->in.accepted.seq, 5);
}

static void other_history_is_a_fork_and_stops(void **state)
{
	struct fixture *f = *state;

	take(f, 15);
	assert_int_equal(judge(f, &f->b, 14, 18).verdict, SYNC_FORK);
	assert_true(f->in.is_forked);
	assert_int_equal(f->in.accepted.seq, 15);
	assert_int_equal(judge(f, &f->a, 16, 18).verdict, SYNC_STOPPED);
}

static void fork_at_the_last_item_is_seen(void **state)
{
	struct fixture *f = *state;

	take(f, 15);
	assert_int_equal(judge(f, &f->b, 15, 15).verdict, SYNC_FORK);
}

static void fork_in_the_past_is_seen_by_comparison(void **state)
{
	struct fixture *f = *state;
	struct sync_batch b = stream_batch(&f->b, 11, 13);

	take(f, 15);
	assert_int_equal(judge(f, &f->b, 11, 13).verdict, SYNC_COMPARE);
	assert_int_equal(sync_in_compared(&f->in, &b, f->a.heads[13]), SYNC_FORK);
}

static void changed_item_is_tampering_not_a_fork(void **state)
{
	struct fixture *f = *state;

	take(f, 5);
	f->a.items[7][0] ^= 1; /* after the heads were made: a byte flipped on the way */
	assert_int_equal(judge(f, &f->a, 6, 8).verdict, SYNC_TAMPERED);
	assert_false(f->in.is_forked);
	f->a.items[7][0] ^= 1;
	assert_int_equal(judge(f, &f->a, 6, 8).verdict, SYNC_PERSIST);
}

static void dropped_and_swapped_items_are_tampering(void **state)
{
	struct fixture *f = *state;
	struct sync_batch b = stream_batch(&f->a, 6, 9);
	ProtobufCBinaryData items[4];
	struct sync_judged j;

	take(f, 5);
	memcpy(items, b.items, sizeof(items));
	items[1] = b.items[2];
	items[2] = b.items[1];
	b.items = items;
	sync_in_batch(&f->in, &b, &j);
	assert_int_equal(j.verdict, SYNC_TAMPERED);
	items[1] = items[2] = f->a.views[8];
	b.n = 3;
	sync_in_batch(&f->in, &b, &j);
	assert_int_equal(j.verdict, SYNC_TAMPERED);
	assert_int_equal(f->in.accepted.seq, 5);
}

static void batch_without_sense_is_tampering(void **state)
{
	struct fixture *f = *state;
	struct sync_batch b = stream_batch(&f->a, 1, 3);
	struct sync_judged j;

	b.n = 0;
	sync_in_batch(&f->in, &b, &j);
	assert_int_equal(j.verdict, SYNC_TAMPERED);
	b = stream_batch(&f->a, 1, 3);
	b.first_seq = 0;
	sync_in_batch(&f->in, &b, &j);
	assert_int_equal(j.verdict, SYNC_TAMPERED);
	b = stream_batch(&f->a, 1, 3);
	b.first_seq = UINT64_MAX;
	sync_in_batch(&f->in, &b, &j);
	assert_int_equal(j.verdict, SYNC_TAMPERED);
	b = stream_batch(&f->a, 1, 3);
	b.signed_seq = 4;
	sync_in_batch(&f->in, &b, &j);
	assert_int_equal(j.verdict, SYNC_TAMPERED);
}

static void failed_write_forgets_what_is_not_durable(void **state)
{
	struct fixture *f = *state;

	take(f, 5);
	assert_int_equal(judge(f, &f->a, 6, 8).verdict, SYNC_PERSIST);
	sync_in_reset(&f->in);
	assert_int_equal(f->in.accepted.seq, 5);
	assert_int_equal(judge(f, &f->a, 6, 8).verdict, SYNC_PERSIST);
}

static void persisted_in_part_leaves_the_rest_pending(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(judge(f, &f->a, 1, 3).verdict, SYNC_PERSIST);
	assert_int_equal(judge(f, &f->a, 4, 6).verdict, SYNC_PERSIST);
	sync_in_persisted(&f->in, 3, f->a.heads[3]);
	assert_int_equal(f->in.durable.seq, 3);
	sync_in_persisted(&f->in, 2, f->a.heads[2]); /* late news moves nothing back */
	assert_int_equal(f->in.durable.seq, 3);
	sync_in_reset(&f->in);
	assert_memory_equal(f->in.accepted.head, f->a.heads[3], HEAD_BYTES);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(batch_that_extends_is_persisted),
		T(overlap_is_skipped),
		T(duplicate_is_told_at_the_end_and_compared_before_it),
		T(gap_is_asked_for_and_not_kept),
		T(other_history_is_a_fork_and_stops),
		T(fork_at_the_last_item_is_seen),
		T(fork_in_the_past_is_seen_by_comparison),
		T(changed_item_is_tampering_not_a_fork),
		T(dropped_and_swapped_items_are_tampering),
		T(batch_without_sense_is_tampering),
		T(failed_write_forgets_what_is_not_durable),
		T(persisted_in_part_leaves_the_rest_pending),
	};

	return cmocka_run_group_tests_name("sync_in", tests, NULL, NULL);
}
