#include "net/resolve.hpp"

#include "net/errors.hpp"
#include "net/suspension.hpp"
#include "net/worker_impl.hpp"

#include <boost/asio/post.hpp>

#include <memory>
#include <string>
#include <utility>

namespace lethe::net {
namespace {

using boost::asio::ip::tcp;
using endpoints = std::vector<tcp::endpoint>;

class waiter;

// The system's look-up runs on a thread of its own and cannot be called back: it may end long after
// nobody waits for it any more.
struct lookup {
    explicit lookup(boost::asio::io_context& loop) : resolver(loop) {}

    tcp::resolver resolver;
    waiter* who = nullptr;
};

class waiter final : public timer, public stoppable {
 public:
    waiter(worker& owner, std::shared_ptr<lookup> what) : owner_(owner), what_(std::move(what)) {
        what_->who = this;
        owner_.enlist(*this);
    }
    ~waiter() {
        owner_.delist(*this);
        what_->who = nullptr;
    }
    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;

    void expired() override { end(LETHE_ERR(errc::timeout)); }
    void stop_waiting() noexcept override {
        // Going on within this call would change the worker's list under its feet.
        boost::asio::post(owner_.inside().loop, [what = what_] {
            if (what->who != nullptr) what->who->end(LETHE_ERR(errc::cancelled));
        });
    }
    void end(result<endpoints> with) {
        if (!waiting.waiting()) return;
        outcome = std::move(with);
        waiting.resume();
    }

    suspension waiting;
    result<endpoints> outcome = endpoints();

 private:
    worker& owner_;
    std::shared_ptr<lookup> what_;
};

void begin(const std::shared_ptr<lookup>& what, const address& to) {
    what->resolver.async_resolve(
        to.host, std::to_string(to.port), tcp::resolver::numeric_service,
        [what](const boost::system::error_code& failed, const tcp::resolver::results_type& found) {
            if (what->who == nullptr) return;
            endpoints out;
            if (!failed)
                for (const auto& entry : found) out.push_back(entry.endpoint());
            if (out.empty())
                what->who->end(LETHE_ERR(errc::unknown_host));
            else
                what->who->end(std::move(out));
        });
}

}  // namespace

task<std::vector<tcp::endpoint>> resolve(worker& on, const address& to, steady_time deadline) {
    boost::system::error_code error;
    const boost::asio::ip::address literal = boost::asio::ip::make_address(to.host, error);
    if (!error) {
        endpoints out;
        out.emplace_back(literal, to.port);
        co_return out;
    }
    if (on.stopping()) co_return LETHE_ERR(errc::cancelled);
    const auto what = std::make_shared<lookup>(on.inside().loop);
    waiter self(on, what);
    if (deadline != steady_time::max()) self.set(on.timers(), deadline);
    begin(what, to);
    co_await self.waiting.wait();
    co_return std::move(self.outcome);
}

}  // namespace lethe::net
