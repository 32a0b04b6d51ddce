#include "core/image/registry/transport.hpp"

#include <curl/curl.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.hpp"
#include "core/base/text.hpp"

namespace gantry::image::registry {
namespace {

constexpr std::size_t max_head_bytes = 64u << 10;
constexpr long connect_ms = 20'000;
// Slower than this for so long is broken: what was fetched is kept and the rest is asked for anew.
constexpr long low_speed_bytes = 128, low_speed_seconds = 30;
// Behind an upload the far end may first have to store it all.
constexpr long upload_seconds = 300;
// But as long as there is something to send, it moves.
constexpr std::int64_t stalled_upload_ns = 60'000'000'000;

void start_library() {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

std::string address_text(const sockaddr& address) {
    char text[INET6_ADDRSTRLEN] = "";
    if (address.sa_family == AF_INET)
        ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof text);
    if (address.sa_family == AF_INET6)
        ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, text, sizeof text);
    return text;
}

// What the callbacks of one request share.
struct Running {
    const HttpRequest& request;
    const Trust& trust;
    const std::function<bool()>& cancelled;
    bool proxied;
    Outcome& outcome;
    std::size_t head_bytes = 0;
    bool head_told = false, streaming = false;
    std::int64_t sent = 0, moved_ns = monotonic_ns();
    std::string forbidden = {};  // an address that was not dialled

    bool refuse(Error error) {
        outcome.failure = Failure::refused;
        outcome.error = std::move(error);
        return false;
    }

    bool header(std::string_view line) {
        head_bytes += line.size();
        if (head_bytes > max_head_bytes)
            return refuse(fail(Code::exhausted, "the head of the answer has more than 64 KiB"));
        line = trim(line);
        HttpResponse& response = outcome.response;
        if (line.starts_with("HTTP/")) {  // also behind an interim answer
            response.headers.clear();
            const std::size_t blank = line.find(' ');
            auto status = blank == line.npos ? std::nullopt : parse_int(line.substr(blank + 1, 3));
            response.status = status ? static_cast<int>(*status) : 0;
        } else if (const std::size_t colon = line.find(':'); colon != line.npos && colon > 0) {
            response.headers.emplace_back(to_lower(line.substr(0, colon)), std::string(trim(line.substr(colon + 1))));
        }
        return true;
    }

    bool begin_body() {
        if (head_told) return true;
        head_told = true;
        const int status = outcome.response.status;
        if (status != 200 && status != 206) return true;
        streaming = static_cast<bool>(request.sink);
        if (request.head)
            if (auto taken = request.head(outcome.response); !taken) return refuse(std::move(taken).error());
        return true;
    }

    bool body(std::string_view bytes) {
        if (!begin_body()) return false;
        if (streaming) {
            if (auto taken = request.sink(bytes); !taken) return refuse(std::move(taken).error());
            return true;
        }
        const bool good = outcome.response.status / 100 == 2;
        const std::size_t limit = good ? request.limit : std::min(request.limit, max_error_bytes);
        if (outcome.response.body.size() + bytes.size() > limit)
            return refuse(fail(Code::exhausted, "the answer has more than " + std::to_string(limit) + " bytes"));
        outcome.response.body += bytes;
        return true;
    }

    std::size_t read(char* to, std::size_t room) {
        if (request.file < 0) {
            const std::string_view rest = request.body.substr(static_cast<std::size_t>(sent));
            const std::size_t n = std::min(room, rest.size());
            std::copy_n(rest.data(), n, to);
            sent += static_cast<std::int64_t>(n);
            return n;
        }
        room = std::min(room, static_cast<std::size_t>(request.file_size - sent));
        if (room == 0) return 0;
        const ssize_t n = ::pread(request.file, to, room, request.file_offset + sent);
        if (n <= 0) {
            refuse(n < 0 ? fail_errno("read the blob to send") : fail(Code::corrupt, "the blob to send is cut short"));
            return CURL_READFUNC_ABORT;
        }
        sent += n;
        moved_ns = monotonic_ns();
        if (request.sent) request.sent(sent);
        return static_cast<std::size_t>(n);
    }

