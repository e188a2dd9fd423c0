// For tests: a file layer under SQLite (a VFS) whose write-ahead log fails, is full or stands still
// when the test says so.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

namespace lethe::store::sqlite {

// One at a time; outlives all databases that use it.
class log_faults {
 public:
    log_faults() : below_(*sqlite3_vfs_find(nullptr)), layer_(below_) {
        layer_.zName = name;
        layer_.pNext = nullptr;
        layer_.pAppData = this;
        layer_.szOsFile = static_cast<int>(sizeof(log_file)) + below_.szOsFile;
        layer_.xOpen = open;
        sqlite3_vfs_register(&layer_, 0);
    }
    ~log_faults() { sqlite3_vfs_unregister(&layer_); }
    log_faults(const log_faults&) = delete;
    log_faults& operator=(const log_faults&) = delete;

    static constexpr const char* name = "lethe-log-faults";

    // The next so many syncs of the log fail, after the bytes were written.
    std::atomic<int> syncs_that_fail{0};
    // A write beyond this finds the disk full; 0: there is room.
    std::atomic<std::int64_t> log_bytes_max{0};
    // Called in a sync that fails.
    std::function<void()> in_failed_sync;

    // Syncs stand still from now on.
    void hold_syncs() {
        const std::scoped_lock lock(mutex_);
        held_ = true;
    }
    void wait_until_one_is_held() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return waiting_ > 0; });
    }
    void release_syncs() {
        const std::scoped_lock lock(mutex_);
        held_ = false;
        changed_.notify_all();
    }

 private:
    struct log_file {
        sqlite3_file base;
        log_faults* faults;
        bool written;  // since its last sync: a checkpoint's syncs are let through
        [[nodiscard]] sqlite3_file* below() { return reinterpret_cast<sqlite3_file*>(this + 1); }
    };
    static log_file& of(sqlite3_file* file) { return *reinterpret_cast<log_file*>(file); }

    static int open(sqlite3_vfs* layer, const char* path, sqlite3_file* file, int flags, int* out) {
        auto* self = static_cast<log_faults*>(layer->pAppData);
        if ((flags & SQLITE_OPEN_WAL) == 0)
            return self->below_.xOpen(&self->below_, path, file, flags, out);
        log_file& log = of(file);
        log.faults = self;
        log.base.pMethods = nullptr;
        log.written = false;
        const int done = self->below_.xOpen(&self->below_, path, log.below(), flags, out);
        if (log.below()->pMethods != nullptr) log.base.pMethods = &methods();
        return done;
    }

    int sync(sqlite3_file* below, int flags) {
        {
            std::unique_lock lock(mutex_);
            ++waiting_;
            changed_.notify_all();
            changed_.wait(lock, [this] { return !held_; });
            --waiting_;
        }
        const int done = below->pMethods->xSync(below, flags);
        if (syncs_that_fail.load() <= 0) return done;
        --syncs_that_fail;
        if (in_failed_sync) in_failed_sync();
        return SQLITE_IOERR_FSYNC;
    }

    static const sqlite3_io_methods& methods() {
        static const sqlite3_io_methods all = make_methods();
        return all;
    }
    static sqlite3_io_methods make_methods() {
        sqlite3_io_methods m{};
        m.iVersion = 1;
        m.xClose = [](sqlite3_file* f) { return below(f)->pMethods->xClose(below(f)); };
        m.xRead = [](sqlite3_file* f, void* to, int size, sqlite3_int64 at) {
            return below(f)->pMethods->xRead(below(f), to, size, at);
        };
        m.xWrite = [](sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
            const std::int64_t max = of(f).faults->log_bytes_max.load();
            of(f).written = true;
            if (max > 0 && at + size > max) {
                // What fits is there.
                if (at < max)
                    static_cast<void>(
                        below(f)->pMethods->xWrite(below(f), from, static_cast<int>(max - at), at));
                return SQLITE_FULL;
            }
            return below(f)->pMethods->xWrite(below(f), from, size, at);
        };
        m.xTruncate = [](sqlite3_file* f, sqlite3_int64 size) {
            return below(f)->pMethods->xTruncate(below(f), size);
        };
        m.xSync = [](sqlite3_file* f, int flags) {
            if (!std::exchange(of(f).written, false))
                return below(f)->pMethods->xSync(below(f), flags);
            return of(f).faults->sync(below(f), flags);
        };
        m.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) {
            return below(f)->pMethods->xFileSize(below(f), size);
        };
        m.xLock = [](sqlite3_file* f, int level) {
            return below(f)->pMethods->xLock(below(f), level);
        };
        m.xUnlock = [](sqlite3_file* f, int level) {
            return below(f)->pMethods->xUnlock(below(f), level);
        };
        m.xCheckReservedLock = [](sqlite3_file* f, int* out) {
            return below(f)->pMethods->xCheckReservedLock(below(f), out);
        };
        m.xFileControl = [](sqlite3_file* f, int what, void* with) {
            return below(f)->pMethods->xFileControl(below(f), what, with);
        };
        m.xSectorSize = [](sqlite3_file* f) { return below(f)->pMethods->xSectorSize(below(f)); };
        m.xDeviceCharacteristics = [](sqlite3_file* f) {
            return below(f)->pMethods->xDeviceCharacteristics(below(f));
        };
        return m;
    }
    static sqlite3_file* below(sqlite3_file* file) { return of(file).below(); }

    sqlite3_vfs below_;
    sqlite3_vfs layer_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool held_ = false;
    int waiting_ = 0;
};

}  // namespace lethe::store::sqlite
