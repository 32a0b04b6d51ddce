#include "core/cli/key_values.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/base/files.hpp"
#include "core/base/text.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t file_limit = 4u << 20;

// Lines of an env or label file: no blank lines, no comments, blanks before a line taken off.
Result<std::vector<std::string>> lines_of(const std::string& path) {
    GANTRY_TRY(std::string text, read_file(path, file_limit));
    if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
    std::vector<std::string> lines;
    for (std::string_view line : split(text, '\n')) {
        if (line.ends_with("\r")) line.remove_suffix(1);
        std::size_t first = line.find_first_not_of(" \t");
        if (first == std::string_view::npos || line[first] == '#') continue;
        line.remove_prefix(first);
        std::string_view name = line.substr(0, line.find('='));
        if (name.empty()) return fail(Code::invalid, "no variable name on line '" + std::string(line) + "'");
        if (name.find_first_of(" \t") != std::string_view::npos)
            return fail(Code::invalid,
                        "invalid env file (" + path + "): variable '" + std::string(name) + "' contains whitespaces");
        lines.emplace_back(line);
    }
    return lines;
}

void add_variable(std::vector<std::string>& all, const std::string& word) {
    if (word.find('=') != std::string::npos) {
        all.push_back(word);
    } else if (const char* here = std::getenv(word.c_str())) {
        all.push_back(word + "=" + here);
    }
}

}  // namespace

Result<std::vector<std::string>> read_environment(const std::vector<std::string>& files,
                                                  const std::vector<std::string>& given) {
    std::vector<std::string> all;
    for (const std::string& file : files) {
        GANTRY_TRY(std::vector<std::string> lines, lines_of(file));
        for (const std::string& line : lines) add_variable(all, line);
    }
    for (const std::string& word : given) {
        if (word.empty() || word[0] == '=') return fail(Code::invalid, "invalid environment variable: " + word);
        add_variable(all, word);
    }
    return all;
}

Result<Json> read_labels(const std::vector<std::string>& files, const std::vector<std::string>& given) {
    std::vector<std::string> all;
    for (const std::string& file : files) {
        GANTRY_TRY(std::vector<std::string> lines, lines_of(file));
        all.insert(all.end(), lines.begin(), lines.end());
    }
    all.insert(all.end(), given.begin(), given.end());
    Json labels = Json::object();
    for (const std::string& word : all) {
        std::size_t equals = word.find('=');
        if (word.empty() || equals == 0) return fail(Code::invalid, "invalid label '" + word + "': empty name");
        labels[word.substr(0, equals)] = equals == std::string::npos ? std::string() : word.substr(equals + 1);
    }
    return labels;
}

Result<Json> key_values(const std::vector<std::string>& given, std::string_view what) {
    Json object = Json::object();
    for (const std::string& word : given) {
        std::size_t equals = word.find('=');
        if (equals == std::string::npos || equals == 0)
            return fail(Code::invalid, "invalid value \"" + word + "\" for " + std::string(what) + ": want key=value");
        object[word.substr(0, equals)] = word.substr(equals + 1);
    }
    return object;
}

Result<Json> parse_ulimit(std::string_view specification) {
    std::string text(specification);
    std::size_t equals = specification.find('=');
    if (equals == std::string_view::npos) return fail(Code::invalid, "invalid ulimit argument: " + text);
    std::string name(specification.substr(0, equals));
    static constexpr std::string_view known[] = {"core",    "cpu",      "data",   "fsize",      "locks",
                                                 "memlock", "msgqueue", "nice",   "nofile",     "nproc",
                                                 "rss",     "rtprio",   "rttime", "sigpending", "stack"};
    if (std::find(std::begin(known), std::end(known), name) == std::end(known))
        return fail(Code::invalid, "invalid ulimit type: " + name);
    std::vector<std::string_view> parts = split(specification.substr(equals + 1), ':');
    if (parts.size() > 2)
        return fail(Code::invalid,
                    "too many limit value arguments - " + text + ", can only have up to two, `soft[:hard]`");
    auto soft = parse_int(parts[0]);
    auto hard = parts.size() == 2 ? parse_int(parts[1]) : soft;
    if (!soft || !hard) return fail(Code::invalid, "invalid ulimit value: " + text);
    if (*hard >= 0 && (*soft > *hard || *soft < 0))
        return fail(Code::invalid, "ulimit soft limit must be less than or equal to hard limit: " +
                                       std::to_string(*soft) + " > " + std::to_string(*hard));
    return Json{{"Name", name}, {"Soft", *soft}, {"Hard", *hard}};
}

