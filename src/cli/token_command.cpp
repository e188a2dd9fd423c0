#include "cli/token_command.hpp"

#include "base/json.hpp"
#include "base/random.hpp"
#include "cli/new_file.hpp"
#include "identity/key_file.hpp"
#include "identity/options.hpp"
#include "token/mint.hpp"
#include "token/verifier.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace lethe::cli {
namespace {

namespace bj = boost::json;

enum class exit : int { done = 0, not_valid = 1, usage = 2 };

exit fail(exit with, std::string_view text) {
    std::cerr << "lethe token: " << text << '\n';
    return with;
}

system_time now() {
    // lint: allow(clock) because a command has no worker whose clock it could ask
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

// "90s", "15m", "1h", "7d", "-1h", "3600".
std::optional<std::chrono::seconds> parse_duration(std::string_view text) {
    std::int64_t count = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (failed != std::errc{}) return std::nullopt;
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    std::int64_t seconds = 0;
    if (unit.empty() || unit == "s")
        seconds = 1;
    else if (unit == "m")
        seconds = 60;
    else if (unit == "h")
        seconds = 3600;
    else if (unit == "d")
        seconds = 86400;
    // A century is more than anybody means, and far from overflow.
    constexpr std::int64_t seconds_max = std::int64_t{100} * 366 * 86400;
    if (seconds == 0 || count > seconds_max / seconds || count < -seconds_max / seconds)
        return std::nullopt;
    return std::chrono::seconds{count * seconds};
}

// The argument, or standard input for "-"; without white space around it and without a leading
// "Bearer ".
std::string read_token(const std::string& argument) {
    std::string text = argument;
    if (text == "-") {
        if (::isatty(STDIN_FILENO) == 1) std::cerr << "paste the token, then end with Ctrl-D:\n";
        text.assign(std::istreambuf_iterator<char>(std::cin), {});
    }
    constexpr std::string_view blank = " \t\r\n";
    const std::size_t first = text.find_first_not_of(blank);
    if (first == std::string::npos) return {};
    text = text.substr(first, text.find_last_not_of(blank) - first + 1);
    if (text.starts_with("Bearer ")) text.erase(0, 7);
    return text;
}

// Prints what is wrong or worth knowing about a key file; null when it cannot be used.
std::shared_ptr<const token::key_set> open_keys(const std::string& path) {
    const identity::key_file file = identity::read_key_file(path);
    if (!file.problem.empty()) fail(exit::not_valid, file.problem);
    return file.keys;
}

void warn_of_skipped(const token::key_set& keys, const std::string& path) {
    for (const std::string& line : identity::explain_skipped(keys))
        std::cerr << "warning: " << path << ": " << line << "; it is left out\n";
}

std::string ago_or_ahead(std::int64_t seconds) {
    const std::int64_t size = seconds < 0 ? -seconds : seconds;
    std::string text = fmt::format("{} s", size);
    if (size >= 2 * 86400)
        text = fmt::format("{} days", size / 86400);
    else if (size >= 2 * 3600)
        text = fmt::format("{} hours", size / 3600);
    else if (size >= 2 * 60)
        text = fmt::format("{} minutes", size / 60);
    return seconds < 0 ? text + " ago" : "in " + text;
}

// A date behind the claims that are times.
std::string explain_time(std::string_view name, const bj::value& value, system_time at) {
    if ((name != "exp" && name != "nbf" && name != "iat" && name != "auth_time") ||
        !value.is_int64())
        return {};
    const std::int64_t seconds = value.get_int64();
    constexpr std::int64_t year_9999 = 253402300799;
    if (seconds < 0 || seconds > year_9999) return {};
    const std::int64_t here =
        std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
    return fmt::format("  ({:%Y-%m-%dT%H:%M:%SZ}, {})",
                       fmt::gmtime(static_cast<std::time_t>(seconds)),
                       ago_or_ahead(seconds - here));
}

// JSON escapes the control bytes below 0x20 but neither DEL nor U+0080 to U+009F, which terminals
// obey as well: a hostile token must not steer them.
std::string printable(std::string_view json_text) {
    std::string out;
    for (std::size_t i = 0; i < json_text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(json_text[i]);
        const auto next =
            static_cast<unsigned char>(i + 1 < json_text.size() ? json_text[i + 1] : 0);
        if (byte == 0x7f) {
            out += "\\u007f";
        } else if (byte == 0xc2 && next >= 0x80 && next <= 0x9f) {
            out += fmt::format("\\u{:04x}", next);
            ++i;
        } else {
            out += json_text[i];
        }
    }
    return out;
}

void print_members(const bj::object& members, system_time at) {
    std::vector<std::string> names;
    std::size_t width = 0;
    for (const bj::key_value_pair& one : members) {
        const std::string quoted = printable(json::to_text(bj::string(one.key())));
        names.push_back(quoted.substr(1, quoted.size() - 2));
        width = std::max(width, names.back().size());
    }
    std::size_t i = 0;
    for (const bj::key_value_pair& one : members)
        std::cout << fmt::format("  {:<{}}  {}{}\n", names[i++], width,
                                 printable(json::to_text(one.value())),
                                 explain_time(one.key(), one.value(), at));
}

// --- lethe token key

struct key_arguments {
    std::string algorithm = "ES256";
    std::string id;
    std::size_t bits = 2048;
    std::string out;
    bool is_public = false;
    bool json = false;
};

exit make_key(const key_arguments& in) {
    const std::optional<token::algorithm> algorithm = token::parse_algorithm(in.algorithm);
    if (!algorithm)
        return fail(exit::usage,
                    "'" + in.algorithm +
                        "' is no algorithm; choose ES256, EdDSA, RS256, PS256, HS256, ES384, "
                        "ES512, RS384, RS512, PS384, PS512, HS384 or HS512");
    if (in.is_public && in.out.empty())
        return fail(exit::usage,
                    "--public needs --out FILE for the private key, which would be lost otherwise");
    if (in.is_public && token::is_symmetric(*algorithm))
        return fail(exit::usage, in.algorithm + " keys are secrets and have no public part");
    const auto random = make_secure_random();
    const result<token::key> made = token::generate_key({*algorithm, in.bits, in.id}, *random);
    if (made.has_error())
        return fail(exit::usage, made.error().message() + " (--bits 2048 to 8192)");

    const std::string text = json::to_text(made->to_private_json()) + '\n';
    if (in.out.empty()) {
        std::cout << text;
        return exit::done;
    }
    const std::string problem = write_new_file(in.out, text);
    if (!problem.empty()) return fail(exit::not_valid, problem);
    if (in.is_public) {
        std::cout << json::to_text(made->to_public_json()) << '\n';
    } else if (in.json) {
        std::cout << json::to_text(bj::object{{"file", in.out},
                                              {"kid", made->id()},
                                              {"alg", token::to_name(*algorithm)},
                                              {"thumbprint", made->thumbprint()}})
                  << '\n';
    } else {
        std::cout << "made " << in.out << ": " << token::to_name(*algorithm) << ", kid "
                  << made->id() << '\n';
    }
    return exit::done;
}

void add_key_command(CLI::App& token, int& exit_code) {
    const auto in = std::make_shared<key_arguments>();
    CLI::App* command =
        token.add_subcommand("key", "Make a new key and print it as a JWK (a secret!)");
    command->add_option("--alg", in->algorithm, "ES256 (default), EdDSA, RS256, PS256, HS256, …");
    command->add_option("--kid", in->id, "the key's name; default: its RFC 7638 thumbprint");
    command->add_option("--bits", in->bits, "size of an RSA key, 2048 (default) to 8192");
    command->add_option("--out", in->out, "write it to this new file, readable by its owner alone");
    command->add_flag("--public", in->is_public, "with --out: print the public part");
    command->add_flag("--json", in->json, "with --out: say in JSON what was made");
    command->footer(
        "Example:\n"
        "  lethe token key --out key.json            # keep this one secret\n"
        "  lethe token jwks key.json > jwks.json     # give this one to lethe serve");
    command->callback([in, &exit_code] { exit_code = static_cast<int>(make_key(*in)); });
}

// --- lethe token jwks

exit print_public_set(const std::vector<std::string>& paths) {
    std::vector<token::key> all;
    for (const std::string& path : paths) {
        const auto keys = open_keys(path);
        if (!keys) return exit::not_valid;
        warn_of_skipped(*keys, path);
        for (const token::key& one : keys->keys()) {
            const bool is_twin =
                std::any_of(all.begin(), all.end(), [&one](const token::key& other) {
                    return !one.id().empty() && one.id() == other.id();
                });
            if (is_twin)
                return fail(exit::not_valid, "'" + path + "': another key has the kid '" +
                                                 one.id() +
                                                 "' already; nobody could tell which is meant");
            all.push_back(one);
        }
    }
    const result<bj::object> set = token::to_public_set(all);
    if (set.has_error())
        return fail(exit::not_valid,
                    "one of the keys is a secret (oct), which has no public part; give the "
                    "file itself to whoever verifies");
    std::cout << json::to_text(*set) << '\n';
    return exit::done;
}

void add_jwks_command(CLI::App& token, int& exit_code) {
    const auto paths = std::make_shared<std::vector<std::string>>();
    CLI::App* command =
        token.add_subcommand("jwks", "Print the public parts of keys as one JWK set, to give away");
    command->add_option("KEYFILE", *paths, "files with a JWK or a JWK set")->required();
    command->footer("Example:\n  lethe token jwks new.json old.json > jwks.json");
    command->callback(
        [paths, &exit_code] { exit_code = static_cast<int>(print_public_set(*paths)); });
}

// --- lethe token sign

struct sign_arguments {
    std::string key_path;
    std::string id;
    std::string algorithm;
    std::string issuer;
    std::vector<std::string> audience;
    std::string subject;
    std::string ttl = "1h";
    std::string type = "JWT";
    std::vector<std::string> claims;
    std::vector<std::string> json_claims;
    bool json = false;
};

// "name=value"; false when there is no name or no '='.
bool split_claim(const std::string& text, std::string& name, std::string& value) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) return false;
    name = text.substr(0, equals);
    value = text.substr(equals + 1);
    return true;
}

