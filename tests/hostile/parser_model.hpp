// lethe's parser without sockets: what a server would make of the bytes of one connection, cut in
// any way.
#pragma once

#include "hostile/corpus.hpp"
#include "hostile/lane.hpp"

namespace lethe::test::hostile {

struct parsed_requests {
    std::vector<message> whole;
    ending then = ending::more;  // refused, closed or more
    int status = 0;
    bool operator==(const parsed_requests&) const = default;
};
[[nodiscard]] parsed_requests parse_requests(const pieces& bytes);

struct parsed_answer {
    int status = 0;
    std::string body;
    ending then = ending::more;  // open (whole), refused (malformed), cut
    bool more_behind = false;    // bytes that belong to no answer
    bool kept = false;           // its connection may be used again
    bool operator==(const parsed_answer&) const = default;
};
// `ends`: the connection, behind the bytes.
[[nodiscard]] parsed_answer parse_answer(const pieces& bytes, std::string_view method, bool ends);

}  // namespace lethe::test::hostile
