#include "store/redis/cluster_store.hpp"

#include "base/log.hpp"
#include "store/redis/functions.hpp"
#include "store/rules.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace lethe::store::redis {
namespace {

// A put that was named longer ago is refused. A name stays for ten times as long (functions.lua).
constexpr std::int64_t named_for_millis = 60'000;
constexpr std::size_t names_at_once = 250;
constexpr std::chrono::seconds settled_within{5};

keyed_command to_set(const index_keys& keys, std::string bytes, bool changes) {
    return {keys.names, std::move(bytes), changes};
}

bool is_last_of_its_key(const std::vector<operation>& operations, std::size_t index) {
    for (std::size_t i = index + 1; i < operations.size(); ++i)
        if (key_of(operations[i]) == key_of(operations[index])) return false;
    return true;
}

}  // namespace

cluster_store::cluster_store(net::worker& on, store_parts parts)
    : parts_(std::move(parts)),
      counts_(*parts_.registry, parts_.options.name),
      cluster_(std::make_shared<cluster>(on, parts_.with, parts_.greet, parts_.options,
                                         parts_.registry)) {}
cluster_store::~cluster_store() {
    cluster_->close();
}

// Of a reply that is none; {} where it is one.
error_code cluster_store::error_of(const keyed_reply& reply, bool past_deadline) const {
    if (reply.error) return as_read(reply.error, past_deadline);
    if (!reply.value.is_error()) return {};
    log::warn("store.refused",
              {{"store", parts_.options.name}, {"reason", reason_of(reply.value.text)}});
    const refusal why = judge_error(reply.value.text);
    return as_read(LETHE_ERR(why.code), past_deadline);
}

task<cluster_store::replies> cluster_store::query(std::vector<keyed_command> commands,
                                                  steady_time deadline) {
    result<replies> got = co_await cluster_->run(std::move(commands), deadline);
    if (got.has_error()) co_return got.error();
    for (const keyed_reply& one : *got) {
        const error_code error = error_of(one, cluster_->past(deadline));
        if (error) co_return error;
    }
    co_return got;
}

task<cluster_store::replies> cluster_store::fronts_of(const std::vector<std::string>& names,
                                                      steady_time deadline) {
    std::vector<keyed_command> commands;
    for (const std::string& name : names)
        commands.push_back(
            {parts_.with->names.of_record(name), front_command(name, parts_.with->names), false});
    result<replies> got = co_await query(std::move(commands), deadline);
    co_return got;
}

// ---- operations

result<std::vector<far_index>> cluster_store::read_prepared(
    const std::vector<operation>& operations, const std::vector<std::size_t>& asked,
    const replies& got, steady_time deadline) {
    std::vector<far_index> out(operations.size());
    std::map<std::string, std::string, std::less<>> put_before;
    for (std::size_t i = 0; i < asked.size(); ++i) {
        const operation& any = operations[asked[i]];
        const error_code error = error_of(got[i], cluster_->past(deadline));
        if (error) return error;
        if (const auto* one = std::get_if<put>(&any)) {
            put_before[one->key] = one->subject;
            if (one->subject.empty()) continue;
            LETHE_TRY(added_name added, read_added_name(got[i].value));
            out[asked[i]].last_moment = added.time + named_for_millis;
            if (!added.due.empty()) settle_aside(one->subject, std::move(added.due));
            continue;
        }
        const auto earlier = put_before.find(key_of(any));
        if (earlier != put_before.end()) {
            out[asked[i]].subject = earlier->second;
            continue;
        }
        const result<std::optional<record>> front = read_front(got[i].value);
        if (front.has_error()) return front.error();
        if (*front) out[asked[i]].subject = (*front)->subject;
    }
    return out;
}

task<std::vector<far_index>> cluster_store::prepare(const std::vector<operation>& operations,
                                                    steady_time deadline) {
    std::vector<keyed_command> commands;
    std::vector<std::size_t> asked;
    for (std::size_t i = 0; i < operations.size(); ++i) {
        if (const auto* one = std::get_if<put>(&operations[i]); one && !one->subject.empty()) {
            const index_keys keys = far_keys_of(one->subject, parts_.with->names);
            commands.push_back(to_set(keys, index_add_command(keys, one->key, one->ttl), true));
        } else if (one != nullptr || std::holds_alternative<touch>(operations[i])) {
            const std::string& key = key_of(operations[i]);
            commands.push_back(
                {parts_.with->names.of_record(key), front_command(key, parts_.with->names), false});
        } else {
            continue;
        }
        asked.push_back(i);
    }
    const result<replies> got = co_await cluster_->run(std::move(commands), deadline);
    if (got.has_error()) co_return as_read(got.error(), cluster_->past(deadline));
    result<std::vector<far_index>> out = read_prepared(operations, asked, *got, deadline);
    if (out.has_error()) co_return out.error();
    const result<> prolonged = co_await prolong_sets(operations, *out, deadline);
    if (prolonged.has_error()) co_return prolonged.error();
    co_return out;
}

