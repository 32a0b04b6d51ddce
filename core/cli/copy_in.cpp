// Into a container: packed here while it is sent.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "core/archive/tree_pack.hpp"
#include "core/base/files.hpp"
#include "core/cli/copy.hpp"
#include "core/cli/copy_paths.hpp"
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

// Packs on a thread of its own into a pipe that is sent meanwhile.
class Packing {
public:
    static Result<std::unique_ptr<Packing>> begin(LocalSource source, std::string name) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("make a pipe");
        std::unique_ptr<Packing> packing(new Packing);
        packing->reading_.reset(ends[0]);
        packing->thread_ =
            std::thread([self = packing.get(), source = std::move(source), name = std::move(name), end = ends[1]] {
                sigset_t pipe;
                sigemptyset(&pipe);
                sigaddset(&pipe, SIGPIPE);
                ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);  // who no longer reads is an error, not an end
                UniqueFd writing(end);
                self->done_ = pack(source, name, writing.get());
            });
        return packing;
    }
    ~Packing() { (void)finish(); }
    int fd() const { return reading_.get(); }
    Result<void> finish() {
        reading_.reset();
        if (thread_.joinable()) thread_.join();
        return done_;
    }

private:
    static Result<void> pack(const LocalSource& source, const std::string& name, int to) {
        GANTRY_TRY(auto writer, archive::TarWriter::create(archive::sink_to(to)));
        GANTRY_CHECK(archive::pack(*writer, source.node.get(), name, {}));
        return writer->finish();
    }
    UniqueFd reading_;
    std::thread thread_;
    Result<void> done_;
};

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
    GANTRY_TRY(auto packing, Packing::begin(std::move(source), std::move(name)));
    auto sent = upload(client, archive_target(container, plan.directory, options), packing->fd());
    auto packed = packing->finish();
    // A daemon that refuses stops reading: then its reason counts, and not the broken pipe.
    if (!sent) return std::move(sent).error();
    GANTRY_CHECK(packed);
    say_copied(wish, *sent, container + ":" + path);
    return 0;
}

}  // namespace gantry::cli
