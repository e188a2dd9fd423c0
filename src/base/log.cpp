#include "base/log.hpp"

#include "base/bytes.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <ctime>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

namespace lethe::log {
namespace {

constexpr std::size_t queue_bytes_max = 4 * 1024 * 1024;

void write_all(int descriptor, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(descriptor, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return;  // nobody reads the log any more; there is no place to say so
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

enum class stream : std::size_t { events, access };

// Each stream's queue is one growing string: workers append under a short lock, the writer swaps it
// out whole.
class writer {
 public:
    void start(descriptors to) {
        stop();
        descriptors_ = {to.events, to.access};
        running_ = true;
        thread_ = std::thread([this] { run(); });
    }

    void stop() noexcept {
        if (!thread_.joinable()) return;
        {
            const std::lock_guard lock(mutex_);
            running_ = false;
        }
        wake_.notify_one();
        thread_.join();
    }

    void push(stream to, std::string_view text) {
        bool was_empty = false;
        {
            const std::lock_guard lock(mutex_);
            if (!running_) {
                write_all(STDERR_FILENO, std::string(text) + '\n');
                return;
            }
            std::string& queue = pending_[static_cast<std::size_t>(to)];
            if (queue.size() + text.size() + 1 > queue_bytes_max) {
                dropped_.fetch_add(1, std::memory_order_relaxed);
                return;
            }
            was_empty = pending_[0].empty() && pending_[1].empty();
            queue += text;
            queue += '\n';
        }
        if (was_empty) wake_.notify_one();
    }

    [[nodiscard]] std::uint64_t dropped() const noexcept {
        return dropped_.load(std::memory_order_relaxed);
    }

    ~writer() { stop(); }

 private:
    void run() {
        std::array<std::string, 2> batch;
        std::unique_lock lock(mutex_);
        while (true) {
            wake_.wait(
                lock, [this] { return !running_ || !pending_[0].empty() || !pending_[1].empty(); });
            if (pending_[0].empty() && pending_[1].empty()) return;
            std::swap(batch, pending_);
            lock.unlock();
            for (std::size_t i = 0; i < batch.size(); ++i) {
                write_all(descriptors_[i], batch[i]);
                batch[i].clear();
            }
            lock.lock();
        }
    }

    std::mutex mutex_;
    std::condition_variable wake_;
    std::array<std::string, 2> pending_;
    std::array<int, 2> descriptors_{STDERR_FILENO, STDOUT_FILENO};
    std::thread thread_;
    bool running_ = false;
    std::atomic<std::uint64_t> dropped_{0};
};

writer& the_writer() {
    static writer instance;
    return instance;
}

std::atomic<level> minimum_level{level::info};

// What a flood of one event costs: a flood of lines would hide everything else.
class repeat_limit {
 public:
    struct verdict {
        bool write = true;
        std::uint64_t dropped_before = 0;  // in an earlier second, not told yet
    };

    verdict admit(std::string_view event) {
        const auto now = std::chrono::steady_clock::now();
        const std::lock_guard lock(mutex_);
        state& one = states_[std::string(event)];
        verdict out;
        if (now - one.second >= std::chrono::seconds(1)) {
            out.dropped_before = std::exchange(one.dropped, 0);
            one.second = now;
            one.written = 0;
        }
        out.write = one.written < lines_per_second;
        if (out.write)
            ++one.written;
        else
            ++one.dropped;
        return out;
    }

 private:
    static constexpr std::uint64_t lines_per_second = 10;

    struct state {
        std::chrono::steady_clock::time_point second;
        std::uint64_t written = 0;
        std::uint64_t dropped = 0;
    };

    std::mutex mutex_;
    std::map<std::string, state, std::less<>> states_;  // event names are constants: bounded
};

repeat_limit& the_limit() {
    static repeat_limit instance;
    return instance;
}

const char* name_of(level severity) {
    switch (severity) {
        case level::debug: return "debug";
        case level::info: return "info";
        case level::warn: return "warn";
        case level::error: return "error";
        case level::off: break;
    }
    return "off";
}

struct append_value {
    std::string& out;
    void operator()(std::string_view v) const { append_json_string(out, v); }
    void operator()(bool v) const { out += v ? "true" : "false"; }
    void operator()(std::int64_t v) const { fmt::format_to(std::back_inserter(out), "{}", v); }
    void operator()(std::uint64_t v) const { fmt::format_to(std::back_inserter(out), "{}", v); }
    void operator()(double v) const {
        if (std::isfinite(v))
            fmt::format_to(std::back_inserter(out), "{}", v);
        else
            out += "null";
    }
};

}  // namespace

void start(descriptors to, level minimum) {
    set_level(minimum);
    the_writer().start(to);
}
void stop() noexcept {
    the_writer().stop();
}
void set_level(level minimum) noexcept {
    minimum_level.store(minimum, std::memory_order_relaxed);
}

bool parse_level(std::string_view text, level& out) noexcept {
    for (const level candidate :
         {level::debug, level::info, level::warn, level::error, level::off}) {
        if (text == name_of(candidate)) {
            out = candidate;
            return true;
        }
    }
    return false;
}

std::string timestamp_now() {
    // The one place that reads the wall clock outside the clock seam: a log line is stamped with
    // real time even when a simulation runs on a simulated one.
    const auto now =
        std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
    const auto millis = now.time_since_epoch().count();
    const std::time_t seconds = millis / 1000;
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
                       parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                       millis % 1000);
}

void write(level severity, std::string_view event, fields data) {
    if (severity < minimum_level.load(std::memory_order_relaxed)) return;
    if (severity >= level::warn) {
        const repeat_limit::verdict verdict = the_limit().admit(event);
        if (verdict.dropped_before > 0)
            info("log.repeats_dropped", {{"of", event}, {"count", verdict.dropped_before}});
        if (!verdict.write) return;
    }
    std::string text = "{\"time\":\"";
    text += timestamp_now();
    text += "\",\"level\":\"";
    text += name_of(severity);
    text += "\",\"event\":";
    append_json_string(text, event);
    for (const field& f : data) {
        text += ',';
        append_json_string(text, f.name);
        text += ':';
        std::visit(append_value{text}, f.value);
    }
    text += '}';
    the_writer().push(stream::events, text);
}

void access_line(std::string_view json) {
    the_writer().push(stream::access, json);
}

void append_json_string(std::string& out, std::string_view text) {
    static constexpr char digits[] = "0123456789abcdef";
    out += '"';
    const bool clean = is_utf8(text);
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20 || byte == 0x7f) {
            out += "\\u00";
            out += digits[byte >> 4];
            out += digits[byte & 15];
        } else if (byte >= 0x80 && !clean) {
            out += "\\ufffd";
        } else {
            out += c;
        }
    }
    out += '"';
}

std::uint64_t lines_dropped() noexcept {
    return the_writer().dropped();
}

}  // namespace lethe::log
