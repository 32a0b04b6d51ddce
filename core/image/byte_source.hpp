// Where bytes come from, one block after another.
#pragma once
#include <memory>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::image {

class ByteSource {
public:
    virtual ~ByteSource() = default;
    // Up to `size` bytes; 0 is the end.
    virtual Result<std::size_t> read(char* data, std::size_t size) = 0;
};

// What is left to read behind `fd`; borrowed, or owned.
std::unique_ptr<ByteSource> source_of(int fd);
std::unique_ptr<ByteSource> source_of(UniqueFd fd);

struct DecompressLimits {
    std::int64_t bytes = std::int64_t{256} << 30;  // that come out
    // A bomb is told by its ratio, once it has grown past what honest files of zeros are.
    std::int64_t free_bytes = std::int64_t{1} << 30;
    std::int64_t ratio = 250;
};

// The plain bytes of `from`: gzip (also several members), zstd, xz and bzip2 are told by their first bytes, anything
// else passes as it is. Damage and truncation: GANTRY_INVALID; past a limit: GANTRY_EXHAUSTED.
Result<std::unique_ptr<ByteSource>> decompressed(std::unique_ptr<ByteSource> from, const DecompressLimits& limits = {});

}  // namespace gantry::image
