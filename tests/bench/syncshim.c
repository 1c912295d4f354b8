/* LD_PRELOAD shim: counts fsync and fdatasync, and makes each of them slower on demand.
 *
 * SYNCSHIM_FILE names a file of two 64-bit numbers shared with the yardstick: [0] microseconds to
 * add to every call, [1] calls so far. Without the variable the shim does nothing.
 * Build: gcc -O2 -shared -fPIC -o syncshim.so syncshim.c -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t *shared;
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);

__attribute__((constructor)) static void start(void)
{
    const char *name = getenv("SYNCSHIM_FILE");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    if (name) {
        int fd = open(name, O_RDWR | O_CLOEXEC);
        if (fd >= 0) {
            void *place = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
            if (place != MAP_FAILED)
                shared = place;
            close(fd);
        }
    }
}

static void note(void)
{
    if (!shared)
        return;
    __atomic_fetch_add(&shared[1], 1, __ATOMIC_RELAXED);
    uint64_t us = shared[0];
    if (us) {
        struct timespec pause = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
        nanosleep(&pause, NULL);
    }
}

int fsync(int fd)
{
    note();
    return real_fsync(fd);
}

int fdatasync(int fd)
{
    note();
    return real_fdatasync(fd);
}
