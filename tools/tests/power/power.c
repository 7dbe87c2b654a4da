/* A disk that forgets, for `LD_PRELOAD`: what is written to files under VESTA_POWER_DIR stays in the memory
 * of the process until it is synced, so kill -9 is to these files what a power cut is to a disk.
 *
 * A disk may also have written some of what was not synced, in any order: each sector of a write goes through
 * at once by a coin (VESTA_POWER_SEED), and a sync lets half of its writes through before it waits a little
 * and then does all of them. Names are told in the file VESTA_POWER_LOG, for the test to take back after the
 * kill what was not durable: `C name` made, `F name` synced, `U name` removed (it is there as `name.gone`),
 * `S` the folder was synced.
 *
 * What does not go through libc (fallocate by rustix, mappings) reaches the files at once: zeroes, and reads. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { SECTOR = 512, FDS = 4096, GONE_MAX = 64, PAUSE_US = 300 };

/* A write (data), or a change of the length (no data), that is not synced. */
struct held {
    struct held *next;
    off_t at;
    size_t len;
    char *data;
};

struct file {
    dev_t dev;
    ino_t ino;
    char name[64];
    struct held *first, **last;
    struct file *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file *files, *by_fd[FDS];
static char folder_fd[FDS], gone[GONE_MAX][512];
static unsigned gone_count;
static const char *folder;
static int log_fd = -1;
static uint64_t state;

static int (*real_open)(const char *, int, ...);
static int (*real_close)(int), (*real_fsync)(int), (*real_unlink)(const char *);
static int (*real_ftruncate)(int, off_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t), (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);

__attribute__((constructor)) static void begin(void) {
    real_open = dlsym(RTLD_NEXT, "open64");
    real_close = dlsym(RTLD_NEXT, "close");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_write = dlsym(RTLD_NEXT, "write");
    real_writev = dlsym(RTLD_NEXT, "writev");
    folder = getenv("VESTA_POWER_DIR");
    const char *seed = getenv("VESTA_POWER_SEED"), *log = getenv("VESTA_POWER_LOG");
    state = (seed ? strtoull(seed, 0, 10) : 1) * 0x9e3779b97f4a7c15u | 1;
    if (log) log_fd = real_open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (!folder || log_fd < 0) abort();
}

static uint64_t coin(uint64_t sides) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (state * 0x2545f4914f6cdd1du >> 33) % sides;
}

static void tell(char what, const char *name) {
    char line[128];
    int len = snprintf(line, sizeof line, "%c %s\n", what, name);
    if (real_write(log_fd, line, len) != len) abort();
}

/* The name of `path` in the folder, if it is in it. */
static const char *name_in_folder(const char *path) {
    size_t len = strlen(folder);
    if (strncmp(path, folder, len) != 0 || path[len] != '/') return 0;
    return strchr(path + len + 1, '/') ? 0 : path + len + 1;
}

static struct file *file_of(int fd) { return fd >= 0 && fd < FDS ? by_fd[fd] : 0; }

static void hold(struct file *file, off_t at, size_t len, const char *data) {
    struct held *held = malloc(sizeof *held);
    *held = (struct held){0, at, len, 0};
    if (data) memcpy(held->data = malloc(len + 1), data, len);
    *file->last = held;
    file->last = &held->next;
}

/* Holds a write, sector by sector; some sectors get through all the same. */
static void hold_write(int fd, struct file *file, const char *data, size_t len, off_t at) {
    for (size_t from = 0; from < len;) {
        size_t piece = SECTOR - (at + from) % SECTOR;
        if (piece > len - from) piece = len - from;
        hold(file, at + from, piece, data + from);
        if (coin(2) && real_pwrite(fd, data + from, piece, at + from) != (ssize_t)piece) abort();
        from += piece;
    }
}

static void apply(int fd, const struct held *held) {
    if (!held->data) {
        if (real_ftruncate(fd, held->at)) abort();
    } else if (real_pwrite(fd, held->data, held->len, held->at) != (ssize_t)held->len) {
        abort();
    }
}

static void sync_file(int fd, struct file *file) {
    for (struct held *held = file->first; held; held = held->next)
        if (held->data && coin(2)) apply(fd, held);
    struct timespec pause = {0, (long)coin(PAUSE_US) * 1000};
    pthread_mutex_unlock(&lock);
    nanosleep(&pause, 0);
    pthread_mutex_lock(&lock);
    for (struct held *held = file->first, *next; held; held = next) {
        apply(fd, held);
        next = held->next;
        free(held->data);
        free(held);
    }
    file->first = 0, file->last = &file->first;
}

