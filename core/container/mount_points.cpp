#include "core/container/mount_points.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include "core/base/safe_path.hpp"
#include "core/base/text.hpp"

namespace gantry::container {
namespace {

constexpr std::string_view engine_mounts[] = {"/dev",     "/dev/console",  "/dev/mqueue", "/dev/pts",
                                              "/dev/shm", "/etc/hostname", "/etc/hosts",  "/etc/resolv.conf",
                                              "/proc",    "/sys"};
constexpr std::size_t block = 512, largest_pax = 4u << 20;

std::string_view field(std::string_view header, std::size_t at, std::size_t size) {
    std::string_view text = header.substr(at, size);
    return text.substr(0, std::min(text.find('\0'), size));
}

// Octal, or binary where the first bit is set (for files of 8 GiB and more).
std::optional<std::int64_t> number(std::string_view header, std::size_t at, std::size_t size) {
    std::int64_t value = 0;
    if (static_cast<unsigned char>(header[at]) & 0x80) {
        for (std::size_t i = at + size - 8; i < at + size; ++i)
            value = value << 8 | static_cast<unsigned char>(header[i]);
        return value < 0 ? std::nullopt : std::optional(value);
    }
    for (char c : trim(field(header, at, size))) {
        if (c < '0' || c > '7') return std::nullopt;
        value = value * 8 + (c - '0');
    }
    return value;
}

// The value of a pax record "LENGTH KEY=VALUE\n".
std::optional<std::string_view> pax_value(std::string_view records, std::string_view key) {
    while (!records.empty()) {
        const std::size_t blank = records.find(' ');
        auto length = blank == std::string_view::npos ? std::nullopt : parse_int(records.substr(0, blank));
        if (!length || *length <= static_cast<std::int64_t>(blank) + 1 ||
            *length > static_cast<std::int64_t>(records.size()))
            return std::nullopt;
        std::string_view record = records.substr(blank + 1, static_cast<std::size_t>(*length) - blank - 2);
        if (record.starts_with(key) && record.substr(key.size()).starts_with('=')) return record.substr(key.size() + 1);
        records.remove_prefix(static_cast<std::size_t>(*length));
    }
    return std::nullopt;
}

class Without final : public image::ByteSource {
public:
    Without(std::unique_ptr<image::ByteSource> from, std::set<std::string> paths)
        : from_(std::move(from)), paths_(std::move(paths)) {}

    Result<std::size_t> read(char* data, std::size_t size) override {
        for (;;) {
            if (at_ < ready_.size()) {
                const std::size_t n = std::min(size, ready_.size() - at_);
                std::memcpy(data, ready_.data() + at_, n);
                at_ += n;
                return n;
            }
            if (content_ > 0 || ended_) {
                const std::size_t wanted = ended_ ? size : std::min(size, static_cast<std::size_t>(content_));
                GANTRY_TRY(std::size_t n, from_->read(data, wanted));
                if (n == 0 && content_ > 0) return cut();
                content_ -= std::min(content_, static_cast<std::int64_t>(n));
                return n;
            }
            GANTRY_CHECK(next_header());
        }
    }

private:
    static Error cut() { return fail(Code::corrupt, "the layer's stream is cut off"); }

    Result<std::string> exactly(std::size_t size) {
        std::string bytes(size, '\0');
        for (std::size_t filled = 0; filled < size;) {
            GANTRY_TRY(std::size_t n, from_->read(bytes.data() + filled, size - filled));
            if (n == 0) return cut();
            filled += n;
        }
        return bytes;
    }

    Result<void> next_header() {
        ready_.clear();
        at_ = 0;
        std::string records;
        for (;;) {
            GANTRY_TRY(std::string header, exactly(block));
            ready_ += header;
            if (header.find_first_not_of('\0') == std::string::npos) {
                ended_ = true;  // what follows is the end, whatever it is
                return {};
            }
            auto size = number(header, 124, 12);
            if (!size) return fail(Code::corrupt, "the layer's stream has a member without a size");
            const char type = header[156];
            if (type == 'x') {
                if (*size > static_cast<std::int64_t>(largest_pax))
                    return fail(Code::corrupt, "the layer's stream has a header without end");
                const std::size_t length = static_cast<std::size_t>(*size);
                GANTRY_TRY(std::string padded, exactly((length + block - 1) / block * block));
                ready_ += padded;
                records = padded.substr(0, length);
                continue;
            }
            if (auto more = pax_value(records, "size"))
                if (auto larger = parse_int(*more)) size = *larger;
            content_ = (*size + static_cast<std::int64_t>(block) - 1) / static_cast<std::int64_t>(block) *
                       static_cast<std::int64_t>(block);
            if (content_ == 0 && !pax_value(records, "path") && paths_.contains(name_of(header))) ready_.clear();
            return {};
        }
    }

    static std::string name_of(const std::string& header) {
        const std::string_view prefix = field(header, 345, 155);
        return "/" +
               clean_relative(std::string(prefix) + (prefix.empty() ? "" : "/") + std::string(field(header, 0, 100)));
    }

    std::unique_ptr<image::ByteSource> from_;
    const std::set<std::string> paths_;
    std::string ready_;
    std::size_t at_ = 0;
    std::int64_t content_ = 0;
    bool ended_ = false;
};

}  // namespace

std::set<std::string> hide_mount_points(std::vector<Change>& changes) {
    std::set<std::string> parents, hidden;
    std::erase_if(changes, [&](const Change& change) {
        const bool ours = change.second == 1 && std::find(std::begin(engine_mounts), std::end(engine_mounts),
                                                          change.first) != std::end(engine_mounts);
        if (ours) hidden.insert(change.first);
        if (ours && change.first.find('/', 1) != std::string::npos)
            parents.insert(change.first.substr(0, change.first.rfind('/')));
        return ours;
    });
    std::erase_if(changes, [&](const Change& change) {
        return parents.contains(change.first) && std::none_of(changes.begin(), changes.end(), [&](const auto& other) {
                   return other.first.starts_with(change.first + "/");
               });
    });
    // A directory that holds more than mount points is somebody's.
    std::erase_if(hidden, [&](const std::string& path) {
        return std::any_of(changes.begin(), changes.end(),
                           [&](const Change& change) { return change.first.starts_with(path + "/"); });
    });
    return hidden;
}

std::unique_ptr<image::ByteSource> without_members(std::unique_ptr<image::ByteSource> from,
                                                   std::set<std::string> paths) {
    return std::make_unique<Without>(std::move(from), std::move(paths));
}

}  // namespace gantry::container
