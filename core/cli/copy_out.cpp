// From a container: an archive of the daemon's, unpacked here. It is taken for hostile, as the container is.
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/archive/tree_unpack.hpp"
#include "core/base/files.hpp"
#include "core/cli/copy.hpp"
#include "core/cli/copy_paths.hpp"
#include "core/cli/save.hpp"
#include "core/cli/terminal.hpp"

namespace gantry::cli {
namespace {

// A local path's end: what is there, behind links.
Result<CopyEnd> local_target(std::string path) {
    for (int links = 0; links < 40; ++links) {
        struct stat info {};
        if (::stat(path.c_str(), &info) == 0) return CopyEnd{path, true, S_ISDIR(info.st_mode)};
        if (errno != ENOENT) return fail_errno("look up \"" + path + "\"");
        std::string target(PATH_MAX, '\0');
        const ssize_t n = ::readlink(path.c_str(), target.data(), target.size());
        if (n < 0) break;
        target.resize(static_cast<std::size_t>(n));
        path = link_path(path, target);
    }
    const std::string above =
        split_last(asserts_directory(path) ? split_last(path).first + "/" + split_last(path).second : path).first;
    struct stat parent {};
    if (::stat(above.c_str(), &parent) != 0 || !S_ISDIR(parent.st_mode))
        return fail(Code::invalid, "invalid output path: directory \"" + above + "\" does not exist");
    return CopyEnd{path, false, false};
}

}  // namespace

Result<int> copy_out(Client& client, const std::string& container, std::string path, const std::string& local,
                     const CopyWish& wish) {
    std::string shown = split_last(path).second;
    if (wish.follow) {
        GANTRY_TRY(PathStat stat, stat_path(client, container, path));
        if (stat.is_link()) path = link_path(path, stat.link);
    }
    const bool to_stdout = local == "-";
    if (to_stdout && is_terminal(1))
        return fail(Code::invalid, "refusing to write an archive to a terminal: redirect standard output");
    CopyEnd target;
    if (!to_stdout) {
        GANTRY_TRY(target, local_target(local));
    }
    GANTRY_TRY(Connection answer, client.open("GET", archive_target(container, path)));
    if (to_stdout) {
        GANTRY_CHECK(copy_body(answer, 1));
        return 0;
    }
    GANTRY_TRY(PathStat stat, stat_of(answer));
    const std::string sent = split_last(path).second;
    GANTRY_TRY(CopyPlan plan, plan_copy({path, true, stat.is_directory()}, target));
    if (plan.name.empty() && shown != sent) plan.name = shown;

    GANTRY_TRY(UniqueFd directory, open_file(plan.directory, O_PATH | O_DIRECTORY));
    std::int64_t bytes = 0;
    std::string waiting;
    std::size_t at = 0;
    GANTRY_TRY(auto reader, archive::TarReader::create([&](char* data, std::size_t size) -> Result<std::size_t> {
                   if (at == waiting.size()) {
                       GANTRY_TRY(waiting, answer.receive_some());
                       at = 0;
                       bytes += static_cast<std::int64_t>(waiting.size());
                   }
                   const std::size_t n = std::min(size, waiting.size() - at);
                   waiting.copy(data, n, at);
                   at += n;
                   return n;
               }));
    archive::UnpackOptions options;
    options.owner = wish.owners ? archive::UnpackOptions::Owner::archive : archive::UnpackOptions::Owner::mine;
    options.devices = false;
    options.rename = [&](std::string_view member) { return renamed_member(member, sent, plan.name); };
    GANTRY_CHECK(archive::unpack(*reader, directory.get(), "", options));
    // What follows the archive's end is padding; but a connection that broke is told of.
    for (;;) {
        GANTRY_TRY(std::string rest, answer.receive_some());
        if (rest.empty()) break;
        bytes += static_cast<std::int64_t>(rest.size());
    }
    say_copied(wish, bytes, local);
    return 0;
}

}  // namespace gantry::cli
