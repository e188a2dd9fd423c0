// What all conformance tests share. A test has keys and subjects of its own (its name stands before
// them), so that all tests of a set-up can use one server.
#pragma once

#include "stores/set_ups.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lethe::store {

class Conformance : public ::testing::TestWithParam<const char*> {
 protected:
    Conformance();

    [[nodiscard]] net::worker& worker() { return stage_.worker(); }
    // A deadline that does not matter, however slow the machine is.
    [[nodiscard]] steady_time soon() {
        return worker().time().steady_now() + std::chrono::minutes{2};
    }
    // Of this test alone.
    [[nodiscard]] std::string own(const std::string& name) const { return prefix_ + name; }
    template <class T>
    result<T> run(task<T> work) {
        return test::on_worker(worker(), std::move(work));
    }

    answer ask(operation one);
    std::vector<answer> ask_all(std::vector<operation> all);
    std::vector<answer> transact(std::vector<operation> all);
    std::optional<record> read(const std::string& key) { return ask(get{key}).present; }
    answer write(const std::string& key, std::string value, expectation expect = anything{},
                 std::chrono::milliseconds ttl = std::chrono::hours{1}, std::string subject = {});
    // All of them, page by page.
    std::vector<std::string> list(const std::string& subject, const std::string& prefix = {},
                                  std::size_t page = 1000);
    // A fresh engine and store in place of the present ones.
    void open_again();

    stage& stage_;
    std::unique_ptr<engine> engine_;
    std::unique_ptr<store_on> on_;
    store* store_ = nullptr;

 private:
    std::string prefix_;
};

inline bool any_set_up(const set_up&) {
    return true;
}

}  // namespace lethe::store
