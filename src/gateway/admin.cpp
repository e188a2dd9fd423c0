#include "gateway/admin.hpp"

#include "gateway/problems.hpp"

#include <utility>

namespace lethe::gateway {
namespace {

void answer_text(http::exchange& x, int status, std::string_view type, std::string text) {
    x.response.status = status;
    x.response.header.append_borrowed("Content-Type", type);
    x.response.header.append_borrowed("Cache-Control", "no-store");
    x.response_body = http::make_owned_body(std::move(text));
}

}  // namespace

task<> admin_handler::handle(http::exchange& x) {
    const std::string_view path = x.request.path;
    if (subject_api::takes(path)) co_return co_await subjects_.handle(x);
    const bool known = path == "/healthz" || path == "/readyz" || path == "/metrics";
    if (!known) {
        http::answer_problem(
            x, problems::no_route,
            {"The admin listener has /healthz, /readyz, /metrics and /lethe/v1/."});
        co_return result<>{};
    }
    if (x.request.method != http::method::get && x.request.method != http::method::head) {
        http::answer_problem(x, problems::method_not_allowed);
        x.response.header.append_borrowed("Allow", "GET, HEAD");
        co_return result<>{};
    }
    if (path == "/metrics") {
        answer_text(x, 200, "text/plain; version=0.0.4; charset=utf-8", from_.metrics());
    } else if (path == "/healthz") {
        answer_text(x, 200, "text/plain; charset=utf-8", "alive\n");
    } else {
        const result<std::string> why_not = co_await from_.why_not_ready();
        if (why_not.has_error()) co_return why_not.error();
        if (why_not->empty())
            answer_text(x, 200, "text/plain; charset=utf-8", "ready\n");
        else
            answer_text(x, 503, "text/plain; charset=utf-8", "not ready: " + *why_not + "\n");
    }
    co_return result<>{};
}

}  // namespace lethe::gateway
