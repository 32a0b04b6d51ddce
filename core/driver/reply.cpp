#include "core/driver/reply.hpp"

#include <gantry/driver.hpp>

namespace gantry::driver {
namespace {

std::string one_line(std::string text) {
    constexpr std::size_t longest = 4096;
    if (text.size() > longest) text.resize(longest);
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
    return text;
}

Error broken(const std::string& driver, std::string_view operation, const std::string& what) {
    return fail(Code::internal,
                "driver \"" + driver + "\" " + what + " (operation \"" + std::string(operation) + "\")");
}

}  // namespace

Result<Reply> finish_reply(const std::string& driver, std::string_view operation, gantry_status status,
                           const std::string& json, std::vector<UniqueFd> fds, const std::string& defect) {
    std::string fault = defect;
    Json body = parse_reply(json, fault);
    return finish_reply(driver, operation, status, std::move(body), std::move(fds), fault);
}

Json parse_reply(const std::string& json, std::string& defect) {
    Json body = json.empty() ? Json::object() : Json::parse(json, nullptr, false);
    if (!body.is_discarded()) return body;
    if (defect.empty()) defect = "answered with text that is not JSON";
    return Json::object();
}

Result<Reply> finish_reply(const std::string& driver, std::string_view operation, gantry_status status, Json body,
                           std::vector<UniqueFd> fds, const std::string& defect) {
    if (!defect.empty()) return broken(driver, operation, defect);
    if (!body.is_object())
        return broken(driver, operation, std::string("answered with a JSON ") + body.type_name() + ", not an object");
    if (status != GANTRY_OK) {
        if (status < 0 || status > GANTRY_INTERNAL)
            return broken(driver, operation, "answered with the unknown status " + std::to_string(status));
        Error error = fail(static_cast<Code>(status), one_line(member<std::string>(body, "message")));
        if (error.text.empty())
            error.text = "driver \"" + driver + "\" gave no reason for status " + std::to_string(status) + " of \"" +
                         std::string(operation) + "\"";
        else if (error.code == Code::internal)
            error.text = "driver \"" + driver + "\": " + error.text;
        error.system_errno = member<int>(member<Json>(body, "detail", Json::object()), "errno");
        return error;
    }
    const Json names = member<Json>(body, "fds", Json::array());
    bool named = names.is_array() && names.size() == fds.size();
    for (std::size_t i = 0; named && i < names.size(); ++i) named = names[i].is_string();
    if (!named)
        return broken(driver, operation,
                      "answered with " + std::to_string(fds.size()) + " descriptors, which its \"fds\" does not name");
    return Reply{std::move(body), std::move(fds)};
}

UniqueFd Reply::take_fd(std::string_view name) {
    auto names = result.is_object() ? result.find("fds") : result.end();
    if (!result.is_object() || names == result.end() || !names->is_array()) return {};
    for (std::size_t i = 0; i < names->size() && i < fds.size(); ++i)
        if ((*names)[i] == name && fds[i]) return std::move(fds[i]);
    return {};
}

}  // namespace gantry::driver
