// The digest of the files that a COPY takes. A walk in the order of names, so that the same files give the same.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/build/paths.hpp"
#include "core/base/fd_path.hpp"
#include "core/base/files.hpp"
#include "core/build/copy_files.hpp"
#include "core/image/digest.hpp"

namespace gantry::build {
namespace {

Result<std::string> digest_of_file(int fd, const Cancel& cancel) {
    image::Sha256 hash;
    std::vector<char> buffer(256u << 10);
    for (;;) {
        GANTRY_CHECK(cancel.check());
        const ssize_t n = ::read(fd, buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("read a file");
        if (n == 0) return hash.finish();
        hash.update({buffer.data(), static_cast<std::size_t>(n)});
    }
}

class Walk {
public:
    Walk(const Tree& tree, const CopyAction& action, IgnoreMatcher exclude, const Cancel& cancel)
        : tree_(tree), own_(action.owner.text.empty()), exclude_(std::move(exclude)), cancel_(cancel) {}

    Result<void> source(const Selected& source) {
        struct stat info {};
        if (::fstat(source.file.get(), &info) != 0) return fail_errno("stat \"/" + source.path + "\"");
        put("source", below(source.parents, source.name));
        if (!source.directory) {
            if (exclude_.ignores(source.name)) return {};
            return entry(source.file.get(), info, source.name, source.exact ? &source.path : nullptr);
        }
        GANTRY_CHECK(entry(source.file.get(), info, "", nullptr));
        GANTRY_TRY(UniqueFd directory, open_file(fd_path(source.file.get()), O_RDONLY | O_DIRECTORY));
        return tree(directory.get(), "", source.exact ? &source.path : nullptr, nullptr, 0);
    }
    std::string finish() { return hash_.finish(); }

private:
    // Lengths in front, so that no two sequences are the same bytes.
    void put(std::string_view key, std::string_view value) {
        hash_.update(std::string(key) + ":" + std::to_string(value.size()) + ":");
        hash_.update(value);
    }

    Result<void> tree(int directory, const std::string& relative, const std::string* path,
                      const IgnoreMatcher::Verdict* above, int depth) {
        if (depth > deepest_directory)
            return fail(Code::invalid, "a directory tree deeper than " + std::to_string(deepest_directory));
        GANTRY_CHECK(cancel_.check());
        GANTRY_TRY(auto names, list_directory(fd_path(directory)));
        for (const std::string& name : names) {
            UniqueFd file(::openat(directory, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
            struct stat info {};
            if (!file || ::fstat(file.get(), &info) != 0) return fail_errno("open \"" + name + "\"");
            const std::string inner = below(relative, name);
            const std::string inner_path = path ? below(*path, name) : "";
            const auto verdict = exclude_.judge(inner, above);
            const bool is_directory = S_ISDIR(info.st_mode);
            if (verdict.ignored && !(is_directory && exclude_.may_keep_below(inner))) continue;
            GANTRY_CHECK(entry(file.get(), info, inner, path ? &inner_path : nullptr));
            if (!is_directory) continue;
            UniqueFd opened(::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            if (!opened) return fail_errno("open \"" + inner + "\"");
            GANTRY_CHECK(tree(opened.get(), inner, path ? &inner_path : nullptr, &verdict, depth + 1));
        }
        return {};
    }

    Result<void> entry(int file, const struct stat& info, const std::string& name, const std::string* path) {
        put("name", name);
        put("mode", std::to_string(info.st_mode));
        if (own_) put("owner", std::to_string(info.st_uid) + ":" + std::to_string(info.st_gid));
        if (S_ISREG(info.st_mode)) {
            std::optional<std::string> digest;
            if (path) digest = tree_.digest_of(*path);
            if (!digest) {
                GANTRY_TRY(UniqueFd readable, open_file(fd_path(file), O_RDONLY));
                GANTRY_TRY(digest, digest_of_file(readable.get(), cancel_));
            }
            put("content", *digest);
        } else if (S_ISLNK(info.st_mode)) {
            std::string target(4097, '\0');
            const ssize_t n = ::readlinkat(file, "", target.data(), target.size() - 1);
            if (n < 0) return fail_errno("read the link \"" + name + "\"");
            put("link", std::string_view(target).substr(0, static_cast<std::size_t>(n)));
        } else if (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode)) {
            put("device", std::to_string(major(info.st_rdev)) + ":" + std::to_string(minor(info.st_rdev)));
        }
        return {};
    }

    const Tree& tree_;
    const bool own_;
    const IgnoreMatcher exclude_;
    const Cancel& cancel_;
    image::Sha256 hash_;
};

}  // namespace

Result<std::string> digest_of_files(const Tree& tree, const std::vector<Selected>& selected, const CopyAction& action,
                                    const Cancel& cancel) {
    GANTRY_TRY(IgnoreMatcher exclude, IgnoreMatcher::parse(action.exclude));
    Walk walk(tree, action, std::move(exclude), cancel);
    for (const Selected& source : selected) GANTRY_CHECK(walk.source(source));
    return walk.finish();
}

}  // namespace gantry::build
