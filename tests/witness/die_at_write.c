// Preloaded into a gateway whose state is a file: ends it (SIGKILL) just before the n-th time that
// it writes to a file at a place or makes one durable, as SQLite does. n is the 64-bit number in the
// file that LETHE_DIE_AT names; 0: not at all. The test sets it while the gateway runs.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

static int64_t* left;

__attribute__((constructor)) static void begin(void) {
    const char* const file = getenv("LETHE_DIE_AT");
    if (file == NULL) return;
    const int descriptor = open(file, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) abort();
    void* const place = mmap(NULL, sizeof *left, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (place == MAP_FAILED) abort();
    left = place;
}

static void count(void) {
    if (left == NULL) return;
    int64_t now = __atomic_load_n(left, __ATOMIC_SEQ_CST);
    while (now > 0)
        if (__atomic_compare_exchange_n(left, &now, now - 1, 0, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST)) {
            if (now == 1) {
                // Told apart from "not at all" and from "not yet".
                __atomic_store_n(left, -1, __ATOMIC_SEQ_CST);
                kill(getpid(), SIGKILL);
                pause();
            }
            return;
        }
}

#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

ssize_t pwrite(int to, const void* bytes, size_t size, off_t at) {
    count();
    return NEXT(pwrite)(to, bytes, size, at);
}
ssize_t pwrite64(int to, const void* bytes, size_t size, off64_t at) {
    count();
    return NEXT(pwrite64)(to, bytes, size, at);
}
int fdatasync(int of) {
    count();
    return NEXT(fdatasync)(of);
}
int fsync(int of) {
    count();
    return NEXT(fsync)(of);
}
