#include "core/cli/build/tar_reader.hpp"

#include <algorithm>
#include <optional>

#include "core/base/text.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t block_size = 512, record_limit = 1u << 20;

// A field of a header: text up to its first NUL.
std::string_view field(std::string_view block, std::size_t at, std::size_t size) {
    std::string_view text = block.substr(at, size);
    return text.substr(0, text.find('\0'));
}

// Octal, or base 256 where the first bit is set.
std::optional<std::int64_t> number(std::string_view block, std::size_t at, std::size_t size) {
    std::string_view bytes = block.substr(at, size);
    if (static_cast<unsigned char>(bytes[0]) & 0x80) {
        if (static_cast<unsigned char>(bytes[0]) != 0x80) return std::nullopt;  // negative, or beyond 63 bits
        std::int64_t value = 0;
        for (char c : bytes.substr(1)) {
            if (value > (std::int64_t{1} << 54)) return std::nullopt;
            value = (value << 8) | static_cast<unsigned char>(c);
        }
        return value;
    }
    std::int64_t value = 0;
    for (char c : trim(field(block, at, size))) {
        if (c < '0' || c > '7') return std::nullopt;
        value = value * 8 + (c - '0');
    }
    return value;
}

bool checksum_fits(std::string_view block) {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < block_size; ++i)
        sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(block[i]);
    auto told = number(block, 148, 8);
    return told && *told == sum;
}

// "LENGTH KEY=VALUE\n" again and again.
Result<void> read_pax(std::string_view text, std::map<std::string, std::string>& into) {
    while (!text.empty()) {
        std::size_t blank = text.find(' ');
        auto length = parse_int(text.substr(0, blank));
        if (blank == std::string_view::npos || !length || *length < static_cast<std::int64_t>(blank) + 3 ||
            static_cast<std::size_t>(*length) > text.size())
            return fail(Code::corrupt, "a pax record of the archive is malformed");
        std::string_view record = text.substr(blank + 1, static_cast<std::size_t>(*length) - blank - 2);
        std::size_t equals = record.find('=');
        if (equals == std::string_view::npos) return fail(Code::corrupt, "a pax record of the archive is malformed");
        into[std::string(record.substr(0, equals))] = std::string(record.substr(equals + 1));
        text.remove_prefix(static_cast<std::size_t>(*length));
    }
    return {};
}

// "1700000000.25"
void read_time(std::string_view text, TarEntry& entry) {
    std::size_t dot = text.find('.');
    auto seconds = parse_int(text.substr(0, dot));
    if (!seconds) return;
    entry.mtime_s = *seconds;
    std::string digits = dot == std::string_view::npos ? std::string() : std::string(text.substr(dot + 1, 9));
    digits.resize(9, '0');
    entry.mtime_ns = parse_int(digits).value_or(0);
}

}  // namespace

bool looks_like_tar(std::string_view bytes) { return bytes.size() >= block_size && checksum_fits(bytes); }

