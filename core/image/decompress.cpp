#include <isa-l/igzip_lib.h>
#include <unistd.h>
#include <zstd.h>

#include <semaphore>

#include "core/image/decompressor.hpp"

namespace gantry::image {
namespace {

class FdSource final : public ByteSource {
public:
    FdSource(int fd, UniqueFd owned) : fd_(fd), owned_(std::move(owned)) {}
    Result<std::size_t> read(char* data, std::size_t size) override {
        for (;;) {
            ssize_t n = ::read(fd_, data, size);
            if (n >= 0) return static_cast<std::size_t>(n);
            // How the engine is told of a client that did not send all it had announced.
            if (errno == ECONNRESET) return fail(Code::invalid, "the stream was cut off before its end");
            if (errno != EINTR) return fail_errno("read the stream");
        }
    }

private:
    int fd_;
    UniqueFd owned_;
};

class PlainSource final : public ByteSource {
public:
    explicit PlainSource(Input input) : input_(std::move(input)) {}
    Result<std::size_t> read(char* data, std::size_t size) override {
        GANTRY_CHECK(input_.fill(1));
        std::size_t n = std::min(size, input_.available());
        std::copy_n(input_.view().data(), n, data);
        input_.consume(n);
        return n;
    }

private:
    Input input_;
};

class GzipSource final : public Decompressor {
public:
    GzipSource(Input input, const DecompressLimits& limits)
        : Decompressor(std::move(input), limits), state_(std::make_unique<inflate_state>()) {
        begin();
    }

protected:
    Result<std::size_t> produce(char* data, std::size_t size) override {
        state_->next_out = reinterpret_cast<std::uint8_t*>(data);
        state_->avail_out = static_cast<std::uint32_t>(std::min<std::size_t>(size, 1u << 30));
        const std::uint32_t room = state_->avail_out;
        while (state_->avail_out == room && !done_) {
            GANTRY_CHECK(input_.fill(1));
            const std::size_t given = input_.available();
            state_->next_in = reinterpret_cast<std::uint8_t*>(input_.data());
            state_->avail_in = static_cast<std::uint32_t>(given);
            const int status = isal_inflate(state_.get());
            input_.consume(given - state_->avail_in);
            if (status != ISAL_DECOMP_OK && status != ISAL_END_INPUT)
                return fail(Code::invalid, "the gzip stream is damaged");
            if (state_->block_state == ISAL_BLOCK_FINISH) {
                GANTRY_CHECK(next_member());
                continue;
            }
            if (given == 0 && state_->avail_out == room) return fail(Code::invalid, "the gzip stream is cut short");
        }
        return static_cast<std::size_t>(room - state_->avail_out);
    }

private:
    void begin() {
        isal_inflate_init(state_.get());
        state_->crc_flag = ISAL_GZIP;
    }

    Result<void> next_member() {
        GANTRY_CHECK(input_.fill(2));
        while (input_.available() > 0 && input_.view().front() == '\0') {  // padding of tape archives
            input_.consume(1);
            GANTRY_CHECK(input_.fill(2));
        }
        if (input_.available() == 0) {
            done_ = true;
            return {};
        }
        if (!input_.view().starts_with("\x1f\x8b"))
            return fail(Code::invalid, "bytes that are not gzip follow the gzip stream");
        std::uint8_t* out = state_->next_out;
        const std::uint32_t room = state_->avail_out;
        begin();
        state_->next_out = out;
        state_->avail_out = room;
        return {};
    }

