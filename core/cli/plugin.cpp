#include <fcntl.h>

#include "core/archive/node.hpp"
#include "core/archive/tree_pack.hpp"
#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/cli/credentials.hpp"
#include "core/cli/format.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/key_values.hpp"
#include "core/cli/packing.hpp"
#include "core/cli/progress.hpp"
#include "core/cli/pull.hpp"

namespace gantry::cli {
namespace {

std::string target_of(const std::string& plugin, const char* action) {
    return "/plugins/" + path_escape(plugin) + "/" + action;
}

// The first words of a description, as Docker shows it.
std::string shortened(const std::string& text, bool whole) {
    constexpr std::size_t most = 45;
    if (whole || text.size() <= most) return text;
    std::size_t end = most - 1;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    return text.substr(0, end) + "…";
}

// What a plugin is made of is looked for here, so that nothing is sent in vain.
Result<UniqueFd> plugin_directory(const std::string& path) {
    GANTRY_TRY(UniqueFd directory, open_file(path, O_RDONLY | O_DIRECTORY));
    for (const char* part : {"config.json", "rootfs"})
        if (!path_exists(path + "/" + part))
            return fail(Code::invalid,
                        "\"" + path + "\" has no " + part + ": a plugin is a directory with config.json and rootfs");
    return directory;
}

Result<void> pack_plugin(int directory, int to) {
    GANTRY_TRY(auto writer, archive::TarWriter::create(archive::sink_to(to)));
    for (const char* part : {"config.json", "rootfs"}) {
        GANTRY_TRY(UniqueFd node, archive::open_node(directory, part));
        GANTRY_CHECK(archive::pack(*writer, node.get(), part, {}));
    }
    return writer->finish();
}

Result<void> send_plugin(Client& client, const std::string& name, int source) {
    GANTRY_TRY(Connection connection, client.connect());
    GANTRY_CHECK(
        connection.send_from("POST", "/plugins/create" + query({{"name", name}}), source, "application/x-tar", {}));
    GANTRY_CHECK(connection.receive_head());
    return connection.check_status();
}

}  // namespace

Result<int> plugin_create(Call& call) {
    Flags flags;
    auto args = call.parse(flags, exactly(2));
    if (!args) return call.exit_code();
    const std::string& name = (*args)[0];
    GANTRY_TRY(UniqueFd directory, plugin_directory((*args)[1]));
    GANTRY_TRY(auto packing, Packing::begin([&](int to) { return pack_plugin(directory.get(), to); }));
    auto sent = send_plugin(call.client(), name, packing->fd());
    auto packed = packing->finish();
    // A daemon that refuses stops reading: then its reason counts, and not the broken pipe.
    GANTRY_CHECK(std::move(sent));
    GANTRY_CHECK(std::move(packed));
    print_out(name + "\n");
    return 0;
}

Result<int> plugin_ls(Call& call) {
    bool quiet = false, no_trunc = false;
    std::string format;
    std::vector<std::string> filters;
    Flags flags;
    flags.boolean(quiet, 'q', "quiet", "Only display plugin IDs");
    flags.boolean(no_trunc, 0, "no-trunc", "Don't truncate output");
    flags.text(format, 0, "format",
               "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'");
    flags.list(filters, 'f', "filter", "Provide filter values (e.g. \"enabled=true\")", "filter");
    auto args = call.parse(flags, exactly(0));
    if (!args) return call.exit_code();
    GANTRY_TRY(std::string wanted, parse_filters(filters));
    GANTRY_TRY(Json list,
               call.client().get("/plugins" + (wanted.empty() ? std::string() : query({{"filters", wanted}}))));
    std::vector<Json> rows;
    if (list.is_array())
        for (const Json& plugin : list) {
            const std::string id = text_at(plugin, "Id");
            rows.push_back(Json{{"ID", no_trunc ? id : std::string(short_id(id))},
                                {"Name", text_at(plugin, "Name")},
                                {"Description", shortened(text_at(plugin, "Config", "Description"), no_trunc)},
                                {"Enabled", flag_at(plugin, "Enabled")},
                                {"PluginReference", text_at(plugin, "PluginReference")}});
        }
    ListShape shape{{"ID", "Name", "Description", "Enabled"}, {}};
    if (quiet) format = "{{.ID}}";
    GANTRY_TRY(std::string text, format_list(rows, shape, format));
    print_out(text);
    return 0;
}

Result<int> plugin_rm(Call& call) {
    bool force = false;
    Flags flags;
    flags.boolean(force, 'f', "force", "Force the removal of an active plugin");
    auto args = call.parse(flags, at_least(1));
    if (!args) return call.exit_code();
    return for_each_name(*args, [&](const std::string& name) -> Result<std::string> {
        GANTRY_TRY(Json done, call.client().remove("/plugins/" + path_escape(name) + (force ? "?force=1" : "")));
        return name;
    });
}

Result<int> plugin_enable(Call& call) {
    std::int64_t timeout = 30;
    Flags flags;
    flags.integer(timeout, 0, "timeout", "Seconds that the plugin may take to answer");
    auto args = call.parse(flags, exactly(1));
    if (!args) return call.exit_code();
    GANTRY_TRY(Json done,
               call.client().post(target_of((*args)[0], "enable") + query({{"timeout", std::to_string(timeout)}})));
    print_out((*args)[0] + "\n");
    return 0;
}

Result<int> plugin_disable(Call& call) {
    bool force = false;
    Flags flags;
    flags.boolean(force, 'f', "force", "Give it no time to end by itself");
    auto args = call.parse(flags, exactly(1));
    if (!args) return call.exit_code();
    GANTRY_TRY(Json done, call.client().post(target_of((*args)[0], "disable") + (force ? "?force=1" : "")));
    print_out((*args)[0] + "\n");
    return 0;
}

Result<int> plugin_set(Call& call) {
    Flags flags;
    auto args = call.parse(flags, at_least(2));
    if (!args) return call.exit_code();
    const Json body = std::vector<std::string>(args->begin() + 1, args->end());
    GANTRY_TRY(Json done, call.client().post(target_of((*args)[0], "set"), &body));
    return 0;
}

Result<int> plugin_push(Call& call) {
    Flags flags;
    auto args = call.parse(flags, exactly(1));
    if (!args) return call.exit_code();
    const std::string name = with_tag((*args)[0]);
    GANTRY_TRY(std::string auth, registry_auth_header(name));
    GANTRY_TRY(Connection answer,
               call.client().open("POST", target_of(name, "push"), nullptr, Connection::Upgrade::no, auth));
    GANTRY_CHECK(show_progress(answer, 1));
    return 0;
}

}  // namespace gantry::cli
