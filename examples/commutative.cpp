// Changes that commute: however many requests make them at once, all take effect, without a lock
// and without a conflict. `commutative 9001` behind lethe (examples/lethe.yaml) answers one browser
// so:
//
//     POST /visits?page=home -> 201 {"page":"home"}
//     POST /visits?page=shop -> 201 {"page":"shop"}
//     POST /visits?page=shop -> 201 {"page":"shop"}
//     GET /visits -> 200 {"count":3,"first":"home","pages":["home","shop"],"last":["shop","shop"]}
//     POST /visits?page=late -> 409
//     DELETE /visits/shop -> 204
//     GET /visits -> 200 {"count":2,"first":"home","pages":["home"],"last":["shop","shop"]}
//
// The fourth visit would lead beyond `max`: lethe refuses the whole change and says so.
#include <cstdlib>
#include <lethe/lethe.hpp>

using answer = boost::asio::awaitable<lethe::response>;

struct visits {
    int count = 0;
    std::string first;
    std::vector<std::string> pages;
    std::vector<std::string> last;
    static constexpr auto json_members =
        lethe::members("count", &visits::count, "first", &visits::first, "pages", &visits::pages,
                       "last", &visits::last);
};

answer show(lethe::request r) {
    const auto seen = r.session().slot("visits").get_or("", visits());
    if (seen.has_error()) co_return lethe::response::problem(500, seen.error().message());
    co_return lethe::response::json(*seen);
}

answer visit(lethe::request r) {
    const std::string page = r.query_parameter("page").value_or("home");
    lethe::response out = lethe::response::json(lethe::json_value().set("page", page), 201);
    co_return out.change_session(lethe::session_change()
                                     .increment("/visits/count", 1, {.min = 0, .max = 3})
                                     .put_if_absent("/visits/first", page)
                                     .set_add("/visits/pages", page)
                                     .append("/visits/last", page, 2));
}

answer forget(lethe::request r) {
    lethe::response out(204);
    co_return out.change_session(lethe::session_change()
                                     .increment("/visits/count", -1, {.min = 0, .max = {}})
                                     .set_remove("/visits/pages", r.path_parameter("page")));
}

int main(int count, char** arguments) {
    lethe::service_options options;
    options.port = static_cast<std::uint16_t>(count > 1 ? std::atoi(arguments[1]) : 9001);
    lethe::service pages(options);
    pages.get("/visits", show).post("/visits", visit).delete_("/visits/{page}", forget);
    return pages.run().has_value() ? 0 : 1;
}
