#include "core/image/registry/service.hpp"

#include "core/image/archive_plan.hpp"
#include "core/image/registry/names.hpp"
#include "core/image/registry/service_impl.hpp"

namespace gantry::image::registry {

KeyLocks::Lock::~Lock() {
    {
        std::lock_guard lock(locks_.mutex_);
        locks_.held_.erase(key_);
    }
    locks_.changed_.notify_all();
}

std::unique_ptr<KeyLocks::Lock> KeyLocks::lock(const std::string& key, const Cancelled& cancelled) {
    std::unique_lock lock(mutex_);
    while (!held_.insert(key).second) {
        changed_.wait_for(lock, std::chrono::milliseconds(100));
        if (cancelled && cancelled()) return nullptr;
    }
    return std::make_unique<Lock>(*this, key);
}

Service::Service(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Service::~Service() { stop(); }

void Service::stop() {
    impl_->stopping = true;
    impl_->downloads->stop();
}

Result<std::unique_ptr<Service>> Service::open(ImageStore& images, const std::string& root,
                                               std::function<Settings()> settings) {
    GANTRY_TRY(auto partials, Partials::open(root));
    partials->collect();
    auto impl = std::unique_ptr<Impl>(new Impl{images, std::move(settings), std::move(partials), {}, {}, {}});
    impl->downloads = std::make_unique<Downloads>(*impl->partials);
    return std::unique_ptr<Service>(new Service(std::move(impl)));
}

Result<std::string> Service::login(const std::string& server, const Credentials& credentials,
                                   const Cancelled& cancelled) {
    GANTRY_TRY(std::string host, host_of_server(server));
    if (credentials.empty()) return fail(Code::invalid, "login to " + host + ": no password and no token");
    Transport transport(impl_->settings(), impl_->until_stopped(cancelled));
    GANTRY_TRY(auto session, Session::open(transport, host, "", credentials));
    if (session->status() == 200) return std::string();  // it asks nobody who they are
    GANTRY_TRY(std::string token, session->authorizer().identity_token());
    HttpRequest request;
    request.url = session->url("/v2/");
    GANTRY_TRY(HttpResponse answer, session->send(request, ""));
    if (answer.status == 401 || answer.status == 403)
        return fail(Code::denied, "unauthorized: incorrect username or password");
    if (answer.status != 200) return refusal(answer, "login to " + host);
    return token;
}

Result<std::string> Service::manifest(const std::string& reference, const Credentials& credentials,
                                      const Cancelled& cancelled) {
    GANTRY_TRY(Reference parsed, parse_reference(reference));
    const Location location = location_of(parsed.name);
    Transport transport(impl_->settings(), impl_->until_stopped(cancelled));
    GANTRY_TRY(auto session, Session::open(transport, location.host, "", credentials));
    Remote remote(std::move(session), location.repository);
    GANTRY_TRY(Manifest found, remote.manifest(parsed.digest.empty() ? parsed.tag : parsed.digest));
    return std::move(found.text);
}

Result<Json> Service::inspect(const std::string& reference, const Credentials& credentials,
                              const Cancelled& cancelled) {
    GANTRY_TRY(Reference parsed, parse_reference(reference));
    const Location location = location_of(parsed.name);
    Transport transport(impl_->settings(), impl_->until_stopped(cancelled));
    GANTRY_TRY(auto session, Session::open(transport, location.host, "", credentials));
    Remote remote(std::move(session), location.repository);
    GANTRY_TRY(Manifest manifest, remote.manifest(parsed.digest.empty() ? parsed.tag : parsed.digest));
    Json platforms = Json::array();
    auto add = [&](const Platform& platform) {
        Json one{{"architecture", platform.architecture}, {"os", platform.os}};
        if (!platform.variant.empty()) one["variant"] = platform.variant;
        platforms.push_back(std::move(one));
    };
    for (const Descriptor& entry : manifest.entries)
        if (!entry.platform.os.empty() && !entry.attestation) add(entry.platform);
    if (!manifest.is_index) {
        GANTRY_TRY(std::string text, remote.document(manifest.config));
        GANTRY_TRY(Json config, parse_config(text));
        add(platform_of(config));
    }
    return Json{{"Descriptor",
                 {{"mediaType", manifest.media_type}, {"digest", manifest.digest}, {"size", manifest.text.size()}}},
                {"Platforms", std::move(platforms)}};
}

}  // namespace gantry::image::registry