static void sync_folder(void) {
    tell('S', "");
    while (gone_count > 0) real_unlink(gone[--gone_count]);
}

static void opened(int fd, const char *name, int made) {
    struct stat stat;
    if (fd < 0 || fd >= FDS || fstat(fd, &stat)) return;
    struct file *file = files;
    while (file && (file->dev != stat.st_dev || file->ino != stat.st_ino)) file = file->next;
    if (!file) {
        file = calloc(1, sizeof *file);
        file->dev = stat.st_dev, file->ino = stat.st_ino;
        snprintf(file->name, sizeof file->name, "%s", name);
        file->last = &file->first, file->next = files;
        files = file;
    }
    by_fd[fd] = file;
    if (made) tell('C', name);
}

int open64(const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    mode_t mode = va_arg(args, int);
    va_end(args);
    const char *name = name_in_folder(path);
    int made = name && (flags & O_CREAT) && access(path, F_OK) != 0;
    /* Sectors are what is written here, from anywhere in memory: not for O_DIRECT. */
    int fd = real_open(path, name ? flags & ~O_DIRECT : flags, mode);
    pthread_mutex_lock(&lock);
    if (fd >= 0 && fd < FDS) {
        by_fd[fd] = 0;
        folder_fd[fd] = strcmp(path, folder) == 0;
        if (name && (flags & O_ACCMODE) != O_RDONLY) opened(fd, name, made);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

int open(const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    mode_t mode = va_arg(args, int);
    va_end(args);
    return open64(path, flags, mode);
}

int close(int fd) {
    pthread_mutex_lock(&lock);
    if (fd >= 0 && fd < FDS) by_fd[fd] = 0, folder_fd[fd] = 0;
    pthread_mutex_unlock(&lock);
    return real_close(fd);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off_t at) {
    pthread_mutex_lock(&lock);
    struct file *file = file_of(fd);
    if (file) hold_write(fd, file, data, len, at);
    pthread_mutex_unlock(&lock);
    return file ? (ssize_t)len : real_pwrite(fd, data, len, at);
}

ssize_t write(int fd, const void *data, size_t len) {
    pthread_mutex_lock(&lock);
    struct file *file = file_of(fd);
    if (file) {
        off_t at = lseek(fd, 0, SEEK_CUR);
        hold_write(fd, file, data, len, at);
        lseek(fd, at + len, SEEK_SET);
    }
    pthread_mutex_unlock(&lock);
    return file ? (ssize_t)len : real_write(fd, data, len);
}

ssize_t writev(int fd, const struct iovec *pieces, int count) {
    pthread_mutex_lock(&lock);
    struct file *file = file_of(fd);
    ssize_t len = 0;
    if (file) {
        off_t at = lseek(fd, 0, SEEK_CUR);
        for (int i = 0; i < count; len += pieces[i++].iov_len)
            hold_write(fd, file, pieces[i].iov_base, pieces[i].iov_len, at + len);
        lseek(fd, at + len, SEEK_SET);
    }
    pthread_mutex_unlock(&lock);
    return file ? len : real_writev(fd, pieces, count);
}

int ftruncate64(int fd, off_t len) {
    pthread_mutex_lock(&lock);
    struct file *file = file_of(fd);
    if (file) hold(file, len, 0, 0);
    pthread_mutex_unlock(&lock);
    return file ? 0 : real_ftruncate(fd, len);
}

int fsync(int fd) {
    pthread_mutex_lock(&lock);
    struct file *file = file_of(fd);
    int ours = file || (fd >= 0 && fd < FDS && folder_fd[fd]);
    if (file) {
        sync_file(fd, file);
        tell('F', file->name);
    } else if (ours) {
        sync_folder();
    }
    pthread_mutex_unlock(&lock);
    return ours ? 0 : real_fsync(fd);
}

int fdatasync(int fd) {
    pthread_mutex_lock(&lock);
    struct file *file = file_of(fd);
    if (file) sync_file(fd, file);
    pthread_mutex_unlock(&lock);
    return file ? 0 : real_fsync(fd);
}

int unlink(const char *path) {
    const char *name = name_in_folder(path);
    if (!name) return real_unlink(path);
    pthread_mutex_lock(&lock);
    if (gone_count == GONE_MAX) abort();
    snprintf(gone[gone_count], sizeof gone[0], "%s.gone", path);
    tell('U', name);
    int result = rename(path, gone[gone_count++]);
    pthread_mutex_unlock(&lock);
    return result;
}
