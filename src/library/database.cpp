#include "lethe/database.hpp"

#include "base/log.hpp"
#include "library/database_parts.hpp"
#include "library/outcome_table.hpp"
#include "library/transaction_state.hpp"

#include <algorithm>

namespace lethe {
namespace library {

open_transaction::~open_transaction() {
    if (!on_) return;
    on_->rollback();
    owner_->give_back(std::move(on_));
}

namespace {

constexpr std::size_t idle_max = 64;
constexpr std::chrono::minutes purge_interval{1};

result<std::unique_ptr<sql_connection>> open_database(const std::string& url,
                                                      const database_options& how) {
    switch (kind_of(url)) {
        case database_kind::sqlite: return open_sqlite(url, how);
        case database_kind::postgres: return open_postgres(url, how);
        case database_kind::unknown: break;
    }
    return make_error_code(sql_errc::bad_url);
}

}  // namespace
}  // namespace library

inline namespace v1 {
namespace internal {

result<library::open_transaction> database_parts::begin(library::transaction_kind kind) {
    while (true) {
        std::unique_ptr<library::sql_connection> one;
        {
            const std::lock_guard lock(mutex);
            if (!idle.empty()) {
                one = std::move(idle.back());
                idle.pop_back();
            }
        }
        const bool is_new = !one;
        if (is_new) {
            LETHE_TRY(one, library::open_database(url, options));
        }
        const result<> begun = one->begin(kind);
        if (begun.has_value()) return library::open_transaction(*this, std::move(one));
        // The server may have ended a kept connection meanwhile; nothing was asked on it yet.
        const bool lost = begun.error() == make_error_code(sql_errc::connection_lost);
        if (is_new || !lost) {
            give_back(std::move(one));
            return begun.error();
        }
    }
}

void database_parts::give_back(std::unique_ptr<library::sql_connection> one) {
    if (!one->idle()) return;
    const std::lock_guard lock(mutex);
    if (idle.size() < library::idle_max) idle.push_back(std::move(one));
}

bool database_parts::enter(const std::string& id) {
    const std::lock_guard lock(mutex);
    return under_way.insert(id).second;
}

void database_parts::leave(const std::string& id) {
    const std::lock_guard lock(mutex);
    under_way.erase(id);
}

bool database_parts::may_purge(system_time now) {
    const std::lock_guard lock(mutex);
    if (purged && now < *purged + library::purge_interval && now >= *purged) return false;
    purged = now;
    return true;
}

}  // namespace internal

database::database(std::string_view url, database_options options)
    : parts_(std::make_unique<internal::database_parts>(url, options)) {}
database::~database() = default;

boost::system::result<void> database::run(
    const std::function<boost::system::result<void>(transaction&)>& work) {
    error_code why;
    for (unsigned tries = 0; tries < std::max(1U, parts_->options.tries_max); ++tries) {
        LETHE_TRY(library::open_transaction open,
                  parts_->begin(library::transaction_kind::writing));
        internal::transaction_state state{open.on()};
        transaction tx(state);
        result<> done = work(tx);
        // A statement's failure is the reason, whatever the work made of it.
        if (state.failure) done = state.failure;
        if (done.has_value()) done = open.on().commit();
        if (done.has_value()) return {};
        why = done.error();
        if (why != make_error_code(sql_errc::conflict)) break;
    }
    return why;
}

boost::system::result<std::size_t> database::erase_outcomes(std::string_view subject) {
    LETHE_TRY_VOID(library::make_outcome_table(*parts_));
    LETHE_TRY(library::open_transaction open, parts_->begin(library::transaction_kind::writing));
    LETHE_TRY(const std::size_t count, library::erase_person(open.on(), subject));
    LETHE_TRY_VOID(open.on().commit());
    return count;
}

}  // namespace v1
}  // namespace lethe
