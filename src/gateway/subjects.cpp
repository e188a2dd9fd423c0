#include "gateway/subjects.hpp"

#include "idempotency/operation.hpp"
#include "session/revocation.hpp"
#include "store/subject.hpp"

#include <utility>

namespace lethe::gateway {

task<std::vector<subject_session>> list_sessions(store_map in, std::string subject,
                                                 steady_time deadline) {
    std::vector<subject_session> out;
    for (const auto& [name, store] : in) {
        result<std::vector<session::listed_session>> found =
            co_await session::list_sessions(*store, subject, deadline);
        if (found.has_error()) co_return found.error();
        for (session::listed_session& one : *found) out.push_back({name, std::move(one)});
    }
    co_return out;
}

task<std::optional<subject_session_shown>> show_session(
    store_map in, std::string subject, std::string id, std::shared_ptr<const session::keyring> ring,
    steady_time deadline) {
    for (const auto& [name, store] : in) {
        result<std::optional<session::shown_session>> here =
            co_await session::show_session(*store, subject, id, ring, deadline);
        if (here.has_error()) co_return here.error();
        if (*here) co_return std::optional(subject_session_shown{name, **std::move(here)});
    }
    co_return std::nullopt;
}

task<std::size_t> end_sessions(store_map in, std::string subject, steady_time deadline) {
    std::size_t ended = 0;
    for (const auto& [name, store] : in) {
        const result<std::size_t> here = co_await session::end_sessions(*store, subject, deadline);
        if (here.has_error()) co_return here.error();
        ended += *here;
    }
    co_return ended;
}

task<session::ending> end_session(store_map in, std::string subject, std::string id,
                                  steady_time deadline) {
    for (const auto& [name, store] : in) {
        const result<session::ending> here =
            co_await session::end_session(*store, subject, id, deadline);
        if (here.has_error()) co_return here.error();
        if (*here == session::ending::ended) co_return session::ending::ended;
    }
    co_return session::ending::not_found;
}

task<> revoke_cookies(store_map in, clock& time, std::string subject,
                      std::chrono::milliseconds keep_for, steady_time deadline) {
    for (const auto& [name, store] : in) {
        const result<> done =
            co_await session::revoke_sealed(*store, time, subject, keep_for, deadline);
        if (done.has_error()) co_return done.error();
    }
    co_return result<>{};
}

task<erasure> erase_subject(store_map in, clock& time, std::string subject, steady_time deadline) {
    erasure out;
    for (const auto& [name, store] : in) {
        // Tombstones first: what is on its way for a session must not bring it back.
        const result<std::size_t> sessions =
            co_await session::end_sessions(*store, subject, deadline);
        if (sessions.has_error()) co_return sessions.error();
        out.sessions += *sessions;
        const result<std::size_t> keys =
            co_await idempotency::forget_answers(*store, time, subject, deadline);
        if (keys.has_error()) co_return keys.error();
        out.idempotency += *keys;
        // Aliases, and kinds of record that come later.
        const result<std::size_t> rest =
            co_await store::erase_subject(*store, subject, {}, deadline);
        if (rest.has_error()) co_return rest.error();
        out.other += *rest;
        out.stores.push_back(name);
    }
    co_return out;
}

}  // namespace lethe::gateway
