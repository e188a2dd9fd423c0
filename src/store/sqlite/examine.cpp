#include "store/sqlite/examine.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <linux/magic.h>
#include <sys/vfs.h>

#include <filesystem>
#include <optional>

namespace lethe::store::sqlite {
namespace {

// Not in linux/magic.h.
constexpr std::uint64_t cifs_magic = 0xff534d42;
constexpr std::uint64_t lustre_magic = 0x0bd00bd0;
constexpr std::uint64_t gpfs_magic = 0x47504653;

// Below either a disk is nearly full; a write-ahead log alone may grow by some of it.
constexpr std::uint64_t disk_free_bytes_min = std::uint64_t{256} * 1024 * 1024;
constexpr std::uint64_t disk_free_percent_min = 5;
// Above it, and more than half of the file: worth giving back.
constexpr std::int64_t free_bytes_noted = std::int64_t{64} * 1024 * 1024;

// Nothing where the file system is on a disk of this machine, or cannot be told (FUSE).
std::optional<std::string_view> network_file_system(std::uint64_t type) {
    switch (type) {
        case NFS_SUPER_MAGIC: return "NFS";
        case SMB_SUPER_MAGIC:
        case SMB2_SUPER_MAGIC:
        case cifs_magic: return "SMB";
        case V9FS_MAGIC: return "9p";
        case CEPH_SUPER_MAGIC: return "CephFS";
        case AFS_SUPER_MAGIC:
        case AFS_FS_MAGIC: return "AFS";
        case CODA_SUPER_MAGIC: return "Coda";
        case OCFS2_SUPER_MAGIC: return "OCFS2";
        case lustre_magic: return "Lustre";
        case gpfs_magic: return "GPFS";
        default: return std::nullopt;
    }
}

std::string to_mebibytes(std::uint64_t bytes) {
    return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1024 * 1024));
}

void judge_place(const file_facts& facts, examination& out) {
    using enum finding::weight;
    if (const auto network = network_file_system(facts.file_system)) {
        out.promises.durable = false;
        out.promises.shared = false;
        out.findings.push_back(
            {.how_bad = fault,
             .what = fmt::format("the file lies on a network file system ({}), whose locks and "
                                 "shared memory SQLite cannot rely on",
                                 *network),
             .advice = "put it on a local disk, or use a server: postgres:// or redis://"});
    }
    if (facts.file_system == TMPFS_MAGIC || facts.file_system == RAMFS_MAGIC) {
        out.promises.durable = false;
        out.findings.push_back({.how_bad = fault,
                                .what = "the file lies in memory (tmpfs): a restart of the machine "
                                        "forgets everything",
                                .advice = "put it on a disk"});
    }
    if (facts.file_system == FUSE_SUPER_MAGIC)
        out.findings.push_back({.how_bad = warning,
                                .what = "the file lies on a FUSE file system, which may be a "
                                        "network's or ignore locks",
                                .advice = "put it on a local disk"});
    if (facts.disk_bytes != 0 &&
        (facts.disk_free_bytes < disk_free_bytes_min ||
         facts.disk_free_bytes < facts.disk_bytes / 100 * disk_free_percent_min))
        out.findings.push_back({.how_bad = warning,
                                .what = fmt::format("the disk is nearly full: {} of {} are free",
                                                    to_mebibytes(facts.disk_free_bytes),
                                                    to_mebibytes(facts.disk_bytes)),
                                .advice = "make room: on a full disk every change is refused"});
}

}  // namespace

result<file_facts> look_at(connection& on, const std::string& path, synchronous mode) {
    const std::int64_t page_bytes = on.ask("PRAGMA page_size");
    const std::int64_t pages = on.ask("PRAGMA page_count");
    const std::int64_t pages_free = on.ask("PRAGMA freelist_count");
    if (page_bytes < 0 || pages < 0 || pages_free < 0) return LETHE_ERR(errc::unavailable);
    file_facts out{.version = sqlite3_libversion(),
                   .journal_mode = on.ask_text("PRAGMA journal_mode"),
                   .mode = mode,
                   .file_bytes = pages * page_bytes,
                   .free_bytes = pages_free * page_bytes};
    std::error_code missing;
    const auto log_bytes = std::filesystem::file_size(path + "-wal", missing);
    if (!missing) out.log_bytes = static_cast<std::int64_t>(log_bytes);
    struct statfs about{};
    if (::statfs(path.c_str(), &about) == 0) {
        const auto block_bytes = static_cast<std::uint64_t>(about.f_bsize);
        // As 32 bits: some architectures sign-extend the magic numbers.
        out.file_system = static_cast<std::uint32_t>(about.f_type);
        out.disk_bytes = about.f_blocks * block_bytes;
        out.disk_free_bytes = about.f_bavail * block_bytes;
    }
    return out;
}

examination judge(const file_facts& facts, engine_promises opened) {
    using enum finding::weight;
    examination out{.server = "SQLite " + facts.version, .promises = opened, .findings = {}};
    if (facts.journal_mode != "wal") {
        out.findings.push_back(
            {.how_bad = fault,
             .what = fmt::format("journal_mode is {}, not wal: another program changed it",
                                 facts.journal_mode),
             .advice = "stop that program and start lethe again"});
    }
    if (facts.mode == synchronous::normal)
        out.findings.push_back(
            {.how_bad = warning,
             .what = "synchronous is normal: a power cut may take the last changes",
             .advice = "leave ?synchronous=normal out of the URL where that matters"});
    judge_place(facts, out);
    out.findings.push_back(
        {.how_bad = note,
         .what =
             fmt::format("journal_mode {}, synchronous {}, the file has {}, of which {} are "
                         "free for new records, and its write-ahead log {}",
                         facts.journal_mode, facts.mode == synchronous::full ? "full" : "normal",
                         to_mebibytes(static_cast<std::uint64_t>(facts.file_bytes)),
                         to_mebibytes(static_cast<std::uint64_t>(facts.free_bytes)),
                         to_mebibytes(static_cast<std::uint64_t>(facts.log_bytes))),
         .advice = {}});
    if (facts.free_bytes > free_bytes_noted && facts.free_bytes > facts.file_bytes / 2)
        out.findings.push_back({.how_bad = note,
                                .what = "more than half of the file is free",
                                .advice = "with lethe stopped, sqlite3 FILE VACUUM gives it back "
                                          "to the disk"});
    return out;
}

}  // namespace lethe::store::sqlite
