#include <bzlib.h>
#include <lzma.h>

#include "core/image/decompressor.hpp"

namespace gantry::image {
namespace {

class XzSource final : public Decompressor {
public:
    XzSource(Input input, const DecompressLimits& limits) : Decompressor(std::move(input), limits) {
        // A header may ask for a dictionary of 4 GiB; what xz -9 writes needs 65 MiB.
        ready_ = ::lzma_stream_decoder(&state_, std::uint64_t{1} << window_log, LZMA_CONCATENATED) == LZMA_OK;
    }
    ~XzSource() override { ::lzma_end(&state_); }

protected:
    Result<std::size_t> produce(char* data, std::size_t size) override {
        if (!ready_) return fail(Code::exhausted, "out of memory");
        state_.next_out = reinterpret_cast<std::uint8_t*>(data);
        state_.avail_out = size;
        while (state_.avail_out == size && !done_) {
            GANTRY_CHECK(input_.fill(1));
            const std::size_t given = input_.available();
            state_.next_in = reinterpret_cast<const std::uint8_t*>(input_.data());
            state_.avail_in = given;
            const lzma_ret status = ::lzma_code(&state_, given == 0 ? LZMA_FINISH : LZMA_RUN);
            input_.consume(given - state_.avail_in);
            if (status == LZMA_STREAM_END) {
                done_ = true;
            } else if (status == LZMA_MEMLIMIT_ERROR) {
                return fail(Code::exhausted, "the xz stream needs more than " +
                                                 std::to_string((1 << window_log) >> 20) + " MiB of memory");
            } else if (status == LZMA_BUF_ERROR) {
                return fail(Code::invalid, "the xz stream is cut short");
            } else if (status != LZMA_OK) {
                return fail(Code::invalid, "the xz stream is damaged");
            }
        }
        return size - state_.avail_out;
    }

private:
    lzma_stream state_ = LZMA_STREAM_INIT;
    bool ready_ = false, done_ = false;
};

class Bzip2Source final : public Decompressor {
public:
    Bzip2Source(Input input, const DecompressLimits& limits) : Decompressor(std::move(input), limits) { begin(); }
    ~Bzip2Source() override {
        if (ready_) ::BZ2_bzDecompressEnd(&state_);
    }

protected:
    Result<std::size_t> produce(char* data, std::size_t size) override {
        const auto room = static_cast<unsigned>(std::min<std::size_t>(size, 1u << 30));
        unsigned left = room;
        while (left == room && !done_) {
            if (!ready_) return fail(Code::exhausted, "out of memory");
            GANTRY_CHECK(input_.fill(1));
            const std::size_t given = input_.available();
            if (given == 0) return fail(Code::invalid, "the bzip2 stream is cut short");
            state_.next_in = input_.data();
            state_.avail_in = static_cast<unsigned>(given);
            state_.next_out = data + (room - left);
            state_.avail_out = left;
            const int status = ::BZ2_bzDecompress(&state_);
            left = state_.avail_out;
            input_.consume(given - state_.avail_in);
            if (status == BZ_STREAM_END)
                GANTRY_CHECK(next_stream());
            else if (status != BZ_OK)
                return fail(Code::invalid, "the bzip2 stream is damaged");
        }
        return std::size_t{room - left};
    }

private:
    void begin() {
        state_ = {};
        ready_ = ::BZ2_bzDecompressInit(&state_, 0, 0) == BZ_OK;
    }
    Result<void> next_stream() {
        ::BZ2_bzDecompressEnd(&state_);
        ready_ = false;
        GANTRY_CHECK(input_.fill(3));
        done_ = input_.available() == 0;
        if (done_) return {};
        if (!input_.view().starts_with("BZh"))
            return fail(Code::invalid, "bytes that are not bzip2 follow the bzip2 stream");
        begin();
        return {};
    }

    bz_stream state_{};
    bool ready_ = false, done_ = false;
};

}  // namespace

std::unique_ptr<ByteSource> xz_source(Input input, const DecompressLimits& limits) {
    return std::make_unique<XzSource>(std::move(input), limits);
}

std::unique_ptr<ByteSource> bzip2_source(Input input, const DecompressLimits& limits) {
    return std::make_unique<Bzip2Source>(std::move(input), limits);
}

}  // namespace gantry::image
