#include "core/build/dockerfile/arguments.hpp"

#include "core/base/text.hpp"

#include "core/build/dockerfile/words.hpp"

namespace gantry::build::dockerfile {
namespace {

Result<void> set_known(const PlanOptions& options, const std::map<std::string, std::string>& given,
                       Variables* variables) {
    const Platform &target = options.platform, &build = options.build_platform;
    const std::pair<const char*, std::string> known[] = {
        {"BUILDPLATFORM", build.text()},
        {"BUILDOS", build.os},
        {"BUILDARCH", build.architecture},
        {"BUILDVARIANT", build.variant},
        {"TARGETPLATFORM", target.text()},
        {"TARGETOS", target.os},
        {"TARGETARCH", target.architecture},
        {"TARGETVARIANT", target.variant},
        {"TARGETSTAGE", options.target.empty() ? "default" : options.target}};
    for (const auto& [name, value] : known) {
        auto other = given.find(name);
        GANTRY_CHECK(variables->set(name, other == given.end() ? value : other->second));
    }
    return {};
}

Result<void> set_declared(const Instruction& instruction, const std::map<std::string, std::string>& given, char escape,
                          Budget* budget, Variables* variables) {
    for (const KeyValue& pair : std::get<Arg>(instruction.body).pairs) {
        if (auto other = given.find(pair.key); other != given.end()) {
            GANTRY_CHECK(variables->set(pair.key, other->second));
        } else if (pair.value) {
            GANTRY_TRY(Expanded value, expand(*pair.value, variables->lookup(), budget, {.escape = escape}));
            GANTRY_CHECK(variables->set(pair.key, std::move(value.text)));
        }
    }
    return {};
}

}  // namespace

std::vector<std::string> Arguments::proxies() const {
    std::vector<std::string> proxies;
    for (const char* name : {"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"}) {
        const std::string upper = to_upper(name);
        // Programs look for one or the other; each gets both.
        auto small = given.find(name), big = given.find(upper);
        if (small == given.end() && big == given.end()) continue;
        proxies.push_back(upper + "=" + (big == given.end() ? small : big)->second);
        proxies.push_back(std::string(name) + "=" + (small == given.end() ? big : small)->second);
    }
    return proxies;
}

Result<Arguments> collect_arguments(const std::vector<Instruction>& globals, const PlanOptions& options, char escape,
                                    Budget* budget, Lines* at) {
    Arguments arguments;
    *at = {};
    for (const auto& [name, value] : options.args) {
        if (name.empty() || name.find('=') != std::string::npos || !is_text(name) || !is_text(value))
            return fail(Code::invalid, "build argument " + quote_json(name.substr(0, 100)) +
                                           ": allowed is a name without \"=\" and a value of UTF-8 text");
        arguments.given[name] = value;
    }
    if (options.source_date_epoch)
        arguments.given.try_emplace("SOURCE_DATE_EPOCH", std::to_string(*options.source_date_epoch));
    if (auto epoch = arguments.given.find("SOURCE_DATE_EPOCH");
        epoch != arguments.given.end() && !epoch->second.empty())
        if (auto seconds = parse_int(epoch->second); !seconds || *seconds < 0)
            return fail(Code::invalid, "SOURCE_DATE_EPOCH: found " + quote_json(epoch->second.substr(0, 100)) +
                                           ", allowed is a number of seconds since 1970");
    if (auto syntax = arguments.given.find("BUILDKIT_SYNTAX");
        syntax != arguments.given.end() && !syntax->second.empty())
        GANTRY_CHECK(check_syntax(syntax->second));
    GANTRY_CHECK(set_known(options, arguments.given, &arguments.global));
    GANTRY_CHECK(set_known(options, {}, &arguments.global_defaults));
    for (const Instruction& instruction : globals) {
        *at = instruction.lines;
        GANTRY_CHECK(set_declared(instruction, arguments.given, escape, budget, &arguments.global));
        // Only a rule wants to know this.
        if (auto unused = set_declared(instruction, {}, escape, budget, &arguments.global_defaults); !unused) continue;
        for (const KeyValue& pair : std::get<Arg>(instruction.body).pairs) arguments.declared.push_back(pair.key);
    }
    *at = {};
    return arguments;
}

}  // namespace gantry::build::dockerfile