// The further claims, or what is wrong with them.
std::string read_claims(const sign_arguments& in, bj::object& out) {
    std::string name;
    std::string value;
    for (const std::string& one : in.claims) {
        if (!split_claim(one, name, value)) return "--claim is NAME=TEXT, not '" + one + "'";
        out[name] = value;
    }
    for (const std::string& one : in.json_claims) {
        if (!split_claim(one, name, value)) return "--claim-json is NAME=JSON, not '" + one + "'";
        result<bj::value> parsed = json::parse(value);
        if (parsed.has_error())
            return "--claim-json " + name + ": '" + value +
                   "' is not JSON (for a text use --claim)";
        out[name] = *std::move(parsed);
    }
    return {};
}

void warn_of_refusal(const bj::object& claims) {
    for (const std::string_view name : {"iss", "sub", "aud"})
        if (!claims.contains(name))
            std::cerr << "warning: without --" << name << " lethe refuses the token\n";
}

exit sign_token(const sign_arguments& in) {
    token::mint_request request{in.issuer, in.audience, in.subject, {}, in.type, {}, std::nullopt};
    const std::optional<std::chrono::seconds> ttl = parse_duration(in.ttl);
    if (!ttl)
        return fail(exit::usage, "--ttl is a time such as 15m, 1h or 7d, not '" + in.ttl + "'");
    request.ttl = *ttl;
    if (!in.algorithm.empty()) {
        request.algorithm = token::parse_algorithm(in.algorithm);
        if (!request.algorithm) return fail(exit::usage, "'" + in.algorithm + "' is no algorithm");
    }
    const std::string problem = read_claims(in, request.extra);
    if (!problem.empty()) return fail(exit::usage, problem);

    const auto keys = open_keys(in.key_path);
    if (!keys) return exit::not_valid;
    const result<token::key> key = token::choose_signing_key(*keys, in.id);
    if (key.has_error())
        return fail(exit::not_valid,
                    key.error() == make_error_code(token::errc::key_not_private)
                        ? "'" + in.key_path + "' holds only public keys, which cannot sign"
                        : "'" + in.key_path + "' has not exactly one key that can sign" +
                              (in.id.empty() ? "; choose one with --kid"
                                             : " with the kid '" + in.id + "'"));
    const auto random = make_secure_random();
    const result<std::string> made = token::mint(*key, request, now(), *random);
    if (made.has_error()) return fail(exit::not_valid, "cannot sign: " + made.error().message());
    warn_of_refusal(token::make_claims(request, now(), *random));
    if (in.json)
        std::cout << json::to_text(bj::object{{"token", *made}}) << '\n';
    else
        std::cout << *made << '\n';
    return exit::done;
}

