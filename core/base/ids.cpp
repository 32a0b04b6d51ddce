#include "core/base/ids.hpp"

#include <sys/random.h>

#include <cstdlib>

#include "core/base/text.hpp"

namespace gantry {

std::string new_id() {
    char bytes[32];
    // Without randomness no id is safe to hand out; the kernel gives 32 bytes whole once it is seeded.
    if (::getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) std::abort();
    std::string id = to_hex({bytes, sizeof bytes});
    // Docker's rule: the short form is never all digits, so that it cannot be taken for a number.
    if (id.find_first_not_of("0123456789") >= 12) return new_id();
    return id;
}

std::string_view short_id(std::string_view id) {
    if (id.starts_with("sha256:")) id.remove_prefix(7);
    return id.substr(0, 12);
}

bool valid_name(std::string_view name) {
    auto alphanumeric = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    };
    if (name.empty() || name.size() > 255 || !alphanumeric(name[0])) return false;
    for (char c : name)
        if (!alphanumeric(c) && c != '_' && c != '.' && c != '-') return false;
    return true;
}

bool is_id_prefix(std::string_view text) {
    return !text.empty() && text.size() <= 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace gantry
