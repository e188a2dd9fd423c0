// The contract of a store: records with a version and an expiry, changed in atomic steps.
//
// All that lethe keeps is built from these steps. Every engine passes tests/stores/; what it
// promises beyond, it declares in `engine_promises`.
#pragma once

#include "base/clock.hpp"
#include "base/task.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace lethe::store {

enum class errc {
    // Nothing was changed, and the store cannot be used now.
    unavailable = 1,
    // Nothing was changed; the queue before the store is full.
    overloaded,
    // Nothing was changed; the deadline passed before the operation was sent.
    timeout,
    // The operation was sent and its answer was lost: done or not, nobody knows.
    outcome_unknown,
    // What was read is not what lethe writes, or the file is not a database.
    corrupt,
    // A key, value or subject above its limit, or more operations than operations_max.
    too_large,
    // Operations that make no sense: an empty key, a ttl not above 0, an erase that expects
    // absence.
    malformed,
};
[[nodiscard]] error_code make_error_code(errc e) noexcept;

inline constexpr std::size_t key_bytes_max = 256;
inline constexpr std::size_t value_bytes_max = 16 * 1024 * 1024;
inline constexpr std::size_t subject_bytes_max = 512;
// In one batch or transaction.
inline constexpr std::size_t operations_max = 1024;
// In one page of list_subject; more may be asked for, no more are given.
inline constexpr std::size_t page_keys_max = 1000;

// A record's version: never 0, changes with each put, and is never given again to a later record of
// the same key (so that a comparison cannot be fooled by erase and re-create).
struct record_version {
    std::uint64_t number = 0;
    auto operator<=>(const record_version&) const = default;
};

struct record {
    std::string value;  // any bytes
    record_version version = {};
    system_time expires;
    std::string subject;  // "" for none
};

// What a put or an erase expects to find.
struct anything {};
struct absent {};
using expectation = std::variant<anything, absent, record_version>;

struct get {
    std::string key;
};
struct put {
    std::string key;  // any bytes, 1 to key_bytes_max
    std::string value;
    std::chrono::milliseconds ttl{};  // > 0; value and expiry are set in one step
    expectation expect = anything{};
    std::string subject;  // whose record this is, for the index; "" for nobody's
};
struct erase {
    std::string key;
    expectation expect = anything{};  // `absent` makes no sense here and is refused
};
// Moves the expiry of an existing record without changing its value or version; a missing or
// expired record stays missing (no revival).
struct touch {
    std::string key;
    std::chrono::milliseconds ttl{};
};
using operation = std::variant<get, put, erase, touch>;

// What one operation answered.
struct answer {
    // False: the expectation did not hold, and nothing was changed. Always true for get and for
    // touch of an existing record; touch of a missing one: false.
    bool done = false;
    // put: the new version.
    record_version version = {};
    // get: the record, if there is one. A conflict: the present record, nullopt if there is none.
    std::optional<record> present = {};
};

// Engines state what they promise; the configuration check compares it with what a use needs.
struct engine_promises {
    bool durable = false;  // an answered change survives a crash of process and machine
    // Durable, and never evicting, where the server is set up so: examine() tells. Excludes
    // durable.
    bool settings_decide = false;
    bool linearizable = false;  // per key
    bool transactions = false;  // transact() is all or nothing
    bool may_evict = false;     // may forget a record before its expiry
    bool shared = false;        // several lethe processes see the same records
    bool scans = false;         // scan() works
};

struct subject_page {
    std::vector<std::string> keys;  // ascending
    bool more = false;              // call again with `after` = keys.back()
};

struct scan_page {
    std::vector<std::string> keys;
    std::string cursor;  // where the next page begins; means something to its engine alone
    bool more = false;
};

// What examine() found out about the server behind a store.
struct finding {
    enum class weight {
        note,     // worth knowing
        warning,  // a promise is weaker than it could be
        fault,    // state will be lost, or the store cannot be used
    };
    weight how_bad = weight::note;
    std::string what;    // "appendonly is off: a restart forgets everything"
    std::string advice;  // "set appendonly yes and appendfsync always"; "" where there is none
};
struct examination {
    std::string server;              // "PostgreSQL 15.18", "SQLite 3.40.1"
    engine_promises promises;        // what holds with the settings as they are now
    bool survives_failover = false;  // an answered change is on a second machine, too
    std::vector<finding> findings;
};

// Brought the server's side (tables, functions) to the version that this lethe needs.
struct migration {
    std::uint32_t from = 0;  // 0: there was nothing
    std::uint32_t to = 0;
};

// One per worker; all calls from that worker. Operations under way at the same time share round
// trips and commits. Each call ends by `deadline` with an answer or an error; after an
// outcome_unknown the caller may read again to find out.
class store {
 public:
    virtual ~store() = default;

    [[nodiscard]] virtual engine_promises promises() const noexcept = 0;

    // Each operation by itself, in one round trip, in order for equal keys. An error concerns the
    // whole batch: some of its operations may be done (outcome_unknown) or none (the others).
    [[nodiscard]] virtual task<std::vector<answer>> batch(std::vector<operation> operations,
                                                          steady_time deadline) = 0;

    // All or nothing: when one expectation fails or a touched record is missing, nothing is changed
    // and the answers tell which (`done` false; the others then carry no version). Each operation
    // sees the earlier ones of its transaction. Only where promises().transactions; else
    // unavailable.
    [[nodiscard]] virtual task<std::vector<answer>> transact(std::vector<operation> operations,
                                                             steady_time deadline) = 0;

    // The live records of a subject whose key is greater than `after` and starts with `key_prefix`.
    [[nodiscard]] virtual task<subject_page> list_subject(std::string subject,
                                                          std::string key_prefix, std::string after,
                                                          std::size_t keys_max,
                                                          steady_time deadline) = 0;

    // Answers when the store can be used; for readiness.
    [[nodiscard]] virtual task<> ping(steady_time deadline) = 0;

    // For tools; an engine without one of these keeps what stands in store.cpp.

    // Keys of the whole store, from the beginning ("") to a page without `more`. What is there all
    // along is seen at least once; what comes or goes meanwhile may be. Only where
    // promises().scans; else unavailable.
    [[nodiscard]] virtual task<scan_page> scan(std::string cursor, std::size_t keys_max,
                                               steady_time deadline);
    // Removes what is past its expiry and still takes up room, at most about so many records: how
    // many it removed; 0 when nothing is left.
    [[nodiscard]] virtual task<std::size_t> purge_expired(std::size_t records_max,
                                                          steady_time deadline);
    // Asks the server for its version and for the settings that decide what it can promise.
    [[nodiscard]] virtual task<examination> examine(steady_time deadline);
    // Safe beside running gateways and beside another migration.
    [[nodiscard]] virtual task<migration> migrate(steady_time deadline);

    // One operation. An engine may have a shorter way for it than a batch of one.
    [[nodiscard]] virtual task<answer> run(operation one, steady_time deadline);
    [[nodiscard]] task<std::optional<record>> read(std::string key, steady_time deadline);
};

}  // namespace lethe::store

template <>
struct boost::system::is_error_code_enum<lethe::store::errc> : std::true_type {};
