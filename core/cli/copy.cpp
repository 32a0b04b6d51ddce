// cp: files between a container and this machine.
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "core/archive/node.hpp"
#include "core/archive/tree_pack.hpp"
#include "core/archive/tree_unpack.hpp"
#include "core/base/base64.hpp"
#include "core/base/files.hpp"
#include "core/cli/copy_paths.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/save.hpp"
#include "core/cli/terminal.hpp"
#include "core/cli/units.hpp"

namespace gantry::cli {
namespace {

constexpr std::int64_t go_directory = std::int64_t{1} << 31, go_link = 1 << 27, go_device = 1 << 26;

struct Wish {
    bool owners = false, follow = false, quiet = false;
};

std::string archive_target(const std::string& container, const std::string& path,
                           std::vector<std::pair<std::string, std::string>> more = {}) {
    more.insert(more.begin(), {"path", path});
    return "/containers/" + path_escape(container) + "/archive" + query(more);
}

struct PathStat {
    std::int64_t mode = 0;
    std::string link;
};

Result<PathStat> stat_of(const Connection& answer) {
    auto text = from_base64(answer.answer().header("X-Docker-Container-Path-Stat"));
    const Json stat = text ? parse_json(*text) : Json();
    if (!stat.is_object()) return fail(Code::corrupt, "the daemon's answer does not say what the path is");
    return PathStat{number_at(stat, "mode"), text_at(stat, "linkTarget")};
}

Result<PathStat> stat_path(Client& client, const std::string& container, const std::string& path) {
    GANTRY_TRY(Connection connection, client.connect());
    GANTRY_CHECK(connection.send("HEAD", archive_target(container, path)));
    GANTRY_CHECK(connection.receive_head());
    // The answer to HEAD has no text that says what is wrong.
    if (connection.status() == 404)
        return fail(Code::not_found, "Error response from daemon: Could not find the file " + path + " in container " +
                                         container);
    if (connection.status() >= 400)
        return fail(Code::internal, "Error response from daemon: status " + std::to_string(connection.status()) +
                                        " for " + path);
    return stat_of(connection);
}

// "/a/b" of where the link at `path` leads.
std::string link_path(const std::string& path, const std::string& target) {
    return target.starts_with('/') ? target : split_last(path).first + "/" + target;
}

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
    const std::string above = split_last(asserts_directory(path) ? split_last(path).first + "/" + split_last(path).second
                                                                 : path)
                                  .first;
    struct stat parent {};
    if (::stat(above.c_str(), &parent) != 0 || !S_ISDIR(parent.st_mode))
        return fail(Code::invalid, "invalid output path: directory \"" + above + "\" does not exist");
    return CopyEnd{path, false, false};
}

void say_copied(const Wish& wish, std::int64_t bytes, const std::string& to) {
    if (!wish.quiet) print_err("Successfully copied " + human_size(static_cast<double>(bytes)) + " to " + to + "\n");
}

// --- from a container ---

Result<int> copy_out(Client& client, const std::string& container, std::string path, const std::string& local,
                     const Wish& wish) {
    std::string shown = split_last(path).second;
    if (wish.follow) {
        GANTRY_TRY(PathStat stat, stat_path(client, container, path));
        if ((stat.mode & go_link) != 0) path = link_path(path, stat.link);
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
    GANTRY_TRY(CopyPlan plan, plan_copy({path, true, (stat.mode & go_directory) != 0}, target));
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

// --- into a container ---

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
    if (asserts_directory(path) && !source.directory)
        return fail(Code::invalid, "\"" + path + "\" is not a directory");
    source.name = split_last(path).second;
    // "..", "/": the name it really has.
    if (source.name == ".." || path == "/") source.name = ".";
    return source;
}

Result<CopyEnd> container_target(Client& client, const std::string& container, std::string path) {
    auto stat = stat_path(client, container, path);
    for (int links = 0; stat && (stat->mode & go_link) != 0 && links < 40; ++links) {
        path = link_path(path, stat->link);
        stat = stat_path(client, container, path);
    }
    // Its parent may be there: the copy itself will tell.
    if (!stat && stat.error().code == Code::not_found) return CopyEnd{path, false, false};
    if (!stat) return std::move(stat).error();
    if ((stat->mode & go_device) != 0)
        return fail(Code::invalid, "destination \"" + container + ":" + path + "\" must be a directory or a regular file");
    return CopyEnd{path, true, (stat->mode & go_directory) != 0};
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
    GANTRY_CHECK(connection.send_from("PUT", target, source, "application/x-tar",
                                      [&](std::int64_t sent) { bytes = sent; }));
    GANTRY_CHECK(connection.receive_head());
    GANTRY_CHECK(connection.check_status());
    return bytes;
}

Result<int> copy_in(Client& client, const std::string& local, const std::string& container, const std::string& path,
                    const Wish& wish) {
    GANTRY_TRY(CopyEnd target, container_target(client, container, path));
    std::vector<std::pair<std::string, std::string>> options{{"noOverwriteDirNonDir", "true"}};
    if (wish.owners) options.emplace_back("copyUIDGID", "true");
    if (local == "-") {
        if (!target.directory)
            return fail(Code::invalid, "destination \"" + container + ":" + path + "\" must be a directory");
        if (is_terminal(0)) return fail(Code::invalid, "standard input is a terminal: an archive is to be read from it");
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

}  // namespace

Result<int> copy(Call& call) {
    Wish wish;
    Flags flags;
    flags.boolean(wish.owners, 'a', "archive", "Archive mode (copy all uid/gid information)");
    flags.boolean(wish.follow, 'L', "follow-link", "Always follow symbol link in SRC_PATH");
    flags.boolean(wish.quiet, 'q', "quiet",
                  "Suppress progress output during copy. Progress output is automatically suppressed if no terminal is "
                  "attached");
    auto args = call.parse(flags, exactly(2));
    if (!args) return call.exit_code();
    if (!flags.given("quiet")) wish.quiet = !is_terminal(2);
    const CopyArgument source = parse_copy_argument((*args)[0]), target = parse_copy_argument((*args)[1]);
    if (source.path.empty()) return fail(Code::invalid, "source can not be empty");
    if (target.path.empty()) return fail(Code::invalid, "destination can not be empty");
    if (!source.container.empty() && !target.container.empty())
        return fail(Code::invalid, "copying between containers is not supported");
    if (source.container.empty() && target.container.empty())
        return fail(Code::invalid, "must specify at least one container source");
    if (target.container.empty()) return copy_out(call.client(), source.container, source.path, target.path, wish);
    return copy_in(call.client(), source.path, target.container, target.path, wish);
}

}  // namespace gantry::cli
