/* Just enough of an HTTP/1.1 answer for a load generator: status, length, Trib-Witness. */
#ifndef TRIB_BENCH_HTTP_ANSWER_H
#define TRIB_BENCH_HTTP_ANSWER_H

#include <stddef.h>
#include <stdint.h>

struct http_answer {
	int status;
	size_t len; /* of head and body */
	uint64_t witness_seq; /* of Trib-Witness: the journal's end when it was answered; 0: none */
};

/* Read the answer at the start of data[0..len). 1: it is whole, *ret is filled. 0: there is more to
 * come. -1: this is no answer with a Content-Length. */
int http_answer_read(const char *data, size_t len, struct http_answer *ret);

#endif
