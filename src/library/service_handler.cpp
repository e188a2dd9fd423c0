#include "library/service_handler.hpp"

#include "base/log.hpp"
#include "http/errors.hpp"
#include "http/problems.hpp"
#include "library/problems.hpp"

#include <exception>
#include <optional>

namespace lethe::library {
namespace {

// Nothing that a user's handler throws goes further than this.
boost::asio::awaitable<std::optional<response>> call_guarded(const handler& end, request r) {
    std::string what;
    try {
        boost::asio::awaitable<response> work = end(std::move(r));
        response answer = co_await std::move(work);
        co_return std::optional<response>(std::move(answer));
    } catch (const std::exception& e) {
        what = e.what();
    } catch (...) {
        what = "not a std::exception";
    }
    log::error("library.handler_threw", {{"what", what}});
    co_return std::nullopt;
}

void copy_answer(http::exchange& x, const response& answer) {
    x.response.status = answer.status();
    for (const auto& [name, value] : answer.fields()) x.response.header.add(name, value);
    // Borrowed: the arena lives until the answer is sent.
    if (!answer.body().empty())
        x.response_body = http::make_borrowed_body(x.memory(), x.memory().copy(answer.body()));
}

}  // namespace

bool are_sendable(const response& answer) {
    if (answer.status() < 200 || answer.status() > 599) return false;
    for (const auto& [name, value] : answer.fields())
        if (!http::is_token(name) || !http::is_field_value(value)) return false;
    return true;
}

task<> service_handler::handle(http::exchange& x) {
    const found_route route = rules_.routes.find(x.request.method_text, x.request.path);
    if (route.end != nullptr) {
        const result<> called = co_await call(x, route);
        if (called.has_error()) co_return called;
    } else if (route.allowed.empty()) {
        http::answer_problem(x, problems::no_such_page);
    } else {
        http::answer_problem(x, problems::method_not_allowed);
        x.response.header.add("Allow", route.allowed);
    }
    for (const auto& [name, value] : rules_.every_answer) x.response.header.set(name, value);
    co_return result<>{};
}

task<> service_handler::call(http::exchange& x, const found_route& route) {
    internal::request_data data{.exchange = x, .worker = worker_};
    for (const auto& [name, text] : route.places) {
        std::string decoded;
        if (!internal::decode(text, false, decoded)) {
            http::answer_problem(x, http::problems::malformed_request);
            co_return result<>{};
        }
        data.path_parameters.emplace_back(name, std::move(decoded));
    }
    result<std::string> body =
        co_await http::read_whole(x.request_body.get(), rules_.body_bytes_max);
    if (body.has_error()) {
        if (body.error() == condition::too_large) {
            http::answer_problem(x, http::problems::body_too_large);
        } else if (body.error() == condition::malformed) {
            http::answer_problem(x, http::problems::malformed_request);
        } else if (body.error() == condition::timeout) {
            http::answer_problem(x, http::problems::request_timeout);
        } else {
            co_return body.error();  // the client is gone
        }
        co_return result<>{};
    }
    data.body = *std::move(body);
    std::optional<response> answer = co_await call_guarded(*route.end, request(data));
    if (answer && are_sendable(*answer)) {
        copy_answer(x, *answer);
    } else {
        if (answer) log::error("library.answer_not_sendable", {{"status", answer->status()}});
        http::answer_problem(x, problems::handler_failed);
    }
    co_return result<>{};
}

}  // namespace lethe::library
