#include "core/container/path_archive.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "core/archive/node.hpp"
#include "core/base/clock.hpp"
#include "core/base/safe_path.hpp"
#include "core/base/text.hpp"

namespace gantry::container {
namespace {

Error not_found(const std::string& path, const std::string& container) {
    return fail(Code::not_found, "Could not find the file " + path + " in container " + container);
}

// What the link leads to within the root; where there is nothing, what it says.
std::string target_in_root(const ContainerRoot& root, const std::string& path, int link) {
    if (auto target = open_in_root(root.fd(), path, O_PATH))
        if (auto known = root.path_of(target->get())) return *known;
    auto text = archive::link_target(link);
    if (!text) return {};
    if (text->starts_with('/')) return "/" + clean_relative(*text);
    return "/" + clean_relative(path.substr(0, path.rfind('/') + 1) + *text);
}

}  // namespace

std::uint32_t go_file_mode(mode_t mode) {
    std::uint32_t bits = mode & 0777;
    switch (mode & S_IFMT) {
    case S_IFDIR: bits |= 1u << 31; break;
    case S_IFLNK: bits |= 1u << 27; break;
    case S_IFBLK: bits |= 1u << 26; break;
    case S_IFIFO: bits |= 1u << 25; break;
    case S_IFSOCK: bits |= 1u << 24; break;
    case S_IFCHR: bits |= 1u << 26 | 1u << 21; break;
    default: break;
    }
    if (mode & S_ISUID) bits |= 1u << 23;
    if (mode & S_ISGID) bits |= 1u << 22;
    if (mode & S_ISVTX) bits |= 1u << 20;
    return bits;
}

Result<PathInRoot> find_path(const ContainerRoot& root, const std::string& path, const std::string& container) {
    if (path.empty()) return fail(Code::invalid, "bad parameter: path cannot be empty");
    if (path.size() > 4095) return fail(Code::invalid, "the path is longer than any path");
    const std::string clean = "/" + clean_relative(path);
    const bool contents = path == "." || path.ends_with("/.");
    const bool follow = contents || path.ends_with('/') || clean == "/";
    PathInRoot found;
    if (follow) {
        auto node = open_in_root(root.fd(), clean, O_PATH | O_DIRECTORY);
        if (!node && node.error().system_errno == ENOENT) return not_found(path, container);
        if (!node) return std::move(node).error();
        found.node = std::move(*node);
    } else {
        const std::size_t slash = clean.rfind('/');
        auto parent = open_in_root(root.fd(), clean.substr(0, slash + 1), O_PATH | O_DIRECTORY);
        auto node = parent ? archive::open_node(parent->get(), clean.substr(slash + 1)) : std::move(parent);
        if (!node && (node.error().system_errno == ENOENT || node.error().system_errno == ENOTDIR))
            return not_found(path, container);
        if (!node) return std::move(node).error();
        found.node = std::move(*node);
    }
    if (is_kernel_filesystem(found.node.get()))
        return fail(Code::unsupported, quote_json(clean) + " is made up by the kernel and cannot be copied: read or write it "
                                                           "with a command in the container");
    found.name = clean == "/" ? "/" : contents ? "." : clean.substr(clean.rfind('/') + 1);
    struct stat info {};
    if (::fstat(found.node.get(), &info) != 0) return fail_errno("look up " + quote_json(clean));
    found.stat = {{"name", found.name},
                  {"size", info.st_size},
                  {"mode", go_file_mode(info.st_mode)},
                  {"mtime", rfc3339(std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec)},
                  {"linkTarget", S_ISLNK(info.st_mode) ? target_in_root(root, clean, found.node.get()) : ""}};
    return found;
}

}  // namespace gantry::container
