/* The core's side of the link: what is sent, whose word moves what, and the down log. */
#include <string.h>

#include "shop.h"

static void link_up(struct shop *s)
{
	struct agent_event ev = { .kind = AGENT_LINK_UP };

	assert_int_equal(shop_step(s, &ev), 0);
	assert_non_null(shop_effect(s, AGENT_SEND_HELLO));
}

static struct agent_event welcome(struct shop *s, uint64_t relayed)
{
	static uint8_t head[HEAD_BYTES];
	struct agent_event ev = { .kind = AGENT_WELCOME };

	ev.welcome.window_bytes = 1u << 20;
	ev.welcome.clock_ms = s->wall_ms;
	ev.welcome.relayed.present = true;
	ev.welcome.relayed.at.seq = relayed;
	if (journal_head_at(s->journal, relayed, head)) {
		memcpy(ev.welcome.relayed.at.head, head, HEAD_BYTES);
		ev.welcome.relayed.own_head = head;
	}
	return ev;
}

static void go_online(struct shop *s)
{
	struct agent_event ev;

	link_up(s);
	ev = welcome(s, 0);
	assert_int_equal(shop_step(s, &ev), 0);
	assert_true(agent_is_online(s->agent, s->now_ms));
}

/* Answer the SEND_BATCH that the core wants; its last seq. */
static uint64_t send_wanted(struct shop *s)
{
	const struct agent_effect *e = shop_effect(s, AGENT_SEND_BATCH);
	struct agent_event ev = { .kind = AGENT_BATCH_SENT };

	assert_non_null(e);
	ev.sent.last_seq = e->send.end_seq;
	ev.sent.bytes = 1000;
	assert_int_equal(shop_step(s, &ev), 0);
	return ev.sent.last_seq;
}

static struct agent_event booked(struct shop *s, uint64_t seq)
{
	static uint8_t head[HEAD_BYTES];
	struct agent_event ev = { .kind = AGENT_ACK };

	ev.ack.is_booked = true;
	ev.ack.seq = seq;
	ev.ack.booked.present = true;
	ev.ack.booked.at.seq = seq;
	if (journal_head_at(s->journal, seq, head)) {
		memcpy(ev.ack.booked.at.head, head, HEAD_BYTES);
		ev.ack.booked.own_head = head;
	}
	return ev;
}

static void only_what_is_durable_is_sent(void **state)
{
	struct shop *s = *state;
	struct agent_command c = shop_open(s, "4001");

	go_online(s);
	assert_null(shop_effect(s, AGENT_SEND_BATCH));
	(void)shop_take(s, &c);
	assert_null(shop_effect(s, AGENT_SEND_BATCH));
	assert_int_equal(s->agent->up.end_seq, 0);
	shop_commit(s);
	assert_int_equal(send_wanted(s), 1);
	assert_null(shop_effect(s, AGENT_SEND_BATCH));
}

static void sync_state_follows_the_acks(void **state)
{
	struct shop *s = *state;
	struct agent_event ev = { .kind = AGENT_ACK };

	go_online(s);
	shop_fill(s, "4001", 1000);
	assert_string_equal(agent_sync_state(s->agent, 2), "stored");
	(void)send_wanted(s);
	ev.ack.seq = 2;
	assert_int_equal(shop_step(s, &ev), 0);
	assert_string_equal(agent_sync_state(s->agent, 2), "relayed");
	ev = booked(s, 1);
	assert_int_equal(shop_step(s, &ev), 0);
	assert_non_null(shop_effect(s, AGENT_KEEP_BOOKED));
	assert_string_equal(agent_sync_state(s->agent, 1), "booked");
	assert_string_equal(agent_sync_state(s->agent, 2), "relayed");
}

static void an_ack_beyond_what_was_sent_is_not_believed(void **state)
{
	struct shop *s = *state;
	struct agent_event ev = { .kind = AGENT_ACK };

	go_online(s);
	shop_fill(s, "4001", 1000);
	ev.ack.seq = 2;
	assert_int_equal(shop_step(s, &ev), 0);
	assert_int_equal(s->agent->relayed_seq, 0);
}

