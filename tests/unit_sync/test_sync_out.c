/* The sender of a stream. */
#include "stream_fixture.h"

static void closed_sender_sends_nothing(void **state)
{
	struct sync_out s;

	(void)state;
	sync_out_init(&s, 10);
	assert_int_equal(sync_out_next(&s), 0);
	assert_false(sync_out_ack(&s, 1));
	assert_false(sync_out_pull(&s, 1));
}

static void open_sends_what_the_peer_lacks(void **state)
{
	struct sync_out s;

	(void)state;
	sync_out_init(&s, 10);
	assert_int_equal(sync_out_open(&s, 4), 0);
	assert_int_equal(sync_out_next(&s), 5);
	sync_out_sent(&s, 8);
	assert_int_equal(sync_out_next(&s), 9);
	sync_out_sent(&s, 10);
	assert_int_equal(sync_out_next(&s), 0);
	sync_out_extend(&s, 11);
	assert_int_equal(sync_out_next(&s), 11);
}

static void peer_ahead_of_us_is_not_opened(void **state)
{
	struct sync_out s;

	(void)state;
	sync_out_init(&s, 10);
	assert_int_equal(sync_out_open(&s, 11), ERR_STATE);
	assert_false(s.is_open);
	assert_int_equal(sync_out_open(&s, 10), 0);
}

static void what_was_not_acked_is_sent_again_after_a_cut(void **state)
{
	struct sync_out s;

	(void)state;
	sync_out_init(&s, 10);
	assert_int_equal(sync_out_open(&s, 0), 0);
	sync_out_sent(&s, 10);
	assert_true(sync_out_ack(&s, 3));
	sync_out_close(&s);
	assert_int_equal(s.sent_seq, 3);
	assert_int_equal(sync_out_open(&s, 6), 0); /* its ack was lost */
	assert_int_equal(sync_out_next(&s), 7);
}

static void acks_move_forward_only_and_never_past_what_was_sent(void **state)
{
	struct sync_out s;

	(void)state;
	sync_out_init(&s, 10);
	assert_int_equal(sync_out_open(&s, 0), 0);
	sync_out_sent(&s, 6);
	assert_true(sync_out_ack(&s, 4));
	assert_false(sync_out_ack(&s, 4));
	assert_false(sync_out_ack(&s, 3));
	assert_false(sync_out_ack(&s, 7));
	assert_int_equal(s.acked_seq, 4);
}

static void pull_sends_again_even_what_was_acked(void **state)
{
	struct sync_out s;

	(void)state;
	sync_out_init(&s, 10);
	assert_int_equal(sync_out_open(&s, 0), 0);
	sync_out_sent(&s, 8);
	assert_true(sync_out_ack(&s, 5));
	assert_true(sync_out_pull(&s, 7));
	assert_int_equal(sync_out_next(&s), 7);
	assert_int_equal(s.acked_seq, 5);
	assert_true(sync_out_pull(&s, 3));
	assert_int_equal(s.acked_seq, 2);
	assert_false(sync_out_pull(&s, 0));
	assert_false(sync_out_pull(&s, 4)); /* beyond what was sent, plus one */
}

static void window_moves_forward_only(void **state)
{
	struct sync_window w = { .granted = 100 };

	(void)state;
	assert_true(sync_window_is_open(&w));
	w.used = 100;
	assert_false(sync_window_is_open(&w));
	sync_window_credit(&w, 90);
	assert_int_equal(w.granted, 100);
	sync_window_credit(&w, 150);
	sync_window_credit(&w, 150);
	assert_true(sync_window_is_open(&w));
	w.used = 149;
	assert_true(sync_window_is_open(&w)); /* one batch may pass the edge */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(closed_sender_sends_nothing),
		cmocka_unit_test(open_sends_what_the_peer_lacks),
		cmocka_unit_test(peer_ahead_of_us_is_not_opened),
		cmocka_unit_test(what_was_not_acked_is_sent_again_after_a_cut),
		cmocka_unit_test(acks_move_forward_only_and_never_past_what_was_sent),
		cmocka_unit_test(pull_sends_again_even_what_was_acked),
		cmocka_unit_test(window_moves_forward_only),
	};

	return cmocka_run_group_tests_name("sync_out", tests, NULL, NULL);
}
