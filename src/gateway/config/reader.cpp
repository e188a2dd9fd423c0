#include "gateway/config/reader.hpp"

#include "base/bytes.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <numeric>
#include <utility>

namespace lethe::gateway::config {
namespace {

struct unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr std::array<unit, 5> durations = {
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
constexpr std::array<unit, 4> sizes = {
    {{"GiB", 1024 * 1024 * 1024}, {"MiB", 1024 * 1024}, {"KiB", 1024}, {"", 1}}};
constexpr std::uint64_t duration_max = std::uint64_t{400} * 366 * 86'400'000;
constexpr std::uint64_t size_max = std::uint64_t{1} << 50;

std::optional<std::uint64_t> parse_amount(std::string_view text, std::span<const unit> units,
                                          std::uint64_t maximum) {
    std::uint64_t count = 0;
    const char* const last = text.data() + text.size();
    const auto [end, failed] = std::from_chars(text.data(), last, count);
    if (failed != std::errc{}) return std::nullopt;
    const std::string_view name(end, static_cast<std::size_t>(last - end));
    for (const unit& one : units)
        if (one.name == name)
            return count <= maximum / one.factor ? std::optional(count * one.factor) : std::nullopt;
    return std::nullopt;
}

// How many edits make one of the other, swapped neighbours being one.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
    std::iota(last.begin(), last.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        now[0] = i;
        for (std::size_t k = 1; k <= b.size(); ++k) {
            const std::size_t change = last[k - 1] + (a[i - 1] == b[k - 1] ? 0 : 1);
            now[k] = std::min({last[k] + 1, now[k - 1] + 1, change});
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
                now[k] = std::min(now[k], before[k - 2] + 1);
        }
        before = std::exchange(last, now);
    }
    return last[b.size()];
}

std::string normal_name(std::string_view text) {
    std::string out = to_lower(text);
    std::replace(out.begin(), out.end(), '-', '_');
    return out;
}

// The key or index that a path starts with, taken off it.
std::optional<std::size_t> take_index(std::string_view& path) {
    std::size_t index = 0;
    const auto [end, failed] = std::from_chars(path.data() + 1, path.data() + path.size(), index);
    if (failed != std::errc{}) return std::nullopt;
    path.remove_prefix(static_cast<std::size_t>(end - path.data()) + 1);
    return index;
}

struct found_place {
    mark at;
    bool whole = false;  // all of the path is there
};

found_place find_place(const node& root, std::string_view path) {
    const node* here = &root;
    mark at = root.at;
    while (!path.empty()) {
        if (path.front() == '.') path.remove_prefix(1);
        if (path.front() == '[') {
            const std::optional<std::size_t> index = take_index(path);
            if (!index || here->kind != node_kind::sequence || *index >= here->items.size())
                return {at, false};
            here = here->items[*index].get();
            at = here->at;
            continue;
        }
        const std::string_view key = path.substr(0, path.find_first_of(".["));
        const member* const found = here->find(key);
        if (found == nullptr) return {at, false};
        path.remove_prefix(key.size());
        here = found->value.get();
        at = here->kind == node_kind::scalar ? here->at : found->key_at;
    }
    return {at, true};
}

const char* kind_name(const node& of) {
    switch (of.kind) {
        case node_kind::null: return "has no value";
        case node_kind::scalar: return "is a single value";
        case node_kind::sequence: return "is a list";
        case node_kind::map: return "is a map";
    }
    return "";
}

}  // namespace

reader::reader(std::string file, std::filesystem::path directory, bool look_at_files, node_ptr root,
               std::vector<mistake>& mistakes)
    : file_(std::move(file)),
      directory_(std::move(directory)),
      look_at_files_(look_at_files),
      root_(std::move(root)),
      mistakes_(mistakes) {}

void reader::fail(const place& at, std::string what, std::string expected) {
    fail_at(at.value.at, at.path, std::move(what), std::move(expected));
}

void reader::fail_kind(const place& at, const std::string& expected) {
    fail(at, kind_name(at.value), "expected " + expected);
}

void reader::fail_value(const place& at, std::string_view what, const std::string& expected) {
    fail(at, quote(at.value.written) + " " + std::string(what), "expected " + expected);
}

void reader::fail_at(mark at, std::string path, std::string what, std::string expected) {
    // One more than is listed tells that there are more.
    if (mistakes_.size() <= mistakes_max)
        mistakes_.push_back({file_, at, std::move(path), std::move(what), std::move(expected)});
}

void reader::fail_later(const std::string& path, std::string what, std::string expected) {
    if (has_mistake_at(path)) return;
    const mark at = root_ ? find_place(*root_, path).at : mark{};
    fail_at(at, path, std::move(what), std::move(expected));
}

bool reader::is_given(const std::string& path) const {
    return root_ && find_place(*root_, path).whole;
}

bool reader::has_mistake_at(const std::string& path) const {
    return std::any_of(mistakes_.begin(), mistakes_.end(), [&](const mistake& one) {
        if (!one.path.starts_with(path)) return false;
        return one.path.size() == path.size() || one.path[path.size()] == '.' ||
               one.path[path.size()] == '[';
    });
}

std::string reader::absolute(std::string_view path) const {
    return (directory_ / std::filesystem::path(path)).lexically_normal().string();
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
    const auto amount = parse_amount(text, durations, duration_max);
    if (!amount) return std::nullopt;
    return std::chrono::milliseconds(*amount);
}

std::string to_duration_text(std::chrono::milliseconds value) {
    if (value.count() == 0) return "0s";
    // 90m rather than 5400s, but 24h rather than 1d: what people write.
    const auto count = static_cast<std::uint64_t>(value.count());
    for (const unit& one : durations) {
        const bool few_days = one.name == "d" && count < 2 * one.factor;
        if (count % one.factor == 0 && !few_days)
            return std::to_string(count / one.factor) + std::string(one.name);
    }
    return std::to_string(count) + "ms";
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    return parse_amount(text, sizes, size_max);
}

std::string to_size_text(std::uint64_t bytes) {
    for (const unit& one : sizes)
        if (bytes % one.factor == 0 && bytes >= one.factor)
            return std::to_string(bytes / one.factor) + std::string(one.name);
    return std::to_string(bytes);
}

std::string nearest_name(std::string_view written, const std::vector<std::string>& known) {
    // Longer than any name: a text that is no slip of the hand, and not worth the time.
    if (written.size() > 64) return {};
    const std::string wanted = normal_name(written);
    std::string best;
    std::size_t best_distance = std::numeric_limits<std::size_t>::max();
    for (const std::string& one : known) {
        const std::size_t distance = edit_distance(wanted, normal_name(one));
        const std::size_t limit = std::max<std::size_t>(1, std::min(wanted.size(), one.size()) / 3);
        if (distance > limit || distance >= best_distance) continue;
        best = one;
        best_distance = distance;
    }
    if (!best.empty()) return best;
    // "timeout" for "answer_timeout"
    for (const std::string& one : known)
        if (wanted.size() >= 4 && normal_name(one).find(wanted) != std::string::npos) return one;
    return {};
}

std::string suggest(std::string_view written, const std::vector<std::string>& known) {
    const std::string near = nearest_name(written, known);
    if (!near.empty()) return "did you mean '" + near + "'?";
    return known.empty() ? "expected none" : "expected " + join_choices(known);
}

std::string join_choices(const std::vector<std::string>& all) {
    std::string out;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (i > 0) out += i + 1 == all.size() ? " or " : ", ";
        out += all[i];
    }
    return out;
}

std::string quote(std::string_view text) {
    constexpr std::size_t shown_max = 60;
    std::string out = "\"";
    std::size_t end = std::min(text.size(), shown_max);
    // Not in the middle of a character.
    while (end > 0 && end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
        --end;
    for (const char c : text.substr(0, end)) {
        if (c == '\n')
            out += "\\n";
        else if (c == '\r')
            out += "\\r";
        else if (c == '\t')
            out += "\\t";
        // "\u0001" written in YAML: no control byte reaches a terminal.
        else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            out += "?";
        else
            out += c;
    }
    return out + (end < text.size() ? "…\"" : "\"");
}

}  // namespace lethe::gateway::config
