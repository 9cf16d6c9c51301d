/* Windows and turns. */
#include "relay_fixture.h"

static void link_hq(struct fixture *f, uint64_t window)
{
	hq_open(f, window);
}

/* Store 1 has 100,000 entries waiting; the window is 64 KiB, a batch 8 KiB. */
static void backlog_delays_another_store_by_at_most_one_window(void **state)
{
	struct fixture *f = *state;
	const uint64_t window = 64 * 1024;
	uint64_t granted = window, sent = 0, at_arrival;
	bool is_through = false;

	f->send_items = 100;
	f->send_bytes = 8 * 1024;
	know_at(f, 1, 0, 100000);
	know(f, 2);
	link_hq(f, window);
	hq_resume(f, 2, 0, 0);
	store_hello(f, 2, 0);
	hq_resume(f, 1, 0, 0);
	sent += count(f, RELAY_DO_SEND, 1) * f->send_bytes;
	assert_int_equal(sent, window); /* it fills the window and stops */
	store_batch(f, 2, 0, 1, 1);
	commit(f);
	at_arrival = sent;
	while (!is_through) {
		granted += f->send_bytes; /* HQ takes one batch after another */
		step(f, (struct relay_event){ .kind = RELAY_HQ_CREDIT, .window_bytes = granted });
		for (size_t i = 0; i < f->n; i++) {
			if (f->log[i].kind != RELAY_DO_SEND)
				continue;
			if (f->log[i].node == 2) {
				is_through = true;
				break;
			}
			sent += f->send_bytes;
		}
		assert_true(sent - at_arrival <= window);
	}
	assert_true(sent - at_arrival <= f->send_bytes); /* it was next in turn */
}

static void stores_take_turns_of_one_batch(void **state)
{
	struct fixture *f = *state;
	size_t n[4] = { 0 };

	f->send_items = 10;
	for (int32_t node = 1; node <= 3; node++)
		know_at(f, node, 0, 200);
	link_hq(f, 0);
	for (int32_t node = 1; node <= 3; node++)
		hq_resume(f, node, 0, 0);
	step(f, (struct relay_event){ .kind = RELAY_HQ_CREDIT, .window_bytes = 80 * 12 });
	for (size_t i = 0; i < f->n; i++) {
		if (f->log[i].kind == RELAY_DO_SEND)
			n[f->log[i].node]++;
	}
	assert_int_equal(n[1], 4);
	assert_int_equal(n[2], 4);
	assert_int_equal(n[3], 4);
}

static void window_passes_its_edge_by_one_batch_at_most(void **state)
{
	struct fixture *f = *state;

	f->send_items = 1;
	f->send_bytes = 1000;
	know_at(f, 1, 0, 100);
	link_hq(f, 2500);
	hq_resume(f, 1, 0, 0);
	assert_int_equal(count(f, RELAY_DO_SEND, 1), 3);
	step(f, (struct relay_event){ .kind = RELAY_HQ_CREDIT, .window_bytes = 2000 });
	assert_int_equal(count(f, RELAY_DO_SEND, 1), 0); /* an old credit */
	step(f, (struct relay_event){ .kind = RELAY_HQ_CREDIT, .window_bytes = 3001 });
	assert_int_equal(count(f, RELAY_DO_SEND, 1), 1);
}

static void full_queue_stops_and_resumes(void **state)
{
	struct fixture *f = *state;

	know_at(f, 1, 0, 100);
	link_hq(f, 1 << 20);
	f->is_blocked = true;
	hq_resume(f, 1, 0, 0);
	assert_int_equal(count(f, RELAY_DO_SEND, 1), 1);
	tick(f, 5);
	assert_int_equal(count(f, RELAY_DO_SEND, 1), 0);
	f->is_blocked = false;
	step(f, (struct relay_event){ .kind = RELAY_WRITABLE });
	assert_int_equal(find(f, RELAY_DO_SEND, 1)->at.seq, 1);
	assert_int_equal(count(f, RELAY_DO_SEND, 1), 10);
}

static void store_that_passes_its_window_is_refused(void **state)
{
	struct fixture *f = *state;

	step(f, (struct relay_event){ .kind = RELAY_HQ_GONE });
	know(f, 1);
	store_hello(f, 1, 0);
	f->extra_bytes = 4096;
	store_batch(f, 1, 0, 1, 1);
	assert_non_null(find(f, RELAY_DO_PERSIST, 1)); /* one batch may pass the edge */
	store_batch(f, 1, 0, 2, 2);
	assert_null(find(f, RELAY_DO_PERSIST, 1));
	assert_true(has_alarm(f, RELAY_ALARM_WINDOW));
	assert_string_equal(find(f, RELAY_DO_REFUSE, 1)->code, "window");
}

static void credit_comes_back_when_it_is_durable(void **state)
{
	struct fixture *f = *state;

	step(f, (struct relay_event){ .kind = RELAY_HQ_GONE });
	know(f, 1);
	store_hello(f, 1, 0);
	f->extra_bytes = 2000;
	store_batch(f, 1, 0, 1, 1);
	tick(f, 50);
	assert_null(find(f, RELAY_DO_CREDIT, 1));
	commit(f);
	assert_int_equal(find(f, RELAY_DO_CREDIT, 1)->total, 4096 + 2008);
}

static void slow_store_holds_nobody_up(void **state)
{
	struct fixture *f = *state;

	f->send_items = 1;
	f->send_bytes = 5000;
	step(f, (struct relay_event){ .kind = RELAY_HQ_GONE });
	for (int32_t node = 1; node <= 2; node++) {
		know(f, node);
		store_hello(f, node, 0);
	}
	link_hq(f, 1 << 20);
	hq_batch(f, 1, 1, 5);
	commit(f);
	assert_int_equal(count(f, RELAY_DO_SEND, 1), 1); /* its window is used up */
	hq_batch(f, 2, 1, 1);
	commit(f);
	assert_int_equal(count(f, RELAY_DO_SEND, 2), 1);
	assert_int_equal(count(f, RELAY_DO_SEND, 1), 0);
	simple(f, RELAY_STORE_CREDIT, 1, 9096);
	assert_int_equal(count(f, RELAY_DO_SEND, 1), 1);
}

static void many_stores_are_presented_over_several_events(void **state)
{
	struct fixture *f = *state;
	size_t n;

	for (int32_t node = 1; node <= 64; node++)
		know(f, node);
	link_hq(f, 1 << 20);
	n = count(f, RELAY_DO_PRESENT, 0);
	assert_in_range(n, 1, 63);
	assert_int_equal(relay_deadline_ms(f->relay), 0);
	tick(f, 0);
	n += count(f, RELAY_DO_PRESENT, 0);
	tick(f, 0);
	n += count(f, RELAY_DO_PRESENT, 0);
	assert_int_equal(n, 64);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(backlog_delays_another_store_by_at_most_one_window),
		T(stores_take_turns_of_one_batch),
		T(window_passes_its_edge_by_one_batch_at_most),
		T(full_queue_stops_and_resumes),
		T(store_that_passes_its_window_is_refused),
		T(credit_comes_back_when_it_is_durable),
		T(slow_store_holds_nobody_up),
		T(many_stores_are_presented_over_several_events),
	};

	return cmocka_run_group_tests_name("relay_fairness", tests, NULL, NULL);
}
