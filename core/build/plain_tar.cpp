#include "core/build/plain_tar.hpp"

namespace gantry::build {
namespace {

constexpr std::size_t tar_block = 512;

// ustar; the names here are short.
std::string plain_tar_header(const std::string& name, std::int64_t size, char type) {
    std::string header(tar_block, '\0');
    auto put = [&](std::size_t at, std::string_view text) { header.replace(at, text.size(), text); };
    auto octal = [&](std::size_t at, int digits, std::int64_t value) {
        for (int i = digits - 1; i >= 0; --i, value /= 8)
            header[at + static_cast<std::size_t>(i)] = static_cast<char>('0' + value % 8);
    };
    put(0, name);
    octal(100, 7, type == '5' ? 0755 : 0644);
    octal(108, 7, 0);
    octal(116, 7, 0);
    if (size < (std::int64_t{1} << 33)) {
        octal(124, 11, size);
    } else {  // base 256: what octal digits have no room for
        header[124] = static_cast<char>(0x80);
        for (std::size_t i = 0; i < 8; ++i)
            header[128 + i] = static_cast<char>((static_cast<std::uint64_t>(size) >> (8 * (7 - i))) & 0xff);
    }
    octal(136, 11, 0);
    put(148, "        ");
    header[156] = type;
    put(257, std::string_view("ustar\00000", 8));
    int sum = 0;
    for (char c : header) sum += static_cast<unsigned char>(c);
    octal(148, 6, sum);
    header[154] = '\0';
    return header;
}

}  // namespace

Result<void> PlainTar::directory(const std::string& name) { return write_(plain_tar_header(name + "/", 0, '5')); }

Result<void> PlainTar::file(const std::string& name, std::string_view content) {
    GANTRY_CHECK(begin(name, static_cast<std::int64_t>(content.size())));
    GANTRY_CHECK(write_(content));
    return end(static_cast<std::int64_t>(content.size()));
}

Result<void> PlainTar::begin(const std::string& name, std::int64_t size) {
    return write_(plain_tar_header(name, size, '0'));
}

Result<void> PlainTar::end(std::int64_t size) {
    const std::size_t rest = static_cast<std::size_t>(size) % tar_block;
    return rest == 0 ? Result<void>() : write_(std::string(tar_block - rest, '\0'));
}

Result<void> PlainTar::finish() { return write_(std::string(2 * tar_block, '\0')); }

}  // namespace gantry::build
