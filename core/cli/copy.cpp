// cp: files between a container and this machine.
#include "core/cli/copy.hpp"

#include "core/base/base64.hpp"
#include "core/cli/command.hpp"
#include "core/cli/copy_paths.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/terminal.hpp"
#include "core/cli/units.hpp"

namespace gantry::cli {

std::string archive_target(const std::string& container, const std::string& path,
                           std::vector<std::pair<std::string, std::string>> more) {
    more.insert(more.begin(), {"path", path});
    return "/containers/" + path_escape(container) + "/archive" + query(more);
}

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
        return fail(Code::not_found,
                    "Error response from daemon: Could not find the file " + path + " in container " + container);
    if (connection.status() >= 400)
        return fail(Code::internal,
                    "Error response from daemon: status " + std::to_string(connection.status()) + " for " + path);
    return stat_of(connection);
}

// "/a/b" of where the link at `path` leads.
std::string link_path(const std::string& path, const std::string& target) {
    return target.starts_with('/') ? target : split_last(path).first + "/" + target;
}

void say_copied(const CopyWish& wish, std::int64_t bytes, const std::string& to) {
    if (!wish.quiet) print_err("Successfully copied " + human_size(static_cast<double>(bytes)) + " to " + to + "\n");
}

Result<int> copy(Call& call) {
    CopyWish wish;
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
