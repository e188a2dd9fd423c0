// Records of idempotency keys, as a store hands them out: whatever decodes has exactly that
// encoding, and nothing in it could break a message that it is written into.
#include "fuzz.hpp"
#include "http/fields.hpp"
#include "idempotency/record.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lethe;
    using namespace lethe::idempotency;
    const std::string_view in = fuzz::text(data, size);
    const result<key_record> record = decode_record(in);
    if (record.has_error()) {
        LETHE_FUZZ_CHECK(record.error() == condition::corrupt);
        return 0;
    }
    LETHE_FUZZ_CHECK(encode_record(*record) == in);
    LETHE_FUZZ_CHECK(record->epoch > 0 && record->epoch <= epoch_max);
    LETHE_FUZZ_CHECK((record->state == record_state::done || record->made_at != 0) ==
                     record->result.has_value());
    if (!record->result) return 0;
    LETHE_FUZZ_CHECK(record->result->status >= 200 && record->result->status <= 599);
    for (const auto& [name, value] : record->result->header)
        LETHE_FUZZ_CHECK(http::is_token(name) && http::is_field_value(value));
    return 0;
}
