#include "core/buildkit/file_stat.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "core/base/text.hpp"

namespace gantry::buildkit {
namespace {

// Go's os.FileMode: the type and the three special bits stand at the upper end.
constexpr std::uint32_t go_directory = 1u << 31, go_link = 1u << 27, go_device = 1u << 26, go_pipe = 1u << 25,
                        go_socket = 1u << 24, go_setuid = 1u << 23, go_setgid = 1u << 22, go_character = 1u << 21,
                        go_sticky = 1u << 20, go_irregular = 1u << 19;

bool is_utf8(const std::string& text) {
    try {
        (void)Json(text).dump();
        return true;
    } catch (const Json::exception&) {
        return false;
    }
}

}  // namespace

Result<std::uint32_t> unix_mode(std::uint32_t go_mode) {
    std::uint32_t mode = go_mode & 0777;
    if (go_mode & go_setuid) mode |= S_ISUID;
    if (go_mode & go_setgid) mode |= S_ISGID;
    if (go_mode & go_sticky) mode |= S_ISVTX;
    if (go_mode & (go_socket | go_irregular)) return fail(Code::invalid, "a file of a type that no build can copy");
    if (go_mode & go_directory) return mode | S_IFDIR;
    if (go_mode & go_link) return mode | S_IFLNK;
    if (go_mode & go_pipe) return mode | S_IFIFO;
    if (go_mode & go_device) return mode | (go_mode & go_character ? S_IFCHR : S_IFBLK);
    return mode | S_IFREG;
}

Result<Json> entry_of(const FileStat& stat) {
    if (!is_utf8(stat.path) || !is_utf8(stat.link))
        return fail(Code::invalid, "file " + quote_json(stat.path.substr(0, 200)) + " has a name that is not UTF-8");
    auto mode = unix_mode(stat.mode);
    if (!mode) return std::move(mode).error().context("file " + quote_json(stat.path.substr(0, 200)));
    Json entry{
        {"path", stat.path}, {"mode", *mode}, {"size", S_ISREG(*mode) ? stat.size : 0}, {"mtime_ns", stat.mtime_ns}};
    // Of a file with several names, too, a name stands there: it is a file as any other.
    if (S_ISLNK(*mode)) entry["link"] = stat.link;
    return entry;
}

std::pair<std::vector<std::string>, bool> header_values(const std::vector<std::string>& values) {
    const bool plain = std::all_of(values.begin(), values.end(), [](const std::string& value) {
        return std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c <= '~'; });
    });
    if (plain) return {values, false};
    std::vector<std::string> escaped;
    for (const std::string& value : values) {
        std::string text;
        for (const char c : value) {
            const bool safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                              c == '_' || c == '.' || c == '~';
            if (safe)
                text += c;
            else
                text.append("%").append(to_hex({&c, 1}));
        }
        escaped.push_back(std::move(text));
    }
    return {std::move(escaped), true};
}

}  // namespace gantry::buildkit
