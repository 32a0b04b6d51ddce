// Tar streams whose checksums are right, so that what is changed elsewhere in them is looked at at all.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace gantry::fuzz {

inline std::string with_checksums(std::string_view bytes) {
    constexpr std::size_t block = 512;
    std::string tar(bytes);
    for (std::size_t at = 0; at + block <= tar.size();) {
        auto* header = reinterpret_cast<unsigned char*>(tar.data() + at);
        if (std::all_of(header, header + block, [](unsigned char c) { return c == 0; })) {
            at += block;
            continue;
        }
        std::fill_n(header + 148, 8, ' ');
        unsigned sum = 0;
        for (std::size_t i = 0; i < block; ++i) sum += header[i];
        std::snprintf(tar.data() + at + 148, 8, "%06o", sum);
        std::uint64_t size = 0;
        for (std::size_t i = 124; i < 136 && header[i] >= '0' && header[i] <= '7'; ++i)
            size = size * 8 + (header[i] - '0');
        at += block;
        if (size > tar.size() - at) break;
        at += (size + block - 1) / block * block;
    }
    return tar;
}

}  // namespace gantry::fuzz
