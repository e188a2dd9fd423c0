// The URL of a store that is a server: scheme://user:password@host:port,host2:port/path?name=value
#pragma once

#include "base/error.hpp"
#include "base/secret.hpp"
#include "net/address.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lethe::store {

struct server_url {
    std::string scheme;
    std::string user;  // percent-decoded, as the password; "" for none
    secret password;
    std::vector<net::address> hosts;  // at least one
    std::string path;                 // without the first slash, percent-decoded
    std::vector<std::pair<std::string, std::string>> options;  // in their order, percent-decoded
};

// errc::malformed and `why` otherwise, which repeats nothing of user and password.
[[nodiscard]] result<server_url> parse_server_url(std::string_view url, std::uint16_t default_port,
                                                  std::string& why);

}  // namespace lethe::store
