/* What the relay decides: where streams start, when it acks, what it does about bad peers. */
#include "relay_fixture.h"

/* HQ was tried and is out of reach: stores are welcomed at once. */
static void hq_away(struct fixture *f)
{
	step(f, (struct relay_event){ .kind = RELAY_HQ_GONE });
}

/* Store 1 is online, HQ is away, and [1, n] is durable in the spool. */
static void spool_some(struct fixture *f, uint64_t n)
{
	hq_away(f);
	know(f, 1);
	store_hello(f, 1, 0);
	if (n > 0) {
		store_batch(f, 1, 0, 1, n);
		commit(f);
	}
	tick(f, 20);
	f->now_ms += 20; /* so that the next ack is not held back */
}

static void unknown_store_is_refused(void **state)
{
	struct fixture *f = *state;

	store_hello(f, 9, 0);
	assert_int_equal(f->last_err, ERR_UNKNOWN_NODE);
	know(f, 9);
	step(f, (struct relay_event){ .kind = RELAY_KNOWN, .node = 9, .incarnation = 1 });
	store_hello(f, 9, 0); /* known, but no longer listed */
	assert_int_equal(f->last_err, ERR_UNKNOWN_NODE);
	assert_null(find(f, RELAY_DO_WELCOME, 0));
}

static void table_is_bounded(void **state)
{
	struct fixture *f = *state;

	for (int32_t node = 1; node <= 64; node++)
		know(f, node);
	assert_int_equal(f->last_err, 0);
	know(f, 65);
	assert_int_equal(f->last_err, ERR_FULL);
	assert_true(has_alarm(f, RELAY_ALARM_TABLE_FULL));
}

static void batch_before_hello_is_refused(void **state)
{
	struct fixture *f = *state;

	know(f, 1);
	store_batch(f, 1, 0, 1, 5);
	assert_int_equal(f->last_err, ERR_STATE);
	assert_string_equal(find(f, RELAY_DO_REFUSE, 1)->code, "hello_first");
	assert_null(find(f, RELAY_DO_PERSIST, 0));
}

static void ack_comes_after_the_commit_only(void **state)
{
	struct fixture *f = *state;

	spool_some(f, 0);
	store_batch(f, 1, 0, 1, 5);
	assert_non_null(find(f, RELAY_DO_PERSIST, 1));
	assert_null(find(f, RELAY_DO_ACK, 0));
	tick(f, 50);
	assert_null(find(f, RELAY_DO_ACK, 0)); /* time alone does not make it durable */
	commit(f);
	assert_int_equal(find(f, RELAY_DO_ACK, 1)->at.seq, 5);
	assert_int_equal(find(f, RELAY_DO_ACK, 1)->stage, TRIB__V1__STAGE__RELAYED);
}

static void acks_are_ten_milliseconds_apart(void **state)
{
	struct fixture *f = *state;
	uint64_t acked_ms = 0, acked_seq = 0;

	spool_some(f, 0);
	for (uint64_t seq = 1; seq <= 120; seq++) {
		if (seq <= 100)
			store_batch(f, 1, 0, seq, seq);
		commit(f);
		for (int i = 0; i < 2; i++) {
			const struct relay_effect *ack = find(f, RELAY_DO_ACK, 1);

			if (ack != NULL) {
				assert_true(f->now_ms >= acked_ms + RELAY_ACK_INTERVAL_MS);
				acked_ms = f->now_ms;
				acked_seq = ack->at.seq;
			}
			tick(f, 1 - (uint64_t)i);
		}
	}
	assert_int_equal(acked_seq, 100);
}

static void duplicate_is_acked_again_not_written(void **state)
{
	struct fixture *f = *state;

	spool_some(f, 5);
	store_batch(f, 1, 0, 1, 5);
	assert_null(find(f, RELAY_DO_PERSIST, 0));
	assert_int_equal(find(f, RELAY_DO_ACK, 1)->at.seq, 5);
	tick(f, 20);
	store_batch(f, 1, 0, 2, 3);
	assert_int_equal(find(f, RELAY_DO_ACK, 1)->at.seq, 5);
}

