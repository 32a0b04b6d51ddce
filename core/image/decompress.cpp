#include <archive.h>
#include <archive_entry.h>
#include <isa-l/igzip_lib.h>
#include <unistd.h>
#include <zstd.h>

#include <semaphore>

#include "core/image/byte_source.hpp"

namespace gantry::image {
namespace {

constexpr std::size_t block_bytes = 256u << 10;

class FdSource final : public ByteSource {
public:
    FdSource(int fd, UniqueFd owned) : fd_(fd), owned_(std::move(owned)) {}
    Result<std::size_t> read(char* data, std::size_t size) override {
        for (;;) {
            ssize_t n = ::read(fd_, data, size);
            if (n >= 0) return static_cast<std::size_t>(n);
            if (errno != EINTR) return fail_errno("read the stream");
        }
    }

private:
    int fd_;
    UniqueFd owned_;
};

// Compressed input in blocks, with a look at the first bytes.
class Input {
public:
    explicit Input(std::unique_ptr<ByteSource> from) : from_(std::move(from)), buffer_(block_bytes) {}

    // At least `wanted` bytes are there after it, unless the end came first.
    Result<void> fill(std::size_t wanted) {
        if (available() >= wanted) return {};
        std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
                  buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
        end_ -= begin_;
        begin_ = 0;
        while (end_ < wanted && !ended_) {
            GANTRY_TRY(std::size_t n, from_->read(buffer_.data() + end_, buffer_.size() - end_));
            ended_ = n == 0;
            end_ += n;
            total_ += static_cast<std::int64_t>(n);
        }
        return {};
    }
    char* data() { return buffer_.data() + begin_; }
    std::string_view view() const { return {buffer_.data() + begin_, available()}; }
    std::size_t available() const { return end_ - begin_; }
    void consume(std::size_t n) { begin_ += n; }
    std::int64_t total() const { return total_; }

private:
    std::unique_ptr<ByteSource> from_;
    std::vector<char> buffer_;
    std::size_t begin_ = 0, end_ = 0;
    std::int64_t total_ = 0;
    bool ended_ = false;
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

// Counts what comes out and stops bombs.
class Decompressor : public ByteSource {
public:
    Decompressor(Input input, const DecompressLimits& limits) : input_(std::move(input)), limits_(limits) {}

    Result<std::size_t> read(char* data, std::size_t size) final {
        GANTRY_TRY(std::size_t n, produce(data, size));
        out_ += static_cast<std::int64_t>(n);
        if (out_ > limits_.bytes)
            return fail(Code::exhausted, "the stream unpacks to more than " + std::to_string(limits_.bytes) + " bytes");
        if (out_ > limits_.free_bytes && out_ / std::max<std::int64_t>(input_.total(), 1) > limits_.ratio)
            return fail(Code::exhausted,
                        "the stream unpacks to more than " + std::to_string(limits_.ratio) + " times its size");
        return n;
    }

protected:
    virtual Result<std::size_t> produce(char* data, std::size_t size) = 0;
    Input input_;

private:
    DecompressLimits limits_;
    std::int64_t out_ = 0;
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
        ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, 27);  // 128 MiB, as the zstd tool
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

// xz and bzip2, which are rare, through libarchive.
class ArchiveFilterSource final : public Decompressor {
public:
    ArchiveFilterSource(Input input, const DecompressLimits& limits)
        : Decompressor(std::move(input), limits), archive_(archive_read_new(), archive_read_free) {}

protected:
    Result<std::size_t> produce(char* data, std::size_t size) override {
        if (!open_) {
            archive_read_support_filter_xz(archive_.get());
            archive_read_support_filter_bzip2(archive_.get());
            archive_read_support_format_raw(archive_.get());
            struct archive_entry* entry = nullptr;
            if (archive_read_open(archive_.get(), this, nullptr, next_block, nullptr) != ARCHIVE_OK ||
                archive_read_next_header(archive_.get(), &entry) != ARCHIVE_OK)
                return problem();
            open_ = true;
        }
        const la_ssize_t n = archive_read_data(archive_.get(), data, size);
        if (n < 0) return problem();
        return static_cast<std::size_t>(n);
    }

private:
    static la_ssize_t next_block(struct archive* archive, void* self, const void** data) {
        auto* source = static_cast<ArchiveFilterSource*>(self);
        source->input_.consume(source->given_);
        source->given_ = 0;
        if (auto filled = source->input_.fill(1); !filled) {
            archive_set_error(archive, EIO, "%s", filled.error().text.c_str());
            return -1;
        }
        *data = source->input_.view().data();
        source->given_ = source->input_.available();
        return static_cast<la_ssize_t>(source->given_);
    }
    Error problem() const {
        const char* text = archive_error_string(archive_.get());
        return fail(Code::invalid, std::string("the compressed stream is damaged: ") + (text ? text : "unknown error"));
    }

    std::unique_ptr<struct archive, int (*)(struct archive*)> archive_;
    std::size_t given_ = 0;
    bool open_ = false;
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
                                           6)) ||
        first.starts_with("BZh"))
        return Source(std::make_unique<ArchiveFilterSource>(std::move(input), limits));
    return Source(std::make_unique<PlainSource>(std::move(input)));
}

}  // namespace gantry::image
