#include <algorithm>

#include "core/base/labels.hpp"
#include "core/base/text.hpp"
#include "core/daemon/events.hpp"

namespace gantry::daemon {
namespace {

std::string attribute(const Event& event, const char* name) {
    auto found = event.attributes.find(name);
    return found != event.attributes.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// An id, the beginning of one, or a name.
bool names_object(const Event& event, const char* type, const std::string& value) {
    if (event.type != type || value.empty()) return false;
    return event.id.starts_with(value) || attribute(event, "name") == value;
}

std::string without_tag(const std::string& reference) {
    const std::size_t colon = reference.rfind(':');
    return colon == std::string::npos || reference.find('/', colon) != std::string::npos ? reference
                                                                                         : reference.substr(0, colon);
}

bool names_image(const Event& event, const std::string& value) {
    auto same = [&](const std::string& reference) {
        return !reference.empty() && (reference == value || without_tag(reference) == value);
    };
    if (event.type == "image") return same(event.id) || same(attribute(event, "name")) || event.id.starts_with(value);
    return same(attribute(event, "image"));
}

bool matches(const Event& event, const std::string& key, const std::string& value) {
    if (key == "type") return event.type == value;
    if (key == "scope") return value == "local";
    // "health_status" stands for "health_status: healthy" too, "exec_start" for "exec_start: sh".
    if (key == "event") return event.action == value || event.action.starts_with(value + ":");
    if (key == "image") return names_image(event, value);
    if (key == "label") return has_label(event.attributes, value);
    return names_object(event, key.c_str(), value);
}

const std::vector<std::string>& known_filters() {
    static const std::vector<std::string> known = {"config", "container", "daemon", "event",  "image",
                                                   "label",  "network",   "node",   "plugin", "scope",
                                                   "secret", "service",   "type",   "volume"};
    return known;
}

}  // namespace

Result<void> check_event_filters(const EventBus::Filters& filters) {
    for (const auto& [key, values] : filters)
        if (std::find(known_filters().begin(), known_filters().end(), key) == known_filters().end())
            return fail(Code::invalid, "invalid filter '" + key + "'");
    return {};
}

bool event_matches(const Event& event, const EventBus::Filters& filters) {
    for (const auto& [key, values] : filters) {
        // Labels must all be there; of the others one is enough.
        auto one = [&, name = key](const std::string& value) { return matches(event, name, value); };
        const bool fits = key == "label" ? std::all_of(values.begin(), values.end(), one)
                                         : values.empty() || std::any_of(values.begin(), values.end(), one);
        if (!fits) return false;
    }
    return true;
}

}  // namespace gantry::daemon