static void gap_is_pulled_once_a_second(void **state)
{
	struct fixture *f = *state;

	spool_some(f, 5);
	store_batch(f, 1, 0, 8, 9);
	assert_int_equal(find(f, RELAY_DO_PULL, 1)->at.seq, 6);
	tick(f, 20);
	store_batch(f, 1, 0, 10, 11); /* was under way behind the gap */
	assert_null(find(f, RELAY_DO_PULL, 1));
	tick(f, 1000);
	store_batch(f, 1, 0, 12, 13); /* the pull or its answer was lost */
	assert_int_equal(find(f, RELAY_DO_PULL, 1)->at.seq, 6);
}

static void fork_is_kept_as_evidence_and_stops_the_stream(void **state)
{
	struct fixture *f = *state;
	struct relay_store_view v;

	spool_some(f, 15);
	store_batch(f, 1, 7, 12, 18);
	assert_non_null(find(f, RELAY_DO_EVIDENCE, 1));
	assert_true(has_alarm(f, RELAY_ALARM_FORK));
	assert_string_equal(find(f, RELAY_DO_REFUSE, 1)->code, "fork");
	commit(f);
	store_batch(f, 1, 0, 16, 18);
	assert_null(find(f, RELAY_DO_PERSIST, 0));
	assert_string_equal(find(f, RELAY_DO_REFUSE, 1)->code, "fork");
	assert_int_equal(relay_find(f->relay, 1, 1, &v), 0);
	assert_true(v.is_forked);
	assert_int_equal(v.spooled_seq, 15);
}

static void tampered_batch_alarms_and_leaves_no_trace(void **state)
{
	struct fixture *f = *state;
	struct relay_event ev = { .kind = RELAY_STORE_BATCH, .node = 1, .incarnation = 1 };

	spool_some(f, 5);
	store_batch(f, 1, 0, 6, 8);
	step(f, (struct relay_event){ .kind = RELAY_COMMIT_FAILED });
	tick(f, 2000);
	f->bytes[1][0] ^= 1;
	ev.batch = (struct relay_batch){ .batch = &f->batch, .bytes = 24 };
	step(f, ev);
	assert_true(has_alarm(f, RELAY_ALARM_TAMPERED));
	assert_string_equal(find(f, RELAY_DO_REFUSE, 1)->code, "tampered");
	f->bytes[1][0] ^= 1;
	step(f, ev);
	assert_non_null(find(f, RELAY_DO_PERSIST, 1));
}

static void failed_commit_asks_for_it_again_later(void **state)
{
	struct fixture *f = *state;

	spool_some(f, 5);
	store_batch(f, 1, 0, 6, 8);
	step(f, (struct relay_event){ .kind = RELAY_COMMIT_FAILED });
	assert_null(find(f, RELAY_DO_ACK, 0));
	assert_null(find(f, RELAY_DO_PULL, 0));
	tick(f, 1001);
	assert_int_equal(find(f, RELAY_DO_PULL, 1)->at.seq, 6);
	tick(f, 20);
	store_batch(f, 1, 0, 6, 8);
	commit(f);
	assert_int_equal(find(f, RELAY_DO_ACK, 1)->at.seq, 8);
}

/* ---- where a stream starts ---- */

static void first_store_in_an_outage_starts_at_its_seed(void **state)
{
	struct fixture *f = *state;
	uint8_t seed[HEAD_BYTES];

	hq_away(f);
	know(f, 1);
	store_hello(f, 1, 0);
	stream_head(UP, 1, 0, 0, seed);
	assert_int_equal(find(f, RELAY_DO_WELCOME, 1)->at.seq, 0);
	assert_memory_equal(find(f, RELAY_DO_WELCOME, 1)->at.head, seed, HEAD_BYTES);
}

static void empty_spool_waits_for_hq_and_starts_at_its_signed_position(void **state)
{
	struct fixture *f = *state;
	uint8_t head[HEAD_BYTES];

	know(f, 1);
	hq_open(f, 1 << 20);
	store_hello(f, 1, 0);
	tick(f, 100);
	assert_null(find(f, RELAY_DO_WELCOME, 0));
	hq_resume(f, 1, 0, 40);
	assert_int_equal(find(f, RELAY_DO_REBASE, 1)->at.seq, 40);
	assert_non_null(find(f, RELAY_DO_KEEP_BOOKED, 1));
	assert_null(find(f, RELAY_DO_WELCOME, 0)); /* not before it is durable */
	commit(f);
	stream_head(UP, 1, 0, 40, head);
	assert_int_equal(find(f, RELAY_DO_WELCOME, 1)->at.seq, 40);
	assert_memory_equal(find(f, RELAY_DO_WELCOME, 1)->at.head, head, HEAD_BYTES);
	store_batch(f, 1, 0, 41, 45);
	commit(f);
	assert_int_equal(find(f, RELAY_DO_SEND, 1)->at.seq, 41);
}

