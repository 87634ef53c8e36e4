/* Preloaded into a server: calls on the files of its database fail with EIO while a file that is named like the kind of
 * call ("read", "write", "sync") lies in the folder FAULTY_FOLDER. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int fails(int file, const char *kind) {
    const char *folder = getenv("FAULTY_FOLDER");
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (!folder || length < 0) return 0;
    path[length] = 0;
    if (!strstr(path, "/tidings.db")) return 0;
    snprintf(path, sizeof path, "%s/%s", folder, kind);
    return access(path, F_OK) == 0;
}

#define FAULTY(kind, type, name, parameters, ...)            \
    type name parameters {                                   \
        static type(*next) parameters;                       \
        if (fails(file, kind)) { errno = EIO; return -1; }   \
        if (!next) next = dlsym(RTLD_NEXT, #name);           \
        return next(file, ##__VA_ARGS__);                    \
    }

FAULTY("read", ssize_t, read, (int file, void *to, size_t count), to, count)
FAULTY("read", ssize_t, pread, (int file, void *to, size_t count, off_t at), to, count, at)
FAULTY("read", ssize_t, pread64, (int file, void *to, size_t count, off64_t at), to, count, at)
FAULTY("write", ssize_t, write, (int file, const void *from, size_t count), from, count)
FAULTY("write", ssize_t, pwrite, (int file, const void *from, size_t count, off_t at), from, count, at)
FAULTY("write", ssize_t, pwrite64, (int file, const void *from, size_t count, off64_t at), from, count, at)
FAULTY("sync", int, fsync, (int file))
FAULTY("sync", int, fdatasync, (int file))
