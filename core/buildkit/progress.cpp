#include "core/buildkit/progress.hpp"

#include <cstdio>

namespace gantry::buildkit {
namespace {

template <typename T>
T value_of(const Json& header, const char* key, T otherwise) {
    auto found = header.find(key);
    if (found == header.end()) return otherwise;
    if constexpr (std::is_same_v<T, std::string>)
        return found->is_string() ? found->get<T>() : otherwise;
    else
        return found->is_number_integer() ? found->get<T>() : otherwise;
}

}  // namespace

std::string Progress::digest(std::uint64_t step) const {
    char number[17];
    std::snprintf(number, sizeof number, "%016llx", static_cast<unsigned long long>(step));
    return "sha256:" + id_.substr(0, 48) + number;
}

std::vector<Event> Progress::take(const Json& header, std::string_view body, std::int64_t now_ns) {
    const std::string type = value_of<std::string>(header, "type", "");
    const auto step = value_of<std::uint64_t>(header, "step", 0);
    if (type == "step") return step_frame(header, now_ns);
    if (type == "log" && steps_.contains(step))
        return {LogEvent{digest(step), now_ns, value_of<int>(header, "stream", 1), std::string(body)}};
    if (type == "progress" && steps_.contains(step)) {
        Step& known = steps_[step];
        StatusEvent status{digest(step), value_of<std::string>(header, "what", ""), 0, 0, now_ns, 0, 0};
        status.current = value_of<std::int64_t>(header, "current", 0);
        status.total = value_of<std::int64_t>(header, "total", 0);
        status.started_ns = known.parts.emplace(status.id, now_ns).first->second;
        if (status.total > 0 && status.current >= status.total) {
            status.completed_ns = now_ns;
            known.parts.erase(status.id);
        }
        return {std::move(status)};
    }
    if (type == "warning")
        return {WarningEvent{digest(0), value_of<std::string>(header, "rule", ""),
                             value_of<std::string>(header, "message", ""), value_of<int>(header, "first", 0),
                             value_of<int>(header, "last", 0)}};
    return {};
}

std::vector<Event> Progress::step_frame(const Json& header, std::int64_t now_ns) {
    const auto number = value_of<std::uint64_t>(header, "step", 0);
    const std::string state = value_of<std::string>(header, "state", "");
    Step& step = steps_[number];
    if (auto name = value_of<std::string>(header, "name", ""); !name.empty()) step.name = name;
    if (step.started_ns == 0) step.started_ns = now_ns;
    if (state == "started") {
        // One that is done anew, since a cache elsewhere could not give it.
        if (step.ended) step = Step{step.name, now_ns, false, {}};
        return {VertexEvent{digest(number), step.name, step.started_ns, 0, false, ""}};
    }
    std::vector<Event> events;
    VertexEvent vertex = end_step(number, now_ns, events);
    vertex.cached = state == "cached";
    if (state == "error") vertex.error = value_of<std::string>(header, "error", "failed");
    if (state == "canceled") vertex.error = "context canceled";
    events.push_back(std::move(vertex));
    return events;
}

// What is under way in it is done with it.
VertexEvent Progress::end_step(std::uint64_t number, std::int64_t now_ns, std::vector<Event>& events) {
    Step& step = steps_[number];
    for (const auto& [what, since] : step.parts)
        events.push_back(StatusEvent{digest(number), what, 0, 0, now_ns, since, now_ns});
    step.parts.clear();
    step.ended = true;
    return {digest(number), step.name, step.started_ns, now_ns, false, ""};
}

std::vector<Event> Progress::begin(const std::string& name, std::int64_t now_ns) {
    ++own_;
    steps_[own_] = Step{name, now_ns, false, {}};
    return {VertexEvent{digest(own_), name, now_ns, 0, false, ""}};
}

std::vector<Event> Progress::end(const std::string& error, std::int64_t now_ns) {
    std::vector<Event> events;
    VertexEvent vertex = end_step(own_, now_ns, events);
    vertex.error = error;
    events.push_back(std::move(vertex));
    return events;
}

std::vector<Event> Progress::note(const std::string& text, std::int64_t now_ns) {
    return {StatusEvent{digest(own_), text, 0, 0, now_ns, now_ns, now_ns}};
}

std::vector<Event> Progress::finish(const std::string& error, std::int64_t now_ns) {
    std::vector<Event> events;
    for (const auto& [number, step] : std::map(steps_)) {
        if (step.ended) continue;
        VertexEvent vertex = end_step(number, now_ns, events);
        vertex.error = error;
        events.push_back(std::move(vertex));
    }
    return events;
}

}  // namespace gantry::buildkit
