#include "gateway/tools/records.hpp"

#include "base/bytes.hpp"
#include "idempotency/record.hpp"
#include "session/record.hpp"

#include <boost/json/array.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

namespace lethe::gateway::tools {
namespace {

namespace bj = boost::json;

constexpr std::size_t hash_bytes = 32;

struct kind_name {
    std::string_view prefix;
    const char* name;
};
constexpr kind_name kinds[] = {{"s:", "session"},
                               {"q:", "session_turns"},
                               {"i:", "idempotency"},
                               {"t:", "idempotency_tombstone"},
                               {"b:", "idempotency_answer"},
                               {"r:", "session_revocation"},
                               {"l:", "limit"}};

const kind_name* find_kind(std::string_view key) {
    const auto found = std::ranges::find_if(
        kinds, [&](const kind_name& one) { return key.starts_with(one.prefix); });
    return found == std::end(kinds) ? nullptr : found;
}

const char* name_of(idempotency::record_state state) {
    switch (state) {
        case idempotency::record_state::claimed: return "claimed";
        case idempotency::record_state::done: return "done";
        case idempotency::record_state::unknown: return "unknown";
        case idempotency::record_state::released: return "released";
    }
    return "";
}

const char* name_of(session::record_kind kind) {
    switch (kind) {
        case session::record_kind::session: return "session";
        case session::record_kind::tombstone: return "ended";
        case session::record_kind::rotated: return "rotated";
        case session::record_kind::superseded: return "superseded";
    }
    return "";
}

bj::object decoded_outcome(const idempotency::outcome& of) {
    bj::array fields;
    for (const auto& [name, value] : of.header) fields.push_back(bj::string(name));
    bj::object out{{"status", of.status},
                   {"completed", to_utc_text(of.completed)},
                   {"fields", std::move(fields)}};
    out["body_bytes"] = of.body   ? bj::value(of.body->size())
                        : of.blob ? bj::value(of.blob->bytes)
                                  : bj::value();
    return out;
}

bj::object decoded_key(std::string_view value) {
    const auto opened = idempotency::decode_record(value);
    if (opened.has_error()) return {{"damaged", true}};
    bj::object out{{"state", name_of(opened->state)},
                   {"epoch", opened->epoch},
                   {"created", to_utc_text(opened->created)},
                   {"lease_until", to_utc_text(opened->lease_until)},
                   {"expires", to_utc_text(opened->expires)}};
    if (opened->result) out["outcome"] = decoded_outcome(*opened->result);
    return out;
}

bj::object decoded_session(std::string_view value) {
    const std::optional<session::outline> seen = session::read_outline(value);
    if (!seen) return {{"damaged", true}};
    return {{"record", name_of(seen->kind)},
            {"sealed", seen->kind != session::record_kind::tombstone}};
}

}  // namespace

std::string kind_of(std::string_view key) {
    const kind_name* const found = find_kind(key);
    return found == nullptr ? "other" : found->name;
}

std::string shown_key(std::string_view key) {
    const kind_name* const found = find_kind(key);
    if (found != nullptr && key.size() == found->prefix.size() + hash_bytes)
        return std::string(found->prefix) + to_hex(key.substr(found->prefix.size()));
    const bool is_text = std::ranges::all_of(key, [](char c) { return c > 0x20 && c < 0x7f; });
    return is_text && !key.starts_with("0x") ? std::string(key) : "0x" + to_hex(key);
}

std::optional<std::string> parse_key(std::string_view text) {
    if (text.empty()) return std::nullopt;
    if (text.starts_with("0x")) {
        result<std::string> bytes = from_hex(text.substr(2));
        if (bytes.has_error() || bytes->empty()) return std::nullopt;
        return *std::move(bytes);
    }
    const kind_name* const found = find_kind(text);
    if (found != nullptr && text.size() == found->prefix.size() + 2 * hash_bytes) {
        const result<std::string> hash = from_hex(text.substr(found->prefix.size()));
        if (hash.has_value()) return std::string(found->prefix) + *hash;
    }
    return std::string(text);
}

bj::object decoded_value(std::string_view key, std::string_view value) {
    const std::string kind = kind_of(key);
    if (kind == "idempotency") return decoded_key(value);
    if (kind == "session") return decoded_session(value);
    return {};
}

}  // namespace lethe::gateway::tools
