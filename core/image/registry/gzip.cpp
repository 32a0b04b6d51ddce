#include "core/image/registry/gzip.hpp"

#include <zlib.h>

#include <string>

namespace gantry::image::registry {
namespace {

// Between the size of what is sent and the time it takes to make; the same everywhere, so that digests are.
constexpr int gzip_level = 4;
constexpr std::size_t gzip_block = 256u << 10;

}  // namespace

struct Gzip::Impl {
    std::function<Result<void>(std::string_view)> to;
    std::string out = std::string(gzip_block, '\0');
    z_stream stream{};
    bool ready = false;
};

Gzip::Gzip(std::function<Result<void>(std::string_view)> to) : impl_(std::make_unique<Impl>()) {
    impl_->to = std::move(to);
    impl_->ready = ::deflateInit2(&impl_->stream, gzip_level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK;
}

Gzip::~Gzip() {
    if (impl_->ready) ::deflateEnd(&impl_->stream);
}

Result<void> Gzip::write(std::string_view bytes, bool last) {
    if (!impl_->ready) return fail(Code::exhausted, "no memory to compress a layer");
    z_stream& stream = impl_->stream;
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    do {
        stream.next_out = reinterpret_cast<Bytef*>(impl_->out.data());
        stream.avail_out = static_cast<uInt>(impl_->out.size());
        if (::deflate(&stream, last ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_ERROR)
            return fail(Code::internal, "a layer could not be compressed");
        GANTRY_CHECK(impl_->to({impl_->out.data(), impl_->out.size() - stream.avail_out}));
    } while (stream.avail_out == 0);
    return {};
}

}  // namespace gantry::image::registry
