#include "store/redis/link.hpp"

#include "base/log.hpp"
#include "store/redis/functions.hpp"
#include "store/redis/resp.hpp"

#include <utility>

namespace lethe::store::redis {
namespace {

constexpr std::chrono::milliseconds renewed_after{500};
// The largest record, or all that a transaction may read, with what stands around it.
constexpr std::size_t reply_bytes_max = std::size_t{96} * 1024 * 1024;

task<net::stream> connect_with(std::shared_ptr<const settings> with, net::worker& on,
                               net::address to, steady_time deadline) {
    result<net::stream> made = co_await connect_to(on, *with, std::move(to), deadline);
    co_return made;
}

}  // namespace

task<net::stream> connect_to(net::worker& on, const settings& with, net::address to,
                             steady_time deadline) {
    if (!with.tls) {
        result<net::stream> made = co_await net::connect(on, std::move(to), deadline);
        co_return made;
    }
    LETHE_ASSERT(with.tls_client.has_value());
    result<net::stream> made =
        co_await net::connect_tls(on, std::move(to), *with.tls_client, deadline);
    co_return made;
}

link::link(net::worker& on, link_options options)
    : worker_(on), options_(std::move(options)), pipeline_(make()) {}
link::~link() {
    pipeline_->close();
}

std::shared_ptr<pipeline> link::make() const {
    pipeline_options out;
    out.server = options_.server;
    out.connect = options_.connect;
    if (!out.connect)
        out.connect = [with = options_.with](net::worker& on, net::address to,
                                             steady_time deadline) {
            return connect_with(with, on, std::move(to), deadline);
        };
    out.greeting = options_.greet->bytes();
    out.greeting_replies = options_.greet->replies();
    out.greeted = [greet = options_.greet](std::size_t index, std::string_view reply) {
        return greet->judge(index, reply);
    };
    out.make_cutter = [] { return std::make_unique<resp::cutter>(); };
    out.queue_requests_max = options_.limits.queue_operations_max;
    out.queue_bytes_max = options_.limits.queue_bytes_max;
    out.reply_bytes_max = reply_bytes_max;
    out.registry = options_.registry;
    out.store_name = options_.limits.name;
    return std::make_shared<pipeline>(worker_, std::move(out));
}

task<std::string> link::ask(std::string request, std::size_t replies, steady_time deadline) {
    const std::shared_ptr<pipeline> mine = pipeline_;
    result<std::string> got = co_await mine->ask(std::move(request), replies, deadline);
    co_return got;
}

void link::renew() {
    const steady_time now = worker_.time().steady_now();
    if (renewed_ != steady_time::min() && now - renewed_ < renewed_after) return;
    renewed_ = now;
    pipeline_ = make();
}

void link::tell(std::string_view error) const {
    log::warn("store.refused", {{"store", options_.limits.name}, {"reason", reason_of(error)}});
}

task<> link::apply(remedy helps, steady_time deadline) {
    if (helps == remedy::reconnect) renew();
    if (helps != remedy::load_functions) co_return result<>{};
    std::string request;
    append_load(request);
    const result<std::string> got = co_await ask(std::move(request), 1, deadline);
    if (got.has_error()) co_return got.error();
    const result<resp::value> reply = resp::parse(*got);
    if (reply.has_error()) co_return reply.error();
    if (reply->is_error() && !is_loaded(reply->text)) {
        tell(reply->text);
        co_return LETHE_ERR(errc::unavailable);
    }
    log::info("store.functions_loaded", {{"store", options_.limits.name}});
    co_return result<>{};
}

}  // namespace lethe::store::redis
