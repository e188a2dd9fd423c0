// `lethe token` from its arguments to what it prints and ends with.
#include "cli/token_command.hpp"

#include "base/json.hpp"
#include "cli/test_run.hpp"
#include "support/process.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace lethe::cli {
namespace {

using testing::outcome;

outcome run(std::vector<std::string> arguments) {
    return testing::run_with(add_token_command, std::move(arguments));
}

bool says(const std::string& text, std::string_view what) {
    return text.find(what) != std::string::npos;
}

class TokenCommand : public ::testing::Test {
 protected:
    std::string path(const char* name) const { return folder_.path() / name; }
    void write(const char* name, const std::string& text) const {
        std::ofstream(path(name)) << text;
    }
    std::string read(const char* name) const {
        std::ifstream file(path(name));
        return {std::istreambuf_iterator<char>(file), {}};
    }
    // A key in key.json, its public part in jwks.json; answers a token without its line end.
    std::string sign(const std::vector<std::string>& more = {}) {
        EXPECT_EQ(run({"token", "key", "--out", path("key.json")}).exit_code, 0);
        write("jwks.json", run({"token", "jwks", path("key.json")}).out);
        return sign_again(more);
    }
    std::string sign_again(const std::vector<std::string>& more) {
        std::vector<std::string> all = {
            "token", "sign", "--key", path("key.json"), "--iss", "https://id.example",
            "--aud", "shop", "--sub", "alice"};
        all.insert(all.end(), more.begin(), more.end());
        outcome made = run(all);
        EXPECT_EQ(made.exit_code, 0) << made.err;
        made.out.pop_back();
        return made.out;
    }
    outcome verify(const std::string& token, std::vector<std::string> more = {}) {
        std::vector<std::string> all = {"token",           "verify", "--keys",
                                        path("jwks.json"), "--iss",  "https://id.example",
                                        "--aud",           "shop",   token};
        all.insert(all.end(), more.begin(), more.end());
        return run(all);
    }

