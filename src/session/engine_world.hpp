// For tests of the engine: a store in memory, with and without transactions, and short ways to ask.
#pragma once

#include "session/engine.hpp"
#include "session/rules.hpp"
#include "session/scripted_store.hpp"
#include "support/run.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

namespace lethe::session::testing {

inline constexpr steady_time forever = steady_time::max();

struct SessionEngine : ::testing::TestWithParam<bool> {
    manual_clock time;
    std::unique_ptr<random_source> random = make_seeded_random(7);
    std::shared_ptr<scripted_store::shared_records> records =
        std::make_shared<scripted_store::shared_records>(time);
    scripted_store store{records, GetParam()};
    engine sessions{store, time, *random, settings{}};

    static change edit(patch_type type, std::string_view json) {
        change out;
        result<patch> parsed = patch::parse(type, json, 8192);
        EXPECT_TRUE(parsed.has_value()) << json;
        out.edit = std::move(*parsed);
        out.writable = {"cart", "wizard", "user"};
        out.readable = {"secret"};
        return out;
    }
    static change merge(std::string_view json) { return edit(patch_type::merge, json); }
    static change ops(std::string_view json) { return edit(patch_type::ops, json); }

    std::optional<view> load(const ticket& shown) {
        result<std::optional<view>> found = test::run(sessions.load(shown, forever));
        EXPECT_TRUE(found.has_value());
        return found.has_value() ? std::move(*found) : std::nullopt;
    }
    result<committed> commit(std::optional<view> seen, change wanted) {
        if (wanted.base_version == 0 && seen) wanted.base_version = seen->data().version;
        return test::run(sessions.commit(std::move(seen), std::move(wanted), forever));
    }
    // A session with a cart of one.
    ticket make_cart() {
        const result<committed> made = commit(std::nullopt, merge(R"({"cart":{"count":1}})"));
        EXPECT_TRUE(made.has_value());
        EXPECT_EQ(made->what, effect::created);
        return *made->hand_out;
    }
    std::string slots(const ticket& shown) {
        const std::optional<view> found = load(shown);
        return found ? detail::slots_json(found->data(), {"cart", "wizard", "user", "secret"})
                     : "none";
    }
    system_time expiry(const ticket& of) { return records->live.at(of.record_key()).expires; }
};

inline error_code code(errc e) {
    return make_error_code(e);
}

}  // namespace lethe::session::testing
