#include "simulation/planted.hpp"

#include "base/bytes.hpp"
#include "idempotency/record.hpp"
#include "session/record.hpp"

#include <map>
#include <string>
#include <utility>

namespace lethe::simulation {
namespace {

using operations = std::vector<store::operation>;
using answers = std::vector<store::answer>;
using idempotency::record_state;

constexpr std::pair<planted, std::string_view> names[] = {
    {planted::lapsed_is_free, "lapsed-is-free"},
    {planted::unchecked_finish, "unchecked-finish"},
    {planted::unchecked_claim, "unchecked-claim"},
    {planted::touch_revives, "touch-revives"},
    {planted::unchecked_change, "unchecked-change"},
    {planted::change_not_written, "change-not-written"},
    {planted::change_twice, "change-twice"},
    {planted::change_never, "change-never"},
    {planted::forward_forgotten, "forward-forgotten"},
    {planted::shared_keys, "shared-keys"},
    {planted::outcome_changes, "outcome-changes"},
    {planted::outcome_dropped, "outcome-dropped"},
    {planted::previous_not_read, "previous-not-read"},
    {planted::moved_one_by_one, "moved-one-by-one"},
    {planted::login_keeps_cookie, "login-keeps-cookie"},
};

bool is_key_record(const std::string& key) {
    return key.compare(0, 2, "i:") == 0;
}
bool is_session(const std::string& key) {
    return key.compare(0, 2, "s:") == 0;
}
bool is_live_session(const std::string& value) {
    return value[3] == static_cast<char>(session::record_kind::session);
}
std::optional<record_state> state_of(const std::string& value) {
    const auto decoded = idempotency::decode_record(value);
    if (decoded.has_error()) return std::nullopt;
    return decoded->state;
}

// A store with one of the bugs; right in everything else.
class wrong_store final : public store::store {
 public:
    wrong_store(planted what, std::unique_ptr<lethe::store::store> inside, clock& time)
        : what_(what), inside_(std::move(inside)), clock_(time) {}

    lethe::store::engine_promises promises() const noexcept override { return inside_->promises(); }
    task<answers> batch(operations asked, steady_time deadline) override {
        return pass_on(std::move(asked), deadline, false);
    }
    task<answers> transact(operations asked, steady_time deadline) override {
        return pass_on(std::move(asked), deadline, true);
    }
    task<lethe::store::subject_page> list_subject(std::string subject, std::string prefix,
                                                  std::string after, std::size_t keys_max,
                                                  steady_time deadline) override {
        return inside_->list_subject(std::move(subject), std::move(prefix), std::move(after),
                                     keys_max, deadline);
    }
    task<> ping(steady_time deadline) override { return inside_->ping(deadline); }

 private:
    task<answers> pass_on(operations asked, steady_time deadline, bool atomic) {
        if (what_ == planted::touch_revives) {
            const auto* touch = std::get_if<lethe::store::touch>(&asked.front());
            if (touch != nullptr) co_return co_await revive(*touch, deadline);
        }
        const operations before = asked;
        bool pretend = false;
        for (lethe::store::operation& one : asked) pretend |= distort(one);
        result<answers> got = answers{};
        if (atomic)
            got = co_await inside_->transact(std::move(asked), deadline);
        else
            got = co_await inside_->batch(std::move(asked), deadline);
        if (got.has_error()) co_return got.error();
        for (std::size_t i = 0; i < got->size(); ++i) {
            lethe::store::answer& one = (*got)[i];
            if (pretend) one = {.done = true, .version = {1}, .present = {}};
            if (one.present) look_at(before[i], *one.present);
        }
        co_return got;
    }

    // What is not there any more is written again, from what was read before.
    task<answers> revive(lethe::store::touch wanted, steady_time deadline) {
        const auto there = co_await inside_->read(wanted.key, deadline);
        if (there.has_error()) co_return there.error();
        const auto seen = seen_.find(wanted.key);
        const bool ended = !*there || !is_live_session((*there)->value);
        operations one;
        if (ended && seen != seen_.end())
            one.emplace_back(lethe::store::put{wanted.key, seen->second.value, wanted.ttl,
                                               lethe::store::anything{}, seen->second.subject});
        else
            one.emplace_back(wanted);
        const result<answers> got = co_await inside_->batch(std::move(one), deadline);
        co_return got;
    }

    // True: the answer is to say that it was done.
    bool distort(lethe::store::operation& one) {
        auto* put = std::get_if<lethe::store::put>(&one);
        const bool changes = put != nullptr && is_session(put->key) &&
                             is_live_session(put->value) &&
                             std::holds_alternative<lethe::store::record_version>(put->expect);
        switch (what_) {
            case planted::unchecked_finish:
                if (put != nullptr && is_key_record(put->key) &&
                    state_of(put->value) == record_state::done)
                    put->expect = lethe::store::anything{};
                return false;
            case planted::unchecked_claim:
                if (put != nullptr && is_key_record(put->key) &&
                    std::holds_alternative<lethe::store::absent>(put->expect))
                    put->expect = lethe::store::anything{};
                return false;
            case planted::outcome_dropped:
                if (put != nullptr && is_key_record(put->key)) drop_outcome(put->value);
                return false;
            case planted::unchecked_change:
                if (changes) put->expect = lethe::store::anything{};
                return false;
            case planted::change_not_written:
                if (changes) one = lethe::store::get{put->key};
                return changes;
            default: return false;
        }
    }

    static void drop_outcome(std::string& value) {
        auto decoded = idempotency::decode_record(value);
        if (decoded.has_error() || decoded->state != record_state::claimed) return;
        decoded->result.reset();
        decoded->made_at = 0;
        value = idempotency::encode_record(*decoded);
    }

