#include "agent_disk.h"

#include <stddef.h>

#define LEVELS 3

static const uint64_t inodes_of[LEVELS] = { 64, 16, 0 };

uint64_t agent_ballast_bytes(uint64_t reserve_bytes)
{
	return reserve_bytes / 8;
}

void agent_disk_init(struct agent_disk *d, uint64_t reserve_bytes)
{
	*d = (struct agent_disk){ .reserve_bytes = reserve_bytes,
				  .free_bytes = AGENT_DISK_UNKNOWN };
}

static bool has_room_for_ballast(const struct agent_disk *d, const struct agent_disk_facts *f)
{
	return f->free_bytes >= d->reserve_bytes + d->reserve_bytes / 4;
}

static enum agent_disk_wish wish(struct agent_disk *d, const struct agent_disk_facts *f,
				 uint64_t now_ms)
{
	switch (f->ballast) {
	case AGENT_BALLAST_KEPT:
		if (f->is_full || f->free_bytes < d->reserve_bytes / 4)
			return AGENT_DISK_GIVE_UP_BALLAST;
		return AGENT_DISK_NOTHING;
	case AGENT_BALLAST_NONE:
		if (f->is_full || !has_room_for_ballast(d, f) || now_ms < d->retry_ms)
			return AGENT_DISK_NOTHING;
		d->retry_ms = now_ms + AGENT_DISK_RETRY_MS;
		return AGENT_DISK_MAKE_BALLAST;
	case AGENT_BALLAST_IMPOSSIBLE:
		break;
	}
	return AGENT_DISK_NOTHING;
}

static unsigned level_of(const struct agent_disk *d, const struct agent_disk_facts *f)
{
	const uint64_t bytes_of[LEVELS] = { d->reserve_bytes, d->reserve_bytes / 2,
					    d->reserve_bytes / 16 };
	uint64_t slack = d->reserve_bytes / 8;

	for (unsigned n = LEVELS; n > 0; n--) {
		bool stands = d->level >= n; /* V4 */
		uint64_t bytes = bytes_of[n - 1] + (stands ? slack : 0);
		uint64_t inodes = inodes_of[n - 1] + (stands ? inodes_of[n - 1] / 4 : 0);

		if (n == LEVELS && f->ballast == AGENT_BALLAST_KEPT) /* V3 */
			continue;
		if (f->free_bytes < bytes || f->free_inodes < inodes)
			return n;
	}
	return 0;
}

enum agent_disk_wish agent_disk_judge(struct agent_disk *d, const struct agent_disk_facts *f,
				      uint64_t now_ms)
{
	if (d->reserve_bytes == 0)
		return AGENT_DISK_NOTHING;
	if (f->is_full) {
		d->is_full = true;
		d->retry_ms = now_ms + AGENT_DISK_RETRY_MS;
	} else if (f->ballast != AGENT_BALLAST_NONE && has_room_for_ballast(d, f)) {
		d->is_full = false;
	}
	d->free_bytes = f->free_bytes;
	d->level = level_of(d, f);
	if (d->is_full && d->level < 2)
		d->level = 2; /* V5 */
	return wish(d, f, now_ms);
}
