// Runs a fuzz target over every file of a corpus, and over every prefix of the short ones: the
// corpus as a plain test, without libFuzzer. Fails when the folder is missing or empty.
#include "fuzz.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

int main(int argc, char** argv) {
    constexpr std::size_t every_prefix_bytes_max = 4096;
    if (argc != 2 || !std::filesystem::is_directory(argv[1])) {
        std::fprintf(stderr, "usage: %s CORPUS_FOLDER\n", argv[0]);
        return 2;
    }
    std::size_t inputs = 0;
    for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
        if (!entry.is_regular_file()) continue;
        std::ifstream in(entry.path(), std::ios::binary);
        const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
        std::printf("%s\n", entry.path().filename().c_str());
        std::fflush(stdout);
        // A copy of its own for each, so that a sanitizer sees a read behind the end.
        const std::size_t shortest = bytes.size() > every_prefix_bytes_max ? bytes.size() : 0;
        for (std::size_t size = shortest; size <= bytes.size(); ++size, ++inputs) {
            const std::vector<std::uint8_t> input(
                bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
            LLVMFuzzerTestOneInput(input.data(), input.size());
        }
    }
    std::printf("%zu inputs\n", inputs);
    return inputs == 0 ? 1 : 0;
}
