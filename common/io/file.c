#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define PATH_BYTES 4096

static int write_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ERR_IO;
		p += n;
		len -= (size_t)n;
	}
	return fsync(fd) == 0 ? 0 : ERR_IO;
}

static int sync_directory(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return ERR_IO;
	r = fsync(fd) == 0 ? 0 : ERR_IO;
	close(fd);
	return r;
}

int file_write(const char *dir, const char *name, const void *data, size_t len, mode_t mode)
{
	char path[PATH_BYTES], temporary[PATH_BYTES];
	int fd, r;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path) ||
	    snprintf(temporary, sizeof(temporary), "%s/.%s.new", dir, name) >=
		    (int)sizeof(temporary)) {
		errno = ENAMETOOLONG;
		return ERR_IO;
	}
	(void)unlink(temporary);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return ERR_IO;
	r = write_all(fd, data, len);
	if (close(fd) != 0 || r < 0 || rename(temporary, path) != 0) {
		(void)unlink(temporary);
		return ERR_IO;
	}
	return sync_directory(dir);
}

int file_read(const char *dir, const char *name, void *ret, size_t cap, size_t *ret_len)
{
	char path[PATH_BYTES];
	size_t len = 0;
	ssize_t n = 0;
	char more;
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return ERR_IO;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
	while (len < cap && (n = read(fd, (char *)ret + len, cap - len)) > 0)
		len += (size_t)n;
	if (n >= 0 && len == cap && read(fd, &more, 1) == 1) {
		close(fd);
		return ERR_FULL;
	}
	close(fd);
	if (n < 0)
		return ERR_IO;
	*ret_len = len;
	return 0;
}
