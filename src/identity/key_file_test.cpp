// Key files: whatever is wrong with one, a person is told what and what to do.
#include "identity/key_file.hpp"

#include "identity/issuers.hpp"
#include "support/process.hpp"
#include "token/test_tokens.hpp"

#include <filesystem>
#include <fstream>

namespace lethe::identity {
namespace {

using namespace token::test;
using token::algorithm;

class KeyFile : public ::testing::Test {
 protected:
    std::string write(std::string_view text,
                      std::filesystem::perms mode = std::filesystem::perms{0600}) {
        const std::string path = folder_.path() / "keys.json";
        std::ofstream(path) << text;
        std::filesystem::permissions(path, mode);
        return path;
    }
    std::string problem(std::string_view text) { return read_key_file(write(text)).problem; }

    const test::temporary_folder folder_{"lethe-keys-"};
};

bool says(const std::string& text, std::string_view what) {
    return text.find(what) != std::string::npos;
}

TEST_F(KeyFile, GoodFileHasNeitherProblemNorWarning) {
    const std::string text = json::to_text(make_key(algorithm::es256, "k").to_public_json());
    const key_file file = read_key_file(write(text, std::filesystem::perms{0644}));
    EXPECT_EQ(file.problem, "");
    EXPECT_TRUE(file.warnings.empty());
    ASSERT_TRUE(file.keys);
    EXPECT_EQ(file.keys->keys().size(), 1U);
}

TEST_F(KeyFile, MissingFileSaysHowToMakeOne) {
    const key_file file = read_key_file(folder_.path() / "none.json");
    EXPECT_FALSE(file.keys);
    EXPECT_TRUE(says(file.problem, "none.json"));
    EXPECT_TRUE(says(file.problem, "lethe token key"));
}

TEST_F(KeyFile, WhatIsNoFileIsSaid) {
    EXPECT_TRUE(says(read_key_file(folder_.path()).problem, "is not a file"));
}

TEST_F(KeyFile, BadTextsSayWhatIsWrong) {
    EXPECT_TRUE(says(problem(""), "is empty"));
    EXPECT_TRUE(says(problem("-----BEGIN PUBLIC KEY-----\n"), "PEM"));
    EXPECT_TRUE(says(problem("{\"keys\":"), "not valid JSON"));
    EXPECT_TRUE(says(problem("{}"), "kty"));
    EXPECT_TRUE(says(problem(std::string(300 * 1024, ' ')), "256 KiB"));
    EXPECT_TRUE(says(problem(R"({"keys":[]})"), "no usable key"));
    EXPECT_TRUE(says(problem(to_set_text({make_key(algorithm::es256, "a").to_public_json(),
                                          make_key(algorithm::hs256, "b").to_private_json()})),
                     "of their own"));
}

TEST_F(KeyFile, NoUsableKeySaysWhyForEach) {
    const std::string text =
        problem(to_set_text({{{"kty", "RSA"}, {"kid", "old"}, {"n", "AQAB"}, {"e", "AQAB"}},
                             {{"kty", "EC"}, {"kid", "enc"}, {"use", "enc"}}}));
    EXPECT_TRUE(says(text, "key 1 ('old'): it is too weak")) << text;
    EXPECT_TRUE(says(text, "key 2 ('enc'): its `use`")) << text;
}

TEST_F(KeyFile, SkippedKeysBesideGoodOnesAreWarnings) {
    const key_file file = read_key_file(write(to_set_text(
        {make_key(algorithm::es256, "k").to_public_json(), {{"kty", "future"}, {"kid", "new"}}})));
    EXPECT_EQ(file.problem, "");
    ASSERT_EQ(file.warnings.size(), 1U);
    EXPECT_TRUE(says(file.warnings[0], "'new'"));
}

TEST_F(KeyFile, PrivateKeysAndOpenSecretsAreWarnedOf) {
    const std::string text = json::to_text(make_key(algorithm::es256, "k").to_private_json());
    const key_file closed = read_key_file(write(text));
    ASSERT_EQ(closed.warnings.size(), 1U);
    EXPECT_TRUE(says(closed.warnings[0], "lethe token jwks"));
    const key_file open = read_key_file(write(text, std::filesystem::perms{0644}));
    ASSERT_EQ(open.warnings.size(), 2U);
    EXPECT_TRUE(says(open.warnings[1], "chmod 600"));
    const std::string secret_text =
        json::to_text(make_key(algorithm::hs256, "s").to_private_json());
    EXPECT_TRUE(read_key_file(write(secret_text)).warnings.empty());
    EXPECT_EQ(read_key_file(write(secret_text, std::filesystem::perms{0640})).warnings.size(), 1U);
}

TEST_F(KeyFile, KeysForOtherAlgorithmsThanTheIssuersAreAProblem) {
    issuer_options options;
    options.name = "shop-id";
    options.algorithms = {algorithm::rs256};
    options.keys_file = write(json::to_text(make_key(algorithm::es256, "k").to_public_json()));
    const key_file file = read_issuer_keys(options);
    EXPECT_FALSE(file.keys);
    EXPECT_TRUE(says(file.problem, "'k' is for ES256")) << file.problem;
    options.algorithms = {algorithm::rs256, algorithm::es256};
    EXPECT_TRUE(read_issuer_keys(options).keys);
}

TEST_F(KeyFile, AllIssuersAreLoadedAndAllProblemsSaid) {
    issuer_options good;
    good.name = "good";
    good.algorithms = {algorithm::es256};
    good.keys_file = write(json::to_text(make_key(algorithm::es256, "k").to_public_json()));
    issuer_options bad = good;
    bad.name = "bad";
    bad.keys_file = folder_.path() / "none.json";
    issuer_options worse = bad;
    worse.name = "worse";
    const loaded_issuers all = load_issuers(std::vector<issuer_options>{bad, good, worse});
    ASSERT_EQ(all.issuers.size(), 3U);
    EXPECT_TRUE(all.issuers[1].keys);
    ASSERT_EQ(all.problems.size(), 2U);
    EXPECT_TRUE(says(all.problems[0], "issuer 'bad'"));
    EXPECT_TRUE(says(all.problems[1], "issuer 'worse'"));
}

}  // namespace
}  // namespace lethe::identity
