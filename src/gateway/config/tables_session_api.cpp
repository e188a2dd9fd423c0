// The table of the listener that services reach sessions by.
#include "gateway/config/listen_address.hpp"
#include "gateway/config/tables.hpp"
#include "session/handle.hpp"

#include <algorithm>

namespace lethe::gateway::config {

namespace {

// A mistake in it is told without showing it.
codec<std::string> handle_key() {
    const std::string words = "32 to 256 visible ASCII characters";
    codec<std::string> made = text(words);
    made.read = [words](reader& with, const place& at, std::string& to) {
        if (want_scalar(with, at, words) == nullptr) return;
        const std::string& given = at.value.text;
        const bool fits = given.size() >= session::handle_key_bytes_min && given.size() <= 256 &&
                          std::ranges::all_of(given, [](char c) { return c > ' ' && c < 0x7f; });
        if (!fits)
            return with.fail(at, "is too short or too long, or has other characters",
                             "expected " + words);
        to = given;
    };
    return made;
}

bool is_url_beginning(std::string_view url) {
    const bool http = url.starts_with("http://") || url.starts_with("https://");
    return http && url.size() <= 256 && !url.ends_with('/') && url.size() > url.find("//") + 2 &&
           std::ranges::all_of(url, [](char c) {
               return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '?' && c != '#';
           });
}

}  // namespace

const table<session_api_options>& session_api_table() {
    static const table<session_api_options> made = [] {
        table<session_api_options> t(
            "session_api", "`session_api`",
            "Where services read and change sessions by URL "
            "([how](sessions.md#by-url)): in plain HTTP, for services only. `{}`: on its default "
            "address.");
        t.add({.name = "address",
               .text = "As for `listen`; `127.0.0.1:3500` without it.",
               .example = "\"127.0.0.1:3500\"",
               .reload = reload_rule::restart},
              &session_api_options::address, tcp_address());
        t.add({.name = "url",
               .text = "What services find the address under: `Lethe-Session-Url` begins with it. "
                       "`http://` and the address without it. Where it leads to several gateways, "
                       "all need the same `keys`.",
               .example = "\"http://lethe.internal:3500\""},
              &session_api_options::url,
              text("the beginning of a URL such as http://lethe.internal:3500, without a slash at "
                   "its end",
                   is_url_beginning));
        t.add({.name = "keys",
               .text = "What the URLs are sealed with, up to 4: the first seals, all of them open. "
                       "Without any, a random one of this process. Best `${NAME}` from the "
                       "environment.",
               .example = "[\"2xNqB7o8bqkT0m0sS8jzJw4h1mWv9c6E\"]",
               .sensitive = true},
              &session_api_options::keys, list<std::string>("a list of keys", handle_key()));
        return t;
    }();
    return made;
}

}  // namespace lethe::gateway::config
