// The tables of all sections, each made once.
#pragma once

#include "gateway/config/config.hpp"
#include "gateway/config/table.hpp"

#include <vector>

namespace lethe::gateway::config {

[[nodiscard]] const table<configuration>& configuration_table();

[[nodiscard]] const table<listener_options>& listener_table();
[[nodiscard]] const table<net::tls_server_options>& listener_tls_table();
[[nodiscard]] const table<net::tls_server_options::certificate>& certificate_table();
[[nodiscard]] const table<net::tls_server_options::clients>& client_certificates_table();
[[nodiscard]] const table<admin_options>& admin_table();
[[nodiscard]] const table<store_options>& moving_store_table();
[[nodiscard]] const table<session_api_options>& session_api_table();
[[nodiscard]] const table<server_limits>& limits_table();
[[nodiscard]] const table<server_timeouts>& timeouts_table();
[[nodiscard]] const table<log_options>& log_table();
[[nodiscard]] const table<session::settings>& sessions_table();
[[nodiscard]] const table<session::key_source>& session_key_table();

[[nodiscard]] const table<identity::issuer_options>& issuer_table();
[[nodiscard]] const table<identity::authenticate_options>& authenticate_table();

[[nodiscard]] const table<upstream::signature_options>& signature_table();
[[nodiscard]] const table<upstream::replica>& replica_table();
[[nodiscard]] const table<upstream::tls_options>& upstream_tls_table();
[[nodiscard]] const table<upstream::concurrency_options>& concurrency_table();
[[nodiscard]] const table<upstream::options>& upstream_table();

[[nodiscard]] const table<limits::options>& limit_table();
[[nodiscard]] const table<route_options>& route_table_of_options();
[[nodiscard]] const table<session::serialize_options>& serialize_table();
[[nodiscard]] const table<session_options>& session_table();
[[nodiscard]] const table<idempotency_options>& idempotency_table();

// In the order of the docs.
[[nodiscard]] std::vector<const section_info*> all_sections();

}  // namespace lethe::gateway::config