    const test::temporary_folder folder_{"lethe-token-"};
};

TEST_F(TokenCommand, FromNothingToAVerifiedToken) {
    const std::string token =
        sign({"--claim", "scope=cart orders", "--claim-json", "roles=[\"customer\"]"});
    const outcome human = verify(token);
    EXPECT_EQ(human.exit_code, 0) << human.err;
    EXPECT_TRUE(says(human.out, "valid\n"));
    EXPECT_TRUE(says(human.out, "\"alice\""));
    const outcome machine = verify(token, {"--json"});
    const auto answer = json::parse_object(machine.out.substr(0, machine.out.size() - 1)).value();
    EXPECT_EQ(answer.at("valid"), true);
    EXPECT_EQ(answer.at("claims").as_object().at("scope"), "cart orders");
    EXPECT_EQ(answer.at("claims").as_object().at("roles"), boost::json::array{"customer"});
}

TEST_F(TokenCommand, EveryAlgorithmHasKeys) {
    for (const char* name :
         {"ES256", "EdDSA", "Ed25519", "RS256", "PS256", "HS256", "ES384", "ES512", "HS512"}) {
        const outcome made = run({"token", "key", "--alg", name, "--kid", "mine"});
        EXPECT_EQ(made.exit_code, 0) << made.err;
        EXPECT_TRUE(says(made.out, "\"kid\":\"mine\"")) << made.out;
    }
    for (const char* name : {"none", "es256", "RSA"}) {
        const outcome refused = run({"token", "key", "--alg", name});
        EXPECT_EQ(refused.exit_code, 2);
        EXPECT_TRUE(says(refused.err, "choose ES256"));
    }
    EXPECT_EQ(run({"token", "key", "--alg", "RS256", "--bits", "1024"}).exit_code, 2);
}

TEST_F(TokenCommand, KeyFilesAreForTheirOwnerAndNeverOverwritten) {
    EXPECT_EQ(run({"token", "key", "--out", path("key.json")}).exit_code, 0);
    using std::filesystem::perms;
    EXPECT_EQ(std::filesystem::status(path("key.json")).permissions(),
              perms::owner_read | perms::owner_write);
    const std::string before = read("key.json");
    const outcome again = run({"token", "key", "--out", path("key.json")});
    EXPECT_EQ(again.exit_code, 1);
    EXPECT_TRUE(says(again.err, "exists already"));
    EXPECT_EQ(read("key.json"), before);
    EXPECT_EQ(run({"token", "key", "--out", path("none/key.json")}).exit_code, 1);
}

TEST_F(TokenCommand, PublicPartIsPrintedOnlyWhenThePrivateOneIsKept) {
    EXPECT_EQ(run({"token", "key", "--public"}).exit_code, 2);
    EXPECT_EQ(
        run({"token", "key", "--public", "--alg", "HS256", "--out", path("s.json")}).exit_code, 2);
    EXPECT_FALSE(std::filesystem::exists(path("s.json")));
    const outcome made = run({"token", "key", "--public", "--out", path("key.json")});
    EXPECT_EQ(made.exit_code, 0);
    EXPECT_FALSE(says(made.out, "\"d\":"));
    EXPECT_TRUE(says(read("key.json"), "\"d\":"));
}

TEST_F(TokenCommand, JwksTakesTogetherWhatIsPublic) {
    run({"token", "key", "--out", path("a.json"), "--kid", "a"});
    run({"token", "key", "--out", path("b.json"), "--kid", "b", "--alg", "EdDSA"});
    run({"token", "key", "--out", path("s.json"), "--alg", "HS256"});
    const outcome both = run({"token", "jwks", path("a.json"), path("b.json")});
    EXPECT_EQ(both.exit_code, 0);
    EXPECT_EQ(json::parse_object(both.out.substr(0, both.out.size() - 1))
                  .value()
                  .at("keys")
                  .as_array()
                  .size(),
              2U);
    EXPECT_FALSE(says(both.out, "\"d\":"));
    EXPECT_EQ(run({"token", "jwks", path("a.json"), path("a.json")}).exit_code, 1);
    const outcome secret = run({"token", "jwks", path("s.json")});
    EXPECT_EQ(secret.exit_code, 1);
    EXPECT_EQ(secret.out, "");
    EXPECT_EQ(run({"token", "jwks", path("none.json")}).exit_code, 1);
    EXPECT_EQ(run({"token", "jwks"}).exit_code, 2);
}

TEST_F(TokenCommand, BadTokensEndWithOneAndTheReason) {
    const std::string token = sign({"--ttl", "-1h"});
    const outcome expired = verify(token);
    EXPECT_EQ(expired.exit_code, 1);
    EXPECT_TRUE(says(expired.err, "expired"));
    EXPECT_EQ(expired.out, "");
    const outcome machine = verify(token, {"--json"});
    EXPECT_EQ(machine.exit_code, 1);
    EXPECT_TRUE(says(machine.out, "\"reason\":\"expired\""));
    EXPECT_EQ(verify("junk").exit_code, 1);
    EXPECT_EQ(verify("").exit_code, 1);
}

TEST_F(TokenCommand, WrongUsageEndsWithTwo) {
    const std::string token = sign();
    EXPECT_EQ(run({"token"}).exit_code, 2);
    EXPECT_EQ(run({"token", "sign"}).exit_code, 2);
    EXPECT_EQ(run({"token", "verify", "--keys", path("jwks.json"), "--iss", "x", token}).exit_code,
              2);
    EXPECT_EQ(verify(token, {"--any-audience"}).exit_code, 2);
    EXPECT_EQ(verify(token, {"--typ", "x"}).exit_code, 2);
    EXPECT_EQ(verify(token, {"--skew", "301s"}).exit_code, 2);
    EXPECT_EQ(verify(token, {"--alg", "none"}).exit_code, 2);
    for (const char* ttl : {"", "x", "1y", "1h30m", "99999999999999999999", "9999999999d"})
        EXPECT_EQ(run({"token", "sign", "--key", path("key.json"), "--ttl", ttl}).exit_code, 2)
            << ttl;
    for (const char* claim : {"x", "=x", ""})
        EXPECT_EQ(run({"token", "sign", "--key", path("key.json"), "--claim", claim}).exit_code, 2)
            << claim;
    EXPECT_EQ(run({"token", "sign", "--key", path("key.json"), "--claim-json", "a=b"}).exit_code,
              2);
}

TEST_F(TokenCommand, VerifyHoldsWhatItWasAskedFor) {
    const std::string token = sign();
    EXPECT_EQ(run({"token", "verify", "--keys", path("jwks.json"), "--iss", "https://id.example",
                   "--any-audience", token})
                  .exit_code,
              0);
    EXPECT_TRUE(says(run({"token", "verify", "--keys", path("jwks.json"), "--iss", "https://other",
                          "--aud", "shop", token})
                         .err,
                     "unknown_issuer"));
    EXPECT_TRUE(says(verify(token, {"--alg", "RS256"}).err, "algorithm_not_allowed"));
    EXPECT_TRUE(says(verify(token, {"--typ", "at+jwt"}).err, "wrong_type"));
    EXPECT_EQ(
        verify(sign_again({"--typ", "at+jwt", "--claim", "client_id=app"}), {"--typ", "at+jwt"})
            .exit_code,
        0);
}

TEST_F(TokenCommand, SignSaysWhatLetheWouldRefuseAndWhatCannotSign) {
    sign();
    EXPECT_TRUE(says(run({"token", "sign", "--key", path("key.json")}).err, "without --sub"));
    const outcome cannot = run({"token", "sign", "--key", path("jwks.json")});
    EXPECT_EQ(cannot.exit_code, 1);
    EXPECT_TRUE(says(cannot.err, "only public keys"));
    EXPECT_EQ(run({"token", "sign", "--key", path("none.json")}).exit_code, 1);
}

TEST_F(TokenCommand, InspectSaysThatNothingIsVerified) {
    const std::string token = sign({"--ttl=-2h"});
    const outcome human = run({"token", "inspect", token});
    EXPECT_EQ(human.exit_code, 0);
    EXPECT_TRUE(says(human.out, "NOT VERIFIED"));
    EXPECT_TRUE(says(human.out, "it has expired"));
    EXPECT_TRUE(says(human.out, "2 hours ago"));
    const outcome machine = run({"token", "inspect", "--json", "Bearer " + token});
    EXPECT_TRUE(says(machine.out, "\"verified\":false"));
    EXPECT_EQ(run({"token", "inspect", "junk"}).exit_code, 1);
}

// What a stranger wrote into a token must not reach the terminal as commands.
TEST_F(TokenCommand, InspectPrintsNoControlBytes) {
    const std::string token =
        sign({"--claim-json", R"(note="\u001b[2J\u007f\u009b2J\n")", "--claim-json", R"(x="é")"});
    for (const char* last : {"inspect", "verify"}) {
        const outcome got =
            std::string_view(last) == "inspect" ? run({"token", "inspect", token}) : verify(token);
        EXPECT_TRUE(says(got.out, R"(\u001b[2J\u007f\u009b2J\n)")) << got.out;
        EXPECT_TRUE(says(got.out, "é"));
        for (const char c : got.out)
            EXPECT_TRUE(c == '\n' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f));
    }
}

TEST_F(TokenCommand, HelpHasExamples) {
    for (const char* name : {"key", "jwks", "sign", "verify", "inspect"}) {
        const outcome got = run({"token", name, "--help"});
        EXPECT_EQ(got.exit_code, 0);
        EXPECT_TRUE(says(got.out, std::string("lethe token ") + name)) << got.out;
    }
}

}  // namespace
}  // namespace lethe::cli
