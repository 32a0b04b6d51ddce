#include "cgroup_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <memory>

#include "kernel.hpp"

namespace gantry::native {
namespace {

constexpr int deepest = 64;

std::vector<std::string> children(const std::string& directory) {
    std::vector<std::string> names;
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(directory.c_str()), ::closedir);
    if (!stream) return names;
    while (const dirent* entry = ::readdir(stream.get()))
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            names.emplace_back(entry->d_name);
        else if (entry->d_type == DT_DIR && entry->d_name[0] == '.' && entry->d_name[1] &&
                 (entry->d_name[1] != '.' || entry->d_name[2]))
            names.emplace_back(entry->d_name);
    return names;
}

template <typename T>
std::optional<T> number(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
    T value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

Result<void> collect(const std::string& directory, std::vector<int>& out, int depth) {
    auto text = read_at(AT_FDCWD, directory + "/cgroup.procs", 16u << 20);
    // EOPNOTSUPP: a threaded group, whose processes its parent lists.
    if (!text && text.error().system_errno != ENOENT && text.error().system_errno != ENODEV &&
        text.error().system_errno != EOPNOTSUPP)
        return std::move(text).error();
    if (text)
        for (std::string_view line : split(*text, '\n'))
            if (const auto pid = number<int>(line); pid && *pid > 0) out.push_back(*pid);
    if (depth == 0) return {};
    for (const std::string& child : children(directory)) GANTRY_CHECK(collect(directory + "/" + child, out, depth - 1));
    return {};
}

Result<bool> remove_tree_of_groups(const std::string& directory, int depth) {
    if (::rmdir(directory.c_str()) == 0 || errno == ENOENT) return true;
    if (errno != EBUSY && errno != ENOTEMPTY) return fail_errno("remove cgroup \"" + directory + "\"");
    if (depth == 0) return false;
    for (const std::string& child : children(directory))
        GANTRY_CHECK(remove_tree_of_groups(directory + "/" + child, depth - 1));
    return ::rmdir(directory.c_str()) == 0 || errno == ENOENT;
}

}  // namespace

Result<void> collect_pids(const std::string& directory, std::vector<int>& out) {
    return collect(directory, out, deepest);
}

Result<bool> remove_groups(const std::string& directory) { return remove_tree_of_groups(directory, deepest); }

std::optional<std::uint64_t> read_number(const std::string& file) {
    const auto text = read_at(AT_FDCWD, file);
    return text ? number<std::uint64_t>(*text) : std::nullopt;
}

std::vector<std::pair<std::string, std::uint64_t>> read_table(const std::string& file) {
    std::vector<std::pair<std::string, std::uint64_t>> table;
    const auto text = read_at(AT_FDCWD, file);
    if (!text) return table;
    for (std::string_view line : split(*text, '\n')) {
        const auto blank = line.find(' ');
        if (blank == std::string_view::npos) continue;
        if (const auto value = number<std::uint64_t>(line.substr(blank + 1)))
            table.emplace_back(line.substr(0, blank), *value);
    }
    return table;
}

}  // namespace gantry::native
