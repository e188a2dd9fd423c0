// The pipeline over TLS, whose writes stop and go on in records.
#include "net/test_tls.hpp"
#include "net/tls.hpp"
#include "store/pipeline.hpp"
#include "store/test_peer.hpp"
#include "support/process.hpp"

#include <gtest/gtest.h>

namespace lethe::store {
namespace {

using namespace std::chrono_literals;

class PipelineOverTls : public ::testing::Test {
 public:
    PipelineOverTls() {
        abort_on_bug(true);
        net::test::write_certificate(folder_.path() / "ca.pem", trusted_.certificate());
    }
    void use(const net::address& server) {
        std::string why;
        const result<net::tls_client> made =
            net::make_tls_client({.ca_file = folder_.path() / "ca.pem"}, why);
        ASSERT_TRUE(made.has_value()) << why;
        pipeline_options options;
        options.server = server;
        options.connect = [client = *made](net::worker& on, net::address to, steady_time deadline) {
            return net::connect_tls(on, std::move(to), client, deadline);
        };
        options.make_cutter = [] { return std::make_unique<test::line_cutter>(); };
        made_ = std::make_unique<pipeline>(worker_, std::move(options));
    }
    static task<> ask(PipelineOverTls& self, std::string request, error_code* failed = nullptr) {
        ++self.asking_;
        const std::string expected = failed == nullptr ? request : std::string();
        const result<std::string> got =
            co_await self.made_->ask(std::move(request), 1, self.worker_.time().steady_now() + 60s);
        if (failed != nullptr)
            *failed = got.error();
        else
            EXPECT_TRUE(got.has_value() && *got == expected) << expected.size();
        if (--self.asking_ == 0) self.made_->close();
        co_return result<>{};
    }

    const lethe::test::temporary_folder folder_{"lethe-tls-"};
    net::test::authority trusted_{"trusted"};
    net::worker worker_;
    std::unique_ptr<pipeline> made_;
    int asking_ = 0;
};

TEST_F(PipelineOverTls, RequestsOfAllSizesPassWholeAndInOrder) {
    net::test::tls_server far(trusted_.sign(), [](net::test::tls_peer& client) {
        while (true) {
            const std::string bytes = client.read();
            if (bytes.empty() || !client.send(bytes)) return;
        }
    });
    far.receive_at_most(16384);
    use(far.at("localhost"));
    for (int i = 0; i < 200; ++i) {
        const std::size_t size =
            i % 50 == 10 ? (std::size_t{4} << 20) + 7 : std::size_t{1} << i % 17;
        std::string request(size, static_cast<char>('a' + i % 26));
        request.back() = '\n';
        worker_.spawn(ask(*this, std::move(request)));
    }
    worker_.run();
    EXPECT_EQ(asking_, 0);
}

TEST_F(PipelineOverTls, AServerThatIsNotTrustedIsNeverAsked) {
    const net::test::authority other("other");
    std::string heard;
    net::test::tls_server far(other.sign(),
                              [&](net::test::tls_peer& client) { heard += client.read(); });
    use(far.at("localhost"));
    error_code failed;
    worker_.spawn(ask(*this, "secret\n", &failed));
    worker_.run();
    EXPECT_EQ(failed, errc::unavailable);
    EXPECT_EQ(heard, "");
}

}  // namespace
}  // namespace lethe::store
