#include "core/daemon/api/prune_filters.hpp"

#include <algorithm>

#include "core/base/labels.hpp"
#include "core/base/text.hpp"
#include "core/daemon/api/parameters.hpp"

namespace gantry::daemon {
namespace {

Error invalid(const std::string& key, const std::vector<std::string>& values) {
    return fail(Code::invalid, "invalid filter '" + key + "=" + join(values, ",") + "'");
}

Result<bool> read_flag(const std::string& key, const std::vector<std::string>& values) {
    const std::string value = values.size() == 1 ? to_lower(values[0]) : std::string();
    if (value == "true" || value == "1" || value == "t") return true;
    if (value == "false" || value == "0" || value == "f") return false;
    return invalid(key, values);
}

}  // namespace

bool PruneFilters::fits(std::int64_t created_ns, const Json& object_labels) const {
    if (until_ns && created_ns >= *until_ns) return false;
    auto has = [&](const std::string& label) { return has_label(object_labels, label); };
    return std::all_of(labels.begin(), labels.end(), has) && std::none_of(not_labels.begin(), not_labels.end(), has);
}

Result<PruneFilters> read_prune_filters(const http::Request& request, const std::vector<std::string>& known) {
    GANTRY_TRY(auto given, read_filters(request));
    PruneFilters filters;
    for (const auto& [key, values] : given) {
        if (std::find(known.begin(), known.end(), key) == known.end())
            return fail(Code::invalid, "invalid filter '" + key + "'; known are " + join(known, ", "));
        if (key == "label") filters.labels = values;
        if (key == "label!") filters.not_labels = values;
        if (key == "until") {
            if (values.size() != 1) return fail(Code::invalid, "more than one until filter specified");
            GANTRY_TRY(filters.until_ns, read_time(values[0]));
        }
        if (key == "unused-for") {
            auto duration = values.size() == 1 ? parse_duration(values[0]) : std::nullopt;
            if (!duration || *duration < 0) return invalid(key, values);
            filters.unused_for_ns = *duration;
        }
        if (key == "dangling") {
            GANTRY_TRY(filters.dangling, read_flag(key, values));
        }
        if (key == "all") {
            GANTRY_TRY(filters.all, read_flag(key, values));
        }
    }
    return filters;
}

}  // namespace gantry::daemon
