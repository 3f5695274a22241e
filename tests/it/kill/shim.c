/*
 * Loaded into one process by LD_PRELOAD. It counts the process's fsync and fdatasync calls, kills it at one of
 * them, and lets writes below a folder fail. System calls are made directly: nothing here depends on what the
 * program has loaded. The environment is cleaned at once, so that children of the process run without it.
 *
 *   PATCHLIFT_SHIM_COUNT=FILE            the number of syncs so far, eight bytes in the machine's order
 *   PATCHLIFT_SHIM_KILL=N:before|after   SIGKILL to itself at the N-th sync, before or after it was done
 *   PATCHLIFT_SHIM_FAIL=ERROR:N:FOLDER   from the N-th on, writes to files below FOLDER fail with that errno
 *   PATCHLIFT_SHIM_WHILE=FILE            ... but only while FILE is there
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static _Atomic uint64_t own_syncs;
static _Atomic uint64_t *syncs = &own_syncs;
static _Atomic uint64_t writes;
static uint64_t kill_at;
static int kill_after;
static int fail_with;
static uint64_t fail_from;
static char fail_below[PATH_MAX];
static char fail_while[PATH_MAX];

static void count_in(const char *path)
{
	int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || syscall(SYS_ftruncate, fd, (off_t)sizeof(uint64_t)) != 0)
		_exit(99);
	void *shared = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		_exit(99);
	close(fd);
	syncs = shared;
	atomic_store(syncs, 0);
}

__attribute__((constructor)) static void begin(void)
{
	char *text = getenv("PATCHLIFT_SHIM_KILL");
	if (text) {
		kill_at = strtoull(text, &text, 10);
		kill_after = strcmp(text, ":after") == 0;
	}
	text = getenv("PATCHLIFT_SHIM_FAIL");
	if (text) {
		fail_with = strtoull(text, &text, 10);
		fail_from = strtoull(text + 1, &text, 10);
		if (!realpath(text + 1, fail_below))
			_exit(99);
	}
	text = getenv("PATCHLIFT_SHIM_WHILE");
	if (text)
		snprintf(fail_while, sizeof fail_while, "%s", text);
	text = getenv("PATCHLIFT_SHIM_COUNT");
	if (text)
		count_in(text);
	unsetenv("LD_PRELOAD");
	unsetenv("PATCHLIFT_SHIM_KILL");
	unsetenv("PATCHLIFT_SHIM_FAIL");
	unsetenv("PATCHLIFT_SHIM_WHILE");
	unsetenv("PATCHLIFT_SHIM_COUNT");
}

static void die(void)
{
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

static int is_below(const char *path)
{
	size_t length = strlen(fail_below);
	return strncmp(path, fail_below, length) == 0 && (path[length] == '/' || path[length] == 0);
}

/* Does a write to this path fail? */
static int path_fails(const char *path)
{
	if (!fail_with || !is_below(path))
		return 0;
	if (fail_while[0] && access(fail_while, F_OK) != 0)
		return 0;
	return atomic_fetch_add(&writes, 1) + 1 >= fail_from;
}

static int fd_fails(int fd)
{
	char link[64], path[PATH_MAX];
	if (!fail_with)
		return 0;
	int before = errno;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
	errno = before;
	if (length < 0)
		return 0;
	path[length] = 0;
	return path_fails(path);
}

#define REFUSE_IF(fails)           \
	do {                       \
		if (fails) {       \
			errno = fail_with; \
			return -1; \
		}                  \
	} while (0)

static int synced(long number, int fd)
{
	REFUSE_IF(fd_fails(fd));
	uint64_t now = atomic_fetch_add(syncs, 1) + 1;
	if (now == kill_at && !kill_after)
		die();
	int result = syscall(number, fd);
	if (now == kill_at)
		die();
	return result;
}

int fsync(int fd)
{
	return synced(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return synced(SYS_fdatasync, fd);
}

ssize_t write(int fd, const void *data, size_t size)
{
	REFUSE_IF(fd_fails(fd));
	return syscall(SYS_write, fd, data, size);
}

ssize_t writev(int fd, const struct iovec *data, int count)
{
	REFUSE_IF(fd_fails(fd));
	return syscall(SYS_writev, fd, data, count);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
	REFUSE_IF(fd_fails(fd));
	return syscall(SYS_pwrite64, fd, data, size, at);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
	return pwrite64(fd, data, size, at);
}

int ftruncate64(int fd, off64_t size)
{
	REFUSE_IF(fd_fails(fd));
	return syscall(SYS_ftruncate, fd, size);
}

int ftruncate(int fd, off_t size)
{
	return ftruncate64(fd, size);
}

static int opened(int folder, const char *path, int flags, mode_t mode)
{
	char whole[PATH_MAX];
	int writes_it = (flags & O_ACCMODE) != O_RDONLY;
	/* A full disk lets files be opened, but not be made; a read-only one neither. */
	int wanted = fail_with == EROFS ? writes_it : (flags & O_CREAT) && access(path, F_OK) != 0;
	if (fail_with && wanted && folder == AT_FDCWD) {
		const char *name = path;
		if (path[0] != '/' && getcwd(whole, sizeof whole / 2)) {
			strncat(whole, "/", sizeof whole - strlen(whole) - 1);
			strncat(whole, path, sizeof whole - strlen(whole) - 1);
			name = whole;
		}
		REFUSE_IF(path_fails(name));
	}
	return syscall(SYS_openat, folder, path, flags, mode);
}

#define MODE_OF(flags, mode)                                       \
	mode_t mode = 0;                                           \
	if ((flags) & (O_CREAT | __O_TMPFILE)) {                   \
		va_list rest;                                      \
		va_start(rest, flags);                             \
		mode = va_arg(rest, mode_t);                       \
		va_end(rest);                                      \
	}

int open64(const char *path, int flags, ...)
{
	MODE_OF(flags, mode);
	return opened(AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
	MODE_OF(flags, mode);
	return opened(AT_FDCWD, path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...)
{
	MODE_OF(flags, mode);
	return opened(folder, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
	MODE_OF(flags, mode);
	return opened(folder, path, flags, mode);
}
