// The header of a reply.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gantry::http {

enum class After { keep_alive = 1, close };

struct Head {
    int status = 200;
    std::string_view content_type;              // "": none
    std::optional<std::size_t> content_length;  // none: chunked, or until the connection ends
    bool chunked = false;
    After after = After::keep_alive;
    const std::map<std::string, std::string>* more = nullptr;
};

// The headers that every reply has, whatever it says.
const std::vector<std::pair<std::string, std::string>>& standing_headers();
// Status line, the headers that every reply has, and the empty line.
std::string make_head(const Head& head);
// The reply that gives the connection away: 101 where the client asked for an upgrade, 200 otherwise.
std::string make_hijack_head(std::string_view upgrade, std::string_view content_type);

}  // namespace gantry::http
