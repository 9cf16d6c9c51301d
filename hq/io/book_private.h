/* The writing connection's state, and what its three files owe each other. */
#ifndef TRIB_HQ_BOOK_PRIVATE_H
#define TRIB_HQ_BOOK_PRIVATE_H

#include "book.h"
#include "book_sql.h"
#include "hqd.h"

enum book_state {
	BOOK_DOWN, /* waits for the backoff timer */
	BOOK_CONNECTING,
	BOOK_PREPARING, /* session settings, statements */
	BOOK_LOADING, /* the state is being read */
	BOOK_IDLE,
	BOOK_BEGINNING, /* BEGIN and COPY were sent */
	BOOK_COPYING, /* rows were sent; the COPY's end is awaited */
	BOOK_PIPELINE, /* statements were sent, and a group's COMMIT */
	BOOK_COMMITTING, /* an op's COMMIT was sent, after its row counts were seen */
	BOOK_ROLLING_BACK,
};

enum book_work {
	WORK_NONE,
	WORK_GROUP,
	WORK_OP,
};

#define RETRY_MIN_S 0.1
#define RETRY_MAX_S 5.0
#define CONNECT_LIMIT_S 10.0
#define ANSWER_LIMIT_S 60.0 /* a group takes milliseconds */

struct book {
	struct hqd *h;
	PGconn *conn;
	enum book_state state;
	enum book_work work;
	struct ev_io io; /* active while there is a connection */
	struct ev_timer retry;
	struct ev_timer watchdog; /* runs while an answer is awaited */
	double backoff_s;
	const struct ingest_group *group; /* WORK_GROUP */
	struct book_op *op; /* WORK_OP */
	struct book_op *ops, **ops_tail;
	struct pg_buffer copy;
	struct pg_params params;
	/* of the pipeline under way */
	bool runs[16]; /* book_sqls that the group runs */
	size_t result_no; /* results seen */
	bool has_failed;
	bool is_data_failure;
	bool is_stale; /* the books are not where we think */
	bool is_passing; /* the server refused for a reason of the moment */
	bool is_committed;
	bool are_facts_due;
	char detail[200];
	PGresult *loaded[HQ_LOAD_RESULTS];
	size_t n_loaded;
};

/* ---- book_connect.c: the connection, and reading the state anew ---- */

/* The one place where the state changes: each state that awaits the server ends in time. */
void book_set_state(struct book *b, enum book_state to);
void book_set_events(struct book *b, int events);
void book_flush(struct book *b);
void book_start_retry(struct book *b);

/* Keep the first line of a server's message. */
void book_copy_detail(struct book *b, const char *message);
void book_clear_loaded(struct book *b);

/* Close; the outcome of what was being written is unknown until the cursors are read again. */
void book_connection_lost(struct book *b, const char *what);
void book_start_connect(struct book *b);
void book_connect_step(struct book *b);
void book_start_load(struct book *b);
void book_on_load_result(struct book *b, PGresult *r); /* takes r */

/* ---- book_write.c: one transaction ---- */

void book_note_failure(struct book *b, const PGresult *r);
void book_on_copy_result(struct book *b, PGresult *r); /* takes r */
void book_on_pipeline_result(struct book *b, PGresult *r); /* takes r */
void book_start_pipeline(struct book *b);
void book_roll_back(struct book *b);
void book_finish_work(struct book *b);

#endif
