// One HTTP request and its answer, over libcurl: limits, timeouts, TLS, proxies, and a say in which addresses are
// dialled. No redirect is followed, nothing is tried again and no credential is added here: session.hpp does that.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>

#include "core/image/registry/settings.hpp"
#include "core/image/registry/url.hpp"

namespace gantry::image::registry {

inline constexpr std::size_t max_error_bytes = 1u << 20;

// Which addresses may be dialled; looked at when it is done, not when the name is resolved.
enum class Reach { any = 1, not_local, loopback };  // not_local: neither loopback nor link-local

// How the far end proves who it is.
struct Trust {
    bool verify = true;
    std::string roots;             // PEM, besides the system's
    std::string certificate, key;  // files to show, "" for none
    Reach reach = Reach::any;
};

struct HttpResponse {
    int status = 0;
    std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
    std::string body;                                          // what `sink` did not take
    // The first of that name, "" for none.
    std::string header(std::string_view name) const;
};

struct HttpRequest {
    std::string method = "GET";
    Url url;
    std::vector<std::pair<std::string, std::string>> headers;
    // What is sent: a text, or a piece of a file.
    std::string_view body;
    int file = -1;
    std::int64_t file_offset = 0, file_size = 0;
    std::function<void(std::int64_t)> sent = {};  // bytes of the file so far

    std::size_t limit = max_error_bytes;  // of the answer's body in memory; more: GANTRY_EXHAUSTED
    int total_ms = 0;                     // 0: as long as bytes move
    // Where set: told the head of an answer with 200 or 206, then its body piece by piece. An error ends the request.
    std::function<Result<void>(const HttpResponse&)> head = {};
    std::function<Result<void>(std::string_view)> sink = {};
};

enum class Failure {
    none = 1,
    unreachable,  // no connection, or not to an address that may be dialled
    untrusted,    // the certificate is not one to be trusted
    no_tls,       // the far end does not speak TLS
    broken,       // the connection or the answer broke off, or a time was up
    refused,      // by us: a limit, `head`, `sink`, cancelled
};

struct Outcome {
    Failure failure = Failure::none;
    std::optional<Error> error;  // set unless Failure::none
    HttpResponse response;
    bool dialled = false;        // some address, by this request
    bool only_loopback = false;  // and every one of them a loopback address, none of them a proxy's
    bool only_local = false;     // or a link-local one
};

// Keeps connections alive between requests of one operation. Thread-safe: one easy handle for each request under way.
class Transport {
public:
    // `cancelled` is asked while a request is under way, from any thread.
    Transport(const Settings& settings, std::function<bool()> cancelled);
    ~Transport();
    Transport(const Transport&) = delete;
    Transport& operator=(const Transport&) = delete;

    Outcome send(const HttpRequest& request, const Trust& trust);
    bool cancelled() const { return cancelled_ && cancelled_(); }
    const Settings& settings() const { return settings_; }

private:
    struct Handle;
    std::unique_ptr<Handle> take(const std::string& key);
    void give_back(const std::string& key, std::unique_ptr<Handle> handle);

    const Settings settings_;
    const std::function<bool()> cancelled_;
    std::mutex mutex_;
    std::map<std::string, std::vector<std::unique_ptr<Handle>>> idle_;
};

// The proxy for this URL, "" for none. Loopback is never reached through one.
std::string proxy_for(const Proxies& proxies, const Url& url);

}  // namespace gantry::image::registry
