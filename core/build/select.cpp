#include "core/build/paths.hpp"
#include "core/build/select.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/files.hpp"
#include "core/base/safe_path.hpp"
#include "core/base/text.hpp"
#include "core/build/dockerignore.hpp"

namespace gantry::build {
namespace {

constexpr std::size_t most_matches = 100'000;

bool has_meta(std::string_view text) { return text.find_first_of("*?[\\") != std::string_view::npos; }

Result<std::vector<std::string>> names_at(int root, const std::string& path) {
    auto directory = open_in_root(root, path.empty() ? "/" : path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
    if (!directory) {
        const Code code = directory.error().code;
        if (code == Code::not_found || code == Code::invalid) return std::vector<std::string>{};
        return std::move(directory).error();
    }
    return list_directory("/proc/self/fd/" + std::to_string(directory->get()));
}

class Expansion {
public:
    Expansion(int root, std::vector<std::string_view> parts) : root_(root), parts_(std::move(parts)) {}
    Result<void> run(const std::string& at, std::size_t index) {
        if (matches.size() > most_matches)
            return fail(Code::exhausted, "a pattern matches more than " + std::to_string(most_matches) + " files");
        if (index == parts_.size()) {
            matches.push_back(at);
            return {};
        }
        const std::string part(parts_[index]);
        const bool last = index + 1 == parts_.size();
        if (part == "**") {
            GANTRY_CHECK(run(at, index + 1));
            GANTRY_TRY(auto names, names_at(root_, at));
            // No links, which may lead in a circle.
            for (const std::string& name : names)
                if (open_in_root(root_, below(at, name), O_PATH | O_NOFOLLOW | O_DIRECTORY))
                    GANTRY_CHECK(run(below(at, name), index));
            return {};
        }
        if (!has_meta(part)) {
            const std::string path = below(at, part);
            if (last ? exists(path) : is_directory(path)) return run(path, index + 1);
            return {};
        }
        GANTRY_TRY(auto names, names_at(root_, at));
        for (const std::string& name : names) {
            GANTRY_TRY(bool same, match_path(part, name));
            if (same && (last || is_directory(below(at, name)))) GANTRY_CHECK(run(below(at, name), index + 1));
        }
        return {};
    }
    std::vector<std::string> matches;

private:
    bool exists(const std::string& path) { return bool(open_in_root(root_, path, O_PATH | O_NOFOLLOW)); }
    bool is_directory(const std::string& path) { return bool(open_in_root(root_, path, O_PATH | O_DIRECTORY)); }
    int root_;
    std::vector<std::string_view> parts_;
};

bool without_links(int root, const std::string& path) {
    if (path.empty()) return true;
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS;
    UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
    struct stat info {};
    return fd && ::fstat(fd.get(), &info) == 0 && !S_ISLNK(info.st_mode);
}

Result<Selected> open_source(int root, const std::string& path) {
    Selected selected;
    selected.path = path;
    selected.name = path.substr(path.rfind('/') + 1);
    GANTRY_TRY(selected.file, open_in_root(root, path.empty() ? "/" : path, O_PATH));
    struct stat info {};
    if (::fstat(selected.file.get(), &info) != 0) return fail_errno("stat \"/" + path + "\"");
    selected.directory = S_ISDIR(info.st_mode);
    selected.exact = without_links(root, path);
    return selected;
}

}  // namespace

Result<std::vector<Selected>> select_files(int root, const CopyAction& action) {
    std::vector<Selected> all;
    for (const std::string& source : action.sources) {
        // --parents keeps what is behind "./" in the middle of a source, and otherwise all.
        std::string pivot;
        if (const std::size_t at = source.find("/./"); action.parents && at != std::string::npos)
            pivot = clean_relative(source.substr(0, at));
        const std::string clean = clean_relative(source);
        std::vector<std::string> paths;
        if (has_meta(clean)) {
            Expansion expansion(root, split(clean, '/'));
            GANTRY_CHECK(expansion.run("", 0));
            paths = std::move(expansion.matches);
            std::sort(paths.begin(), paths.end());
            paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
        }
        // A name that looks like a pattern may be one nevertheless.
        if (paths.empty() && (!has_meta(clean) || open_in_root(root, clean, O_PATH | O_NOFOLLOW)))
            paths.push_back(clean);
        if (paths.empty() && !action.allow_nothing) return fail(Code::not_found, "\"" + source + "\": no file matches");
        for (const std::string& path : paths) {
            auto selected = open_source(root, path);
            if (!selected) {
                if (selected.error().code == Code::not_found)
                    return fail(Code::not_found, "\"/" + path + "\": not found");
                return std::move(selected).error();
            }
            if (action.parents) {
                std::string kept = path;
                if (!pivot.empty() && (kept == pivot || kept.starts_with(pivot + "/")))
                    kept = kept.substr(std::min(kept.size(), pivot.size() + 1));
                const std::size_t slash = kept.rfind('/');
                selected->parents = slash == std::string::npos ? "" : kept.substr(0, slash);
            }
            all.push_back(std::move(*selected));
        }
    }
    return all;
}

}  // namespace gantry::build
