// ADD of an URL: fetched by libcurl, kept with its validators, and asked for again only as "has it changed?".
#include <curl/curl.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/build/paths.hpp"
#include "core/build/remote_address.hpp"
#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/base/text.hpp"
#include "core/build/source_auth.hpp"
#include "core/build/sources.hpp"
#include "core/build/trees.hpp"
#include "core/image/digest.hpp"

namespace gantry::build {
namespace {

constexpr std::int64_t most_http_bytes = std::int64_t{8} << 30;
constexpr long connect_seconds = 30, most_redirects = 10, stalled_seconds = 60;

struct Transfer {
    int fd = -1;
    image::Sha256 hash;
    std::int64_t bytes = 0;
    bool too_large = false;
    const RemoteAddresses* addresses = nullptr;
    std::string refused;
    std::optional<Error> failed;
    std::string etag, last_modified;
    const OnProgress* progress = nullptr;
    const Cancel* cancel = nullptr;

    static std::size_t write(char* data, std::size_t, std::size_t size, void* self) {
        auto& t = *static_cast<Transfer*>(self);
        t.bytes += static_cast<std::int64_t>(size);
        if (t.bytes > most_http_bytes) {
            t.too_large = true;
            return 0;
        }
        t.hash.update({data, size});
        if (auto written = write_all(t.fd, {data, size}); !written) {
            t.failed = written.error();
            return 0;
        }
        return size;
    }
    static std::size_t header(char* data, std::size_t, std::size_t size, void* self) {
        auto& t = *static_cast<Transfer*>(self);
        const std::string_view line = trim({data, size});
        // A redirect's headers are not those of the file.
        if (line.starts_with("HTTP/")) t.etag = t.last_modified = "";
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || line.size() > 4096) return size;
        const std::string name = to_lower(line.substr(0, colon));
        if (name == "etag") t.etag = trim(line.substr(colon + 1));
        if (name == "last-modified") t.last_modified = trim(line.substr(colon + 1));
        return size;
    }
    static int moved(void* self, curl_off_t total, curl_off_t now, curl_off_t, curl_off_t) {
        auto& t = *static_cast<Transfer*>(self);
        if (*t.progress && now > 0) (*t.progress)("downloading", now, total);
        return t.cancel->cancelled() ? 1 : 0;
    }
    static curl_socket_t open(void* self, curlsocktype, curl_sockaddr* address) {
        // The address as it was resolved for this very connection: a name that changes its mind does not get round it.
        auto& t = *static_cast<Transfer*>(self);
        if (std::string why = t.addresses->refusal(address->addr); !why.empty()) {
            t.refused = std::move(why);
            return CURL_SOCKET_BAD;
        }
        return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    }
};

// Without what is between "://" and "@": it may be a password.
struct Kept {
    std::string etag, last_modified, digest;
};
Kept read_kept(const std::string& directory) {
    Kept kept;
    auto text = read_file(directory + "/meta.json", 64u << 10);
    if (!text || !path_exists(directory + "/body")) return kept;
    const Json body = Json::parse(*text, nullptr, false);
    if (!body.is_object()) return kept;
    try {
        kept = {body.value("etag", ""), body.value("last_modified", ""), body.value("digest", "")};
    } catch (const Json::exception&) {
        kept = {};
    }
    if (!image::valid_digest(kept.digest)) kept = {};
    return kept;
}

}  // namespace

