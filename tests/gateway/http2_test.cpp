// HTTP/2 from outside, by clients that people have: curl, nghttp, h2load, Node.
#include "gateway/running_gateway.hpp"
#include "net/test_tls.hpp"
#include "wire/peers.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <thread>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;
using net::test::authority;
using net::test::identity;

bool contains(const std::string& text, std::string_view what) {
    return text.find(what) != std::string::npos;
}

class GatewayHttp2 : public ::testing::Test {
 protected:
    void start(bool with_tls, const std::string& more = {}) {
        if (with_tls) {
            const identity shown = ours_.sign({});
            net::test::write_certificate(path("shop.pem"), shown.certificate.get());
            net::test::write_key(path("shop.key"), shown.key.get());
            net::test::write_certificate(path("ca.pem"), ours_.certificate());
            gateway_.listener_options =
                ", tls: {certificates: [{file: shop.pem, key_file: shop.key}]}" + more;
        } else {
            gateway_.listener_options = more;
        }
        gateway_.rewrite("upstreams:\n  - {name: app, replicas: [\"http://127.0.0.1:" +
                         std::to_string(origin_.port()) +
                         "\"]}\nroutes: [{match: {prefix: /}, upstream: app}]\n");
        ASSERT_TRUE(gateway_.start());
    }
    [[nodiscard]] std::string path(const std::string& file) const {
        return gateway_.folder.path() / file;
    }
    [[nodiscard]] std::string url(const std::string& scheme, const std::string& at = "/") const {
        return scheme + "://localhost:" + std::to_string(gateway_.port) + at;
    }
    // env, so that it is found where it is.
    static finished_command run(std::vector<std::string> command) {
        command.insert(command.begin(), {"/usr/bin/env", "no_proxy=*"});
        return run_command(command, 60s);
    }
    [[nodiscard]] finished_command curl(std::vector<std::string> more) const {
        std::vector<std::string> command = {"curl",   "--silent", "--show-error",
                                            "--ipv4", "--cacert", path("ca.pem")};
        command.insert(command.end(), more.begin(), more.end());
        return run(std::move(command));
    }

    scripted_origin origin_{echo};
    authority ours_{"ours"};
    running_gateway gateway_{""};
};

TEST_F(GatewayHttp2, CurlAgreesOnItInTls) {
    start(true);
    const finished_command done = curl({"--write-out", "version %{http_version}", "--data", "hello",
                                        "--header", "X-Own: v", url("https", "/a")});
    EXPECT_EQ(done.exit, 0) << done.output;
    EXPECT_TRUE(contains(done.output, "POST /a HTTP/1.1\r\n")) << done.output;
    EXPECT_TRUE(contains(done.output, "Via: 2 lethe\r\n")) << done.output;
    EXPECT_TRUE(contains(done.output, "X-Forwarded-Proto: https\r\n")) << done.output;
    EXPECT_TRUE(contains(done.output, "\r\n\r\nhello")) << done.output;
    EXPECT_TRUE(done.output.ends_with("version 2")) << done.output;
    const finished_command old =
        curl({"--http1.1", "--write-out", "version %{http_version}", url("https")});
    EXPECT_TRUE(old.output.ends_with("version 1.1")) << old.output;
}

TEST_F(GatewayHttp2, AListenerMayBeWithoutIt) {
    start(true, ", http2: false");
    const finished_command done = curl({"--write-out", "version %{http_version}", url("https")});
    EXPECT_TRUE(done.output.ends_with("version 1.1")) << done.output;
}

TEST_F(GatewayHttp2, CurlBeginsWithItWithoutTls) {
    start(false);
    const finished_command done = curl(
        {"--http2-prior-knowledge", "--write-out", "version %{http_version}", url("http", "/b")});
    EXPECT_EQ(done.exit, 0) << done.output;
    EXPECT_TRUE(contains(done.output, "GET /b HTTP/1.1\r\n")) << done.output;
    EXPECT_TRUE(done.output.ends_with("version 2")) << done.output;
}

