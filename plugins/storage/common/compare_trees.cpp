#include "plugins/storage/common/compare_trees.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>

#include "plugins/storage/common/overlay_marks.hpp"
#include "plugins/storage/common/tar_name.hpp"
#include "plugins/storage/common/tree.hpp"

namespace gantry::storage {
namespace {

constexpr std::size_t max_compared_depth = 2 * max_entry_depth;

bool later(const timespec& a, const timespec& b) {
    return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

bool same_content(int one, int two) {
    std::vector<char> a(128u << 10), b(a.size());
    for (off_t at = 0;;) {
        const ssize_t n = ::pread(one, a.data(), a.size(), at), m = ::pread(two, b.data(), b.size(), at);
        if (n < 0 || n != m || std::memcmp(a.data(), b.data(), static_cast<std::size_t>(n)) != 0) return false;
        if (n == 0) return true;
        at += n;
    }
}

std::map<std::string, std::string> portable_xattrs(int fd) {
    std::map<std::string, std::string> found;
    char names[16384], value[65536];
    const ssize_t length = ::flistxattr(fd, names, sizeof names);
    for (const char* name = names; name < names + length; name += std::string_view(name).size() + 1) {
        if (!is_portable_xattr(name)) continue;
        const ssize_t size = ::fgetxattr(fd, name, value, sizeof value);
        if (size >= 0) found[name] = std::string(value, static_cast<std::size_t>(size));
    }
    return found;
}

class Comparer {
public:
    Comparer(const timespec& copied, const std::function<bool()>& cancelled) : copied_(copied), cancelled_(cancelled) {}

    // Gives whether anything below differs. `base` -1: there is nothing to compare with.
    Result<bool> directory(int tree, int base, const std::string& path, std::size_t depth) {
        if (depth > max_compared_depth) return fail(Code::exhausted, "\"" + shown(path) + "\" lies too deep");
        GANTRY_TRY(auto names, names_in(tree));
        std::vector<std::string> before;
        if (base >= 0) {
            GANTRY_TRY(before, names_in(base));
        }
        bool any = false;
        for (const std::string& name : names) {
            if (cancelled_ && cancelled_()) return fail(Code::cancelled, "the call was given up");
            const bool known = std::binary_search(before.begin(), before.end(), name);
            GANTRY_TRY(bool changed, one(tree, known ? base : -1, name, path + "/" + name, depth));
            any = any || changed;
        }
        for (const std::string& name : before)
            if (!std::binary_search(names.begin(), names.end(), name) && !is_socket(base, name)) {
                changes_.push_back({path + "/" + name, "deleted"});
                any = true;
            }
        return any;
    }
    std::vector<Change> take() {
        std::sort(changes_.begin(), changes_.end(), [](const Change& a, const Change& b) { return a.path < b.path; });
        return std::move(changes_);
    }

private:
    // Which a copy leaves out.
    static bool is_socket(int directory, const std::string& name) {
        struct stat info {};
        return ::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(info.st_mode);
    }

    Result<bool> one(int tree, int base, const std::string& name, const std::string& path, std::size_t depth) {
        struct stat now {
        }, then{};
        if (::fstatat(tree, name.c_str(), &now, AT_SYMLINK_NOFOLLOW) != 0) return false;  // gone meanwhile
        const bool known = base >= 0 && ::fstatat(base, name.c_str(), &then, AT_SYMLINK_NOFOLLOW) == 0;
        const bool same_type = known && (now.st_mode & S_IFMT) == (then.st_mode & S_IFMT);
        bool changed = !same_type;
        if (same_type) {
            GANTRY_TRY(changed, differs(tree, base, name, now, then));
        }
        if (S_ISDIR(now.st_mode)) {
            GANTRY_TRY(UniqueFd here, open_at(tree, name, O_RDONLY | O_DIRECTORY));
            UniqueFd there;
            if (same_type) {
                GANTRY_TRY(there, open_at(base, name, O_RDONLY | O_DIRECTORY));
            }
            GANTRY_TRY(bool below, directory(here.get(), there ? there.get() : -1, path, depth + 1));
            changed = changed || below;
        }
        if (changed) changes_.push_back({path, known ? "modified" : "added"});
        return changed;
    }

    Result<bool> differs(int tree, int base, const std::string& name, const struct stat& now, const struct stat& then) {
        if (now.st_mode != then.st_mode || now.st_uid != then.st_uid || now.st_gid != then.st_gid ||
            now.st_rdev != then.st_rdev || later(now.st_mtim, then.st_mtim) || later(then.st_mtim, now.st_mtim))
            return true;
        if (!S_ISDIR(now.st_mode) && now.st_size != then.st_size) return true;
        if (!later(now.st_ctim, copied_)) return false;  // untouched since the copy
        if (S_ISLNK(now.st_mode)) {
            char a[4096], b[4096];
            const ssize_t n = ::readlinkat(tree, name.c_str(), a, sizeof a);
            const ssize_t m = ::readlinkat(base, name.c_str(), b, sizeof b);
            return n < 0 || n != m || std::memcmp(a, b, static_cast<std::size_t>(n)) != 0;
        }
        if (!S_ISREG(now.st_mode) && !S_ISDIR(now.st_mode)) return false;
        const int flags = O_RDONLY | O_NONBLOCK | (S_ISDIR(now.st_mode) ? O_DIRECTORY : O_NOATIME);
        GANTRY_TRY(UniqueFd here, open_at(tree, name, flags));
        GANTRY_TRY(UniqueFd there, open_at(base, name, flags));
        if (portable_xattrs(here.get()) != portable_xattrs(there.get())) return true;
        return S_ISREG(now.st_mode) && !same_content(here.get(), there.get());
    }

    const timespec& copied_;
    const std::function<bool()>& cancelled_;
    std::vector<Change> changes_;
};

}  // namespace

Result<std::vector<Change>> compare_trees(int tree, int base, const timespec& copied,
                                          const std::function<bool()>& cancelled) {
    Comparer comparer(copied, cancelled);
    GANTRY_TRY(bool any, comparer.directory(tree, base, "", 0));
    (void)any;
    return comparer.take();
}

}  // namespace gantry::storage
