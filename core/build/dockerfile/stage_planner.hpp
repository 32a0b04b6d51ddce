// One stage: each instruction adds a step, changes the configuration, or both.
#pragma once
#include "core/build/dockerfile/mount.hpp"
#include "core/build/dockerfile/planner.hpp"

namespace gantry::build::dockerfile {

class StagePlanner {
public:
    StagePlanner(Planner* planner, std::size_t stage, Planned* state);

    Result<void> plan();

private:
    Result<void> begin();
    Result<void> begin_from_image(const std::string& reference);
    Result<void> begin_from_files(const std::string& context);

    Result<void> apply(const From&) { return {}; }
    Result<void> apply(const Run& run);
    Result<void> apply(const Cmd& cmd);
    Result<void> apply(const Entrypoint& entrypoint);
    Result<void> apply(const Env& env);
    Result<void> apply(const Label& label);
    Result<void> apply(const Arg& arg);
    Result<void> apply(const Maintainer& maintainer);
    Result<void> apply(const Expose& expose);
    Result<void> apply(const Volume& volume);
    Result<void> apply(const User& user);
    Result<void> apply(const Workdir& workdir);
    Result<void> apply(const StopSignal& signal);
    Result<void> apply(const Onbuild& onbuild);
    Result<void> apply(const Shell& shell);
    Result<void> apply(const Healthcheck& check);
    Result<void> apply(const Copy& copy);

    // plan_run.cpp
    Result<std::vector<std::string>> arguments_of(const Run& run, std::vector<Mount>* mounts);
    Result<Mount> mount_of(const std::string& text, std::size_t* ssh_mounts);
    Result<void> fill_in_tree(MountSpec* spec);
    std::string arguments_in_history() const;
    // plan_copy.cpp
    Result<Copy> expanded(const Copy& copy);
    Result<void> add_paths(const Copy& copy, FileChange* change);
    Result<void> add_remotes(const Copy& copy, FileChange* change);
    Result<void> add_documents(const Copy& copy, FileChange* change);
    CopyAction action_of(const Copy& copy) const;

    // An expanded word; what it does not find is told to the rules.
    Result<std::string> word(const std::string& text, bool document = false);
    Result<std::vector<std::string>> words(const std::vector<std::string>& texts);
    char escape() const;
    void lint_unset(const Expanded& expanded);
    void lint_only_one(const Instruction** before);
    std::string path_in_workdir(const std::string& path) const;
    std::vector<std::string> command_of(const CommandLine& command) const;
    // "[web 2/5] " and what the step is called.
    std::string step_name(const std::string& text);
    Result<void> add_layer(Operation operation, const std::string& name);
    Result<void> add_history(const std::string& created_by, bool empty_layer);

    Planner& planner_;
    const std::size_t index_;
    const Stage& stage_;
    Planned& state_;
    const Instruction* instruction_;
    bool ignore_cache_ = false;
    std::size_t total_ = 0, number_ = 0;  // of the steps that have a number
    const Instruction *cmd_ = nullptr, *entrypoint_ = nullptr, *healthcheck_ = nullptr;
};

// As JSON: ["python", "app.py"].
std::string list_text(const std::vector<std::string>& words);

}  // namespace gantry::build::dockerfile
