#include "core/daemon/api/image_filters.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <optional>

#include <gantry/driver.hpp>

#include "core/base/labels.hpp"
#include "core/base/text.hpp"
#include "core/daemon/api/parameters.hpp"

namespace gantry::daemon {
namespace {

using Values = std::vector<std::string>;

std::string name_of(const std::string& tag) {
    const std::size_t colon = tag.rfind(':');
    return colon == std::string::npos || tag.find('/', colon) != std::string::npos ? tag : tag.substr(0, colon);
}

bool fits_reference(const std::string& tag, const Values& patterns) {
    return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
        return ::fnmatch(pattern.c_str(), tag.c_str(), FNM_PATHNAME) == 0 ||
               ::fnmatch(pattern.c_str(), name_of(tag).c_str(), FNM_PATHNAME) == 0;
    });
}

bool has_labels(const image::Image& image, const Values& wanted) {
    const Json labels = member<Json>(member<Json>(image.config, "config", Json::object()), "Labels", Json::object());
    return std::all_of(wanted.begin(), wanted.end(), [&](const std::string& one) { return has_label(labels, one); });
}

Result<std::optional<bool>> read_dangling(const Values& values) {
    if (values.empty()) return std::optional<bool>();
    const auto flag = values.size() == 1 ? parse_filter_flag(values[0]) : std::nullopt;
    if (!flag) return fail(Code::invalid, "invalid filter 'dangling=" + join(values, ",") + "'");
    return flag;
}

// The time of creation that a list is cut at: of an image, or told.
struct Cuts {
    std::optional<std::int64_t> before, since, until;
};

Result<Cuts> read_cuts(image::ImageStore& store, const std::map<std::string, Values>& filters) {
    Cuts cuts;
    for (const auto& [key, values] : filters)
        for (const std::string& value : values) {
            if (key == "until") {
                GANTRY_TRY(cuts.until, read_time(value));
            } else if (key == "before" || key == "since") {
                GANTRY_TRY(auto image, store.find(value));
                (key == "before" ? cuts.before : cuts.since) = image->created_ns;
            }
        }
    return cuts;
}

std::shared_ptr<const image::Image> with_tags_that_fit(const std::shared_ptr<const image::Image>& image,
                                                       const Values& patterns) {
    auto copy = std::make_shared<image::Image>(*image);
    std::erase_if(copy->tags, [&](const std::string& tag) { return !fits_reference(tag, patterns); });
    return copy->tags.empty() ? nullptr : copy;
}

}  // namespace

Result<ImageList> filter_images(image::ImageStore& store, const std::map<std::string, Values>& filters) {
    static const Values known = {"before", "dangling", "label", "reference", "since", "until"};
    for (const auto& [key, values] : filters)
        if (std::find(known.begin(), known.end(), key) == known.end())
            return fail(Code::invalid, "invalid filter '" + key + "'");
    auto values_of = [&](const char* key) {
        auto found = filters.find(key);
        return found == filters.end() ? Values{} : found->second;
    };
    const Values references = values_of("reference"), labels = values_of("label");
    GANTRY_TRY(std::optional<bool> dangling, read_dangling(values_of("dangling")));
    GANTRY_TRY(Cuts cuts, read_cuts(store, filters));

    ImageList fitting;
    for (auto image : store.list()) {
        if (dangling && *dangling != image->tags.empty()) continue;
        if (cuts.before && image->created_ns >= *cuts.before) continue;
        if (cuts.since && image->created_ns <= *cuts.since) continue;
        if (cuts.until && image->created_ns >= *cuts.until) continue;
        if (!has_labels(*image, labels)) continue;
        if (!references.empty()) image = with_tags_that_fit(image, references);
        if (image) fitting.push_back(std::move(image));
    }
    std::stable_sort(fitting.begin(), fitting.end(),
                     [](const auto& a, const auto& b) { return a->created_ns > b->created_ns; });
    return fitting;
}

}  // namespace gantry::daemon
