#include "core/plugin/handshake.hpp"

#include <curl/curl.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>

#include "core/base/fd_path.hpp"
#include "core/base/json_names.hpp"
#include "core/base/text.hpp"
#include "core/plugin/plugin_config.hpp"

namespace gantry::plugin {
namespace {

constexpr std::size_t most_answer = 64u << 10, most_interfaces = 100;
constexpr int answer_depth = 16;

// The socket itself, not what its name may lead to by a link.
Result<UniqueFd> open_socket(int directory, const std::string& name) {
    UniqueFd fd(::openat(directory, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!fd && errno == ENOENT) return fail(Code::retry_later, "there is no socket " + quote_json(name));
    if (!fd) return fail_errno("open socket " + quote_json(name));
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) return fail_errno("look at socket " + quote_json(name));
    if (!S_ISSOCK(info.st_mode)) return fail(Code::invalid, quote_json(name) + " is not a socket");
    return fd;
}

std::size_t take(char* data, std::size_t size, std::size_t count, void* to) {
    std::string& answer = *static_cast<std::string*>(to);
    if (answer.size() + size * count > most_answer) return 0;
    answer.append(data, size * count);
    return size * count;
}

}  // namespace

Result<std::vector<std::string>> activate(int directory, const std::string& name, int timeout_ms) {
    GANTRY_TRY(UniqueFd socket, open_socket(directory, name));
    std::unique_ptr<CURL, void (*)(CURL*)> curl(::curl_easy_init(), ::curl_easy_cleanup);
    std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(
        ::curl_slist_append(nullptr, "Accept: application/vnd.docker.plugins.v1.2+json"), ::curl_slist_free_all);
    if (!curl || !headers) return fail(Code::exhausted, "no memory to ask a plugin");
    const std::string path = fd_path(socket.get());
    std::string answer;
    auto set = [&](CURLoption option, auto value) { ::curl_easy_setopt(curl.get(), option, value); };
    set(CURLOPT_URL, "http://plugin/Plugin.Activate");
    set(CURLOPT_UNIX_SOCKET_PATH, path.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http");
    set(CURLOPT_NOPROXY, "*");
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDS, "");
    set(CURLOPT_POSTFIELDSIZE, 0L);
    set(CURLOPT_HTTPHEADER, headers.get());
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(std::max(timeout_ms, 1)));
    set(CURLOPT_WRITEFUNCTION, take);
    set(CURLOPT_WRITEDATA, static_cast<void*>(&answer));
    const CURLcode code = ::curl_easy_perform(curl.get());
    if (code == CURLE_COULDNT_CONNECT) return fail(Code::retry_later, "nobody listens on " + quote_json(name));
    if (code == CURLE_OPERATION_TIMEDOUT) return fail(Code::deadline, "no answer to POST /Plugin.Activate");
    if (code == CURLE_WRITE_ERROR)
        return fail(Code::invalid, "the answer to POST /Plugin.Activate has more than 64 KiB");
    if (code != CURLE_OK)
        return fail(Code::invalid, std::string("POST /Plugin.Activate: ") + ::curl_easy_strerror(code));
    long status = 0;
    ::curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
    if (status != 200)
        return fail(Code::invalid, "the answer to POST /Plugin.Activate has status " + std::to_string(status));
    return read_implemented(answer);
}

Result<std::vector<std::string>> read_implemented(std::string_view body) {
    auto bad = [](const char* why) {
        return fail(Code::invalid,
                    std::string("the answer to POST /Plugin.Activate is not {\"Implements\": [\"...\"]}: ") + why);
    };
    if (read_json_names(body, answer_depth).too_deep) return bad("too deep");
    const Json answer = Json::parse(body, nullptr, false);
    if (!answer.is_object()) return bad("no JSON object");
    auto list = answer.find("Implements");
    if (list == answer.end() || !list->is_array()) return bad("no list \"Implements\"");
    if (list->size() > most_interfaces) return bad("more than 100 interfaces");
    std::vector<std::string> names;
    for (const Json& name : *list) {
        if (!name.is_string()) return bad("an interface that is no text");
        names.push_back(name);
    }
    return names;
}

Result<void> check_implemented(const Json& types, const std::vector<std::string>& implemented) {
    for (const std::string type : types) {
        const std::string wanted = capability_of(type);
        if (std::any_of(implemented.begin(), implemented.end(),
                        [&](const std::string& name) { return to_lower(name) == wanted; }))
            continue;
        std::string there;
        for (const std::string& name : implemented)
            there += (there.empty() ? "" : ", ") + quote_json(name.substr(0, 100));
        return fail(Code::invalid, "it does not implement " + quote_json(type) +
                                       " of its configuration, it implements: " + (there.empty() ? "nothing" : there));
    }
    return {};
}

}  // namespace gantry::plugin
