// What a fuzz target demands beyond what the sanitizers see.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace gantry::fuzz {

// Ends the program, so that libFuzzer keeps the input.
[[noreturn]] inline void broken(const std::string& what) {
    std::fprintf(stderr, "BROKEN: %s\n", what.c_str());
    std::abort();
}
inline void require(bool holds, const std::string& what) {
    if (!holds) broken(what);
}
// What every Error must be: one line that says something.
inline void require_told(const std::string& text) {
    require(!text.empty(), "an error without a text");
    for (char c : text) require(static_cast<unsigned char>(c) >= 0x20, "an error of more than one line: " + text);
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

}  // namespace gantry::fuzz
