// The statements that records are read and changed by, and how their arguments and answers look in
// PostgreSQL's binary format.
//
// Each is right by itself at READ COMMITTED: it checks and changes in one step, by the server's
// clock, and answers the record that stood in its way. Where another's commit came between its
// snapshot and its change it may see neither: then it has changed nothing and answers "raced"; ask
// again.
#pragma once

#include "store/postgres/connection.hpp"
#include "store/store.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::store::postgres {

enum class statement_id : std::uint8_t {
    get,
    get_locked,  // and nobody changes it before the transaction ends
    put_anything,
    put_absent,
    put_version,
    erase_anything,
    erase_version,
    touch,
    list,
    scan,
    purge,
    purge_by_turns,
    ping,
    lock,
    transact,
    begin,
    commit,
    rollback,
};
inline constexpr std::size_t statement_count = 18;

[[nodiscard]] const char* name_of(statement_id id) noexcept;
[[nodiscard]] std::string text_of(statement_id id, const std::string& schema);

// What is sent: views into what the caller keeps until it has been handed to the connection.
struct statement {
    statement_id id = statement_id::ping;
    // What it locks, and so what statements are ordered by; "" for none.
    std::string_view key = {};
    std::string_view value = {};
    std::string_view subject = {};
    std::array<std::int64_t, 2> numbers = {};  // as the statement needs them
    std::int64_t expected = 0;                 // the version
    // transact: what it does all of or nothing, each of another key and in the order of keys.
    std::span<const statement> parts = {};

    [[nodiscard]] std::size_t bytes() const noexcept {
        std::size_t sum = key.size() + value.size() + subject.size() + 64;
        for (const statement& one : parts) sum += one.bytes();
        return sum;
    }
    [[nodiscard]] std::size_t operations() const noexcept {
        return parts.empty() ? 1 : parts.size();
    }
};

[[nodiscard]] result<> send(connection& to, const statement& one);
// Locks the records of these keys that are there, in the order of keys.
[[nodiscard]] result<> send_lock(connection& to, std::span<const std::string_view> keys);

// `version`: what a put gives the record. `locked`: in a transaction, see get_locked.
[[nodiscard]] statement to_statement(const operation& one, record_version version, bool locked);
// The parts must outlive it.
[[nodiscard]] statement transact_statement(std::span<const statement> parts);
[[nodiscard]] statement list_statement(std::string_view subject, std::string_view first,
                                       std::string_view end, std::size_t keys);
[[nodiscard]] statement scan_statement(std::string_view after, std::size_t keys);

struct outcome {
    bool raced = false;
    answer answered = {};
};
// corrupt when the rows are not what the statement brings.
[[nodiscard]] result<outcome> to_outcome(const statement& asked, const rows& got);
// Of transact: for each part.
[[nodiscard]] result<std::vector<outcome>> to_outcomes(const statement& asked, const rows& got);
[[nodiscard]] std::vector<std::string> to_keys(const rows& got);

}  // namespace lethe::store::postgres
