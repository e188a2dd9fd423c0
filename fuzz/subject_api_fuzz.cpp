// The operator's calls about a person, a method and a path on one line: each gets an answer, and
// none but with the token.
#include "base/clock.hpp"
#include "fuzz.hpp"
#include "gateway/subject_api.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <exception>
#include <optional>
#include <string>

namespace {

using namespace lethe;

constexpr const char* token = "a token of thirty-two characters";

boost::asio::awaitable<void> answer(gateway::subject_api& api, http::exchange& x) {
    const result<> done = co_await api.handle(x);
    LETHE_FUZZ_CHECK(done.has_value());
}

int status_of(std::string_view method, std::string_view path, bool with_token) {
    gateway::subject_api api(
        token, [] { return gateway::store_map{}; },
        []() -> std::optional<std::chrono::milliseconds> { return std::nullopt; });
    arena memory;
    manual_clock time;
    http::exchange x(memory, time);
    x.request.method = http::parse_method(method);
    x.request.method_text = method;
    x.request.path = path;
    if (with_token) x.request.header.add("Authorization", std::string("Bearer ") + token);
    boost::asio::io_context loop{1};
    boost::asio::co_spawn(loop, answer(api, x), [](std::exception_ptr failure) {
        if (failure) std::rethrow_exception(failure);
    });
    loop.run();
    return x.response.status;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view in = fuzz::text(data, size);
    const std::size_t space = in.find(' ');
    if (space == std::string_view::npos) return 0;
    const std::string_view method = in.substr(0, space);
    const std::string_view path = in.substr(space + 1);
    if (!gateway::subject_api::takes(path)) return 0;
    LETHE_FUZZ_CHECK(status_of(method, path, false) == 401);
    const int status = status_of(method, path, true);
    LETHE_FUZZ_CHECK(status == 200 || status == 404);
    LETHE_FUZZ_CHECK(status == 404 || path.starts_with("/lethe/v1/subjects/"));
    return 0;
}
