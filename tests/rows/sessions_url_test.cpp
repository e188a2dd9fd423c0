// Rows about sessions that the service reads and changes by URL.
#include "rows/session_rows.hpp"

#include <set>

namespace lethe::test {
namespace {

constexpr const char* merge_type = "application/merge-patch+json";
constexpr const char* json_patch_type = "application/json-patch+json";
constexpr const char* ops_type = "application/lethe-ops+json";
constexpr const char* one_more = R"([{"op":"inc","path":"/cart/count"}])";

std::string with_api(std::uint16_t port, const std::string& more = {}) {
    return "session_api: {address: \"127.0.0.1:" + std::to_string(port) + "\"" + more +
           "}\nsessions: {session_bytes_max: 64KiB}\n";
}

// The target of what a service was given: "http://HOST/TARGET".
std::string target_of(const std::string& url) {
    const std::size_t host = url.find("//");
    if (host == std::string::npos) return "";
    const std::size_t at = url.find('/', host + 2);
    return at == std::string::npos ? "" : url.substr(at, url.size() - at - 1);
}

// What a service does with the URL that it was given.
class url_of {
 public:
    url_of(const seen_request& request, std::uint16_t port)
        : target_(target_of(request.field("Lethe-Session-Url"))), api_(port) {}

    http_answer get(const field_list& fields = {}) { return api_.get(target_, fields); }
    http_answer patch(const std::string& type, const std::string& json, field_list fields = {}) {
        fields.emplace_back("Content-Type", type);
        return api_.send({.method = "PATCH", .target = target_, .fields = fields, .body = json});
    }
    [[nodiscard]] const std::string& target() const { return target_; }

 private:
    std::string target_;
    client api_;
};

TEST_P(sessions, Url) {
    const std::uint16_t api = free_ports(1)[0];
    start(cart_route(), with_api(api));
    client user(gateway_->port);
    const auto next = [&](const reply& answer) {
        service_.answer(answer);
        EXPECT_EQ(user.get("/").status, 200);
        return service_.last();
    };
    static_cast<void>(next(merging(R"({"cart":"small"})")));
    const seen_request small = next({});
    EXPECT_EQ(slots_of(small), R"({"cart":"small"})");
    EXPECT_FALSE(small.has("Lethe-Session-Url"));
    const std::string large = R"({"cart":")" + std::string(5000, 'x') + "\"}";
    static_cast<void>(next(merging(large)));
    const seen_request seen = next({});
    EXPECT_FALSE(seen.has("Lethe-Session")) << "above 4 KiB by URL only";
    ASSERT_TRUE(seen.field("Lethe-Session-Url")
                    .starts_with("\"http://127.0.0.1:" + std::to_string(api) + "/"))
        << seen.field("Lethe-Session-Url");
    EXPECT_TRUE(seen.has("Lethe-Session-Id"));
    const std::string tag = "\"" + seen.field("Lethe-Session-Version") + "\"";
    url_of url(seen, api);
    const http_answer shown = url.get();
    EXPECT_EQ(shown.status, 200);
    EXPECT_EQ(shown.body, large);
    EXPECT_EQ(shown.field_or_empty("ETag"), tag);
    EXPECT_EQ(shown.field_or_empty("Cache-Control"), "no-store");
    const http_answer same = url.get({{"If-None-Match", tag}});
    EXPECT_EQ(same.status, 304);
    EXPECT_EQ(same.body, "");
    EXPECT_EQ(url.get({{"If-None-Match", "\"9999\""}}).status, 200);
    EXPECT_EQ(client(gateway_->port).get(url.target()).field_or_empty("ETag"), "")
        << "on its own listener only";
    service_.answer({.fields = {{"Lethe-Session-Op", "destroy"}}});
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_EQ(url.get().status, 410) << "the session has ended";
}

TEST_P(sessions, UrlPatch) {
    const std::uint16_t api = free_ports(1)[0];
    start(with_session("prefix: /", "read: [cart, user], write: [cart], url: always"),
          with_api(api));
    client user(gateway_->port);
    service_.answer(merging(R"({"cart":{"count":1}})"));
    EXPECT_EQ(user.get("/").status, 200);
    // While its request is still unanswered, as a service would.
    service_.answer_by([&](const seen_request& of) {
        url_of url(of, api);
        std::string tag = "\"" + of.field("Lethe-Session-Version") + "\"";
        const auto change = [&](const char* type, const std::string& json) {
            const http_answer changed = url.patch(type, json, {{"If-Match", tag}});
            EXPECT_EQ(changed.status, 204) << type << changed.body;
            EXPECT_NE(changed.field_or_empty("ETag"), tag);
            tag = changed.field_or_empty("ETag");
        };
        change(merge_type, R"({"cart":{"note":"x"}})");
        change(json_patch_type, R"([{"op":"add","path":"/cart/l","value":[1]}])");
        change(ops_type, one_more);
        EXPECT_EQ(url.get().body, R"({"cart":{"count":2,"note":"x","l":[1]}})");
        EXPECT_EQ(url.patch("text/plain", one_more).status, 415);
        EXPECT_EQ(url.patch(ops_type, "{").status, 400);
        EXPECT_EQ(url.patch(merge_type, R"({"user":1})").status, 403);
        EXPECT_EQ(url.patch(merge_type, R"({"cart":")" + std::string(70000, 'x') + "\"}").status,
                  413);
        return reply{};
    });
    EXPECT_EQ(user.get("/").status, 200);
    service_.answer({});
    EXPECT_EQ(user.get("/").status, 200);
    url_of later(service_.last(), api);
    EXPECT_EQ(later.get().body, R"({"cart":{"count":2,"note":"x","l":[1]}})")
        << "the next request sees it";
}

