#include "core/image/registry/auth.hpp"

#include <libpsl.h>

#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/base/text.hpp"
#include "core/image/strict_json.hpp"

namespace gantry::image::registry {
namespace {

constexpr std::size_t longest_realm = 2048;
constexpr int token_ms = 30'000;

bool is_address(const std::string& host) {
    return host.starts_with('[') || host.find_first_not_of("0123456789.") == std::string::npos;
}

std::string site_of(const std::string& host) {
    if (is_address(host)) return host;
    const psl_ctx_t* list = psl_builtin();
    const char* site = list != nullptr ? psl_registrable_domain(list, host.c_str()) : nullptr;
    return site != nullptr ? site : host;
}

// A token becomes a line of a request.
bool is_sound(const std::string& token) {
    return !token.empty() && token.size() <= 64u << 10 &&
           std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

std::string form_of(std::initializer_list<std::pair<std::string_view, std::string>> fields) {
    std::string form;
    for (const auto& [key, value] : fields) {
        if (value.empty()) continue;
        if (!form.empty()) form += '&';
        form += std::string(key) + "=" + escape_url(value);
    }
    return form;
}

}  // namespace

bool same_site(const std::string& a, const std::string& b) { return a == b || site_of(a) == site_of(b); }

Result<Trust> trust_for(const Settings& settings, const Url& url, const Standing& registry) {
    if (!url.secure() && registry.base.secure())
        return fail(Code::denied, "the registry " + registry.base.authority() + " sends us to " + url.origin() +
                                      ", which is plain HTTP: refused");
    GANTRY_TRY(Trust trust, named_trust(settings, url.authority()));
    const std::string address = url.host.starts_with('[') ? url.host.substr(1, url.host.size() - 2) : url.host;
    if (!registry.local) {
        trust.reach = Reach::not_local;
        if (is_loopback(address) || is_link_local(address) || address == "localhost")
            return fail(Code::denied, "the registry " + registry.base.authority() + " sends us to the local address " +
                                          url.host + ": refused");
    }
    return trust;
}

void Authorizer::learn(const HttpResponse& unauthorized) {
    std::lock_guard lock(mutex_);
    for (const auto& [name, value] : unauthorized.headers) {
        if (name != "www-authenticate") continue;
        for (Challenge& challenge : parse_challenges(value))
            if (challenge.scheme == "bearer" || challenge.scheme == "basic") {
                challenge_ = std::move(challenge);
                return;
            }
    }
}

void Authorizer::forget(const std::string& scope) {
    std::lock_guard lock(mutex_);
    tokens_.erase(scope);
}

Result<std::string> Authorizer::header(const std::string& scope) {
    std::lock_guard lock(mutex_);
    if (!credentials_.registry_token.empty()) return "Bearer " + credentials_.registry_token;
    if (challenge_.scheme == "basic") {
        if (credentials_.password.empty()) return std::string();
        return "Basic " + encode_base64(credentials_.user + ":" + credentials_.password);
    }
    if (challenge_.scheme != "bearer") return std::string();
    auto known = tokens_.find(scope);
    if (known == tokens_.end() || known->second.until_ns < monotonic_ns()) {
        GANTRY_TRY(Token token, fetch(scope));
        known = tokens_.insert_or_assign(scope, std::move(token)).first;
    }
    return "Bearer " + known->second.text;
}

Result<Authorizer::Server> Authorizer::token_server() {
    Server server;
    const std::string realm = challenge_.parameters["realm"];
    const std::string who =
        "the registry " + registry_.base.authority() + " names the token server " + quote_json(realm.substr(0, 200));
    if (realm.empty() || realm.size() > longest_realm)
        return fail(Code::denied, who + ", which is not a URL of at most " + std::to_string(longest_realm) + " bytes");
    auto url = parse_url(realm);
    if (!url) return fail(Code::denied, who + ": " + url.error().text);
    server.realm = std::move(*url);
    server.service = challenge_.parameters["service"];
    GANTRY_TRY(server.trust, trust_for(transport_.settings(), server.realm, registry_));
    const bool allowed =
        same_site(server.realm.host, registry_.base.host) ||
        std::find(registry_.realms.begin(), registry_.realms.end(), server.realm.host) != registry_.realms.end();
    if (!allowed && !credentials_.empty())
        return fail(Code::denied, who +
                                      ", which is of another domain: credentials are not sent there unless \"realms\" "
                                      "of this registry in the configuration lists \"" +
                                      server.realm.host + "\"");
    return server;
}

Result<Json> Authorizer::ask(const Server& server, const std::string& scope, bool offline) {
    HttpRequest request;
    request.url = server.realm;
    request.total_ms = token_ms;
    std::string form;
    if (!credentials_.identity_token.empty()) {
        request.method = "POST";
        form = form_of({{"grant_type", "refresh_token"},
                        {"service", server.service},
                        {"client_id", "gantry"},
                        {"scope", scope},
                        {"refresh_token", credentials_.identity_token}});
        request.body = form;
        request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
    } else {
        if (!server.service.empty()) add_query(request.url, "service", server.service);
        for (std::string_view one : split(scope, ' '))
            if (!one.empty()) add_query(request.url, "scope", one);
        if (!credentials_.password.empty()) {
            add_query(request.url, "account", credentials_.user);
            request.headers = {
                {"Authorization", "Basic " + encode_base64(credentials_.user + ":" + credentials_.password)}};
        }
        if (offline) {
            add_query(request.url, "client_id", "gantry");
            add_query(request.url, "offline_token", "true");
        }
    }
    request.limit = 1u << 20;
    const std::string who = "the token server " + server.realm.authority();
    Outcome outcome = transport_.send(request, server.trust);
    if (outcome.error) return std::move(*outcome.error).context(who);
    const int status = outcome.response.status;
    if (status == 401 || status == 403 || status == 400)
        return fail(Code::denied, credentials_.empty() ? "unauthorized: authentication required"
                                                       : "unauthorized: incorrect username or password");
    if (status != 200) {
        const Code code = status == 429 || status >= 500 ? Code::retry_later : Code::denied;
        return fail(code, who + " answers with the status " + std::to_string(status));
    }
    GANTRY_TRY(Json answer, parse_document(outcome.response.body, who));
    if (!answer.is_object()) return fail(Code::invalid, who + " gives no object");
    return answer;
}

Result<Authorizer::Token> Authorizer::fetch(const std::string& scope) {
    GANTRY_TRY(Server server, token_server());
    GANTRY_TRY(Json answer, ask(server, scope, false));
    Token token{member<std::string>(answer, "token"), 0};
    if (token.text.empty()) token.text = member<std::string>(answer, "access_token");
    if (!is_sound(token.text))
        return fail(Code::invalid, "the token server " + server.realm.authority() + " gives no token");
    const std::int64_t seconds = std::clamp<std::int64_t>(member<std::int64_t>(answer, "expires_in", 60), 60, 86'400);
    token.until_ns = monotonic_ns() + seconds * 900'000'000;
    return token;
}

Result<std::string> Authorizer::identity_token() {
    std::lock_guard lock(mutex_);
    if (challenge_.scheme != "bearer" || !credentials_.registry_token.empty()) return std::string();
    GANTRY_TRY(Server server, token_server());
    GANTRY_TRY(Json answer, ask(server, "", true));
    const auto token = member<std::string>(answer, "refresh_token");
    return is_sound(token) ? token : std::string();
}

}  // namespace gantry::image::registry