static void silent_hq_does_not_keep_a_store_waiting(void **state)
{
	struct fixture *f = *state;

	know(f, 1);
	hq_open(f, 1 << 20);
	store_hello(f, 1, 0);
	tick(f, RELAY_WELCOME_WAIT_MS - 1);
	assert_null(find(f, RELAY_DO_WELCOME, 1));
	tick(f, RELAY_SWEEP_MS + 1);
	tick(f, 1); /* what a sweep finds due leaves with the next event */
	store_batch(f, 1, 0, 1, 2);
	assert_non_null(find(f, RELAY_DO_PERSIST, 1));
}

static void spool_with_content_never_jumps(void **state)
{
	struct fixture *f = *state;

	spool_some(f, 20);
	hq_open(f, 1 << 20);
	assert_int_equal(find(f, RELAY_DO_PRESENT, 1)->at.seq, 20);
	hq_resume(f, 1, 0, 30); /* another relay had more */
	assert_null(find(f, RELAY_DO_REBASE, 0));
	assert_null(find(f, RELAY_DO_SEND, 0));
	commit(f);
	store_batch(f, 1, 0, 21, 32);
	commit(f);
	assert_int_equal(find(f, RELAY_DO_PRESENT, 1)->at.seq, 32); /* it has caught up */
	hq_resume(f, 1, 0, 30);
	assert_int_equal(find(f, RELAY_DO_SEND, 1)->at.seq, 31);
}

static void restored_hq_gets_again_what_it_lost(void **state)
{
	struct fixture *f = *state;

	know_at(f, 1, 0, 50);
	hq_open(f, 1 << 20);
	hq_resume(f, 1, 0, 50);
	commit(f);
	step(f, (struct relay_event){ .kind = RELAY_HQ_GONE });
	hq_open(f, 1 << 20);
	hq_resume(f, 1, 0, 30);
	assert_true(has_alarm(f, RELAY_ALARM_HQ_BEHIND));
	assert_int_equal(find(f, RELAY_DO_SEND, 1)->at.seq, 31);
}

static void hq_before_the_spools_start_is_fetched_from_the_store(void **state)
{
	struct fixture *f = *state;

	know_at(f, 1, 30, 50);
	hq_open(f, 1 << 20);
	store_hello(f, 1, 0);
	hq_resume(f, 1, 0, 20);
	assert_int_equal(find(f, RELAY_DO_REBASE, 1)->at.seq, 20);
	commit(f);
	tick(f, 20);
	store_batch(f, 1, 0, 21, 40);
	assert_non_null(find(f, RELAY_DO_PERSIST, 1));
	commit(f);
	assert_int_equal(find(f, RELAY_DO_SEND, 1)->at.seq, 21);
}

static void resume_of_another_history_opens_nothing(void **state)
{
	struct fixture *f = *state;

	spool_some(f, 20);
	hq_open(f, 1 << 20);
	hq_resume(f, 1, 5, 15);
	assert_true(has_alarm(f, RELAY_ALARM_BOOKS_DIFFER));
	assert_null(find(f, RELAY_DO_SEND, 0));
	assert_null(find(f, RELAY_DO_KEEP_BOOKED, 0));
}

/* ---- HQ's acks ---- */

static void booked_ack_is_kept_and_passed_on(void **state)
{
	struct fixture *f = *state;

	spool_some(f, 20);
	hq_open(f, 1 << 20);
	hq_resume(f, 1, 0, 0);
	f->now_ms += 20;
	hq_ack(f, 1, 0, 10);
	assert_non_null(find(f, RELAY_DO_KEEP_BOOKED, 1));
	commit(f);
	assert_non_null(find(f, RELAY_DO_PASS_BOOKED, 1));
	hq_ack(f, 1, 0, 10); /* replayed */
	assert_null(find(f, RELAY_DO_KEEP_BOOKED, 0));
	hq_ack(f, 1, 0, 5);
	assert_null(find(f, RELAY_DO_KEEP_BOOKED, 0));
}

