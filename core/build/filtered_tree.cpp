#include "core/build/filtered_tree.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include "core/base/files.hpp"
#include "core/base/safe_path.hpp"
#include "core/build/copy_files.hpp"
#include "core/build/unpack.hpp"

namespace gantry::build {

Result<std::string> read_in_tree(const Tree& tree, const std::string& path) {
    GANTRY_TRY(UniqueFd file, open_in_root(tree.root(), path, O_RDONLY | O_NONBLOCK));
    struct stat info {};
    if (::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode))
        return fail(Code::invalid, "\"" + path + "\" is no regular file");
    return read_all(file.get(), 4u << 20);
}

Result<std::shared_ptr<const Tree>> remote_context(Sources& sources, const std::string& kind, const std::string& url,
                                                   const OnProgress& progress, Cancel& cancel,
                                                   const AskSecret& secret) {
    if (kind == "git") {
        GitSource git;
        const std::size_t hash = url.find('#');
        git.url = url.substr(0, hash);
        if (hash != std::string::npos) {
            const std::string fragment = url.substr(hash + 1);
            const std::size_t colon = fragment.find(':');
            git.ref = fragment.substr(0, colon);
            if (colon != std::string::npos) git.subdir = fragment.substr(colon + 1);
        }
        GANTRY_TRY(Value value, sources.git(git, progress, cancel, secret));
        return value.tree;
    }
    GANTRY_TRY(Value value, sources.http({url, "", "Dockerfile"}, progress, cancel, secret));
    GANTRY_TRY(UniqueFd file, open_in_root(value.tree->root(), "Dockerfile", O_RDONLY));
    GANTRY_TRY(bool archive, is_archive(file.get()));
    if (!archive) return value.tree;
    GANTRY_TRY(std::string path, sources.temporary_directory());
    GANTRY_TRY(auto tree, DirectoryTree::open(path, true));
    UnpackOptions options;
    options.devices = false;
    options.cancelled = [&cancel] { return cancel.cancelled(); };
    GANTRY_CHECK(unpack_tar(file.get(), tree->root(), options));
    return tree;
}

Result<std::shared_ptr<const Tree>> filtered(Sources& sources, std::shared_ptr<const Tree> tree,
                                             const std::vector<std::string>& exclude, Cancel& cancel) {
    if (exclude.empty()) return tree;
    GANTRY_TRY(std::string path, sources.temporary_directory());
    GANTRY_TRY(auto less, DirectoryTree::open(path, true));
    GANTRY_TRY(FileCopier copier, FileCopier::make(less->root(), {}, "", exclude, cancel));
    CopyAction all;
    all.sources = {"/"};
    all.destination = "/";
    GANTRY_TRY(auto selected, select_files(tree->root(), all));
    GANTRY_CHECK(copier.copy(all, selected));
    return less;
}

}  // namespace gantry::build
