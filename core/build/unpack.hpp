// A tar, as it is or compressed (gzip, bzip2, xz, zstd; told by its first bytes), unpacked below a directory descriptor:
// what ADD does with archives, and how a context comes that is sent whole. Its entries are hostile: nothing outside the
// directory is ever touched, links are made but not followed out of it.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include <gantry/result.hpp>

namespace gantry::build {

struct UnpackOptions {
    bool keep_owner = false;                                       // otherwise all belongs to `owner`, or 0:0
    std::optional<std::pair<std::uint32_t, std::uint32_t>> owner;  // instead of the archive's
    std::function<mode_t(mode_t)> mode;                            // of what the archive says, with type bits
    bool devices = true;  // device nodes and FIFOs are made; otherwise an error
    std::int64_t most_entries = 4'000'000, most_bytes = std::int64_t{256} << 30;
    std::function<bool()> cancelled;
};

// Whether the file begins as a tar does, decompressed if need be. The place in the file is 0 afterwards.
Result<bool> is_archive(int file);
// Reads `tar` from where it is to the end. Gives the bytes of content. GANTRY_INVALID names the entry that is wrong.
Result<std::int64_t> unpack_tar(int tar, int directory, const UnpackOptions& options);

}  // namespace gantry::build
