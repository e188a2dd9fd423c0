// The contract's operations on the tables of one connection.
#pragma once

#include "store/sqlite/connection.hpp"
#include "store/store.hpp"

#include <string>
#include <string_view>

namespace lethe::store::sqlite {

// One thread, one connection; statements are kept.
class records {
 public:
    explicit records(connection& on);

    // Inside a write transaction: begin() before the first change, end() before the commit.
    [[nodiscard]] result<> begin();
    [[nodiscard]] result<> end();
    [[nodiscard]] result<answer> apply(const operation& any, system_time now);

    // The greatest version given when the transaction began. Each transaction that changes
    // something moves it, so that what a failed commit left can be told from what was there.
    [[nodiscard]] std::int64_t first_version() const noexcept { return first_version_; }
    // Makes the transaction one that changes something.
    void note_change() noexcept { changed_ = true; }
    [[nodiscard]] bool changed() const noexcept { return changed_; }

    [[nodiscard]] result<std::optional<record>> find(std::string_view key, system_time now);
    [[nodiscard]] result<subject_page> list(std::string_view subject, std::string_view key_prefix,
                                            std::string_view after, std::size_t keys_max,
                                            system_time now);
    [[nodiscard]] result<scan_page> scan(std::string_view after, std::size_t keys_max,
                                         system_time now);
    // Removes at most `count_max` expired records; how many it removed.
    [[nodiscard]] result<std::int64_t> purge(system_time now, std::int64_t count_max);

 private:
    [[nodiscard]] result<answer> apply_one(const get& one, system_time now);
    [[nodiscard]] result<answer> apply_one(const put& one, system_time now);
    [[nodiscard]] result<answer> apply_one(const erase& one, system_time now);
    [[nodiscard]] result<answer> apply_one(const touch& one, system_time now);
    [[nodiscard]] result<std::int64_t> change(statement& bound);
    [[nodiscard]] result<answer> conflict(std::string_view key, system_time now);

    connection& on_;
    statement find_;
    // One for each expectation: whether it holds is decided by the statement that changes, so that
    // no value is read but for a conflict's answer.
    statement put_anyway_;
    statement put_absent_;
    statement put_over_same_subject_;
    statement put_over_;
    statement erase_anyway_;
    statement erase_version_;
    statement touch_;
    statement list_;
    statement scan_;
    statement purge_;
    statement read_version_;
    statement write_version_;
    std::int64_t first_version_ = 0;
    std::int64_t last_version_ = 0;
    bool changed_ = false;
};

}  // namespace lethe::store::sqlite
