#include "plugins/storage/common/implied.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>

#include "plugins/storage/common/tar_name.hpp"
#include "plugins/storage/common/tree.hpp"

namespace gantry::storage {
namespace {

Error damaged(const std::string& name) {
    return fail(Code::corrupt, "the list \"" + name + "\" of a layer is damaged");
}

}  // namespace

bool attributes_in_lowers(const std::vector<int>& lowers, const std::string& path, Attributes& found) {
    for (int lower : lowers) {
        auto fd = open_below(lower, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, Links::refuse);
        if (!fd) {
            if (fd.error().system_errno == ENOENT) continue;
            return false;
        }
        struct stat info {};
        if (::fstat(fd->get(), &info) != 0) return false;
        found = {info.st_uid, info.st_gid, info.st_mode & 07777u, info.st_mtim, {}};
        return true;
    }
    return false;
}

void Implied::listed(const std::string& path) {
    if (path.empty()) root_listed_ = true;
    directories_.erase(path);
}

// Records "INODE PATH", each ended by a NUL byte: paths hold any other. The first is "1" or "0": is the root listed.
Result<void> Implied::save(int directory, const std::string& name) const {
    std::string text(root_listed_ ? "1" : "0");
    text += '\0';
    for (const auto& [path, inode] : directories_) {
        text += std::to_string(inode) + " " + path;
        text += '\0';
    }
    if (::unlinkat(directory, name.c_str(), 0) != 0 && errno != ENOENT) return fail_errno("replace \"" + name + "\"");
    return write_small(directory, name, text, Durable::no);
}

Result<Implied> Implied::load(int directory, const std::string& name) {
    Implied implied;
    auto fd = open_at(directory, name, O_RDONLY);
    if (!fd) {
        if (fd.error().system_errno == ENOENT) return implied;
        return std::move(fd).error();
    }
    struct stat info {};
    if (::fstat(fd->get(), &info) != 0) return fail_errno("look up \"" + name + "\"");
    std::string text(static_cast<std::size_t>(info.st_size), '\0');
    for (std::size_t filled = 0; filled < text.size();) {
        const ssize_t n = ::pread(fd->get(), text.data() + filled, text.size() - filled, static_cast<off_t>(filled));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("read \"" + name + "\"");
        if (n == 0) return damaged(name);
        filled += static_cast<std::size_t>(n);
    }
    if (text.size() < 2 || text.back() != '\0') return damaged(name);
    implied.root_listed_ = text.front() == '1';
    for (std::size_t at = 2; at < text.size();) {
        const std::string_view record = std::string_view(text).substr(at, text.find('\0', at) - at);
        at += record.size() + 1;
        ino_t inode = 0;
        const auto [rest, error] = std::from_chars(record.data(), record.data() + record.size(), inode);
        const std::size_t digits = static_cast<std::size_t>(rest - record.data());
        if (error != std::errc() || digits == record.size() || record[digits] != ' ') return damaged(name);
        implied.add(std::string(record.substr(digits + 1)), inode);
    }
    return implied;
}

Result<void> Implied::take_attributes(int root, const std::vector<int>& lowers) const {
    Attributes attributes;
    if (!root_listed_ && attributes_in_lowers(lowers, "", attributes)) GANTRY_CHECK(set_attributes(root, attributes));
    for (const auto& [path, inode] : directories_) {
        if (!attributes_in_lowers(lowers, path, attributes)) continue;
        auto fd = open_below(root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, Links::refuse);
        if (!fd) continue;  // replaced by a later entry
        struct stat info {};
        if (::fstat(fd->get(), &info) != 0) return fail_errno("look up \"" + shown(path) + "\"");
        if (info.st_ino != inode) continue;
        GANTRY_CHECK(set_attributes(fd->get(), attributes));
        const timespec times[2] = {attributes.mtime, attributes.mtime};
        if (::futimens(fd->get(), times) != 0) return fail_errno("set the time of \"" + shown(path) + "\"");
    }
    return {};
}

}  // namespace gantry::storage
