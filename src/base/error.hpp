// How failure is said in lethe: values, few conditions, the place they came from.
//
// `result<T>` holds a value or an `error_code`. Each folder has one `errc`, whose values map to the
// few conditions below; callers branch on a condition (`error == condition::conflict`), logs print
// the folder's own message. Exceptions do not cross a folder.
#pragma once

#include <boost/assert/source_location.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace lethe {

using boost::system::error_code;

template <class T = void>
using result = boost::system::result<T>;

// What a caller can act on. Every errc of every folder maps to one of these.
enum class condition : std::uint8_t {
    not_found = 1,
    conflict,
    timeout,
    unavailable,
    overloaded,
    denied,
    malformed,
    too_large,
    corrupt,
    cancelled,
    // A write was sent and its answer was lost: neither done nor failed.
    outcome_unknown,
};

[[nodiscard]] const boost::system::error_category& condition_category() noexcept;
[[nodiscard]] boost::system::error_condition make_error_condition(condition c) noexcept;

// One row of a folder's error table.
struct error_row {
    int value;
    const char* message;
    condition maps_to;
};

// The category of a folder's errc, made from its table. Define one function-local static per
// folder:
//
//     const boost::system::error_category& category() {
//         static constexpr error_row rows[] = {{int(errc::busy), "the store is busy",
//         condition::overloaded}}; static const table_category instance{"lethe.store", rows};
//         return instance;
//     }
class table_category final : public boost::system::error_category {
 public:
    table_category(const char* name, std::span<const error_row> rows) noexcept
        : name_(name), rows_(rows) {}

    const char* name() const noexcept override { return name_; }
    std::string message(int value) const override;
    boost::system::error_condition default_error_condition(int value) const noexcept override;

 private:
    const error_row* find(int value) const noexcept;

    const char* name_;
    std::span<const error_row> rows_;
};

// Fit for a log: "<message> [<category>:<value> at <file>:<line>]".
[[nodiscard]] std::string describe(const error_code& error);

namespace detail {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;
void bug(const char* what, const char* file, int line) noexcept;
}  // namespace detail

// How many LETHE_BUGs this process has met; a metric.
[[nodiscard]] std::uint64_t bugs_met() noexcept;

// In tests a bug aborts; the gateway counts it, logs it and drops the request with a 500.
void abort_on_bug(bool yes) noexcept;

}  // namespace lethe

template <>
struct boost::system::is_error_condition_enum<lethe::condition> : std::true_type {};

#define LETHE_CONCAT_(a, b) a##b
#define LETHE_CONCAT(a, b) LETHE_CONCAT_(a, b)

// The error value `e` with the place it came from: return LETHE_ERR(errc::busy);
#define LETHE_ERR(e)                                                                    \
    ([](auto lethe_error) -> ::lethe::error_code {                                      \
        static constexpr ::boost::source_location lethe_place = BOOST_CURRENT_LOCATION; \
        return ::lethe::error_code(make_error_code(lethe_error), &lethe_place);         \
    }(e))

// LETHE_TRY(auto value, parse(text)); declares `value` or returns the error. LETHE_CO_TRY in
// coroutines, where `expression` must not contain co_await (await into a named local first).
#define LETHE_TRY(declaration, expression)                  \
    auto LETHE_CONCAT(lethe_try_, __LINE__) = (expression); \
    if (LETHE_CONCAT(lethe_try_, __LINE__).has_error())     \
        return LETHE_CONCAT(lethe_try_, __LINE__).error();  \
    declaration = *std::move(LETHE_CONCAT(lethe_try_, __LINE__))

// The same for a result without a value.
#define LETHE_TRY_VOID(expression)                                          \
    do {                                                                    \
        if (const auto lethe_tried = (expression); lethe_tried.has_error()) \
            return lethe_tried.error();                                     \
    } while (false)

#define LETHE_CO_TRY(declaration, expression)                 \
    auto LETHE_CONCAT(lethe_try_, __LINE__) = (expression);   \
    if (LETHE_CONCAT(lethe_try_, __LINE__).has_error())       \
        co_return LETHE_CONCAT(lethe_try_, __LINE__).error(); \
    declaration = *std::move(LETHE_CONCAT(lethe_try_, __LINE__))

// State cannot be trusted any more: always on, ends the process.
#define LETHE_ASSERT(expression)         \
    ((expression) ? static_cast<void>(0) \
                  : ::lethe::detail::assertion_failed(#expression, __FILE__, __LINE__))

// We broke it, but this request can be dropped: counted and logged; aborts in tests.
#define LETHE_BUG(what) ::lethe::detail::bug((what), __FILE__, __LINE__)
