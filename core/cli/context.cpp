#include <stdlib.h>

#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "core/cli/context_options.hpp"
#include "core/cli/format.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"

namespace gantry::cli {
namespace {

// What chose the engine when it is not what `context use` did.
void warn_of_override(Client& client) {
    const std::string& variable = client.choice().variable;
    if (variable.empty()) return;
    print_err("Warning: the environment's " + variable +
              " overrides the current context. To use it, give --context or unset " + variable + ".\n");
}

Result<void> ours(const Context& context) {
    if (context.name == default_context)
        return fail(Code::invalid, "context \"default\" is always there and cannot be changed");
    if (context.dockers)
        return fail(Code::conflict,
                    "context \"" + context.name + "\" is docker's (" + context.meta_path + ") and is only read here");
    return {};
}

}  // namespace

Result<int> context_create(Call& call) {
    ContextOptions options;
    Flags flags;
    options.declare(flags);
    flags.text(options.from, 0, "from", "Create the context from another one");
    auto args = call.parse(flags, exactly(1));
    if (!args) return call.exit_code();
    const std::string& name = (*args)[0];
    const ContextStore store;
    GANTRY_CHECK(check_context_name(name));
    if (auto known = store.find(name); known)
        return fail(Code::conflict, "context \"" + name + "\" already exists");
    else if (known.error().code != Code::not_found)
        return known.error();
    Context context;
    if (!options.from.empty()) {
        if (flags.given("docker"))
            return fail(Code::invalid, "conflicting options: cannot specify both --from and --docker");
        GANTRY_TRY(context, store.find(options.from));
    } else if (!flags.given("docker")) {
        return fail(Code::invalid, "a context needs its engine: give --docker host=... or --from CONTEXT");
    }
    context.name = name;
    GANTRY_CHECK(options.apply(flags, context));
    GANTRY_CHECK(store.put(context));
    print_out(name + "\n");
    return 0;
}

Result<int> context_update(Call& call) {
    ContextOptions options;
    Flags flags;
    options.declare(flags);
    auto args = call.parse(flags, exactly(1));
    if (!args) return call.exit_code();
    const ContextStore store;
    GANTRY_TRY(Context context, store.find((*args)[0]));
    GANTRY_CHECK(ours(context));
    GANTRY_CHECK(options.apply(flags, context));
    GANTRY_CHECK(store.put(context));
    print_out(context.name + "\n");
    return 0;
}

Result<int> context_ls(Call& call) {
    bool quiet = false;
    std::string format;
    Flags flags;
    flags.boolean(quiet, 'q', "quiet", "Only show context names");
    flags.text(format, 0, "format",
               "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'");
    auto args = call.parse(flags, exactly(0));
    if (!args) return call.exit_code();
    const std::string& current = call.client().choice().context;
    std::vector<std::string> problems;
    std::vector<Json> rows;
    bool found = false;
    for (const Context& context : ContextStore().list(&problems)) {
        const bool is_current = context.name == current;
        found = found || is_current;
        auto endpoint = context.endpoint();
        rows.push_back(Json{{"Name", context.name},
                            {"__shown", context.name + (is_current ? " *" : "")},
                            {"Description", context.description},
                            {"DockerEndpoint", endpoint ? endpoint->url() : context.host},
                            {"Error", endpoint ? "" : endpoint.error().text},
                            {"Current", is_current}});
    }
    if (!found)
        rows.push_back(Json{{"Name", current},
                            {"__shown", current + " *"},
                            {"Description", ""},
                            {"DockerEndpoint", ""},
                            {"Error", "context not found"},
                            {"Current", true}});
    if (quiet) format = "{{.Name}}";
    if (format.empty() || format == "table")
        for (Json& row : rows) row["Name"] = row["__shown"];
    for (Json& row : rows) row.erase("__shown");
    ListShape shape{{"Name", "Description", "DockerEndpoint", "Error"}, {{"DockerEndpoint", "DOCKER ENDPOINT"}}};
    GANTRY_TRY(std::string text, format_list(rows, shape, format));
    print_out(text);
    for (const std::string& problem : problems) print_err("Warning: " + problem + "\n");
    if (!quiet) warn_of_override(call.client());
    return 0;
}

Result<int> context_use(Call& call) {
    Flags flags;
    auto args = call.parse(flags, exactly(1));
    if (!args) return call.exit_code();
    const std::string& name = (*args)[0];
    const ContextStore store;
    GANTRY_TRY(Context context, store.find(name));
    GANTRY_CHECK(store.set_current(name));
    print_out(name + "\n");
    print_err("Current context is now \"" + name + "\"\n");
    warn_of_override(call.client());
    return 0;
}

Result<int> context_show(Call& call) {
    Flags flags;
    auto args = call.parse(flags, exactly(0));
    if (!args) return call.exit_code();
    print_out(call.client().choice().context + "\n");
    return 0;
}

Result<int> context_inspect(Call& call) {
    std::string format;
    Flags flags;
    flags.text(format, 'f', "format", "Format output using a custom template: 'json' or 'TEMPLATE'");
    auto args = call.parse(flags, at_least(0));
    if (!args) return call.exit_code();
    if (args->empty()) args->push_back(call.client().choice().context);
    const ContextStore store;
    std::string all, errors;
    for (const std::string& name : *args) {
        auto context = store.find(name);
        if (!context) {
            errors += error_line(context.error());
            continue;
        }
        auto endpoint = context->endpoint();
        Json document = context->meta();
        if (endpoint) document["Endpoints"]["docker"]["Host"] = endpoint->url();
        Json files = Json::array();
        for (const MaterialFile& file : material_files)
            if (!(context->tls.*file.text).empty()) files.push_back(file.name);
        document["TLSMaterial"] = files.empty() ? Json::object() : Json{{"docker", files}};
        document["Storage"] = {{"MetadataPath", context->meta_path}, {"TLSPath", context->tls_path}};
        if (format.empty()) {
            all += (all.empty() ? "" : ",") + document.dump(-1, ' ', false, Json::error_handler_t::replace);
            continue;
        }
        GANTRY_TRY(std::string line, format_one(document, format));
        all += line + "\n";
    }
    print_out(format.empty() ? indent_json("[" + all + "]") + "\n" : all);
    print_err(errors);
    return errors.empty() ? 0 : 1;
}

Result<int> context_rm(Call& call) {
    bool force = false;
    Flags flags;
    flags.boolean(force, 'f', "force", "Remove it even if it is the current context");
    auto args = call.parse(flags, at_least(1));
    if (!args) return call.exit_code();
    const ContextStore store;
    return for_each_name(*args, [&](const std::string& name) -> Result<std::string> {
        GANTRY_TRY(Context context, store.find(name));
        GANTRY_CHECK(ours(context));
        GANTRY_TRY(std::string current, store.current());
        if (current == name && !force)
            return fail(Code::busy, "context \"" + name + "\" is the current one: --force removes it all the same");
        if (current == name) GANTRY_CHECK(store.set_current(default_context));
        GANTRY_CHECK(store.remove(name));
        return name;
    });
}

}  // namespace gantry::cli