    curl_socket_t dial(const curl_sockaddr& address) {
        const std::string text = address_text(address.addr);
        const bool loopback = is_loopback(text);
        if (!proxied && ((trust.reach == Reach::loopback && !loopback) ||
                         (trust.reach == Reach::not_local && (loopback || is_link_local(text))))) {
            forbidden = text;
            return CURL_SOCKET_BAD;
        }
        outcome.only_loopback = loopback && !proxied && (!outcome.dialled || outcome.only_loopback);
        outcome.only_local = (loopback || is_link_local(text)) && !proxied && (!outcome.dialled || outcome.only_local);
        outcome.dialled = true;
        return ::socket(address.family, address.socktype | SOCK_CLOEXEC, address.protocol);
    }
};

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* running) {
    return static_cast<Running*>(running)->header({data, size * count}) ? size * count : 0;
}
std::size_t on_body(char* data, std::size_t size, std::size_t count, void* running) {
    return static_cast<Running*>(running)->body({data, size * count}) ? size * count : 0;
}
std::size_t on_read(char* data, std::size_t size, std::size_t count, void* running) {
    return static_cast<Running*>(running)->read(data, size * count);
}
// libcurl sends once more by itself where an idle connection turns out to be dead. Part of a blob that may have arrived
// must not be repeated so: whoever sends it asks first how much is there.
int on_seek(void* data, curl_off_t offset, int origin) {
    auto* running = static_cast<Running*>(data);
    if (origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
    if (running->request.file >= 0 && running->sent != offset) return CURL_SEEKFUNC_FAIL;
    running->sent = offset;
    return CURL_SEEKFUNC_OK;
}
int on_progress(void* data, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    auto* running = static_cast<Running*>(data);
    if (running->cancelled && running->cancelled()) {
        running->refuse(fail(Code::cancelled, "cancelled"));
        return 1;
    }
    // A far end that has closed its side and takes nothing more is no error of its own to libcurl.
    const HttpRequest& request = running->request;
    if (request.file >= 0 && running->sent < request.file_size &&
        monotonic_ns() - running->moved_ns > stalled_upload_ns) {
        running->outcome.failure = Failure::broken;
        running->outcome.error =
            fail(Code::deadline, request.method + " " + request.url.origin() + ": nothing is taken any more");
        return 1;
    }
    return 0;
}
curl_socket_t on_dial(void* running, curlsocktype, curl_sockaddr* address) {
    return static_cast<Running*>(running)->dial(*address);
}

Failure failure_of(CURLcode code) {
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT: return Failure::unreachable;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR: return Failure::untrusted;
    case CURLE_SSL_CONNECT_ERROR: return Failure::no_tls;
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE: return Failure::refused;
    default: return Failure::broken;
    }
}

Code code_of(Failure failure, CURLcode code) {
    if (failure == Failure::untrusted || failure == Failure::no_tls) return Code::denied;
    if (failure == Failure::refused) return Code::invalid;
    return code == CURLE_OPERATION_TIMEDOUT ? Code::deadline : Code::retry_later;
}

}  // namespace

std::string HttpResponse::header(std::string_view name) const {
    for (const auto& [key, value] : headers)
        if (key == name) return value;
    return {};
}

struct Transport::Handle {
    Handle() : curl(curl_easy_init(), curl_easy_cleanup) {}
    std::unique_ptr<CURL, void (*)(CURL*)> curl;
};

Transport::Transport(const Settings& settings, std::function<bool()> cancelled)
    : settings_(settings), cancelled_(std::move(cancelled)) {
    start_library();
}
Transport::~Transport() = default;

std::unique_ptr<Transport::Handle> Transport::take(const std::string& key) {
    std::lock_guard lock(mutex_);
    auto& idle = idle_[key];
    if (idle.empty()) return std::make_unique<Handle>();
    auto handle = std::move(idle.back());
    idle.pop_back();
    return handle;
}

void Transport::give_back(const std::string& key, std::unique_ptr<Handle> handle) {
    std::lock_guard lock(mutex_);
    idle_[key].push_back(std::move(handle));
}