Result<void> TarReader::take_header(std::string_view block) {
    if (std::all_of(block.begin(), block.end(), [](char c) { return c == '\0'; })) {
        state_ = State::done;
        return {};
    }
    if (!checksum_fits(block)) return fail(Code::corrupt, "not a tar archive: the checksum of a header does not fit");
    auto size = number(block, 124, 12), mode = number(block, 100, 8), time = number(block, 136, 12);
    if (!size || !mode) return fail(Code::corrupt, "a header of the archive has a number that cannot be");
    const char type = block[156];
    if (type == 'x' || type == 'g' || type == 'L' || type == 'K') {
        if (static_cast<std::size_t>(*size) > record_limit)
            return fail(Code::exhausted, "the archive has a record of names larger than 1 MiB");
        special_ = type;
        left_ = static_cast<std::uint64_t>(*size);
        padding_ = (block_size - left_ % block_size) % block_size;
        state_ = State::records;
        block_.clear();
        return left_ == 0 ? take_records() : Result<void>();
    }
    TarEntry entry;
    entry.path = field(block, 0, 100);
    if (block.substr(257, 5) == "ustar" && block[262] == '\0' && block[345] != '\0')
        entry.path = std::string(field(block, 345, 155)) + "/" + entry.path;
    entry.link = field(block, 157, 100);
    entry.mode = static_cast<std::uint32_t>(*mode) & 07777;
    entry.mtime_s = time.value_or(0);
    entry.size = static_cast<std::uint64_t>(*size);
    for (const auto* records : {&global_, &local_})
        for (const auto& [key, value] : *records) {
            if (key == "path") entry.path = value;
            if (key == "linkpath") entry.link = value;
            if (key == "mtime") read_time(value, entry);
            if (key.starts_with("GNU.sparse"))
                return fail(Code::unsupported, "sparse files in an archive are not supported");
            if (key != "size") continue;
            auto told = parse_int(value);
            if (!told || *told < 0) return fail(Code::corrupt, "a pax record of the archive has a size that cannot be");
            entry.size = static_cast<std::uint64_t>(*told);
        }
    local_.clear();
    switch (type) {
    case '0':
    case '\0':
    case '7': entry.kind = entry.path.ends_with('/') ? TarEntry::Kind::directory : TarEntry::Kind::file; break;
    case '1': entry.kind = TarEntry::Kind::hard_link; break;
    case '2': entry.kind = TarEntry::Kind::symbolic_link; break;
    case '5': entry.kind = TarEntry::Kind::directory; break;
    case 'S': return fail(Code::unsupported, "sparse files in an archive are not supported");
    default: entry.kind = TarEntry::Kind::other;
    }
    is_file_ = entry.kind == TarEntry::Kind::file;
    left_ = entry.size;
    padding_ = (block_size - left_ % block_size) % block_size;
    if (!is_file_) entry.size = 0;
    GANTRY_CHECK(sink_.entry(entry));
    state_ = State::data;
    return {};
}

Result<void> TarReader::take_records() {
    state_ = State::padding;
    std::string text = std::move(block_);
    block_.clear();
    if (special_ == 'x') return read_pax(text, local_);
    if (special_ == 'g') return read_pax(text, global_);
    text.resize(std::min(text.size(), text.find('\0')));
    local_[special_ == 'L' ? "path" : "linkpath"] = text;
    return {};
}

Result<void> TarReader::push(std::string_view bytes) {
    while (!bytes.empty() || (state_ == State::data && left_ == 0)) {
        if (state_ == State::done) return {};
        if (state_ == State::header) {
            std::size_t take = std::min(block_size - block_.size(), bytes.size());
            block_.append(bytes.substr(0, take));
            bytes.remove_prefix(take);
            if (block_.size() < block_size) return {};
            const std::string block(block_);
            block_.clear();
            GANTRY_CHECK(take_header(block));
            continue;
        }
        std::uint64_t& open = state_ == State::padding ? padding_ : left_;
        const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(open, bytes.size()));
        std::string_view piece = bytes.substr(0, take);
        bytes.remove_prefix(take);
        open -= take;
        if (state_ == State::records) block_.append(piece);
        if (state_ == State::data && is_file_ && !piece.empty()) GANTRY_CHECK(sink_.data(piece));
        if (open != 0) continue;
        if (state_ == State::records) {
            GANTRY_CHECK(take_records());
        } else if (state_ == State::data) {
            if (is_file_) GANTRY_CHECK(sink_.end());
            state_ = State::padding;
        }
        if (state_ == State::padding && padding_ == 0) state_ = State::header;
    }
    return {};
}

Result<void> TarReader::finish() {
    GANTRY_CHECK(push({}));
    // Archives without the two blocks of zeros at their end are about.
    if (state_ == State::done || (state_ == State::header && block_.empty())) return {};
    return fail(Code::corrupt, "the archive ends in the middle of an entry");
}

}  // namespace gantry::cli