static void relayed_falls_back_when_the_relay_lost_it(void **state)
{
	struct shop *s = *state;
	struct agent_event ev = { .kind = AGENT_ACK }, lost = { .kind = AGENT_LINK_LOST };

	go_online(s);
	shop_fill(s, "4001", 1000);
	(void)send_wanted(s);
	ev.ack.seq = 2;
	assert_int_equal(shop_step(s, &ev), 0);
	assert_int_equal(shop_step(s, &lost), 0);
	assert_string_equal(agent_sync_state(s->agent, 2), "relayed");
	go_online(s);
	assert_string_equal(agent_sync_state(s->agent, 2), "stored");
	assert_int_equal(shop_effect(s, AGENT_SEND_BATCH)->send.first_seq, 1);
}

static void a_relay_that_is_ahead_gets_nothing(void **state)
{
	struct shop *s = *state;
	struct agent_command c;
	struct agent_event ev;

	shop_fill(s, "4001", 1000);
	link_up(s);
	ev = welcome(s, 9);
	assert_int_equal(shop_step(s, &ev), 0);
	assert_int_equal(shop_effect(s, AGENT_ALARM)->alarm.what, AGENT_ALARM_RELAY_AHEAD);
	assert_null(shop_effect(s, AGENT_SEND_BATCH));
	assert_int_equal(s->agent->link, AGENT_LINK_HALTED);
	assert_false(agent_is_online(s->agent, s->now_ms));
	assert_string_equal(agent_mode(s->agent), "degraded");
	assert_int_equal(s->agent->relayed_seq, 0);
	c = shop_sale(s, "o1", "4001", 100); /* nobody signed it: the shop goes on */
	assert_true(shop_do(s, &c)->is_append);
}

static void a_relay_with_another_history_gets_nothing(void **state)
{
	struct shop *s = *state;
	struct agent_event ev, lost = { .kind = AGENT_LINK_LOST };

	shop_fill(s, "4001", 1000);
	link_up(s);
	ev = welcome(s, 1);
	ev.welcome.relayed.at.head[0] ^= 1;
	assert_int_equal(shop_step(s, &ev), 0);
	assert_int_equal(shop_effect(s, AGENT_ALARM)->alarm.what, AGENT_ALARM_RELAY_FORK);
	assert_int_equal(s->agent->link, AGENT_LINK_HALTED);
	assert_int_equal(shop_step(s, &lost), 0);
	go_online(s); /* another relay, or the same one mended */
	assert_string_equal(agent_mode(s->agent), "normal");
}

/* Every verb that writes is refused; what was done before is still told. */
static void expect_rolled_back(struct shop *s)
{
	struct agent_command c = shop_sale(s, "s1", "4001", 100);

	assert_int_equal(shop_do(s, &c)->outcome, AGENT_REPLAY_ORDER);
	c = shop_sale(s, "s2", "4001", 100);
	assert_int_equal(shop_do(s, &c)->code, CODE_JOURNAL_ROLLED_BACK);
	c = shop_top_up(s, "t2", "4001", 100);
	assert_int_equal(shop_do(s, &c)->code, CODE_JOURNAL_ROLLED_BACK);
	c = shop_refund(s, "r2", "0107", "s1", 50);
	assert_int_equal(shop_do(s, &c)->code, CODE_JOURNAL_ROLLED_BACK);
	c = shop_open(s, "4002");
	assert_int_equal(shop_do(s, &c)->code, CODE_JOURNAL_ROLLED_BACK);
	assert_string_equal(agent_mode(s->agent), "degraded");
	assert_string_equal(agent_mode_why(s->agent), "journal_rolled_back");
	assert_false(agent_is_online(s->agent, s->now_ms));
	assert_null(shop_effect(s, AGENT_SEND_BATCH));
}

/* A card with a sale on it: three entries. */
static void fill_and_sell(struct shop *s)
{
	struct agent_command c;

	shop_fill(s, "4001", 1000);
	c = shop_sale(s, "s1", "4001", 100);
	assert_true(shop_do(s, &c)->is_append);
}

