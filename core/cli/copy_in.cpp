// Into a container: packed here while it is sent.
#include <fcntl.h>
#include <sys/stat.h>

#include "core/archive/tree_pack.hpp"
#include "core/base/files.hpp"
#include "core/cli/copy.hpp"
#include "core/cli/copy_paths.hpp"
#include "core/cli/packing.hpp"
#include "core/cli/terminal.hpp"

namespace gantry::cli {
namespace {

struct LocalSource {
    UniqueFd node;
    std::string name;
    bool directory = false;
};

Result<LocalSource> local_source(const std::string& path, bool follow) {
    LocalSource source;
    const int link = follow || asserts_directory(path) ? 0 : O_NOFOLLOW;
    source.node.reset(::open(path.c_str(), O_PATH | link | O_CLOEXEC));
    if (!source.node) return fail_errno("look up \"" + path + "\"");
    struct stat info {};
    if (::fstat(source.node.get(), &info) != 0) return fail_errno("look up \"" + path + "\"");
    source.directory = S_ISDIR(info.st_mode);
    if (asserts_directory(path) && !source.directory) return fail(Code::invalid, "\"" + path + "\" is not a directory");
    source.name = split_last(path).second;
    // "..", "/": the name it really has.
    if (source.name == ".." || path == "/") source.name = ".";
    return source;
}

Result<CopyEnd> container_target(Client& client, const std::string& container, std::string path) {
    auto stat = stat_path(client, container, path);
    for (int links = 0; stat && stat->is_link() && links < 40; ++links) {
        path = link_path(path, stat->link);
        stat = stat_path(client, container, path);
    }
    // Its parent may be there: the copy itself will tell.
    if (!stat && stat.error().code == Code::not_found) return CopyEnd{path, false, false};
    if (!stat) return std::move(stat).error();
    if (stat->is_device())
        return fail(Code::invalid,
                    "destination \"" + container + ":" + path + "\" must be a directory or a regular file");
    return CopyEnd{path, true, stat->is_directory()};
}

Result<void> pack_source(const LocalSource& source, const std::string& name, int to) {
    GANTRY_TRY(auto writer, archive::TarWriter::create(archive::sink_to(to)));
    GANTRY_CHECK(archive::pack(*writer, source.node.get(), name, {}));
    return writer->finish();
}

Result<std::int64_t> upload(Client& client, const std::string& target, int source) {
    GANTRY_TRY(Connection connection, client.connect());
    std::int64_t bytes = 0;
    GANTRY_CHECK(
        connection.send_from("PUT", target, source, "application/x-tar", [&](std::int64_t sent) { bytes = sent; }));
    GANTRY_CHECK(connection.receive_head());
    GANTRY_CHECK(connection.check_status());
    return bytes;
}

}  // namespace

Result<int> copy_in(Client& client, const std::string& local, const std::string& container, const std::string& path,
                    const CopyWish& wish) {
    GANTRY_TRY(CopyEnd target, container_target(client, container, path));
    std::vector<std::pair<std::string, std::string>> options{{"noOverwriteDirNonDir", "true"}};
    if (wish.owners) options.emplace_back("copyUIDGID", "true");
    if (local == "-") {
        if (!target.directory)
            return fail(Code::invalid, "destination \"" + container + ":" + path + "\" must be a directory");
        if (is_terminal(0))
            return fail(Code::invalid, "standard input is a terminal: an archive is to be read from it");
        GANTRY_TRY(std::int64_t bytes, upload(client, archive_target(container, target.path, options), 0));
        (void)bytes;
        return 0;
    }
    GANTRY_TRY(LocalSource source, local_source(local, wish.follow));
    GANTRY_TRY(CopyPlan plan, plan_copy({local, true, source.directory}, target));
    std::string name = plan.name.empty() ? source.name : plan.name;
    GANTRY_TRY(auto packing, Packing::begin([&](int to) { return pack_source(source, name, to); }));
    auto sent = upload(client, archive_target(container, plan.directory, options), packing->fd());
    auto packed = packing->finish();
    // A daemon that refuses stops reading: then its reason counts, and not the broken pipe.
    if (!sent) return std::move(sent).error();
    GANTRY_CHECK(packed);
    say_copied(wish, *sent, container + ":" + path);
    return 0;
}

}  // namespace gantry::cli