task<> cluster_store::prolong_sets(const std::vector<operation>& operations,
                                   const std::vector<far_index>& index, steady_time deadline) {
    std::vector<keyed_command> commands;
    for (std::size_t i = 0; i < operations.size(); ++i) {
        const auto* one = std::get_if<touch>(&operations[i]);
        if (one == nullptr || index[i].subject.empty()) continue;
        const index_keys keys = far_keys_of(index[i].subject, parts_.with->names);
        commands.push_back(to_set(keys, index_prolong_command(keys, one->ttl), true));
    }
    if (commands.empty()) co_return result<>{};
    const result<replies> got = co_await query(std::move(commands), deadline);
    if (got.has_error()) co_return got.error();
    co_return result<>{};
}

outcome cluster_store::read(const std::vector<operation>& operations,
                            const std::vector<record_version>& fresh, const replies& got) const {
    // What a call without an answer has left behind is judged with those that have one.
    std::vector<operation> answered;
    std::vector<record_version> versions;
    std::vector<resp::value> values;
    error_code lost;
    bool unknown = false;
    for (std::size_t i = 0; i < operations.size(); ++i) {
        if (got[i].error) {
            if (!lost) lost = got[i].error;
            unknown =
                unknown || (changes(operations[i]) && got[i].error == condition::outcome_unknown);
            continue;
        }
        answered.push_back(operations[i]);
        versions.push_back(fresh[i]);
        values.push_back(got[i].value);
    }
    outcome out = read_batch(answered, versions, values);
    if (!lost) return out;
    unknown = unknown || !out.nothing_changed;
    out.nothing_changed = !unknown;
    out.error = unknown ? LETHE_ERR(errc::outcome_unknown) : lost;
    return out;
}

task<std::vector<answer>> cluster_store::finish(const std::vector<operation>& operations,
                                                steady_time deadline) {
    std::vector<far_index> index(operations.size());
    const bool needs_index = std::ranges::any_of(operations, [](const operation& any) {
        const auto* one = std::get_if<put>(&any);
        return std::holds_alternative<touch>(any) || (one != nullptr && !one->subject.empty());
    });
    if (needs_index) {
        result<std::vector<far_index>> prepared = co_await prepare(operations, deadline);
        if (prepared.has_error()) co_return prepared.error();
        index = *std::move(prepared);
    }
    const std::vector<record_version> fresh = draw_versions(operations, versions_);
    std::vector<keyed_command> commands(operations.size());
    for (std::size_t i = 0; i < operations.size(); ++i) {
        commands[i].key = parts_.with->names.of_record(key_of(operations[i]));
        commands[i].changes = changes(operations[i]);
        append_far_operation(commands[i].bytes, operations[i], fresh[i], parts_.with->names,
                             index[i]);
    }
    result<replies> got = co_await cluster_->run(std::move(commands), deadline);
    if (got.has_error()) co_return got.error();
    for (std::size_t i = 0; i < operations.size(); ++i) {
        // Somebody gave the record to another subject in between.
        for (int again = 0; again < 4 && !(*got)[i].error; ++again) {
            const std::string_view* other = read_other_subject((*got)[i].value);
            if (other == nullptr || !is_last_of_its_key(operations, i)) break;
            index[i].subject = *other;
            const auto& one = std::get<touch>(operations[i]);
            const index_keys keys = far_keys_of(index[i].subject, parts_.with->names);
            std::vector<keyed_command> prolong;
            prolong.push_back(to_set(keys, index_prolong_command(keys, one.ttl), true));
            const result<replies> prolonged = co_await query(std::move(prolong), deadline);
            if (prolonged.has_error()) break;
            std::vector<keyed_command> retry(1);
            retry[0].key = parts_.with->names.of_record(one.key);
            retry[0].changes = true;
            append_far_operation(retry[0].bytes, operations[i], fresh[i], parts_.with->names,
                                 index[i]);
            result<replies> next = co_await cluster_->run(std::move(retry), deadline);
            if (next.has_error()) break;
            (*got)[i] = std::move(next->front());
        }
        // Not done.
        if (!(*got)[i].error && read_other_subject((*got)[i].value) != nullptr)
            (*got)[i].error = LETHE_ERR(errc::unavailable);
    }
    outcome done = read(operations, fresh, *got);
    if (!done.error) co_return std::move(done.answers);
    if (!done.reason.empty())
        log::warn("store.refused",
                  {{"store", parts_.options.name}, {"reason", reason_of(done.reason)}});
    co_return done.error;
}