void add_sign_command(CLI::App& token, int& exit_code) {
    const auto in = std::make_shared<sign_arguments>();
    CLI::App* command = token.add_subcommand("sign", "Sign a token and print it");
    command->add_option("--key", in->key_path, "the file with the private key or the secret")
        ->required();
    command->add_option("--kid", in->id, "which key, when the file has several that can sign");
    command->add_option("--alg", in->algorithm, "default: what the key says");
    command->add_option("--iss", in->issuer, "issuer, as lethe's configuration has it");
    command->add_option("--aud", in->audience, "audience; may be repeated")
        ->take_all()
        ->allow_extra_args(false);
    command->add_option("--sub", in->subject, "subject: who the caller is");
    command->add_option("--ttl", in->ttl,
                        "how long it is valid: 15m, 1h (default), 7d; -1h: expired, to test");
    command->add_option("--typ", in->type, "JWT (default), at+jwt, or \"\" for none");
    command->add_option("--claim", in->claims, "a further claim, NAME=TEXT; may be repeated")
        ->take_all()
        ->allow_extra_args(false);
    command->add_option("--claim-json", in->json_claims, "a further claim, NAME=JSON")
        ->take_all()
        ->allow_extra_args(false);
    command->add_flag("--json", in->json, "print {\"token\": …}");
    command->footer(
        "Example:\n"
        "  lethe token sign --key key.json --iss https://id.shop.example --aud shop --sub alice "
        "\\\n"
        "      --claim scope='cart orders' --claim-json 'roles=[\"customer\"]'");
    command->callback([in, &exit_code] { exit_code = static_cast<int>(sign_token(*in)); });
}

