#include "core/buildkit/cache_wish.hpp"

#include <algorithm>

#include "core/base/ids.hpp"
#include "core/base/text.hpp"

namespace gantry::buildkit {
namespace {

Result<void> read_filter(std::string_view filter, Json& question) {
    const std::size_t exact = filter.find("=="), like = filter.find("~=");
    const std::size_t at = std::min(exact, like);
    const std::string key(filter.substr(0, at));
    const std::string value(at == std::string_view::npos ? std::string_view() : filter.substr(at + 2));
    if (key == "id") {
        // An expression that is no more than the beginning of an id, or all of it.
        if (!is_id_prefix(value))
            return fail(Code::invalid,
                        "filter id " + quote_json(value.substr(0, 100)) + ", allowed: an id or its first digits");
        question["ids"].push_back(value);
    } else if (key == "type" && exact != std::string_view::npos) {
        question["types"].push_back(value);
    } else {
        return fail(Code::unsupported, "filter " + quote_json(filter.substr(0, 100)) +
                                           " of the build cache is not supported, allowed: until, id, type");
    }
    return {};
}

}  // namespace

Result<Json> read_usage(const std::vector<std::string>& filters) {
    Json question{{"type", "usage"}, {"ids", Json::array()}, {"types", Json::array()}};
    for (const std::string& list : filters)
        for (std::string_view one : split(list, ','))
            if (!one.empty()) GANTRY_CHECK(read_filter(one, question));
    return question;
}

Result<Json> read_prune(const PruneWish& wish) {
    if (wish.free_bytes > 0) return fail(Code::unsupported, "min-free-space is not supported, allowed: keep-storage");
    if (wish.keep_ns < 0 || wish.reserved_bytes < 0 || wish.most_bytes < 0)
        return fail(Code::invalid, "a time or a size of a prune is negative");
    GANTRY_TRY(Json question, read_usage(wish.filters));
    question["type"] = "prune";
    question["all"] = wish.all;
    question["keep_ns"] = wish.keep_ns;
    question["keep_bytes"] = std::max(wish.reserved_bytes, wish.most_bytes);
    return question;
}

}  // namespace gantry::buildkit
