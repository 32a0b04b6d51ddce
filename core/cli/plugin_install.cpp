// Plugins of registries: what they need is shown, and agreed to, before anything is fetched.
#include <unistd.h>

#include "core/base/text.hpp"
#include "core/cli/credentials.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/progress.hpp"
#include "core/cli/pull.hpp"

namespace gantry::cli {
namespace {

bool says_yes() {
    std::string answer;
    char c = 0;
    while (::read(0, &c, 1) == 1 && c != '\n' && answer.size() < 16) answer += c;
    return to_lower(trim(answer)) == "y" || to_lower(trim(answer)) == "yes";
}

std::string privilege_line(const Json& privilege) {
    std::string values;
    const Json& list = member(privilege, "Value");
    if (list.is_array())
        for (const Json& value : list) values += (values.empty() ? "" : " ") + as_text(value);
    return " - " + text_at(privilege, "Name") + ": [" + values + "]\n";
}

// What the plugin needs, as the user has agreed to it.
Result<Json> agreed_privileges(Client& client, const std::string& remote, const std::string& auth, bool grant_all) {
    GANTRY_TRY(Json needed, client.get("/plugins/privileges" + query({{"remote", remote}}), auth));
    if (!needed.is_array()) return fail(Code::corrupt, "the daemon gave no list of privileges");
    if (grant_all || needed.empty()) return needed;
    std::string text = "Plugin \"" + remote + "\" is requesting the following privileges:\n";
    for (const Json& privilege : needed) text += privilege_line(privilege);
    print_out(text + "Do you grant the above permissions? [y/N] ");
    if (says_yes()) return needed;
    return fail(Code::denied, "permission denied while installing plugin " + remote);
}

// Pull or upgrade, with what goes on.
Result<void> fetch_plugin(Client& client, const std::string& target, const std::string& remote, bool grant_all) {
    GANTRY_TRY(std::string auth, registry_auth_header(remote));
    GANTRY_TRY(Json granted, agreed_privileges(client, remote, auth, grant_all));
    GANTRY_TRY(Connection answer, client.open("POST", target, &granted, Connection::Upgrade::no, auth));
    return show_progress(answer, 1);
}

}  // namespace

Result<int> plugin_install(Call& call) {
    std::string alias;
    bool grant_all = false, disable = false;
    Flags flags;
    flags.text(alias, 0, "alias", "Local name for plugin");
    flags.boolean(grant_all, 0, "grant-all-permissions", "Grant all permissions necessary to run the plugin");
    flags.boolean(disable, 0, "disable", "Do not enable the plugin on install");
    auto args = call.parse(flags, at_least(1));
    if (!args) return call.exit_code();
    const std::string remote = with_tag((*args)[0]), name = alias.empty() ? remote : with_tag(alias);
    std::vector<std::pair<std::string, std::string>> pairs{{"remote", remote}, {"name", name}};
    GANTRY_CHECK(fetch_plugin(call.client(), "/plugins/pull" + query(pairs), remote, grant_all));
    const std::string plugin = "/plugins/" + path_escape(name);
    if (args->size() > 1) {
        const Json body = std::vector<std::string>(args->begin() + 1, args->end());
        if (auto set = call.client().post(plugin + "/set", &body); !set) {
            // As it was asked for it cannot be had.
            (void)call.client().remove(plugin);
            return std::move(set).error();
        }
    }
    if (!disable) GANTRY_CHECK(call.client().post(plugin + "/enable?timeout=0"));
    print_out("Installed plugin " + (*args)[0] + "\n");
    return 0;
}

Result<int> plugin_upgrade(Call& call) {
    bool grant_all = false, skip_check = false;
    Flags flags;
    flags.boolean(grant_all, 0, "grant-all-permissions", "Grant all permissions necessary to run the plugin");
    flags.boolean(skip_check, 0, "skip-remote-check",
                  "Do not check if specified remote plugin matches existing plugin image");
    auto args = call.parse(flags, between(1, 2));
    if (!args) return call.exit_code();
    const std::string& name = (*args)[0];
    GANTRY_TRY(Json plugin, call.client().get("/plugins/" + path_escape(name) + "/json"));
    if (flag_at(plugin, "Enabled")) return fail(Code::conflict, "the plugin must be disabled before upgrading");
    const std::string from = text_at(plugin, "PluginReference");
    const std::string remote = args->size() > 1 ? with_tag((*args)[1]) : from;
    auto repository = [](const std::string& reference) { return reference.substr(0, reference.rfind(':')); };
    print_out("Upgrading plugin " + name + " from " + from + " to " + remote + "\n");
    if (!skip_check && !repository(from).ends_with(repository(remote))) {
        print_out("Plugin images do not match, are you sure? [y/N] ");
        if (!says_yes()) return fail(Code::cancelled, "canceling upgrade request");
    }
    GANTRY_CHECK(fetch_plugin(call.client(), "/plugins/" + path_escape(name) + "/upgrade" + query({{"remote", remote}}),
                              remote, grant_all));
    print_out("Upgraded plugin " + name + " to " + remote + "\n");
    return 0;
}

}  // namespace gantry::cli
