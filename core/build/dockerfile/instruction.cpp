#include "core/build/dockerfile/instruction.hpp"

#include "core/base/text.hpp"

#include "core/build/dockerfile/instruction_parts.hpp"

namespace gantry::build::dockerfile {
namespace {

Error needs(const std::string& name, std::string_view what) {
    return fail(Code::invalid, name + " needs " + std::string(what));
}

Result<std::vector<std::string>> list_of_words(const std::string& name, std::string_view rest, std::string_view what) {
    std::vector<std::string> words = json_words(rest).value_or(blank_words(rest));
    if (words.empty()) return needs(name, what);
    GANTRY_CHECK(check_words(name, words));
    return words;
}

Result<Arg> parse_arg(std::string_view rest, char escape) {
    Arg arg;
    for (std::string& word : shell_words(rest, escape)) {
        std::size_t equals = word.find('=');
        KeyValue pair{word.substr(0, equals), std::nullopt};
        if (equals != std::string::npos) pair.value = word.substr(equals + 1);
        if (pair.key.empty())
            return fail(Code::invalid, "ARG: found " + quote_json(word) + ", needed is a name before \"=\"");
        arg.pairs.push_back(std::move(pair));
    }
    if (arg.pairs.empty()) return needs("ARG", "a name: ARG name[=default]");
    return arg;
}

Result<Shell> parse_shell(std::string_view rest) {
    auto words = json_words(rest);
    if (!words || words->empty())
        return fail(Code::invalid, "SHELL: found " + quote_json(rest.substr(0, 100)) +
                                       ", allowed is a JSON list: SHELL [\"/bin/bash\", \"-c\"]");
    GANTRY_CHECK(check_words("SHELL", *words));
    return Shell{std::move(*words)};
}

template <typename Body>
Result<Body> parse_text(const std::string& name, std::string_view rest, std::string_view what) {
    if (rest.empty()) return needs(name, what);
    return Body{std::string(rest)};
}

using Body = decltype(Instruction::body);

Result<Body> parse_body(const RawInstruction& raw, char escape) {
    const std::string& name = raw.name;
    std::string_view rest = raw.rest;
    if (name == "FROM") {
        GANTRY_TRY(Body body, parse_from(raw, rest, escape));
        return body;
    }
    if (name == "RUN") {
        GANTRY_TRY(Body body, parse_run(raw, rest, escape));
        return body;
    }
    if (name == "COPY" || name == "ADD") {
        GANTRY_TRY(Body body, parse_copy(raw, rest, escape));
        return body;
    }
    if (name == "HEALTHCHECK") {
        GANTRY_TRY(Body body, parse_healthcheck(rest, escape));
        return body;
    }
    if (name == "ONBUILD") {
        GANTRY_TRY(Body body, parse_onbuild(raw));
        return body;
    }
    // The others have no flags: what looks like one is a mistake.
    GANTRY_TRY(Flags none, Flags::take(name, &rest, escape, {}));
    if (name == "CMD" || name == "ENTRYPOINT") {
        GANTRY_TRY(CommandLine command, parse_command(name, rest));
        if (name == "CMD") return Body(Cmd{std::move(command)});
        return Body(Entrypoint{std::move(command)});
    }
    if (name == "ENV") {
        Env env;
        GANTRY_TRY(env.pairs, parse_pairs(name, rest, escape, &env.legacy));
        return Body(std::move(env));
    }
    if (name == "LABEL") {
        Label label;
        GANTRY_TRY(label.pairs, parse_pairs(name, rest, escape, &label.legacy));
        return Body(std::move(label));
    }
    if (name == "ARG") {
        GANTRY_TRY(Body body, parse_arg(rest, escape));
        return body;
    }
    if (name == "EXPOSE") {
        GANTRY_TRY(auto ports, list_of_words(name, rest, "a port: EXPOSE 80/tcp"));
        return Body(Expose{std::move(ports)});
    }
    if (name == "VOLUME") {
        GANTRY_TRY(auto paths, list_of_words(name, rest, "a path: VOLUME /data"));
        return Body(Volume{std::move(paths)});
    }
    if (name == "SHELL") {
        GANTRY_TRY(Body body, parse_shell(rest));
        return body;
    }
    if (name == "MAINTAINER") {
        GANTRY_TRY(Body body, parse_text<Maintainer>(name, rest, "a name"));
        return body;
    }
    if (name == "USER") {
        GANTRY_TRY(Body body, parse_text<User>(name, rest, "a user: USER name[:group]"));
        return body;
    }
    if (name == "WORKDIR") {
        GANTRY_TRY(Body body, parse_text<Workdir>(name, rest, "a path: WORKDIR /app"));
        return body;
    }
    if (name == "STOPSIGNAL") {
        GANTRY_TRY(Body body, parse_text<StopSignal>(name, rest, "a signal: STOPSIGNAL SIGTERM"));
        return body;
    }
    return unknown_instruction(raw.written);
}

}  // namespace

Result<Instruction> parse_instruction(const RawInstruction& raw, char escape) {
    Instruction instruction;
    GANTRY_TRY(instruction.body, parse_body(raw, escape));
    instruction.name = raw.name;
    instruction.written = raw.written;
    instruction.text = raw.name + (raw.rest.empty() ? "" : " " + raw.rest);
    instruction.whole = raw.whole;
    instruction.heredocs = raw.heredocs;
    instruction.comments = raw.comments;
    instruction.empty_continuation = raw.empty_continuation;
    instruction.lines = raw.lines;
    return instruction;
}

Result<Instruction> parse_trigger(std::string_view text) {
    Lines at;
    GANTRY_TRY(Document document, read_document(text, &at));
    if (document.instructions.size() != 1)
        return fail(Code::invalid, "ONBUILD: found more than one instruction, allowed is one");
    const std::string& name = document.instructions[0].name;
    if (name == "ONBUILD" || name == "FROM" || name == "MAINTAINER")
        return fail(Code::invalid,
                    "ONBUILD " + name + " is not allowed: a trigger is neither ONBUILD nor FROM nor MAINTAINER");
    GANTRY_TRY(Instruction instruction, parse_instruction(document.instructions[0], '\\'));
    instruction.on_build = true;
    return instruction;
}

}  // namespace gantry::build::dockerfile
