// What can be told of records without opening a secret.
#include "gateway/tools/records.hpp"

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "idempotency/record.hpp"
#include "session/record.hpp"

#include <gtest/gtest.h>

namespace lethe::gateway::tools {
namespace {

TEST(Records, KindsAreToldByTheirPrefix) {
    EXPECT_EQ(kind_of("s:abc"), "session");
    EXPECT_EQ(kind_of("i:abc"), "idempotency");
    EXPECT_EQ(kind_of("t:abc"), "idempotency_tombstone");
    EXPECT_EQ(kind_of("lethe:clock:1"), "other");
    EXPECT_EQ(kind_of(""), "other");
}

TEST(Records, AKeyIsShownAsItCanBeTyped) {
    const std::string hash = sha256("a");
    for (const std::string& key :
         {"s:" + hash, "i:" + hash, "t:" + hash, std::string("plain-text"), std::string("a b"),
          std::string("\0\xff", 2), std::string("0xabc"), "x:" + hash, "s:" + hash + "more",
          std::string("s:short")}) {
        const std::string shown = shown_key(key);
        for (const char c : shown) EXPECT_TRUE(c > 0x20 && c < 0x7f) << shown;
        EXPECT_EQ(parse_key(shown), key) << shown;
    }
    EXPECT_EQ(shown_key("s:" + hash), "s:" + to_hex(hash));
    EXPECT_EQ(shown_key("plain-text"), "plain-text");
    EXPECT_EQ(shown_key(std::string("\0\xff", 2)), "0x00ff");
    for (const char* wrong : {"", "0x", "0xg0", "0x123"}) EXPECT_FALSE(parse_key(wrong)) << wrong;
}

TEST(Records, AnOutcomeTellsItsStateAndNeitherFieldsNorBody) {
    idempotency::key_record record;
    record.epoch = 7;
    record.nonce = std::string(idempotency::nonce_bytes, 'n');
    record.execution = std::string(idempotency::nonce_bytes, 'e');
    record.fingerprint = std::string(idempotency::fingerprint_bytes, 'f');
    record.created = system_time{std::chrono::milliseconds{1'700'000'000'000}};
    record.lease_until = record.created + std::chrono::seconds{30};
    record.expires = record.created + std::chrono::hours{24};
    boost::json::object seen = decoded_value("i:k", encode_record(record));
    EXPECT_EQ(seen.at("state"), "claimed");
    EXPECT_EQ(seen.at("epoch"), 7);
    EXPECT_EQ(seen.at("created"), "2023-11-14T22:13:20Z");
    EXPECT_FALSE(seen.contains("outcome"));

    record.state = idempotency::record_state::done;
    record.result = idempotency::outcome{
        201, record.created, "", {{"X-Token", "sesame"}}, std::string("confidential")};
    seen = decoded_value("i:k", encode_record(record));
    const boost::json::object& outcome = seen.at("outcome").as_object();
    EXPECT_EQ(outcome.at("status"), 201);
    EXPECT_EQ(outcome.at("fields"), boost::json::array{"X-Token"});
    EXPECT_EQ(outcome.at("body_bytes"), 12);
    const std::string text = json::to_text(seen);
    EXPECT_EQ(text.find("sesame"), std::string::npos);
    EXPECT_EQ(text.find("confidential"), std::string::npos);
    EXPECT_EQ(decoded_value("i:k", "junk"), (boost::json::object{{"damaged", true}}));
}

TEST(Records, ASessionTellsItsKindAlone) {
    const auto random = make_seeded_random(1);
    const session::ticket holder = session::ticket::make(*random);
    session::opened_record content;
    content.data.identity = std::string(16, 'i');
    content.data.slots.push_back({"cart", 1, "\"tea\""});
    EXPECT_EQ(decoded_value("s:k", seal(content, holder, *random)),
              (boost::json::object{{"record", "session"}, {"sealed", true}}));
    content.kind = session::record_kind::tombstone;
    EXPECT_EQ(decoded_value("s:k", seal(content, holder, *random)),
              (boost::json::object{{"record", "ended"}, {"sealed", false}}));
    for (const char* junk : {"", "LS", "LS\x01\x09", "junk junk"})
        EXPECT_EQ(decoded_value("s:k", junk), (boost::json::object{{"damaged", true}}));
    EXPECT_TRUE(decoded_value("t:k", "1").empty());
    EXPECT_TRUE(decoded_value("other", "secret").empty());
}

}  // namespace
}  // namespace lethe::gateway::tools
