#include "store/store.hpp"

namespace lethe::store {

const boost::system::error_category& category() noexcept {
    static constexpr error_row rows[] = {
        {int(errc::unavailable), "the store cannot be used", condition::unavailable},
        {int(errc::overloaded), "the queue before the store is full", condition::overloaded},
        {int(errc::timeout), "the store was not asked in time", condition::timeout},
        {int(errc::outcome_unknown), "the store's answer was lost", condition::outcome_unknown},
        {int(errc::corrupt), "the store's content is not what lethe wrote", condition::corrupt},
        {int(errc::too_large), "a key, value or subject is too large for the store",
         condition::too_large},
        {int(errc::malformed), "the operation makes no sense to a store", condition::malformed},
    };
    static const table_category instance{"lethe.store", rows};
    return instance;
}

error_code make_error_code(errc e) noexcept {
    return {static_cast<int>(e), category()};
}

task<scan_page> store::scan(std::string, std::size_t, steady_time) {
    co_return LETHE_ERR(errc::unavailable);
}

task<std::size_t> store::purge_expired(std::size_t, steady_time) {
    co_return std::size_t{0};
}

task<examination> store::examine(steady_time deadline) {
    const result<> answered = co_await ping(deadline);
    if (answered.has_error()) co_return answered.error();
    co_return examination{.server = {}, .promises = promises(), .findings = {}};
}

task<migration> store::migrate(steady_time deadline) {
    const result<> answered = co_await ping(deadline);
    if (answered.has_error()) co_return answered.error();
    co_return migration{};
}

task<std::optional<record>> store::read(std::string key, steady_time deadline) {
    result<answer> got = co_await run(get{std::move(key)}, deadline);
    if (got.has_error()) co_return got.error();
    co_return std::move(got->present);
}

task<answer> store::run(operation one, steady_time deadline) {
    std::vector<operation> operations;
    operations.push_back(std::move(one));
    result<std::vector<answer>> answers = co_await batch(std::move(operations), deadline);
    if (answers.has_error()) co_return answers.error();
    LETHE_ASSERT(answers->size() == 1);
    co_return std::move(answers->front());
}

}  // namespace lethe::store
