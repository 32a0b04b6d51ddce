#include "core/image/changes.hpp"

#include <gantry/driver.hpp>
#include <signal.h>

#include "core/base/text.hpp"

namespace gantry::image {
namespace {

using Strings = std::vector<std::string>;

Error bad(std::string_view instruction, std::string_view why) {
    return fail(Code::invalid, std::string(instruction) + ": " + std::string(why));
}

// Words as a Dockerfile has them: separated by blanks; single and double quotes group, a backslash takes the next
// character as it is.
Result<Strings> words_of(std::string_view text) {
    Strings words;
    std::string word;
    bool inside = false;
    char quote = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\\' && quote != '\'' && i + 1 < text.size()) {
            word += text[++i];
            inside = true;
        } else if (quote != 0) {
            if (c == quote)
                quote = 0;
            else
                word += c;
        } else if (c == '"' || c == '\'') {
            quote = c;
            inside = true;
        } else if (c == ' ' || c == '\t') {
            if (inside) words.push_back(std::exchange(word, {}));
            inside = false;
        } else {
            word += c;
            inside = true;
        }
    }
    if (quote != 0) return fail(Code::invalid, "a quote is not closed");
    if (inside) words.push_back(word);
    return words;
}

// ["a", "b"] as JSON, if it is that.
std::optional<Strings> exec_form(std::string_view text) {
    if (!text.starts_with("[")) return std::nullopt;
    Json json = Json::parse(text, nullptr, false);
    if (!json.is_array()) return std::nullopt;
    for (const Json& one : json)
        if (!one.is_string()) return std::nullopt;
    return json.get<Strings>();
}

Strings command_of(std::string_view text) {
    if (auto exec = exec_form(text)) return *exec;
    return {"/bin/sh", "-c", std::string(text)};
}

// NAME=VALUE pairs, or the old form NAME VALUE.
Result<std::vector<std::pair<std::string, std::string>>> pairs_of(std::string_view instruction, std::string_view text) {
    std::vector<std::pair<std::string, std::string>> pairs;
    auto words = words_of(text);
    if (!words) return bad(instruction, words.error().text);
    if (words->empty()) return bad(instruction, "needs NAME=VALUE");
    if (words->front().find('=') == std::string::npos) {
        std::size_t blank = text.find_first_of(" \t");
        if (blank == std::string_view::npos) return bad(instruction, quote_json(words->front()) + " has no value");
        pairs.emplace_back(text.substr(0, blank), trim(text.substr(blank)));
        return pairs;
    }
    for (const std::string& word : *words) {
        std::size_t equals = word.find('=');
        if (equals == std::string::npos || equals == 0)
            return bad(instruction, quote_json(word) + " is not NAME=VALUE");
        pairs.emplace_back(word.substr(0, equals), word.substr(equals + 1));
    }
    return pairs;
}

Json& object_at(Json& config, const char* key) {
    Json& value = config[key];
    if (!value.is_object()) value = Json::object();
    return value;
}

Result<void> set_env(Json& config, std::string_view text) {
    GANTRY_TRY(auto pairs, pairs_of("ENV", text));
    auto env = member<Strings>(config, "Env");
    for (const auto& [name, value] : pairs) {
        const std::string prefix = name + "=";
        auto there =
            std::find_if(env.begin(), env.end(), [&](const std::string& one) { return one.starts_with(prefix); });
        if (there != env.end())
            *there = prefix + value;
        else
            env.push_back(prefix + value);
    }
    config["Env"] = env;
    return {};
}

Result<void> expose(Json& config, std::string_view text) {
    GANTRY_TRY(Strings words, words_of(text));
    if (words.empty()) return bad("EXPOSE", "needs a port");
    for (const std::string& word : words) {
        std::size_t slash = word.find('/');
        std::string protocol = slash == std::string::npos ? "tcp" : to_lower(word.substr(slash + 1));
        if (protocol != "tcp" && protocol != "udp" && protocol != "sctp")
            return bad("EXPOSE",
                       quote_json(word) + " has the protocol " + quote_json(protocol) + "; allowed are tcp, udp, sctp");
        auto range = split(std::string_view(word).substr(0, slash), '-');
        auto first = parse_int(range.front()), last = parse_int(range.back());
        if (range.size() > 2 || !first || !last || *first < 1 || *last > 65535 || *first > *last)
            return bad("EXPOSE", quote_json(word) + " is not a port");
        for (std::int64_t port = *first; port <= *last; ++port)
            object_at(config, "ExposedPorts")[std::to_string(port) + "/" + protocol] = Json::object();
    }
    return {};
}

