#include "store/sqlite/log_buffer.hpp"

#include "base/error.hpp"

#include <sqlite3.h>

#include <atomic>
#include <cstring>
#include <string>
#include <vector>

namespace lethe::store::sqlite {
namespace {

// Written when so much is collected: SQLite's own layer for unix takes less than 128 KiB at once
// (it cuts the length to 17 bits), and so it is still in the processor's cache.
constexpr std::size_t bytes_max = std::size_t{120} * 1024;
// https://www.sqlite.org/walformat.html#wal_locks
constexpr int write_lock = 0;

// What stands in the log from `begin_` on, once it is written.
class collected {
 public:
    [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
    [[nodiscard]] bool touches(sqlite3_int64 from, int size) const noexcept {
        return !empty() && from < end() && begin_ < from + size;
    }
    // False: it does not follow on what is there, or is too much.
    [[nodiscard]] bool add(const void* bytes, int size, sqlite3_int64 at) {
        if (empty()) begin_ = at;
        if (at < begin_ || at > end()) return false;
        const auto offset = static_cast<std::size_t>(at - begin_);
        const auto length = static_cast<std::size_t>(size);
        if (offset + length > bytes_max) return false;
        if (bytes_.capacity() < bytes_max) bytes_.reserve(bytes_max);
        if (offset + length > bytes_.size()) bytes_.resize(offset + length);
        std::memcpy(bytes_.data() + offset, bytes, length);
        return true;
    }
    // Written or not, it is collected no longer.
    [[nodiscard]] int write_to(sqlite3_file* file) {
        if (empty()) return SQLITE_OK;
        const int done =
            file->pMethods->xWrite(file, bytes_.data(), static_cast<int>(bytes_.size()), begin_);
        forget();
        return done;
    }
    void forget() noexcept { bytes_.clear(); }

 private:
    [[nodiscard]] sqlite3_int64 end() const noexcept {
        return begin_ + static_cast<sqlite3_int64>(bytes_.size());
    }

    sqlite3_int64 begin_ = 0;
    std::vector<char> bytes_;
};

struct connection_log {
    sqlite3_file* file = nullptr;  // below, while it is open
    bool collects = false;
    collected frames;

