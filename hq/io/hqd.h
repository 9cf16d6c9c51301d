/* trib-hq's shell: what its parts share. One process, one libev loop. */
#ifndef TRIB_HQ_HQD_H
#define TRIB_HQ_HQD_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "book.h"
#include "chain.h"
#include "db.h"
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
	int32_t node;
	uint32_t incarnation;
	char code[STORE_CODE_MAX];
	int32_t region;
	bool is_active;
	uint8_t sign_key[32];
	uint8_t curve_key[32];
	uint8_t *certificate; /* Signed, packed; owned */
	size_t certificate_len;
	struct sync_in up; /* durable = booked */
	struct sync_out down; /* to the region's relay */
	struct position down_end; /* the down log's end in the database */
	bool is_presented; /* the relay has presented it on its present connection */
	uint64_t stored_seq, relayed_seq, down_applied; /* as reported */
	uint64_t rules_version; /* as reported */
	int64_t last_seen_ms;
	char software[32];
	bool is_status_dirty; /* reported state not written to the database yet */
};

struct hq_region {
	int32_t region; /* 0: unused */
	bool is_enrolled;
	uint8_t sign_key[32];
	uint8_t curve_key[32];
	bool is_up; /* welcomed on its present connection */
	struct sync_window in; /* what the relay may send: granted, and booked so far */
	struct sync_window out; /* what we may send to it */
	uint64_t sent_roster;
	int64_t last_seen_ms;
	char listen_endpoint[128], enroll_endpoint[128], software[32];
	bool is_status_dirty;
};

struct hqd {
	struct ev_loop *loop;
	/* configuration; strings owned by the config */
	const char *data_dir, *postgres, *chain_name, *http_listen, *listen, *enroll_listen;
	struct node_keys keys;
	uint8_t chain[16];
	uint8_t account_key[ACCOUNT_KEY_BYTES];
	uint8_t admin_token_hash[32];
	uint32_t hq_epoch;
	uint64_t roster_version;

	struct ingest *ingest;
	struct hq_stream **streams; /* by index */
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
};

struct hq_stream *hq_find_stream(struct hqd *h, int32_t node, uint32_t incarnation);
struct hq_stream *hq_find_active(struct hqd *h, const char *code);
struct hq_region *hq_find_region(struct hqd *h, int32_t region);

/* ---- main.c, load.c ---- */

/* Add a stream to the tables in memory; ERR_FULL. */
int MUST_CHECK hq_add_stream(struct hqd *h, const struct hq_stream *proto, const struct position *booked,
			     struct hq_stream **ret);

/* ---- relays.c: the links to relays ---- */

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
 * socket. reply is called once, maybe later, and must be prepared for the peer to be gone. */
void enroll_request(struct hqd *h, const Trib__V1__Enroll *e,
		    void (*reply)(void *ctx, const Trib__V1__EnrollReply *r), void *ctx);

/* ---- api.c: the admin API ---- */
void api_on_request(void *ctx, struct http_request *req);

/* ---- rules.c ---- */

/* Publish version 1, the base rules, where there is none yet; then done. */
void rules_ensure_base(struct hqd *h);

#endif
