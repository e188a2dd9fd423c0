#include "identity/key_file.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace lethe::identity {
namespace {

constexpr std::string_view how_to_make_one =
    "make keys with: lethe token key --out key.json && lethe token jwks key.json > jwks.json";

// The text, or "" and a problem.
std::string read_text(const std::string& path, std::string& problem) {
    std::error_code failed;
    const std::filesystem::file_status status = std::filesystem::status(path, failed);
    if (!std::filesystem::exists(status)) {
        problem = "there is no key file '" + path + "'; " + std::string(how_to_make_one);
        return {};
    }
    if (!std::filesystem::is_regular_file(status)) {
        problem = "'" + path + "' is not a file; name a file that holds a JWK or a JWK set";
        return {};
    }
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        problem = "the key file '" + path +
                  "' cannot be read: " + std::generic_category().message(errno) +
                  "; let the user that lethe runs as read it";
        return {};
    }
    // One byte more than allowed tells "too large" from "just fits".
    std::string text(token::key_set::text_bytes_max + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (text.empty())
        problem = "the key file '" + path + "' is empty; " + std::string(how_to_make_one);
    return text;
}

std::string what_to_do(token::errc why) {
    switch (why) {
        case token::errc::not_json:
            return "; it must be strict JSON of at most 256 KiB with no member twice (a PEM file "
                   "must be "
                   "turned into a JWK first)";
        case token::errc::not_a_key:
            return "; a JWK has a member \"kty\", a JWK set a list \"keys\"";
        case token::errc::mixed_keys: return "; keep secrets in a file and an issuer of their own";
        default: return "";
    }
}

bool is_open_to_others(const std::string& path) {
    std::error_code failed;
    const std::filesystem::perms allowed = std::filesystem::status(path, failed).permissions();
    using std::filesystem::perms;
    return !failed && (allowed & (perms::group_read | perms::others_read)) != perms::none;
}

void warn_of_secrets(const std::string& path, key_file& out) {
    if (out.keys->has_private_keys())
        out.warnings.push_back(
            "the key file '" + path +
            "' holds private keys, which checking tokens does not need; give lethe the "
            "public part: lethe token jwks '" +
            path + "' > jwks.json");
    if ((out.keys->has_private_keys() || out.keys->has_secrets()) && is_open_to_others(path))
        out.warnings.push_back("the key file '" + path +
                               "' holds secrets and can be read by others; run: chmod 600 '" +
                               path + "'");
}

std::string list_lines(const std::vector<std::string>& lines) {
    std::string out;
    for (const std::string& line : lines) out += "\n  " + line;
    return out;
}

}  // namespace

std::vector<std::string> explain_skipped(const token::key_set& keys) {
    std::vector<std::string> out;
    for (const token::skipped_key& one : keys.skipped())
        out.push_back("key " + std::to_string(one.index + 1) +
                      (one.id.empty() ? std::string() : " ('" + one.id + "')") + ": " +
                      make_error_code(one.why).message());
    return out;
}

key_file read_key_file(const std::string& path) {
    key_file out;
    const std::string text = read_text(path, out.problem);
    if (!out.problem.empty()) return out;
    result<token::key_set> parsed = token::key_set::parse(text, token::key_source::local);
    if (parsed.has_error()) {
        out.problem = "the key file '" + path + "' cannot be used: " + parsed.error().message() +
                      what_to_do(token::to_errc(parsed.error()));
        return out;
    }
    const std::vector<std::string> skipped = explain_skipped(*parsed);
    if (parsed->keys().empty()) {
        out.problem =
            "the key file '" + path + "' has no usable key" +
            (skipped.empty() ? "; " + std::string(how_to_make_one) : ":" + list_lines(skipped));
        return out;
    }
    for (const std::string& line : skipped)
        out.warnings.push_back("the key file '" + path + "': " + line + "; it is left out");
    out.keys = std::make_shared<const token::key_set>(*std::move(parsed));
    warn_of_secrets(path, out);
    return out;
}

key_file read_issuer_keys(const issuer_options& options) {
    key_file out = read_key_file(options.keys_file);
    if (!out.keys) return out;
    const auto keys = out.keys->keys();
    const bool some_fit = std::any_of(keys.begin(), keys.end(), [&options](const token::key& one) {
        return std::any_of(options.algorithms.begin(), options.algorithms.end(),
                           [&one](token::algorithm a) { return one.fits(a); });
    });
    if (some_fit) return out;
    std::vector<std::string> lines;
    for (const token::key& one : keys)
        lines.push_back("'" + one.id() + "' is for " +
                        std::string(one.usual_algorithm() ? token::to_name(*one.usual_algorithm())
                                                          : "HS256, HS384 or HS512"));
    out.problem = "the key file '" + options.keys_file +
                  "' has no key for the algorithms of issuer '" + options.name +
                  "'; add the right one to algorithms:" + list_lines(lines);
    out.keys = nullptr;
    return out;
}

}  // namespace lethe::identity
