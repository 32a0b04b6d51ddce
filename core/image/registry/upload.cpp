#include "core/image/registry/upload.hpp"

#include "core/base/failpoint.hpp"
#include "core/base/text.hpp"

namespace gantry::image::registry {
namespace {

// What may have to be sent twice after a break, where the registry does not keep parts of a piece.
constexpr std::int64_t piece_bytes = 32 << 20;
constexpr int small_ms = 60'000;

// "0-41", also as "bytes=0-41": how many bytes are there. Nothing for anything else.
std::optional<std::int64_t> bytes_there(std::string range) {
    if (range.starts_with("bytes=")) range.erase(0, 6);
    if (!range.starts_with("0-")) return std::nullopt;
    auto last = parse_int(range.substr(2));
    // An upload of which nothing has come says "0-0" too: one byte less than is there is asked for again at worst.
    if (!last || *last < 0) return std::nullopt;
    return *last == 0 ? 0 : *last + 1;
}

bool is_passing(const Outcome& outcome) {
    return outcome.error ? outcome.failure == Failure::broken || outcome.failure == Failure::unreachable
                         : is_transient_status(outcome.response.status);
}

}  // namespace

Url Upload::url(const std::string& rest) const { return session_->url("/v2/" + repository_ + rest); }

std::string Upload::what(const std::string& digest) const {
    return "push of " + digest + " to " + session_->host() + "/" + repository_;
}

Result<bool> Upload::has(const std::string& digest) {
    HttpRequest request;
    request.method = "HEAD";
    request.url = url("/blobs/" + digest);
    request.total_ms = small_ms;
    auto answer = session_->send(request, push_scope(repository_));
    if (!answer) return std::move(answer).error().context(what(digest));
    if (answer->status == 200) {
        const std::string told = answer->header("docker-content-digest");
        return told.empty() || told == digest;
    }
    if (answer->status == 404) return false;
    return refusal(*answer, what(digest));
}

Result<Url> Upload::location_of(const HttpResponse& response, const Url& base) const {
    const std::string location = response.header("location");
    if (location.empty())
        return fail(Code::invalid, "the registry " + session_->host() + " tells no place for an upload");
    auto url = parse_url(location, &base);
    if (!url) return std::move(url).error().context("the registry " + session_->host() + " sends an upload elsewhere");
    return url;
}

Result<bool> Upload::mount(const std::string& digest, const std::string& from) {
    HttpRequest request;
    request.method = "POST";
    request.url = url("/blobs/uploads/");
    add_query(request.url, "mount", digest);
    add_query(request.url, "from", from);
    request.total_ms = small_ms;
    auto answer = session_->send(request, push_scope(repository_) + " " + pull_scope(from));
    if (!answer) return std::move(answer).error().context(what(digest));
    if (answer->status == 201) return true;
    // It has begun an upload instead, which is of no use here: told so, it need not keep it until it times out.
    if (answer->status == 202)
        if (auto location = location_of(*answer, request.url)) {
            HttpRequest cancel;
            cancel.method = "DELETE";
            cancel.url = *location;
            cancel.total_ms = small_ms;
            (void)session_->attempt(cancel, push_scope(repository_));
        }
    return false;
}

Result<Upload::Progress> Upload::begin() {
    HttpRequest request;
    request.method = "POST";
    request.url = url("/blobs/uploads/");
    request.total_ms = small_ms;
    GANTRY_TRY(HttpResponse answer, session_->send(request, push_scope(repository_)));
    if (answer.status != 202) return refusal(answer, "push to " + session_->host() + "/" + repository_);
    GANTRY_TRY(Url location, location_of(answer, request.url));
    return Progress{std::move(location), 0};
}

Result<Upload::Progress> Upload::go_on(const Url& location, std::int64_t size) {
    HttpRequest request;
    request.url = location;
    request.total_ms = small_ms;
    GANTRY_TRY(HttpResponse answer, session_->send(request, push_scope(repository_)));
    auto there = bytes_there(answer.header("range"));
    if (answer.status / 100 != 2 || !there || *there > size) return begin();
    Progress progress{location, *there};
    if (!answer.header("location").empty()) {
        GANTRY_TRY(progress.location, location_of(answer, location));
    }
    return progress;
}

Result<void> Upload::blob(const std::string& digest, int fd, std::int64_t size,
                          const std::function<void(std::int64_t)>& sent) {
    RetryPlan plan(session_->transport().settings().attempts);
    const std::string scope = push_scope(repository_);
    GANTRY_TRY(Progress progress, begin());
    bool resumed = false;
    for (;;) {
        const bool whole = progress.offset == 0 && size <= piece_bytes;
        const std::int64_t piece = std::min(piece_bytes, size - progress.offset);
        const bool last = whole || piece == 0;
        HttpRequest request;
        request.method = last ? "PUT" : "PATCH";
        request.url = progress.location;
        if (last) add_query(request.url, "digest", digest);
        if (piece > 0) {
            request.headers = {{"Content-Type", "application/octet-stream"}};
            if (!whole)
                request.headers.emplace_back("Content-Range", std::to_string(progress.offset) + "-" +
                                                                  std::to_string(progress.offset + piece - 1));
            request.file = fd;
            request.file_offset = progress.offset;
            request.file_size = piece;
            request.sent = [&](std::int64_t bytes) { sent(progress.offset + bytes); };
        }
        Outcome outcome = session_->attempt(request, scope);
        if (!outcome.error && last && (outcome.response.status == 201 || outcome.response.status == 204)) {
            const std::string told = outcome.response.header("docker-content-digest");
            if (!told.empty() && told != digest)
                return fail(Code::invalid,
                            what(digest) + ": the registry has stored " + quote_json(told.substr(0, 200)));
            return {};
        }
        if (!outcome.error && !last && (outcome.response.status == 202 || outcome.response.status == 204)) {
            GANTRY_FAILPOINT("registry.push.piece");
            GANTRY_TRY(progress.location, location_of(outcome.response, progress.location));
            progress.offset += piece;
            plan.progress();
            continue;
        }
        bool anew = whole;
        if (!is_passing(outcome)) {
            if (outcome.error) return std::move(*outcome.error).context(what(digest));
            // 404: the registry has lost the upload, as after a restart of its own. 400 and 416: what it told of the
            // place to go on at was not yet true when it told it.
            const int status = outcome.response.status;
            anew = status == 404 || (resumed && (status == 400 || status == 416));
            if (!anew) return refusal(outcome.response, what(digest));
        }
        if (!session_->wait(plan, outcome)) {
            if (session_->transport().cancelled()) return fail(Code::cancelled, "the push is cancelled");
            if (outcome.error) return std::move(*outcome.error).context(what(digest));
            return refusal(outcome.response, what(digest));
        }
        // The answer alone may have been lost.
        if (last) {
            GANTRY_TRY(bool there, has(digest));
            if (there) return {};
        }
        auto next = anew ? begin() : go_on(progress.location, size);
        if (!next) return std::move(next).error().context(what(digest));
        resumed = next->offset > 0;
        progress = std::move(*next);
    }
}

Result<void> Upload::manifest(const std::string& reference, const std::string& media_type, const std::string& text,
                              const std::string& digest) {
    HttpRequest request;
    request.method = "PUT";
    request.url = url("/manifests/" + reference);
    request.headers = {{"Content-Type", media_type}};
    request.body = text;
    request.total_ms = small_ms;
    const std::string doing = "push of " + session_->host() + "/" + repository_ + ":" + reference;
    auto answer = session_->send(request, push_scope(repository_));
    if (!answer) return std::move(answer).error().context(doing);
    if (answer->status != 201 && answer->status != 200 && answer->status != 202) return refusal(*answer, doing);
    const std::string told = answer->header("docker-content-digest");
    if (!told.empty() && told != digest)
        return fail(Code::invalid, doing + ": the registry has stored " + quote_json(told.substr(0, 200)));
    return {};
}

}  // namespace gantry::image::registry
