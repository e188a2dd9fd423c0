// Connections to replicas, in TLS where their URL says so.
#pragma once

#include "net/tls.hpp"
#include "upstream/options.hpp"

#include <optional>
#include <string>

namespace lethe::upstream {

// What replicas of `of` are connected to with; nullopt: none of them is secure. Reads files. On
// failure (net::errc::tls_failed) `why` is a sentence for a person.
[[nodiscard]] result<std::optional<net::tls_client>> make_tls(const options& of, std::string& why);

// Errors as net::connect and net::connect_tls: nothing of the caller's was sent.
[[nodiscard]] task<net::stream> connect(net::worker& on, const replica& to,
                                        const std::optional<net::tls_client>& with,
                                        steady_time deadline);

}  // namespace lethe::upstream
