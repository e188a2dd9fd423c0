// Spec, model: "data sealed (AEAD) … from a rotating keyring".
#include "session/filter_world.hpp"
#include "session/subject.hpp"
#include "support/process.hpp"

#include <sys/stat.h>

#include <cstdio>
#include <fstream>

namespace lethe::session::testing {
namespace {

std::string key_text(char of) {
    return to_base64(std::string(key_bytes, of));
}
key_source key(const std::string& id, char of) {
    return {.id = id, .file = {}, .text = secret(key_text(of))};
}
std::shared_ptr<const keyring> ring_of(const std::vector<key_source>& keys,
                                       const std::vector<std::string>& retired = {}) {
    loaded_keyring loaded = load_keyring(keys, retired);
    EXPECT_EQ(loaded.problem, "");
    EXPECT_TRUE(loaded.ring);
    return loaded.ring;
}

// --- the keys themselves

class SessionKeys : public ::testing::Test {
 protected:
    std::string file(const std::string& name, const std::string& text, mode_t mode = 0600) {
        const std::string path = (folder_.path() / name).string();
        std::ofstream(path) << text;
        EXPECT_EQ(::chmod(path.c_str(), mode), 0);
        return path;
    }
    static std::string problem(std::vector<key_source> keys,
                               std::vector<std::string> retired = {}) {
        const loaded_keyring loaded = load_keyring(keys, retired);
        EXPECT_EQ(loaded.ring == nullptr, !loaded.problem.empty() || keys.empty());
        return loaded.problem;
    }
    static bool says(const std::string& text, std::string_view what) {
        return text.find(what) != std::string::npos;
    }
    const test::temporary_folder folder_{"lethe-keys-"};
};

TEST_F(SessionKeys, AreReadInEveryFormThatToolsMake) {
    const std::string bytes(key_bytes, '\xfb');
    const std::string texts[] = {to_base64(bytes) + "\n", to_base64url(bytes),
                                 to_hex(bytes) + "\r\n"};
    for (const std::string& text : texts)
        EXPECT_EQ(problem({{.id = "k1", .file = file("k1.key", text), .text = {}}}), "") << text;
    EXPECT_EQ(problem({{.id = "k1", .file = file("k1.key", texts[0], 0640), .text = {}}}), "");
    const auto random = make_secure_random();
    const std::string made = make_key_text(*random);
    EXPECT_NE(made, make_key_text(*random));
    EXPECT_EQ(problem({{.id = "k1", .file = {}, .text = secret(made)}}), "");
}

TEST_F(SessionKeys, WhatIsWrongWithAFileIsSaidWithoutItsText) {
    const std::string text = key_text('a');
    const auto of_file = [](const std::string& path) {
        return problem({{.id = "k1", .file = path, .text = {}}});
    };
    EXPECT_TRUE(says(of_file(file("short", "c2hvcnQ=")), "is not a key: 32 bytes"));
    EXPECT_TRUE(says(of_file(file("long", text + text)), "is not a key"));
    EXPECT_TRUE(says(of_file(file("huge", std::string(100'000, 'A'))), "is not a key"));
    EXPECT_TRUE(says(of_file(file("empty", "")), "is not a key"));
    EXPECT_TRUE(says(of_file((folder_.path() / "none").string()), "No such file"));
    EXPECT_TRUE(says(of_file(folder_.path().string()), "is not a file"));
    for (const mode_t mode : {0644U, 0604U, 0620U, 0602U, 0666U})
        EXPECT_TRUE(says(of_file(file("open", text, mode)), "by others: chmod 600")) << mode;
    EXPECT_FALSE(says(of_file(file("short", "c2hvcnQ=")), "c2hvcnQ"));
    EXPECT_FALSE(says(problem({{.id = "k1", .file = {}, .text = secret("c2hvcnQ=")}}), "c2hvcnQ"));
}

TEST_F(SessionKeys, AnIdNamesOneKeyForEver) {
    EXPECT_TRUE(says(problem({key("k1", 'a'), key("k1", 'b')}), "comes twice"));
    EXPECT_TRUE(says(problem({key("k1", 'a')}, {"k1"}), "comes twice"));
    EXPECT_TRUE(says(problem({key("k1", 'a'), key("k2", 'a')}), "same as another"));
    EXPECT_TRUE(says(problem({key("", 'a')}), "is not 1 to 16"));
    EXPECT_TRUE(says(problem({key("k 1", 'a')}), "is not 1 to 16"));
    EXPECT_TRUE(says(problem({key(std::string(17, 'k'), 'a')}), "is not 1 to 16"));
    EXPECT_TRUE(says(problem({{.id = "k1", .file = {}, .text = {}}}), "either a file or its text"));
    EXPECT_EQ(problem({}), "");
}

// --- two gateways on one store

struct SessionKeyring : SessionFilter {
    void use(std::vector<key_source> keys, std::vector<std::string> retired = {},
             encryption_mode mode = encryption_mode::keyring) {
        options.encryption = mode;
        options.keys = keys;
        this->keys = keys.empty() ? nullptr : ring_of(keys, retired);
        rebuild();
    }
    std::string key_id() {
        EXPECT_EQ(records->live.size(), 1U);
        return std::string(read_outline(records->live.begin()->second.value)->key_id);
    }
    void add_one() {
        serve_ops(R"([{"op":"inc","path":"/cart/count"}])");
        EXPECT_EQ(send().status, 200);
    }
};

TEST_F(SessionKeyring, ARecordOpensWithItsKeyAndItsCookieTogether) {
    use({key("k1", 'a')});
    make_cart();
    EXPECT_EQ(key_id(), "k1");
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
    const auto& [name, record] = *records->live.begin();
    EXPECT_EQ(record.value.find("count"), std::string::npos);
    // The keys alone open it: what operators' tools do.
    const auto ring = ring_of({key("k1", 'a')});
    const result<opened_record> opened = open_with_keys(record.value, name, ring.get());
    ASSERT_TRUE(opened.has_value());
    EXPECT_EQ(opened->data.slots.at(0).json, R"({"count":1})");
    EXPECT_TRUE(open_with_keys(record.value, "s:another record's key", ring.get()).has_error());
    EXPECT_TRUE(open_with_keys(record.value, name, ring_of({key("k1", 'b')}).get()).has_error());
    EXPECT_EQ(open_with_keys(record.value, name, nullptr).error(),
              make_error_code(errc::key_missing));
    // The id without the secret does not make a holder, whatever keys the gateway has.
    std::string bytes = from_base64url(jar.substr(13))->substr(0, 32);
    bytes[20] = static_cast<char>(bytes[20] ^ 1);
    jar = "__Host-lethe=" + to_base64url(bytes);
    EXPECT_EQ(slots(), "none");
    EXPECT_EQ(counts.loads_not_opened.value(), 1U);
}

// The steps of docs/sessions.md#changing-keys, each with the gateways before and after it at once.
TEST_F(SessionKeyring, TheKeyChangesWhileTwoGatewaysServe) {
    const key_source old_key = key("k1", 'a');
    const key_source new_key = key("k2", 'b');
    const std::vector<key_source> before = {old_key};
    const std::vector<key_source> both = {old_key, new_key};
    const std::vector<key_source> turned = {new_key, old_key};
    const std::vector<key_source> after = {new_key};
    use(before);
    make_cart();
    int count = 1;
    const auto overlap = [&](const auto& one, const auto& other) {
        for (int i = 0; i < 2; ++i)
            for (const auto& ring : {one, other}) {
                use(ring);
                add_one();
                ++count;
                EXPECT_EQ(key_id(), ring.front().id);
            }
    };
    overlap(before, both);
    overlap(both, turned);
    // Sealed anew by the next write, not before.
    use(both);
    add_one();
    use(turned);
    EXPECT_EQ(slots(), "{\"cart\":{\"count\":" + std::to_string(count + 1) + "}}");
    EXPECT_EQ(key_id(), "k1");
    EXPECT_GT(counts.old_key_reads.value(), 0U);
    add_one();
    EXPECT_EQ(key_id(), "k2");
    overlap(turned, after);
    use(after);
    const auto seen = counts.old_key_reads.value();
    EXPECT_EQ(slots(), "{\"cart\":{\"count\":" + std::to_string(count + 2) + "}}");
    EXPECT_EQ(counts.old_key_reads.value(), seen);
}

// A gateway that has not got the key yet must not take people for strangers.
TEST_F(SessionKeyring, AKeyThatIsNotHereYetIsA503) {
    use({key("k2", 'b')});
    make_cart();
    const std::string cookie = jar;
    use({key("k1", 'a')});
    serve({});
    const answered answer = send();
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.problem, "session-unavailable");
    EXPECT_EQ(counts.loads_key_missing.value(), 1U);
    EXPECT_EQ(upstream.calls, 1);
    EXPECT_EQ(jar, cookie);
    use({key("k1", 'a'), key("k2", 'b')});
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
}

TEST_F(SessionKeyring, WhatARetiredKeySealedIsOver) {
    use({key("k1", 'a')});
    make_cart();
    use({key("k2", 'b')}, {"k1"});
    EXPECT_EQ(slots(), "none");
    EXPECT_EQ(counts.loads_key_retired.value(), 1U);
    const std::string old = jar;
    make_cart();
    EXPECT_NE(jar, old);
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
}

TEST_F(SessionKeyring, EncryptionChangesWhileSessionsLive) {
    make_cart();
    EXPECT_EQ(key_id(), "");
    use({key("k1", 'a')});
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
    add_one();
    EXPECT_EQ(key_id(), "k1");
    use({key("k1", 'a')}, {}, encryption_mode::ticket);
    EXPECT_EQ(slots(), R"({"cart":{"count":2}})");
    add_one();
    EXPECT_EQ(key_id(), "");
    EXPECT_EQ(slots(), R"({"cart":{"count":3}})");
}

TEST_F(SessionKeyring, LoginAndRotationLeaveAliasesThatTheKeysOpen) {
    use({key("k1", 'a')});
    make_cart();
    const std::string old = jar;
    serve({{"Lethe-Session-Op", "regenerate"}});
    send();
    ASSERT_NE(jar, old);
    jar = old;
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
    EXPECT_NE(jar, old);
    for (const auto& [name, record] : records->live)
        EXPECT_EQ(read_outline(record.value)->key_id, "k1");
    use({key("k2", 'b'), key("k1", 'a')});
    jar = old;
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
}

// --- what operators see

TEST_F(SessionKeyring, OperatorsSeeWhatTheKeysOpenAndNothingInTicketMode) {
    const auto shown = [&](const std::vector<key_source>& with) {
        const auto listed = test::run(list_sessions(store, "u42", steady_time::max()));
        EXPECT_EQ(listed->size(), 1U);
        return **test::run(show_session(store, "u42", listed->at(0).id,
                                        with.empty() ? nullptr : ring_of(with),
                                        steady_time::max()));
    };
    use({key("k1", 'a')});
    serve({{"Lethe-Session-Op", "bind;subject=\"u42\""},
           patch_field(R"({"cart":{"count":7}})", "merge")});
    send();
    const shown_session opened = shown({key("k2", 'b'), key("k1", 'a')});
    EXPECT_EQ(opened.key_id, "k1");
    ASSERT_TRUE(opened.data);
    EXPECT_EQ(opened.data->slots.at(0).json, R"({"count":7})");
    EXPECT_FALSE(shown({key("k2", 'b')}).data);
    EXPECT_FALSE(shown({}).data);
    use({key("k1", 'a')}, {}, encryption_mode::ticket);
    add_one();
    EXPECT_EQ(shown({key("k1", 'a')}).key_id, "");
    EXPECT_FALSE(shown({key("k1", 'a')}).data);
}

}  // namespace
}  // namespace lethe::session::testing