    void look_at(const lethe::store::operation& asked, lethe::store::record& found) {
        const std::string& key =
            std::visit([](const auto& one) -> const std::string& { return one.key; }, asked);
        if (what_ == planted::touch_revives && is_session(key) && is_live_session(found.value))
            seen_[key] = found;
        if (what_ != planted::lapsed_is_free || !is_key_record(key)) return;
        const auto decoded = idempotency::decode_record(found.value);
        if (decoded.has_error() || decoded->state != record_state::claimed) return;
        if (clock_.system_now() < decoded->lease_until) return;
        idempotency::key_record free = *decoded;
        free.state = record_state::released;
        found.value = idempotency::encode_record(free);
    }

    planted what_;
    std::unique_ptr<lethe::store::store> inside_;
    clock& clock_;
    std::map<std::string, lethe::store::record> seen_;
};

// Sees nothing.
class blind_store final : public store::store {
 public:
    explicit blind_store(std::unique_ptr<lethe::store::store> inside)
        : inside_(std::move(inside)) {}
    lethe::store::engine_promises promises() const noexcept override { return inside_->promises(); }
    task<answers> batch(operations asked, steady_time deadline) override {
        result<answers> got = co_await inside_->batch(std::move(asked), deadline);
        if (got.has_value())
            for (lethe::store::answer& one : *got) one.present.reset();
        co_return got;
    }
    task<answers> transact(operations asked, steady_time deadline) override {
        return inside_->transact(std::move(asked), deadline);
    }
    task<lethe::store::subject_page> list_subject(std::string subject, std::string prefix,
                                                  std::string after, std::size_t keys_max,
                                                  steady_time deadline) override {
        return inside_->list_subject(std::move(subject), std::move(prefix), std::move(after),
                                     keys_max, deadline);
    }
    task<> ping(steady_time deadline) override { return inside_->ping(deadline); }

 private:
    std::unique_ptr<lethe::store::store> inside_;
};

class wrong_step final : public http::filter {
 public:
    explicit wrong_step(planted what) : what_(what) {}
    task<> handle(http::exchange& x, http::next rest) override {
        const std::optional<http::principal> caller = x.principal;
        if (what_ == planted::shared_keys && caller) x.principal->subject = "everybody";
        const result<> done = co_await rest(x);
        x.principal = caller;
        if (done.has_error()) co_return done;
        if (what_ == planted::forward_forgotten && x.outcome == http::upstream_outcome::unknown)
            x.outcome = http::upstream_outcome::not_sent;
        if (!x.replayed) co_return done;
        if (what_ == planted::change_twice) x.operation_id.clear();
        if (what_ == planted::change_never)
            x.response.header.remove_if([](const http::field_line& line) {
                return equal_ignoring_case(line.name.substr(0, 14), "Lethe-Session-");
            });
        if (what_ == planted::outcome_changes) x.response.status = 202;
        co_return done;
    }

 private:
    planted what_;
};

class kept_cookie final : public http::filter {
 public:
    task<> handle(http::exchange& x, http::next rest) override {
        const std::string shown(x.request.header.first(http::field_id::cookie).value_or(""));
        if (const auto later = later_.find(shown); later != later_.end())
            x.request.header.set("Cookie", later->second);
        const bool is_login = x.request.path == "/login";
        const result<> done = co_await rest(x);
        const auto set = x.response.header.first(http::field_id::set_cookie);
        if (is_login && set && !shown.empty())
            later_[shown] = std::string(set->substr(0, set->find(';')));
        co_return done;
    }

 private:
    std::map<std::string, std::string> later_;
};

}  // namespace

const std::vector<planted>& all_planted() {
    static const std::vector<planted> all = [] {
        std::vector<planted> out;
        for (const auto& [what, name] : names) out.push_back(what);
        return out;
    }();
    return all;
}

std::string_view name_of(planted what) noexcept {
    for (const auto& [one, name] : names)
        if (one == what) return name;
    return "nothing";
}

std::optional<planted> planted_named(std::string_view wanted) {
    for (const auto& [one, name] : names)
        if (name == wanted) return one;
    return std::nullopt;
}

std::unique_ptr<store::store> plant_in_store(planted what, std::unique_ptr<store::store> inside,
                                             clock& time) {
    switch (what) {
        case planted::lapsed_is_free:
        case planted::unchecked_finish:
        case planted::unchecked_claim:
        case planted::touch_revives:
        case planted::unchecked_change:
        case planted::outcome_dropped:
        case planted::change_not_written:
            return std::make_unique<wrong_store>(what, std::move(inside), time);
        default: return inside;
    }
}

std::unique_ptr<store::store> plant_in_previous(planted what,
                                                std::unique_ptr<store::store> inside) {
    if (what != planted::previous_not_read) return inside;
    return std::make_unique<blind_store>(std::move(inside));
}

std::unique_ptr<http::filter> plant_before_sessions(planted what) {
    if (what != planted::login_keeps_cookie) return nullptr;
    return std::make_unique<kept_cookie>();
}

std::unique_ptr<http::filter> plant_before_keys(planted what) {
    switch (what) {
        case planted::change_twice:
        case planted::change_never:
        case planted::shared_keys:
        case planted::outcome_changes: return std::make_unique<wrong_step>(what);
        default: return nullptr;
    }
}

std::unique_ptr<http::filter> plant_behind_keys(planted what) {
    if (what != planted::forward_forgotten) return nullptr;
    return std::make_unique<wrong_step>(what);
}

}  // namespace lethe::simulation
