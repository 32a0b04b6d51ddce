#include <fcntl.h>
#include <unistd.h>

#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "core/cli/create_container.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/pull.hpp"

namespace gantry::cli {

int start_failure_code(const Error& error) {
    // No daemon: whatever its way there says of files and permissions is not about the container's program.
    if (error.code == Code::retry_later) return 125;
    std::string text = to_lower(error.text);
    auto has = [&](std::string_view part) { return text.find(part) != std::string::npos; };
    if (has("executable file not found") || has("no such file or directory")) return 127;
    if (has("permission denied while trying to connect")) return 125;
    if (has("permission denied") || has("is a directory") || has("exec format error")) return 126;
    return 125;
}

Result<std::string> create_container(Client& client, const ContainerOptions& options, const Json& body) {
    std::string image = text_at(body, "Image");
    UniqueFd id_file;
    if (!options.cidfile.empty()) {
        auto file = open_file(options.cidfile, O_WRONLY | O_CREAT | O_EXCL, 0644);
        if (!file && file.error().system_errno == EEXIST)
            return fail(
                Code::conflict,
                "container ID file found, make sure the other container isn't running or delete " + options.cidfile);
        if (!file) return fail(file.error().code, "failed to create the container ID file: " + file.error().text);
        id_file = std::move(*file);
    }
    ScopeGuard no_id([&] {
        if (id_file) ::unlink(options.cidfile.c_str());
    });
    std::vector<std::pair<std::string, std::string>> pairs;
    if (!options.name.empty()) pairs.emplace_back("name", options.name);
    if (!options.platform.empty()) pairs.emplace_back("platform", options.platform);
    std::string target = "/containers/create" + query(pairs);
    PullWish wish{image, options.platform, 2, options.quiet ? Verbosity::quiet : Verbosity::normal};
    if (options.pull == "always") GANTRY_CHECK(pull_image(client, wish));
    auto created = client.post(target, &body);
    if (!created && created.error().code == Code::not_found && options.pull == "missing" &&
        to_lower(created.error().text).find("no such image") != std::string::npos) {
        if (!options.quiet) print_err("Unable to find image '" + with_tag(image) + "' locally\n");
        GANTRY_CHECK(pull_image(client, wish));
        created = client.post(target, &body);
    }
    if (!created) return created.error();
    const Json& warnings = member(*created, "Warnings");
    if (warnings.is_array())
        for (const Json& warning : warnings) print_err("WARNING: " + as_text(warning) + "\n");
    std::string id = text_at(*created, "Id");
    if (id_file) GANTRY_CHECK(write_all(id_file.get(), id));
    no_id.dismiss();
    return id;
}

Result<int> create(Call& call) {
    ContainerOptions options;
    Flags flags;
    options.declare(flags);
    auto args = call.parse(flags, at_least(1));
    if (!args) return call.exit_code();
    auto body = options.body(flags, (*args)[0], {args->begin() + 1, args->end()}, true);
    if (!body) return call.refuse(body.error(), 125);
    GANTRY_TRY(std::string id, create_container(call.client(), options, *body));
    print_out(id + "\n");
    return 0;
}

}  // namespace gantry::cli
