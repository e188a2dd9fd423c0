#include "tour/report.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace lethe::tour {
namespace {

constexpr std::size_t body_bytes_shown = 90;
constexpr int request_width = 46;

std::string one_line(std::string text) {
    std::ranges::replace(text, '\n', ' ');
    while (!text.empty() && text.back() == ' ') text.pop_back();
    if (text.size() > body_bytes_shown) text = text.substr(0, body_bytes_shown) + "...";
    return text;
}

std::string pad(std::string_view text, std::size_t width) {
    std::string out(text);
    if (out.size() < width) out.append(width - out.size(), ' ');
    return out;
}

// What of an answer's header a reader of the tour should see.
std::string notes(const test::http_answer& answer) {
    std::string out;
    if (answer.field("Idempotent-Replayed")) out += "  replayed";
    if (const auto outcome = answer.field("Lethe-Outcome")) out += "  outcome " + *outcome;
    if (const auto retry = answer.field("Retry-After")) out += "  retry after " + *retry + " s";
    return out;
}

}  // namespace

report::report() : colours_(::isatty(STDOUT_FILENO) == 1) {
    // A reader at the other end of a pipe sees each line when it is written.
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
}

std::string report::paint(colour c, std::string_view text) const {
    const std::string_view code = c == colour::green ? "\x1b[32m"
                                  : c == colour::red ? "\x1b[31m"
                                  : c == colour::dim ? "\x1b[2m"
                                                     : "\x1b[1m";
    if (!colours_ || c == colour::plain) return std::string(text);
    return std::string(code) + std::string(text) + "\x1b[0m";
}

void report::step(std::string title) {
    const std::string line = std::to_string(steps_.size() + 1) + ". " + title;
    std::printf("\n%s\n", paint(colour::bold, line).c_str());
    steps_.push_back({std::move(title), 0, {}});
}

void report::say(std::string_view text) const {
    std::printf("  %s\n", paint(colour::dim, text).c_str());
}

void report::request(std::string_view what, const test::http_answer& answer) const {
    std::string status = answer.status == 0 ? std::string("---") : std::to_string(answer.status);
    if (!answer.complete()) status += " (" + std::string(test::to_text(answer.failure)) + ")";
    const colour c = answer.complete() && answer.status < 400 ? colour::green : colour::plain;
    const std::string replica = answer.field("X-Replica").value_or("lethe");
    std::printf("  %s -> %s  %s  %s%s\n", pad(what, request_width).c_str(),
                paint(c, status).c_str(), pad(answer.status == 0 ? "" : replica, 6).c_str(),
                one_line(answer.body).c_str(), paint(colour::bold, notes(answer)).c_str());
}

void report::check(bool held, const std::string& what) {
    entry& now = steps_.back();
    ++now.checks;
    if (!held) now.broken.push_back(what);
    const std::string mark = held ? paint(colour::green, "held") : paint(colour::red, "BROKEN");
    std::printf("  %s  %s\n", mark.c_str(), what.c_str());
}

void report::table() const {
    std::printf("\n%s\n", paint(colour::bold, "What was tried and what held").c_str());
    for (const entry& one : steps_) {
        const bool good = one.broken.empty() && one.checks > 0;
        std::printf(
            "  %s  %s  %zu of %zu\n",
            good ? paint(colour::green, "held  ").c_str() : paint(colour::red, "BROKEN").c_str(),
            pad(one.title, 68).c_str(), one.checks - one.broken.size(), one.checks);
        for (const std::string& what : one.broken) std::printf("          %s\n", what.c_str());
    }
}

bool report::all_held() const {
    return !steps_.empty() && std::ranges::all_of(steps_, [](const entry& one) {
        return one.broken.empty() && one.checks > 0;
    });
}

}  // namespace lethe::tour
