#include "core/image/registry/session.hpp"

#include <gantry/driver.hpp>

#include <thread>

#include "core/base/clock.hpp"
#include "core/base/text.hpp"
#include "core/image/registry/names.hpp"
#include "core/image/strict_json.hpp"

namespace gantry::image::registry {
namespace {

constexpr int max_redirects = 5;
constexpr int hello_ms = 60'000;

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

Outcome refused(Error error) {
    Outcome outcome;
    outcome.failure = Failure::refused;
    outcome.error = std::move(error);
    return outcome;
}

}  // namespace

std::string pull_scope(const std::string& repository) { return "repository:" + repository + ":pull"; }
std::string push_scope(const std::string& repository) { return "repository:" + repository + ":pull,push"; }

Error refusal(const HttpResponse& response, const std::string& doing) {
    std::string text;
    if (auto json = parse_document(response.body, "answer"); json && json->is_object())
        for (const Json& one : member<std::vector<Json>>(*json, "errors")) {
            if (!one.is_object()) continue;
            std::string code = to_lower(member<std::string>(one, "code"));
            std::replace(code.begin(), code.end(), '_', ' ');
            const auto message = member<std::string>(one, "message");
            if (!text.empty()) text += "; ";
            text += code + (message.empty() ? "" : ": " + message);
        }
    if (text.empty() && response.status == 401) text = "unauthorized: authentication required";
    if (text.empty() && response.status == 403) text = "denied: requested access to the resource is denied";
    if (text.empty()) text = "the registry answers with the status " + std::to_string(response.status);
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
    Code code = Code::internal;
    if (response.status == 401 || response.status == 403) code = Code::denied;
    if (response.status == 404) code = Code::not_found;
    if (response.status == 400 || response.status == 405 || response.status == 413) code = Code::invalid;
    if (is_transient_status(response.status)) code = Code::retry_later;
    return fail(code, doing + ": " + text.substr(0, 1000));
}

Url Session::url(const std::string& target) const {
    Url url = standing_.base;
    url.target += target;
    return url;
}

Result<std::unique_ptr<Session>> Session::open(Transport& transport, const std::string& host, const std::string& mirror,
                                               Credentials credentials) {
    std::unique_ptr<Session> session(new Session(transport, host));
    const auto& known = transport.settings().hosts;
    GANTRY_TRY(Url base, parse_url(mirror.empty() ? "https://" + endpoint_of(host) : mirror));
    auto found = known.find(mirror.empty() ? host : base.authority());
    const HostSettings settings = found == known.end() ? HostSettings{} : found->second;
    while (base.target.ends_with('/')) base.target.pop_back();
    // A mirror's scheme is part of what the configuration says.
    const bool may_be_plain = mirror.empty() && settings.insecure.value_or(true);
    if (mirror.empty() && settings.http) {
        base.scheme = "http";
        if (base.port == 443 && host.find(":443") == std::string::npos) base.port = 80;
    }
    GANTRY_CHECK(session->dial(std::move(base), settings, may_be_plain, std::move(credentials)));
    return session;
}

Result<void> Session::dial(Url base, const HostSettings& settings, bool may_be_plain, Credentials credentials) {
    GANTRY_TRY(trust_, named_trust(transport_.settings(), base.authority()));
    const bool own_port = base.port == (base.secure() ? 443 : 80);
    const bool insecure = settings.insecure.value_or(false);
    if (insecure) trust_.verify = false;
    standing_.realms = settings.realms;
    standing_.base = std::move(base);
    for (;;) {
        auto outcome = hello();
        if (!outcome) return std::move(outcome).error();
        standing_.local = outcome->only_local;
        if (!outcome->error) {
            status_ = outcome->response.status;
            authorizer_ = std::make_unique<Authorizer>(transport_, standing_, std::move(credentials));
            authorizer_->learn(outcome->response);
            return {};
        }
        // One step down, never for a host that is somewhere else than it was when that was decided.
        const bool loopback = outcome->only_loopback && outcome->dialled;
        if (!standing_.base.secure() || !may_be_plain || !(insecure || loopback)) return std::move(*outcome->error);
        if (!insecure) trust_.reach = Reach::loopback;
        if (outcome->failure == Failure::untrusted && trust_.verify) {
            trust_.verify = false;
        } else if (outcome->failure == Failure::no_tls || (outcome->failure == Failure::unreachable && own_port)) {
            standing_.base.scheme = "http";
            if (own_port) standing_.base.port = 80;
        } else {
            return std::move(*outcome->error);
        }
    }
}

Result<Outcome> Session::hello() {
    HttpRequest request;
    request.url = url("/v2/");
    request.total_ms = hello_ms;
    RetryPlan plan(transport_.settings().attempts);
    for (;;) {
        Outcome outcome = transport_.send(request, trust_);
        const bool passing =
            outcome.error ? outcome.failure == Failure::broken : is_transient_status(outcome.response.status);
        if (!passing) return outcome;
        if (!wait(plan, outcome)) {
            if (outcome.error) return std::move(*outcome.error);
            return refusal(outcome.response, "the registry " + host_);
        }
    }
}

bool Session::wait(RetryPlan& plan, const Outcome& outcome) {
    auto pause = plan.next(outcome.error ? std::string() : outcome.response.header("retry-after"));
    if (!pause) return false;
    const std::int64_t until = monotonic_ns() + *pause * 1'000'000;
    while (monotonic_ns() < until) {
        if (transport_.cancelled()) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return !transport_.cancelled();
}

Outcome Session::attempt(HttpRequest request, const std::string& scope) {
    const auto headers = request.headers;
    const std::string own = standing_.base.origin();
    bool renewed = false;
    for (int hops = 0;;) {
        request.headers = headers;
        const bool ours = request.url.origin() == own;
        Trust trust = trust_;
        if (ours) {
            auto authorization = authorizer_->header(scope);
            if (!authorization) {
                Outcome outcome = refused(authorization.error());
                if (authorization.error().code == Code::retry_later || authorization.error().code == Code::deadline)
                    outcome.failure = Failure::broken;
                return outcome;
            }
            if (!authorization->empty()) request.headers.emplace_back("Authorization", *authorization);
        } else {
            auto foreign = trust_for(transport_.settings(), request.url, standing_);
            if (!foreign) return refused(foreign.error());
            trust = std::move(*foreign);
        }
        Outcome outcome = transport_.send(request, trust);
        if (outcome.error) return outcome;
        const HttpResponse& response = outcome.response;
        if (response.status == 401 && ours && !renewed) {
            renewed = true;
            authorizer_->learn(response);
            authorizer_->forget(scope);
            continue;
        }
        if (!is_redirect(response.status)) return outcome;
        if (request.method != "GET" && request.method != "HEAD")
            return refused(fail(
                Code::denied, "the registry " + host_ + " redirects a " + request.method + ", which is not followed"));
        if (++hops > max_redirects)
            return refused(fail(Code::denied, "the registry " + host_ + " redirects more than " +
                                                  std::to_string(max_redirects) + " times"));
        auto next = parse_url(response.header("location"), &request.url);
        if (!next) return refused(std::move(next).error().context("the registry " + host_ + " redirects"));
        if (request.url.secure() && !next->secure())
            return refused(fail(Code::denied, "the registry " + host_ + " redirects from HTTPS to " + next->origin() +
                                                  ", which is plain HTTP: refused"));
        request.url = std::move(*next);
    }
}

Result<HttpResponse> Session::send(const HttpRequest& request, const std::string& scope) {
    RetryPlan plan(transport_.settings().attempts);
    for (;;) {
        Outcome outcome = attempt(request, scope);
        const bool passing = outcome.error
                                 ? outcome.failure == Failure::broken || outcome.failure == Failure::unreachable
                                 : is_transient_status(outcome.response.status);
        if (!passing) {
            if (outcome.error) return std::move(*outcome.error);
            return std::move(outcome.response);
        }
        if (wait(plan, outcome)) continue;
        if (transport_.cancelled()) return fail(Code::cancelled, "cancelled");
        if (outcome.error) return std::move(*outcome.error);
        return std::move(outcome.response);
    }
}

}  // namespace gantry::image::registry
