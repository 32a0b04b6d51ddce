#include <bzlib.h>
#include <gtest/gtest.h>
#include <lzma.h>

#include <random>
#include <thread>

#include "core/base/text.hpp"
#include "core/image/byte_source.hpp"
#include "tests/unit/core/image/compress.hpp"
#include "tests/unit/plugins/storage/scratch.hpp"

namespace gantry::image {
namespace {

Result<std::string> unpack(const std::string& bytes, const DecompressLimits& limits = {}) {
    GANTRY_TRY(auto source, decompressed(source_of(test::stream_of(bytes)), limits));
    std::string plain;
    std::vector<char> block(10'000);
    for (;;) {
        GANTRY_TRY(std::size_t n, source->read(block.data(), block.size()));
        if (n == 0) return plain;
        plain.append(block.data(), n);
    }
}

std::string sample(std::size_t size) {
    std::mt19937 random(7);
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>('a' + random() % 5);
    return text;
}

std::string xz(const std::string& plain, std::uint32_t dictionary = 1 << 20) {
    lzma_options_lzma options;
    lzma_lzma_preset(&options, 1);
    options.dict_size = dictionary;
    lzma_filter filters[] = {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}};
    std::string packed(lzma_stream_buffer_bound(plain.size()), '\0');
    std::size_t end = 0;
    EXPECT_EQ(LZMA_OK, lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, nullptr,
                                                 reinterpret_cast<const std::uint8_t*>(plain.data()), plain.size(),
                                                 reinterpret_cast<std::uint8_t*>(packed.data()), &end, packed.size()));
    packed.resize(end);
    return packed;
}

std::string bzip2(std::string plain) {
    std::string packed(plain.size() + plain.size() / 50 + 1000, '\0');
    auto end = static_cast<unsigned>(packed.size());
    EXPECT_EQ(BZ_OK, BZ2_bzBuffToBuffCompress(packed.data(), &end, plain.data(), static_cast<unsigned>(plain.size()), 9,
                                              0, 0));
    packed.resize(end);
    return packed;
}

}  // namespace

TEST(Decompress, tells_formats_by_their_first_bytes) {
    const std::string plain = sample(3'000'000);
    for (const std::string& packed :
         {plain, test::gzip(plain), test::zstd(plain),
          test::gzip(plain.substr(0, 1'000'000)) + test::gzip(plain.substr(1'000'000)),
          test::zstd(plain.substr(0, 10)) + test::zstd(plain.substr(10)), test::gzip(plain) + std::string(512, '\0'),
          xz(plain), xz(plain.substr(0, 10)) + std::string(8, '\0') + xz(plain.substr(10)), bzip2(plain),
          bzip2(plain.substr(0, 10)) + bzip2(plain.substr(10))}) {
        auto result = unpack(packed);
        ASSERT_TRUE(result) << result.error().text;
        EXPECT_TRUE(*result == plain);
    }
    EXPECT_EQ(*unpack(""), "");
    EXPECT_EQ(*unpack("x"), "x");
    EXPECT_EQ(*unpack(test::gzip("")), "");
    EXPECT_EQ(*unpack(test::zstd("")), "");
}

TEST(Decompress, takes_xz) {
    const std::string xz = *from_hex(
        "fd377a585a000004e6d6b4460200210116000000742fe5a301000468656c6c6f00000000b137b9dbe5da1e9b00011d05b82d80af1fb6f3"
        "7d010000000004595a");
    auto result = unpack(xz);
    ASSERT_TRUE(result) << result.error().text;
    EXPECT_EQ(*result, "hello");
}

