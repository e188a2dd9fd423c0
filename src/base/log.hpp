// Logging: one JSON object a line, an event with a stable name and fields; never a sentence built
// of data.
//
//     log::warn("store.connect_failed", {{"store", name}, {"error", describe(error)}});
//
// Of one warning or error at most ten lines a second are written; how many more there were is said
// once the second is over ("log.repeats_dropped").
//
// Any thread may log. Lines go to a bounded queue that one thread writes out, so that no worker
// ever blocks on a full pipe; what does not fit is dropped and counted.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

namespace lethe::log {

enum class level : std::uint8_t { debug, info, warn, error, off };

struct field {
    std::string_view name;
    std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool> value;

    template <class T>
    field(std::string_view n, const T& v) : name(n), value(convert(v)) {}

 private:
    static std::string_view convert(std::string_view v) { return v; }
    static std::string_view convert(const char* v) { return v; }
    static std::string_view convert(const std::string& v) { return v; }
    static bool convert(bool v) { return v; }
    static double convert(double v) { return v; }
    template <class Int>
        requires(std::is_integral_v<Int> && !std::is_same_v<Int, bool>)
    static auto convert(Int v) {
        if constexpr (std::is_signed_v<Int>)
            return std::int64_t{v};
        else
            return std::uint64_t{v};
    }
};
using fields = std::initializer_list<field>;

// Where lines go; not owned. May be the same.
struct descriptors {
    int events = 2;
    int access = 1;
};
// Events below `minimum` are not written. Before start() and after stop() lines go straight to
// standard error.
void start(descriptors to, level minimum);
void stop() noexcept;
// Adjusts the minimum at run time (reload).
void set_level(level minimum) noexcept;
// "debug", "info", "warn", "error", "off".
[[nodiscard]] bool parse_level(std::string_view text, level& out) noexcept;

void write(level severity, std::string_view event, fields data);
inline void debug(std::string_view event, fields data = {}) {
    write(level::debug, event, data);
}
inline void info(std::string_view event, fields data = {}) {
    write(level::info, event, data);
}
inline void warn(std::string_view event, fields data = {}) {
    write(level::warn, event, data);
}
inline void error(std::string_view event, fields data = {}) {
    write(level::error, event, data);
}

// A finished JSON line of the access log, without its newline.
void access_line(std::string_view json);

// Appends `text` as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);
// "2026-01-31T12:00:00.123Z"
[[nodiscard]] std::string timestamp_now();

[[nodiscard]] std::uint64_t lines_dropped() noexcept;

}  // namespace lethe::log
