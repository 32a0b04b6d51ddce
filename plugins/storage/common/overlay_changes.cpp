#include "plugins/storage/common/overlay_changes.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "plugins/storage/common/overlay_marks.hpp"
#include "plugins/storage/common/tar_name.hpp"
#include "plugins/storage/common/tree.hpp"

namespace gantry::storage {
namespace {

// The directory `path` in those layers below that merge into one view, topmost first.
std::vector<UniqueFd> merged(const std::vector<int>& lowers, const std::string& path) {
    std::vector<UniqueFd> found;
    for (int lower : lowers) {
        // Component by component: an opaque or deleted parent in this layer ends the search below it.
        UniqueFd at(::openat(lower, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        bool last_layer = false, absent = !at;
        for (std::size_t start = 0; start < path.size() && !absent;) {
            std::size_t slash = std::min(path.find('/', start), path.size());
            std::string part = path.substr(start, slash - start);
            start = slash + 1;
            auto next = open_at(at.get(), part, O_RDONLY | O_DIRECTORY);
            if (!next) {
                absent = true;
                last_layer = last_layer || next.error().system_errno != ENOENT;  // a file or a whiteout hides the rest
                break;
            }
            at = std::move(*next);
            last_layer = last_layer || is_opaque(at.get());
        }
        if (!absent) found.push_back(std::move(at));
        if (last_layer) break;
    }
    return found;
}

bool in_lowers(const std::vector<UniqueFd>& directories, const std::string& name) {
    for (const UniqueFd& directory : directories) {
        struct stat info {};
        if (::fstatat(directory.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) return !is_whiteout(info);
    }
    return false;
}

Result<void> walk(int fd, const std::string& path, const std::vector<int>& lowers, bool hidden, std::size_t depth,
                  std::vector<Change>& changes) {
    if (depth > max_entry_depth) return fail(Code::exhausted, "\"" + shown(path) + "\" lies too deep");
    GANTRY_TRY(auto names, names_in(fd));
    std::vector<std::pair<std::string, bool>> below;
    {
        std::vector<UniqueFd> directories;
        if (!hidden) directories = merged(lowers, path);
        for (const std::string& name : names) {
            struct stat info {};
            if (::fstatat(fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
            bool known = in_lowers(directories, name);
            std::string full = (path.empty() ? "/" : "/" + path + "/") + name;
            if (is_whiteout(info)) {
                if (known) changes.push_back({full, "deleted"});
                continue;
            }
            changes.push_back({full, known ? "modified" : "added"});
            if (S_ISDIR(info.st_mode)) below.emplace_back(name, hidden || !known);
        }
    }
    for (const auto& [name, unknown] : below) {
        auto child = open_at(fd, name, O_RDONLY | O_DIRECTORY);
        if (!child) continue;
        GANTRY_CHECK(walk(child->get(), path.empty() ? name : path + "/" + name, lowers,
                          unknown || is_opaque(child->get()), depth + 1, changes));
    }
    return {};
}

}  // namespace

Result<std::vector<Change>> overlay_changes(int upper, const std::vector<int>& lowers) {
    std::vector<Change> changes;
    GANTRY_TRY(UniqueFd root, open_at(upper, ".", O_RDONLY | O_DIRECTORY));
    GANTRY_CHECK(walk(root.get(), "", lowers, false, 0, changes));
    std::sort(changes.begin(), changes.end(), [](const Change& a, const Change& b) { return a.path < b.path; });
    return changes;
}

}  // namespace gantry::storage
