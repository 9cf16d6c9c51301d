#include "shop.h"

#include <dirent.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char certificate[] = "a certificate's payload";
static const Trib__V1__RuleSet *rules(void)
{
	static Trib__V1__PointsRule points = TRIB__V1__POINTS_RULE__INIT;
	static Trib__V1__PointsRule *list[] = { &points };
	static Trib__V1__RuleSet set = TRIB__V1__RULE_SET__INIT;
	static char id[] = "points";

	points.id = id;
	points.points = 1;
	points.per = 100;
	set.version = 3;
	set.n_points = 1;
	set.points = list;
	return &set;
}

static void create_journal(struct shop *s)
{
	char err[JOURNAL_ERROR_BYTES] = "";

	if (journal_create(s->dir, certificate, sizeof(certificate), err) < 0)
		fail_msg("journal_create: %s", err);
}

/* As the daemon does. */
static bool read_last(void *ctx, const struct position *at, const uint8_t *bytes, size_t len)
{
	struct agent_resume *resume = ctx;
	Trib__V1__Entry *e = trib__v1__entry__unpack(NULL, len, bytes);
	(void)at;

	assert_non_null(e);
	resume->business_day = e->business_day;
	resume->entry_wall_ms = e->wall_ms;
	trib__v1__entry__free_unpacked(e, NULL);
	return false;
}

static void open_shop(struct shop *s)
{
	const struct agent_identity id = { .node = 107, .incarnation = 1, .store = "0107" };
	struct agent_resume resume = { .business_day = INT32_MIN,
				       .disk_reserve_bytes = s->disk_reserve_bytes,
				       .now_ms = s->now_ms,
				       .wall_ms = s->wall_ms };
	struct agent_event ev = { .kind = AGENT_RULES };
	const Trib__V1__RuleSet *sets[] = { rules() };
	char err[JOURNAL_ERROR_BYTES] = "";
	int r = journal_open(s->dir, certificate, sizeof(certificate), &s->journal, err);

	if (r < 0)
		fail_msg("journal_open: %d %s", r, err);
	journal_end(s->journal, &resume.journal);
	journal_down_end(s->journal, &resume.down);
	journal_each_entry(s->journal, resume.journal.seq, resume.journal.seq, read_last, &resume);
	resume.sealed_day = journal_sealed_day(s->journal);
	resume.booked = s->kept_booked;
	resume.proof = s->kept_proof;
	agent_init(s->agent, &id, &resume);
	ev.rules.n = 1;
	ev.rules.sets = sets;
	s->id = id;
	assert_int_equal(shop_step(s, &ev), 0);
}

