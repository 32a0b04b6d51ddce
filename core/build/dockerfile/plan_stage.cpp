// The begin of a stage, and the instructions that change its configuration only.
#include "core/base/text.hpp"

#include "core/build/dockerfile/platform.hpp"
#include "core/build/dockerfile/stage_planner.hpp"
#include "core/build/dockerfile/words.hpp"

namespace gantry::build::dockerfile {

StagePlanner::StagePlanner(Planner* planner, std::size_t stage, Planned* state)
    : planner_(*planner), index_(stage), stage_(planner->stages()[stage]), state_(*state), instruction_(&stage_.from) {}

Result<void> StagePlanner::plan() {
    const PlanOptions& options = planner_.options;
    ignore_cache_ = options.no_cache;
    for (const std::string& name : options.no_cache_filter)
        ignore_cache_ = ignore_cache_ || to_lower(name) == stage_.name || name == std::to_string(index_);
    total_ = stage_.origin.kind == Origin::Kind::image || stage_.origin.kind == Origin::Kind::files;
    for (const Instruction& instruction : stage_.instructions)
        total_ += std::holds_alternative<Run>(instruction.body) || std::holds_alternative<Copy>(instruction.body) ||
                  std::holds_alternative<Workdir>(instruction.body);
    GANTRY_CHECK(begin());
    for (const Instruction& instruction : stage_.instructions) {
        instruction_ = &instruction;
        planner_.at = instruction.lines;
        GANTRY_CHECK(std::visit([&](const auto& body) { return apply(body); }, instruction.body));
    }
    return {};
}

Result<void> StagePlanner::begin() {
    const Origin& origin = stage_.origin;
    state_.platform = stage_.platform;
    state_.image = ImageConfig(stage_.platform);
    if (origin.kind == Origin::Kind::stage) {
        const Planned& base = planner_.planned(origin.stage);
        if (!planner_.budget.spend(base.weight + base.variables.bytes())) return budget_error();
        state_ = base;
        state_.image.remove("OnBuild");
        return {};
    }
    if (origin.kind == Origin::Kind::image) {
        GANTRY_CHECK(begin_from_image(origin.reference));
    } else if (origin.kind == Origin::Kind::files) {
        GANTRY_CHECK(begin_from_files(origin.name));
    }
    for (const auto& [name, value] : state_.image.environment()) GANTRY_CHECK(state_.variables.set(name, value));
    if (!state_.variables.find("PATH")) {
        state_.image.set_environment("PATH", std::string(kDefaultPath));
        GANTRY_CHECK(state_.variables.set("PATH", std::string(kDefaultPath)));
    }
    return {};
}

Result<void> StagePlanner::begin_from_image(const std::string& reference) {
    GANTRY_TRY(const ResolvedImage* resolved, planner_.resolve(reference, stage_.platform));
    auto image = ImageConfig::of_base(resolved->config);
    if (!image) return std::move(image).error().context("FROM " + stage_.base);
    state_.image = std::move(*image);
    state_.image.remove("OnBuild");
    state_.base_config = resolved->config;
    state_.base_reference = resolved->reference;
    state_.weight = 2 * resolved->config.dump(-1, ' ', false, Json::error_handler_t::replace).size();
    if (!planner_.budget.spend(state_.weight)) return budget_error();
    Platform found = state_.image.platform();
    if (!found.architecture.empty() && !same_platform(found, stage_.platform))
        planner_.lint.warn(
            "InvalidBaseImagePlatform",
            "the image " + stage_.base + " is for " + found.text() + ", asked for was " + stage_.platform.text(),
            stage_.from);
    // An image without a layer is an empty tree.
    auto layers = resolved->config.find("rootfs");
    if (layers != resolved->config.end() && layers->is_object() && layers->contains("diff_ids") &&
        (*layers)["diff_ids"].empty())
        return {};
    state_.result = planner_.image(*resolved, stage_.platform, step_name("FROM " + resolved->reference),
                                   stage_.label(index_), stage_.from.lines);
    return {};
}

Result<void> StagePlanner::begin_from_files(const std::string& context) {
    FileChange change;
    CopyAction action;
    action.from = planner_.context(context, {""});
    action.sources = {"."};
    action.destination = "/";
    change.actions.emplace_back(std::move(action));
    GANTRY_CHECK(add_layer(std::move(change), step_name("FROM " + context)));
    return add_history("FROM " + context, false);
}

Result<void> StagePlanner::apply(const Cmd& cmd) {
    lint_only_one(&cmd_);
    if (cmd.command.shell && !state_.image.has_shell())
        planner_.lint.warn(
            "JSONArgsRecommended",
            cmd.command.words[0].starts_with('[')
                ? "what follows CMD looks like a JSON list and is none: it is taken as a line for the shell"
                : "CMD as a line for the shell: signals reach the shell and not the program, unlike CMD [\"..\"]",
            *instruction_);
    std::vector<std::string> command = command_of(cmd.command);
    state_.image.set_list("Cmd", command);
    return add_history("CMD " + list_text(command), true);
}

Result<void> StagePlanner::apply(const Entrypoint& entrypoint) {
    lint_only_one(&entrypoint_);
    if (entrypoint.command.shell && !state_.image.has_shell())
        planner_.lint.warn(
            "JSONArgsRecommended",
            entrypoint.command.words[0].starts_with('[')
                ? "what follows ENTRYPOINT looks like a JSON list and is none: it is taken as a line for the shell"
                : "ENTRYPOINT as a line for the shell: signals reach the shell and not the program, unlike ENTRYPOINT "
                  "[\"..\"]",
            *instruction_);
    std::vector<std::string> command = command_of(entrypoint.command);
    state_.image.set_list("Entrypoint", command);
    // The CMD of the base was for another program.
    if (!cmd_) state_.image.remove("Cmd");
    return add_history("ENTRYPOINT " + list_text(command), true);
}

Result<void> StagePlanner::apply(const Env& env) {
    std::vector<std::pair<std::string, std::string>> pairs;
    std::string text = "ENV";
    // All are expanded before any is set: within one instruction a variable keeps its value.
    for (const KeyValue& pair : env.pairs) {
        GANTRY_TRY(std::string name, word(pair.key));
        GANTRY_TRY(std::string value, word(*pair.value));
        if (name.empty() || name.find('=') != std::string::npos)
            return fail(Code::invalid,
                        "ENV: found the name " + quote_json(name.substr(0, 100)) + ", allowed is one without \"=\"");
        if (names_secret(name))
            planner_.lint.warn(
                "SecretsUsedInArgOrEnv",
                "ENV " + name +
                    ": its name says that it is a secret, and it stays in the image; RUN --mount=type=secret does not",
                *instruction_);
        text += " " + name + "=" + value;
        pairs.emplace_back(std::move(name), std::move(value));
    }
    if (env.legacy)
        planner_.lint.warn("LegacyKeyValueFormat", "ENV name value is the old form of ENV name=value", *instruction_);
    for (auto& [name, value] : pairs) {
        state_.image.set_environment(name, value);
        GANTRY_CHECK(state_.variables.set(name, std::move(value)));
    }
    return add_history(text, true);
}

Result<void> StagePlanner::apply(const Label& label) {
    std::string text = "LABEL";
    for (const KeyValue& pair : label.pairs) {
        GANTRY_TRY(std::string name, word(pair.key));
        GANTRY_TRY(std::string value, word(*pair.value));
        if (name.empty()) return fail(Code::invalid, "LABEL: found an empty name");
        state_.image.set_label(name, value);
        text += " " + name + "=" + value;
    }
    if (label.legacy)
        planner_.lint.warn("LegacyKeyValueFormat", "LABEL name value is the old form of LABEL name=value",
                           *instruction_);
    return add_history(text, true);
}

Result<void> StagePlanner::apply(const Arg& arg) {
    std::string text = "ARG";
    for (const KeyValue& pair : arg.pairs) {
        if (names_secret(pair.key))
            planner_.lint.warn(
                "SecretsUsedInArgOrEnv",
                "ARG " + pair.key +
                    ": its name says that it is a secret, and it stays in the image; RUN --mount=type=secret does not",
                *instruction_);
        KeyValue declared{pair.key, std::nullopt};
        if (auto given = planner_.arguments.given.find(pair.key); given != planner_.arguments.given.end()) {
            declared.value = given->second;
        } else if (pair.value) {
            GANTRY_TRY(declared.value, word(*pair.value));
        } else if (const std::string* global = planner_.arguments.global.find(pair.key)) {
            declared.value = *global;
        }
        if (declared.value) GANTRY_CHECK(state_.variables.set(pair.key, *declared.value));
        text += " " + pair.key + (declared.value ? "=" + *declared.value : "");
        auto& arguments = state_.arguments;
        auto before =
            std::find_if(arguments.begin(), arguments.end(), [&](const KeyValue& a) { return a.key == pair.key; });
        if (before == arguments.end())
            arguments.push_back(std::move(declared));
        else
            *before = std::move(declared);
    }
    return add_history(text, true);
}

Result<void> StagePlanner::apply(const Maintainer& maintainer) {
    state_.image.set_author(maintainer.text);
    return add_history("MAINTAINER " + maintainer.text, true);
}

Result<void> StagePlanner::apply(const Expose& expose) {
    std::string text = "EXPOSE";
    for (const std::string& port : expose.ports) {
        GANTRY_TRY(std::string expanded_ports, word(port));
        for (const std::string& one : blank_words(expanded_ports)) {
            GANTRY_TRY(ExposedPorts ports, parse_exposed(one));
            if (ports.odd_case)
                planner_.lint.warn("ExposeProtoCasing", "the protocol of EXPOSE " + one + " is not in lower case",
                                   *instruction_);
            if (ports.mapping)
                planner_.lint.warn(
                    "ExposeInvalidFormat",
                    "EXPOSE " + one + " has an address or a port of the host, which only publishing can give",
                    *instruction_);
            for (const std::string& key : ports.keys) state_.image.add_key("ExposedPorts", key);
            if (!planner_.budget.spend(ports.keys.size() * 64)) return budget_error();
            state_.weight += ports.keys.size() * 64;
            text += " " + one;
        }
    }
    return add_history(text, true);
}

Result<void> StagePlanner::apply(const Volume& volume) {
    GANTRY_TRY(std::vector<std::string> paths, words(volume.paths));
    for (const std::string& path : paths) {
        if (path.empty()) return fail(Code::invalid, "VOLUME: found an empty path");
        state_.image.add_key("Volumes", path);
    }
    return add_history("VOLUME " + list_text(paths), true);
}

Result<void> StagePlanner::apply(const User& user) {
    GANTRY_TRY(std::string name, word(user.text));
    if (name.empty() || name.find_first_of(" \t\n") != std::string::npos)
        return fail(Code::invalid,
                    "USER: found " + quote_json(name.substr(0, 100)) + ", allowed is one word: user[:group]");
    state_.image.set_text("User", name);
    return add_history("USER " + name, true);
}

Result<void> StagePlanner::apply(const Workdir& workdir) {
    GANTRY_TRY(std::string path, word(workdir.path));
    if (path.empty()) return fail(Code::invalid, "WORKDIR: the path is empty once its variables are put in");
    if (!state_.workdir_set && !path.starts_with('/'))
        planner_.lint.warn("WorkdirRelativePath",
                           "WORKDIR " + path + " is relative to what the base image happens to have", *instruction_);
    state_.workdir_set = true;
    path = path_in_workdir(path);
    state_.image.set_text("WorkingDir", path);
    const std::string name = step_name("WORKDIR " + path);
    if (path != "/") {
        FileChange change{state_.result, {}};
        change.actions.emplace_back(MakeDirectory{path, {state_.image.text("User")}});
        GANTRY_CHECK(add_layer(std::move(change), name));
    }
    return add_history("WORKDIR " + path, path == "/");
}

Result<void> StagePlanner::apply(const StopSignal& signal) {
    GANTRY_TRY(std::string name, word(signal.text));
    if (!is_signal(name))
        return fail(Code::invalid, "STOPSIGNAL: found " + quote_json(name.substr(0, 100)) +
                                       ", allowed is a signal's name or number: SIGTERM, 15, SIGRTMIN+3");
    state_.image.set_text("StopSignal", name);
    return add_history("STOPSIGNAL " + name, true);
}

Result<void> StagePlanner::apply(const Onbuild& onbuild) {
    state_.image.add_trigger(onbuild.trigger);
    return add_history("ONBUILD " + onbuild.trigger, true);
}

Result<void> StagePlanner::apply(const Shell& shell) {
    state_.image.set_list("Shell", shell.words);
    return add_history("SHELL " + list_text(shell.words), true);
}

Result<void> StagePlanner::apply(const Healthcheck& check) {
    lint_only_one(&healthcheck_);
    state_.image.set_healthcheck(check);
    return add_history(instruction_->text, true);
}

}  // namespace gantry::build::dockerfile
