// The TLS of the listeners, made of what their files hold, and made again when the files change.
#pragma once

#include "gateway/config/config.hpp"
#include "net/tls_server.hpp"

#include <ctime>
#include <optional>
#include <string>
#include <vector>

namespace lethe::gateway {

// By the listener's place; nullopt: it is plain.
using listener_tls = std::vector<std::optional<net::tls_server>>;

// Reads the files. `own_ticket_key` is for those that have none configured. On failure
// (net::errc::tls_failed) `why` is a sentence for a person. Logs a warning about certificates that
// have ended or end soon.
[[nodiscard]] result<listener_tls> make_listener_tls(
    const std::vector<config::listener_options>& of, const secret& own_ticket_key, clock& time,
    std::string& why);

// The listeners as they were opened, with the options that a later configuration has for them:
// addresses and whether TLS is spoken stay until a restart.
[[nodiscard]] std::vector<config::listener_options> with_options_of(
    const std::vector<config::listener_options>& opened,
    const std::vector<config::listener_options>& fresh);

// The files that `of` names.
[[nodiscard]] std::vector<std::string> tls_files(const std::vector<config::listener_options>& of);

// Tells whether files are still what they were: replaced, written to, behind another link. One
// thread; the calls ask the file system, so not a worker's.
class file_watch {
 public:
    file_watch() = default;
    explicit file_watch(std::vector<std::string> files);
    // Since it was made, or since it last said so.
    [[nodiscard]] bool changed();

 private:
    struct stamp {
        std::uint64_t device = 0;
        std::uint64_t file = 0;
        std::uint64_t size = 0;
        std::timespec written{};

        bool operator==(const stamp& other) const noexcept;
    };
    [[nodiscard]] static stamp look_at(const std::string& file);

    std::vector<std::string> files_;
    std::vector<stamp> seen_;
};

}  // namespace lethe::gateway
