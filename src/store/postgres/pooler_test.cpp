// Behind PgBouncer: where it keeps sessions apart all goes on, where nobody says so it is refused.
#include "store/postgres/pool.hpp"
#include "store/postgres/test_side.hpp"
#include "store/postgres/url.hpp"
#include "support/pgbouncer.hpp"

#include <iostream>

namespace lethe::store::postgres {
namespace {

bool installed() {
    const bool there = lethe::test::has_program("pgbouncer");
    if (!there) std::cout << "pgbouncer is not installed: nothing was tested with it\n";
    return there;
}

std::string reason_of(const std::string& url) {
    running_worker worker;
    std::string why;
    const result<settings> to = parse_url(url, why);
    if (to.has_error()) return why;
    metrics::registry registry;
    const pool_options options{.to = std::make_shared<const settings>(*to),
                               .store_name = "default",
                               .registry = registry,
                               .queue_operations_max = 1,
                               .queue_bytes_max = 1};
    std::size_t endpoint = 0;
    const auto made = worker.run(connect_anywhere(worker.get(), options, endpoint, why));
    return made.has_value() ? "connected" : why;
}

TEST(PostgresPooler, BehindSessionsOfPgbouncerAllGoesOn) {
    if (!installed()) return;
    postgres_server server;
    const lethe::test::pgbouncer pooler(server, {"pool_mode = session", "default_pool_size = 12"});
    const std::string url = with_option(pooler.url(), "pooler=session");
    std::vector<std::unique_ptr<lethe_side>> sides;
    for (int i = 0; i < 3; ++i) sides.push_back(std::make_unique<lethe_side>(url));
    std::vector<std::future<result<answer>>> under_way;
    for (int i = 0; i < 300; ++i)
        under_way.push_back(sides[static_cast<std::size_t>(i % 3)]->begin(
            put{"k" + std::to_string(i), std::string(200, 'v'), 1h, absent{}, "s"}));
    for (auto& one : under_way) {
        const result<answer> done = one.get();
        ASSERT_TRUE(done.has_value()) << describe(done.error());
        EXPECT_TRUE(done->done);
    }
    EXPECT_EQ(server.sql("SELECT count(*) FROM lethe.lethe_records"), "300");
    const auto both = sides[0]->transact(
        {put{"k1", "new", 1h, anything{}, "s"}, put{"k2", "new", 1h, absent{}, "s"}});
    ASSERT_TRUE(both.has_value());
    EXPECT_FALSE((*both)[1].done);
    EXPECT_EQ(sides[1]->read("k1")->value, std::string(200, 'v')) << "all or nothing";
}

TEST(PostgresPooler, OneThatNobodySpokeOfIsRefusedAndNothingIsMade) {
    if (!installed()) return;
    postgres_server server;
    for (const char* mode : {"pool_mode = session", "pool_mode = transaction"}) {
        const lethe::test::pgbouncer pooler(server, {mode});
        EXPECT_NE(reason_of(pooler.url()).find("pooler=session"), std::string::npos) << mode;
        lethe_side side(pooler.url());
        const result<answer> refused = side.ask(put{"k", "v", 1h, anything{}, ""}, 5s);
        ASSERT_TRUE(refused.has_error()) << mode;
        EXPECT_EQ(refused.error(), condition::unavailable);
    }
    EXPECT_EQ(server.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'lethe'"), "0");
    EXPECT_EQ(reason_of(server.url()), "connected") << "the server itself is none";
}

TEST(PostgresPooler, NoOtherModeCanBeAskedFor) {
    EXPECT_NE(reason_of("postgres://lethe@127.0.0.1/lethe?pooler=transaction").find("pool_mode"),
              std::string::npos);
}

}  // namespace
}  // namespace lethe::store::postgres
