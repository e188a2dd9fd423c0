#include "session/answers.hpp"

#include "session/problems.hpp"

#include <algorithm>
#include <string>

namespace lethe::session::detail {
namespace {

// When the oldest of many remembered operations is forgotten is not worth a promise.
constexpr std::chrono::seconds later{3600};

std::string_view reason_of(const error_code& error) {
    if (is(error, errc::ended)) return "the session ended in the meantime";
    if (is(error, errc::key_retired)) return "the session ended in the meantime";
    if (is(error, errc::version_changed)) return "the session has a new version";
    if (is(error, errc::test_failed)) return "a condition of the change does not hold";
    if (is(error, errc::bound_left)) return "a number would leave its bounds";
    if (is(error, errc::turn_lost)) return "its turn was over, because the gateway stood still";
    if (is(error, errc::slot_changed)) return "the same part of it was changed in the meantime";
    if (is(error, errc::no_longer_fits)) return "it no longer fits what is there";
    if (is(error, errc::slot_forbidden)) return "the route does not allow it";
    if (is(error, errc::too_many_operations)) return "it took too many keyed changes lately";
    if (is(error, errc::stale)) return "the store lost changes that were made before";
    if (is(error, errc::operations_refused))
        return "operations need a session in a store (mode: stored), since a browser's cookies "
               "would lose one of two at the same time";
    if (is(error, errc::cookies_full))
        return "it does not fit into the browser's cookies; keep less in it, or configure a store "
               "that larger sessions move to";
    if (error == condition::malformed) return "the change is malformed";
    if (error == condition::too_large) return "it would be too large";
    return "it cannot be reached";
}

const http::problem_type& problem_of(const error_code& error) {
    if (is(error, errc::slot_forbidden)) return problems::slot_forbidden;
    if (is(error, errc::operations_refused)) return problems::operations_refused;
    if (is(error, errc::stale)) return problems::stale;
    if (is(error, errc::too_many_operations)) return problems::operations_full;
    if (error == condition::conflict) return problems::conflict;
    if (error == condition::malformed) return problems::patch_malformed;
    if (error == condition::too_large) return problems::too_large;
    if (error == condition::outcome_unknown) return problems::outcome_unknown;
    return problems::unavailable;
}

}  // namespace

bool is(const error_code& error, errc e) {
    return error == make_error_code(e);
}

// The service did its work: a client that reads only "conflict" would do it again.
void answer_failure(http::exchange& x, const error_code& error) {
    const std::string status = std::to_string(x.response.status);
    const http::problem_type& type = problem_of(error);
    const std::string_view detail =
        &type == &problems::outcome_unknown
            ? x.memory().concat({"The service answered with status ", status,
                                 ". Whether its change of the session was made is not known."})
            : x.memory().concat({"The service answered with status ", status,
                                 ". The session was not changed: ", reason_of(error), "."});
    http::problem_options options{.detail = detail};
    if (type.status == 429) options.retry_after = later;
    if (type.status == 503) options.retry_after = soon;
    answer_problem(x, type, options);
}

bool is_origin(const state& session, std::string_view service, std::string_view name) {
    if (pseudonym(session.identity, service) == name) return true;
    return std::any_of(
        session.earlier.begin(), session.earlier.end(),
        [&](const std::string& identity) { return pseudonym(identity, service) == name; });
}

}  // namespace lethe::session::detail
