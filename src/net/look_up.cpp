#include "net/look_up.hpp"

#include "net/resolve.hpp"

#include <algorithm>
#include <utility>

namespace lethe::net {

task<std::vector<std::string>> look_up(worker& on, std::string host, steady_time deadline) {
    const address whom{.host = std::move(host), .port = 0};
    const result<std::vector<boost::asio::ip::tcp::endpoint>> found =
        co_await resolve(on, whom, deadline);
    if (found.has_error()) co_return found.error();
    std::vector<std::string> out;
    for (const auto& one : *found) {
        std::string text = one.address().to_string();
        if (std::ranges::find(out, text) == out.end()) out.push_back(std::move(text));
    }
    co_return out;
}

}  // namespace lethe::net
