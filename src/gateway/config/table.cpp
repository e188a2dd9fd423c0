#include "gateway/config/table.hpp"

#include <charconv>

namespace lethe::gateway::config {

std::optional<std::vector<const member*>> match_members(reader& with, const place& at,
                                                        const section_info& info) {
    if (at.value.kind != node_kind::map) {
        const std::string hint =
            at.value.kind == node_kind::null ? "; {} stands for one without options" : "";
        with.fail_kind(at, "a map of options" + hint);
        return std::nullopt;
    }
    std::vector<std::string> names;
    for (const option_info& one : info.options) names.push_back(one.name);
    std::vector<const member*> out(names.size(), nullptr);
    const bool is_root = at.path.empty();
    for (const member& one : at.value.members) {
        const auto found = std::find(names.begin(), names.end(), one.key);
        if (found != names.end()) {
            out[static_cast<std::size_t>(found - names.begin())] = &one;
        } else if (!is_root || !one.key.starts_with("x-")) {
            with.fail_at(one.key_at, at.member(one.key, *one.value).path, "there is no such option",
                         suggest(one.key, names));
        }
    }
    for (std::size_t i = 0; i < names.size(); ++i)
        if (info.options[i].required && out[i] == nullptr)
            with.fail(at.member(names[i], at.value), "is missing",
                      "expected " + info.options[i].value.words);
    return out;
}

const node* want_scalar(reader& with, const place& at, const std::string& expected) {
    if (at.value.kind == node_kind::scalar) return &at.value;
    with.fail_kind(at, expected);
    return nullptr;
}

namespace {

// "5" in quotes is text, unless it comes from a variable, which YAML can only quote in a flow map.
bool is_text_only(const node& value) {
    return value.quoted && value.written.find("${") == std::string::npos;
}

}  // namespace

std::optional<bool> read_boolean(reader& with, const place& at, const shape& what) {
    if (want_scalar(with, at, what.words) == nullptr) return std::nullopt;
    if (!is_text_only(at.value)) {
        if (at.value.text == "true") return true;
        if (at.value.text == "false") return false;
    }
    with.fail_value(at, "is neither", what.words);
    return std::nullopt;
}

std::optional<std::int64_t> read_integer(reader& with, const place& at, const shape& what) {
    if (want_scalar(with, at, what.words) == nullptr) return std::nullopt;
    const std::string& written = at.value.text;
    std::int64_t value = 0;
    const auto [end, failed] =
        std::from_chars(written.data(), written.data() + written.size(), value);
    const bool whole = failed == std::errc{} && end == written.data() + written.size();
    if (is_text_only(at.value) || (!whole && failed != std::errc::result_out_of_range)) {
        with.fail_value(at, "is not a whole number", what.words);
        return std::nullopt;
    }
    if (!whole || value < what.minimum || value > what.maximum) {
        with.fail_value(at, "is out of range", what.words);
        return std::nullopt;
    }
    return value;
}

std::optional<std::chrono::milliseconds> read_duration(reader& with, const place& at,
                                                       const shape& what,
                                                       const duration_bounds& within) {
    if (want_scalar(with, at, what.words) == nullptr) return std::nullopt;
    const std::optional<std::chrono::milliseconds> value = parse_duration(at.value.text);
    if (!value) {
        with.fail_value(at, "is not a duration",
                        what.words + ", written as 500ms, 1s, 5m, 24h or 30d");
        return std::nullopt;
    }
    if (*value < within.minimum || *value > within.maximum) {
        with.fail_value(at, "is out of range", what.words);
        return std::nullopt;
    }
    if (value->count() % within.step.count() != 0) {
        with.fail_value(at, "is not a whole number of seconds", what.words);
        return std::nullopt;
    }
    return value;
}

std::optional<std::uint64_t> read_size(reader& with, const place& at, const shape& what,
                                       const size_bounds& within) {
    if (want_scalar(with, at, what.words) == nullptr) return std::nullopt;
    const std::optional<std::uint64_t> value = parse_size(at.value.text);
    if (!value) {
        with.fail_value(at, "is not a size", what.words + ", written as 512, 64KiB, 10MiB or 1GiB");
        return std::nullopt;
    }
    if (*value < within.minimum || *value > within.maximum) {
        with.fail_value(at, "is out of range", what.words);
        return std::nullopt;
    }
    return value;
}

codec<bool> boolean() {
    shape what{.kind = value_kind::boolean, .words = "true or false"};
    return {what,
            [what](reader& with, const place& at, bool& to) {
                if (const auto value = read_boolean(with, at, what)) to = *value;
            },
            [](const bool& value) { return boost::json::value(value); }};
}

codec<std::string> text(std::string words, bool (*fits)(std::string_view), std::string pattern) {
    shape what{.kind = value_kind::text, .words = std::move(words), .pattern = std::move(pattern)};
    return {what,
            [what, fits](reader& with, const place& at, std::string& to) {
                if (want_scalar(with, at, what.words) == nullptr) return;
                if (fits != nullptr && !fits(at.value.text))
                    return with.fail_value(at, "does not fit", what.words);
                to = at.value.text;
            },
            [](const std::string& value) -> boost::json::value {
                if (value.empty()) return nullptr;
                return boost::json::value(value);
            }};
}

bool want_list(reader& with, const place& at, const shape& what) {
    if (at.value.kind != node_kind::sequence) {
        with.fail_kind(at, what.words);
        return false;
    }
    if (at.value.items.size() < what.items_min) {
        with.fail(at, "is empty", "expected " + what.words);
        return false;
    }
    if (at.value.items.size() > what.items_max) {
        with.fail(at, "has " + std::to_string(at.value.items.size()) + " entries",
                  "expected at most " + std::to_string(what.items_max));
        return false;
    }
    return true;
}

void refuse_twin(reader& with, const place& at) {
    with.fail(at, quote(at.value.written) + " is listed twice", "expected each once");
}

}  // namespace lethe::gateway::config