TEST_F(GatewayHttp2, NghttpGetsManyOverOneConnection) {
    start(true);
    std::vector<std::string> command = {"nghttp", "--no-verify-peer", "--stat", "--null-out"};
    for (int i = 0; i < 50; ++i) command.push_back(url("https", "/" + std::to_string(i)));
    const finished_command done = run(command);
    EXPECT_EQ(done.exit, 0) << done.output;
    std::size_t answered = 0;
    for (std::size_t at = 0; (at = done.output.find(" 200 ", at)) != std::string::npos; ++at)
        ++answered;
    EXPECT_EQ(answered, 50U) << done.output;
}

TEST_F(GatewayHttp2, H2loadIsServedWithoutAFailure) {
    start(true);
    const finished_command done = run(
        {"h2load", "--requests=3000", "--clients=10", "--max-concurrent-streams=20", url("https")});
    EXPECT_EQ(done.exit, 0) << done.output;
    EXPECT_TRUE(contains(done.output, "3000 succeeded, 0 failed, 0 errored, 0 timeout"))
        << done.output;
}

// 64 requests at once with bodies of different sizes; each gets its own back.
TEST_F(GatewayHttp2, NodeSendsAndGetsBodiesSideBySide) {
    start(true);
    std::ofstream(path("client.mjs")) << R"(
import http2 from 'node:http2';
import fs from 'node:fs';
const client = http2.connect(process.argv[2], {ca: fs.readFileSync(process.argv[3])});
client.on('error', (e) => { console.log('failed', e.message); process.exit(1); });
let left = 64, wrong = 0;
for (let i = 0; i < 64; ++i) {
    const body = String.fromCharCode(97 + i % 26).repeat(1 + i * 5000);
    const asked = client.request({':method': 'POST', ':path': '/' + i, 'content-length': body.length});
    let got = '';
    asked.setEncoding('latin1');
    asked.on('data', (d) => { got += d; });
    asked.on('error', (e) => { console.log(i, e.message); ++wrong; });
    asked.on('close', () => {
        if (!got.startsWith('POST /' + i + ' ') || !got.endsWith('\r\n\r\n' + body)) ++wrong;
        if (--left === 0) { console.log('wrong', wrong); client.close(); }
    });
    asked.end(body);
}
)";
    const finished_command done = run({"node", path("client.mjs"), url("https"), path("ca.pem")});
    EXPECT_EQ(done.exit, 0) << done.output;
    EXPECT_EQ(done.output, "wrong 0\n");
}

// A gateway that is told to end under load: what is under way is answered, the rest is told to go
// elsewhere by GOAWAY, which no request is lost by.
TEST_F(GatewayHttp2, SigtermLosesNoRequest) {
    start(false);
    std::ofstream(path("client.mjs")) << R"(
import http2 from 'node:http2';
let failed = 0, served = 0, ended = false;
const client = http2.connect(process.argv[2]);
client.on('goaway', () => { ended = true; });
client.on('close', () => { console.log(served > 0 ? 'served' : 'nothing', 'failed', failed); });
function one() {
    if (ended || client.closed || client.destroyed) { return; }
    const asked = client.request({':path': '/'});
    asked.on('response', (h) => { if (h[':status'] !== 200) ++failed; });
    // What Node itself did not send any more, because it was told, can be sent elsewhere.
    asked.on('error', (e) => { if (!e.message.includes('REFUSED_STREAM')) ++failed; });
    asked.on('end', () => { ++served; if (served === 200) console.log('running'); });
    asked.on('close', one);
    asked.resume();
}
for (let i = 0; i < 20; ++i) one();
)";
    const std::string seen = path("client.log");
    process client(
        {.command = {"/usr/bin/env", "node", path("client.mjs"), url("http")}, .output = seen});
    const auto read = [&seen] {
        std::ifstream in(seen);
        return std::string(std::istreambuf_iterator<char>(in), {});
    };
    const auto by = std::chrono::steady_clock::now() + 20s;
    while (!contains(read(), "running") && std::chrono::steady_clock::now() < by)
        std::this_thread::sleep_for(20ms);
    gateway_.running().send(SIGTERM);
    EXPECT_EQ(gateway_.running().wait(20s), 0);
    ASSERT_EQ(client.wait(20s), 0) << read();
    EXPECT_TRUE(read().ends_with("served failed 0\n")) << read();
}

}  // namespace
}  // namespace lethe::test