TEST_P(sessions, UrlConflict) {
    const std::uint16_t api = free_ports(1)[0];
    start(with_session("prefix: /", "read: [cart], write: [cart], url: always"), with_api(api));
    client user(gateway_->port);
    service_.answer(adding_one());
    EXPECT_EQ(user.get("/").status, 200);
    service_.answer({});
    EXPECT_EQ(user.get("/").status, 200);
    const seen_request seen = service_.last();
    const std::string tag = "\"" + seen.field("Lethe-Session-Version") + "\"";
    service_.answer(adding_one());
    EXPECT_EQ(user.get("/").status, 200);
    url_of url(seen, api);
    const std::string nine = R"({"cart":{"count":9}})";
    EXPECT_EQ(url.patch(merge_type, nine).status, 409) << "changed since the service saw it";
    EXPECT_EQ(url.patch(merge_type, nine, {{"If-Match", tag}}).status, 412);
    EXPECT_EQ(
        url.patch(ops_type, one_more, {{"If-Match", tag}, {"Lethe-Session-If", "version"}}).status,
        412);
    EXPECT_EQ(url.get().body, R"({"cart":{"count":2}})");
    EXPECT_EQ(url.patch(ops_type, one_more, {{"If-Match", tag}}).status, 204)
        << "operations never conflict";
    const http_answer now = url.get();
    EXPECT_EQ(now.body, R"({"cart":{"count":3}})");
    EXPECT_EQ(url.patch(merge_type, nine, {{"If-Match", now.field_or_empty("ETag")}}).status, 204);
    EXPECT_EQ(url.get().body, nine);
    // With a key of its own it takes effect once.
    const field_list key = {{"Idempotency-Key", "\"order-7/add\""}};
    for (int i = 0; i < 3; ++i) EXPECT_EQ(url.patch(ops_type, one_more, key).status, 204);
    EXPECT_EQ(url.get().body, R"({"cart":{"count":10}})");
}

TEST_P(sessions, UrlForged) {
    const std::uint16_t api = free_ports(1)[0];
    start(with_session("prefix: /", "read: [cart], write: [cart], url: always"), with_api(api));
    client user(gateway_->port);
    service_.answer(adding_one());
    EXPECT_EQ(user.get("/").status, 200);
    service_.answer({});
    EXPECT_EQ(user.get("/").status, 200);
    url_of good(service_.last(), api);
    EXPECT_EQ(good.get().status, 200);
    const std::string& target = good.target();
    const std::size_t handle = target.rfind('/') + 1;
    std::vector<std::string> forged = {"/", target.substr(0, handle), target.substr(0, handle + 1),
                                       target + "A", target.substr(0, target.size() - 1)};
    for (const std::size_t at : {handle, handle + 1, handle + 80, target.size() - 2}) {
        std::string one = target;
        one[at] = one[at] == 'A' ? 'B' : 'A';
        forged.push_back(one);
    }
    client stranger(api);
    std::set<std::string> bodies;
    for (const std::string& one : forged) {
        const http_answer refused = stranger.get(one);
        EXPECT_EQ(refused.status, 404) << one.size();
        bodies.insert(refused.body);
        EXPECT_EQ(stranger
                      .send({.method = "PATCH",
                             .target = one,
                             .fields = {{"Content-Type", ops_type}},
                             .body = one_more})
                      .status,
                  404);
    }
    EXPECT_EQ(bodies.size(), 1U) << "one answer for all of them";
    EXPECT_EQ(good.get().body, R"({"cart":{"count":1}})");
    EXPECT_FALSE(contains(gateway_->log(), target.substr(handle, 40)));
}

TEST_P(sessions, UrlOfAnotherGateway) {
    const std::vector<std::uint16_t> apis = free_ports(2);
    const std::string route = with_session("prefix: /", "read: [cart], write: [cart], url: always");
    const std::string keys = ", keys: [a-key-for-handles-of-32-characters]";
    start(route, with_api(apis[0], keys));
    running_gateway other(configuration(route, with_api(apis[1], keys)));
    ASSERT_TRUE(other.start());
    client user(gateway_->port);
    // The first change makes the session, and it is made at the other gateway.
    service_.answer_by([&](const seen_request& of) {
        EXPECT_EQ(url_of(of, apis[1]).patch(ops_type, one_more).status, 204);
        return reply{};
    });
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_TRUE(user.cookies().contains("__Host-lethe"));
    EXPECT_EQ(user.get("/").status, 200);
    const seen_request last = service_.last();
    gateway_->running().kill_now();
    url_of url(last, apis[1]);
    EXPECT_EQ(url.patch(ops_type, one_more).status, 204) << "though the one that gave it is dead";
    service_.answer({});
    user.use_port(other.port);
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_EQ(url_of(service_.last(), apis[1]).get().body, R"({"cart":{"count":3}})");
}

}  // namespace
}  // namespace lethe::test