    [[nodiscard]] int write_out() { return frames.write_to(file); }
};

// The one of SQLite's layer below stands right behind it.
struct layered_file {
    sqlite3_file base;
    connection_log* log;
};

sqlite3_file* below(sqlite3_file* file) {
    return reinterpret_cast<sqlite3_file*>(reinterpret_cast<layered_file*>(file) + 1);
}
connection_log& log_of(sqlite3_file* file) {
    return *reinterpret_cast<layered_file*>(file)->log;
}

// What is asked of either file and concerns nothing that is collected.
sqlite3_io_methods passed_on() {
    sqlite3_io_methods m{};
    m.xClose = [](sqlite3_file* f) { return below(f)->pMethods->xClose(below(f)); };
    m.xRead = [](sqlite3_file* f, void* to, int size, sqlite3_int64 at) {
        return below(f)->pMethods->xRead(below(f), to, size, at);
    };
    m.xWrite = [](sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
        return below(f)->pMethods->xWrite(below(f), from, size, at);
    };
    m.xTruncate = [](sqlite3_file* f, sqlite3_int64 size) {
        return below(f)->pMethods->xTruncate(below(f), size);
    };
    m.xSync = [](sqlite3_file* f, int flags) { return below(f)->pMethods->xSync(below(f), flags); };
    m.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) {
        return below(f)->pMethods->xFileSize(below(f), size);
    };
    m.xLock = [](sqlite3_file* f, int level) { return below(f)->pMethods->xLock(below(f), level); };
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

// The database's file: it has the log's locks and its index.
sqlite3_io_methods of_database(int version) {
    sqlite3_io_methods m = passed_on();
    m.iVersion = version;
    m.xShmMap = [](sqlite3_file* f, int page, int size, int extend, void volatile** out) {
        return below(f)->pMethods->xShmMap(below(f), page, size, extend, out);
    };
    m.xShmLock = [](sqlite3_file* f, int first, int count, int flags) {
        if (first == write_lock && (flags & SQLITE_SHM_UNLOCK) != 0 &&
            (flags & SQLITE_SHM_EXCLUSIVE) != 0)
            log_of(f).frames.forget();
        return below(f)->pMethods->xShmLock(below(f), first, count, flags);
    };
    m.xShmBarrier = [](sqlite3_file* f) {
        LETHE_ASSERT(log_of(f).write_out() == SQLITE_OK);
        below(f)->pMethods->xShmBarrier(below(f));
    };
    m.xShmUnmap = [](sqlite3_file* f, int remove) {
        log_of(f).frames.forget();
        return below(f)->pMethods->xShmUnmap(below(f), remove);
    };
    m.xFetch = [](sqlite3_file* f, sqlite3_int64 at, int size, void** out) {
        return below(f)->pMethods->xFetch(below(f), at, size, out);
    };
    m.xUnfetch = [](sqlite3_file* f, sqlite3_int64 at, void* page) {
        return below(f)->pMethods->xUnfetch(below(f), at, page);
    };
    return m;
}

sqlite3_io_methods of_log() {
    sqlite3_io_methods m = passed_on();
    m.iVersion = 1;
    m.xClose = [](sqlite3_file* f) {
        log_of(f).frames.forget();
        log_of(f).file = nullptr;
        return below(f)->pMethods->xClose(below(f));
    };
    m.xRead = [](sqlite3_file* f, void* to, int size, sqlite3_int64 at) {
        connection_log& log = log_of(f);
        if (log.frames.touches(at, size)) {
            const int written = log.write_out();
            if (written != SQLITE_OK) return written;
        }
        return below(f)->pMethods->xRead(below(f), to, size, at);
    };
    m.xWrite = [](sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
        connection_log& log = log_of(f);
        if (log.collects && log.frames.add(from, size, at)) return SQLITE_OK;
        const int written = log.write_out();
        if (written != SQLITE_OK) return written;
        if (log.collects && log.frames.add(from, size, at)) return SQLITE_OK;
        return below(f)->pMethods->xWrite(below(f), from, size, at);
    };
    m.xTruncate = [](sqlite3_file* f, sqlite3_int64 size) {
        const int written = log_of(f).write_out();
        if (written != SQLITE_OK) return written;
        return below(f)->pMethods->xTruncate(below(f), size);
    };
    m.xSync = [](sqlite3_file* f, int flags) {
        const int written = log_of(f).write_out();
        if (written != SQLITE_OK) return written;
        return below(f)->pMethods->xSync(below(f), flags);
    };
    m.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) {
        const int written = log_of(f).write_out();
        if (written != SQLITE_OK) return written;
        return below(f)->pMethods->xFileSize(below(f), size);
    };
    return m;
}

}  // namespace

class log_buffer::layer {
 public:
    explicit layer(sqlite3_vfs& below) : below_(below), vfs_(below), log_methods_(of_log()) {
        static std::atomic<unsigned> made{0};
        name_ = "lethe-log-buffer-" + std::to_string(++made);
        vfs_.zName = name_.c_str();
        vfs_.pNext = nullptr;
        vfs_.pAppData = this;
        vfs_.szOsFile = static_cast<int>(sizeof(layered_file)) + below_.szOsFile;
        vfs_.xOpen = open;
        registered_ = sqlite3_vfs_register(&vfs_, 0) == SQLITE_OK;
    }
    ~layer() {
        if (registered_) sqlite3_vfs_unregister(&vfs_);
    }
    layer(const layer&) = delete;
    layer& operator=(const layer&) = delete;

    [[nodiscard]] const char* name() const noexcept {
        return registered_ ? name_.c_str() : nullptr;
    }

 private:
    static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out) {
        layer& self = *static_cast<layer*>(vfs->pAppData);
        const bool is_database = (flags & SQLITE_OPEN_MAIN_DB) != 0;
        // Temporary files.
        if (!is_database && (flags & SQLITE_OPEN_WAL) == 0)
            return self.below_.xOpen(&self.below_, path, file, flags, out);
        file->pMethods = nullptr;
        reinterpret_cast<layered_file*>(file)->log = &self.log_;
        const int done = self.below_.xOpen(&self.below_, path, below(file), flags, out);
        const sqlite3_io_methods* opened = below(file)->pMethods;
        if (opened == nullptr) return done;
        if (is_database) {
            self.database_methods_ = of_database(opened->iVersion);
            self.keeps_neighbours_ = (opened->xDeviceCharacteristics(below(file)) &
                                      SQLITE_IOCAP_POWERSAFE_OVERWRITE) != 0;
            file->pMethods = &self.database_methods_;
        } else {
            self.log_.file = below(file);
            self.log_.collects = self.keeps_neighbours_;
            file->pMethods = &self.log_methods_;
        }
        return done;
    }

    sqlite3_vfs& below_;
    sqlite3_vfs vfs_;
    sqlite3_io_methods log_methods_;
    sqlite3_io_methods database_methods_{};
    std::string name_;
    bool registered_ = false;
    bool keeps_neighbours_ = false;
    connection_log log_;
};

log_buffer::log_buffer(const char* below) {
    sqlite3_vfs* found = sqlite3_vfs_find(below);
    if (found != nullptr) layer_ = std::make_unique<layer>(*found);
}

log_buffer::~log_buffer() = default;

const char* log_buffer::name() const noexcept {
    return layer_ ? layer_->name() : nullptr;
}

}  // namespace lethe::store::sqlite
