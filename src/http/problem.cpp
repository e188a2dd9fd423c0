#include "http/problem.hpp"

#include "base/log.hpp"

#include <fmt/format.h>

#include <string>

namespace lethe::http {

void answer_problem(exchange& x, const problem_type& type, problem_options options) {
    std::string body = R"({"type":"urn:lethe:problem:)";
    body += type.slug;
    body += R"(","title":)";
    log::append_json_string(body, type.title);
    body += fmt::format(R"(,"status":{})", type.status);
    if (!options.detail.empty()) {
        body += R"(,"detail":)";
        log::append_json_string(body, options.detail);
    }
    body += "}\n";

    x.problem = type.slug;
    x.response.status = type.status;
    x.response.header.clear();
    x.response.header.append_borrowed("Content-Type", "application/problem+json");
    x.response.header.append_borrowed("Cache-Control", "no-store");
    if (options.retry_after)
        x.response.header.add("Retry-After", fmt::format("{}", options.retry_after->count()));
    x.response_body = make_borrowed_body(x.memory(), x.memory().copy(body));
}

}  // namespace lethe::http
