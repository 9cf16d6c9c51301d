#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "routes.h"
#include "service.h"

#define DEFAULT_ZONE "Asia/Shanghai"
#define SETTINGS_BYTES 2048
#define MAINTAIN_MS (10 * 60 * 1000)
#define KEEP_S 1.0

static void alarm_log(const struct agent_effect *e)
{
	log_event(LOG_LEVEL_CRITICAL, agent_alarm_name(e->alarm.what), "own_seq=%llu peer_seq=%llu",
		  (unsigned long long)e->alarm.own_seq, (unsigned long long)e->alarm.peer_seq);
}

/* Other rules may be in force at the time that entries are dated by now. */
static void on_clock_level(struct store *s)
{
	const struct agent_clock *c = &s->agent->clock;

	log_event(c->level > 0 ? LOG_LEVEL_CRITICAL : LOG_LEVEL_NOTICE,
		  c->level > 0 ? "clock_untrusted" : "clock_trusted",
		  "level=%u why=%s off_ms=%lld wall_ms=%lld", c->level,
		  agent_clock_why_name(c->why), (long long)c->off_ms, (long long)clock_wall_ms());
	store_load_rules(s);
}

static void run_effect(struct store *s, const struct agent_effect *e)
{
	switch (e->kind) {
	case AGENT_LOAD:
		turn_load(s, e->load);
		break;
	case AGENT_CHECK_PIN:
		turn_check_pin(s, e->load);
		break;
	case AGENT_SUM_DAY:
		close_sum_day(s, e->load);
		break;
	case AGENT_APPEND:
		turn_append(s, &e->append);
		break;
	case AGENT_ANSWER:
		turn_answer(s, &e->answer);
		break;
	case AGENT_RELEASE:
		turn_release(s, e->finish.requests, e->finish.n);
		break;
	case AGENT_REFUSE:
		turn_refuse(s, e->finish.requests, e->finish.n, e->finish.code);
		break;
	case AGENT_SEND_HELLO:
		uplink_hello(s);
		break;
	case AGENT_SEND_BATCH:
		s->uplink.has_send = true;
		s->uplink.send_first = e->send.first_seq;
		s->uplink.send_end = e->send.end_seq;
		break;
	case AGENT_KEEP_BOOKED:
		uplink_keep_booked(s);
		break;
	case AGENT_KEEP_PROOF:
		uplink_keep_proof(s);
		break;
	case AGENT_DOWN_COMPARE:
		uplink_down_compare(s, e->compare_seq);
		break;
	case AGENT_DOWN_PERSIST:
		uplink_down_persist(s, e->persist.skip);
		break;
	case AGENT_DOWN_ACK:
		uplink_down_ack(s, e->down_ack.seq, e->down_ack.credit_total);
		break;
	case AGENT_DOWN_PULL:
		uplink_down_pull(s, e->down_pull.from_seq, e->down_pull.credit_total);
		break;
	case AGENT_HEARTBEAT:
		uplink_heartbeat(s);
		break;
	case AGENT_RESTART_LINK:
		link_client_restart(s->uplink.client, e->why);
		break;
	case AGENT_ALARM:
		alarm_log(e);
		break;
	case AGENT_MAKE_BALLAST:
		disk_make_ballast(s, e->ballast_bytes);
		break;
	case AGENT_GIVE_UP_BALLAST:
		disk_give_up_ballast(s);
		break;
	case AGENT_TELL_CLOCK:
		on_clock_level(s);
		break;
	case AGENT_TELL_DISK:
		disk_tell(s);
		break;
	}
}

int store_step(struct store *s, struct agent_event *ev)
{
	struct agent_effects effects;
	int r;

	ev->now_ms = clock_monotonic_ms();
	ev->wall_ms = clock_wall_ms();
	r = agent_step(s->agent, ev, &effects);
	if (r < 0)
		log_event(LOG_LEVEL_WARNING, "event_refused", "kind=%d error=%d", (int)ev->kind, r);
	for (size_t i = 0; i < effects.n; i++)
		run_effect(s, &effects.list[i]);
	return r;
}

int64_t store_time_ms(const struct store *s)
{
	return agent_time_ms(s->agent, clock_wall_ms(), clock_monotonic_ms());
}

void store_load_rules(struct store *s)
{
	struct agent_event ev = { .kind = AGENT_RULES };
	struct rule_cache old = s->rules;

	memset(&s->rules, 0, sizeof(s->rules));
	rule_cache_load(&s->rules, s->journal, store_time_ms(s));
	ev.rules.n = s->rules.n;
	ev.rules.sets = (const Trib__V1__RuleSet *const *)s->rules.sets;
	(void)store_step(s, &ev);
	rule_cache_finish(&old); /* the core no longer points at it */
}

