#include "core/monitor/wire.hpp"

#include <set>

#include <gantry/driver.hpp>

namespace gantry::monitor {

Json error_to_json(const Error& error) {
    return {{"code", static_cast<int>(error.code)}, {"message", error.text}, {"errno", error.system_errno}};
}

Error error_from_json(const Json& json) {
    int code = member<int>(json, "code");
    if (code < GANTRY_INVALID || code > GANTRY_INTERNAL) code = GANTRY_INTERNAL;
    return Error{static_cast<Code>(code), member<std::string>(json, "message", "an error without a text"),
                 member<int>(json, "errno")};
}

Result<void> send_with_fds(int socket, Json body, const std::vector<FdToSend>& fds) {
    std::vector<int> numbers;
    if (!fds.empty()) {
        Json names = Json::array();
        for (const auto& [name, fd] : fds) {
            names.push_back(name);
            numbers.push_back(fd);
        }
        body["fds"] = std::move(names);
    }
    return send_message(socket, body, numbers);
}

UniqueFd take_fd(Message& message, std::string_view name) {
    auto names = message.body.find("fds");
    if (names == message.body.end() || !names->is_array()) return {};
    for (std::size_t i = 0; i < names->size() && i < message.fds.size(); ++i)
        if ((*names)[i] == name) return std::move(message.fds[i]);
    return {};
}

Result<void> check_fd_names(const Message& message) {
    std::set<std::string> seen;
    auto names = message.body.find("fds");
    std::size_t count = 0;
    if (names != message.body.end()) {
        if (!names->is_array()) return fail(Code::invalid, "\"fds\" is not a list of names");
        for (const Json& name : *names) {
            if (!name.is_string()) return fail(Code::invalid, "a descriptor's name is not a string");
            const auto& text = name.get_ref<const std::string&>();
            if (text.empty() || text.size() > 64)
                return fail(Code::invalid, "a descriptor's name is empty or longer than 64 bytes");
            if (!seen.insert(text).second) return fail(Code::invalid, "descriptor \"" + text + "\" is named twice");
        }
        count = names->size();
    }
    if (count != message.fds.size())
        return fail(Code::invalid,
                    std::to_string(count) + " names for " + std::to_string(message.fds.size()) + " descriptors");
    return {};
}

std::string monitor_socket_at(int directory) { return "/proc/self/fd/" + std::to_string(directory) + "/monitor.sock"; }

}  // namespace gantry::monitor