task<std::vector<answer>> cluster_store::batch(std::vector<operation> operations,
                                               steady_time deadline) {
    const result<> fine = check(operations);
    if (fine.has_error()) co_return fine.error();
    const gate::pass inside(*parts_.calls);
    if (!inside) co_return LETHE_ERR(errc::unavailable);
    if (operations.empty()) co_return std::vector<answer>{};
    result<std::vector<answer>> got = co_await finish(operations, deadline);
    if (got.has_error() && only_reads(operations))
        got = as_read(got.error(), cluster_->past(deadline));
    counts_.batch(operations, got);
    co_return got;
}

task<std::vector<answer>> cluster_store::transact(std::vector<operation> operations, steady_time) {
    const result<> fine = check(operations);
    if (fine.has_error()) co_return fine.error();
    const result<std::vector<answer>> refused = LETHE_ERR(errc::unavailable);
    counts_.batch(operations, refused);
    co_return refused.error();
}

// ---- the index

task<subject_page> cluster_store::list_subject(std::string subject, std::string key_prefix,
                                               std::string after, std::size_t keys_max,
                                               steady_time deadline) {
    const result<> fine = check_listing(subject, key_prefix, after, keys_max);
    if (fine.has_error()) co_return fine.error();
    const gate::pass inside(*parts_.calls);
    if (!inside) co_return LETHE_ERR(errc::unavailable);
    result<subject_page> page =
        co_await list(std::move(subject), first_listed(key_prefix, after), end_listed(key_prefix),
                      std::min(keys_max, page_keys_max), deadline);
    counts_.listing(page.has_error() ? page.error() : error_code{});
    co_return page;
}

task<subject_page> cluster_store::list(std::string subject, std::string first, std::string end,
                                       std::size_t wanted, steady_time deadline) {
    const index_keys keys = far_keys_of(subject, parts_.with->names);
    subject_page out;
    while (true) {
        std::vector<keyed_command> page;
        page.push_back(to_set(keys, index_page_command(keys, first, end, names_at_once), false));
        const result<replies> got = co_await query(std::move(page), deadline);
        if (got.has_error()) co_return got.error();
        const resp::value& reply = got->front().value;
        if (!reply.is_list()) co_return LETHE_ERR(errc::corrupt);
        std::vector<std::string> names;
        for (const resp::value& name : reply.items) names.emplace_back(name.text);
        const result<replies> fronts = co_await fronts_of(names, deadline);
        if (fronts.has_error()) co_return fronts.error();
        for (std::size_t i = 0; i < names.size(); ++i) {
            const result<std::optional<record>> front = read_front((*fronts)[i].value);
            if (front.has_error()) co_return front.error();
            if (!*front || (*front)->subject != subject) continue;
            if (out.keys.size() == wanted) {
                out.more = true;
                co_return out;
            }
            out.keys.push_back(names[i]);
        }
        if (names.size() < names_at_once) co_return out;
        first = first_listed("", names.back());
    }
}

task<std::size_t> cluster_store::settle(std::shared_ptr<cluster> in, key_names names,
                                        index_keys keys, std::string subject,
                                        std::vector<due_name> due, steady_time deadline) {
    std::vector<keyed_command> fronts;
    for (const due_name& one : due)
        fronts.push_back({names.of_record(one.name), front_command(one.name, names), false});
    const result<replies> got = co_await in->run(std::move(fronts), deadline);
    if (got.has_error()) co_return got.error();
    settlement found;
    for (std::size_t i = 0; i < due.size(); ++i) {
        const keyed_reply& front = (*got)[i];
        // What cannot be read now is looked after another time.
        if (front.error || front.value.is_error()) continue;
        const result<> added = found.add(due[i], front.value, subject);
        static_cast<void>(added);
    }
    if (found.empty()) co_return std::size_t{0};
    std::vector<keyed_command> settling;
    settling.push_back(to_set(keys, found.command(keys), true));
    const result<replies> settled = co_await in->run(std::move(settling), deadline);
    if (settled.has_error()) co_return settled.error();
    const keyed_reply& reply = settled->front();
    if (reply.error) co_return as_read(reply.error, in->past(deadline));
    if (!reply.value.is_integer() || reply.value.integer < 0)
        co_return LETHE_ERR(errc::unavailable);
    co_return static_cast<std::size_t>(reply.value.integer);
}

namespace {

task<> in_background(task<std::size_t> work) {
    const result<std::size_t> done = co_await std::move(work);
    if (done.has_error()) co_return done.error();
    co_return result<>{};
}

}  // namespace

void cluster_store::settle_aside(const std::string& subject, std::vector<due_name> due) {
    net::worker& on = cluster_->worker();
    on.spawn(
        in_background(settle(cluster_, parts_.with->names, far_keys_of(subject, parts_.with->names),
                             subject, std::move(due), on.time().steady_now() + settled_within)));
}

}  // namespace lethe::store::redis