TEST(Decompress, every_truncation_is_an_error_and_none_hangs) {
    const std::string plain = sample(60'000);
    for (const std::string& packed : {test::gzip(plain), test::zstd(plain), xz(plain), bzip2(plain)})
        for (std::size_t size = 6; size < packed.size(); size += size + 40 < packed.size() ? 997u : 1u)
            EXPECT_FALSE(unpack(packed.substr(0, size))) << size;
}

TEST(Decompress, damage_and_garbage_after_the_end_are_errors) {
    const std::string plain = sample(60'000);
    std::string gzip = test::gzip(plain), zstd = test::zstd(plain);
    EXPECT_FALSE(unpack(gzip + "garbage"));
    EXPECT_FALSE(unpack(zstd + "garbage"));
    EXPECT_FALSE(unpack(xz(plain) + "garbage"));
    EXPECT_FALSE(unpack(bzip2(plain) + "garbage"));
    gzip[gzip.size() / 2] = static_cast<char>(gzip[gzip.size() / 2] ^ 0x55);
    EXPECT_FALSE(unpack(gzip));
    gzip = test::gzip(plain);
    gzip[gzip.size() - 6] = static_cast<char>(gzip[gzip.size() - 6] ^ 1);  // the checksum
    EXPECT_FALSE(unpack(gzip));
}

TEST(Decompress, holds_large_zstd_windows_one_at_a_time) {
    // Of a stream whose length nobody told, so that its header asks for the whole window.
    auto packed = [](int window_log) {
        std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)> context(ZSTD_createCCtx(), ZSTD_freeCCtx);
        ZSTD_CCtx_setParameter(context.get(), ZSTD_c_windowLog, window_log);
        std::string text(1000, 'x'), out(4096, '\0');
        ZSTD_inBuffer in{text.data(), text.size(), 0};
        ZSTD_outBuffer to{out.data(), out.size(), 0};
        EXPECT_FALSE(ZSTD_isError(ZSTD_compressStream2(context.get(), &to, &in, ZSTD_e_continue)));
        while (ZSTD_compressStream2(context.get(), &to, &in, ZSTD_e_end) > 0) {
        }
        out.resize(to.pos);
        return out;
    };
    auto open = [](const std::string& bytes) {
        auto source = decompressed(source_of(test::stream_of(bytes)));
        EXPECT_TRUE(source);
        return std::move(*source);
    };
    auto read = [](ByteSource& source) {
        char buffer[4096];
        auto n = source.read(buffer, sizeof buffer);
        return n ? *n : 0;
    };
    auto first = open(packed(26)), modest = open(packed(20));
    EXPECT_EQ(read(*first), 1000u);
    EXPECT_EQ(read(*modest), 1000u);
    std::atomic<bool> second_read = false;
    std::thread other([&] {
        auto second = open(packed(26));
        EXPECT_EQ(read(*second), 1000u);
        second_read = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    EXPECT_FALSE(second_read);
    first.reset();
    other.join();
    EXPECT_TRUE(second_read);
}

TEST(Decompress, what_a_stream_wants_to_be_kept_is_bounded) {
    std::string large = xz("hello", 1 << 20);
    // The dictionary of the one block's header, and the checksum of that.
    const std::size_t begin = 12, length = (static_cast<unsigned char>(large[begin]) + 1u) * 4;
    const std::size_t filter = large.find("\x21\x01", begin);
    ASSERT_LT(filter, begin + length);
    large[filter + 2] = 40;
    const std::uint32_t sum = lzma_crc32(reinterpret_cast<const std::uint8_t*>(large.data()) + begin, length - 4, 0);
    for (unsigned i = 0; i < 4; ++i) large[begin + length - 4 + i] = static_cast<char>(sum >> (8 * i));
    auto result = unpack(large);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::exhausted);
    EXPECT_TRUE(unpack(xz("hello", 64 << 20))) << "as xz -9 writes it";
}

TEST(Decompress, stops_bombs) {
    const std::string zeros(64u << 20, '\0');
    DecompressLimits limits;
    limits.free_bytes = 1 << 20;
    for (const std::string& bomb : {test::gzip(zeros), test::zstd(zeros)}) {
        auto result = unpack(bomb, limits);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, Code::exhausted);
    }
    limits = {};
    limits.bytes = 1000;
    EXPECT_FALSE(unpack(test::gzip(zeros), limits));
    EXPECT_TRUE(unpack(test::gzip(zeros))) << "an honest file of zeros passes";
}

}  // namespace gantry::image
