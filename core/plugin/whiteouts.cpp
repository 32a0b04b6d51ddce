#include "core/plugin/whiteouts.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/archive/node.hpp"
#include "core/base/safe_path.hpp"
#include "core/base/text.hpp"

namespace gantry::plugin {
namespace {

constexpr std::string_view mark = ".wh.", opaque = ".wh..wh..opq";

// A directory below `root` whose path has no link in it; none: it is not there.
Result<UniqueFd> directory_at(int root, const std::string& path) {
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, root, ("/" + path).c_str(), &how, sizeof how)));
    if (!fd && errno != ENOENT && errno != ENOTDIR && errno != ELOOP) return fail_errno("open " + quote_json(path));
    return fd;
}

std::string child_of(const std::string& directory, const std::string& name) {
    return directory.empty() ? name : directory + "/" + name;
}

}  // namespace

// Takes away what lower layers have put into a directory.
Result<void> Whiteouts::empty(const std::string& directory) {
    GANTRY_TRY(UniqueFd fd, directory_at(root_, directory));
    if (!fd) return {};
    GANTRY_TRY(auto names, archive::names_in(fd.get()));
    for (const std::string& name : names) {
        const std::string child = child_of(directory, name);
        if (!made_.contains(child))
            GANTRY_CHECK(archive::remove_node(fd.get(), name));
        else
            GANTRY_CHECK(empty(child));
    }
    return {};
}

Result<std::string> Whiteouts::apply(std::string_view name) {
    const std::string path = clean_relative(name);
    const std::size_t slash = path.rfind('/');
    const std::string above = slash == std::string::npos ? "" : path.substr(0, slash);
    const std::string base = slash == std::string::npos ? path : path.substr(slash + 1);
    if (!base.starts_with(mark)) {
        for (std::string part = path; !part.empty() && made_.insert(part).second;) {
            const std::size_t at = part.rfind('/');
            part.resize(at == std::string::npos ? 0 : at);
        }
        return std::string(name);
    }
    if (base == opaque) {
        GANTRY_CHECK(empty(above));
        return std::string();
    }
    const std::string target = base.substr(mark.size());
    if (target.empty() || target == "." || target == ".." || target.starts_with(mark))
        return fail(Code::invalid,
                    "the layer has the mark " + quote_json(path.substr(0, 200)) + ", which marks nothing");
    GANTRY_TRY(UniqueFd parent, directory_at(root_, above));
    if (parent && !made_.contains(child_of(above, target))) GANTRY_CHECK(archive::remove_node(parent.get(), target));
    return std::string();
}

}  // namespace gantry::plugin
