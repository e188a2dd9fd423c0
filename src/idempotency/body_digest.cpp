#include "idempotency/body_digest.hpp"

#include "base/bytes.hpp"
#include "base/json.hpp"

#include <optional>

namespace lethe::idempotency {
namespace {

// So that no form can be taken for another.
constexpr std::string_view form_of_bytes = "b";
constexpr std::string_view form_of_json = "j";
constexpr std::string_view form_of_paths = "p";
constexpr std::string_view form_of_parts = "m";

constexpr json::limits body_limits{.bytes_max = 64UL * 1024 * 1024, .depth_max = 128};

std::optional<std::string> json_digest(std::string_view body, std::span<const json_path> paths) {
    const result<boost::json::value> value = json::parse(body, body_limits);
    if (value.has_error()) return std::nullopt;
    if (paths.empty()) return sha256_of_parts({form_of_json, json::canonical_text(*value)});
    std::string out;
    for (const json_path& path : paths) {
        const auto selected = path.select(*value);
        out += std::to_string(selected.size()) + ':';
        for (const boost::json::value* one : selected) out += json::canonical_text(*one) + '\n';
    }
    return sha256_of_parts({form_of_paths, out});
}

// RFC 2046 section 5.1.1.
std::optional<std::string_view> boundary_of(std::string_view content_type) {
    while (true) {
        const std::size_t semicolon = content_type.find(';');
        if (semicolon == std::string_view::npos) return std::nullopt;
        content_type = trim(content_type.substr(semicolon + 1));
        constexpr std::string_view name = "boundary=";
        if (!starts_with_ignoring_case(content_type, name)) continue;
        std::string_view value = content_type.substr(name.size());
        if (value.starts_with('"')) {
            value.remove_prefix(1);
            const std::size_t end = value.find('"');
            if (end == std::string_view::npos) return std::nullopt;
            value = value.substr(0, end);
        } else {
            value = trim(value.substr(0, value.find(';')));
        }
        if (value.empty() || value.size() > 70) return std::nullopt;
        return value;
    }
}

// The parts one after another, each with its length in front; what stands before the first and
// behind the last counts, too.
std::optional<std::string> parts_digest(std::string_view content_type, std::string_view body) {
    const auto boundary = boundary_of(content_type);
    if (!boundary) return std::nullopt;
    const std::string delimiter = "--" + std::string(*boundary);
    std::string out;
    std::size_t from = 0;
    bool closed = false;
    for (std::size_t at = body.find(delimiter); at != std::string_view::npos;
         at = body.find(delimiter, at + 1)) {
        const bool begins_line = at == 0 || (at >= 2 && body.substr(at - 2, 2) == "\r\n");
        const std::string_view rest = body.substr(at + delimiter.size());
        const bool last = rest.starts_with("--");
        if (!begins_line || closed || !(last || rest.starts_with("\r\n"))) continue;
        const std::string_view part = body.substr(from, at - from);
        out += std::to_string(part.size()) + ':';
        out += part;
        from = at + delimiter.size();
        closed = last;
    }
    if (!closed) return std::nullopt;
    return sha256_of_parts({form_of_parts, out, body.substr(from)});
}

}  // namespace

std::string media_type_of(std::string_view content_type) {
    return to_lower(trim(content_type.substr(0, content_type.find(';'))));
}

bool is_json(std::string_view media_type) noexcept {
    return media_type == "application/json" || media_type.ends_with("+json");
}

std::string digest_of_bytes(std::string_view sha256) {
    return sha256_of_parts({form_of_bytes, sha256});
}

std::string body_digest(std::string_view content_type, std::string_view body, body_rule rule,
                        std::span<const json_path> paths) {
    std::optional<std::string> found;
    const std::string media_type = media_type_of(content_type);
    if (rule == body_rule::meaning && is_json(media_type))
        found = json_digest(body, paths);
    else if (rule == body_rule::meaning && media_type.starts_with("multipart/"))
        found = parts_digest(content_type, body);
    if (found) return *std::move(found);
    return digest_of_bytes(sha256(body));
}

}  // namespace lethe::idempotency