static void what_hq_booked_beyond_the_journal_stops_all_writing(void **state)
{
	struct shop *s = *state;
	struct agent_event ev;

	fill_and_sell(s);
	link_up(s);
	ev = welcome(s, 0);
	ev.welcome.booked.present = true;
	ev.welcome.booked.at.seq = 5;
	assert_int_equal(shop_step(s, &ev), 0);
	assert_int_equal(shop_effect(s, AGENT_ALARM)->alarm.what, AGENT_ALARM_ROLLED_BACK);
	assert_non_null(shop_effect(s, AGENT_KEEP_PROOF));
	assert_int_equal(s->agent->link, AGENT_LINK_HALTED);
	expect_rolled_back(s);
}

static void an_ack_of_another_history_stops_all_writing(void **state)
{
	struct shop *s = *state;
	struct agent_event ev, lost = { .kind = AGENT_LINK_LOST };

	go_online(s);
	fill_and_sell(s);
	ev = booked(s, 1);
	ev.ack.booked.at.head[5] ^= 1;
	assert_int_equal(shop_step(s, &ev), 0);
	assert_int_equal(shop_effect(s, AGENT_ALARM)->alarm.what, AGENT_ALARM_ACK_MISMATCH);
	assert_non_null(shop_effect(s, AGENT_KEEP_PROOF));
	assert_null(shop_effect(s, AGENT_KEEP_BOOKED));
	assert_int_equal(s->agent->booked_seq, 0);
	assert_int_equal(s->agent->link, AGENT_LINK_HALTED);
	expect_rolled_back(s);
	assert_int_equal(shop_step(s, &ev), 0); /* the same again: no second alarm */
	assert_null(shop_effect(s, AGENT_ALARM));
	assert_int_equal(shop_step(s, &lost), 0);
	link_up(s); /* to a relay that keeps silent about it */
	ev = welcome(s, 0);
	assert_int_equal(shop_step(s, &ev), 0);
	assert_int_equal(s->agent->link, AGENT_LINK_HALTED);
	expect_rolled_back(s);
}

static void a_start_compares_what_was_kept_with_the_journal(void **state)
{
	struct shop *s = *state;
	uint8_t own[HEAD_BYTES];

	fill_and_sell(s);
	assert_true(journal_head_at(s->journal, 2, own));
	s->kept_booked.present = true;
	s->kept_booked.at.seq = 2;
	memcpy(s->kept_booked.at.head, own, HEAD_BYTES);
	s->kept_booked.own_head = own;
	shop_restart(s);
	assert_int_equal(s->agent->booked_seq, 2);
	assert_string_equal(agent_mode(s->agent), "normal");

	s->kept_proof.present = true; /* what an earlier process was shown */
	s->kept_proof.at.seq = 9;
	shop_restart(s);
	assert_int_equal(s->agent->booked_seq, 2);
	expect_rolled_back(s);

	s->kept_proof.present = false;
	s->kept_booked.at.head[0] ^= 1; /* the journal was put in place of another */
	shop_restart(s);
	assert_int_equal(s->agent->booked_seq, 0);
	expect_rolled_back(s);

	s->kept_booked.at.seq = 4; /* its end is gone */
	s->kept_booked.own_head = NULL;
	shop_restart(s);
	expect_rolled_back(s);
}

static void booked_never_falls(void **state)
{
	struct shop *s = *state;
	struct agent_event ev;

	go_online(s);
	shop_fill(s, "4001", 1000);
	ev = booked(s, 2);
	assert_int_equal(shop_step(s, &ev), 0);
	ev = booked(s, 1);
	assert_int_equal(shop_step(s, &ev), 0);
	assert_int_equal(s->agent->booked_seq, 2);
}

static void a_pull_sends_again(void **state)
{
	struct shop *s = *state;
	struct agent_event pull = { .kind = AGENT_PULL, .pull_from = 1 };

	go_online(s);
	shop_fill(s, "4001", 1000);
	(void)send_wanted(s);
	assert_int_equal(shop_step(s, &pull), 0);
	assert_int_equal(shop_effect(s, AGENT_SEND_BATCH)->send.first_seq, 1);
}

