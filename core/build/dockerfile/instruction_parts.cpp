#include "core/build/dockerfile/instruction_parts.hpp"

#include "core/base/text.hpp"

namespace gantry::build::dockerfile {
namespace {

// nanoseconds; 0 where the flag is absent.
Result<std::int64_t> duration(const Flags& flags, const std::string& name) {
    std::string text = flags.text(name);
    if (text.empty()) return 0;
    auto value = parse_duration(text);
    if (!value || *value < 0 || (*value > 0 && *value < 1'000'000))
        return fail(Code::invalid, "HEALTHCHECK --" + name + ": found " + quote_json(text) +
                                       ", allowed is a duration of 1ms and more, such as 30s or 1m30s");
    return *value;
}

}  // namespace

Result<void> check_words(const std::string& name, const std::vector<std::string>& words) {
    for (const std::string& word : words)
        if (!is_text(word)) return fail(Code::invalid, name + ": found a NUL in " + quote_json(word.substr(0, 100)));
    return {};
}

Result<CommandLine> parse_command(const std::string& name, std::string_view rest) {
    if (auto words = json_words(rest)) {
        GANTRY_CHECK(check_words(name, *words));
        return CommandLine{false, std::move(*words)};
    }
    if (rest.empty()) return fail(Code::invalid, name + " needs a command");
    return CommandLine{true, {std::string(rest)}};
}

Result<std::vector<KeyValue>> parse_pairs(const std::string& name, std::string_view rest, char escape, bool* legacy) {
    std::vector<std::string> words = shell_words(rest, escape);
    if (words.empty()) return fail(Code::invalid, name + " needs a name and a value: " + name + " name=value");
    std::vector<KeyValue> pairs;
    if (words[0].find('=') == std::string::npos) {
        *legacy = true;
        std::string_view value = trim(rest.substr(words[0].size()));
        if (value.empty())
            return fail(Code::invalid, name + ": found " + quote_json(words[0]) + " alone, needed is a value: " + name +
                                           " name=value");
        pairs.push_back({words[0], std::string(value)});
        return pairs;
    }
    for (const std::string& word : words) {
        std::size_t equals = word.find('=');
        if (equals == std::string::npos)
            return fail(Code::invalid, name + ": found " + quote_json(word) +
                                           " without \"=\", allowed is name=value; a value with blanks is quoted");
        if (equals == 0)
            return fail(Code::invalid, name + ": found " + quote_json(word) + ", needed is a name before \"=\"");
        pairs.push_back({word.substr(0, equals), word.substr(equals + 1)});
    }
    return pairs;
}

Result<From> parse_from(const RawInstruction& raw, std::string_view rest, char escape) {
    static const std::vector<FlagRule> rules = {{"platform"}};
    GANTRY_TRY(Flags flags, Flags::take("FROM", &rest, escape, rules));
    std::vector<std::string> words = blank_words(rest);
    From from;
    from.platform = flags.text("platform");
    from.from_written = raw.written;
    if (words.size() != 1 && !(words.size() == 3 && to_lower(words[1]) == "as"))
        return fail(Code::invalid, "FROM: found " +
                                       (words.empty() ? std::string("nothing") : quote_json(rest.substr(0, 100))) +
                                       ", allowed is FROM [--platform=P] IMAGE [AS NAME]");
    from.base = words[0];
    if (words.size() == 1) return from;
    from.as_written = words[1];
    from.stage = words[2];
    std::string lower = to_lower(from.stage);
    bool good = lower[0] >= 'a' && lower[0] <= 'z' &&
                lower.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") == std::string::npos;
    if (!good)
        return fail(Code::invalid, "FROM: invalid name of a stage: found " + quote_json(from.stage.substr(0, 100)) +
                                       ", allowed are letters, digits, \"-\", \"_\" and \".\" after a letter");
    return from;
}

Result<Run> parse_run(const RawInstruction& raw, std::string_view rest, char escape) {
    static const std::vector<FlagRule> rules = {
        {"mount", FlagRule::Kind::list}, {"network"}, {"security"}, {"device", FlagRule::Kind::list}};
    GANTRY_TRY(Flags flags, Flags::take("RUN", &rest, escape, rules));
    if (flags.has("device")) return fail(Code::unsupported, "RUN --device is not supported: builds have no devices");
    Run run;
    run.mounts = flags.list("mount");
    run.network = flags.text("network");
    run.security = flags.text("security");
    if (!run.network.empty() && run.network != "default" && run.network != "none" && run.network != "host")
        return fail(Code::invalid,
                    "RUN --network: found " + quote_json(run.network) + ", allowed are default, none and host");
    if (!run.security.empty() && run.security != "sandbox" && run.security != "insecure")
        return fail(Code::invalid,
                    "RUN --security: found " + quote_json(run.security) + ", allowed are sandbox and insecure");
    GANTRY_TRY(run.command, parse_command("RUN", rest));
    if (run.command.words.empty() || run.command.words[0].empty()) return fail(Code::invalid, "RUN needs a command");
    for (const Heredoc& heredoc : raw.heredocs)
        if (heredoc.name.find('/') != std::string::npos || heredoc.name == "." || heredoc.name == "..")
            return fail(Code::invalid, "RUN: found a here-document named " + quote_json(heredoc.name) +
                                           ", allowed is a word without \"/\"");
    return run;
}

Result<Copy> parse_copy(const RawInstruction& raw, std::string_view rest, char escape) {
    using Kind = FlagRule::Kind;
    static const std::vector<FlagRule> copy_rules = {
        {"from"}, {"chown"}, {"chmod"}, {"link", Kind::boolean}, {"parents", Kind::boolean}, {"exclude", Kind::list}};
    static const std::vector<FlagRule> add_rules = {{"chown"},
                                                    {"chmod"},
                                                    {"link", Kind::boolean},
                                                    {"keep-git-dir", Kind::boolean},
                                                    {"checksum"},
                                                    {"exclude", Kind::list},
                                                    {"unpack", Kind::boolean}};
    Copy copy;
    copy.add = raw.name == "ADD";
    GANTRY_TRY(Flags flags, Flags::take(raw.name, &rest, escape, copy.add ? add_rules : copy_rules));
    copy.from = flags.text("from");
    copy.chown = flags.text("chown");
    copy.chmod = flags.text("chmod");
    copy.checksum = flags.text("checksum");
    copy.link = flags.boolean("link");
    copy.parents = flags.boolean("parents");
    copy.exclude = flags.list("exclude");
    if (flags.has("keep-git-dir")) copy.keep_git_dir = flags.boolean("keep-git-dir");
    if (flags.has("unpack")) copy.unpack = flags.boolean("unpack");
    std::vector<std::string> words =
        json_words(rest).value_or(raw.heredocs.empty() ? blank_words(rest) : shell_words(rest, escape));
    GANTRY_CHECK(check_words(raw.name, words));
    if (words.size() < 2)
        return fail(Code::invalid, raw.name + " needs at least a source and a destination, found " +
                                       (words.empty() ? "nothing" : quote_json(words[0].substr(0, 100))));
    copy.destination = std::move(words.back());
    words.pop_back();
    std::size_t next = 0;
    for (std::string& word : words) {
        Heredoc unused;
        if (next == raw.heredocs.size() || !heredoc_of(word, escape, &unused)) {
            copy.sources.push_back(std::move(word));
            continue;
        }
        copy.documents.push_back(raw.heredocs[next++]);
        // Its name is that of the file.
        const std::string& name = copy.documents.back().name;
        if (name.find('/') != std::string::npos || name == "." || name == "..")
            return fail(Code::invalid, raw.name + ": found a here-document named " + quote_json(name) +
                                           ", allowed is a word without \"/\"");
    }
    if (next != raw.heredocs.size())
        return fail(Code::invalid, raw.name + ": the destination is a here-document, needed is a path");
    if (!copy.from.empty() && !copy.documents.empty())
        return fail(Code::invalid, "COPY --from: found a here-document, allowed are paths");
    return copy;
}

Result<Healthcheck> parse_healthcheck(std::string_view rest, char escape) {
    static const std::vector<FlagRule> rules = {
        {"interval"}, {"timeout"}, {"start-period"}, {"start-interval"}, {"retries"}};
    GANTRY_TRY(Flags flags, Flags::take("HEALTHCHECK", &rest, escape, rules));
    std::size_t end = std::min(rest.find_first_of(" \t"), rest.size());
    std::string type = to_lower(rest.substr(0, end));
    std::string_view command = trim(rest.substr(end));
    Healthcheck check;
    if (type == "none") {
        if (!command.empty())
            return fail(Code::invalid,
                        "HEALTHCHECK NONE: found " + quote_json(command.substr(0, 100)) + ", allowed is nothing");
        check.test = {"NONE"};
    } else if (type == "cmd") {
        GANTRY_TRY(CommandLine line, parse_command("HEALTHCHECK CMD", command));
        if (line.words.empty()) return fail(Code::invalid, "HEALTHCHECK CMD needs a command");
        check.test = {line.shell ? "CMD-SHELL" : "CMD"};
        check.test.insert(check.test.end(), line.words.begin(), line.words.end());
    } else {
        return fail(Code::invalid, "HEALTHCHECK: found " +
                                       (type.empty() ? std::string("nothing") : quote_json(rest.substr(0, end))) +
                                       ", allowed are NONE and CMD");
    }
    GANTRY_TRY(check.interval, duration(flags, "interval"));
    GANTRY_TRY(check.timeout, duration(flags, "timeout"));
    GANTRY_TRY(check.start_period, duration(flags, "start-period"));
    GANTRY_TRY(check.start_interval, duration(flags, "start-interval"));
    if (std::string retries = flags.text("retries"); !retries.empty()) {
        auto number = parse_int(retries);
        if (!number || *number < 0 || *number > 1'000'000)
            return fail(Code::invalid, "HEALTHCHECK --retries: found " + quote_json(retries) +
                                           ", allowed is a number from 0 to 1000000");
        check.retries = *number;
    }
    return check;
}

Result<Onbuild> parse_onbuild(const RawInstruction& raw) {
    if (raw.rest.empty()) return fail(Code::invalid, "ONBUILD needs an instruction");
    Onbuild onbuild{raw.rest};
    for (const Heredoc& heredoc : raw.heredocs) onbuild.trigger += "\n" + heredoc.content + heredoc.name;
    // What is wrong with it is said now and not to those who build on the image.
    GANTRY_TRY(Instruction unused, parse_trigger(onbuild.trigger));
    return onbuild;
}

}  // namespace gantry::build::dockerfile