int shop_setup(void **state)
{
	struct shop *s = calloc(1, sizeof(*s));

	assert_true(sodium_init() >= 0);
	s->agent = calloc(1, sizeof(*s->agent));
	s->now_ms = 1000;
	s->wall_ms = INT64_C(1800000000000);
	s->utc_offset_min = 480;
	snprintf(s->dir, sizeof(s->dir), "/tmp/trib-shop.XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	create_journal(s);
	open_shop(s);
	*state = s;
	return 0;
}

static void remove_dir(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[512];

	while (d != NULL && (e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		(void)unlink(path);
	}
	if (d != NULL)
		closedir(d);
	(void)rmdir(dir);
}

int shop_teardown(void **state)
{
	struct shop *s = *state;

	day_run_finish(s->run);
	journal_close(s->journal);
	remove_dir(s->dir);
	free(s->agent);
	free(s);
	return 0;
}

void shop_restart(struct shop *s)
{
	day_run_finish(s->run);
	s->run = NULL;
	journal_close(s->journal);
	open_shop(s);
}

static void keep_seal(struct shop *s, const Trib__V1__DaySealed *b)
{
	size_t len = trib__v1__day_sealed__get_packed_size(b);

	assert_true(len <= sizeof(s->seal_bytes));
	s->seal_len = trib__v1__day_sealed__pack(b, s->seal_bytes);
}

static void run_append(struct shop *s, const struct agent_append *x)
{
	struct shop_answer *a = &s->answers[x->command->request];

	assert_int_equal(journal_append(s->journal, x, "{}", 2), 0);
	if (x->is_new_account && x->command->open.has_pin)
		assert_int_equal(journal_set_pin(s->journal, x->account->id, "verifier"), 0);
	a->is_decided = true;
	a->is_append = true;
	a->code = CODE_OK;
	a->seq = x->at.seq;
	s->entry_down_seq = x->entry->down_seq;
	memcpy(s->entry_down_head, x->entry->down_head.data, HEAD_BYTES);
	s->entry_business_day = x->entry->business_day;
	s->entry_wall_ms = x->entry->wall_ms;
	if (x->keeps == AGENT_KEEPS_SEAL)
		keep_seal(s, x->entry->day_sealed);
}

static void run_answer(struct shop *s, const struct agent_answer *x)
{
	struct shop_answer *a = &s->answers[x->command->request];
	const struct agent_record *r = x->outcome == AGENT_REPLAY_KEY ? &s->loaded->core.by_key :
									&s->loaded->core.by_order;
	bool is_refused = x->outcome == AGENT_REFUSED;

	a->is_decided = true;
	a->outcome = x->outcome;
	a->code = x->code;
	a->facts = x->facts;
	a->param = x->param;
	a->held_store = x->held_store;
	a->seal_seq = x->seal_seq;
	a->seq = is_refused ? 0 : r->seq;
	if (x->keep_key)
		assert_int_equal(journal_keep_key(s->journal, x->command,
						  is_refused ? code_status(x->code) : r->status,
						  a->seq, "{}", 2),
				 0);
}

static void run_load(struct shop *s, const struct agent_command *c)
{
	struct journal_loaded *l = journal_load(s->journal, c);
	struct agent_event ev = { .kind = AGENT_LOADED,
				  .loaded = { .command = c, .with = &l->core } };

	s->loaded = l;
	assert_int_equal(shop_step(s, &ev), 0);
}

static void run(struct shop *s, const struct agent_effect *e)
{
	switch ((int)e->kind) {
	case AGENT_LOAD:
		run_load(s, e->load);
		break;
	case AGENT_SUM_DAY:
		s->summed = e->load;
		break;
	case AGENT_APPEND:
		run_append(s, &e->append);
		break;
	case AGENT_ANSWER:
		run_answer(s, &e->answer);
		break;
	case AGENT_RELEASE:
	case AGENT_REFUSE:
		for (size_t i = 0; i < e->finish.n; i++) {
			struct shop_answer *a = &s->answers[e->finish.requests[i]];

			assert_true(a->is_decided);
			assert_false(a->is_out);
			a->is_out = true;
			if (e->kind == AGENT_REFUSE)
				a->code = e->finish.code;
		}
		break;
	}
}

int shop_step(struct shop *s, struct agent_event *ev)
{
	struct agent_effects effects;
	int r;

	ev->now_ms = s->now_ms;
	ev->wall_ms = s->wall_ms;
	r = agent_step(s->agent, ev, &effects);
	s->effects = effects;
	for (size_t i = 0; i < effects.n; i++)
		run(s, &effects.list[i]);
	return r;
}

struct shop_answer *shop_take(struct shop *s, struct agent_command *c)
{
	struct agent_event ev = { .kind = AGENT_COMMAND, .command = c };

	c->request = s->next_request;
	s->next_request = (s->next_request + 1) % SHOP_MAX_ANSWERS;
	memset(&s->answers[c->request], 0, sizeof(s->answers[0]));
	assert_int_equal(shop_step(s, &ev), 0);
	return &s->answers[c->request];
}

void shop_commit(struct shop *s)
{
	struct agent_event ev = { .kind = AGENT_COMMITTED };

	assert_int_equal(journal_commit(s->journal), 0);
	assert_int_equal(shop_step(s, &ev), 0);
}

void shop_roll_back(struct shop *s)
{
	struct agent_event ev = { .kind = AGENT_ROLLED_BACK };

	journal_rollback(s->journal);
	assert_int_equal(shop_step(s, &ev), 0);
}

struct shop_answer *shop_do(struct shop *s, struct agent_command *c)
{
	struct shop_answer *a = shop_take(s, c);

	shop_commit(s);
	assert_true(a->is_out);
	return a;
}

static void print_text(struct agent_command *c, const char *text)
{
	crypto_generichash_state st;

	if (text == NULL)
		text = "-";
	crypto_generichash_init(&st, NULL, 0, sizeof(c->fingerprint));
	crypto_generichash_update(&st, c->fingerprint, sizeof(c->fingerprint));
	crypto_generichash_update(&st, (const uint8_t *)text, strlen(text) + 1);
	crypto_generichash_final(&st, c->fingerprint, sizeof(c->fingerprint));
}

static struct agent_command command(struct shop *s, enum agent_verb verb, const char *order_no,
				    const char *card_no, int64_t amount)
{
	struct agent_command c = { .verb = verb,
				   .wall_ms = s->wall_ms,
				   .utc_offset_min = s->utc_offset_min,
				   .lane = 1,
				   .order_no = order_no,
				   .card_no = card_no };
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)amount);
	print_text(&c, agent_verb_name(verb));
	print_text(&c, order_no);
	print_text(&c, card_no);
	print_text(&c, text);
	return c;
}

