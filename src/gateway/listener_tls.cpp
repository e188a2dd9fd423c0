#include "gateway/listener_tls.hpp"

#include "base/log.hpp"

#include <fmt/format.h>

#include <sys/stat.h>

#include <algorithm>

namespace lethe::gateway {
namespace {

constexpr std::chrono::hours warned_before{14 * 24};

void warn_of_expiry(const config::listener_options& of, const net::tls_server& made, clock& time) {
    const system_time now = time.system_now();
    if (made.expiry() > now + warned_before) return;
    log::warn(
        made.expiry() <= now ? "gateway.certificate_expired" : "gateway.certificate_expires_soon",
        {{"listener", net::to_text(of.address)}, {"at", to_utc_text(made.expiry())}});
}

}  // namespace

result<listener_tls> make_listener_tls(const std::vector<config::listener_options>& of,
                                       const secret& own_ticket_key, clock& time,
                                       std::string& why) {
    listener_tls out;
    for (const config::listener_options& one : of) {
        if (!one.tls) {
            out.emplace_back();
            continue;
        }
        net::tls_server_options options = *one.tls;
        if (one.http2) options.protocols.insert(options.protocols.begin(), "h2");
        if (options.ticket_keys.empty()) options.ticket_keys = {own_ticket_key};
        std::string reason;
        result<net::tls_server> made = net::make_tls_server(options, reason);
        if (made.has_error()) {
            why = fmt::format("TLS on {}: {}", net::to_text(one.address), reason);
            return made.error();
        }
        warn_of_expiry(one, *made, time);
        out.emplace_back(*std::move(made));
    }
    return out;
}

std::vector<config::listener_options> with_options_of(
    const std::vector<config::listener_options>& opened,
    const std::vector<config::listener_options>& fresh) {
    std::vector<config::listener_options> out = opened;
    std::vector<bool> used(fresh.size());
    for (config::listener_options& one : out)
        for (std::size_t i = 0; i < fresh.size(); ++i) {
            const bool is_it = !used[i] && fresh[i].address == one.address &&
                               fresh[i].tls.has_value() == one.tls.has_value();
            if (!is_it) continue;
            used[i] = true;
            one = fresh[i];
            break;
        }
    return out;
}

std::vector<std::string> tls_files(const std::vector<config::listener_options>& of) {
    std::vector<std::string> out;
    const auto add = [&out](const std::string& file) {
        if (!file.empty()) out.push_back(file);
    };
    for (const config::listener_options& one : of) {
        if (!one.tls) continue;
        for (const net::tls_server_options::certificate& shown : one.tls->certificates) {
            add(shown.file);
            add(shown.key_file);
        }
        if (one.tls->client_certificates) add(one.tls->client_certificates->ca_file);
    }
    return out;
}

bool file_watch::stamp::operator==(const stamp& other) const noexcept {
    return device == other.device && file == other.file && size == other.size &&
           written.tv_sec == other.written.tv_sec && written.tv_nsec == other.written.tv_nsec;
}

// Of what a link leads to; all zero: there is none.
file_watch::stamp file_watch::look_at(const std::string& file) {
    struct stat found{};
    if (::stat(file.c_str(), &found) != 0) return {};
    return {found.st_dev, found.st_ino, static_cast<std::uint64_t>(found.st_size), found.st_mtim};
}

file_watch::file_watch(std::vector<std::string> files) : files_(std::move(files)) {
    for (const std::string& one : files_) seen_.push_back(look_at(one));
}

bool file_watch::changed() {
    bool any = false;
    for (std::size_t i = 0; i < files_.size(); ++i) {
        const stamp now = look_at(files_[i]);
        any |= !(now == seen_[i]);
        seen_[i] = now;
    }
    return any;
}

}  // namespace lethe::gateway