// --- lethe token verify

struct verify_arguments {
    std::string keys_path;
    std::string issuer;
    std::vector<std::string> audience;
    bool any_audience = false;
    std::vector<std::string> algorithms;
    std::string type = "any";
    std::string skew = "30s";
    std::string token = "-";
    bool json = false;
};

// What the arguments ask for, or what is wrong with them.
std::string read_policy(const verify_arguments& in, const token::key_set& keys,
                        token::policy& out) {
    out.issuer = in.issuer;
    out.audiences = in.audience;
    out.audience_unchecked = in.any_audience;
    if (in.audience.empty() == !in.any_audience)
        return "say --aud AUDIENCE, or else --any-audience";
    const auto type = identity::parse_type_rule(in.type);
    if (!type) return "--typ is any or at+jwt, not '" + in.type + "'";
    out.type = *type;
    const auto skew = parse_duration(in.skew);
    if (!skew || *skew < std::chrono::seconds{0} || *skew > token::skew_limit)
        return "--skew is between 0s and 300s, not '" + in.skew + "'";
    out.skew = *skew;
    out.token_bytes_max = token::token_bytes_limit;
    out.algorithms.clear();
    for (const std::string& name : in.algorithms) {
        const auto algorithm = token::parse_algorithm(name);
        if (!algorithm) return "'" + name + "' is no algorithm";
        out.algorithms.push_back(*algorithm);
    }
    // A key set holds either secrets or other keys, so this mixes nothing.
    if (in.algorithms.empty())
        for (std::size_t i = 0; i < token::algorithm_count; ++i)
            if (const auto a = static_cast<token::algorithm>(i);
                token::is_symmetric(a) == keys.has_secrets())
                out.algorithms.push_back(a);
    return {};
}

exit verify_token(const verify_arguments& in) {
    const auto keys = open_keys(in.keys_path);
    if (!keys) return exit::not_valid;
    token::policy policy;
    const std::string problem = read_policy(in, *keys, policy);
    if (!problem.empty()) return fail(exit::usage, problem);
    warn_of_skipped(*keys, in.keys_path);
    const system_time at = now();
    token::verifier verifier(policy, keys);
    const result<token::claims> verified = verifier.verify(read_token(in.token), at);
    if (verified.has_error()) {
        const token::errc why = token::to_errc(verified.error());
        if (in.json)
            std::cout << json::to_text(bj::object{{"valid", false},
                                                  {"reason", token::to_reason(why)},
                                                  {"message", verified.error().message()}})
                      << '\n';
        else
            std::cerr << "not valid: " << verified.error().message() << " ("
                      << token::to_reason(why) << ")\n";
        return exit::not_valid;
    }
    if (in.json) {
        std::cout << json::to_text(bj::object{{"valid", true}, {"claims", verified->members}})
                  << '\n';
    } else {
        std::cout << "valid\n";
        print_members(verified->members, at);
    }
    return exit::done;
}

