// The typed SQL face, on both kinds of databases.
#include "library/sql_connection.hpp"
#include "library/test_service.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace lethe {
namespace {

using boost::system::result;

class Sql : public testing::TestWithParam<const char*> {
 protected:
    test_database place{GetParam()};
    database db{place.url()};

    // Runs it in a transaction and expects that it is committed.
    void must(const std::function<void(transaction&)>& work) {
        const result<void> done = db.run([&](transaction& tx) -> result<void> {
            work(tx);
            return {};
        });
        EXPECT_TRUE(done.has_value()) << done.error().message();
    }
    void make_table(const std::string& columns) {
        must([&](transaction& tx) {
            EXPECT_TRUE(tx.execute("CREATE TABLE things (" + columns + ")").has_value());
        });
    }
};
INSTANTIATE_TEST_SUITE_P(On, Sql, testing::Values("sqlite", "postgres"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(Sql, ValuesComeBackAsTheyWent) {
    make_table(std::string("n BIGINT, r DOUBLE PRECISION, t TEXT, y BOOLEAN, b ") +
               (place.is_postgres() ? "BYTEA" : "BLOB"));
    const std::string bytes("\0\xff'\"\\", 5);
    must([&](transaction& tx) {
        const std::optional<std::string> none;
        EXPECT_EQ(*tx.execute("INSERT INTO things VALUES ($1, $2, $3, $4, $5)",
                              std::numeric_limits<std::int64_t>::min(), 0.1, "it's; -- \"fine\" €",
                              true, sql_bytes{bytes}),
                  1);
        EXPECT_EQ(*tx.execute("INSERT INTO things VALUES ($1, $2, $3, $4, $5)", nullptr, nullptr,
                              none, nullptr, nullptr),
                  1);
    });
    must([&](transaction& tx) {
        const auto all =
            tx.query<std::optional<std::int64_t>, std::optional<double>, std::optional<std::string>,
                     std::optional<bool>, std::optional<sql_bytes>>(
                "SELECT n, r, t, y, b FROM things ORDER BY n IS NULL");
        ASSERT_TRUE(all.has_value()) << all.error().message();
        ASSERT_EQ(all->size(), 2U);
        const auto& [n, r, t, y, b] = all->front();
        EXPECT_EQ(n, std::numeric_limits<std::int64_t>::min());
        EXPECT_EQ(r, 0.1);
        EXPECT_EQ(t, "it's; -- \"fine\" €");
        EXPECT_EQ(y, true);
        EXPECT_EQ(b, sql_bytes{bytes});
        EXPECT_EQ(std::get<0>(all->back()), std::nullopt);
        EXPECT_EQ(std::get<4>(all->back()), std::nullopt);
    });
}

TEST_P(Sql, ParametersAreBoundByTheirNumbersAndNeverPartOfTheText) {
    make_table("t TEXT");
    const std::string evil = "'); DROP TABLE things; --";
    must([&](transaction& tx) {
        EXPECT_TRUE(tx.execute("INSERT INTO things VALUES ($1)", evil).has_value());
        EXPECT_EQ(*tx.query_row<std::int64_t>("SELECT count(*) FROM things WHERE t = $2 AND t = $1 "
                                              "AND t = $2",
                                              evil, evil),
                  1);
    });
}

TEST_P(Sql, AWrongTypeAndAMissingRowAreErrorsThatChangeNothing) {
    make_table("t TEXT");
    must([&](transaction& tx) {
        EXPECT_TRUE(tx.execute("INSERT INTO things VALUES ($1)", "word").has_value());
        EXPECT_EQ(tx.query<std::int64_t>("SELECT t FROM things").error(),
                  make_error_code(sql_errc::wrong_type));
        EXPECT_EQ((tx.query<std::string, std::string>("SELECT t FROM things").error()),
                  make_error_code(sql_errc::wrong_type));
        EXPECT_EQ(tx.query_row<std::string>("SELECT t FROM things WHERE t = $1", "x").error(),
                  make_error_code(sql_errc::no_row));
        EXPECT_EQ(*tx.query_row<std::string>("SELECT t FROM things"), "word");
        EXPECT_EQ(tx.query_row<bool>("SELECT 1 = 1 WHERE 1 = 2").error(),
                  make_error_code(sql_errc::no_row));
        EXPECT_EQ(*tx.query_row<bool>("SELECT 1 = 2"), false);
    });
}

TEST_P(Sql, NothingIsKeptOfATransactionInWhichAStatementFailed) {
    make_table("n BIGINT UNIQUE");
    const result<void> done = db.run([](transaction& tx) -> result<void> {
        EXPECT_TRUE(tx.execute("INSERT INTO things VALUES ($1)", 1).has_value());
        EXPECT_EQ(tx.execute("INSERT INTO things VALUES ($1)", 1).error(),
                  make_error_code(sql_errc::constraint));
        EXPECT_EQ(tx.execute("INSERT INTO things VALUES ($1)", 2).error(),
                  make_error_code(sql_errc::failed_before));
        EXPECT_EQ(tx.failure(), make_error_code(sql_errc::constraint));
        return {};
    });
    EXPECT_EQ(done.error(), make_error_code(sql_errc::constraint));
    const auto refused = [](transaction& tx) -> result<void> {
        static_cast<void>(tx.execute("INSERT INTO things VALUES ($1)", 3));
        return make_error_code(service_errc::pool_full);
    };
    EXPECT_EQ(db.run(refused).error(), make_error_code(service_errc::pool_full));
    must([](transaction& tx) { EXPECT_EQ(*tx.query_row<int>("SELECT count(*) FROM things"), 0); });
}

TEST_P(Sql, ATransactionCannotBeEndedByAStatement) {
    for (const char* sql :
         {"COMMIT", " \n commit", "/* a /* b */ */ ROLLBACK", "-- x\nEND", ";BEGIN", "SAVEPOINT a",
          "release a", "Abort", "PREPARE TRANSACTION 'x'", "START TRANSACTION"}) {
        const auto work = [&](transaction& tx) -> result<void> {
            EXPECT_EQ(tx.execute(sql).error(), make_error_code(sql_errc::bad_statement)) << sql;
            return {};
        };
        EXPECT_EQ(db.run(work).error(), make_error_code(sql_errc::bad_statement)) << sql;
    }
}

TEST_P(Sql, WhatIsNoStatementIsRefused) {
    make_table("n BIGINT");
    for (const char* sql : {"", "SELEC 1", "INSERT INTO nowhere VALUES (1)",
                            "INSERT INTO things VALUES (1); INSERT INTO things VALUES (2)",
                            "INSERT INTO things VALUES ($1)"}) {
        const auto work = [&](transaction& tx) -> result<void> {
            const auto done = tx.execute(sql);
            EXPECT_TRUE(done.has_error() &&
                        done.error() == make_error_code(sql_errc::bad_statement))
                << sql;
            return {};
        };
        static_cast<void>(db.run(work));
    }
    must([](transaction& tx) { EXPECT_EQ(*tx.query_row<int>("SELECT count(*) FROM things"), 0); });
}

TEST_P(Sql, RowsThatChangedAreCounted) {
    make_table("n BIGINT");
    must([](transaction& tx) {
        EXPECT_EQ(*tx.execute("INSERT INTO things VALUES (1), (2), (3)"), 3);
        EXPECT_EQ(*tx.execute("UPDATE things SET n = n + 1 WHERE n > $1", 1), 2);
        EXPECT_EQ(*tx.execute("SELECT n FROM things"), 0);
        EXPECT_EQ((tx.query<int>("INSERT INTO things VALUES (9) RETURNING n")->size()), 1U);
        EXPECT_EQ(*tx.execute("DELETE FROM things WHERE n = 77"), 0);
    });
}

TEST(SqlDatabase, AUrlThatIsNoneAndADatabaseThatIsAwayAreSaid) {
    const auto nothing = [](transaction&) -> result<void> { return {}; };
    database odd("mysql://x");
    EXPECT_EQ(odd.run(nothing).error(), make_error_code(sql_errc::bad_url));
    database nowhere("sqlite:/nowhere/at/all.db");
    EXPECT_EQ(nowhere.run(nothing).error(), make_error_code(sql_errc::unavailable));
    database refused("postgresql://lethe@127.0.0.1:" + std::to_string(test::free_ports(1)[0]) +
                     "/x");
    EXPECT_EQ(refused.run(nothing).error(), make_error_code(sql_errc::unavailable));
}

TEST(SqlDatabase, AKeptConnectionThatTheServerEndedIsReplaced) {
    const test_database place("postgres");
    database db(place.url());
    const auto one = [](transaction& tx) -> result<void> {
        const auto got = tx.query_row<int>("SELECT 1");
        return got.has_value() ? result<void>() : result<void>(got.error());
    };
    ASSERT_TRUE(db.run(one).has_value());
    shared_postgres().sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
        "'lethe-service'");
    EXPECT_TRUE(db.run(one).has_value());
}

}  // namespace
}  // namespace lethe
