// Compressed streams: what comes out stays within the limits, and every stream ends, in bytes or in an error.
#include "core/image/byte_source.hpp"
#include "tests/fuzz/require.hpp"

#include <algorithm>
#include <vector>

namespace {

using gantry::Result;

// The bytes of a string, a piece at a time.
class Pieces final : public gantry::image::ByteSource {
public:
    Pieces(std::string_view bytes, std::size_t piece) : rest_(bytes), piece_(piece) {}
    Result<std::size_t> read(char* data, std::size_t size) override {
        const std::size_t n = std::min({rest_.size(), size, piece_});
        std::copy_n(rest_.data(), n, data);
        rest_.remove_prefix(n);
        return n;
    }

private:
    std::string_view rest_;
    std::size_t piece_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gantry;
    if (size == 0) return 0;
    static constexpr std::size_t sizes[] = {7, 512, 4096, 262'144};
    const image::DecompressLimits limits{4 << 20, 64 << 10, 250};
    auto stream =
        image::decompressed(std::make_unique<Pieces>(fuzz::text_of(data + 1, size - 1), sizes[data[0] & 3]), limits);
    if (!stream) {
        fuzz::require_told(stream.error().text);
        return 0;
    }
    static std::vector<char> buffer(262'144);
    const std::size_t wanted = sizes[data[0] >> 2 & 3];
    std::int64_t total = 0;
    for (;;) {
        auto n = (*stream)->read(buffer.data(), wanted);
        if (!n) {
            fuzz::require_told(n.error().text);
            return 0;
        }
        if (*n == 0) return 0;
        fuzz::require(*n <= wanted, "more bytes than were asked for");
        total += static_cast<std::int64_t>(*n);
        fuzz::require(total <= limits.bytes, "more bytes than the limit");
        if (wanted < 512 && total > 65'536) return 0;  // enough of the small steps
    }
}