void add_verify_command(CLI::App& token, int& exit_code) {
    const auto in = std::make_shared<verify_arguments>();
    CLI::App* command = token.add_subcommand(
        "verify", "Check a token as lethe serve would; ends with 1 when it is not valid");
    command->add_option("--keys", in->keys_path, "the file with the issuer's keys (JWK or JWK set)")
        ->required();
    command->add_option("--iss", in->issuer, "the issuer it must come from")->required();
    command->add_option("--aud", in->audience, "an audience it may be for; may be repeated")
        ->take_all()
        ->allow_extra_args(false);
    command->add_flag("--any-audience", in->any_audience, "do not look at the audience");
    command
        ->add_option("--alg", in->algorithms,
                     "an allowed algorithm; default: all that the keys fit")
        ->take_all()
        ->allow_extra_args(false);
    command->add_option("--typ", in->type, "any (default) or at+jwt (RFC 9068)");
    command->add_option("--skew", in->skew,
                        "how far clocks may differ, 30s (default), at most 300s");
    command->add_option("TOKEN", in->token, "the token; - or nothing: from standard input");
    command->add_flag("--json", in->json, "answer in JSON");
    command->footer(
        "Example:\n"
        "  lethe token verify --keys jwks.json --iss https://id.shop.example --aud shop - < "
        "token.txt");
    command->callback([in, &exit_code] { exit_code = static_cast<int>(verify_token(*in)); });
}

// --- lethe token inspect

exit inspect_token(const std::string& argument, bool json_wanted) {
    const system_time at = now();
    const result<token::inspection> seen = token::inspect(read_token(argument), at);
    if (seen.has_error())
        return fail(exit::not_valid, "this cannot be read: " + seen.error().message());
    if (json_wanted) {
        std::cout << json::to_text(bj::object{
                         {"verified", false},
                         {"header", seen->header},
                         {"claims", seen->claims},
                         {"warnings", bj::array(seen->warnings.begin(), seen->warnings.end())}})
                  << '\n';
        return exit::done;
    }
    std::cout << "NOT VERIFIED: anybody can write this; lethe token verify checks it.\n\nheader\n";
    print_members(seen->header, at);
    std::cout << "claims\n";
    print_members(seen->claims, at);
    if (!seen->warnings.empty()) std::cout << "warnings\n";
    for (const std::string& warning : seen->warnings) std::cout << "  " << warning << '\n';
    return exit::done;
}

struct inspect_arguments {
    std::string token = "-";
    bool json = false;
};

void add_inspect_command(CLI::App& token, int& exit_code) {
    const auto in = std::make_shared<inspect_arguments>();
    CLI::App* command =
        token.add_subcommand("inspect", "Show what a token says, without verifying it");
    command->add_option("TOKEN", in->token, "the token; - or nothing: from standard input");
    command->add_flag("--json", in->json, "answer in JSON");
    command->footer("Example:\n  lethe token inspect - < token.txt");
    command->callback(
        [in, &exit_code] { exit_code = static_cast<int>(inspect_token(in->token, in->json)); });
}

}  // namespace

void add_token_command(CLI::App& app, int& exit_code) {
    CLI::App* token = app.add_subcommand("token", "Make keys, sign, verify and look at tokens");
    token->require_subcommand(1);
    token->footer(
        "From nothing to a verified token:\n"
        "  lethe token key --out key.json\n"
        "  lethe token jwks key.json > jwks.json\n"
        "  lethe token sign --key key.json --iss https://id.example --aud shop --sub alice > "
        "token.txt\n"
        "  lethe token verify --keys jwks.json --iss https://id.example --aud shop - < "
        "token.txt\n\n"
        "Ends with 0 when done, 1 when not valid or not possible, 2 when used wrongly.");
    add_key_command(*token, exit_code);
    add_jwks_command(*token, exit_code);
    add_sign_command(*token, exit_code);
    add_verify_command(*token, exit_code);
    add_inspect_command(*token, exit_code);
}

}  // namespace lethe::cli
