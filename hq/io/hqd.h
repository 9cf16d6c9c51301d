/* trib-hq's shell: what its parts share. One process, one libev loop. */
#ifndef TRIB_HQ_HQD_H
#define TRIB_HQ_HQD_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "book.h"
#include "chain.h"
#include "db.h"
#include "down.pb-c.h"
#include "envelope.h"
#include "http_server.h"
#include "ids.h"
#include "ingest.h"
#include "keys.h"
#include "link.h"
#include "sync.h"

#define HQ_MAX_REGIONS 256

/* One incarnation of a store. Lives as long as the process. */
struct hq_stream {
	uint32_t index; /* in hqd.streams and in ingest */
	struct hq_stream *older; /* earlier incarnation of the node */
	int32_t node;
	uint32_t incarnation;
	char code[STORE_CODE_MAX];
	int32_t region;
	bool is_active;
	bool is_loaded; /* the last hq_load() found it */
	bool has_kinds; /* its down log tells the kinds that this HQ books */
	uint8_t sign_key[32];
	uint8_t curve_key[32];
	uint8_t *certificate; /* Signed, packed; owned */
	size_t certificate_len;
	struct sync_in up; /* durable = booked */
	struct sync_out down; /* to the region's relay */
	struct position down_end; /* the down log's end in the database */
	bool is_presented; /* the relay has presented it on its present connection */
	unsigned due; /* enum hq_due: what is still to be sent for it */
	int64_t acked_ms; /* when the last ack was sent, by hq_mono_ms() */
	bool is_reading; /* a query for its next down messages is under way */
	uint64_t read_from; /* and is for those from there */
	uint64_t stored_seq, relayed_seq, down_applied; /* as reported */
	uint64_t rules_version; /* as reported */
	int64_t last_seen_ms;
	int64_t heard_ms; /* the same by hq_mono_ms(); 0: not heard in this process */
	uint8_t health_hash[32]; /* of its newest health */
	char software[SOFTWARE_MAX + 1];
	bool is_status_dirty; /* reported state not written to the database yet */
};

enum hq_due {
	HQ_DUE_RESUME = 1,
	HQ_DUE_ACK = 2,
	HQ_DUE_PULL = 4,
};

/* How much of HQ's patience for enrolments one place has used; zero is none. */
struct enroll_bucket {
	double taken; /* at at_ms, by hq_mono_ms(); falls with time */
	int64_t at_ms;
	unsigned under_way;
};

struct hq_region {
	int32_t region; /* 0: unused */
	bool is_enrolled;
	uint8_t sign_key[32];
	uint8_t curve_key[32];
	bool is_up; /* welcomed on its present connection */
	uint32_t connection; /* number of its present connection, unique in the process */
	struct sync_window in; /* of the relay's sending: granted, and received so far */
	struct sync_window out; /* of ours to it */
	bool is_roster_due, is_credit_due;
	struct enroll_bucket enrolments;
	uint64_t sent_roster;
	int64_t last_seen_ms;
	int64_t heard_ms; /* the same by hq_mono_ms() */
	char listen_endpoint[ENDPOINT_MAX + 1], enroll_endpoint[ENDPOINT_MAX + 1];
	char software[SOFTWARE_MAX + 1];
	bool is_status_dirty;
};

struct hqd {
	struct ev_loop *loop;
	/* configuration; strings owned by the config */
	const char *data_dir, *postgres, *chain_name, *http_listen, *listen, *enroll_listen;
	const char *advertise, *advertise_enroll; /* what others are told */
	const char *config_path; /* for the child that checks the books */
	const struct config *config;
	struct node_keys keys;
	uint8_t chain[16];
	uint8_t account_key[ACCOUNT_KEY_BYTES];
	uint8_t admin_token_hash[32];
	uint32_t hq_epoch;
	uint64_t roster_version;

	struct ingest *ingest;
	struct hq_stream **streams; /* by index; INGEST_MAX_STREAMS of room */
	struct hq_stream **by_node; /* newest incarnation of each node; NODE_MAX + 1 of room */
	uint32_t n_streams;
	struct hq_region regions[HQ_MAX_REGIONS];