static void the_window_bounds_what_is_under_way(void **state)
{
	struct shop *s = *state;
	struct agent_event ev, credit = { .kind = AGENT_CREDIT, .credit_total = 5000 };
	struct agent_command c;

	link_up(s);
	ev = welcome(s, 0);
	ev.welcome.window_bytes = 1;
	assert_int_equal(shop_step(s, &ev), 0);
	c = shop_open(s, "4001");
	(void)shop_do(s, &c);
	(void)send_wanted(s); /* one batch may pass the edge */
	c = shop_open(s, "4002");
	(void)shop_do(s, &c);
	assert_null(shop_effect(s, AGENT_SEND_BATCH));
	assert_int_equal(shop_step(s, &credit), 0);
	assert_non_null(shop_effect(s, AGENT_SEND_BATCH));
}

static void a_full_link_waits_until_it_is_writable(void **state)
{
	struct shop *s = *state;
	struct agent_event blocked = { .kind = AGENT_BLOCKED },
			   writable = { .kind = AGENT_WRITABLE };
	struct agent_command c = shop_open(s, "4001");

	go_online(s);
	(void)shop_do(s, &c);
	assert_int_equal(shop_step(s, &blocked), 0);
	c = shop_open(s, "4002");
	(void)shop_do(s, &c);
	assert_null(shop_effect(s, AGENT_SEND_BATCH));
	assert_int_equal(shop_step(s, &writable), 0);
	assert_int_equal(shop_effect(s, AGENT_SEND_BATCH)->send.first_seq, 1);
	assert_int_equal(shop_effect(s, AGENT_SEND_BATCH)->send.end_seq, 2);
}

static void silence_restarts_the_link(void **state)
{
	struct shop *s = *state;
	struct agent_event tick = { .kind = AGENT_TICK }, heard = { .kind = AGENT_HEARD };

	assert_true(agent_deadline_ms(s->agent) == AGENT_NEVER);
	go_online(s);
	assert_int_equal(agent_deadline_ms(s->agent), s->now_ms);
	assert_int_equal(shop_step(s, &tick), 0);
	assert_non_null(shop_effect(s, AGENT_HEARTBEAT));
	assert_int_equal(agent_deadline_ms(s->agent), s->now_ms + AGENT_HEARTBEAT_MS);
	s->now_ms += AGENT_SILENCE_MS - 1;
	assert_int_equal(shop_step(s, &heard), 0);
	s->now_ms += AGENT_SILENCE_MS - 1;
	assert_true(agent_is_online(s->agent, s->now_ms));
	s->now_ms += 1;
	assert_false(agent_is_online(s->agent, s->now_ms));
	assert_int_equal(shop_step(s, &tick), 0);
	assert_non_null(shop_effect(s, AGENT_RESTART_LINK));
}

/* So much time with a chatty relay; the alarms that came. */
static int chat(struct shop *s, uint64_t ms)
{
	struct agent_event heard = { .kind = AGENT_HEARD }, tick = { .kind = AGENT_TICK };
	int n = 0;

	for (uint64_t passed = 0; passed < ms; passed += 1000) {
		s->now_ms += 1000;
		s->wall_ms += 1000;
		assert_int_equal(shop_step(s, &heard), 0);
		n += shop_effect(s, AGENT_ALARM) != NULL;
		assert_int_equal(shop_step(s, &tick), 0);
		n += shop_effect(s, AGENT_ALARM) != NULL;
	}
	return n;
}

static void chatter_without_hqs_signature_is_a_stall(void **state)
{
	struct shop *s = *state;
	struct agent_event ev;

	go_online(s);
	assert_int_equal(chat(s, 300000), 0); /* nothing waits */
	shop_fill(s, "4001", 1000);
	(void)send_wanted(s);
	assert_int_equal(chat(s, 59000), 0);
	assert_string_equal(agent_mode(s->agent), "normal");
	assert_int_equal(chat(s, 300000), 1); /* told once */
	assert_string_equal(agent_mode(s->agent), "degraded");
	assert_string_equal(agent_mode_why(s->agent), "booking_stalled");
	ev = booked(s, 1);
	assert_int_equal(shop_step(s, &ev), 0);
	assert_string_equal(agent_mode(s->agent), "normal");
	assert_int_equal(chat(s, 59000), 0);
	assert_int_equal(chat(s, 1000), 1); /* one still waits */
	ev = booked(s, 2);
	assert_int_equal(shop_step(s, &ev), 0);
	assert_string_equal(agent_mode(s->agent), "normal");
	assert_int_equal(chat(s, 300000), 0);
}

