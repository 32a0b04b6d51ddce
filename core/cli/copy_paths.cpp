#include "core/cli/copy_paths.hpp"

#include <vector>

#include "core/base/text.hpp"

namespace gantry::cli {
namespace {

bool says_contents(std::string_view path) { return path == "." || path.ends_with("/."); }

// Lexically clean: "" becomes ".", what is absolute stays so.
std::string clean(std::string_view path) {
    const bool absolute = path.starts_with('/');
    std::vector<std::string> parts;
    for (std::string_view part : split(path, '/')) {
        if (part.empty() || part == ".") continue;
        if (part == ".." && !parts.empty() && parts.back() != "..")
            parts.pop_back();
        else if (part != ".." || !absolute)
            parts.emplace_back(part);
    }
    const std::string text = join(parts, "/");
    return absolute ? "/" + text : text.empty() ? "." : text;
}

}  // namespace

CopyArgument parse_copy_argument(std::string_view text) {
    const std::size_t colon = text.find(':');
    if (text.starts_with('/') || text.starts_with('.') || colon == std::string_view::npos || colon == 0)
        return {"", std::string(text)};
    return {std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

std::pair<std::string, std::string> split_last(std::string_view path) {
    const std::string cleaned = clean(path);
    if (says_contents(path)) return {cleaned, "."};
    if (cleaned == "/") return {"/", "/"};
    const std::size_t slash = cleaned.rfind('/');
    if (slash == std::string::npos) return {".", cleaned};
    return {slash == 0 ? "/" : cleaned.substr(0, slash), cleaned.substr(slash + 1)};
}

bool asserts_directory(std::string_view path) { return path.ends_with('/') || says_contents(path); }

Result<CopyPlan> plan_copy(const CopyEnd& source, const CopyEnd& target) {
    if (target.exists && target.directory) return CopyPlan{target.path, ""};
    if (target.exists && source.directory) return fail(Code::invalid, "cannot copy directory");
    if (!target.exists && !source.directory && asserts_directory(target.path))
        return fail(Code::invalid, "no such directory");
    auto [directory, name] = split_last(target.path);
    // "new/." names the directory "new" itself.
    if (name == ".") std::tie(directory, name) = split_last(directory);
    return CopyPlan{directory, name};
}

Result<std::string> renamed_member(std::string_view member, std::string_view from, std::string_view to) {
    std::string_view rest = member;
    if (from == "/") {
        while (rest.starts_with('/') || rest.starts_with("./")) rest.remove_prefix(rest.starts_with('/') ? 1 : 2);
        if (rest == ".") rest = {};
    } else {
        if (from != "." && rest.starts_with("./")) rest.remove_prefix(2);
        if (!rest.starts_with(from) || (rest.size() > from.size() && rest[from.size()] != '/'))
            return fail(Code::invalid, "the daemon sent " + quote_json(member.substr(0, 200)) +
                                           ", which is no part of what was asked for");
        rest.remove_prefix(from.size());
        if (rest.starts_with('/')) rest.remove_prefix(1);
    }
    const std::string_view base = to.empty() ? from == "/" ? "." : from : to;
    return std::string(base) + "/" + std::string(rest);
}

}  // namespace gantry::cli
