// What the fuzz targets share. A property that does not hold ends the process, in every build.
#pragma once

#include "base/error.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace lethe::fuzz {

inline std::string_view text(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

}  // namespace lethe::fuzz

#define LETHE_FUZZ_CHECK(expression) LETHE_ASSERT(expression)
