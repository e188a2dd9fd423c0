#include "upstream/signature.hpp"

#include "base/bytes.hpp"
#include "base/error.hpp"

#include <sodium.h>

#include <algorithm>
#include <array>

namespace lethe::upstream {
namespace {

constexpr std::string_view signature_field = "Lethe-Signature";
constexpr std::string_view attempt_field = "lethe-attempt";

const unsigned char* raw(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

// In lower case, in order, each once.
std::vector<std::string> covered(const http::exchange& x, const std::vector<std::string>& more) {
    std::vector<std::string> out;
    for (const http::field_line& line : x.request.header)
        if (line.id == http::field_id::lethe && !equal_ignoring_case(line.name, signature_field))
            out.push_back(to_lower(line.name));
    for (const std::string& name : more)
        if (x.request.header.count(name) > 0) out.push_back(to_lower(name));
    if (x.attempt > 0) out.emplace_back(attempt_field);
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

std::string hmac(std::string_view key, std::string_view text) {
    std::array<unsigned char, crypto_auth_hmacsha256_BYTES> out{};
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, raw(key), key.size());
    crypto_auth_hmacsha256_update(&state, raw(text), text.size());
    crypto_auth_hmacsha256_final(&state, out.data());
    return {reinterpret_cast<const char*>(out.data()), out.size()};
}

}  // namespace

std::string sign(const http::exchange& x, const signature_options& with,
                 const std::vector<std::string>& more, system_time now) {
    const std::vector<std::string> names = covered(x, more);
    const std::string created =
        std::to_string(std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count());
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : " ") + name;

    std::string text = "lethe-signature 1\n" + with.key_id + "\n" + created + "\n";
    text.append(x.request.method_text).append("\n").append(x.request.path);
    if (x.request.has_query) text.append("?").append(x.request.query);
    text += "\n" + list + "\n";
    for (const std::string& name : names) {
        // write_request_head adds it last.
        const std::string value = name == attempt_field && x.attempt > 0
                                      ? std::to_string(x.attempt)
                                      : x.request.header.combined(name).value_or("");
        text += name + ": " + value + "\n";
    }
    return ":" + to_base64(hmac(with.key.reveal(), text)) + ":;keyid=\"" + with.key_id +
           "\";created=" + created + ";fields=\"" + list + "\"";
}

signer::signer(signature_options with, std::vector<std::string> more)
    : options_(std::move(with)), more_(std::move(more)) {
    LETHE_ASSERT(!options_.key.empty());
}

task<> signer::handle(http::exchange& x, http::next rest) {
    x.request.header.set(signature_field, sign(x, options_, more_, x.time().system_now()));
    return rest(x);
}

}  // namespace lethe::upstream
