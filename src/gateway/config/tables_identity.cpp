// The tables of `issuers[]` and of a route's `authenticate`.
#include "gateway/config/tables.hpp"
#include "token/algorithm.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <system_error>

namespace lethe::gateway::config {
namespace {

using namespace std::chrono_literals;
using std::chrono::seconds;

bool is_not_empty(std::string_view value) {
    return !value.empty();
}

codec<token::algorithm> algorithm() {
    std::vector<std::pair<std::string, token::algorithm>> names;
    for (std::size_t i = 0; i < token::algorithm_count; ++i) {
        const auto one = static_cast<token::algorithm>(i);
        names.emplace_back(std::string(token::to_name(one)), one);
    }
    names.emplace_back("Ed25519", token::algorithm::ed25519);
    return choice<token::algorithm>(std::move(names));
}

// Why a file cannot be read; "" when it can.
std::string why_unreadable(const std::string& path) {
    std::error_code failed;
    if (std::filesystem::is_directory(path, failed)) return "is a directory";
    const int opened = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (opened < 0) return std::error_code(errno, std::generic_category()).message();
    ::close(opened);
    return {};
}

codec<std::string> key_file() {
    codec<std::string> out = text("a file with a JWK or a JWK set", is_not_empty);
    out.read = [words = out.what.words](reader& with, const place& at, std::string& to) {
        if (want_scalar(with, at, words) == nullptr) return;
        if (at.value.text.empty()) return with.fail_value(at, "does not fit", words);
        to = with.absolute(at.value.text);
        if (!with.look_at_files()) return;
        const std::string why = why_unreadable(to);
        if (!why.empty())
            with.fail(at, "cannot read " + quote(to) + " (" + why + ")", "expected " + words);
    };
    return out;
}

const table<identity::issuer_options>& keys_table() {
    using identity::issuer_options;
    static const table<issuer_options> made = [] {
        table<issuer_options> t("keys", "`issuers[].keys`",
                                "Where the keys are that the issuer signs with.");
        t.add({.name = "file",
               .text = "A JWK or a JWK set, relative to the configuration's directory; read again "
                       "on reload.",
               .example = "jwks.json",
               .required = true},
              &issuer_options::keys_file, key_file());
        return t;
    }();
    return made;
}

// `forward: {sub: X-User}`: claim to field.
codec<std::vector<identity::forward_option>> forward() {
    using forwards = std::vector<identity::forward_option>;
    const std::string words = "a map of claims to fields such as {sub: X-User}";
    shape field{.kind = value_kind::text, .words = "a field name such as X-User"};
    shape what{
        .kind = value_kind::map, .words = words, .item = std::make_shared<const shape>(field)};
    return {what,
            [words, field](reader& with, const place& at, forwards& to) {
                if (at.value.kind != node_kind::map) return with.fail_kind(at, words);
                to.clear();
                for (const member& one : at.value.members) {
                    const place value = at.member(one.key, *one.value);
                    if (one.value->bad || want_scalar(with, value, field.words) == nullptr)
                        continue;
                    to.push_back({one.key, one.value->text});
                }
            },
            [](const forwards&) { return boost::json::value(); }};
}

void add_rules(table<identity::issuer_options>& t) {
    using identity::issuer_options;
    t.add({.name = "typ",
           .text = "Which `typ` a token's header may have. `any`: what access tokens usually have, "
                   "or none. `at+jwt`: RFC 9068 alone.",
           .example = "at+jwt"},
          &issuer_options::type,
          choice<token::type_rule>(
              {{"any", token::type_rule::any_access_token}, {"at+jwt", token::type_rule::at_jwt}}));
    t.add({.name = "skew", .text = "How far the issuer's clock may be off.", .example = "10s"},
          &issuer_options::skew, duration<seconds>(0s, token::skew_limit));
    t.add({.name = "lifetime_max",
           .text = "The longest time from `iat` to `exp` that a token may have; any without it.",
           .example = "1h"},
          &issuer_options::lifetime_max, optional_of(duration<seconds>(1s, 400 * 24h)));
    t.add({.name = "token_bytes_max", .text = "Longer tokens are refused.", .example = "4KiB"},
          &issuer_options::token_bytes_max, size<std::size_t>(256, token::token_bytes_limit));
    t.add({.name = "refuse_key_headers",
           .text = "Refuse tokens whose header brings a key along; otherwise such members are "
                   "ignored. They never choose a key.",
           .example = "true"},
          &issuer_options::refuse_key_headers, boolean());
}

}  // namespace

const table<identity::issuer_options>& issuer_table() {
    using identity::issuer_options;
    static const table<issuer_options> made = [] {
        table<issuer_options> t("issuer", "`issuers[]`",
                                "A party whose signatures under tokens are trusted.");
        t.add({.name = "name",
               .text = "What routes call it.",
               .example = "shop-id",
               .required = true},
              &issuer_options::name, text("a name", is_not_empty));
        t.add({.name = "issuer",
               .text = "The tokens' `iss`, byte for byte.",
               .example = "\"https://id.shop.example\"",
               .required = true},
              &issuer_options::issuer, text("the tokens' iss", is_not_empty));
        t.add({.name = "audience",
               .text = "One of these must be in the tokens' `aud`. Needed, unless "
                       "`audience_unchecked` is true.",
               .example = "[shop]"},
              &issuer_options::audience,
              one_or_list("an audience or a list of them", text("an audience", is_not_empty)));
        t.add({.name = "audience_unchecked",
               .text = "Take tokens that were made for anybody.",
               .example = "true"},
              &issuer_options::audience_unchecked, boolean());
        t.add({.name = "algorithms",
               .text = "Which signatures are taken. The `HS…` ones cannot stand beside others.",
               .example = "[ES256]"},
              &issuer_options::algorithms,
              list<token::algorithm>("a list of algorithms such as [ES256]", algorithm(), 1));
        t.add(
            {.name = "keys",
             .text = "Where the keys are.",
             .example = "{file: jwks.json}",
             .required = true},
            [](issuer_options& of) -> issuer_options& { return of; }, section(keys_table()));
        add_rules(t);
        return t;
    }();
    return made;
}

const table<identity::authenticate_options>& authenticate_table() {
    using identity::authenticate_options;
    static const table<authenticate_options> made = [] {
        table<authenticate_options> t("authenticate", "`routes[].authenticate`",
                                      "Only requests with a valid token of one of these issuers "
                                      "pass (`Authorization: Bearer`).");
        t.add({.name = "issuers",
               .text = "Names of `issuers`.",
               .example = "[shop-id]",
               .required = true},
              &authenticate_options::issuers,
              list<std::string>("a list of issuers' names", text("an issuer's name"), 1));
        t.add(
            {.name = "forward",
             .text = "Verified claims that the upstream gets as fields; forged ones are taken away "
                     "from every request. A claim is a name or a JSON pointer "
                     "(`/realm_access/roles`).",
             .example = "{sub: X-User}"},
            &authenticate_options::forward, forward());
        t.add({.name = "audience",
               .text = "One of these must be in `aud` besides the issuer's own.",
               .example = "[orders]"},
              &authenticate_options::audience,
              one_or_list("an audience or a list of them", text("an audience", is_not_empty)));
        t.add({.name = "scopes",
               .text = "All of these must be granted; otherwise 403.",
               .example = "[orders.write]"},
              &authenticate_options::scopes,
              one_or_list("a scope or a list of them", text("a scope", is_not_empty)));
        t.add({.name = "optional",
               .text = "Requests without a token pass as anonymous; a bad token is refused all the "
                       "same.",
               .example = "true"},
              &authenticate_options::optional, boolean());
        t.add({.name = "strip_authorization",
               .text = "Do not hand the token itself on to the upstream.",
               .example = "true"},
              &authenticate_options::strip_authorization, boolean());
        t.add({.name = "realm", .text = "The realm in `WWW-Authenticate`.", .example = "shop"},
              &authenticate_options::realm, text("printable ASCII"));
        t.add({.name = "list_separator",
               .text = "Stands between the members of a claim that is a list: a space or a comma.",
               .example = "\",\""},
              &authenticate_options::list_separator, text("\" \" or \",\""));
        return t;
    }();
    return made;
}

}  // namespace lethe::gateway::config
