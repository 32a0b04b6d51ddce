#include "core/image/registry/remote.hpp"

#include <set>

#include <gantry/driver.hpp>

#include "core/base/text.hpp"
#include "core/image/archive_plan.hpp"
#include "core/image/digest.hpp"
#include "core/image/registry/names.hpp"
#include "core/image/strict_json.hpp"

namespace gantry::image::registry {
namespace {

constexpr int document_ms = 120'000;
constexpr std::size_t max_tags = 10'000;
constexpr int max_pages = 200;

std::string accepted() {
    std::string all;
    for (std::string_view type : {media::docker_manifest, media::docker_list, media::manifest, media::index})
        all += (all.empty() ? "" : ", ") + std::string(type);
    return all;
}

// "bytes 5-9/10": that it begins at `offset` and the whole is of `size`.
bool continues_at(const std::string& range, std::int64_t offset, std::int64_t size) {
    if (!range.starts_with("bytes ")) return false;
    const std::size_t dash = range.find('-'), slash = range.find('/');
    if (dash == std::string::npos || slash == std::string::npos || slash < dash) return false;
    if (parse_int(range.substr(6, dash - 6)) != offset) return false;
    const std::string whole = range.substr(slash + 1);
    return whole == "*" || parse_int(whole) == size;
}

}  // namespace

std::string next_page(const std::string& link) {
    const std::size_t end = link.find('>');
    if (!link.starts_with('<') || end == std::string::npos) return {};
    const std::string rest = to_lower(link.substr(end));
    return rest.find("rel=\"next\"") == std::string::npos && rest.find("rel=next") == std::string::npos
               ? std::string()
               : link.substr(1, end - 1);
}

Result<Manifest> Remote::manifest(const std::string& reference, std::optional<std::int64_t> size) {
    GANTRY_TRY(Raw raw, raw_manifest(reference, size));
    return parse_manifest(std::move(raw.text), raw.media_type);
}

Result<Remote::Raw> Remote::raw_manifest(const std::string& reference, std::optional<std::int64_t> size) {
    HttpRequest request;
    request.url = session_->url(path("/manifests/" + reference));
    request.headers = {{"Accept", accepted()}};
    request.limit = max_document_bytes;
    request.total_ms = document_ms;
    const bool by_digest = reference.find(':') != std::string::npos;
    const std::string what = session_->host() + "/" + repository_ + (by_digest ? "@" : ":") + reference;
    auto answered = session_->send(request, pull_scope(repository_));
    if (!answered) return std::move(answered).error().context("manifest of " + what);
    HttpResponse& response = *answered;
    const std::string familiar = familiar_name({session_->host(), repository_});
    if (response.status == 404)
        return refusal(response, "manifest for " + familiar + (by_digest ? "@" : ":") + reference + " not found");
    if (response.status == 401 || response.status == 403)
        return refusal(response, "pull access denied for " + familiar +
                                     ", repository does not exist or may require 'docker login'");
    if (response.status != 200) return refusal(response, "manifest of " + what);
    const std::string digest = digest_of(response.body);
    if (by_digest && digest != reference)
        return fail(Code::invalid, "manifest of " + what + ": the registry sends bytes with the digest " + digest);
    if (const std::string told = response.header("docker-content-digest"); !told.empty() && told != digest)
        return fail(Code::invalid, "manifest of " + what + ": the registry calls its digest " +
                                       quote_json(told.substr(0, 200)) + ", but it is " + digest);
    if (size && *size != static_cast<std::int64_t>(response.body.size()))
        return fail(Code::invalid, "manifest of " + what + ": has " + std::to_string(response.body.size()) +
                                       " bytes, not " + std::to_string(*size) + " as its index says");
    return Raw{std::move(response.body), response.header("content-type"), digest};
}

Result<std::string> Remote::document(const Descriptor& descriptor) {
    HttpRequest request;
    request.url = session_->url(path("/blobs/" + descriptor.digest));
    request.limit = static_cast<std::size_t>(std::min<std::int64_t>(descriptor.size, max_document_bytes));
    request.total_ms = document_ms;
    const std::string what = "blob " + descriptor.digest + " of " + session_->host() + "/" + repository_;
    auto answered = session_->send(request, pull_scope(repository_));
    if (!answered) return std::move(answered).error().context(what);
    if (answered->status != 200) return refusal(*answered, what);
    if (static_cast<std::int64_t>(answered->body.size()) != descriptor.size)
        return fail(Code::invalid, what + ": has " + std::to_string(answered->body.size()) + " bytes, not " +
                                       std::to_string(descriptor.size));
    if (const std::string digest = digest_of(answered->body); digest != descriptor.digest)
        return fail(Code::invalid, what + ": the registry sends bytes with the digest " + digest);
    return std::move(answered->body);
}

Outcome Remote::blob(const Descriptor& descriptor, std::int64_t offset, const std::function<Result<void>()>& restart,
                     std::function<Result<void>(std::string_view)> sink) {
    HttpRequest request;
    request.url = session_->url(path("/blobs/" + descriptor.digest));
    if (offset > 0) request.headers = {{"Range", "bytes=" + std::to_string(offset) + "-"}};
    request.head = [&](const HttpResponse& response) -> Result<void> {
        if (response.status == 200) return offset > 0 ? restart() : Result<void>();
        if (offset > 0 && continues_at(response.header("content-range"), offset, descriptor.size)) return {};
        return fail(Code::invalid,
                    "blob " + descriptor.digest + ": the registry sends another part than was asked for");
    };
    request.sink = std::move(sink);
    return session_->attempt(std::move(request), pull_scope(repository_));
}

Result<std::vector<std::string>> Remote::tags() {
    std::vector<std::string> tags;
    Url page = session_->url(path("/tags/list"));
    const std::string what = "tags of " + session_->host() + "/" + repository_;
    for (int pages = 0; pages < max_pages; ++pages) {
        HttpRequest request;
        request.url = page;
        request.limit = max_document_bytes;
        request.total_ms = document_ms;
        auto answered = session_->send(request, pull_scope(repository_));
        if (!answered) return std::move(answered).error().context(what);
        if (answered->status != 200) return refusal(*answered, what);
        GANTRY_TRY(Json json, parse_document(answered->body, what));
        for (const std::string& tag : member<std::vector<std::string>>(json, "tags")) {
            // It becomes part of a URL.
            if (auto checked = parse_reference("a:" + tag); !checked || checked->tag != tag)
                return fail(Code::invalid, what + ": " + quote_json(tag.substr(0, 200)) + " is not a tag");
            tags.push_back(tag);
        }
        if (tags.size() > max_tags) return fail(Code::exhausted, what + ": more than " + std::to_string(max_tags));
        const std::string next = next_page(answered->header("link"));
        if (next.empty()) return tags;
        GANTRY_TRY(page, parse_url(next, &page));
    }
    return fail(Code::exhausted, what + ": more than " + std::to_string(max_pages) + " pages");
}

namespace {

class Resolver {
public:
    Resolver(Remote& remote, const std::optional<Platform>& wanted)
        : remote_(remote), asked_(wanted.has_value()), wanted_(wanted.value_or(host_platform())) {}