Result<Value> Sources::http(const HttpSource& source, const OnProgress& progress, Cancel& cancel,
                            const AskSecret& secret) {
    const std::string name = shown_url(source.url);
    const std::string lower = to_lower(source.url.substr(0, 8));
    if (!lower.starts_with("http://") && !lower.starts_with("https://"))
        return fail(Code::invalid, "\"" + name + "\": only http and https URLs can be fetched");
    if (source.file_name.empty() || source.file_name == "." || source.file_name == ".." ||
        source.file_name.find('/') != std::string::npos || source.file_name.size() > 255)
        return fail(Code::invalid, "\"" + name + "\": cannot tell a file name from it");
    const std::string directory = root_ + "/http/" + std::string(image::hex_of(image::digest_of(source.url)));
    GANTRY_CHECK(make_directories(directory, 0700));
    Kept kept = read_kept(directory);

    const std::string tree = root_ + "/tmp/" + new_id();
    GANTRY_CHECK(make_directories(tree, 0755));
    ScopeGuard drop([&] { (void)remove_tree(tree); });
    const std::string path = tree + "/" + source.file_name;
    const bool known = !source.checksum.empty() && kept.digest == source.checksum;
    bool fresh = false;
    std::string authorization;
    if (!known) {
        GANTRY_TRY(authorization, http_authorization(source.url, secret));
    }
    if (!known) {
        UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        if (!file) return fail_errno("make \"" + path + "\"");
        Transfer transfer;
        transfer.fd = file.get();
        transfer.progress = &progress;
        transfer.cancel = &cancel;
        const RemoteAddresses addresses(source.url);
        transfer.addresses = &addresses;
        std::unique_ptr<CURL, void (*)(CURL*)> curl(::curl_easy_init(), ::curl_easy_cleanup);
        if (!curl) return fail(Code::internal, "libcurl does not start");
        curl_slist* list = nullptr;
        if (!kept.etag.empty())
            list = ::curl_slist_append(list, ("If-None-Match: " + kept.etag).c_str());
        else if (!kept.last_modified.empty())
            list = ::curl_slist_append(list, ("If-Modified-Since: " + kept.last_modified).c_str());
        // libcurl shows it to this host alone, wherever it is redirected to.
        if (!authorization.empty()) list = ::curl_slist_append(list, ("Authorization: " + authorization).c_str());
        std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(list, ::curl_slist_free_all);
        char reason[CURL_ERROR_SIZE] = {};
        CURL* c = curl.get();
        ::curl_easy_setopt(c, CURLOPT_URL, source.url.c_str());
        ::curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
        ::curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
        ::curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
        ::curl_easy_setopt(c, CURLOPT_MAXREDIRS, most_redirects);
        ::curl_easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(most_http_bytes));
        ::curl_easy_setopt(c, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
        ::curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
        ::curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
        ::curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, connect_seconds);
        ::curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
        ::curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, stalled_seconds);
        ::curl_easy_setopt(c, CURLOPT_USERAGENT, "gantry");
        ::curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers.get());
        ::curl_easy_setopt(c, CURLOPT_ERRORBUFFER, reason);
        ::curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, &Transfer::write);
        ::curl_easy_setopt(c, CURLOPT_WRITEDATA, &transfer);
        ::curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, &Transfer::header);
        ::curl_easy_setopt(c, CURLOPT_HEADERDATA, &transfer);
        ::curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, &Transfer::moved);
        ::curl_easy_setopt(c, CURLOPT_XFERINFODATA, &transfer);
        ::curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
        ::curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, &Transfer::open);
        ::curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, &transfer);
        const CURLcode code = ::curl_easy_perform(c);
        GANTRY_CHECK(cancel.check());
        if (code != CURLE_OK && !transfer.refused.empty())
            return fail(Code::denied, "\"" + name + "\": " + transfer.refused);
        // Told at once, where the server says how large it is.
        if (transfer.too_large || code == CURLE_FILESIZE_EXCEEDED)
            return fail(Code::exhausted, "\"" + name + "\": larger than " + std::to_string(most_http_bytes) + " bytes");
        if (transfer.failed) return *transfer.failed;
        long status = 0;
        ::curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
        if (code != CURLE_OK)
            return fail(status == 404 ? Code::not_found : Code::internal,
                        "\"" + name + "\": " + (reason[0] ? reason : ::curl_easy_strerror(code)));
        fresh = status != 304;
        if (fresh) {
            kept = {transfer.etag, transfer.last_modified, transfer.hash.finish()};
            const time_t when =
                transfer.last_modified.empty() ? -1 : ::curl_getdate(kept.last_modified.c_str(), nullptr);
            if (when >= 0) {
                const timespec times[2] = {{when, 0}, {when, 0}};
                (void)::futimens(file.get(), times);
            }
        } else {
            ::unlink(path.c_str());
        }
    }
    if (!source.checksum.empty() && kept.digest != source.checksum)
        return fail(Code::invalid,
                    "\"" + name + "\": its digest is \"" + kept.digest + "\", not \"" + source.checksum + "\"");
    if (fresh) {
        // A hard link: neither is ever written to again.
        const std::string half = directory + "/" + new_id();
        if (::link(path.c_str(), half.c_str()) != 0 || ::rename(half.c_str(), (directory + "/body").c_str()) != 0)
            return fail_errno("keep \"" + name + "\"");
        GANTRY_CHECK(write_file_atomic(
            directory + "/meta.json",
            Json{{"etag", kept.etag}, {"last_modified", kept.last_modified}, {"digest", kept.digest}}.dump(
                -1, ' ', false, Json::error_handler_t::replace)));
    } else if (::link((directory + "/body").c_str(), path.c_str()) != 0) {
        return fail_errno("take what was kept of \"" + name + "\"");
    }
    drop.dismiss();
    GANTRY_TRY(UniqueFd root, open_file(tree, O_PATH | O_DIRECTORY));
    Value value;
    value.digest = "http:" + source.file_name + ":" + kept.digest;
    value.tree = std::make_shared<DirectoryTree>(tree, std::move(root), true,
                                                 std::map<std::string, std::string>{{source.file_name, kept.digest}});
    return value;
}

}  // namespace gantry::build
