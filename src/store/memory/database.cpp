#include "store/memory/database.hpp"

#include "store/counts.hpp"
#include "store/rules.hpp"

#include <algorithm>

namespace lethe::store::memory {
namespace {

// Expired records removed beside each batch: more than a batch of one can add.
constexpr std::size_t swept_per_batch = 8;

std::size_t bytes_of_record(const std::string& key, const record& one) {
    return key.size() + one.value.size() + one.subject.size();
}

}  // namespace

void database::replace(const std::string& key, std::optional<record> by) {
    const auto old = records_.find(key);
    if (old != records_.end()) {
        bytes_ -= bytes_of_record(key, old->second);
        expiries_.erase({old->second.expires, key});
        const auto subject = subjects_.find(old->second.subject);
        if (subject != subjects_.end()) {
            subject->second.erase(key);
            if (subject->second.empty()) subjects_.erase(subject);
        }
        records_.erase(old);
    }
    if (!by) return;
    bytes_ += bytes_of_record(key, *by);
    expiries_.emplace(by->expires, key);
    if (!by->subject.empty()) subjects_[by->subject].insert(key);
    records_.emplace(key, std::move(*by));
}

std::size_t database::sweep(std::size_t records_max, system_time now) {
    std::size_t removed = 0;
    for (; removed < records_max && !expiries_.empty(); ++removed) {
        const auto& [expires, key] = *expiries_.begin();
        if (alive(expires, now)) break;
        replace(std::string(key), std::nullopt);
    }
    return removed;
}

database::records::iterator database::find_alive(const std::string& key, system_time now) {
    const auto at = records_.find(key);
    if (at == records_.end() || !alive(at->second.expires, now)) return records_.end();
    return at;
}

result<answer> database::apply(const get& one, system_time now) {
    answer out{.done = true};
    const auto at = find_alive(one.key, now);
    if (at != records_.end()) out.present = at->second;
    return out;
}

result<answer> database::apply(const put& one, system_time now) {
    const auto at = find_alive(one.key, now);
    const bool there = at != records_.end();
    if (!holds(one.expect, there ? std::optional(at->second.version) : std::nullopt)) {
        answer out;
        if (there) out.present = at->second;
        return out;
    }
    record made{.value = one.value,
                .version = {last_version_ + 1},
                .expires = expiry_after(now, one.ttl),
                .subject = one.subject};
    const std::size_t freed = there ? bytes_of_record(one.key, at->second) : 0;
    if (bytes_ - freed + bytes_of_record(one.key, made) > bytes_max)
        return LETHE_ERR(errc::unavailable);
    ++last_version_;
    answer out{.done = true, .version = made.version};
    replace(one.key, std::move(made));
    return out;
}

result<answer> database::apply(const erase& one, system_time now) {
    const auto at = find_alive(one.key, now);
    const bool there = at != records_.end();
    answer out;
    out.done = holds(one.expect, there ? std::optional(at->second.version) : std::nullopt);
    if (!out.done && there) out.present = at->second;
    if (out.done && there) replace(one.key, std::nullopt);
    return out;
}

result<answer> database::apply(const touch& one, system_time now) {
    const auto at = find_alive(one.key, now);
    if (at == records_.end()) return answer{};
    expiries_.erase({at->second.expires, one.key});
    at->second.expires = expiry_after(now, one.ttl);
    expiries_.emplace(at->second.expires, one.key);
    return answer{.done = true};
}

result<answer> database::apply(const operation& any, system_time now) {
    return std::visit([&](const auto& one) { return apply(one, now); }, any);
}

result<std::vector<answer>> database::batch(const std::vector<operation>& operations,
                                            system_time now) {
    const std::scoped_lock lock(mutex_);
    undo_list before;
    return run(operations, now, before);
}

result<std::vector<answer>> database::transact(const std::vector<operation>& operations,
                                               system_time now) {
    const std::scoped_lock lock(mutex_);
    undo_list before;
    result<std::vector<answer>> answers = run(operations, now, before);
    if (answers.has_error()) return answers;
    for (const answer& one : *answers) {
        if (one.done) continue;
        undo(before);
        for (answer& each : *answers) each.version = {};
        break;
    }
    return answers;
}

void database::undo(undo_list& before) {
    for (auto old = before.rbegin(); old != before.rend(); ++old)
        replace(old->first, std::move(old->second));
    before.clear();
}

result<std::vector<answer>> database::run(const std::vector<operation>& operations, system_time now,
                                          undo_list& before) {
    const result<> fine = check(operations);
    if (fine.has_error()) return fine.error();
    if (closed_) return LETHE_ERR(errc::unavailable);
    sweep(swept_per_batch, now);
    std::vector<answer> answers;
    for (const operation& any : operations) {
        const std::string& key = std::visit([](const auto& one) -> auto& { return one.key; }, any);
        const auto at = records_.find(key);
        if (!std::holds_alternative<get>(any))
            before.emplace_back(key,
                                at != records_.end() ? std::optional(at->second) : std::nullopt);
        result<answer> one = apply(any, now);
        if (one.has_error()) {
            // An error must leave nothing changed.
            undo(before);
            return one.error();
        }
        answers.push_back(*std::move(one));
    }
    return answers;
}

subject_page database::list(const std::string& subject, std::string_view key_prefix,
                            std::string_view after, std::size_t keys_max, system_time now) {
    const std::scoped_lock lock(mutex_);
    subject_page out;
    const auto of = subjects_.find(subject);
    if (of == subjects_.end()) return out;
    const std::string end = end_listed(key_prefix);
    const std::size_t wanted = std::min(keys_max, page_keys_max);
    for (auto at = of->second.lower_bound(first_listed(key_prefix, after));
         at != of->second.end() && *at < end; ++at) {
        if (find_alive(*at, now) == records_.end()) continue;
        if (out.keys.size() == wanted) {
            out.more = true;
            break;
        }
        out.keys.push_back(*at);
    }
    return out;
}

scan_page database::scan(const std::string& after, std::size_t keys_max, system_time now) {
    const std::scoped_lock lock(mutex_);
    scan_page out;
    const std::size_t wanted = std::min(keys_max, page_keys_max);
    for (auto at = records_.upper_bound(after); at != records_.end(); ++at) {
        if (!alive(at->second.expires, now)) continue;
        if (out.keys.size() == wanted) {
            out.more = true;
            break;
        }
        out.keys.push_back(at->first);
    }
    if (!out.keys.empty()) out.cursor = out.keys.back();
    return out;
}

std::size_t database::purge(std::size_t records_max, system_time now) {
    const std::scoped_lock lock(mutex_);
    return sweep(records_max, now);
}

void database::close() {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
}

bool database::closed() const {
    const std::scoped_lock lock(mutex_);
    return closed_;
}

std::size_t database::size() const {
    const std::scoped_lock lock(mutex_);
    return records_.size();
}

namespace {

// One per worker. Answers at once: nothing is waited for.
class memory_store final : public store {
 public:
    memory_store(std::shared_ptr<database> in, std::shared_ptr<metrics::registry> registry,
                 const open_options& options, clock& time)
        : database_(std::move(in)),
          registry_(std::move(registry)),
          counts_(*registry_, options.name),
          now_(options.now ? options.now : [&time] { return time.system_now(); }),
          clock_(time) {}

