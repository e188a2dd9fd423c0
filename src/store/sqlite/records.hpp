// The contract's operations on the tables of one connection.
//
//     record(key, value, version, expires, subject)   expires in milliseconds since 1970
//     state(last_version)                              one row; versions are never given twice
#pragma once

#include "store/sqlite/connection.hpp"
#include "store/store.hpp"

#include <string>
#include <string_view>

namespace lethe::store::sqlite {

// "LETH" in the file's header, so that another program's database is never taken for ours.
inline constexpr std::int64_t application_id = 0x4c455448;
inline constexpr std::int64_t schema_version = 1;

// Whether the file is ours or empty; changes nothing. On failure `why` is a sentence for a person.
[[nodiscard]] result<> check_owner(connection& on, const std::string& path, std::string& why);
// Makes the tables where there are none. On failure `why` is a sentence for a person.
[[nodiscard]] result<> prepare_schema(connection& on, const std::string& path, std::string& why);

// One thread, one connection; statements are kept.
class records {
 public:
    explicit records(connection& on);

    // Inside a write transaction: begin() before the first change, end() before the commit.
    [[nodiscard]] result<> begin();
    [[nodiscard]] result<> end();
    [[nodiscard]] result<answer> apply(const operation& any, system_time now);

    [[nodiscard]] result<std::optional<record>> find(std::string_view key, system_time now);
    [[nodiscard]] result<subject_page> list(std::string_view subject, std::string_view key_prefix,
                                            std::string_view after, std::size_t keys_max,
                                            system_time now);
    // Removes at most `count_max` expired records; how many it removed.
    [[nodiscard]] result<std::int64_t> purge(system_time now, std::int64_t count_max);

 private:
    [[nodiscard]] result<answer> apply_one(const get& one, system_time now);
    [[nodiscard]] result<answer> apply_one(const put& one, system_time now);
    [[nodiscard]] result<answer> apply_one(const erase& one, system_time now);
    [[nodiscard]] result<answer> apply_one(const touch& one, system_time now);

    connection& on_;
    statement find_;
    statement put_;
    statement erase_;
    statement touch_;
    statement list_;
    statement purge_;
    statement read_version_;
    statement write_version_;
    std::int64_t last_version_ = 0;
    bool version_changed_ = false;
};

}  // namespace lethe::store::sqlite