static void time_offline_is_no_stall_and_new_links_end_none(void **state)
{
	struct shop *s = *state;
	struct agent_event lost = { .kind = AGENT_LINK_LOST };

	shop_fill(s, "4001", 1000);
	s->now_ms += 3600000; /* offline */
	go_online(s);
	assert_int_equal(chat(s, 40000), 0);
	assert_int_equal(shop_step(s, &lost), 0);
	s->now_ms += 3600000;
	go_online(s);
	assert_int_equal(chat(s, 19000), 0);
	assert_int_equal(chat(s, 1000), 1);
	assert_int_equal(shop_step(s, &lost), 0);
	go_online(s);
	assert_string_equal(agent_mode_why(s->agent), "booking_stalled");
}

static void events_out_of_place_are_refused(void **state)
{
	struct shop *s = *state;
	struct agent_event ev = welcome(s, 0), ack = { .kind = AGENT_ACK };

	assert_int_equal(shop_step(s, &ev), ERR_STATE);
	link_up(s);
	assert_int_equal(shop_step(s, &ack), ERR_STATE);
	assert_int_equal(shop_step(s, &ev), 0);
	assert_int_equal(shop_step(s, &ev), ERR_STATE);
}

/* A down batch of one item over the end of the down log. */
struct down {
	ProtobufCBinaryData item;
	uint8_t prev[HEAD_BYTES], head[HEAD_BYTES];
};

static struct agent_event down_event(struct down *d, const struct position *at, const char *text)
{
	struct agent_event ev = { .kind = AGENT_DOWN_BATCH };

	d->item.data = (uint8_t *)(uintptr_t)text;
	d->item.len = strlen(text);
	memcpy(d->prev, at->head, HEAD_BYTES);
	chain_next(at->head, text, strlen(text), d->head);
	ev.down.first_seq = at->seq + 1;
	ev.down.prev_head = d->prev;
	ev.down.n = 1;
	ev.down.items = &d->item;
	ev.down.signed_seq = at->seq + 1;
	ev.down.signed_head = d->head;
	return ev;
}

static void a_down_message_is_acked_after_its_commit(void **state)
{
	struct shop *s = *state;
	struct agent_event ev, done = { .kind = AGENT_DOWN_COMMITTED };
	struct position at = s->agent->down.durable;
	struct agent_command c;
	struct down d;

	go_online(s);
	ev = down_event(&d, &at, "one");
	assert_int_equal(shop_step(s, &ev), 0);
	assert_non_null(shop_effect(s, AGENT_DOWN_PERSIST));
	assert_null(shop_effect(s, AGENT_DOWN_ACK));
	c = shop_open(s, "4001"); /* decided before it was applied: not covered */
	(void)shop_do(s, &c);
	assert_int_equal(s->entry_down_seq, 0);
	assert_int_equal(shop_step(s, &done), 0);
	assert_int_equal(shop_effect(s, AGENT_DOWN_ACK)->down_ack.seq, 1);
	c = shop_open(s, "4002");
	(void)shop_do(s, &c);
	assert_int_equal(s->entry_down_seq, 1);
	assert_memory_equal(s->entry_down_head, d.head, HEAD_BYTES);
}

static void a_known_down_message_is_acked_again(void **state)
{
	struct shop *s = *state;
	struct agent_event ev, done = { .kind = AGENT_DOWN_COMMITTED };
	struct position at = s->agent->down.durable;
	struct down d;

	go_online(s);
	ev = down_event(&d, &at, "one");
	assert_int_equal(shop_step(s, &ev), 0);
	assert_int_equal(shop_step(s, &done), 0);
	assert_int_equal(shop_step(s, &ev), 0);
	assert_null(shop_effect(s, AGENT_DOWN_PERSIST));
	assert_int_equal(shop_effect(s, AGENT_DOWN_ACK)->down_ack.seq, 1);
}