void store_load_settings(struct store *s)
{
	struct agent_event ev = { .kind = AGENT_SETTINGS };
	uint8_t packed[SETTINGS_BYTES];
	Trib__V1__StoreSettings *m = NULL;
	struct log_value v;
	size_t len;

	if (journal_get(s->journal, "settings", packed, sizeof(packed), &len))
		m = trib__v1__store_settings__unpack(NULL, len, packed);
	if (clock_set_zone(m != NULL ? m->time_zone : DEFAULT_ZONE) < 0)
		log_event(LOG_LEVEL_ERROR, "time_zone_unknown", "zone=%s",
			  log_quote(&v, m != NULL ? m->time_zone : DEFAULT_ZONE));
	ev.settings.cutoff_min = m != NULL ? m->cutoff_min : 0;
	for (size_t i = 0; m != NULL && i < m->n_kinds; i++)
		ev.settings.kinds |= m->kinds[i] < 64 ? UINT64_C(1) << m->kinds[i] : 0;
	(void)store_step(s, &ev);
	if (m != NULL)
		trib__v1__store_settings__free_unpacked(m, NULL);
}

static void arm_tick(struct store *s)
{
	uint64_t now = clock_monotonic_ms(), at = agent_deadline_ms(s->agent);
	double after = at == AGENT_NEVER ? 60. : at > now ? (double)(at - now) / 1000. : 0.;

	if (after > KEEP_S && uplink_has_to_keep(s))
		after = KEEP_S;
	ev_timer_stop(s->loop, &s->tick);
	ev_timer_set(&s->tick, after, 0.);
	ev_timer_start(s->loop, &s->tick);
}

/* Acks that no transaction has taken along yet. */
static void keep_acks(struct store *s)
{
	uplink_keep(s);
	(void)!turn_commit(s); /* a full disk: again later */
}

static void on_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct store *s = w->data;
	struct agent_event ev = { .kind = AGENT_TICK };
	int64_t now = store_time_ms(s);
	int r;
	(void)loop;
	(void)revents;

	(void)store_step(s, &ev);
	if (!journal_has_writes(s->journal) && uplink_has_to_keep(s))
		keep_acks(s);
	if (now - s->maintained_ms > MAINTAIN_MS || now < s->maintained_ms) {
		r = journal_maintain(s->journal, now);
		if (r == 0) /* else again at the next tick */
			s->maintained_ms = now;
		else if (r == ERR_FULL)
			disk_saw_full(s, "maintain");
		store_load_rules(s);
	}
	arm_tick(s);
}

static void stop_when_done(struct store *s)
{
	if (listeners_pending(&s->listeners) == 0)
		ev_break(s->loop, EVBREAK_ALL);
}

/* The turn's end: one commit, then its answers, then the batch. */
static void on_prepare(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct store *s = w->data;
	(void)loop;
	(void)revents;

	turn_end(s);
	if (s->uplink.is_proof_new) /* a full disk: again with the acks */
		keep_acks(s);
	if (uplink_pump(s)) { /* more to send: do not sleep */
		ev_timer_stop(s->loop, &s->tick);
		ev_timer_set(&s->tick, 0., 0.);
		ev_timer_start(s->loop, &s->tick);
	} else {
		arm_tick(s);
	}
	if (s->is_stopping)
		stop_when_done(s);
}

static void on_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct store *s = w->data;
	(void)loop;
	(void)revents;

	log_event(LOG_LEVEL_NOTICE, "stopping", "signal=%d", w->signum);
	s->is_stopping = true;
	listeners_drain(&s->listeners);
}

static void watch(struct store *s)
{
	ev_prepare_init(&s->prepare, on_prepare);
	s->prepare.data = s;
	ev_prepare_start(s->loop, &s->prepare);
	ev_timer_init(&s->tick, on_tick, 1., 0.);
	s->tick.data = s;
	ev_timer_start(s->loop, &s->tick);
	ev_signal_init(&s->sigterm, on_signal, SIGTERM);
	ev_signal_init(&s->sigint, on_signal, SIGINT);
	s->sigterm.data = s;
	s->sigint.data = s;
	ev_signal_start(s->loop, &s->sigterm);
	ev_signal_start(s->loop, &s->sigint);
}

/* When the last entry was. */
struct last_entry {
	int32_t business_day;
	int64_t wall_ms;
};

static bool read_last_entry(void *ctx, const struct position *at, const uint8_t *bytes, size_t len)
{
	struct last_entry *last = ctx;
	Trib__V1__Entry *e = trib__v1__entry__unpack(NULL, len, bytes);
	(void)at;

	if (e == NULL)
		return false;
	last->business_day = e->business_day;
	last->wall_ms = e->wall_ms;
	trib__v1__entry__free_unpacked(e, NULL);
	return false;
}

