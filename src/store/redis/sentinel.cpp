#include "store/redis/sentinel.hpp"

#include "base/log.hpp"
#include "store/redis/one_shot.hpp"
#include "store/redis/resp.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace lethe::store::redis {
namespace {

// A sentinel that does not answer must leave time for the others.
constexpr std::chrono::milliseconds time_for_one{400};
constexpr std::chrono::seconds looked_at_every{1};

}  // namespace

result<net::address> read_primary(std::string_view bytes) {
    LETHE_TRY(const resp::value reply, resp::parse(bytes));
    if (!reply.is_list() || reply.items.size() != 2) return LETHE_ERR(errc::unavailable);
    const std::string_view port = reply.items[1].text;
    net::address out{std::string(reply.items[0].text), 0};
    const auto [end, failed] = std::from_chars(port.data(), port.data() + port.size(), out.port);
    if (out.host.empty() || out.port == 0 || failed != std::errc{} ||
        end != port.data() + port.size())
        return LETHE_ERR(errc::corrupt);
    return out;
}

primary_watch::primary_watch(std::shared_ptr<const settings> with, std::string store_name)
    : with_(std::move(with)),
      store_name_(std::move(store_name)),
      sentinels_(with_->hosts.begin(), with_->hosts.end()) {}

connector primary_watch::connector_of(std::shared_ptr<primary_watch> watch) {
    return [watch](net::worker& on, net::address, steady_time deadline) {
        return connect(watch, on, deadline);
    };
}

task<net::stream> primary_watch::connect(std::shared_ptr<primary_watch> self, net::worker& on,
                                         steady_time deadline) {
    const result<net::address> primary = co_await self->find(on, deadline);
    if (primary.has_error()) co_return primary.error();
    self->primary_ = *primary;
    self->moved_ = false;
    self->looked_ = on.time().steady_now();
    result<net::stream> made = co_await connect_to(on, *self->with_, *primary, deadline);
    co_return made;
}

task<net::address> primary_watch::find(net::worker& on, steady_time deadline) {
    // Another task may move the sentinels meanwhile: one that is asked twice does no harm.
    for (std::size_t tried = 0; tried < sentinels_.size(); ++tried) {
        const steady_time now = on.time().steady_now();
        if (now >= deadline) break;
        const net::address sentinel = sentinels_.front();
        const result<net::address> primary =
            co_await ask(on, sentinel, std::min(deadline, now + time_for_one));
        if (primary.has_value()) co_return primary;
        log::warn("store.sentinel_failed", {{"store", store_name_},
                                            {"sentinel", net::to_text(sentinel)},
                                            {"error", describe(primary.error())}});
        if (sentinels_.front() == sentinel) {
            sentinels_.push_back(sentinel);
            sentinels_.pop_front();
        }
    }
    co_return LETHE_ERR(errc::unavailable);
}

task<net::address> primary_watch::ask(net::worker& on, net::address sentinel,
                                      steady_time deadline) {
    std::string request;
    std::size_t replies = 1;
    if (append_authentication(request, with_->sentinel)) ++replies;
    resp::command(request, 3).word("SENTINEL").word("get-master-addr-by-name").word(with_->primary);
    const result<std::vector<std::string>> got =
        co_await ask_once(on, *with_, std::move(sentinel), std::move(request), replies, deadline);
    if (got.has_error()) co_return got.error();
    co_return read_primary(got->back());
}

bool primary_watch::moved(net::worker& on) {
    const steady_time now = on.time().steady_now();
    if (primary_.port != 0 && !looking_ && !moved_ && now - looked_ >= looked_at_every) {
        looking_ = true;
        looked_ = now;
        on.spawn(look(shared_from_this(), on));
    }
    return std::exchange(moved_, false);
}

task<> primary_watch::look(std::shared_ptr<primary_watch> self, net::worker& on) {
    const net::address before = self->primary_;
    const result<net::address> primary =
        co_await self->find(on, on.time().steady_now() + time_for_one * self->sentinels_.size());
    self->looking_ = false;
    if (primary.has_error() || self->primary_ != before || *primary == before) co_return result<>{};
    log::info("store.primary_moved",
              {{"store", self->store_name_}, {"primary", net::to_text(*primary)}});
    self->moved_ = true;
    co_return result<>{};
}

}  // namespace lethe::store::redis