	/* newest published rule set, as Signed bytes; owned. NULL before the first. */
	uint8_t *rules_signed;
	size_t rules_signed_len;
	uint64_t rules_version;

	struct book *book;
	struct db *db;
	struct link_context *links;
	struct link_server *relay_server, *enroll_server;
	struct http_server *http;
	bool is_ready; /* state was read from the database */
	bool has_failed; /* the process ends with status 1 */
	bool is_stopping; /* finish what was taken, take nothing new */
};

struct hq_stream *hq_find_stream(struct hqd *h, int32_t node, uint32_t incarnation);
struct hq_stream *hq_find_active(struct hqd *h, const char *code);
struct hq_region *hq_find_region(struct hqd *h, int32_t region);

/* ---- main.c, load.c ---- */

/* Add a stream to the tables in memory; ERR_FULL. */
int MUST_CHECK hq_add_stream(struct hqd *h, const struct hq_stream *proto,
			     const struct position *booked, struct hq_stream **ret);

/* The statements that hq_load() needs, run in one pipeline after each connect: those that lay the
 * chain's rows at the first start, then HQ_LOAD_RESULTS queries. */
#define HQ_LOAD_SQLS 8
#define HQ_LOAD_RESULTS 5
extern const char *hq_load_sqls[HQ_LOAD_SQLS];
void hq_load_prepare(const struct hqd *h);

/* Take over what the database says, at start and after each reconnect; results of the queries. ERR_INVALID (with a reason in the log) when it does not fit this HQ: another
 * chain's database, a cursor that moved back. */
int MUST_CHECK hq_load(struct hqd *h, PGresult *const *results);

/* The state was read for the first time: listen for relays, tell the service manager. main.c */
void hq_on_ready(struct hqd *h);

/* Write what stores and relays have reported of themselves since the last time. */
void hq_write_status(struct hqd *h);

/* ---- relays.c: the links to relays ---- */

int MUST_CHECK relays_create(struct hqd *h);
void relays_destroy(struct hqd *h);

/* A group is in the books: ack to the stores' relays, give credit back, free the batches. Called
 * before the group's memory is used again. */
void relays_booked(struct hqd *h, const struct ingest_group *g, struct ingest_batch *released);

/* The state was read anew: everything in flight is forgotten, relays present their stores again. */
void relays_reset(struct hqd *h);

/* The region's set of certificates changed: send its relay the roster. */
void relays_roster_changed(struct hqd *h, int32_t region);

/* The down log of s has grown (down_end was moved): send. */
void relays_down_extended(struct hqd *h, struct hq_stream *s);

/* ---- down.c: appending to down logs ---- */

/* One message for one stream: the body of m is set; node, incarnation, seq and time are filled in
 * when its turn has come. */
struct down_item {
	struct hq_stream *stream;
	Trib__V1__DownMessage message;
};

/* Append all n messages in one transaction, then send them. Copies what it needs. `extra` (NULL or
 * its n_statements 0) are statements in the same transaction. done is called once (see
 * book_op.done); may be NULL. */
void down_append(struct hqd *h, const struct down_item *items, size_t n,
		 const struct book_statement *extra, int n_extra,
		 void (*done)(void *ctx, int err, const char *message), void *ctx);

/* Accounts that were opened a second time elsewhere: tell those stores. Called after each commit
 * that left rows in facts_due, and at start. */
void facts_send_due(struct hqd *h);

/* ---- enroll.c ---- */

/* An enrolment request that came over the relay link (reply through `reply`) or over the open
 * socket; from is the place's share, which outlives the request. reply is called once, maybe later, and must be prepared for the peer to be gone. */
void enroll_request(struct hqd *h, struct enroll_bucket *from, const Trib__V1__Enroll *e,
		    void (*reply)(void *ctx, const Trib__V1__EnrollReply *r), void *ctx);

/* ---- api.c: the admin API ---- */
void api_on_request(void *ctx, struct http_request *req);

/* ---- rules.c ---- */

/* Publish version 1, the base rules, where there is none yet. Called after each hq_load(). */
void rules_ensure_base(struct hqd *h);

#endif
