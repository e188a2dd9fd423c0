// GraphQL documents and requests: whatever the bytes, reading ends; the normal form is itself a
// document with the same operations; and a document inside JSON is read as it is outside.
#include "fuzz.hpp"
#include "idempotency/graphql.hpp"
#include "idempotency/graphql_request.hpp"

using namespace lethe;
using namespace lethe::idempotency;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view in = fuzz::text(data, size);
    const graphql_request bare = read_graphql("application/graphql", in);
    const graphql_request json = read_graphql("application/json", in);
    LETHE_FUZZ_CHECK(json.digest.empty() || json.digest.size() == 32);
    const result<graphql::document> read = graphql::parse_document(in);
    LETHE_FUZZ_CHECK(read.has_value() || (bare.may_mutate && bare.digest.empty()));
    if (read.has_error()) return 0;
    const result<graphql::document> again = graphql::parse_document(read->normalised);
    LETHE_FUZZ_CHECK(again.has_value() && again->normalised == read->normalised);
    LETHE_FUZZ_CHECK(again->operations.size() == read->operations.size());
    for (std::size_t i = 0; i < read->operations.size(); ++i) {
        LETHE_FUZZ_CHECK(again->operations[i].kind == read->operations[i].kind);
        LETHE_FUZZ_CHECK(again->operations[i].keys.size() == read->operations[i].keys.size());
    }
    return 0;
}
