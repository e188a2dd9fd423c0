// A secret that cannot be printed: no stream operator, no formatter, wiped when it dies.
#pragma once

#include <string>
#include <string_view>

namespace lethe {

class secret {
 public:
    secret() = default;
    explicit secret(std::string value) : value_(std::move(value)) {}
    secret(const secret&) = default;
    secret& operator=(const secret& other) {
        if (this != &other) {
            wipe();
            value_ = other.value_;
        }
        return *this;
    }
    // Moving a short string copies its bytes: what is left behind is wiped.
    secret(secret&& other) noexcept : value_(std::move(other.value_)) { other.wipe(); }
    secret& operator=(secret&& other) noexcept {
        if (this != &other) {
            wipe();
            value_ = std::move(other.value_);
            other.wipe();
        }
        return *this;
    }
    ~secret() { wipe(); }

    // For the one place that needs the bytes; the view dies with the secret.
    [[nodiscard]] std::string_view reveal() const noexcept { return value_; }
    [[nodiscard]] bool empty() const noexcept { return value_.empty(); }

 private:
    void wipe() noexcept;

    std::string value_;
};

}  // namespace lethe