Result<std::int64_t> parse_cpus(std::string_view text) {
    std::size_t dot = text.find('.');
    std::string_view whole = text.substr(0, dot),
                     part = dot == std::string_view::npos ? std::string_view() : text.substr(dot + 1);
    bool digits = text.find_first_not_of("0123456789.") == std::string_view::npos && !(whole.empty() && part.empty());
    if (!digits || part.find('.') != std::string_view::npos || whole.size() > 9)
        return fail(Code::invalid, "failed to parse " + std::string(text) + " as a rational number");
    while (part.ends_with("0")) part.remove_suffix(1);
    if (part.size() > 9) return fail(Code::invalid, "value is too precise");
    std::string all = std::string(whole.empty() ? "0" : whole) + std::string(part) + std::string(9 - part.size(), '0');
    return parse_int(all).value_or(0);
}

Result<Json> parse_restart(std::string_view text) {
    std::size_t colon = text.find(':');
    std::string name(text.substr(0, colon));
    Json policy{{"Name", name}};
    static const std::vector<std::string> known{"no", "always", "on-failure", "unless-stopped"};
    if (name.empty() && colon != std::string_view::npos)
        return fail(Code::invalid, "invalid restart policy format: no policy provided before colon");
    if (!name.empty() && std::find(known.begin(), known.end(), name) == known.end()) {
        std::string near = nearest(name, known);
        return fail(Code::invalid, "invalid restart policy: unknown policy '" + name +
                                       "'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'" +
                                       (near.empty() ? "" : " (did you mean '" + near + "'?)"));
    }
    if (colon != std::string_view::npos) {
        auto count = parse_int(text.substr(colon + 1));
        if (!count || *count < 0)
            return fail(Code::invalid, "invalid restart policy format: maximum retry count must be an integer");
        if (name != "on-failure")
            return fail(Code::invalid,
                        "invalid restart policy: maximum retry count can only be used with 'on-failure'");
        policy["MaximumRetryCount"] = *count;
    }
    return policy;
}

Result<std::string> parse_extra_host(std::string_view text) {
    std::size_t at = text.find('=');
    if (at == std::string_view::npos) at = text.find(':');
    if (at == std::string_view::npos || at == 0)
        return fail(Code::invalid, "bad format for add-host: \"" + std::string(text) + "\"");
    std::string name(text.substr(0, at)), address(text.substr(at + 1));
    if (address.starts_with("[") && address.ends_with("]")) address = address.substr(1, address.size() - 2);
    in6_addr space{};
    if (address != "host-gateway" && ::inet_pton(AF_INET, address.c_str(), &space) != 1 &&
        ::inet_pton(AF_INET6, address.c_str(), &space) != 1)
        return fail(Code::invalid, "invalid IP address in add-host: \"" + address + "\"");
    return name + ":" + address;
}

Result<std::string> parse_filters(const std::vector<std::string>& given) {
    if (given.empty()) return std::string();
    Json filters = Json::object();
    for (const std::string& word : given) {
        std::size_t equals = word.find('=');
        if (equals == std::string::npos || equals == 0)
            return fail(Code::invalid, "invalid filter '" + word + "': want key=value");
        std::string key = to_lower(trim(word.substr(0, equals)));
        if (!filters.contains(key)) filters[key] = Json::array();
        filters[key].push_back(std::string(trim(word.substr(equals + 1))));
    }
    return filters.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace gantry::cli
