#include "base/error.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace lethe {
namespace {

class condition_category_type final : public boost::system::error_category {
 public:
    const char* name() const noexcept override { return "lethe"; }
    std::string message(int value) const override {
        switch (static_cast<condition>(value)) {
            case condition::not_found: return "not found";
            case condition::conflict: return "conflict";
            case condition::timeout: return "timed out";
            case condition::unavailable: return "unavailable";
            case condition::overloaded: return "overloaded";
            case condition::denied: return "denied";
            case condition::malformed: return "malformed";
            case condition::too_large: return "too large";
            case condition::corrupt: return "corrupt";
            case condition::cancelled: return "cancelled";
            case condition::outcome_unknown: return "outcome unknown";
        }
        return "unknown condition";
    }
};

std::atomic<std::uint64_t> bug_count{0};
std::atomic<bool> bugs_abort{false};

}  // namespace

const boost::system::error_category& condition_category() noexcept {
    static const condition_category_type instance;
    return instance;
}

boost::system::error_condition make_error_condition(condition c) noexcept {
    return {static_cast<int>(c), condition_category()};
}

const error_row* table_category::find(int value) const noexcept {
    for (const error_row& row : rows_)
        if (row.value == value) return &row;
    return nullptr;
}

std::string table_category::message(int value) const {
    const error_row* row = find(value);
    return row != nullptr ? row->message : "unknown error " + std::to_string(value);
}

boost::system::error_condition table_category::default_error_condition(int value) const noexcept {
    const error_row* row = find(value);
    if (row == nullptr) return {value, *this};
    return make_error_condition(row->maps_to);
}

std::string describe(const error_code& error) {
    std::string text = error.message();
    text += " [";
    text += error.category().name();
    text += ':';
    text += std::to_string(error.value());
    if (error.has_location()) {
        const boost::source_location& place = error.location();
        std::string_view file = place.file_name();
        if (auto slash = file.rfind("/src/"); slash != std::string_view::npos)
            file.remove_prefix(slash + 1);
        text += " at ";
        text += file;
        text += ':';
        text += std::to_string(place.line());
    }
    text += ']';
    return text;
}

std::uint64_t bugs_met() noexcept {
    return bug_count.load(std::memory_order_relaxed);
}
void abort_on_bug(bool yes) noexcept {
    bugs_abort.store(yes, std::memory_order_relaxed);
}

namespace detail {

void assertion_failed(const char* expression, const char* file, int line) noexcept {
    std::fprintf(stderr, "lethe: assertion failed: %s (%s:%d)\n", expression, file, line);
    std::abort();
}

void bug(const char* what, const char* file, int line) noexcept {
    bug_count.fetch_add(1, std::memory_order_relaxed);
    std::fprintf(stderr,
                 "{\"level\":\"error\",\"event\":\"bug\",\"what\":\"%s\",\"place\":\"%s:%d\"}\n",
                 what, file, line);
    if (bugs_abort.load(std::memory_order_relaxed)) std::abort();
}

}  // namespace detail
}  // namespace lethe
