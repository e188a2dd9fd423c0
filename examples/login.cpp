// Login and logout: the session becomes a person's, under a new cookie each time the rights change.
// (Who somebody is, this example believes; see docs/authentication.md for how lethe finds out.)
// `login 9001` behind lethe (examples/lethe.yaml) answers one browser so:
//
//     GET /me -> 200 {"user":null}
//     POST /login?user=anna -> 200 {"user":"anna"}
//     GET /me -> 200 {"user":"anna"}
//     POST /renew -> 204
//     GET /me -> 200 {"user":"anna"}
//     POST /logout -> 204
//     GET /me -> 200 {"user":null}
#include <cstdlib>
#include <lethe/lethe.hpp>

using answer = boost::asio::awaitable<lethe::response>;

lethe::response show_user(const std::optional<std::string>& user) {
    return lethe::response::json(lethe::json_value().set("user", user));
}

answer me(lethe::request r) {
    const auto user = r.session().slot("user").get_or<std::optional<std::string>>("/name", {});
    if (user.has_error()) co_return lethe::response::problem(500, user.error().message());
    co_return show_user(*user);
}

answer log_in(lethe::request r) {
    const std::string user = r.query_parameter("user").value_or("");
    if (user.empty()) co_return lethe::response::problem(422, "Who?");
    lethe::response out = show_user(user);
    out.change_session(lethe::session_merge().put("user", lethe::json_value().set("name", user)));
    co_return out.bind_session(user);
}

answer renew(lethe::request) {
    lethe::response out(204);
    co_return out.regenerate_session();
}

answer log_out(lethe::request) {
    lethe::response out(204);
    co_return out.destroy_session();
}

int main(int count, char** arguments) {
    lethe::service_options options;
    options.port = static_cast<std::uint16_t>(count > 1 ? std::atoi(arguments[1]) : 9001);
    lethe::service door(options);
    door.get("/me", me).post("/login", log_in).post("/renew", renew).post("/logout", log_out);
    return door.run().has_value() ? 0 : 1;
}
