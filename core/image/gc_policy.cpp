#include "core/image/gc_policy.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <map>

namespace gantry::image {
namespace {

bool fits(const std::string& pattern, const std::string& tag) {
    const std::size_t colon = tag.rfind(':');
    const std::string name = tag.substr(0, colon);
    return ::fnmatch(pattern.c_str(), tag.c_str(), FNM_PATHNAME) == 0 ||
           ::fnmatch(pattern.c_str(), name.c_str(), FNM_PATHNAME) == 0;
}

bool is_kept(const GcImage& image, const GcPolicy& policy) {
    return std::any_of(image.tags.begin(), image.tags.end(), [&](const std::string& tag) {
        return std::any_of(policy.keep.begin(), policy.keep.end(),
                           [&](const std::string& pattern) { return fits(pattern, tag); });
    });
}

}  // namespace

std::vector<std::string> choose_images(const std::vector<GcImage>& images, const GcPolicy& policy,
                                       std::int64_t now_ns) {
    std::vector<const GcImage*> candidates;
    std::map<std::string, int> users;  // of each layer
    std::int64_t total = 0;
    for (const GcImage& image : images) {
        for (const auto& [key, bytes] : image.layers)
            if (++users[key] == 1) total += bytes;
        if (!image.in_use && !is_kept(image, policy)) candidates.push_back(&image);
    }
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const GcImage* a, const GcImage* b) { return a->used_ns < b->used_ns; });
    std::vector<std::string> chosen;
    for (const GcImage* image : candidates) {
        const bool old = policy.max_age_ns > 0 && now_ns - image->used_ns > policy.max_age_ns;
        const bool much = policy.max_bytes > 0 && total > policy.max_bytes;
        if (!old && !much) break;
        chosen.push_back(image->id);
        for (const auto& [key, bytes] : image->layers)
            if (--users[key] == 0) total -= bytes;
    }
    return chosen;
}

}  // namespace gantry::image