static void a_gap_in_the_down_log_is_pulled(void **state)
{
	struct shop *s = *state;
	struct position at = { .seq = 4 };
	struct agent_event ev;
	struct down d;

	go_online(s);
	ev = down_event(&d, &at, "five");
	assert_int_equal(shop_step(s, &ev), 0);
	assert_int_equal(shop_effect(s, AGENT_DOWN_PULL)->down_pull.from_seq, 1);
}

static void an_altered_down_message_cuts_the_link(void **state)
{
	struct shop *s = *state;
	struct position at = s->agent->down.durable;
	struct agent_event ev;
	struct down d;

	go_online(s);
	ev = down_event(&d, &at, "one");
	d.item.len = 2;
	assert_int_equal(shop_step(s, &ev), 0);
	assert_null(shop_effect(s, AGENT_DOWN_PERSIST));
	assert_non_null(shop_effect(s, AGENT_RESTART_LINK));
	assert_int_equal(s->agent->down.accepted.seq, 0);
}

static void another_down_log_is_a_fork_and_stops_it(void **state)
{
	struct shop *s = *state;
	struct agent_event ev, done = { .kind = AGENT_DOWN_COMMITTED };
	struct position at = s->agent->down.durable;
	struct down d, e;

	go_online(s);
	ev = down_event(&d, &at, "one");
	assert_int_equal(shop_step(s, &ev), 0);
	assert_int_equal(shop_step(s, &done), 0);
	ev = down_event(&e, &at, "eins");
	assert_int_equal(shop_step(s, &ev), 0);
	assert_int_equal(shop_effect(s, AGENT_ALARM)->alarm.what, AGENT_ALARM_DOWN_FORK);
	assert_string_equal(agent_mode(s->agent), "degraded");
	ev = down_event(&d, &s->agent->down.durable, "two");
	assert_int_equal(shop_step(s, &ev), 0);
	assert_null(shop_effect(s, AGENT_DOWN_PERSIST));
}

static void a_down_message_that_failed_is_taken_again(void **state)
{
	struct shop *s = *state;
	struct agent_event ev, failed = { .kind = AGENT_DOWN_FAILED };
	struct position at = s->agent->down.durable;
	struct down d;

	go_online(s);
	ev = down_event(&d, &at, "one");
	assert_int_equal(shop_step(s, &ev), 0);
	assert_int_equal(shop_step(s, &failed), 0);
	assert_non_null(shop_effect(s, AGENT_RESTART_LINK));
	assert_int_equal(shop_step(s, &ev), 0);
	assert_non_null(shop_effect(s, AGENT_DOWN_PERSIST));
}

#define T(f) cmocka_unit_test_setup_teardown(f, shop_setup, shop_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(only_what_is_durable_is_sent),
		T(sync_state_follows_the_acks),
		T(an_ack_beyond_what_was_sent_is_not_believed),
		T(relayed_falls_back_when_the_relay_lost_it),
		T(a_relay_that_is_ahead_gets_nothing),
		T(a_relay_with_another_history_gets_nothing),
		T(what_hq_booked_beyond_the_journal_stops_all_writing),
		T(an_ack_of_another_history_stops_all_writing),
		T(a_start_compares_what_was_kept_with_the_journal),
		T(booked_never_falls),
		T(a_pull_sends_again),
		T(the_window_bounds_what_is_under_way),
		T(a_full_link_waits_until_it_is_writable),
		T(silence_restarts_the_link),
		T(chatter_without_hqs_signature_is_a_stall),
		T(time_offline_is_no_stall_and_new_links_end_none),
		T(events_out_of_place_are_refused),
		T(a_down_message_is_acked_after_its_commit),
		T(a_known_down_message_is_acked_again),
		T(a_gap_in_the_down_log_is_pulled),
		T(an_altered_down_message_cuts_the_link),
		T(another_down_log_is_a_fork_and_stops_it),
		T(a_down_message_that_failed_is_taken_again),
	};

	return cmocka_run_group_tests_name("agent_link", tests, NULL, NULL);
}