    std::unique_ptr<inflate_state> state_;
    bool done_ = false;
};

// The window that the zstd frame at the beginning of `head` asks for (RFC 8878, 3.1.1.1); 0: that is not a frame, or not
// its whole header.
std::uint64_t zstd_window(std::string_view head) {
    auto byte = [&](std::size_t at) { return std::uint64_t{static_cast<unsigned char>(head[at])}; };
    if (head.size() < 6 || !head.starts_with("\x28\xb5\x2f\xfd")) return 0;
    if ((byte(4) & 0x20u) == 0) {
        const std::uint64_t base = std::uint64_t{1} << (10 + (byte(5) >> 3));
        return base + base / 8 * (byte(5) & 7u);
    }
    // A single segment: as large as the content.
    constexpr std::size_t dictionary[] = {0, 1, 2, 4}, content[] = {1, 2, 4, 8};
    const std::size_t at = 5 + dictionary[byte(4) & 3u], length = content[byte(4) >> 6];
    if (head.size() < at + length) return 0;
    std::uint64_t size = length == 2 ? 256 : 0;
    for (std::size_t i = 0; i < length; ++i) size += byte(at + i) << (8 * i);
    return size;
}

class ZstdSource final : public Decompressor {
public:
    ZstdSource(Input input, const DecompressLimits& limits)
        : Decompressor(std::move(input), limits), context_(ZSTD_createDCtx(), ZSTD_freeDCtx) {
        ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, window_log);
    }
    ZstdSource(const ZstdSource&) = delete;
    ZstdSource& operator=(const ZstdSource&) = delete;
    ~ZstdSource() override {
        context_.reset();
        if (alone_) one_at_a_time.release();
    }

protected:
    Result<std::size_t> produce(char* data, std::size_t size) override {
        ZSTD_outBuffer out{data, size, 0};
        while (out.pos == 0) {
            GANTRY_CHECK(input_.fill(frame_done_ ? longest_header : 1));
            const std::string_view in = input_.view();
            if (in.empty() && frame_done_) return std::size_t{0};
            if (frame_done_ && !alone_ && zstd_window(in) > modest_window) {
                one_at_a_time.acquire();
                alone_ = true;
            }
            ZSTD_inBuffer block{in.data(), in.size(), 0};
            const std::size_t status = ZSTD_decompressStream(context_.get(), &out, &block);
            input_.consume(block.pos);
            if (ZSTD_isError(status))
                return fail(Code::invalid, std::string("the zstd stream is damaged: ") + ZSTD_getErrorName(status));
            frame_done_ = status == 0;
            if (in.empty() && out.pos == 0) return fail(Code::invalid, "the zstd stream is cut short");
        }
        return out.pos;
    }

private:
    static constexpr std::size_t longest_header = 18;
    // What every level of the zstd tool but the "ultra" ones stays within. Larger windows are held one at a time, so that
    // memory stays bounded however many streams are read at once.
    static constexpr std::uint64_t modest_window = 8u << 20;

    static inline std::binary_semaphore one_at_a_time{1};

    bool alone_ = false;
    std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context_;
    bool frame_done_ = true;
};

}  // namespace

std::unique_ptr<ByteSource> source_of(int fd) { return std::make_unique<FdSource>(fd, UniqueFd()); }
std::unique_ptr<ByteSource> source_of(UniqueFd fd) {
    const int number = fd.get();
    return std::make_unique<FdSource>(number, std::move(fd));
}

Result<std::unique_ptr<ByteSource>> decompressed(std::unique_ptr<ByteSource> from, const DecompressLimits& limits) {
    Input input(std::move(from));
    GANTRY_CHECK(input.fill(6));
    const std::string_view first = input.view();
    using Source = std::unique_ptr<ByteSource>;
    if (first.starts_with("\x1f\x8b")) return Source(std::make_unique<GzipSource>(std::move(input), limits));
    const bool skippable = first.size() >= 4 && (first[0] & 0xf0) == 0x50 && first.substr(1, 3) == "\x2a\x4d\x18";
    if (first.starts_with("\x28\xb5\x2f\xfd") || skippable)
        return Source(std::make_unique<ZstdSource>(std::move(input), limits));
    if (first.starts_with(std::string_view("\xfd"
                                           "7zXZ\0",
                                           6)))
        return xz_source(std::move(input), limits);
    if (first.starts_with("BZh")) return bzip2_source(std::move(input), limits);
    return Source(std::make_unique<PlainSource>(std::move(input)));
}

}  // namespace gantry::image