Result<void> healthcheck(Json& config, std::string_view text) {
    if (to_lower(text) == "none") {
        config["Healthcheck"] = {{"Test", Json::array({"NONE"})}};
        return {};
    }
    Json check = Json::object();
    while (text.starts_with("--")) {
        std::size_t blank = std::min(text.find_first_of(" \t"), text.size());
        std::string_view flag = text.substr(0, blank);
        text = trim(text.substr(blank));
        std::size_t equals = flag.find('=');
        if (equals == std::string_view::npos) return bad("HEALTHCHECK", quote_json(flag) + " has no value");
        std::string_view name = flag.substr(2, equals - 2), value = flag.substr(equals + 1);
        if (name == "retries") {
            auto retries = parse_int(value);
            if (!retries || *retries < 1)
                return bad("HEALTHCHECK", quote_json("--retries=" + std::string(value)) + " is not a positive number");
            check["Retries"] = *retries;
            continue;
        }
        const char* field = name == "interval"         ? "Interval"
                            : name == "timeout"        ? "Timeout"
                            : name == "start-period"   ? "StartPeriod"
                            : name == "start-interval" ? "StartInterval"
                                                       : nullptr;
        if (field == nullptr) return bad("HEALTHCHECK", "unknown option " + quote_json(flag));
        auto duration = parse_duration(value);
        if (!duration || *duration < 0) return bad("HEALTHCHECK", quote_json(flag) + " is not a duration");
        check[field] = *duration;
    }
    if (to_lower(text.substr(0, 4)) != "cmd " && to_lower(text.substr(0, 4)) != "cmd\t")
        return bad("HEALTHCHECK", "needs NONE or CMD");
    std::string_view command = trim(text.substr(4));
    Strings test;
    if (auto exec = exec_form(command)) {
        test = {"CMD"};
        test.insert(test.end(), exec->begin(), exec->end());
    } else {
        test = {"CMD-SHELL", std::string(command)};
    }
    check["Test"] = test;
    config["Healthcheck"] = check;
    return {};
}

}  // namespace

Result<void> apply_change(Json& config, std::string_view line) {
    line = trim(line);
    const std::size_t blank = std::min(line.find_first_of(" \t"), line.size());
    const std::string instruction = to_lower(line.substr(0, blank));
    const std::string_view rest = trim(line.substr(blank));
    try {
        (void)Json(line).dump();
    } catch (const Json::exception&) {
        return fail(Code::invalid, "a change that is not valid UTF-8");
    }
    const bool printable =
        std::all_of(instruction.begin(), instruction.end(), [](char c) { return c > ' ' && c < 0x7f; });
    if (!printable) return fail(Code::invalid, quote_json(line.substr(0, blank)) + " is not a valid change command");
    std::string shown(line.substr(0, blank));
    std::transform(shown.begin(), shown.end(), shown.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    if (rest.empty() && instruction != "cmd" && instruction != "entrypoint") return bad(shown, "needs an argument");

    if (instruction == "cmd") {
        config["Cmd"] = command_of(rest);
    } else if (instruction == "entrypoint") {
        if (rest.empty() || rest == "[]" || rest == "\"\"")
            config["Entrypoint"] = nullptr;
        else
            config["Entrypoint"] = command_of(rest);
    } else if (instruction == "env") {
        return set_env(config, rest);
    } else if (instruction == "label") {
        GANTRY_TRY(auto pairs, pairs_of("LABEL", rest));
        for (const auto& [name, value] : pairs) object_at(config, "Labels")[name] = value;
    } else if (instruction == "expose") {
        return expose(config, rest);
    } else if (instruction == "user") {
        config["User"] = rest;
    } else if (instruction == "workdir") {
        const auto before = member<std::string>(config, "WorkingDir");
        config["WorkingDir"] =
            rest.front() == '/'
                ? std::string(rest)
                : (before.empty() ? std::string("/") : before + (before.back() == '/' ? "" : "/")) + std::string(rest);
    } else if (instruction == "volume") {
        Strings volumes;
        if (auto exec = exec_form(rest)) {
            volumes = *exec;
        } else {
            GANTRY_TRY(volumes, words_of(rest));
        }
        for (const std::string& volume : volumes) {
            if (volume.empty()) return bad("VOLUME", "an empty path");
            object_at(config, "Volumes")[volume] = Json::object();
        }
    } else if (instruction == "stopsignal") {
        const std::string name(rest.starts_with("SIG") ? rest.substr(3) : rest);
        auto number = parse_int(rest);
        bool known = number && *number > 0 && *number <= SIGRTMAX;
        for (int signal = 1; signal < 32 && !known; ++signal)
            known = sigabbrev_np(signal) != nullptr && name == sigabbrev_np(signal);
        if (!known && !name.starts_with("RTMIN") && !name.starts_with("RTMAX"))
            return bad("STOPSIGNAL", quote_json(rest) + " is not a signal");
        config["StopSignal"] = rest;
    } else if (instruction == "onbuild") {
        auto triggers = member<Strings>(config, "OnBuild");
        triggers.emplace_back(rest);
        config["OnBuild"] = triggers;
    } else if (instruction == "healthcheck") {
        return healthcheck(config, rest);
    } else {
        return fail(Code::invalid, std::string(line.substr(0, blank)) + " is not a valid change command");
    }
    return {};
}

}  // namespace gantry::image
