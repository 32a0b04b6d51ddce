#include "core/build/git_address.hpp"

#include <curl/curl.h>
#include <netdb.h>
#include <unistd.h>

#include <memory>

#include "core/base/text.hpp"
#include "core/build/paths.hpp"
#include "core/build/remote_address.hpp"

namespace gantry::build {
namespace {

constexpr long git_connect_seconds = 30, git_answer_seconds = 120, git_redirects = 10;
constexpr std::size_t enough_bytes = 64u << 10;  // of an answer that is not looked at
constexpr std::string_view question = "/info/refs?service=git-upload-pack";

struct Asked {
    const RemoteAddresses& addresses;
    Cancel& cancel;
    std::string refused = {};
    std::size_t bytes = 0;

    static curl_socket_t open(void* self, curlsocktype, curl_sockaddr* address) {
        auto& asked = *static_cast<Asked*>(self);
        if (std::string why = asked.addresses.refusal(address->addr); !why.empty()) {
            asked.refused = std::move(why);
            return CURL_SOCKET_BAD;
        }
        return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    }
    static std::size_t take(char*, std::size_t, std::size_t size, void* self) {
        auto& asked = *static_cast<Asked*>(self);
        asked.bytes += size;
        return asked.bytes > enough_bytes ? 0 : size;
    }
    static int moved(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
        return static_cast<Asked*>(self)->cancel.cancelled() ? 1 : 0;
    }
};

std::string text_of(CURL* curl, CURLINFO info) {
    const char* text = nullptr;
    return ::curl_easy_getinfo(curl, info, &text) == CURLE_OK && text != nullptr ? text : "";
}

Result<GitAddress> settle_http(const std::string& url, const std::string& written, const std::string& name,
                               Cancel& cancel) {
    const RemoteAddresses addresses(written);
    Asked asked{addresses, cancel};
    std::string base = url;
    while (base.ends_with('/')) base.pop_back();
    std::unique_ptr<CURL, void (*)(CURL*)> handle(::curl_easy_init(), ::curl_easy_cleanup);
    if (!handle) return fail(Code::internal, "libcurl does not start");
    CURL* curl = handle.get();
    char reason[CURL_ERROR_SIZE] = {};
    const std::string whole = base + std::string(question);
    auto set = [&](CURLoption option, auto value) { ::curl_easy_setopt(curl, option, value); };
    set(CURLOPT_URL, whole.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_REDIR_PROTOCOLS_STR, url.starts_with("https") ? "https" : "http,https");
    set(CURLOPT_FOLLOWLOCATION, 1L);
    set(CURLOPT_MAXREDIRS, git_redirects);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    set(CURLOPT_PROXY, "");  // nor does git use one here
    set(CURLOPT_CONNECTTIMEOUT, git_connect_seconds);
    set(CURLOPT_TIMEOUT, git_answer_seconds);
    set(CURLOPT_USERAGENT, "git/gantry");  // what some servers tell git from browsers by
    set(CURLOPT_ERRORBUFFER, reason);
    set(CURLOPT_WRITEFUNCTION, &Asked::take);
    set(CURLOPT_WRITEDATA, &asked);
    set(CURLOPT_XFERINFOFUNCTION, &Asked::moved);
    set(CURLOPT_XFERINFODATA, &asked);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_OPENSOCKETFUNCTION, &Asked::open);
    set(CURLOPT_OPENSOCKETDATA, &asked);
    const CURLcode code = ::curl_easy_perform(curl);
    GANTRY_CHECK(cancel.check());
    if (code != CURLE_OK && !asked.refused.empty()) return fail(Code::denied, quote_json(name) + ": " + asked.refused);
    if (code != CURLE_OK && asked.bytes <= enough_bytes)
        return fail(Code::invalid, quote_json(name) + ": " + (reason[0] ? reason : ::curl_easy_strerror(code)));
    // What the status means is git's to say.
    GitAddress settled{base, {"http.followRedirects=false"}};
    std::string effective = text_of(curl, CURLINFO_EFFECTIVE_URL);
    long redirects = 0;
    ::curl_easy_getinfo(curl, CURLINFO_REDIRECT_COUNT, &redirects);
    if (redirects > 0) {
        if (!effective.ends_with(question))
            return fail(Code::invalid, quote_json(name) + " is redirected to what is no git repository");
        settled.url = effective.substr(0, effective.size() - question.size());
    }
    std::unique_ptr<CURLU, void (*)(CURLU*)> parts(::curl_url(), ::curl_url_cleanup);
    char *host = nullptr, *port = nullptr;
    std::string address = text_of(curl, CURLINFO_PRIMARY_IP);
    if (parts && ::curl_url_set(parts.get(), CURLUPART_URL, settled.url.c_str(), 0) == CURLUE_OK &&
        ::curl_url_get(parts.get(), CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        ::curl_url_get(parts.get(), CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK && !address.empty()) {
        if (address.find(':') != std::string::npos) address = "[" + address + "]";
        settled.configuration.push_back("http.curloptResolve=" + std::string(host) + ":" + port + ":" + address);
    }
    ::curl_free(host);
    ::curl_free(port);
    return settled;
}

// "ssh://user@host:22/path", "git://host/path" or "user@host:path".
std::string host_of(const std::string& url) {
    const std::size_t scheme = url.find("://");
    std::string host = scheme == std::string::npos ? url.substr(0, url.find(':')) : url.substr(scheme + 3);
    if (scheme != std::string::npos) host.resize(std::min(host.size(), host.find('/')));
    if (const std::size_t at = host.rfind('@'); at != std::string::npos) host.erase(0, at + 1);
    if (host.starts_with('[')) return host.substr(1, std::min(host.size(), host.find(']')) - 1);
    return host.substr(0, host.find(':'));
}

}  // namespace

Result<GitAddress> settle_git_address(const std::string& url, const std::string& written, Cancel& cancel) {
    const std::string name = shown_url(url);
    if (url.starts_with("http://") || url.starts_with("https://")) return settle_http(url, written, name, cancel);
    const std::string host = host_of(url);
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    if (const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0)
        return fail(Code::invalid, quote_json(name) + ": " + ::gai_strerror(error));
    std::unique_ptr<addrinfo, void (*)(addrinfo*)> all(found, ::freeaddrinfo);
    const std::string said = host_of(written);
    const RemoteAddresses addresses("ssh://" + (said.find(':') == std::string::npos ? said : "[" + said + "]"));
    // Of several addresses git may take any.
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next)
        if (const std::string why = addresses.refusal(*one->ai_addr); !why.empty())
            return fail(Code::denied, quote_json(name) + ": " + why);
    return GitAddress{url, {}};
}

}  // namespace gantry::build
