// /lethe/v1/subjects/… on the admin listener: a person's sessions, and the right to be forgotten.
//
//     GET    /lethe/v1/subjects/{subject}/sessions
//     DELETE /lethe/v1/subjects/{subject}/sessions
//     DELETE /lethe/v1/subjects/{subject}/sessions/{id}
//     POST   /lethe/v1/subjects/{subject}/erase
#pragma once

#include "gateway/subjects.hpp"
#include "http/exchange.hpp"

#include <functional>
#include <string>

namespace lethe::gateway {

// One worker.
class subject_api {
 public:
    // How long a session in a browser's cookies may live; nullopt where there are none.
    using cookie_life = std::function<std::optional<std::chrono::milliseconds>()>;
    // `stores` and `life` are asked at each call. An empty token lets nobody in.
    subject_api(std::string token, std::function<store_map()> stores, cookie_life life)
        : token_(std::move(token)), stores_(std::move(stores)), life_(std::move(life)) {}

    // True for paths that are this interface's.
    [[nodiscard]] static bool takes(std::string_view path) noexcept;
    [[nodiscard]] task<> handle(http::exchange& x);

 private:
    [[nodiscard]] task<> list(http::exchange& x, std::string subject);
    [[nodiscard]] task<> end_all(http::exchange& x, std::string subject);
    [[nodiscard]] task<> end_one(http::exchange& x, std::string subject, std::string id);
    [[nodiscard]] task<> erase(http::exchange& x, std::string subject);
    // Those in cookies, where the configuration has such.
    [[nodiscard]] task<> revoke(http::exchange& x, const std::string& subject);
    [[nodiscard]] bool may_call(const http::exchange& x) const;

    const std::string token_;
    const std::function<store_map()> stores_;
    const cookie_life life_;
};

}  // namespace lethe::gateway
