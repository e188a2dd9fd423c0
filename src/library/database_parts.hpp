// A service's database from inside: its connections, and what of it is known to be under way.
#pragma once

#include "base/clock.hpp"
#include "library/sql_connection.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace lethe::library {

// One transaction on a connection that goes back when it ends; rolled back unless committed.
class open_transaction {
 public:
    open_transaction(internal::database_parts& owner, std::unique_ptr<sql_connection> on)
        : owner_(&owner), on_(std::move(on)) {}
    ~open_transaction();
    open_transaction(open_transaction&&) noexcept = default;
    open_transaction& operator=(open_transaction&&) = delete;

    [[nodiscard]] sql_connection& on() noexcept { return *on_; }

 private:
    internal::database_parts* owner_;
    std::unique_ptr<sql_connection> on_;
};

}  // namespace lethe::library

namespace lethe {
inline namespace v1 {
namespace internal {

// Any thread.
struct database_parts {
    database_parts(std::string_view url_, database_options options_)
        : url(url_), options(options_) {}

    [[nodiscard]] static database_parts& of(database& db) noexcept { return *db.parts_; }

    // On a kept connection, or a new one. Errors: unavailable, busy, bad_url.
    [[nodiscard]] result<library::open_transaction> begin(library::transaction_kind kind);
    void give_back(std::unique_ptr<library::sql_connection> one);

    // False: this process works on the key already.
    [[nodiscard]] bool enter(const std::string& id);
    void leave(const std::string& id);
    // Whether it is time to look for outcomes to forget; once a minute.
    [[nodiscard]] bool may_purge(system_time now);

    const std::string url;
    const database_options options;

    std::mutex mutex;
    std::vector<std::unique_ptr<library::sql_connection>> idle;
    std::set<std::string> under_way;
    std::optional<system_time> purged;
    bool has_outcomes = false;  // the table is known to be there
};

}  // namespace internal
}  // namespace v1
}  // namespace lethe
