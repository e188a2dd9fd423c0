// For tests of the filter: a browser before it, the idempotency filter's part and a service behind
// it.
#pragma once

#include "base/bytes.hpp"
#include "http/problem.hpp"
#include "session/filter.hpp"
#include "session/scripted_store.hpp"
#include "support/run.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lethe::session::testing {

// The service: answers as the test says.
class service final : public http::handler {
 public:
    std::function<void(http::exchange&)> answer = [](http::exchange& x) {
        x.response.status = 200;
    };
    int calls = 0;
    task<> handle(http::exchange& x) override {
        ++calls;
        x.outcome = http::upstream_outcome::answered;
        answer(x);
        co_return result<>{};
    }
};

// What the idempotency filter does for the session filter: names the execution, keeps the answer's
// fields and replays them.
class keeper final : public http::filter {
 public:
    task<> handle(http::exchange& x, http::next rest) override {
        const std::string key(x.request.header.first("Idempotency-Key").value_or(""));
        if (key.empty()) co_return co_await rest(x);
        x.operation_id = "operation " + key;
        outcome& of = kept_[key];
        if (of.epoch != 0 && x.replaces_outcome != of.epoch) {
            x.replaces_outcome = 0;
            x.response.status = 200;
            for (const auto& [name, value] : of.header) x.response.header.add(name, value);
            x.replayed = true;
            if (replaceable) x.outcome_epoch = of.epoch;
            co_return result<>{};
        }
        x.attempt = ++attempts_;
        const result<> done = co_await rest(x);
        if (x.outcome != http::upstream_outcome::answered) co_return done;
        of.header.clear();
        for (const http::field_line& line : x.response.header)
            if (line.id != http::field_id::set_cookie)
                of.header.emplace_back(std::string(line.name), std::string(line.value));
        of.epoch = x.attempt;
        x.replaces_outcome = 0;
        if (replaceable) x.outcome_epoch = of.epoch;
        co_return done;
    }
    bool replaceable = false;

 private:
    struct outcome {
        std::uint64_t epoch = 0;
        std::vector<std::pair<std::string, std::string>> header;
    };
    std::map<std::string, outcome> kept_;
    std::uint64_t attempts_ = 0;
};

struct seen_by_service {
    std::optional<std::string> id, version, slots, cookie, url;
    std::optional<http::session_reference> session;
};

struct answered {
    int status = 0;
    std::string problem;
    std::string body;
    std::vector<std::pair<std::string, std::string>> fields;

    std::optional<std::string> field(std::string_view name) const {
        for (const auto& [n, value] : fields)
            if (equal_ignoring_case(n, name)) return value;
        return std::nullopt;
    }
    bool says_lethe() const {
        return std::any_of(fields.begin(), fields.end(), [](const auto& f) {
            return to_lower(f.first).find("lethe-session") == 0;
        });
    }
};

struct SessionFilter : ::testing::Test {
    manual_clock time;
    std::unique_ptr<random_source> random = make_seeded_random(3);
    std::shared_ptr<scripted_store::shared_records> records =
        std::make_shared<scripted_store::shared_records>(time);
    scripted_store store{records, true};
    settings options;
    std::shared_ptr<const keyring> keys;
    std::unique_ptr<engine> sessions = std::make_unique<engine>(store, time, *random, options);
    lethe::metrics::registry registry;
    metrics counts{registry};
    route_options route{.read = {"cart", "user"}, .write = {"cart"}, .service = "shop"};
    url_source urls;  // without keys: no sessions by URL
    turns* turn_queue = nullptr;
    service upstream;
    seen_by_service seen;
    std::string jar;  // the client's Cookie field
    std::unique_ptr<http::chain> way;
    keeper* outcomes = nullptr;

    SessionFilter() { rebuild(); }

    void rebuild() {
        sessions = std::make_unique<engine>(store, time, *random, options, keys);
        std::vector<std::unique_ptr<http::filter>> filters;
        filters.push_back(std::make_unique<filter>(*sessions, route, counts, urls, turn_queue));
        filters.push_back(std::make_unique<keeper>());
        outcomes = static_cast<keeper*>(filters.back().get());
        filters.push_back(std::make_unique<origin_stamp>());
        way = std::make_unique<http::chain>(std::move(filters), upstream);
    }

    void serve(std::vector<std::pair<std::string, std::string>> fields, int status = 200) {
        upstream.answer = [this, fields, status](http::exchange& x) {
            const auto text = [&x](std::string_view name) {
                const auto value = x.request.header.first(name);
                return value ? std::optional<std::string>(*value) : std::nullopt;
            };
            seen = {text("Lethe-Session-Id"), text("Lethe-Session-Version"), text("Lethe-Session"),
                    text("Cookie"),           text("Lethe-Session-Url"),     x.session};
            x.response.status = status;
            for (const auto& [name, value] : fields) x.response.header.add(name, value);
        };
    }
    static std::pair<std::string, std::string> patch_field(std::string_view json,
                                                           std::string_view type) {
        return {"Lethe-Session-Patch", ":" + to_base64(json) + ":;type=" + std::string(type)};
    }
    void serve_ops(std::string_view json) { serve({patch_field(json, "ops")}); }

    // Keeps the cookie as a browser does.
    answered send(std::vector<std::pair<std::string, std::string>> fields = {},
                  bool keep_cookie = true) {
        arena memory;
        http::exchange x(memory, time);
        x.request.path = "/";
        if (!jar.empty()) x.request.header.add("Cookie", jar);
        for (const auto& [name, value] : fields) x.request.header.add(name, value);
        const result<> done = test::run(way->handle(x));
        EXPECT_TRUE(done.has_value());
        answered out{x.response.status, std::string(x.problem), {}, {}};
        if (x.response_body) out.body = x.response_body->whole().value_or("");
        for (const http::field_line& line : x.response.header)
            out.fields.emplace_back(line.name, line.value);
        EXPECT_FALSE(out.says_lethe());
        if (const auto set = out.field("Set-Cookie"); set && keep_cookie) {
            jar = set->substr(0, set->find(';'));
            if (jar.back() == '=') jar.clear();
        }
        return out;
    }
    std::string slots() {  // as the service sees them
        serve({});
        send();
        if (!seen.slots) return "none";
        const std::string text = *seen.slots;
        return *from_base64(std::string_view(text).substr(1, text.size() - 2));
    }
    void make_cart() {
        serve_ops(R"([{"op":"inc","path":"/cart/count"}])");
        send();
        ASSERT_FALSE(jar.empty());
    }
};

}  // namespace lethe::session::testing