    Result<Resolved> run(const std::string& reference) {
        GANTRY_TRY(Manifest top, remote_.manifest(reference));
        Resolved resolved;
        resolved.digest = top.digest;
        resolved.media_type = top.media_type;
        resolved.size = static_cast<std::int64_t>(top.text.size());
        const bool alone = !top.is_index;
        GANTRY_TRY(bool found, look(std::move(top), 1, resolved, alone && !asked_));
        if (found) return resolved;
        std::string there;
        for (const std::string& platform : offered_) there += (there.empty() ? "" : ", ") + platform;
        return fail(Code::not_found, "no matching manifest for " + wanted_.text() + " in the manifest list entries" +
                                         (there.empty() ? "" : "; there are " + there.substr(0, 1000)));
    }

private:
    // True where an image was found. `any`: whatever its platform.
    Result<bool> look(Manifest manifest, int depth, Resolved& resolved, bool any) {
        if (manifest.is_index) {
            nodes_ += manifest.entries.size();
            if (depth > max_index_depth)
                return fail(Code::invalid, "indexes nested deeper than " + std::to_string(max_index_depth));
            if (nodes_ > max_index_nodes)
                return fail(Code::invalid, "indexes with more than " + std::to_string(max_index_nodes) + " manifests");
            for (const Descriptor& entry : manifest.entries)
                if (!entry.platform.os.empty() && !entry.attestation) offered_.insert(entry.platform.text());
            for (const Descriptor& entry : choose(manifest.entries, wanted_)) {
                if (!visited_.insert(entry.digest).second) continue;
                if (visited_.size() > max_fetched)
                    return fail(Code::invalid, "indexes of which more than " + std::to_string(max_fetched) +
                                                   " manifests would have to be fetched");
                GANTRY_TRY(Manifest below, remote_.manifest(entry.digest, entry.size));
                if (below.media_type != entry.media_type)
                    return fail(Code::invalid, "manifest " + entry.digest + " is of the type " +
                                                   quote_json(below.media_type) + ", not " +
                                                   quote_json(entry.media_type.substr(0, 200)) + " as its index says");
                GANTRY_TRY(bool found, look(std::move(below), depth + 1, resolved, !entry.platform.os.empty()));
                if (!found) continue;
                if (resolved.manifest.digest == entry.digest) take_attestations(manifest, depth == 1, resolved);
                return true;
            }
            return false;
        }
        GANTRY_TRY(std::string text, remote_.document(manifest.config));
        GANTRY_TRY(Json config, parse_config(text));
        const Platform platform = platform_of(config);
        if (!any && fitness(wanted_, platform) == 0) {
            offered_.insert(platform.text());
            return false;
        }
        if (const auto diff_ids = diff_ids_of(config); diff_ids.size() != manifest.layers.size())
            return fail(Code::invalid, "manifest " + manifest.digest + ": " + std::to_string(manifest.layers.size()) +
                                           " layers, but the config lists " + std::to_string(diff_ids.size()));
        resolved.manifest = std::move(manifest);
        resolved.config_text = std::move(text);
        resolved.config = std::move(config);
        resolved.platform = platform;
        return true;
    }

    static void take_attestations(const Manifest& index, bool named, Resolved& resolved) {
        const std::string& image = resolved.manifest.digest;
        bool nothing_else = true;
        for (const Descriptor& entry : index.entries) {
            if (entry.digest == image) continue;
            const bool is_one = entry.attested == image;
            nothing_else = nothing_else && is_one;
            const bool again = std::any_of(resolved.attestations.begin(), resolved.attestations.end(),
                                           [&](const Descriptor& one) { return one.digest == entry.digest; });
            if (is_one && !again) resolved.attestations.push_back(entry);
        }
        if (named && nothing_else && !resolved.attestations.empty()) resolved.index_text = index.text;
    }

    static constexpr std::size_t max_fetched = 32;
    Remote& remote_;
    const bool asked_;
    const Platform wanted_;
    std::set<std::string> visited_, offered_;
    std::size_t nodes_ = 0;
};

}  // namespace

Result<Resolved> resolve(Remote& remote, const std::string& reference, const std::optional<Platform>& wanted) {
    return Resolver(remote, wanted).run(reference);
}

}  // namespace gantry::image::registry
