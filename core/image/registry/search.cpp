#include <gantry/driver.hpp>

#include "core/base/text.hpp"
#include "core/image/registry/names.hpp"
#include "core/image/registry/remote.hpp"
#include "core/image/registry/service_impl.hpp"
#include "core/image/strict_json.hpp"

namespace gantry::image::registry {
namespace {

constexpr int search_ms = 60'000;
constexpr int max_pages = 100;
constexpr std::size_t max_answer = 4u << 20;

bool fits(const Json& one, const SearchRequest& request) {
    if (request.official && member<bool>(one, "is_official") != *request.official) return false;
    if (request.automated && member<bool>(one, "is_automated") != *request.automated) return false;
    return member<std::int64_t>(one, "star_count") >= request.stars;
}

// Docker's search of old: GET /v1/search. nullopt: the registry does not have it.
Result<std::optional<Json>> search_index(Session& session, const std::string& term, const SearchRequest& request) {
    HttpRequest question;
    question.url = session.url("/v1/search");
    add_query(question.url, "q", term);
    add_query(question.url, "n", std::to_string(request.limit));
    question.limit = max_answer;
    question.total_ms = search_ms;
    GANTRY_TRY(HttpResponse answer, session.send(question, ""));
    if (answer.status == 404 || answer.status == 405) return std::optional<Json>();
    if (answer.status != 200) return refusal(answer, "search in " + session.host());
    GANTRY_TRY(Json json, parse_document(answer.body, "search in " + session.host()));
    Json found = Json::array();
    for (const Json& one : member<std::vector<Json>>(json, "results")) {
        if (!one.is_object() || !fits(one, request)) continue;
        found.push_back({{"name", member<std::string>(one, "name")},
                         {"description", member<std::string>(one, "description")},
                         {"star_count", member<std::int64_t>(one, "star_count")},
                         {"is_official", member<bool>(one, "is_official")},
                         {"is_automated", member<bool>(one, "is_automated")}});
        if (static_cast<int>(found.size()) == request.limit) break;
    }
    return std::optional(std::move(found));
}

// The names of a registry that has nothing but names: its catalog, page by page.
Result<Json> search_catalog(Session& session, const std::string& term, const SearchRequest& request) {
    Json found = Json::array();
    const bool none_fits = request.official.value_or(false) || request.automated.value_or(false) || request.stars > 0;
    Url page = session.url("/v2/_catalog");
    add_query(page, "n", "1000");
    for (int pages = 0; pages < max_pages && !none_fits; ++pages) {
        HttpRequest question;
        question.url = page;
        question.limit = max_answer;
        question.total_ms = search_ms;
        GANTRY_TRY(HttpResponse answer, session.send(question, "registry:catalog:*"));
        if (answer.status == 404)
            return fail(Code::unsupported, "the registry " + session.host() + " offers neither a search nor a catalog");
        if (answer.status != 200) return refusal(answer, "search in " + session.host());
        GANTRY_TRY(Json json, parse_document(answer.body, "search in " + session.host()));
        for (const std::string& name : member<std::vector<std::string>>(json, "repositories")) {
            if (name.size() > 255 || name.find(term) == std::string::npos) continue;
            found.push_back({{"name", session.host() + "/" + name},
                             {"description", ""},
                             {"star_count", 0},
                             {"is_official", false},
                             {"is_automated", false}});
            if (static_cast<int>(found.size()) == request.limit) return found;
        }
        const std::string next = next_page(answer.header("link"));
        if (next.empty()) break;
        GANTRY_TRY(page, parse_url(next, &page));
    }
    return found;
}

}  // namespace

Result<Json> Service::search(const SearchRequest& request, const Cancelled& cancelled) {
    if (request.term.empty()) return fail(Code::invalid, "a search needs a term");
    if (request.limit < 1 || request.limit > 100)
        return fail(Code::invalid, "limit " + std::to_string(request.limit) + " is outside the range of [1, 100]");
    const Location location = location_of(request.term);
    Transport transport(impl_->settings(), impl_->until_stopped(cancelled));
    if (location.host == default_host()) {
        const bool official = location.repository.starts_with("library/");
        const std::string term = official ? location.repository.substr(8) : location.repository;
        GANTRY_TRY(auto session, Session::open(transport, location.host, default_search_endpoint(), {}));
        GANTRY_TRY(auto found, search_index(*session, term, request));
        if (!found) return fail(Code::unsupported, "the registry " + location.host + " offers no search");
        return std::move(*found);
    }
    GANTRY_TRY(auto session, Session::open(transport, location.host, "", request.credentials));
    GANTRY_TRY(auto found, search_index(*session, location.repository, request));
    if (found) return std::move(*found);
    return search_catalog(*session, location.repository, request);
}

}  // namespace gantry::image::registry