struct agent_command shop_open(struct shop *s, const char *card_no)
{
	return command(s, AGENT_OPEN_CARD, NULL, card_no, 0);
}

struct agent_command shop_top_up(struct shop *s, const char *order_no, const char *card_no,
				 int64_t paid)
{
	struct agent_command c = command(s, AGENT_TOP_UP, order_no, card_no, paid);

	c.top_up.paid = paid;
	c.top_up.tender = "cash";
	return c;
}

struct agent_command shop_sale(struct shop *s, const char *order_no, const char *card_no,
			       int64_t amount)
{
	struct agent_command c = command(s, AGENT_SALE, order_no, card_no, amount);

	c.sale.amount = amount;
	return c;
}

struct agent_command shop_refund(struct shop *s, const char *order_no, const char *store,
				 const char *of_order_no, int64_t amount)
{
	struct agent_command c = command(s, AGENT_REFUND, order_no, NULL, amount);

	c.refund.store = store;
	c.refund.order_no = of_order_no;
	c.refund.how.has_amount = amount > 0;
	c.refund.how.amount = amount;
	print_text(&c, of_order_no);
	return c;
}

struct agent_command shop_close(struct shop *s, int32_t day)
{
	struct agent_command c = command(s, AGENT_CLOSE_DAY, NULL, NULL, day);

	c.close.day = day;
	return c;
}

void shop_sum(struct shop *s, struct agent_command *c, size_t n)
{
	struct agent_event ev = { .kind = AGENT_COMMAND, .command = c };
	bool is_done;

	assert_false(journal_has_writes(s->journal));
	if (s->run == NULL)
		s->run = day_run_start(s->journal, &s->id, c->close.day);
	is_done = day_run_step(s->run, n);
	if (!is_done && n > 0)
		return;
	c->close.sum = day_run_sum(s->run);
	s->summed = NULL;
	assert_int_equal(shop_step(s, &ev), 0);
	if (s->summed == c)
		return;
	day_run_finish(s->run);
	s->run = NULL;
}

struct shop_answer *shop_do_close(struct shop *s, struct agent_command *c)
{
	struct shop_answer *a;

	c->close.sum = NULL;
	a = shop_take(s, c);
	shop_commit(s);
	while (s->summed == c)
		shop_sum(s, c, 2);
	shop_commit(s);
	assert_true(a->is_out);
	return a;
}

void shop_fill(struct shop *s, const char *card_no, int64_t paid)
{
	struct agent_command open = shop_open(s, card_no);
	char order_no[ORDER_NO_MAX];
	struct agent_command top_up;

	assert_int_equal(shop_do(s, &open)->code, CODE_OK);
	snprintf(order_no, sizeof(order_no), "fill-%s", card_no);
	top_up = shop_top_up(s, order_no, card_no, paid);
	assert_int_equal(shop_do(s, &top_up)->code, CODE_OK);
}

const struct agent_effect *shop_effect(const struct shop *s, enum agent_effect_kind kind)
{
	for (size_t i = 0; i < s->effects.n; i++) {
		if (s->effects.list[i].kind == kind)
			return &s->effects.list[i];
	}
	return NULL;
}
