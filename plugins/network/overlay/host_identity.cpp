#include "plugins/network/overlay/host_identity.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include <gantry/unique_fd.hpp>

namespace gantry::overlay {
namespace {
constexpr std::size_t most_bytes = 64u << 20, longest_name = 40;
}

Result<std::string> read_small_file(const std::string& path) {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return fail_errno("open \"" + path + "\"");
    std::string text;
    char buffer[16384];
    for (;;) {
        const ssize_t length = ::read(fd.get(), buffer, sizeof buffer);
        if (length < 0 && errno == EINTR) continue;
        if (length < 0) return fail_errno("read \"" + path + "\"");
        if (length == 0) return text;
        text.append(buffer, static_cast<std::size_t>(length));
        if (text.size() > most_bytes) return fail(Code::corrupt, "\"" + path + "\" is too large");
    }
}

Result<void> replace_file(const std::string& path, const std::string& text) {
    const std::string fresh = path + ".new";
    UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd) return fail_errno("make \"" + fresh + "\"");
    for (std::size_t done = 0; done < text.size();) {
        const ssize_t length = ::write(fd.get(), text.data() + done, text.size() - done);
        if (length < 0 && errno == EINTR) continue;
        if (length < 0) return fail_errno("write \"" + fresh + "\"");
        done += static_cast<std::size_t>(length);
    }
    if (::rename(fresh.c_str(), path.c_str()) != 0) return fail_errno("replace \"" + path + "\"");
    return {};
}

Result<std::string> host_identity(const std::string& directory) {
    const std::string path = directory + "/host";
    auto known = read_small_file(path);
    if (known && !known->empty()) return known;
    if (!known && known.error().code != Code::not_found) return known;
    char name[256] = "host";
    (void)::gethostname(name, sizeof name - 1);
    std::string clean;
    for (char c : std::string(name).substr(0, longest_name)) {
        const bool good =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
        clean += good ? c : '-';
    }
    unsigned char random[4];
    if (::getrandom(random, sizeof random, 0) != static_cast<ssize_t>(sizeof random))
        return fail_errno("ask for random bytes");
    char digits[10];
    std::snprintf(digits, sizeof digits, "-%02x%02x%02x%02x", random[0], random[1], random[2], random[3]);
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno("make \"" + directory + "\"");
    GANTRY_CHECK(replace_file(path, clean + digits));
    return clean + digits;
}

Result<std::string> boot_identity() {
    GANTRY_TRY(std::string text, read_small_file("/proc/sys/kernel/random/boot_id"));
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
}

}  // namespace gantry::overlay
