/* The operations of a CSV file, each card's in order:
 *
 *   order_no,store,card_no,at,kind(topup|spend|refund),amount[,of_order]
 *
 * plain or gzip, with or without that first line. Order is by `at`, equal ones as they stand. */
#ifndef TRIB_REPLAY_ROWS_H
#define TRIB_REPLAY_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "shops.h"

#define ROW_COLUMNS "order_no,store,card_no,at,kind,amount,of_order"
#define ROW_NONE UINT32_MAX
#define ORDER_NO_MAX 48
#define CARD_NO_MAX 64

enum row_kind {
	ROW_TOP_UP,
	ROW_SPEND,
	ROW_REFUND,
};
#define ROW_KINDS 3

struct row {
	int64_t at_ms; /* orders, and nothing else */
	int64_t amount;
	uint32_t order_no; /* offsets into text */
	uint32_t card_no;
	uint32_t of_order; /* of a refund */
	uint32_t next; /* row of the same card, or ROW_NONE */
	uint16_t shop; /* index into shops */
	uint16_t of_shop; /* where of_order was */
	uint8_t kind; /* enum row_kind */
};

struct card {
	uint32_t card_no; /* offset into text */
	uint32_t first; /* row */
};

struct rows {
	char *text; /* owned; NUL-terminated pieces */
	size_t text_bytes, text_room;
	struct row *rows; /* owned; in order */
	uint32_t n_rows, rows_room;
	struct card *cards; /* owned */
	uint32_t n_cards;
};

/* Read at most `limit` rows of the file; "-" is standard input. 0, or -1 after saying on stderr
 * what is wrong, and in which line. Borrows shops. */
int rows_load(struct rows *r, const char *path, uint32_t limit, const struct shops *shops)
	__attribute__((warn_unused_result));

void rows_finish(struct rows *r);

const char *row_kind_name(enum row_kind kind);

#endif
