#include "store/memcached/server.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <charconv>

namespace lethe::store::memcached {
namespace {

// Larger values are split. Memcached itself joins items above its slab_chunk_max (half a MiB) from
// pieces, so that nothing is won by larger ones.
constexpr std::size_t item_bytes_wanted = std::size_t{512} * 1024 - 1024;
// What Memcached adds to a value: its header, the name, the CAS value, a line end.
constexpr std::size_t item_overhead_bytes = 384;
constexpr std::size_t item_size_default = std::size_t{1024} * 1024;

std::size_t to_size(std::string_view text, std::size_t otherwise) {
    std::size_t out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc{} ? out : otherwise;
}

}  // namespace

error_code nothing_changed(const error_code& error, steady_time now,
                           steady_time deadline) noexcept {
    if (error != condition::outcome_unknown) return error;
    return now >= deadline ? LETHE_ERR(errc::timeout) : LETHE_ERR(errc::unavailable);
}

error_code to_error(const reply& refused) noexcept {
    // No reply to what was asked: nobody knows what the server has done.
    if (refused.kind != reply_kind::server_error) return LETHE_ERR(errc::outcome_unknown);
    if (refused.value.find("too large") != refused.value.npos) return LETHE_ERR(errc::too_large);
    return LETHE_ERR(errc::unavailable);
}

std::size_t item_bytes_for(std::string_view settings) noexcept {
    const std::size_t most =
        to_size(statistic(settings, "item_size_max").value_or(""), item_size_default);
    return std::min(item_bytes_wanted, most - std::min(most, item_overhead_bytes));
}

server::server(net::worker& on, const server_options& options, net::address at)
    : worker_(on), options_(options), at_(std::move(at)), line_(make_line()) {}
server::~server() = default;

std::shared_ptr<pipeline> server::make_line() {
    pipeline_options how;
    how.server = at_;
    if (!options_.user.empty()) {
        how.greeting = login_request(options_.user, options_.password.reveal());
        ++how.greeting_replies;
    }
    // A server that does not know the meta commands, or wants a login, says so to the first.
    how.greeting += noop_request() + statistics_request("settings");
    how.greeting_replies += 2;
    how.greeted = [this](std::size_t index, std::string_view bytes) {
        return greeted(index, bytes);
    };
    how.make_cutter = [count = how.greeting_replies] { return make_meta_cutter(count); };
    how.queue_requests_max = options_.queue_requests_max;
    how.queue_bytes_max = options_.queue_bytes_max;
    how.registry = options_.registry;
    how.store_name = options_.store_name;
    return std::make_shared<pipeline>(worker_, std::move(how));
}

result<> server::greeted(std::size_t index, std::string_view bytes) {
    LETHE_TRY(const reply one, take_reply(bytes));
    const std::size_t login = options_.user.empty() ? 0 : 1;
    const std::string host = net::to_text(at_);
    if (index < login) {
        if (one.kind == reply_kind::stored) return {};
        log::error("store.login_refused", {{"server", host}});
        return LETHE_ERR(errc::unavailable);
    }
    if (index == login) {
        if (one.kind == reply_kind::noop) return {};
        // Without a login it may want one; else it is older than 1.6.
        log::error("store.server_refused", {{"server", host}, {"answer", one.value}});
        return LETHE_ERR(errc::unavailable);
    }
    ++connections_;
    // A service that hides its settings is taken for one with the usual ones.
    return learn(one.kind == reply_kind::statistics ? one.value : std::string_view{});
}

result<> server::learn(std::string_view settings) {
    if (statistic(settings, "cas_enabled") == "no") {
        log::error("store.server_refused",
                   {{"server", net::to_text(at_)}, {"answer", "CAS is disabled (-C)"}});
        return LETHE_ERR(errc::unavailable);
    }
    item_bytes_max_ = item_bytes_for(settings);
    return {};
}

connection_number server::connection() const noexcept {
    return line_->open() ? connections_ : 0;
}

void server::give_up_line(const std::shared_ptr<pipeline>& line) {
    log::error("store.reply_mismatched", {{"server", net::to_text(at_)}});
    line->close();
    if (line_ == line) line_ = make_line();
}

task<answered> server::ask(requests what, steady_time deadline) {
    const auto line = line_;
    const std::uint64_t first = what.first();
    const std::size_t count = what.count();
    next_number_ = std::max(next_number_, first + count);
    result<std::string> got = co_await line->ask(what.take(), count, deadline);
    // Sent, and what came back was no reply.
    if (got.has_error() && got.error() == condition::corrupt)
        co_return LETHE_ERR(errc::outcome_unknown);
    if (got.has_error()) co_return got.error();
    answered out{.bytes = std::make_unique<std::string>(*std::move(got)),
                 .replies = {},
                 .connection = connections_};
    out.replies.reserve(count);
    std::string_view rest = *out.bytes;
    for (std::size_t i = 0; i < count; ++i) {
        result<reply> one = take_reply(rest);
        // A SERVER_ERROR repeats no number.
        const bool fits =
            one.has_value() && (one->kind == reply_kind::server_error || one->number == first + i);
        if (!fits) {
            give_up_line(line);
            co_return LETHE_ERR(errc::outcome_unknown);
        }
        out.replies.push_back(*one);
    }
    co_return out;
}

task<> server::ping(steady_time deadline) {
    const auto line = line_;
    const result<std::string> got = co_await line->ask(noop_request(), 1, deadline);
    if (got.has_error())
        co_return nothing_changed(got.error(), worker_.time().steady_now(), deadline);
    co_return result<>{};
}

task<std::string> server::statistics(std::string about, steady_time deadline) {
    const auto line = line_;
    const result<std::string> got = co_await line->ask(statistics_request(about), 1, deadline);
    if (got.has_error())
        co_return nothing_changed(got.error(), worker_.time().steady_now(), deadline);
    std::string_view rest = *got;
    const result<reply> one = take_reply(rest);
    if (one.has_error()) co_return one.error();
    if (one->kind != reply_kind::statistics) co_return to_error(*one);
    co_return std::string(one->value);
}

task<> server::learn_limits(steady_time deadline) {
    if (item_bytes_max_ > 0) co_return result<>{};
    const result<> reached = co_await ping(deadline);
    co_return reached;
}

}  // namespace lethe::store::memcached
