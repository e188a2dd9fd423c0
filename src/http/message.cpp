#include "http/message.hpp"

#include <algorithm>
#include <iterator>

namespace lethe::http {
namespace {

struct phrase {
    int status;
    std::string_view text;
};

// By status, for a binary search.
constexpr phrase phrases[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
    {511, "Network Authentication Required"},
};
static_assert(std::is_sorted(std::begin(phrases), std::end(phrases),
                             [](const phrase& a, const phrase& b) { return a.status < b.status; }));

}  // namespace

method parse_method(std::string_view text) noexcept {
    if (text == "GET") return method::get;
    if (text == "POST") return method::post;
    if (text == "HEAD") return method::head;
    if (text == "PUT") return method::put;
    if (text == "DELETE") return method::delete_;
    if (text == "PATCH") return method::patch;
    if (text == "OPTIONS") return method::options;
    if (text == "CONNECT") return method::connect;
    if (text == "TRACE") return method::trace;
    return method::other;
}

std::string_view reason_phrase(int status) noexcept {
    const auto* const at =
        std::lower_bound(std::begin(phrases), std::end(phrases), status,
                         [](const phrase& one, int wanted) { return one.status < wanted; });
    return at != std::end(phrases) && at->status == status ? at->text : std::string_view{};
}

}  // namespace lethe::http
