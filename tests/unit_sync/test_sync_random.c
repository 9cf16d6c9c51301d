/* Both ends over a link that loses, doubles and reorders, with crashes between accept and persist.
 *
 * Whatever happens, the receiver's durable items are a prefix of the sender's, nothing above them
 * is ever acked, and once the link behaves everything arrives. A failing seed prints itself. */
#include "stream_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IN_FLIGHT 16
#define STEPS 400
#define SEEDS 300

enum kind {
	BATCH,
	ACK,
	PULL
};

struct message {
	enum kind kind;
	uint64_t first, last; /* BATCH */
	uint64_t seq; /* ACK, PULL */
	bool is_up; /* towards the receiver */
	bool is_flipped;
};

struct world {
	uint64_t random;
	bool is_calm; /* the link behaves */
	struct stream stream;
	struct stream disk; /* the receiver's durable items */
	uint64_t disk_seq;
	uint64_t pending_last; /* accepted, in the open transaction */
	struct sync_out out;
	struct sync_in in;
	size_t n;
	struct message wire[IN_FLIGHT];
	bool saw_loss, saw_double, saw_gap, saw_duplicate, saw_crash, saw_tampered, saw_failed;
};

static uint64_t below(struct world *w, uint64_t n)
{
	return next_random(&w->random) % n;
}

static void send(struct world *w, struct message m)
{
	if (!w->is_calm && below(w, 5) == 0) {
		w->saw_loss = true;
		return;
	}
	if (w->n == IN_FLIGHT)
		return; /* lost, too */
	w->wire[w->n++] = m;
	if (!w->is_calm && w->n < IN_FLIGHT && below(w, 5) == 0) {
		w->wire[w->n++] = m;
		w->saw_double = true;
	}
}

static void send_some(struct world *w)
{
	uint64_t first = sync_out_next(&w->out), n;

	if (first == 0)
		return;
	n = 1 + below(w, 7);
	if (first + n - 1 > w->out.end_seq)
		n = w->out.end_seq - first + 1;
	send(w, (struct message){ .kind = BATCH,
				  .first = first,
				  .last = first + n - 1,
				  .is_up = true,
				  .is_flipped = !w->is_calm && below(w, 12) == 0 });
	sync_out_sent(&w->out, first + n - 1);
}

static void commit(struct world *w)
{
	if (w->in.accepted.seq == w->in.durable.seq)
		return;
	if (!w->is_calm && below(w, 8) == 0) {
		sync_in_reset(&w->in);
		w->saw_failed = true;
		return;
	}
	w->disk_seq = w->in.accepted.seq;
	sync_in_persisted(&w->in, w->in.accepted.seq, w->in.accepted.head);
	send(w, (struct message){ .kind = ACK, .seq = w->in.durable.seq });
}

static void receive_batch(struct world *w, const struct message *m)
{
	struct sync_batch b = stream_batch(&w->stream, m->first, m->last);
	uint64_t before = w->in.accepted.seq;
	struct sync_judged j;

	if (m->is_flipped)
		w->stream.items[m->last][0] ^= 0x80;
	sync_in_batch(&w->in, &b, &j);
	if (j.verdict == SYNC_COMPARE)
		j.verdict = sync_in_compared(&w->in, &b, w->disk.heads[m->last]);
	if (m->is_flipped)
		w->stream.items[m->last][0] ^= 0x80;
	assert_int_not_equal(j.verdict, SYNC_FORK); /* there is one history only */
	switch (j.verdict) {
	case SYNC_PERSIST:
		for (uint64_t seq = m->first + j.skip; seq <= m->last; seq++) {
			assert_int_equal(seq, ++before); /* no hole, none twice */
			memcpy(w->disk.items[seq], w->stream.items[seq], ITEM_BYTES);
			memcpy(w->disk.heads[seq], w->stream.heads[seq], HEAD_BYTES);
		}
		break;
	case SYNC_GAP:
		w->saw_gap = true;
		send(w, (struct message){ .kind = PULL, .seq = j.pull_from });
		break;
	case SYNC_DUPLICATE:
	case SYNC_COMPARE:
		w->saw_duplicate = true;
		send(w, (struct message){ .kind = ACK, .seq = w->in.durable.seq });
		break;
	case SYNC_TAMPERED:
		w->saw_tampered = true;
		assert_true(m->is_flipped);
		send(w, (struct message){ .kind = PULL, .seq = w->in.accepted.seq + 1 });
		break;
	case SYNC_FORK:
	case SYNC_STOPPED:
		break;
	}
}

