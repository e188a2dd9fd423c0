// Records as they lie in Redis: what decodes stays inside its bytes, and the front of a record says
// the same as the whole.
#include "fuzz.hpp"
#include "store/redis/record.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lethe;
    const std::string_view in = fuzz::text(data, size);
    const auto whole = store::redis::decode_record(in);
    const auto front = store::redis::decode_record_front(in);
    if (whole.has_error()) return 0;
    LETHE_FUZZ_CHECK(whole->subject.size() <= store::subject_bytes_max);
    LETHE_FUZZ_CHECK(
        store::redis::record_head_bytes + whole->subject.size() + whole->value.size() == in.size());
    LETHE_FUZZ_CHECK(in.ends_with(whole->value));
    LETHE_FUZZ_CHECK(front.has_value() && front->version == whole->version &&
                     front->subject == whole->subject);
    return 0;
}
