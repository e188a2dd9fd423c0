#include "simulation/shop.hpp"

#include "base/bytes.hpp"

#include <algorithm>

namespace lethe::simulation {
namespace {

void add_patch(execution& out, std::string_view json, std::string_view type) {
    out.header.emplace_back("Lethe-Session-Patch",
                            ":" + to_base64(json) + ":;type=" + std::string(type));
    out.changes_session = true;
}

// Whether the answer says that something was done: what a service that knows keys keeps.
bool is_effect(const execution& of) {
    for (const auto& [name, value] : of.header)
        if (name == "Lethe-Idempotency" && value != "store") return false;
    return of.status < 500 && of.status != 401 && of.status != 429;
}

}  // namespace

const execution& shop::execute(const arrival& what) {
    if (!remembers_ || what.request->key.empty()) return run(what);
    const std::string& caller =
        what.request->principal.empty() ? what.pseudonym : what.request->principal;
    memory& of = memories_[caller + " " + what.request->key];
    const execution* const before = find(of.execution);
    if (what.asks) {
        if (before != nullptr) return tell(*before, what);
        of.denied_below = std::max(of.denied_below, what.attempt);
        if (denies) denies(what);
        return refuse(what, 404);
    }
    if (what.attempt < of.denied_below) return refuse(what, 410);
    if (before != nullptr && before->request == what.request) {
        const bool anew = looks_again_ && what.attempt > before->attempt &&
                          what.pseudonym == before->pseudonym && before->changes_session;
        if (!anew || before->number % 3 == 0) return tell(*before, what);
        const execution& made = change_anew(*before, what);
        of.execution = made.number;
        return made;
    }
    const execution& made = run(what);
    if (is_effect(made)) of.execution = made.number;
    return made;
}

const execution& shop::run(const arrival& what) {
    execution& out = done_.emplace_back();
    out.number = done_.size();
    dice d(mix(mix(seed_, 0x73686f70), mix(what.name, what.attempt)));
    fill(out, what, d);
    time_.note("service.executes", {{"execution", out.number},
                                    {"delivery", what.delivery},
                                    {"status", std::uint64_t(out.status)}});
    return out;
}

void shop::fill(execution& out, const arrival& by, dice& d) const {
    out.delivery = by.delivery;
    out.request = by.request;
    out.pseudonym = by.pseudonym;
    out.operation = by.operation;
    out.version = by.version;
    out.attempt = by.attempt;
    if (out.status == 0)
        answer(out, d);
    else
        change_session(out, d);
    out.header.emplace_back("X-Execution", std::to_string(out.number));
    out.header.emplace_back("X-Changes", out.changes_session ? "1" : "0");
    out.body = R"({"execution":)" + std::to_string(out.number) + R"(,"client":)" +
               std::to_string(by.request->client) + "}";
}

// Nothing is done but the change of the session, made from what is shown now.
const execution& shop::change_anew(const execution& of, const arrival& to) {
    execution& out = done_.emplace_back();
    out.number = done_.size();
    out.status = of.status;
    dice d(mix(mix(seed_, 0x616e6577), mix(to.name, to.attempt)));
    fill(out, to, d);
    time_.note("service.changes_anew", {{"execution", out.number}, {"of", of.number}});
    return out;
}

// The answer of before; whoever asks from another session, or asks only, may get it without what
// it did to the first one's session.
const execution& shop::tell(const execution& of, const arrival& to) {
    time_.note("service.tells", {{"execution", of.number}, {"delivery", to.delivery}});
    const bool whole = to.pseudonym == of.pseudonym && (!to.asks || of.number % 2 == 0);
    const bool says_version = !to.asks && of.changes_session && of.number % 2 == 0;
    // Executions live as long as the shop.
    // NOLINTNEXTLINE(bugprone-return-const-ref-from-parameter)
    if (whole && !says_version && (!to.asks || of.status == 200)) return of;
    execution& out = told_.emplace_back(of);
    if (whole && says_version && !of.version.empty())
        out.header.emplace_back("Lethe-Session-Version", of.version);
    if (to.asks) out.status = 200;
    if (whole) return out;
    std::erase_if(out.header, [](const auto& line) {
        return line.first.starts_with("Lethe-Session") || line.first == "X-Changes";
    });
    out.header.emplace_back("X-Changes", "0");
    return out;
}

const execution& shop::refuse(const arrival& what, int status) {
    time_.note("service.refuses", {{"delivery", what.delivery}, {"status", std::uint64_t(status)}});
    execution& out = told_.emplace_back();
    out.request = what.request;
    out.status = status;
    out.header.emplace_back("X-Refusal", std::to_string(status));
    return out;
}

const execution* shop::find(std::uint64_t number) const {
    if (number == 0 || number > done_.size()) return nullptr;
    return &done_[number - 1];
}

void shop::answer(execution& out, dice& d) const {
    const std::uint64_t mood = calm_ ? 0 : d.below(100);
    out.status = 200;
    if (mood >= 84) {
        static constexpr int others[] = {404, 500, 502, 503, 504, 429, 401};
        out.status = d.one_of(others);
        if (out.status == 503 && d.chance(500)) out.header.emplace_back("Retry-After", "1");
        static constexpr std::string_view words[] = {"store", "release", "unknown"};
        if (d.chance(200)) out.header.emplace_back("Lethe-Idempotency", d.one_of(words));
        // Most failures change nothing.
        if (!d.chance(300)) return;
    }
    // Who knows keys contradicts itself in no answer.
    if (!remembers_ || is_effect(out)) change_session(out, d);
}

void shop::change_session(execution& out, dice& d) const {
    const std::string mark = "e" + std::to_string(out.number);
    const std::string ops = R"([{"op":"append","path":"/cart/log","value":")" + mark +
                            R"("},{"op":"inc","path":"/cart/count","by":1}])";
    static constexpr std::string_view bases[] = {"slots", "slots", "slots", "version", "any"};
    switch (out.request->what) {
        case deed::read:
        case deed::order: return;
        case deed::add: add_patch(out, ops, "ops"); return;
        case deed::login:
            add_patch(out, ops, "ops");
            out.header.emplace_back(
                "Lethe-Session-Op",
                "bind;subject=\"u" + std::to_string(out.request->client) + "\"");
            return;
        case deed::rotate:
            add_patch(out, ops, "ops");
            out.header.emplace_back("Lethe-Session-Op", "regenerate");
            return;
        case deed::step:
            add_patch(out, R"({"wizard":{"step":")" + mark + R"("}})", "merge");
            out.header.emplace_back("Lethe-Session-If", d.one_of(bases));
            return;
        case deed::replace:
            add_patch(out, R"([{"op":"add","path":"/wizard","value":{"step":")" + mark + R"("}}])",
                      "json-patch");
            out.header.emplace_back("Lethe-Session-If", d.one_of(bases));
            return;
        case deed::logout:
            out.header.emplace_back("Lethe-Session-Op", "destroy");
            out.changes_session = true;
            return;
    }
}

}  // namespace lethe::simulation
