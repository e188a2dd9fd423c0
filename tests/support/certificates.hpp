// Certificates for servers that tests start.
#pragma once

#include <filesystem>

namespace lethe::test {

// An authority of its own and a server's certificate that it signed, valid for localhost and
// 127.0.0.1, as PEM files.
struct certificates {
    std::filesystem::path authority;    // who trusts this one trusts the server
    std::filesystem::path certificate;  // the server's
    std::filesystem::path key;          // the server's, mode 0600
};

// Throws std::runtime_error.
[[nodiscard]] certificates make_certificates(const std::filesystem::path& folder);

}  // namespace lethe::test
