#include "core/container/user_lookup.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/base/files.hpp"
#include "core/base/safe_path.hpp"
#include "core/base/text.hpp"

namespace gantry::container {
namespace {

// An image's words in one line of a message, without quotes as Docker has them.
std::string shown_user(std::string_view name) {
    const std::string quoted = quote_json(name);
    return quoted.substr(1, quoted.size() - 2);
}

// A real passwd file is a few kilobytes; what is longer than this is not looked at.
constexpr std::size_t file_limit = 4u << 20;

// The file as text; "" where it is missing. Only a regular file is read: a FIFO or device would hang or flood us.
Result<std::string> read_database(int root, const char* path) {
    auto fd = open_in_root(root, path, O_RDONLY | O_NONBLOCK);
    if (!fd) return fd.error().code == Code::not_found ? Result<std::string>(std::string()) : std::move(fd).error();
    struct stat info {};
    if (::fstat(fd->get(), &info) != 0) return fail_errno(std::string("stat ") + path);
    if (!S_ISREG(info.st_mode))
        return fail(Code::invalid, std::string("the container's ") + path + " is not a regular file");
    if (info.st_size > static_cast<off_t>(file_limit))
        return fail(Code::invalid, std::string("the container's ") + path + " is larger than " +
                                       std::to_string(file_limit) + " bytes");
    return read_all(fd->get(), file_limit);
}

// Decimal, without sign or blanks, below 2^31: the kernel's ids as every runtime takes them.
std::optional<std::uint32_t> numeric_id(std::string_view text) {
    std::uint32_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value > 2147483647u)
        return std::nullopt;
    return value;
}

bool looks_numeric(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

struct Passwd {
    std::string_view name, home;
    std::uint32_t uid = 0, gid = 0;
};

template <typename F>
void each_line(std::string_view text, std::size_t fields, F use) {
    for (std::string_view line : split(text, '\n')) {
        auto parts = split(trim(line), ':');
        if (parts.size() >= fields && !parts[0].starts_with('#') && !use(parts)) return;
    }
}

std::optional<Passwd> find_passwd(std::string_view text, std::string_view name, std::optional<std::uint32_t> uid) {
    std::optional<Passwd> found;
    each_line(text, 4, [&](const auto& parts) {
        auto entry_uid = numeric_id(parts[2]);
        auto entry_gid = numeric_id(parts[3]);
        if (!entry_uid || !entry_gid) return true;
        // A number is an id, never a name that happens to be digits (CVE-2016-3697).
        if (uid ? *entry_uid != *uid : parts[0] != name) return true;
        found = Passwd{parts[0], parts.size() > 5 ? parts[5] : std::string_view(), *entry_uid, *entry_gid};
        return false;
    });
    return found;
}

Result<std::uint32_t> find_group(std::string_view text, std::string_view group) {
    if (looks_numeric(group)) {
        if (auto id = numeric_id(group)) return *id;
        return fail(Code::invalid, "uids and gids must be in range 0-2147483647: " + quote_json(group));
    }
    std::optional<std::uint32_t> found;
    each_line(text, 3, [&](const auto& parts) {
        if (parts[0] == group) found = numeric_id(parts[2]);
        return !found;
    });
    if (found) return *found;
    return fail(Code::invalid, "unable to find group " + shown_user(group) + ": no matching entries in group file");
}

}  // namespace

Result<User> look_up_user(int root, std::string_view user, const std::vector<std::string>& more_groups) {
    GANTRY_TRY(std::string passwd, read_database(root, "/etc/passwd"));
    GANTRY_TRY(std::string group_file, read_database(root, "/etc/group"));
    std::size_t colon = user.find(':');
    std::string_view name = user.substr(0, colon);
    std::string_view group = colon == std::string_view::npos ? std::string_view() : user.substr(colon + 1);
    if (colon != std::string_view::npos && (group.empty() || name.empty()))
        return fail(Code::invalid, "invalid user " + quote_json(user) + ": expected user[:group]");

    User result;
    std::optional<Passwd> entry;
    if (name.empty() || looks_numeric(name)) {
        auto uid = name.empty() ? std::optional<std::uint32_t>(0) : numeric_id(name);
        if (!uid) return fail(Code::invalid, "uids and gids must be in range 0-2147483647: " + quote_json(name));
        entry = find_passwd(passwd, {}, uid);
        result.uid = *uid;
    } else {
        entry = find_passwd(passwd, name, std::nullopt);
        if (!entry)
            return fail(Code::invalid,
                        "unable to find user " + shown_user(name) + ": no matching entries in passwd file");
        result.uid = entry->uid;
    }
    if (entry) {
        result.gid = entry->gid;
        if (entry->home.starts_with('/')) result.home = std::string(entry->home);
    }
    if (!group.empty()) {
        GANTRY_TRY(result.gid, find_group(group_file, group));
    } else if (entry) {
        each_line(group_file, 4, [&](const auto& parts) {
            for (std::string_view member : split(parts[3], ','))
                if (member == entry->name)
                    if (auto id = numeric_id(parts[2])) result.groups.push_back(*id);
            return result.groups.size() < 65536;
        });
    }
    for (const auto& more : more_groups) {
        GANTRY_TRY(std::uint32_t id, find_group(group_file, more));
        result.groups.push_back(id);
    }
    // The primary group belongs to the set, or a file that denies it to that group would be open (CVE-2022-36109).
    result.groups.push_back(result.gid);
    std::sort(result.groups.begin(), result.groups.end());
    result.groups.erase(std::unique(result.groups.begin(), result.groups.end()), result.groups.end());
    return result;
}

}  // namespace gantry::container
