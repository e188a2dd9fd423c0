// What decides whether a file keeps its promises: its settings, its disk and its file system.
#pragma once

#include "store/sqlite/connection.hpp"
#include "store/store.hpp"

#include <cstdint>
#include <string>

namespace lethe::store::sqlite {

struct file_facts {
    std::string version = {};       // of the SQLite library
    std::string journal_mode = {};  // "wal"
    synchronous mode = synchronous::full;
    std::int64_t file_bytes = 0;
    std::int64_t free_bytes = 0;        // of it: pages that new records will take
    std::int64_t log_bytes = 0;         // the write-ahead log beside it
    std::uint64_t file_system = 0;      // statfs f_type
    std::uint64_t disk_bytes = 0;       // 0: could not be asked
    std::uint64_t disk_free_bytes = 0;  // for this user
};

[[nodiscard]] result<file_facts> look_at(connection& on, const std::string& path, synchronous mode);
// `opened`: what the engine promises by its URL.
[[nodiscard]] examination judge(const file_facts& facts, engine_promises opened);

}  // namespace lethe::store::sqlite
