#include "cli/progress.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <utility>

namespace lethe::cli {
namespace {

constexpr std::chrono::milliseconds redraw_every{100};
constexpr std::chrono::seconds line_every{10};
constexpr std::size_t bar_width = 30;

std::string duration_text(double seconds) {
    const auto whole = static_cast<std::uint64_t>(seconds + 0.5);
    if (whole >= 2 * 3600) return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
    if (whole >= 120) return fmt::format("{} min {} s", whole / 60, whole % 60);
    return fmt::format("{} s", whole);
}

}  // namespace

progress::progress(clock& time, std::string what, std::uint64_t total)
    : time_(time),
      what_(std::move(what)),
      total_(total),
      on_terminal_(::isatty(STDERR_FILENO) == 1),
      begin_(time.steady_now()),
      // The first plain line tells that something is under way, the first bar comes at once.
      next_(on_terminal_ ? begin_ : begin_ + line_every) {}

progress::~progress() {
    if (shown_ && on_terminal_) std::cerr << "\r\x1b[K" << std::flush;
}

void progress::show(std::uint64_t done) {
    if (!std::exchange(begun_, true)) done_at_first_ = done;
    const steady_time now = time_.steady_now();
    if (now < next_) return;
    next_ = now + (on_terminal_ ? std::chrono::milliseconds(redraw_every)
                                : std::chrono::milliseconds(line_every));
    const double seconds = std::chrono::duration<double>(now - begin_).count();
    const std::string text = line(what_, done, total_, done - done_at_first_, seconds);
    if (on_terminal_)
        std::cerr << '\r' << text << "\x1b[K" << std::flush;
    else
        std::cerr << text << '\n';
    shown_ = true;
}

std::string progress::line(const std::string& what, std::uint64_t done, std::uint64_t total,
                           std::uint64_t made, double seconds) {
    const double rate = seconds > 0 ? static_cast<double>(made) / seconds : 0;
    const std::string speed =
        rate > 0 ? fmt::format(", {}/s", with_commas(static_cast<std::uint64_t>(rate))) : "";
    if (total == 0) return fmt::format("{} {}{}", with_commas(done), what, speed);
    // More may have come since they were counted.
    const std::uint64_t of = std::max(total, done);
    const double part = static_cast<double>(done) / static_cast<double>(of);
    const auto full = static_cast<std::size_t>(part * bar_width);
    const std::string left =
        rate > 0 && done < of
            ? fmt::format(", {} left", duration_text(static_cast<double>(of - done) / rate))
            : "";
    return fmt::format("[{}{}] {:3.0f} %  {} of {} {}{}{}", std::string(full, '#'),
                       std::string(bar_width - full, '.'), part * 100, with_commas(done),
                       with_commas(of), what, speed, left);
}

std::string with_commas(std::uint64_t number) {
    std::string out = std::to_string(number);
    for (std::size_t at = out.size(); at > 3;) out.insert(at -= 3, ",");
    return out;
}

std::string count_of(std::uint64_t count, const std::string& noun) {
    return with_commas(count) + ' ' + noun + (count == 1 ? "" : "s");
}

}  // namespace lethe::cli
