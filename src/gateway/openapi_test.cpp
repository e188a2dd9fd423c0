#include "gateway/openapi.hpp"

#include "base/json.hpp"
#include "gateway/config/load.hpp"
#include "support/source_tree.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <sstream>

namespace lethe::gateway {
namespace {

namespace bj = boost::json;

constexpr const char* file =
    "listen: [{address: \"127.0.0.1:8080\"}]\n"
    "store: sqlite:lethe.db\n"
    "upstreams: [{name: shop, replicas: [\"http://127.0.0.1:9001\"]}]\n"
    "routes:\n"
    "  - match: {path: /orders, methods: [GET, POST]}\n"
    "    idempotency: {mode: required, scope: public, ttl: 2h}\n"
    "    upstream: shop\n"
    "  - match: {prefix: /api}\n"
    "    idempotency: {scope: public, methods: [PUT], format: uuid}\n"
    "    upstream: shop\n"
    "  - match: {prefix: /}\n"
    "    upstream: shop\n";

bj::object document() {
    std::vector<config::mistake> mistakes;
    const auto loaded = config::parse_config(file, {}, mistakes);
    EXPECT_TRUE(loaded.has_value()) << to_text(mistakes);
    return json::parse_object(to_openapi(*loaded)).value();
}

TEST(Openapi, EachOperationThatTakesAKeySaysSo) {
    const bj::object all = document();
    const bj::object& paths = all.at("paths").as_object();
    ASSERT_EQ(paths.size(), 2U);
    const bj::object& orders = paths.at("/orders").as_object();
    EXPECT_EQ(orders.size(), 1U) << "GET takes no key";
    const bj::object& key = orders.at("post").at("parameters").at(0).as_object();
    EXPECT_EQ(key.at("name"), "Idempotency-Key");
    EXPECT_EQ(key.at("required"), true);
    EXPECT_NE(key.at("description").as_string().find("7200 s"), std::string::npos);
    const bj::object& api = paths.at("/api").as_object();
    EXPECT_EQ(api.at("x-lethe-match"), "prefix");
    EXPECT_TRUE(api.contains("post") && api.contains("patch") && api.contains("put"));
    EXPECT_FALSE(api.contains("delete"));
    EXPECT_EQ(api.at("put").at("parameters").at(0).at("schema").at("format"), "uuid");
}

TEST(Openapi, EveryReferenceLeadsSomewhereAndEveryProblemIsThere) {
    const bj::object all = document();
    const std::string text = json::to_text(all);
    const std::regex reference("\"#(/[^\"]*)\"");
    int found = 0;
    for (std::sregex_iterator at(text.begin(), text.end(), reference), end; at != end; ++at) {
        bj::error_code bad;
        EXPECT_NE(bj::value(all).find_pointer((*at)[1].str(), bad), nullptr) << (*at)[1];
        ++found;
    }
    EXPECT_GT(found, 20);
    std::stringstream source;
    source << std::ifstream(lethe::test::source_tree() / "src/idempotency/problems.hpp").rdbuf();
    const std::string problems = source.str();
    const std::regex slug("problem_type [a-z_]+\\{\\s*\"([a-z-]+)\"");
    int slugs = 0;
    for (std::sregex_iterator at(problems.begin(), problems.end(), slug), end; at != end; ++at) {
        EXPECT_NE(text.find("urn:lethe:problem:" + (*at)[1].str()), std::string::npos) << (*at)[1];
        ++slugs;
    }
    EXPECT_EQ(slugs, 11);
}

}  // namespace
}  // namespace lethe::gateway
