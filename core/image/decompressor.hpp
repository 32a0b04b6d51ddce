// What the readers of compressed streams share (internal to decompress*.cpp).
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "core/image/byte_source.hpp"

namespace gantry::image {

inline constexpr std::size_t block_bytes = 256u << 10;
// What a stream may ask to be kept of what has come out: zstd's window, xz's dictionary. 128 MiB, as the zstd tool.
inline constexpr int window_log = 27;

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

// decompress_rare.cpp
std::unique_ptr<ByteSource> xz_source(Input input, const DecompressLimits& limits);
std::unique_ptr<ByteSource> bzip2_source(Input input, const DecompressLimits& limits);

}  // namespace gantry::image