    engine_promises promises() const noexcept override { return promises_made; }

    task<std::vector<answer>> batch(std::vector<operation> operations,
                                    steady_time deadline) override {
        if (late(deadline)) co_return LETHE_ERR(errc::timeout);
        result<std::vector<answer>> out = database_->batch(operations, now_());
        counts_.batch(operations, out);
        co_return out;
    }
    task<std::vector<answer>> transact(std::vector<operation> operations,
                                       steady_time deadline) override {
        if (late(deadline)) co_return LETHE_ERR(errc::timeout);
        result<std::vector<answer>> out = database_->transact(operations, now_());
        counts_.batch(operations, out);
        co_return out;
    }
    task<subject_page> list_subject(std::string subject, std::string key_prefix, std::string after,
                                    std::size_t keys_max, steady_time deadline) override {
        const result<> fine = check_listing(subject, key_prefix, after, keys_max);
        if (fine.has_error()) co_return fine.error();
        if (late(deadline)) co_return LETHE_ERR(errc::timeout);
        if (database_->closed()) co_return LETHE_ERR(errc::unavailable);
        counts_.listing({});
        co_return database_->list(subject, key_prefix, after, keys_max, now_());
    }
    task<> ping(steady_time deadline) override {
        if (late(deadline)) co_return LETHE_ERR(errc::timeout);
        if (database_->closed()) co_return LETHE_ERR(errc::unavailable);
        counts_.ping({});
        co_return result<>{};
    }
    task<scan_page> scan(std::string cursor, std::size_t keys_max, steady_time deadline) override {
        const result<> fine = check_scan(cursor, keys_max);
        if (fine.has_error()) co_return fine.error();
        const result<> usable = co_await ping(deadline);
        if (usable.has_error()) co_return usable.error();
        co_return database_->scan(cursor, keys_max, now_());
    }
    task<std::size_t> purge_expired(std::size_t records_max, steady_time deadline) override {
        if (records_max == 0) co_return LETHE_ERR(errc::malformed);
        const result<> usable = co_await ping(deadline);
        if (usable.has_error()) co_return usable.error();
        co_return database_->purge(std::min(records_max, page_keys_max), now_());
    }
    task<examination> examine(steady_time deadline) override {
        const result<> usable = co_await ping(deadline);
        if (usable.has_error()) co_return usable.error();
        examination out{
            .server = "memory of this process", .promises = promises_made, .findings = {}};
        out.findings.push_back({.how_bad = finding::weight::fault,
                                .what = "everything is gone when lethe stops",
                                .advice = "use sqlite:PATH or a server for anything but a try"});
        co_return out;
    }

 private:
    [[nodiscard]] bool late(steady_time deadline) const { return clock_.steady_now() >= deadline; }

    std::shared_ptr<database> database_;
    std::shared_ptr<metrics::registry> registry_;
    counts counts_;
    std::function<system_time()> now_;
    clock& clock_;
};

}  // namespace

memory_engine::memory_engine(open_options options) : options_(std::move(options)) {}
memory_engine::~memory_engine() {
    close();
}

std::unique_ptr<store> memory_engine::make_store(caller by) {
    auto registry = std::make_shared<metrics::registry>();
    const std::scoped_lock lock(mutex_);
    registries_.push_back(registry);
    return std::make_unique<memory_store>(database_, std::move(registry), options_, by.time);
}

engine_promises memory_engine::promises() const noexcept {
    return promises_made;
}

std::vector<const metrics::registry*> memory_engine::metrics() const {
    const std::scoped_lock lock(mutex_);
    std::vector<const metrics::registry*> out;
    for (const auto& one : registries_) out.push_back(one.get());
    return out;
}

void memory_engine::close() {
    database_->close();
}

}  // namespace lethe::store::memory
