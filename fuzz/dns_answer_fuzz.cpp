// Answers of name servers: what is found is an address, or a name of a bounded length.
#include "fuzz.hpp"
#include "net/dns_answer.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lethe;
    using namespace lethe::net;
    for (const dns_type type : {dns_type::a, dns_type::aaaa, dns_type::srv}) {
        const result<std::vector<dns_record>> found = parse_dns_answer({data, size}, type);
        if (found.has_error()) continue;
        LETHE_FUZZ_CHECK(found->size() <= dns_records_max);
        for (const dns_record& one : *found) {
            LETHE_FUZZ_CHECK(!one.host.empty() && one.host.size() < 1025);
            if (type != dns_type::srv)
                LETHE_FUZZ_CHECK(one.host.find_first_not_of("0123456789abcdef.:") ==
                                 std::string::npos);
        }
    }
    return 0;
}