static void ack_of_another_history_alarms_and_moves_nothing(void **state)
{
	struct fixture *f = *state;
	struct relay_store_view v;

	spool_some(f, 20);
	hq_open(f, 1 << 20);
	hq_resume(f, 1, 0, 0);
	hq_ack(f, 1, 5, 15);
	assert_true(has_alarm(f, RELAY_ALARM_ACK_MISMATCH));
	assert_null(find(f, RELAY_DO_KEEP_BOOKED, 0));
	assert_int_equal(relay_find(f->relay, 1, 1, &v), 0);
	assert_int_equal(v.booked_seq, 0);
}

static void hq_pull_sends_again(void **state)
{
	struct fixture *f = *state;

	spool_some(f, 20);
	hq_open(f, 1 << 20);
	hq_resume(f, 1, 0, 0);
	assert_int_equal(count(f, RELAY_DO_SEND, 1), 2);
	simple(f, RELAY_HQ_PULL, 1, 11);
	assert_int_equal(find(f, RELAY_DO_SEND, 1)->at.seq, 11);
}

static void reconnect_sends_what_was_not_booked(void **state)
{
	struct fixture *f = *state;

	spool_some(f, 20);
	hq_open(f, 1 << 20);
	hq_resume(f, 1, 0, 0);
	hq_ack(f, 1, 0, 10);
	commit(f);
	step(f, (struct relay_event){ .kind = RELAY_HQ_GONE });
	tick(f, 1000);
	assert_null(find(f, RELAY_DO_SEND, 0));
	hq_open(f, 1 << 20);
	assert_null(find(f, RELAY_DO_SEND, 0)); /* R7 */
	hq_resume(f, 1, 0, 10);
	assert_int_equal(find(f, RELAY_DO_SEND, 1)->at.seq, 11);
}

/* ---- down ---- */

static void down_message_is_durable_before_it_goes_on(void **state)
{
	struct fixture *f = *state;

	spool_some(f, 0);
	hq_open(f, 1 << 20);
	hq_resume(f, 1, 0, 0);
	f->now_ms += 20;
	hq_batch(f, 1, 1, 5);
	assert_non_null(find(f, RELAY_DO_PERSIST, 1));
	assert_null(find(f, RELAY_DO_SEND, 0));
	commit(f);
	assert_int_equal(find(f, RELAY_DO_SEND, 1)->to, RELAY_TO_STORE);
	assert_int_equal(find(f, RELAY_DO_ACK, 1)->stage, TRIB__V1__STAGE__RELAYED);
	simple(f, RELAY_STORE_ACK, 1, 5);
	tick(f, 20);
	assert_int_equal(find(f, RELAY_DO_ACK, 1)->stage, TRIB__V1__STAGE__APPLIED);
	f->now_ms += 20;
	simple(f, RELAY_STORE_ACK, 1, 9); /* never sent: no word of it to HQ */
	assert_null(find(f, RELAY_DO_ACK, 1));
}

static void store_ahead_of_an_empty_relay_waits_for_hq(void **state)
{
	struct fixture *f = *state;

	hq_away(f);
	know(f, 1);
	store_hello(f, 1, 8); /* it has applied more than is here */
	hq_open(f, 1 << 20);
	hq_resume(f, 1, 0, 0);
	hq_batch(f, 1, 1, 5);
	commit(f);
	assert_null(find(f, RELAY_DO_SEND, 0));
	hq_batch(f, 1, 6, 10);
	commit(f);
	assert_int_equal(find(f, RELAY_DO_SEND, 1)->at.seq, 9);
}

static void down_gap_is_pulled_from_hq(void **state)
{
	struct fixture *f = *state;

	spool_some(f, 0);
	hq_open(f, 1 << 20);
	tick(f, 20);
	hq_batch(f, 1, 4, 5);
	assert_int_equal(find(f, RELAY_DO_PULL, 1)->at.seq, 1);
	assert_int_equal(find(f, RELAY_DO_PULL, 1)->to, RELAY_TO_HQ);
}

/* ---- links ---- */

