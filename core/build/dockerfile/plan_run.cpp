// RUN: its command, its environment, its mounts.
#include "core/base/safe_path.hpp"
#include "core/base/text.hpp"

#include "core/build/dockerfile/limits.hpp"
#include "core/build/dockerfile/stage_planner.hpp"

namespace gantry::build::dockerfile {
namespace {

// The last part of a path or an id.
std::string base_name(std::string_view path) {
    return std::string(path.substr(path.rfind('/') == std::string_view::npos ? 0 : path.rfind('/') + 1));
}

// The first line of a here-document, for people.
std::string summary_of(const std::string& content) {
    std::string_view text = trim(content);
    std::size_t end = text.find('\n');
    return std::string(trim(text.substr(0, end)).substr(0, 200)) + (end == std::string_view::npos ? "" : "...");
}

}  // namespace

Result<void> StagePlanner::apply(const Run& run) {
    Exec exec;
    exec.base = state_.result;
    std::size_t ssh_mounts = 0;
    if (run.mounts.size() > kMaxMounts)
        return fail(Code::exhausted, "RUN has more than " + std::to_string(kMaxMounts) + " mounts");
    for (const std::string& text : run.mounts) {
        GANTRY_TRY(Mount mount, mount_of(text, &ssh_mounts));
        exec.mounts.push_back(std::move(mount));
    }
    GANTRY_TRY(exec.argv, arguments_of(run, &exec.mounts));
    if (!planner_.budget.spend(state_.variables.bytes() + state_.variables.all().size() * 32)) return budget_error();
    for (const auto& [name, value] : state_.variables.all()) exec.env.push_back(name + "=" + value);
    for (const std::string& proxy : planner_.arguments.proxies())
        if (!state_.variables.find(proxy.substr(0, proxy.find('=')))) exec.unkeyed_env.push_back(proxy);
    exec.workdir = path_in_workdir("");
    exec.user = state_.image.text("User");
    exec.network = run.network == "none"   ? Exec::Network::none
                   : run.network == "host" ? Exec::Network::host
                                           : planner_.options.network;
    exec.insecure = run.security == "insecure";
    std::string name = instruction_->text, history = "RUN " + arguments_in_history() + join(exec.argv, " ");
    if (!instruction_->heredocs.empty()) name += " (" + summary_of(instruction_->heredocs[0].content) + ")";
    GANTRY_CHECK(add_layer(std::move(exec), step_name(name)));
    return add_history(history, false);
}

Result<std::vector<std::string>> StagePlanner::arguments_of(const Run& run, std::vector<Mount>* mounts) {
    const auto& heredocs = instruction_->heredocs;
    std::string line = run.command.words[0];
    if (!run.command.shell || heredocs.empty()) return command_of(run.command);
    Heredoc unused;
    if (heredocs.size() == 1 && line.find_first_of(" \t") == std::string::npos && heredoc_of(line, escape(), &unused)) {
        // Nothing but the document: it is the script.
        std::string script = heredocs[0].text();
        if (script.starts_with("#!")) {
            Mount file;
            file.kind = Mount::Kind::inline_file;
            file.target = "/dev/pipes/" + heredocs[0].name;
            file.content = std::move(script);
            file.mode = 0755;
            mounts->push_back(file);
            return std::vector<std::string>{file.target};
        }
        return command_of({true, {script}});
    }
    // The shell reads the documents itself.
    for (const Heredoc& heredoc : heredocs) line += "\n" + heredoc.content + heredoc.name;
    return command_of({true, {line}});
}

std::string StagePlanner::arguments_in_history() const {
    if (state_.arguments.empty()) return "";
    std::string text = "|" + std::to_string(state_.arguments.size());
    for (const KeyValue& argument : state_.arguments) {
        const std::string* value = state_.variables.find(argument.key);
        text += " " + argument.key + "=" + (value ? *value : argument.value.value_or(""));
    }
    return text + " ";
}

Result<Mount> StagePlanner::mount_of(const std::string& text, std::size_t* ssh_mounts) {
    GANTRY_TRY(std::vector<std::string> fields, mount_fields(text));
    for (std::string& field : fields)
        if (std::size_t equals = field.find('=');
            equals != std::string::npos && to_lower(trim(std::string_view(field).substr(0, equals))) != "from") {
            GANTRY_TRY(std::string value, word(field.substr(equals + 1)));
            field = field.substr(0, equals + 1) + value;
        }
    GANTRY_TRY(MountSpec spec, parse_mount(fields));
    Mount& mount = spec.mount;
    switch (mount.kind) {
    case Mount::Kind::bind:
    case Mount::Kind::cache:
    case Mount::Kind::tmpfs:
        mount.target = path_in_workdir(mount.target);
        if (mount.target == "/")
            return fail(Code::invalid, "RUN --mount target: found \"/\", allowed is a path below it");
        break;
    case Mount::Kind::secret:
        if (mount.id.empty()) mount.id = mount.target.empty() ? mount.env : base_name(mount.target);
        // A variable instead of a file.
        if (mount.target.empty() && mount.env.empty()) mount.target = "/run/secrets/" + base_name(mount.id);
        if (!mount.target.empty()) mount.target = path_in_workdir(mount.target);
        if (mount.id.empty() || mount.target == "/")
            return fail(Code::invalid, "RUN --mount type=secret needs an id: id=NAME");
        if (!mount.mode) mount.mode = 0400;
        break;
    case Mount::Kind::ssh:
        if (mount.id.empty()) mount.id = "default";
        if (mount.target.empty()) mount.target = "/run/buildkit/ssh_agent." + std::to_string(*ssh_mounts);
        ++*ssh_mounts;
        mount.target = path_in_workdir(mount.target);
        if (mount.target == "/")
            return fail(Code::invalid, "RUN --mount target: found \"/\", allowed is a path below it");
        if (!mount.mode) mount.mode = 0600;
        break;
    case Mount::Kind::inline_file: break;
    }
    GANTRY_CHECK(fill_in_tree(&spec));
    return std::move(mount);
}

Result<void> StagePlanner::fill_in_tree(MountSpec* spec) {
    Mount& mount = spec->mount;
    if (mount.kind == Mount::Kind::cache) {
        if (!mount.mode) mount.mode = 0755;
        if (mount.id.empty()) mount.id = mount.target;
        // One engine's caches kept apart for one who asks for it.
        if (auto space = planner_.arguments.given.find("BUILDKIT_CACHE_MOUNT_NS");
            space != planner_.arguments.given.end() && !space->second.empty()) {
            if (space->second.find("..") != std::string::npos || space->second.size() > 256)
                return fail(Code::invalid, "BUILDKIT_CACHE_MOUNT_NS: found " +
                                               quote_json(space->second.substr(0, 100)) +
                                               ", allowed is a name without \"..\"");
            mount.id = space->second + "/" + mount.id;
        }
    }
    if (mount.kind != Mount::Kind::bind && mount.kind != Mount::Kind::cache) return {};
    mount.source = clean_relative(mount.source);
    if (spec->from_name.empty() && mount.kind == Mount::Kind::cache) {
        if (!mount.source.empty())
            return fail(Code::invalid, "RUN --mount type=cache source: found a path, needed is what it is in: from=..");
        return {};
    }
    Origin origin{Origin::Kind::files, 0, "context", ""};
    if (!spec->from_name.empty()) {
        GANTRY_TRY(origin, find_origin(planner_.stages(), index_, spec->from_name, planner_.options));
    }
    GANTRY_TRY(mount.from, planner_.tree_of(origin, {mount.source}, planner_.options.platform));
    if (!mount.from) return fail(Code::invalid, "RUN --mount from=" + spec->from_name + ": there is nothing in it");
    return {};
}

}  // namespace gantry::build::dockerfile
