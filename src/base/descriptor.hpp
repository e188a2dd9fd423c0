// A file descriptor with one owner, closed when destroyed.
#pragma once

#include <unistd.h>

#include <utility>

namespace lethe {

class descriptor {
 public:
    // Below 0: nothing is open.
    explicit descriptor(int number) noexcept : number_(number) {}
    descriptor(descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    descriptor& operator=(descriptor&& other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    ~descriptor() { close(); }

    void close() noexcept {
        if (number_ >= 0) ::close(std::exchange(number_, -1));
    }
    [[nodiscard]] bool is_open() const noexcept { return number_ >= 0; }
    [[nodiscard]] int number() const noexcept { return number_; }

 private:
    int number_;
};

}  // namespace lethe