static void silent_store_is_gone(void **state)
{
	struct fixture *f = *state;
	struct relay_store_view v;

	spool_some(f, 0);
	tick(f, RELAY_SILENCE_MS);
	assert_true(has_alarm(f, RELAY_ALARM_STORE_SILENT));
	assert_int_equal(relay_find(f->relay, 1, 1, &v), 0);
	assert_int_equal(v.link, RELAY_STORE_OFFLINE);
}

static void heartbeats_go_both_ways(void **state)
{
	struct fixture *f = *state;
	size_t to_store = 0, to_hq = 0;

	spool_some(f, 0);
	hq_open(f, 1 << 20);
	for (int i = 0; i < 30; i++) {
		tick(f, 500);
		to_store += count(f, RELAY_DO_HEARTBEAT, 1);
		to_hq += count(f, RELAY_DO_HEARTBEAT, 0) - count(f, RELAY_DO_HEARTBEAT, 1);
		simple(f, RELAY_STORE_HEARD, 1, 0);
		simple(f, RELAY_HQ_HEARD, 0, 0);
	}
	assert_in_range(to_store, 2, 4);
	assert_in_range(to_hq, 2, 4);
}

static void silent_hq_restarts_the_link(void **state)
{
	struct fixture *f = *state;

	hq_open(f, 1 << 20);
	tick(f, RELAY_SILENCE_MS);
	assert_true(has_alarm(f, RELAY_ALARM_HQ_SILENT));
	assert_non_null(find(f, RELAY_DO_RESTART, 0));
}

static void uplink_that_books_nothing_alarms(void **state)
{
	struct fixture *f = *state;
	bool seen = false;

	spool_some(f, 5);
	hq_open(f, 1 << 20);
	hq_resume(f, 1, 0, 0);
	for (uint64_t t = 0; t <= RELAY_STALL_MS + 2000; t += 1000) {
		tick(f, 1000);
		seen |= has_alarm(f, RELAY_ALARM_STALLED);
		simple(f, RELAY_HQ_HEARD, 0, 0);
	}
	assert_true(seen);
}

static void rolled_back_store_alarms(void **state)
{
	struct fixture *f = *state;
	struct relay_event ev = { .kind = RELAY_STORE_HELLO, .node = 1, .incarnation = 1 };

	spool_some(f, 20);
	ev.hello = (struct relay_hello){ .window_bytes = 4096, .journal_seq = 12 };
	step(f, ev);
	assert_true(has_alarm(f, RELAY_ALARM_STORE_BEHIND));
	assert_int_equal(find(f, RELAY_DO_WELCOME, 1)->at.seq, 20); /* the store must know */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(unknown_store_is_refused),
		T(table_is_bounded),
		T(batch_before_hello_is_refused),
		T(ack_comes_after_the_commit_only),
		T(acks_are_ten_milliseconds_apart),
		T(duplicate_is_acked_again_not_written),
		T(gap_is_pulled_once_a_second),
		T(fork_is_kept_as_evidence_and_stops_the_stream),
		T(tampered_batch_alarms_and_leaves_no_trace),
		T(failed_commit_asks_for_it_again_later),
		T(first_store_in_an_outage_starts_at_its_seed),
		T(empty_spool_waits_for_hq_and_starts_at_its_signed_position),
		T(silent_hq_does_not_keep_a_store_waiting),
		T(spool_with_content_never_jumps),
		T(restored_hq_gets_again_what_it_lost),
		T(hq_before_the_spools_start_is_fetched_from_the_store),
		T(resume_of_another_history_opens_nothing),
		T(booked_ack_is_kept_and_passed_on),
		T(ack_of_another_history_alarms_and_moves_nothing),
		T(hq_pull_sends_again),
		T(reconnect_sends_what_was_not_booked),
		T(down_message_is_durable_before_it_goes_on),
		T(store_ahead_of_an_empty_relay_waits_for_hq),
		T(down_gap_is_pulled_from_hq),
		T(silent_store_is_gone),
		T(heartbeats_go_both_ways),
		T(silent_hq_restarts_the_link),
		T(uplink_that_books_nothing_alarms),
		T(rolled_back_store_alarms),
	};

	return cmocka_run_group_tests_name("relay_core", tests, NULL, NULL);
}
