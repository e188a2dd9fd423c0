#include "limits/stored_count.hpp"

#include "base/bytes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace lethe::limits {
namespace {

using std::chrono::milliseconds;

nanoseconds since_epoch(system_time at) {
    return std::chrono::duration_cast<nanoseconds>(at.time_since_epoch());
}

// What is not a time counts as none: it is written anew.
nanoseconds read_tat(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc{} || end != text.data() + text.size() || value < 0) return {};
    return nanoseconds(value);
}

}  // namespace

std::string stored_count::make_key(std::string_view route, std::string_view limit,
                                   std::string_view client) {
    return "l:" + sha256_of_parts({route, limit, client});
}

stored_count::known& stored_count::place_of(std::string_view key) {
    return known_[stable_hash(key) % known_.size()];
}

void stored_count::learn(known& to, const std::string& key, const store::answer& from,
                         nanoseconds tat) {
    to.key = key;
    if (from.done)
        to.version = from.version, to.tat = tat;
    else if (from.present)
        to.version = from.present->version, to.tat = read_tat(from.present->value);
    else
        to.version = {}, to.tat = {};
}

task<stored_count::answer> stored_count::take(std::string key, pace by, steady_time deadline) {
    answer out;
    for (unsigned tries = 0; tries < tries_max; ++tries) {
        // Looked up again each time: another request of this worker may have had the place.
        const known& seen = place_of(key);
        const nanoseconds now = since_epoch(clock_.system_now());
        // What lies too far ahead may have expired in the store: that must be asked.
        const bool is_known = seen.key == key && (tries > 0 || seen.tat <= now + by.depth());
        const nanoseconds tat = is_known ? std::min(seen.tat, now + by.depth()) : nanoseconds(0);
        out.what = decide(by, tat, now);
        const bool has_record = is_known && seen.version.number != 0;
        if (!out.what.admitted) {
            // Times only grow while a record lives, so what was seen is enough to refuse.
            out.how = answer::kind::decided;
            co_return out;
        }
        store::put step{.key = key,
                        .value = fmt::format("{}", out.what.tat.count()),
                        .ttl = std::chrono::ceil<milliseconds>(out.what.full_in),
                        .expect = store::absent{},
                        .subject = {}};
        if (has_record) step.expect = seen.version;
        const result<store::answer> done = co_await store_.run(std::move(step), deadline);
        if (done.has_error()) co_return out;
        learn(place_of(key), key, *done, out.what.tat);
        if (done->done) {
            out.how = answer::kind::decided;
            co_return out;
        }
        ++out.conflicts;
    }
    out.how = answer::kind::contended;
    co_return out;
}

}  // namespace lethe::limits
