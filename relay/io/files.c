#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static int write_all(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ERR_IO;
		data += n;
		len -= (size_t)n;
	}
	return fsync(fd) == 0 ? 0 : ERR_IO;
}

int file_replace(const char *dir, const char *name, const void *data, size_t len, unsigned mode)
{
	char aside[320];
	int err = ERR_IO;
	int fd = -1;
	int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (folder < 0)
		return ERR_IO;
	snprintf(aside, sizeof(aside), "%s.new", name);
	(void)unlinkat(folder, aside, 0);
	fd = openat(folder, aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0 || write_all(fd, data, len) != 0)
		goto fail;
	if (renameat(folder, aside, folder, name) != 0 || fsync(folder) != 0)
		goto fail;
	err = 0;
fail:
	if (fd >= 0)
		close(fd);
	close(folder);
	return err;
}

int file_read(const char *dir, const char *name, void *buf, size_t cap, size_t *ret_len)
{
	char path[4096];
	size_t len = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
	do {
		n = read(fd, (uint8_t *)buf + len, cap - len);
		if (n > 0)
			len += (size_t)n;
	} while ((n > 0 && len < cap) || (n < 0 && errno == EINTR));
	close(fd);
	if (n < 0)
		return ERR_IO;
	if (len == cap)
		return ERR_FULL;
	*ret_len = len;
	return 0;
}