static void deliver(struct world *w)
{
	size_t i;
	struct message m;

	if (w->n == 0)
		return;
	i = w->is_calm ? 0 : (size_t)below(w, w->n);
	m = w->wire[i];
	memmove(&w->wire[i], &w->wire[i + 1], (w->n - i - 1) * sizeof(m));
	w->n--;
	if (m.kind == BATCH) {
		receive_batch(w, &m);
	} else if (m.kind == ACK) {
		assert_true(m.seq <= w->disk_seq); /* Y3 */
		(void)sync_out_ack(&w->out, m.seq);
	} else {
		(void)sync_out_pull(&w->out, m.seq);
	}
}

/* Cut the link and open it again; the receiver may have crashed before its commit. */
static void reconnect(struct world *w, bool is_crash)
{
	struct position at = stream_position(&w->stream, w->disk_seq);

	w->n = 0;
	sync_out_close(&w->out);
	if (is_crash) {
		w->saw_crash |= w->in.accepted.seq != w->in.durable.seq;
		sync_in_init(&w->in, &at);
	}
	assert_int_equal(sync_out_open(&w->out, w->in.durable.seq), 0);
}

static void check(const struct world *w)
{
	assert_true(w->out.acked_seq <= w->disk_seq);
	assert_int_equal(w->in.durable.seq, w->disk_seq);
	assert_true(w->in.accepted.seq >= w->in.durable.seq);
	assert_memory_equal(w->in.accepted.head, w->stream.heads[w->in.accepted.seq], HEAD_BYTES);
	for (uint64_t i = 1; i <= w->disk_seq; i++)
		assert_memory_equal(w->disk.items[i], w->stream.items[i], ITEM_BYTES);
}

static void one_step(struct world *w)
{
	switch (below(w, 12)) {
	case 0:
		if (w->stream.end + 5 < STREAM_MAX) {
			stream_grow(&w->stream, 1 + below(w, 4), 3);
			sync_out_extend(&w->out, w->stream.end);
		}
		break;
	case 1:
	case 2:
	case 3:
		send_some(w);
		break;
	case 4:
	case 5:
		commit(w);
		break;
	case 6:
		if (below(w, 6) == 0)
			reconnect(w, below(w, 2) == 0);
		break;
	default:
		deliver(w);
		break;
	}
}

static void run_seed(uint64_t seed, struct world *w)
{
	struct position at;

	memset(w, 0, sizeof(*w));
	w->random = seed;
	stream_init(&w->stream, (uint32_t)seed);
	w->disk = w->stream;
	at = stream_position(&w->stream, 0);
	sync_in_init(&w->in, &at);
	sync_out_init(&w->out, 0);
	assert_int_equal(sync_out_open(&w->out, 0), 0);
	for (int i = 0; i < STEPS; i++) {
		one_step(w);
		check(w);
	}
	w->is_calm = true;
	reconnect(w, true);
	for (int i = 0; i < 4 * STREAM_MAX && w->disk_seq < w->stream.end; i++) {
		send_some(w);
		deliver(w);
		commit(w);
		deliver(w);
		check(w);
	}
	assert_int_equal(w->disk_seq, w->stream.end);
	assert_int_equal(w->out.acked_seq, w->stream.end);
}

static uint64_t running_seed;

static void everything_arrives_once_and_in_order(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	unsigned loss = 0, doubled = 0, gap = 0, duplicate = 0, crash = 0, tampered = 0, failed = 0;

	(void)state;
	for (running_seed = 1; running_seed <= SEEDS; running_seed++) {
		run_seed(running_seed, w);
		loss += w->saw_loss;
		doubled += w->saw_double;
		gap += w->saw_gap;
		duplicate += w->saw_duplicate;
		crash += w->saw_crash;
		tampered += w->saw_tampered;
		failed += w->saw_failed;
	}
	running_seed = 0;
	assert_true(loss > 0 && doubled > 0 && gap > 0 && duplicate > 0); /* each was reached */
	assert_true(crash > 0 && tampered > 0 && failed > 0);
	free(w);
}

static int print_seed(void **state)
{
	(void)state;
	if (running_seed != 0)
		print_message("# seed %llu\n", (unsigned long long)running_seed);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(everything_arrives_once_and_in_order, print_seed),
	};

	return cmocka_run_group_tests_name("sync_random", tests, NULL, NULL);
}
