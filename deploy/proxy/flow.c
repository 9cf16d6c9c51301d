#include "flow.h"

#include <assert.h>
#include <stdlib.h>

int flow_init(struct flow *f)
{
	*f = (struct flow){ .ring = malloc(FLOW_BYTES) };
	return f->ring == NULL ? -1 : 0;
}

void flow_finish(struct flow *f)
{
	free(f->ring);
	f->ring = NULL;
}

/* The bytes [from, to) of the ring, as at most two pieces. */
static int flow_pieces(const struct flow *f, uint64_t from, uint64_t to, struct iovec ret_iov[2])
{
	size_t at = (size_t)(from % FLOW_BYTES);
	size_t n = (size_t)(to - from);
	size_t head = n < FLOW_BYTES - at ? n : FLOW_BYTES - at;
	int pieces = 0;

	if (head > 0)
		ret_iov[pieces++] = (struct iovec){ .iov_base = f->ring + at, .iov_len = head };
	if (n > head)
		ret_iov[pieces++] = (struct iovec){ .iov_base = f->ring, .iov_len = n - head };
	return pieces;
}

int flow_room(const struct flow *f, struct iovec ret_iov[2])
{
	return flow_pieces(f, f->in, f->out + FLOW_BYTES, ret_iov);
}

static struct flow_mark *flow_mark_at(struct flow *f, unsigned int i)
{
	return &f->marks[(f->first_mark + i) % FLOW_MARKS];
}

void flow_put(struct flow *f, size_t n, double due)
{
	struct flow_mark *last = f->n_marks > 0 ? flow_mark_at(f, f->n_marks - 1) : NULL;

	assert(n <= f->out + FLOW_BYTES - f->in);
	f->in += n;
	/* With all marks taken, the last one's bytes leave a little later than they could. */
	if (last != NULL && (f->n_marks == FLOW_MARKS || due - last->due < 0.0005)) {
		last->end = f->in;
		if (due > last->due)
			last->due = due;
		return;
	}
	*flow_mark_at(f, f->n_marks++) = (struct flow_mark){ .end = f->in, .due = due };
}

int flow_ready(const struct flow *f, double now, struct iovec ret_iov[2])
{
	uint64_t end = f->out;

	for (unsigned int i = 0; i < f->n_marks; i++) {
		const struct flow_mark *m = &f->marks[(f->first_mark + i) % FLOW_MARKS];

		if (m->due > now)
			break;
		end = m->end;
	}
	return flow_pieces(f, f->out, end, ret_iov);
}

void flow_take(struct flow *f, size_t n)
{
	assert(n <= f->in - f->out);
	f->out += n;
	while (f->n_marks > 0 && flow_mark_at(f, 0)->end <= f->out) {
		f->first_mark = (f->first_mark + 1) % FLOW_MARKS;
		f->n_marks--;
	}
}

bool flow_is_empty(const struct flow *f)
{
	return f->in == f->out;
}

double flow_next_due(const struct flow *f)
{
	assert(f->n_marks > 0);
	return f->marks[f->first_mark].due;
}

void flow_hurry(struct flow *f)
{
	for (unsigned int i = 0; i < f->n_marks; i++)
		flow_mark_at(f, i)->due = 0;
}
