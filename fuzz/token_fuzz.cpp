// Tokens and keys: what is accepted has exactly one spelling, a key reads the same when it is
// written anew, and nothing verifies without the private key.
#include "base/bytes.hpp"
#include "base/json.hpp"
#include "fuzz.hpp"
#include "token/key_set.hpp"
#include "token/mint.hpp"
#include "token/verifier.hpp"

#include <memory>
#include <string>

namespace {

using namespace lethe;

constexpr system_time noon{std::chrono::seconds{1'700'000'000}};

// Public keys whose private parts this program does not have.
constexpr std::string_view trusted_keys = R"({"keys":[
  {"kty":"OKP","crv":"Ed25519","kid":"o","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
  {"kty":"EC","crv":"P-256","kid":"e","x":"04N0xi21hshyvBp7I167sbE_bXqyqkAPfefdklMO7wY",
   "y":"UI8exy-C06a7DUnjIdENkxeFtHM4-l_41LqEw9nVgmw"}]})";

token::verifier make_verifier() {
    token::policy rules;
    rules.issuer = "https://id.example";
    rules.audience_unchecked = true;
    rules.algorithms = {token::algorithm::es256, token::algorithm::ed25519};
    return {rules, std::make_shared<const token::key_set>(
                       token::key_set::parse(trusted_keys, token::key_source::remote).value())};
}

void check_token(std::string_view in) {
    static token::verifier verifier = make_verifier();
    static token::unverified parsed;
    LETHE_FUZZ_CHECK(verifier.keys().keys().size() == 2);
    const result<> read = token::parse_unverified(in, 8 * 1024, parsed);
    LETHE_FUZZ_CHECK(token::inspect(in, noon).has_value() || read.has_error());
    if (read.has_error()) return;
    LETHE_FUZZ_CHECK(to_base64url(parsed.parts.header_text) + '.' +
                         to_base64url(parsed.parts.payload) + '.' +
                         to_base64url(parsed.parts.signature) ==
                     in);
    LETHE_FUZZ_CHECK(!parsed.parts.key_id ||
                     parsed.parts.key_id->size() <= token::key_id_bytes_max);
    LETHE_FUZZ_CHECK(verifier.verify(parsed, noon).has_error());
}

void check_keys(std::string_view in) {
    const result<token::key_set> read = token::key_set::parse(in, token::key_source::local);
    if (read.has_error()) return;
    LETHE_FUZZ_CHECK(read->keys().size() + read->skipped().size() <= token::key_set::keys_max);
    for (const token::key& one : read->keys()) {
        const result<token::key> again = token::key::from_json(one.to_private_json());
        LETHE_FUZZ_CHECK(again.has_value() && again->thumbprint() == one.thumbprint());
        LETHE_FUZZ_CHECK(!one.to_public_json().contains("d") &&
                         !one.to_public_json().contains("k"));
    }
    const result<token::key_set> remote = token::key_set::parse(in, token::key_source::remote);
    LETHE_FUZZ_CHECK(remote.has_error() || (!remote->has_private_keys() && !remote->has_secrets()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view in = lethe::fuzz::text(data, size);
    check_token(in);
    check_keys(in);
    return 0;
}
