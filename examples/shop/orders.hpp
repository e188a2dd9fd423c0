// The shop's orders, in a SQLite database that all replicas of the shop share.
//
// It does not look for doubles: whoever asks twice orders twice. That a retry does not is lethe's
// part.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

struct sqlite3;

namespace shop {

struct order {
    std::int64_t id = 0;  // given by the database, ascending
    std::string user;
    std::string reference;  // the client's own name for it, "" for none
    std::string items;      // JSON: [{"sku": "tea", "qty": 2}]
};

// Blocks: call it by way of lethe::blocking(). Any thread. nullopt: the database is busy or broken,
// and nothing was changed.
class order_book {
 public:
    // Throws std::runtime_error when the file cannot be opened or is not a database.
    explicit order_book(const std::string& file);
    ~order_book();
    order_book(const order_book&) = delete;
    order_book& operator=(const order_book&) = delete;

    // Answers the new order's id once it is on disk.
    [[nodiscard]] std::optional<std::int64_t> insert(const order& made);
    [[nodiscard]] std::optional<std::vector<order>> of_user(const std::string& user);
    [[nodiscard]] std::optional<std::int64_t> count();

 private:
    std::mutex mutex_;
    sqlite3* database_ = nullptr;
};

}  // namespace shop