Outcome Transport::send(const HttpRequest& request, const Trust& trust) {
    Outcome outcome;
    // A connection serves again only those who would have dialled it themselves.
    const std::string key =
        request.url.origin() + " " + (trust.verify ? "v" : "-") + std::to_string(static_cast<int>(trust.reach));
    auto handle = take(key);
    CURL* curl = handle->curl.get();
    if (curl == nullptr) {
        outcome.failure = Failure::refused;
        outcome.error = fail(Code::exhausted, "no memory for a request");
        return outcome;
    }
    curl_easy_reset(curl);
    const std::string proxy = proxy_for(settings_.proxies, request.url), url = request.url.text();
    Running running{request, trust, cancelled_, !proxy.empty(), outcome};
    auto set = [&](CURLoption option, auto value) { curl_easy_setopt(curl, option, value); };

    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_PROTOCOLS_STR, request.url.secure() ? "https" : "http");
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    set(CURLOPT_PROXY, proxy.c_str());
    set(CURLOPT_NOPROXY, "");
    set(CURLOPT_USERAGENT, settings_.user_agent.c_str());
    set(CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
    const bool sends = request.file >= 0 || !request.body.empty() || request.method == "PUT" ||
                       request.method == "POST" || request.method == "PATCH";
    set(CURLOPT_LOW_SPEED_LIMIT, sends ? 1L : low_speed_bytes);
    set(CURLOPT_LOW_SPEED_TIME, sends ? upload_seconds : low_speed_seconds);
    if (request.total_ms > 0) set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.total_ms));
    set(CURLOPT_BUFFERSIZE, 512L << 10);
    set(CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10);
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    set(CURLOPT_SSL_VERIFYPEER, trust.verify ? 1L : 0L);
    set(CURLOPT_SSL_VERIFYHOST, trust.verify ? 2L : 0L);
    if (!trust.roots.empty()) {
        // In place of the system's bundle; the system's directory of single certificates goes on being looked into.
        curl_blob blob{const_cast<char*>(trust.roots.data()), trust.roots.size(), CURL_BLOB_COPY};
        set(CURLOPT_CAINFO_BLOB, &blob);
    }
    if (!trust.certificate.empty()) {
        set(CURLOPT_SSLCERT, trust.certificate.c_str());
        set(CURLOPT_SSLKEY, trust.key.c_str());
    }
    set(CURLOPT_HEADERFUNCTION, &on_header);
    set(CURLOPT_HEADERDATA, &running);
    set(CURLOPT_WRITEFUNCTION, &on_body);
    set(CURLOPT_WRITEDATA, &running);
    set(CURLOPT_OPENSOCKETFUNCTION, &on_dial);
    set(CURLOPT_OPENSOCKETDATA, &running);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, &on_progress);
    set(CURLOPT_XFERINFODATA, &running);

    if (request.method == "HEAD") {
        set(CURLOPT_NOBODY, 1L);
    } else if (sends) {
        set(CURLOPT_UPLOAD, 1L);
        set(CURLOPT_READFUNCTION, &on_read);
        set(CURLOPT_READDATA, &running);
        set(CURLOPT_SEEKFUNCTION, &on_seek);
        set(CURLOPT_SEEKDATA, &running);
        set(CURLOPT_INFILESIZE_LARGE,
            static_cast<curl_off_t>(request.file >= 0 ? request.file_size
                                                      : static_cast<std::int64_t>(request.body.size())));
    }
    if (request.method != "HEAD") set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(nullptr, curl_slist_free_all);
    auto add = [&](const std::string& line) {
        curl_slist* longer = curl_slist_append(headers.get(), line.c_str());
        if (longer == nullptr) return;
        (void)headers.release();
        headers.reset(longer);
    };
    for (const auto& [name, value] : request.headers) add(name + ": " + value);
    add("Expect:");
    set(CURLOPT_HTTPHEADER, headers.get());
    char reason[CURL_ERROR_SIZE] = "";
    set(CURLOPT_ERRORBUFFER, reason);

    const CURLcode code = curl_easy_perform(curl);
    if (code == CURLE_OK) (void)running.begin_body();  // of an answer without one
    if (code != CURLE_OK && !outcome.error) {
        const bool unreached = !running.forbidden.empty() && !outcome.dialled;
        outcome.failure = unreached ? Failure::unreachable : failure_of(code);
        const std::string text = unreached ? "the address " + running.forbidden + " may not be dialled here"
                                 : *reason ? std::string(reason)
                                           : std::string(curl_easy_strerror(code));
        outcome.error = fail(unreached ? Code::denied : code_of(outcome.failure, code),
                             request.method + " " + request.url.origin() + ": " + text);
    }
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, nullptr);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, nullptr);
    give_back(key, std::move(handle));
    return outcome;
}

}  // namespace gantry::image::registry
