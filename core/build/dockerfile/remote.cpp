#include "core/build/dockerfile/remote.hpp"

#include "core/base/text.hpp"

namespace gantry::build::dockerfile {
namespace {

constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr std::string_view kDigits = "0123456789";

Error refused(std::string_view url, std::string_view why) {
    return fail(Code::invalid, quote_json(without_credentials(url.substr(0, 200))) + ": " + std::string(why));
}

bool only(std::string_view text, std::string_view more) {
    return std::all_of(text.begin(), text.end(), [&](char c) {
        return kLetters.find(c) != std::string_view::npos || kDigits.find(c) != std::string_view::npos ||
               more.find(c) != std::string_view::npos;
    });
}

bool has_control_or_blank(std::string_view text) {
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; });
}

// "..": a component of it.
bool goes_up(std::string_view path) {
    for (std::string_view part : split(path, '/'))
        if (part == "..") return true;
    return false;
}

// host[:port], [v6][:port]. A host that begins with "-" is an option to ssh.
bool is_host(std::string_view text) {
    if (text.starts_with('[')) {
        std::size_t close = text.find(']');
        if (close == std::string_view::npos || close < 3 ||
            text.substr(1, close - 1).find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos)
            return false;
        text.remove_prefix(close + 1);
        if (text.empty()) return true;
        if (text[0] != ':') return false;
    } else {
        std::size_t colon = text.find(':');
        std::string_view name = text.substr(0, colon);
        if (name.empty() || name[0] == '-' || name[0] == '.' || !only(name, "-._")) return false;
        if (colon == std::string_view::npos) return true;
        text.remove_prefix(colon);
    }
    auto port = parse_int(text.substr(1));
    return port && *port >= 1 && *port <= 65535;
}

Result<GitSource> git_source(std::string_view source, std::string_view url) {
    GitSource git;
    git.url = url;
    std::string_view fragment = url.size() < source.size() ? source.substr(url.size() + 1) : std::string_view();
    std::size_t colon = fragment.find(':');
    git.ref = fragment.substr(0, colon);
    std::string_view subdir = colon == std::string_view::npos ? "" : fragment.substr(colon + 1);
    if (git.ref.starts_with('-') || git.ref.find("..") != std::string::npos || git.ref.ends_with('/') ||
        git.ref.ends_with(".lock") || git.ref.find("@{") != std::string::npos || has_control_or_blank(git.ref) ||
        git.ref.find_first_of("~^:?*[\\") != std::string::npos)
        return refused(
            source, "found the ref " + quote_json(git.ref.substr(0, 100)) + ", allowed is a branch, a tag or a commit");
    if (goes_up(subdir) || has_control_or_blank(subdir))
        return refused(source, "found the directory " + quote_json(subdir.substr(0, 100)) +
                                   ", allowed is a path within the repository");
    while (subdir.starts_with('/')) subdir.remove_prefix(1);
    while (subdir.ends_with('/')) subdir.remove_suffix(1);
    if (subdir == ".") subdir = {};
    git.subdir = subdir;
    return git;
}

// "user@host:path", as ssh has it. False: it is none.
bool is_scp_form(std::string_view text) {
    std::size_t at = text.find('@'), colon = text.find(':');
    if (at == std::string_view::npos || colon == std::string_view::npos || colon < at || at == 0) return false;
    return only(text.substr(0, at), "-._") && is_host(text.substr(at + 1, colon - at - 1)) && colon + 1 < text.size() &&
           text[0] != '-' && text[colon + 1] != '-';
}

std::string percent_decoded(std::string_view text) {
    std::string decoded;
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto byte = text[i] == '%' && i + 2 < text.size() ? from_hex(text.substr(i + 1, 2)) : std::nullopt;
        if (byte) i += 2;
        decoded += byte ? *byte : std::string(1, text[i]);
    }
    return decoded;
}

}  // namespace

std::string without_credentials(std::string_view url) {
    std::size_t start = url.find("://");
    if (start == std::string_view::npos) return std::string(url);
    start += 3;
    std::size_t end = std::min(url.find_first_of("/?#", start), url.size()), at = url.substr(0, end).rfind('@');
    if (at == std::string_view::npos || at < start) return std::string(url);
    return std::string(url.substr(0, start)) + std::string(url.substr(at + 1));
}

Result<std::optional<Remote>> parse_remote(std::string_view source) {
    std::string_view url = source.substr(0, source.find('#'));
    std::size_t colon = url.find("://");
    if (colon == std::string_view::npos) {
        // "ext::command" is a transport that runs commands.
        if (std::size_t transport = url.find("::");
            transport && transport != std::string_view::npos && only(url.substr(0, transport), "-+"))
            return refused(source, "found the git transport " + quote_json(url.substr(0, transport)) +
                                       ", allowed are http, https, ssh and git");
        if (!is_scp_form(url)) return std::optional<Remote>();
        if (goes_up(url.substr(url.find(':') + 1)) || has_control_or_blank(url))
            return refused(source, "found a path upwards or a blank in it");
        GANTRY_TRY(GitSource git, git_source(source, url));
        return std::optional<Remote>(std::move(git));
    }
    std::string scheme = to_lower(url.substr(0, colon));
    if (scheme.empty() || !only(scheme, "+-.")) return std::optional<Remote>();
    bool http = scheme == "http" || scheme == "https";
    if (!http && scheme != "git" && scheme != "ssh")
        return refused(source, "found the protocol " + quote_json(scheme) + ", allowed are http, https, ssh and git");
    if (has_control_or_blank(source)) return refused(source, "found a blank or a control character in a URL");
    std::string_view rest = url.substr(colon + 3);
    std::string_view authority = rest.substr(0, rest.find_first_of("/?")), path = rest.substr(authority.size());
    std::string_view query = path.find('?') == std::string_view::npos ? "" : path.substr(path.find('?'));
    path.remove_suffix(query.size());
    std::size_t at = authority.rfind('@');
    if ((at != std::string_view::npos && (at == 0 || authority[0] == '-')) ||
        !is_host(authority.substr(at == std::string_view::npos ? 0 : at + 1)))
        return refused(source, "found no valid host in the URL");
    if (!http || path.ends_with(".git")) {
        if (!query.empty())
            return fail(Code::unsupported, quote_json(without_credentials(source)) +
                                               ": a query in a git URL is not supported: use #ref:directory");
        if (path.size() < 2 || goes_up(path) || path.starts_with("/-"))
            return refused(source, "found no path of a repository in the URL, or one upwards");
        GANTRY_TRY(GitSource git, git_source(source, url));
        return std::optional<Remote>(std::move(git));
    }
    HttpSource fetched;
    fetched.url = url;
    std::string name =
        percent_decoded(path.substr(path.rfind('/') == std::string_view::npos ? 0 : path.rfind('/') + 1));
    if (name.find('/') == std::string::npos && name.find('\0') == std::string::npos && name != "." && name != "..")
        fetched.file_name = name;
    return std::optional<Remote>(std::move(fetched));
}

}  // namespace gantry::build::dockerfile
