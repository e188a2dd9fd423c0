#include "http/body.hpp"

#include "http/errors.hpp"

#include <new>
#include <utility>

namespace lethe::http {
namespace {

class borrowed_body final : public body_source {
 public:
    explicit borrowed_body(std::string_view bytes) : bytes_(bytes) {}

    task<std::string_view> read() override {
        co_return std::exchange(done_, true) ? std::string_view{} : bytes_;
    }
    std::optional<std::uint64_t> length() const noexcept override { return bytes_.size(); }
    std::optional<std::string_view> whole() const noexcept override {
        return done_ ? std::nullopt : std::optional(bytes_);
    }
    bool rewind() noexcept override {
        done_ = false;
        return true;
    }
    void release() noexcept override {}  // lives in the arena; nothing to destroy

 private:
    std::string_view bytes_;
    bool done_ = false;
};

class owned_body final : public body_source {
 public:
    explicit owned_body(std::string bytes) : bytes_(std::move(bytes)) {}

    task<std::string_view> read() override {
        co_return std::exchange(done_, true) ? std::string_view{} : std::string_view(bytes_);
    }
    std::optional<std::uint64_t> length() const noexcept override { return bytes_.size(); }
    std::optional<std::string_view> whole() const noexcept override {
        return done_ ? std::nullopt : std::optional<std::string_view>(bytes_);
    }
    bool rewind() noexcept override {
        done_ = false;
        return true;
    }
    void release() noexcept override { delete this; }

 private:
    std::string bytes_;
    bool done_ = false;
};

}  // namespace

body_ptr make_borrowed_body(arena& memory, std::string_view bytes) {
    return body_ptr(new (memory.allocate(sizeof(borrowed_body), alignof(borrowed_body)))
                        borrowed_body(bytes));
}

body_ptr make_owned_body(std::string bytes) {
    return body_ptr(new owned_body(std::move(bytes)));
}

task<std::string> read_whole(body_source* body, std::uint64_t bytes_max) {
    std::string out;
    if (body == nullptr) co_return out;
    if (body->length().value_or(0) > bytes_max) co_return LETHE_ERR(errc::body_too_large);
    while (true) {
        const result<std::string_view> piece = co_await body->read();
        if (piece.has_error()) co_return piece.error();
        if (piece->empty()) co_return out;
        if (out.size() + piece->size() > bytes_max) co_return LETHE_ERR(errc::body_too_large);
        out += *piece;
    }
}

}  // namespace lethe::http
