// What the engine tells of a build, frame by frame, as the vertexes that a BuildKit client shows.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <gantry/json.hpp>

namespace gantry::buildkit {

// Times are nanoseconds since 1970; 0: not yet.
struct VertexEvent {
    std::string digest, name;
    std::int64_t started_ns = 0, completed_ns = 0;
    bool cached = false;
    std::string error;
};
struct StatusEvent {
    std::string vertex, id;
    std::int64_t current = 0, total = 0, timestamp_ns = 0, started_ns = 0, completed_ns = 0;
};
struct LogEvent {
    std::string vertex;
    std::int64_t timestamp_ns = 0;
    int stream = 1;
    std::string bytes;
};
struct WarningEvent {
    std::string vertex, rule, message;
    int first = 0, last = 0;  // lines of the Dockerfile, 0: of none
};
using Event = std::variant<VertexEvent, StatusEvent, LogEvent, WarningEvent>;

// One build's. One thread at a time.
class Progress {
public:
    // `id`: 64 hex digits of this build's own, with which the names of its vertexes begin.
    explicit Progress(std::string id) : id_(std::move(id)) {}

    // Of a frame that is no such thing: nothing.
    std::vector<Event> take(const Json& header, std::string_view body, std::int64_t now_ns);

    // A step of ours beside the engine's.
    std::vector<Event> begin(const std::string& name, std::int64_t now_ns);
    // Ends the step begun last.
    std::vector<Event> end(const std::string& error, std::int64_t now_ns);
    // Something within that step that is done.
    std::vector<Event> note(const std::string& text, std::int64_t now_ns);
    // The build ends: whatever has begun ends with it.
    std::vector<Event> finish(const std::string& error, std::int64_t now_ns);

private:
    struct Step {
        std::string name;
        std::int64_t started_ns = 0;
        bool ended = false;
        std::map<std::string, std::int64_t> parts;  // under way, and since when
    };
    std::string digest(std::uint64_t step) const;
    std::vector<Event> step_frame(const Json& header, std::int64_t now_ns);
    VertexEvent end_step(std::uint64_t number, std::int64_t now_ns, std::vector<Event>& events);

    const std::string id_;
    std::map<std::uint64_t, Step> steps_;
    std::uint64_t own_ = 1ull << 62;  // numbers of ours
};

}  // namespace gantry::buildkit
