// Sessions as a store hands them out: what decodes has exactly that encoding, the outline stays
// inside the record, and nothing opens without its secret.
#include "fuzz.hpp"
#include "session/record.hpp"

#include <string>

namespace {

using namespace lethe;

const session::ticket& somebody() {
    static const session::ticket one =
        *session::ticket::from_bytes(std::string(session::id_bytes + session::secret_bytes, 't'));
    return one;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view in = fuzz::text(data, size);
    const result<session::state> state = session::decode_state(in);
    if (state.has_value()) {
        LETHE_FUZZ_CHECK(session::encode_state(*state) == in);
        for (const session::slot& one : state->slots)
            LETHE_FUZZ_CHECK(state->find(one.name) != nullptr);
    }
    const auto outline = session::read_outline(in);
    if (outline && !outline->key_id.empty())
        LETHE_FUZZ_CHECK(outline->key_id.data() >= in.data() &&
                         outline->key_id.data() + outline->key_id.size() <= in.data() + in.size());
    const result<session::opened_record> opened = session::open(in, somebody());
    LETHE_FUZZ_CHECK(opened.has_error() || opened->kind == session::record_kind::tombstone);
    LETHE_FUZZ_CHECK(opened.has_error() || outline.has_value());
    return 0;
}