static int open_agent(struct store *s, uint64_t disk_reserve_bytes, char *err)
{
	struct agent_resume resume = { .wall_ms = clock_wall_ms(),
				       .now_ms = clock_monotonic_ms(),
				       .disk_reserve_bytes = disk_reserve_bytes };
	struct last_entry last = { .business_day = INT32_MIN };
	uint8_t booked_head[HEAD_BYTES], proof_head[HEAD_BYTES];

	s->agent = malloc(sizeof(*s->agent));
	if (s->agent == NULL) {
		snprintf(err, STORE_ERROR_BYTES, "out of memory");
		return ERR_IO;
	}
	journal_end(s->journal, &resume.journal);
	journal_down_end(s->journal, &resume.down);
	journal_each_entry(s->journal, resume.journal.seq, resume.journal.seq, read_last_entry,
			   &last);
	resume.business_day = last.business_day;
	resume.sealed_day = journal_sealed_day(s->journal);
	resume.entry_wall_ms = last.wall_ms;
	resume.booked = uplink_kept(s, UPLINK_BOOKED, booked_head);
	resume.proof = uplink_kept(s, UPLINK_PROOF, proof_head);
	resume.relayed_seq = (uint64_t)journal_get_int(s->journal, "relayed", 0);
	agent_init(s->agent, &s->identity.agent, &resume);
	if (s->agent->is_rolled_back)
		log_event(LOG_LEVEL_CRITICAL, "journal_rolled_back",
			  "own_seq=%llu booked=%llu proof=%llu",
			  (unsigned long long)resume.journal.seq,
			  (unsigned long long)resume.booked.at.seq,
			  (unsigned long long)resume.proof.at.seq);
	s->uplink.relayed_written = (int64_t)s->agent->relayed_seq;
	store_load_settings(s);
	store_load_rules(s);
	return 0;
}

static int open_listeners(struct store *s, const struct settings *settings, char *err)
{
	const struct http_handler handler = { .on_request = routes_on_request, .ctx = s };
	char why[LISTENERS_ERROR_BYTES];
	int r = listeners_open(&s->listeners, s->loop, &settings->listen, s->data_dir,
			       s->identity.agent.store, &handler, why);

	if (r < 0)
		snprintf(err, STORE_ERROR_BYTES, "%s", why);
	return r;
}

static int open_members(struct store *s, char *err)
{
	uint8_t sealed[MEMBER_SEALED_BYTES];
	bool has_any = journal_any_member(s->journal, sealed);

	return member_keys_load(&s->member_keys, s->data_dir, has_any ? sealed : NULL, err);
}

int store_open(struct store *s, struct ev_loop *loop, const struct settings *settings, char *err)
{
	int r;

	memset(s, 0, sizeof(*s));
	s->loop = loop;
	snprintf(s->data_dir, sizeof(s->data_dir), "%s", settings->data_dir);
	turn_init(&s->turn);
	envelope_reader_init(&s->uplink.reader);
	verify_init(s);
	close_init(s);
	r = identity_load(s->data_dir, &s->identity, err);
	if (r == 0)
		r = journal_open(s->data_dir, s->identity.payload, s->identity.payload_len,
				 &s->journal, err);
	if (r == 0) /* no other process's ballast, then */
		disk_init(s, settings->disk_reserve_bytes);
	if (r == 0)
		r = lanes_init(&s->lanes, s->data_dir, s->journal, settings->lane_rate, err);
	if (r == 0)
		r = open_members(s, err);
	if (r == 0)
		r = open_agent(s, settings->disk_reserve_bytes, err);
	if (r == 0)
		r = uplink_open(s,
				settings->relay[0] != '\0' ? settings->relay :
							     s->identity.relay_endpoint,
				err);
	if (r == 0 && (r = pin_worker_create(loop, &s->pins)) < 0)
		snprintf(err, STORE_ERROR_BYTES, "cannot start a thread");
	if (r == 0)
		r = open_listeners(s, settings, err);
	if (r < 0) {
		store_close(s);
		return r;
	}
	s->maintained_ms = store_time_ms(s);
	watch(s);
	disk_start(s);
	log_event(LOG_LEVEL_NOTICE, "started", "store=%s incarnation=%u seq=%llu port=%u",
		  s->identity.agent.store, s->identity.agent.incarnation,
		  (unsigned long long)s->agent->durable.seq,
		  (unsigned)listeners_port(&s->listeners));
	return 0;
}

void store_close(struct store *s)
{
	if (s->journal != NULL && s->agent != NULL) {
		turn_end(s);
		if (uplink_has_to_keep(s))
			keep_acks(s);
	}
	verify_finish(s);
	close_finish(s);
	pin_worker_destroy(s->pins);
	ev_prepare_stop(s->loop, &s->prepare);
	ev_timer_stop(s->loop, &s->tick);
	disk_stop(s);
	ev_signal_stop(s->loop, &s->sigterm);
	ev_signal_stop(s->loop, &s->sigint);
	listeners_close(&s->listeners);
	uplink_close(s);
	journal_close(s->journal);
	rule_cache_finish(&s->rules);
	text_finish(&s->text);
	text_finish(&s->today);
	identity_wipe(&s->identity);
	member_keys_wipe(&s->member_keys);
	free(s->agent);
}
