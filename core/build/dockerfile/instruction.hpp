// An instruction taken apart. Variables are as they stand there: they are expanded when a stage is planned.
#pragma once
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <gantry/result.hpp>

#include "core/build/dockerfile/reader.hpp"

namespace gantry::build::dockerfile {

struct CommandLine {
    bool shell = false;              // words is one line for the shell
    std::vector<std::string> words;  // otherwise the arguments
};
struct KeyValue {
    std::string key;
    std::optional<std::string> value;  // none: an ARG without a default
};

struct From {
    std::string base, platform, stage;  // `stage` as written
    std::string from_written, as_written;
};
struct Run {
    CommandLine command;
    std::vector<std::string> mounts;  // of --mount
    std::string network, security;
};
struct Cmd {
    CommandLine command;
};
struct Entrypoint {
    CommandLine command;
};
struct Env {
    std::vector<KeyValue> pairs;
    bool legacy = false;  // "ENV name value"
};
struct Label {
    std::vector<KeyValue> pairs;
    bool legacy = false;
};
struct Arg {
    std::vector<KeyValue> pairs;
};
struct Maintainer {
    std::string text;
};
struct Expose {
    std::vector<std::string> ports;
};
struct Volume {
    std::vector<std::string> paths;
};
struct User {
    std::string text;
};
struct Workdir {
    std::string path;
};
struct StopSignal {
    std::string text;
};
struct Onbuild {
    std::string trigger;
};
struct Shell {
    std::vector<std::string> words;
};
struct Healthcheck {
    std::vector<std::string> test;  // {"NONE"}, {"CMD", ..}, {"CMD-SHELL", line}
    std::int64_t interval = 0, timeout = 0, start_period = 0, start_interval = 0;  // nanoseconds, 0: the default
    std::int64_t retries = 0;
};
struct Copy {  // ADD too
    bool add = false, link = false, parents = false;
    std::optional<bool> keep_git_dir, unpack;
    std::string from, chown, chmod, checksum, destination;
    std::vector<std::string> exclude, sources;
    std::vector<Heredoc> documents;
};

struct Instruction {
    std::variant<From, Run, Cmd, Entrypoint, Env, Label, Arg, Maintainer, Expose, Volume, User, Workdir, StopSignal,
                 Onbuild, Shell, Healthcheck, Copy>
        body;
    std::string name, written;  // "RUN", "run"
    std::string text;           // the whole, for people: "RUN --mount=.. make"
    std::string whole;          // as it stands there, continuations joined
    std::vector<Heredoc> heredocs;
    std::vector<std::string> comments;
    bool empty_continuation = false;
    bool on_build = false;  // a trigger of the base
    Lines lines;
};

// The error names the instruction, what was found and what is allowed.
Result<Instruction> parse_instruction(const RawInstruction& raw, char escape);
// An ONBUILD of an image or stage: `text` is one instruction, neither ONBUILD nor FROM nor MAINTAINER.
Result<Instruction> parse_trigger(std::string_view text);

}  // namespace gantry::build::dockerfile
