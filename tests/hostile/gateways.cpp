#include "hostile/gateways.hpp"

#include "support/plain_socket.hpp"

#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace lethe::test::hostile {
namespace {

using namespace std::chrono_literals;

bool accepts(std::uint16_t port) {
    try {
        static_cast<void>(plain_socket::to_port(port));
        return true;
    } catch (const std::runtime_error&) {
        return false;
    }
}

void replace_all(std::string& text, std::string_view what, const std::string& with) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
        text.replace(at, what.size(), with);
}

// One copy for each upstream, with @index, @port and @upstream.
std::string for_each_port(std::string_view part, const ports& own, const ports& upstreams) {
    std::string out;
    for (std::size_t i = 0; i < own.size(); ++i) {
        std::string one(part);
        replace_all(one, "@index", std::to_string(i));
        replace_all(one, "@port", std::to_string(own[i]));
        replace_all(one, "@upstream", std::to_string(upstreams[i]));
        out += one;
    }
    return out;
}

// Connections to the upstream are kept: that is where an answer too many does harm.
constexpr std::string_view nginx_head = R"(daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  client_max_body_size 0;
  keepalive_timeout 5s;
  proxy_http_version 1.1;
  proxy_set_header Host $http_host;
  proxy_set_header Connection "";
  proxy_next_upstream off;
  proxy_ignore_client_abort on;
)";
constexpr std::string_view nginx_part = R"(
  upstream u@index { server 127.0.0.1:@upstream max_fails=0; keepalive 4; }
  server { listen 127.0.0.1:@port; location / { proxy_pass http://u@index; } }
)";

constexpr std::string_view haproxy_head = R"(global
  maxconn 2000
  nbthread 1
defaults
  mode http
  retries 0
  http-reuse safe
  timeout connect 10s
  timeout client 20s
  timeout server 20s
  timeout http-request 20s
)";
constexpr std::string_view haproxy_part = R"(
listen l@index
  bind 127.0.0.1:@port
  server s@index 127.0.0.1:@upstream
)";

}  // namespace

lethe_gateway::lethe_gateway(const ports& upstreams) {
    for (const std::uint16_t port : upstreams) {
        proxy_options options{.replicas = {port}};
        // One request, one attempt: the upstream sees what was forwarded, no more.
        options.adjust = [](upstream::options& what) {
            what.ejection.consecutive_failures = 0;
            // A kept connection that the upstream has ended meanwhile is not the case's end.
            what.retries = {.percent = 100, .per_second = 10'000};
        };
        // A client that has sent all it has to say has not gone.
        options.survives_client = true;
        // No decision of time on a machine that is busy with other things.
        options.server.header_timeout = 60s;
        options.server.body_timeout = 60s;
        options.door.http2 = false;  // what is read as HTTP/1.1 is the question
        proxies_.push_back(std::make_unique<proxy>(std::move(options)));
        ports_.push_back(proxies_.back()->port());
    }
}

void other_gateway::start(const std::vector<std::string>& command) {
    process_ = std::make_unique<server_process>();
    process_->start(
        {.command = command, .output = folder_->path() / "log", .working_folder = folder_->path()},
        [this] { return std::all_of(ports_.begin(), ports_.end(), accepts); });
}

other_gateway other_gateway::nginx(const ports& upstreams) {
    other_gateway out;
    out.folder_ = std::make_unique<temporary_folder>("lethe-nginx-");
    out.ports_ = free_ports(upstreams.size());
    const auto file = out.folder_->path() / "nginx.conf";
    std::ofstream(file) << nginx_head << for_each_port(nginx_part, out.ports_, upstreams) << "}\n";
    out.start({server_program("nginx"), "-p", out.folder_->path().string() + "/", "-c",
               file.string(), "-e", (out.folder_->path() / "error.log").string()});
    return out;
}

other_gateway other_gateway::haproxy(const ports& upstreams) {
    other_gateway out;
    out.folder_ = std::make_unique<temporary_folder>("lethe-haproxy-");
    out.ports_ = free_ports(upstreams.size());
    const auto file = out.folder_->path() / "haproxy.cfg";
    std::ofstream(file) << haproxy_head << for_each_port(haproxy_part, out.ports_, upstreams);
    out.start({server_program("haproxy"), "-db", "-f", file.string()});
    return out;
}

}  // namespace lethe::test::hostile
