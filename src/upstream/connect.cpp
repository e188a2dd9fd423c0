#include "upstream/connect.hpp"

#include <algorithm>

namespace lethe::upstream {

result<std::optional<net::tls_client>> make_tls(const options& of, std::string& why) {
    if (std::ranges::none_of(of.replicas, &replica::secure))
        return std::optional<net::tls_client>{};
    const tls_options given = of.tls.value_or(tls_options{});
    net::tls_client_options wanted;
    wanted.ca_file = given.ca_file;
    wanted.name = given.name;
    wanted.certificate_file = given.certificate_file;
    wanted.key_file = given.key_file;
    wanted.verify_chain = wanted.verify_name = given.verify;
    LETHE_TRY(net::tls_client made, net::make_tls_client(wanted, why));
    return std::optional(std::move(made));
}

task<net::stream> connect(net::worker& on, const replica& to,
                          const std::optional<net::tls_client>& with, steady_time deadline) {
    const auto kind = is_path(to) ? net::address_kind::path : net::address_kind::tcp;
    net::address at{to.host, to.port, kind};
    if (!to.secure) return net::connect(on, std::move(at), deadline);
    LETHE_ASSERT(with.has_value());
    return net::connect_tls(on, std::move(at), *with, deadline, to.name);
}

}  // namespace lethe::upstream
