// What the store keeps opens for its holder alone, and only as it was written.
#include "session/record.hpp"

#include "base/bytes.hpp"

#include <gtest/gtest.h>

#include <string>

namespace lethe::session {
namespace {

struct SessionRecord : testing::Test {
    std::unique_ptr<random_source> random = make_secure_random();
    ticket holder = ticket::make(*random);

    opened_record cart() {
        opened_record out;
        out.data.identity = random->bytes(id_bytes);
        out.data.earlier = {random->bytes(id_bytes), random->bytes(id_bytes)};
        out.data.version = 17;
        out.data.created = system_time{std::chrono::milliseconds{1'700'000'000'123}};
        out.data.written = out.data.created + std::chrono::hours{1};
        out.data.absolute_expiry = out.data.created + std::chrono::hours{24};
        out.data.idle_ttl = std::chrono::minutes{30};
        out.data.subject = "u42";
        out.data.slots = {{"cart", 17, R"({"items":["sku-1"]})"}, {"gone", 3, ""}};
        out.data.operations = {{{'a', 'b'}, 1'700'000'000}, {{'c'}, 1'700'000'100}};
        out.data.writes = {1, UINT64_MAX, 3};
        return out;
    }
};

TEST_F(SessionRecord, ComesBackAsItWasSealed) {
    opened_record out = cart();
    const result<opened_record> session = open(seal(out, holder, *random), holder);
    ASSERT_TRUE(session.has_value());
    EXPECT_EQ(session->kind, record_kind::session);
    EXPECT_EQ(session->data, out.data);

    out.kind = record_kind::superseded;
    out.valid_until = out.data.written;
    out.made_by = 77;
    const result<opened_record> alias = open(seal(out, holder, *random), holder);
    ASSERT_TRUE(alias.has_value());
    EXPECT_EQ(alias->kind, record_kind::superseded);
    EXPECT_EQ(alias->data, out.data);
    EXPECT_EQ(alias->valid_until, out.valid_until);
    EXPECT_EQ(alias->made_by, 77U);

    out.kind = record_kind::rotated;
    out.target = std::string(ticket::make(*random).to_bytes());
    const result<opened_record> rotated = open(seal(out, holder, *random), holder);
    ASSERT_TRUE(rotated.has_value());
    EXPECT_EQ(rotated->target, out.target);
}

// Spec, model: "A store dump alone opens nothing in ticket mode."
TEST_F(SessionRecord, ADumpOfTheStoreOpensNothing) {
    const std::string sealed = seal(cart(), holder, *random);
    EXPECT_EQ(sealed.find("sku-1"), std::string::npos);
    EXPECT_EQ(sealed.find("u42"), std::string::npos);
    const ticket other = ticket::make(*random);
    EXPECT_EQ(open(sealed, other).error(), make_error_code(errc::not_opened));
    // The right id with another secret: who guessed a record's id.
    const std::string mixed = std::string(holder.to_bytes().substr(0, id_bytes)) +
                              std::string(other.to_bytes().substr(id_bytes));
    EXPECT_EQ(open(sealed, *ticket::from_bytes(mixed)).error(), make_error_code(errc::not_opened));
}

// Spec, model: "Key = SHA-256(cookie id)".
TEST_F(SessionRecord, IsFoundByTheHashOfTheId) {
    EXPECT_EQ(holder.record_key(), "s:" + sha256(holder.to_bytes().substr(0, 16)));
}

TEST_F(SessionRecord, EveryChangedByteIsNoticed) {
    const std::string sealed = seal(cart(), holder, *random);
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        std::string damaged = sealed;
        damaged[i] = static_cast<char>(damaged[i] ^ 1);
        const result<opened_record> opened = open(damaged, holder);
        // The kind's byte may say "tombstone", which anyone may write who can write to the store.
        if (opened.has_value()) EXPECT_EQ(opened->kind, record_kind::tombstone) << "byte " << i;
    }
    for (std::size_t size = 0; size < sealed.size(); ++size)
        EXPECT_TRUE(open(sealed.substr(0, size), holder).has_error()) << size;
}

TEST_F(SessionRecord, OfAnotherFormatIsCorruptAndNotTakenForNone) {
    std::string sealed = seal(cart(), holder, *random);
    sealed[2] = 9;
    EXPECT_EQ(open(sealed, holder).error(), make_error_code(errc::corrupt));
    EXPECT_EQ(open("{}", holder).error(), make_error_code(errc::corrupt));
}

TEST_F(SessionRecord, HasOneEncoding) {
    state data = cart().data;
    const std::string written = encode_state(data);
    ASSERT_EQ(written.back(), 3);
    EXPECT_EQ(*decode_state(written), data);
    std::string longer = written;
    longer.back() = static_cast<char>(0x83);
    EXPECT_TRUE(decode_state(longer + '\0').has_error()) << "the same number in two bytes";
    data.writes = {UINT64_MAX};
    std::string more = encode_state(data);
    ASSERT_EQ(more.back(), 1);
    EXPECT_EQ(*decode_state(more), data);
    more.back() = 2;
    EXPECT_TRUE(decode_state(more).has_error()) << "more than 64 bits";
    data.idle_ttl = std::chrono::seconds{-1};
    EXPECT_TRUE(decode_state(encode_state(data)).has_error()) << "more than 63 bits";
}

TEST_F(SessionRecord, IsNeverSealedTheSameWayTwice) {
    const opened_record content = cart();
    EXPECT_NE(seal(content, holder, *random), seal(content, holder, *random));
}

TEST_F(SessionRecord, TicketsComeFromTheirCookieAndFromNothingElse) {
    const std::string value = holder.to_cookie_value();
    const std::optional<ticket> parsed = ticket::parse(value);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->to_bytes(), holder.to_bytes());
    for (const std::string& wrong :
         {std::string(), value + "A", value.substr(1), value + "=", " " + value.substr(1),
          std::string(value.size(), '!'), std::string(43, '/'), std::string(4000, 'A')})
        EXPECT_FALSE(ticket::parse(wrong)) << wrong;
}

}  // namespace
}  // namespace lethe::session
