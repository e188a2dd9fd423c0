#include "session/engine.hpp"

#include "base/bytes.hpp"
#include "base/hmac.hpp"
#include "session/attempt.hpp"
#include "session/rules.hpp"

#include <sodium.h>

#include <algorithm>
#include <cstring>

namespace lethe::session {
namespace {

// Aliases of aliases live for seconds; more in a row is damage.
constexpr unsigned hops_max = 4;

}  // namespace

std::string pseudonym(std::string_view identity, std::string_view service) {
    const std::string name = hmac_sha256(identity, {"lethe session pseudonym 1|", service});
    return to_base64url(std::string_view(name).substr(0, 16));
}

engine::engine(store::store& records, clock& time, random_source& random, settings options,
               std::shared_ptr<const keyring> keys)
    : store_(records),
      clock_(time),
      random_(random),
      options_(std::move(options)),
      keys_(std::move(keys)) {
    LETHE_ASSERT(sodium_init() >= 0);
    LETHE_ASSERT(!find_mistake(options_));
    LETHE_ASSERT(options_.encryption == encryption_mode::ticket || keys_ != nullptr);
}

const keyring* engine::sealing_ring() const noexcept {
    return options_.encryption == encryption_mode::keyring ? keys_.get() : nullptr;
}

state engine::fresh() const {
    return detail::fresh_state(options_, clock_.system_now(), random_);
}

std::uint64_t engine::make_nonce(std::uint32_t mark) const {
    std::uint64_t nonce = 0;
    random_.fill({reinterpret_cast<unsigned char*>(&nonce), sizeof nonce});
    return detail::marked(nonce | 1, mark);  // 0 means none
}

std::chrono::milliseconds engine::life(const state& data) const {
    const std::chrono::milliseconds left = data.absolute_expiry - clock_.system_now();
    return std::max(std::chrono::milliseconds{1},
                    std::min<std::chrono::milliseconds>(data.idle_ttl, left));
}

store::put engine::put_session(const state& data, const ticket& holder,
                               store::expectation expect) const {
    opened_record content;
    content.kind = record_kind::session;
    content.data = data;
    return {.key = holder.record_key(),
            .value = seal(content, holder, random_, sealing_ring()),
            .ttl = life(data),
            .expect = expect,
            .subject = data.subject};
}

result<engine::present> engine::interpret(const std::optional<store::record>& record,
                                          const ticket& holder) const {
    if (!record) return present{};
    LETHE_TRY(opened_record found, open(record->value, holder, keys_.get()));
    return judge(*record, std::make_shared<const opened_record>(std::move(found)),
                 has_old_key(*record));
}

result<engine::present> engine::interpret(const std::optional<store::record>& record,
                                          caller& by) const {
    if (!record) return present{};
    if (by.opened != nullptr && by.seal == seal_of(record->value))
        return judge(*record, by.opened, by.old_key);
    LETHE_TRY(present out, interpret(record, by.shown.holder));
    if (record->value.size() > kept_record_bytes_max || out.found->kind == record_kind::tombstone)
        return out;
    by.seal = seal_of(record->value);
    by.texts.clear();
    by.opened = out.found;
    by.old_key = out.old_key;
    return out;
}

engine::present engine::judge(const store::record& record,
                              std::shared_ptr<const opened_record> opened, bool old_key) const {
    present out;
    out.old_key = old_key;
    out.version = record.version;
    out.expires = record.expires;
    const system_time now = clock_.system_now();
    switch (opened->kind) {
        case record_kind::session: out.over = opened->data.absolute_expiry <= now; break;
        case record_kind::tombstone: out.over = true; break;
        case record_kind::rotated:
        case record_kind::superseded: out.over = opened->valid_until <= now; break;
    }
    out.found = std::move(opened);
    return out;
}

// Of a record that opened.
bool engine::has_old_key(const store::record& record) const {
    return sealing_ring() != nullptr &&
           read_outline(record.value)->key_id != sealing_ring()->first().id;
}

std::shared_ptr<caller> engine::recognize(std::string_view cookie_value) {
    if (const std::shared_ptr<caller>* const known = callers_.find(cookie_value)) return *known;
    std::optional<shown_ticket> shown = parse_cookie(cookie_value);
    if (!shown) return nullptr;
    return std::make_shared<caller>(
        caller{.shown = *std::move(shown), .cookie = secret(std::string(cookie_value))});
}

// `holder` outlives it.
task<engine::present> engine::read(const ticket& holder, steady_time deadline) {
    const result<store::answer> got =
        co_await store_.run(store::get{holder.record_key()}, deadline);
    if (got.has_error()) co_return got.error();
    co_return interpret(got->present, holder);
}

bool engine::needs_touch(const state& data, system_time expires) const {
    return clock_.system_now() + life(data) - expires >= detail::touch_step(data.idle_ttl);
}

task<engine::life_sign> engine::prolong(std::string key, const state& data, steady_time deadline) {
    const std::chrono::milliseconds ttl = life(data);
    const result<store::answer> answer =
        co_await store_.run(store::touch{std::move(key), ttl}, deadline);
    // A session that was just read serves this request; the next one tries again.
    if (answer.has_error()) co_return life_sign::lives;
    co_return answer->done ? life_sign::touched : life_sign::ended;
}

task<std::optional<view>> engine::load(ticket shown, steady_time deadline) {
    return load(std::make_shared<caller>(caller{.shown = {.holder = shown}}), deadline);
}

task<std::optional<view>> engine::load(std::shared_ptr<caller> by, steady_time deadline) {
    view out{.holder = by->shown.holder};
    for (unsigned hop = 0; hop <= hops_max; ++hop) {
        const result<store::answer> got =
            co_await store_.run(store::get{out.holder.record_key()}, deadline);
        if (got.has_error()) co_return got.error();
        result<present> there =
            hop == 0 ? interpret(got->present, *by) : interpret(got->present, out.holder);
        if (there.has_error()) co_return there.error();
        if (!there->found || there->over) co_return std::nullopt;
        if (there->found->kind == record_kind::rotated) {
            out.holder = *ticket::from_bytes(there->found->target);
            out.moved = true;
            continue;
        }
        out.old_key = there->old_key;
        out.opened = std::move(there->found);
        out.stored = there->version;
        if (out.opened == by->opened) out.by = by;
        if (!by->cookie.empty()) callers_.keep(std::exchange(by->cookie, {}).reveal(), by);
        if (!out.superseded() && needs_touch(out.data(), there->expires)) {
            const result<life_sign> sign =
                co_await prolong(out.holder.record_key(), out.data(), deadline);
            if (sign.has_error()) co_return sign.error();
            if (*sign == life_sign::ended) co_return std::nullopt;
            out.touched = *sign == life_sign::touched;
        }
        co_return out;
    }
    co_return std::nullopt;
}

task<committed> engine::commit(std::optional<view> seen, change wanted, steady_time deadline) {
    if (seen) {
        if (wanted.empty()) {
            committed nothing{.version = seen->data().version};
            if (seen->moved) nothing.hand_out = seen->holder;
            co_return nothing;
        }
        co_return co_await change_existing(std::move(*seen), std::move(wanted), deadline);
    }
    if (wanted.destroy || (!wanted.edit && wanted.subject.empty())) co_return committed{};
    const effect what = wanted.subject.empty() ? effect::created : effect::logged_in;
    wanted.regenerate = false;
    co_return co_await create(fresh(), std::move(wanted), what, deadline);
}

task<committed> engine::create(state from, change wanted, effect what, steady_time deadline) {
    const std::uint64_t nonce = make_nonce(wanted.made_by);
    result<std::optional<state>> next = detail::next_state(
        from, wanted, {.now = clock_.system_now(), .nonce = nonce, .options = options_});
    if (next.has_error()) co_return next.error();
    const bool empty = !*next || ((*next)->subject.empty() && detail::slots_bytes(**next) <= 2);
    if (empty) co_return committed{};
    co_return co_await put_new(std::move(**next), nonce, std::move(wanted.under), what, deadline);
}

task<committed> engine::adopt(state data, effect what, steady_time deadline) {
    const std::uint64_t nonce = make_nonce(0);
    data.writes = {nonce};
    co_return co_await put_new(std::move(data), nonce, std::nullopt, what, deadline);
}

// The key is random: nobody else writes there, and a lost answer is found out by reading. Under a
// ticket that was given others may have: errc::contended when they were faster.
task<committed> engine::put_new(state made, std::uint64_t nonce, std::optional<ticket> under,
                                effect what, steady_time deadline) {
    ticket holder = under ? *under : ticket::make(random_);
    bool unsure = false;
    for (unsigned tries = 1; tries <= detail::tries_max; ++tries) {
        store::put record = put_session(made, holder, store::absent{});
        const result<store::answer> answer = co_await store_.run(std::move(record), deadline);
        const bool lost = answer.has_error() && answer.error() == condition::outcome_unknown;
        if (answer.has_error() && !lost)
            co_return unsure ? LETHE_ERR(errc::outcome_unknown) : answer.error();
        unsure |= lost;
        bool done = answer.has_value() && answer->done;
        if (answer.has_value() && !done) {
            // Ours from a try whose answer was lost, or one in 2^128.
            const result<present> there = interpret(answer->present, holder);
            done = there.has_value() && there->found && detail::made_by(*there->found, nonce);
            if (!done && under)
                co_return there.has_error() || there->over || !there->found
                    ? LETHE_ERR(errc::ended)
                    : LETHE_ERR(errc::contended);
            if (!done) holder = ticket::make(random_);
        }
        if (done)
            co_return committed{
                .what = what, .hand_out = holder, .version = made.version, .tries = tries};
        const result<> waited = co_await back_off(tries, deadline);
        if (waited.has_error()) break;
    }
    co_return unsure ? LETHE_ERR(errc::outcome_unknown) : LETHE_ERR(errc::contended);
}

// Waits a little longer from try to try, so that those who fight over one session get apart.
task<> engine::back_off(unsigned tries, steady_time deadline) {
    if (clock_.steady_now() >= deadline) co_return LETHE_ERR(store::errc::timeout);
    if (tries < 3) co_return result<>{};
    const std::uint64_t ceiling_ms = std::uint64_t{1} << std::min(tries, 6U);
    const std::chrono::milliseconds wait{static_cast<std::int64_t>(random_.below(ceiling_ms))};
    co_return co_await clock_.sleep_until(std::min(deadline, clock_.steady_now() + wait));
}

}  // namespace lethe::session
