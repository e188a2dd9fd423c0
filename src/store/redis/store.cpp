#include "store/redis/store.hpp"

#include "store/pipeline_call.hpp"
#include "store/redis/cluster_store.hpp"
#include "store/redis/examine.hpp"
#include "store/redis/functions.hpp"
#include "store/redis/scan.hpp"
#include "store/rules.hpp"

#include <algorithm>
#include <utility>

namespace lethe::store::redis {
namespace {

using resp::command;

// Names that one call of list or trim looks at: the server does nothing else meanwhile.
constexpr std::int64_t names_at_once = 250;
// So many names of records that are gone make a listing clean up.
constexpr std::int64_t names_gone_tolerated = 64;
constexpr std::size_t names_trimmed_by_listing = 2000;

// Sent, and what came back is nothing that can be understood.
error_code not_understood(const error_code& error) noexcept {
    return error == condition::corrupt ? LETHE_ERR(errc::outcome_unknown) : error;
}

// The answer of an operation that was done, or found what it did not expect. False: `reply` is
// something else, and `out` means nothing.
bool read_quickly(result<answer>& out, const operation& one, record_version fresh,
                  std::string_view reply) {
    if (reply == resp::done_reply && changes(one)) {
        out = answer{.done = true, .version = fresh};
        return true;
    }
    const result<resp::value> value = resp::parse(reply);
    if (value.has_error() || value->is_error()) return false;
    out = read_answer(one, fresh, *value);
    return out.has_value();
}

}  // namespace

redis_store::redis_store(net::worker& on, store_parts parts)
    : worker_(on),
      parts_(std::move(parts)),
      counts_(*parts_.registry, parts_.options.name),
      watch_(parts_.with->how == topology::sentinel
                 ? std::make_shared<primary_watch>(parts_.with, parts_.options.name)
                 : nullptr),
      link_(on, link_options{.with = parts_.with,
                             .greet = parts_.greet,
                             .server = parts_.with->hosts.front(),
                             .connect = watch_ ? primary_watch::connector_of(watch_) : connector{},
                             .limits = parts_.options,
                             .registry = parts_.registry.get()}) {}
redis_store::~redis_store() = default;

bool redis_store::past(steady_time deadline) const {
    return worker_.time().steady_now() >= deadline;
}

bool redis_store::waits_for_replicas(std::span<const operation> operations) const noexcept {
    return parts_.with->wait_replicas != 0 && !only_reads(operations);
}

// ---- operations

outcome redis_store::read(std::span<const operation> operations,
                          std::span<const record_version> fresh, bool all_or_nothing,
                          std::span<const resp::value> replies) const {
    outcome out = all_or_nothing ? read_transaction(operations, fresh, replies.front())
                                 : read_batch(operations, fresh, replies);
    if (out.error || out.nothing_changed || !waits_for_replicas(operations)) return out;
    const resp::value& waited = replies.back();
    if (waited.is_integer() && waited.integer >= parts_.with->wait_replicas) return out;
    // Done here, and lost if this server is lost now.
    out.error = LETHE_ERR(errc::outcome_unknown);
    out.reason = waited.is_error() ? waited.text : "too few replicas have the change";
    return out;
}

outcome redis_store::read_replies(std::span<const operation> operations,
                                  std::span<const record_version> fresh, bool all_or_nothing,
                                  std::string_view replies) const {
    const result<std::vector<resp::value>> values =
        resp::parse_all(replies, replies_of(operations, all_or_nothing));
    if (values.has_value()) return read(operations, fresh, all_or_nothing, *values);
    outcome out;
    out.error = not_understood(values.error());
    out.nothing_changed = false;
    return out;
}

std::size_t redis_store::replies_of(std::span<const operation> operations,
                                    bool all_or_nothing) const noexcept {
    return (all_or_nothing ? 1 : operations.size()) + (waits_for_replicas(operations) ? 1 : 0);
}

// `refused.reason` views what the call that was refused has read: looked at before any wait.
task<> redis_store::help(outcome refused, bool again, steady_time deadline) {
    const bool reload =
        refused.helps == remedy::load_functions && refused.nothing_changed && !again;
    if (!reload && !refused.reason.empty()) link_.tell(refused.reason);
    const result<> helped = co_await link_.apply(refused.helps, deadline);
    if (!reload) co_return refused.error;
    // Nothing ran, and nothing is sent again.
    if (helped.has_error()) co_return as_read(helped.error(), past(deadline));
    co_return result<>{};
}

// Everything in one coroutine: each frame costs, and this is what every request waits for.
task<std::vector<answer>> redis_store::run_all(std::vector<operation> operations,
                                               bool all_or_nothing, steady_time deadline) {
    const result<> fine = check(operations);
    if (fine.has_error()) co_return fine.error();
    const gate::pass inside(*parts_.calls);
    if (!inside) co_return LETHE_ERR(errc::unavailable);
    if (operations.empty()) co_return std::vector<answer>{};
    if (watch_ && watch_->moved(worker_)) link_.renew();
    const std::vector<record_version> fresh = draw_versions(operations, versions_);
    result<std::vector<answer>> answers = std::vector<answer>{};
    for (bool again = false;; again = true) {
        const std::shared_ptr<pipeline> through = link_.now();
        pipeline::call asked(*through, replies_of(operations, all_or_nothing));
        make_request(asked.request(), operations, fresh, all_or_nothing);
        if (asked.send(deadline)) co_await asked.ended();
        if (asked.error()) {
            answers = not_understood(asked.error());
            break;
        }
        outcome done = read_replies(operations, fresh, all_or_nothing, asked.replies());
        if (!done.error) {
            answers = std::move(done.answers);
            break;
        }
        const result<> helped = co_await help(std::move(done), again, deadline);
        if (helped.has_value()) continue;
        answers = helped.error();
        break;
    }
    if (answers.has_error() && only_reads(operations))
        answers = as_read(answers.error(), past(deadline));
    counts_.batch(operations, answers);
    co_return answers;
}

// The same for one operation, without a list of anything. What is needed where all does not go well
// is kept out of the frame: Asio keeps frames of up to 1020 bytes for the next call.
task<answer> redis_store::run(operation one, steady_time deadline) {
    const result<> fine = check(one);
    if (fine.has_error()) co_return fine.error();
    const gate::pass inside(*parts_.calls);
    if (!inside) co_return LETHE_ERR(errc::unavailable);
    if (watch_ && watch_->moved(worker_)) link_.renew();
    const record_version fresh = draw_version(one, versions_);
    result<answer> out = answer{};
    {
        const std::shared_ptr<pipeline> through = link_.now();
        pipeline::call asked(*through, replies_of({&one, 1}, false));
        make_request(asked.request(), {&one, 1}, {&fresh, 1}, false);
        if (asked.send(deadline)) co_await asked.ended();
        if (asked.error())
            out = not_understood(asked.error());
        else if (waits_for_replicas({&one, 1}) || !read_quickly(out, one, fresh, asked.replies())) {
            result<answer> slow =
                co_await read_slowly(one, fresh, std::string(asked.replies()), deadline);
            out = std::move(slow);
        }
    }
    if (out.has_error() && !changes(one)) out = as_read(out.error(), past(deadline));
    counts_.one(one, out);
    co_return out;
}

task<answer> redis_store::read_slowly(const operation& one, record_version fresh,
                                      std::string replies, steady_time deadline) {
    const std::span<const operation> operations(&one, 1);
    for (bool again = false;; again = true) {
        outcome done = read_replies(operations, {&fresh, 1}, false, replies);
        if (!done.error) co_return std::move(done.answers.front());
        const result<> helped = co_await help(std::move(done), again, deadline);
        if (helped.has_error()) co_return helped.error();
        std::string request;
        make_request(request, operations, {&fresh, 1}, false);
        result<std::string> got =
            co_await link_.ask(std::move(request), replies_of(operations, false), deadline);
        if (got.has_error()) co_return not_understood(got.error());
        replies = *std::move(got);
    }
}

void redis_store::make_request(std::string& to, std::span<const operation> operations,
                               std::span<const record_version> fresh, bool all_or_nothing) const {
    if (all_or_nothing)
        append_transaction(to, operations, fresh, parts_.with->names);
    else
        for (std::size_t i = 0; i < operations.size(); ++i)
            append_operation(to, operations[i], fresh[i], parts_.with->names);
    if (waits_for_replicas(operations))
        command(to, 3)
            .word("WAIT")
            .number(parts_.with->wait_replicas)
            .number(parts_.with->wait_time.count());
}

task<std::vector<answer>> redis_store::batch(std::vector<operation> operations,
                                             steady_time deadline) {
    return run_all(std::move(operations), false, deadline);
}

task<std::vector<answer>> redis_store::transact(std::vector<operation> operations,
                                                steady_time deadline) {
    return run_all(std::move(operations), true, deadline);
}

// ---- everything else

task<resp::value> redis_store::query(std::string request, std::string& into, steady_time deadline) {
    for (bool again = false;; again = true) {
        result<std::string> got = co_await link_.ask(request, 1, deadline);
        if (got.has_error()) co_return as_read(got.error(), past(deadline));
        into = *std::move(got);
        result<resp::value> reply = resp::parse(into);
        if (reply.has_error()) co_return reply.error();
        if (!reply->is_error()) co_return reply;
        const refusal why = judge_error(reply->text);
        const bool reload = why.helps == remedy::load_functions && !again;
        if (!reload) link_.tell(reply->text);
        const result<> helped = co_await link_.apply(why.helps, deadline);
        if (!reload)
            co_return why.code == errc::corrupt ? LETHE_ERR(errc::corrupt)
                                                : LETHE_ERR(errc::unavailable);
        if (helped.has_error()) co_return as_read(helped.error(), past(deadline));
    }
}

task<> redis_store::ping(steady_time deadline) {
    const gate::pass inside(*parts_.calls);
    std::string bytes;
    result<> out = LETHE_ERR(errc::unavailable);
    if (inside) {
        std::string request;
        command(request, 1).word("PING");
        const result<resp::value> reply = co_await query(std::move(request), bytes, deadline);
        out = reply.has_error() ? result<>(reply.error()) : result<>{};
    }
    counts_.ping(out.has_error() ? out.error() : error_code{});
    co_return out;
}

task<subject_page> redis_store::list_subject(std::string subject, std::string key_prefix,
                                             std::string after, std::size_t keys_max,
                                             steady_time deadline) {
    const result<> fine = check_listing(subject, key_prefix, after, keys_max);
    if (fine.has_error()) co_return fine.error();
    const gate::pass inside(*parts_.calls);
    if (!inside) co_return LETHE_ERR(errc::unavailable);
    if (watch_ && watch_->moved(worker_)) link_.renew();
    result<subject_page> page =
        co_await list(std::move(subject), first_listed(key_prefix, after), end_listed(key_prefix),
                      std::min(keys_max, page_keys_max), deadline);
    counts_.listing(page.has_error() ? page.error() : error_code{});
    co_return page;
}

task<subject_page> redis_store::list(std::string subject, std::string first, std::string end,
                                     std::size_t wanted, steady_time deadline) {
    const std::string set = parts_.with->names.of_subject(subject);
    subject_page out;
    std::int64_t gone = 0;
    while (!out.more) {
        std::string request;
        command(request, 9)
            .word("FCALL")
            .word(function::list)
            .word("1")
            .word(set)
            .number(static_cast<std::int64_t>(parts_.with->names.prefix.size()))
            .word(first)
            .word(end)
            .number(static_cast<std::int64_t>(wanted + 1 - out.keys.size()))
            .number(names_at_once);
        std::string bytes;
        const result<resp::value> reply = co_await query(std::move(request), bytes, deadline);
        if (reply.has_error()) co_return reply.error();
        if (!reply->is_list() || reply->items.size() != 3) co_return LETHE_ERR(errc::corrupt);
        for (const resp::value& key : reply->items[0].items) out.keys.emplace_back(key.text);
        gone += reply->items[2].integer;
        if (out.keys.size() > wanted) {
            out.keys.resize(wanted);
            out.more = true;
        }
        if (!reply->items[1].is_text()) break;
        first = first_listed("", reply->items[1].text);
    }
    if (gone > names_gone_tolerated) {
        // The page is right without it.
        const result<std::size_t> trimmed = co_await trim(set, names_trimmed_by_listing, deadline);
        static_cast<void>(trimmed);
    }
    co_return out;
}

task<std::size_t> redis_store::trim(std::string set, std::size_t names_max, steady_time deadline) {
    std::size_t removed = 0;
    std::size_t seen = 0;
    std::string first;
    while (seen < names_max) {
        std::string request;
        command(request, 7)
            .word("FCALL")
            .word(function::trim)
            .word("1")
            .word(set)
            .number(static_cast<std::int64_t>(parts_.with->names.prefix.size()))
            .word(first)
            .number(names_at_once);
        std::string bytes;
        const result<resp::value> reply = co_await query(std::move(request), bytes, deadline);
        if (reply.has_error()) co_return reply.error();
        if (!reply->is_list() || reply->items.size() != 2) co_return LETHE_ERR(errc::corrupt);
        removed += static_cast<std::size_t>(std::max<std::int64_t>(reply->items[0].integer, 0));
        if (!reply->items[1].is_text()) break;
        first = first_listed("", reply->items[1].text);
        seen += names_at_once;
    }
    co_return removed;
}

task<scan_page> redis_store::scan(std::string cursor, std::size_t keys_max, steady_time deadline) {
    const gate::pass inside(*parts_.calls);
    if (!inside) co_return LETHE_ERR(errc::unavailable);
    const std::size_t wanted = std::clamp<std::size_t>(keys_max, 1, page_keys_max);
    LETHE_CO_TRY(scan_cursor at, parse_scan_cursor(cursor));
    if (at.kept.empty()) {
        std::string request;
        append_scan(request, at.server, parts_.with->names.pattern(key_names::record_mark), wanted);
        std::string bytes;
        const result<resp::value> reply = co_await query(std::move(request), bytes, deadline);
        if (reply.has_error()) co_return reply.error();
        const result<> taken =
            at.take(*reply, parts_.with->names.prefix.size() + key_names::record_mark.size());
        if (taken.has_error()) co_return taken.error();
    }
    co_return at.make_page(wanted);
}

// Redis removes records itself; what is left behind are their names in the subjects' sets.
task<std::size_t> redis_store::purge_expired(std::size_t records_max, steady_time deadline) {
    const gate::pass inside(*parts_.calls);
    if (!inside) co_return LETHE_ERR(errc::unavailable);
    std::size_t removed = 0;
    scan_cursor at;
    do {
        std::string request;
        append_scan(request, at.server, parts_.with->names.pattern(key_names::subject_mark), 100);
        std::string bytes;
        const result<resp::value> reply = co_await query(std::move(request), bytes, deadline);
        if (reply.has_error()) co_return reply.error();
        const result<> taken = at.take(*reply, 0);
        if (taken.has_error()) co_return taken.error();
        for (const std::string& set : at.kept) {
            if (removed >= records_max) co_return removed;
            const result<std::size_t> here = co_await trim(set, SIZE_MAX, deadline);
            if (here.has_error()) co_return here.error();
            removed += *here;
        }
        at.kept.clear();
    } while (!at.at_end() && removed < records_max);
    co_return removed;
}

task<migration> redis_store::migrate(steady_time deadline) {
    const gate::pass inside(*parts_.calls);
    if (!inside) co_return LETHE_ERR(errc::unavailable);
    std::string bytes;
    std::string request;
    command(request, 4).word("FUNCTION").word("LIST").word("LIBRARYNAME").word(functions_library);
    const result<resp::value> present = co_await query(std::move(request), bytes, deadline);
    if (present.has_error()) co_return present.error();
    const bool there = !present->items.empty() && !parts_.greet->take_first_load();
    const result<> loaded = co_await link_.apply(remedy::load_functions, deadline);
    if (loaded.has_error()) co_return as_read(loaded.error(), past(deadline));
    co_return migration{.from = there ? functions_version : 0, .to = functions_version};
}

task<examination> redis_store::examine(steady_time deadline) {
    const gate::pass inside(*parts_.calls);
    if (!inside) co_return LETHE_ERR(errc::unavailable);
    server_report report;
    std::string bytes;
    const result<resp::value> info = co_await query(info_command(), bytes, deadline);
    if (info.has_error()) co_return info.error();
    report.add_info(info->text);
    const result<resp::value> config = co_await query(settings_command(), bytes, deadline);
    if (config.has_value()) report.add_settings(*config);
    if (config.has_error() && config.error() != condition::unavailable) co_return config.error();
    co_return judge_report(report, *parts_.with, promises());
}

// ---- the engine

redis_engine::redis_engine(settings with, open_options options)
    : with_(std::make_shared<const settings>(std::move(with))),
      greet_(std::make_shared<const greeting>(*with_, options.name)),
      options_(std::move(options)) {}

std::unique_ptr<store> redis_engine::make_store(caller by) {
    LETHE_ASSERT(by.worker != nullptr);
    auto registry = std::make_shared<metrics::registry>();
    {
        const std::scoped_lock lock(mutex_);
        registries_.push_back(registry);
    }
    store_parts parts{with_, greet_, calls_, std::move(registry), options_};
    if (with_->how == topology::cluster)
        return std::make_unique<cluster_store>(*by.worker, std::move(parts));
    return std::make_unique<redis_store>(*by.worker, std::move(parts));
}

std::vector<const metrics::registry*> redis_engine::metrics() const {
    std::vector<const metrics::registry*> out;
    const std::scoped_lock lock(mutex_);
    for (const auto& one : registries_) out.push_back(one.get());
    return out;
}

}  // namespace lethe::store::redis
