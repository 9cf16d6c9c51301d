/* The requests of one turn of the loop: judged at once, answered after its commit. */
#ifndef TRIB_STORE_TURN_H
#define TRIB_STORE_TURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent.h"

struct http_request;
struct journal_loaded;
struct store;

struct turn_request {
	struct http_request *http; /* borrowed; NULL: a free slot */
	char *answer; /* owned: the stored text, with room for today's members */
	size_t len;
	int status;
	enum code code; /* of a refusal; else CODE_OK */
	uint64_t seq; /* of the entry that was answered; 0: none */
	bool is_replay;
	bool is_account; /* the answer is the object of: */
	uint8_t account[ACCOUNT_ID_BYTES];
	uint32_t next_free;
};

struct turn {
	uint32_t first_free;
	bool is_broken; /* the disk was full: end it at once */
	const struct journal_loaded *loaded; /* of the command under way */
	struct turn_request requests[AGENT_MAX_PENDING];
};

void turn_init(struct turn *t);

/* Judge a command; its answer leaves at the turn's end. c->request is set here. */
void turn_take(struct store *s, struct http_request *http, struct agent_command *c);

/* Judge a command again that the core held. */
void turn_judge(struct store *s, struct agent_command *c);

/* Commit, answer, and tell the core. Does nothing where nothing happened. */
void turn_end(struct store *s);

/* Commit what io itself wrote (lanes, settings). ERR_FULL: the disk is full. */
int MUST_CHECK turn_commit(struct store *s);

/* Effects of the core. CHECK_PIN's command is that of a command_reader. */
void turn_check_pin(struct store *s, const struct agent_command *c);
void turn_load(struct store *s, const struct agent_command *c);
void turn_append(struct store *s, const struct agent_append *x);
void turn_answer(struct store *s, const struct agent_answer *x);
void turn_release(struct store *s, const uint32_t *requests, size_t n);
void turn_refuse(struct store *s, const uint32_t *requests, size_t n, enum code code);

#endif
