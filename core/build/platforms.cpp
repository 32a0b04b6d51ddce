#include "core/build/platforms.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "core/base/text.hpp"
#include "core/build/dockerfile/platform.hpp"
#include "core/build/solver.hpp"
#include "core/image/archive_plan.hpp"

namespace gantry::build {
namespace {

// The same platform has one of these, whatever it is called.
std::string normal_platform(const Platform& platform) {
    auto normal = dockerfile::parse_platform(platform.text(), own_platform());
    return normal ? normal->text() : platform.text();
}

bool is_component(std::string_view text) {
    return !text.empty() &&
           text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
               std::string_view::npos;
}

// Steps of one graph as part of another.
class Joiner {
public:
    void add(Graph graph) {
        std::vector<StepId> places;
        for (Step& step : graph.steps) {
            move_inputs(step, places);
            places.push_back(place_of(std::move(step)));
        }
        for (const Target* target : graph.targets()) {
            Target moved = *target;
            if (moved.result) moved.result = places[*moved.result];
            for (StepId& step : moved.layer_steps) step = places[step];
            targets_.push_back(std::move(moved));
        }
        for (Warning& warning : graph.warnings)
            if (std::none_of(joined_.warnings.begin(), joined_.warnings.end(), [&](const Warning& known) {
                    return known.rule == warning.rule && known.message == warning.message &&
                           known.lines.first == warning.lines.first && known.lines.last == warning.lines.last;
                }))
                joined_.warnings.push_back(std::move(warning));
    }
    Graph take() {
        joined_.target = std::move(targets_.front());
        targets_.erase(targets_.begin());
        joined_.more = std::move(targets_);
        return std::move(joined_);
    }

private:
    static void move_inputs(Step& step, const std::vector<StepId>& places) {
        auto move = [&](std::optional<StepId>& input) {
            if (input) input = places[*input];
        };
        if (auto change = std::get_if<FileChange>(&step.operation)) {
            move(change->base);
            for (auto& action : change->actions)
                if (auto copy = std::get_if<CopyAction>(&action)) move(copy->from);
        } else if (auto exec = std::get_if<Exec>(&step.operation)) {
            move(exec->base);
            for (Mount& mount : exec->mounts) move(mount.from);
        }
    }
    StepId place_of(Step step) {
        std::vector<StepId>& alike = by_name_[step.name];
        for (StepId known : alike) {
            const Step& other = joined_.steps[known];
            if (other.operation == step.operation && other.platform == step.platform &&
                other.ignore_cache == step.ignore_cache && other.stage == step.stage)
                return known;
        }
        alike.push_back(joined_.steps.size());
        joined_.steps.push_back(std::move(step));
        return joined_.steps.size() - 1;
    }

    Graph joined_;
    std::vector<Target> targets_;
    std::map<std::string, std::vector<StepId>> by_name_;
};

}  // namespace

Platform own_platform() {
    Platform own;
    own.architecture = image::host_architecture();
    if (own.architecture == "arm64") own.variant = "v8";
    return own;
}

Result<Platform> parse_platform(const std::string& text) {
    const auto parts = split(text, '/');
    Platform platform;
    if (parts.size() == 1 && parts[0] == "linux") return own_platform();
    if (parts.size() < 2 || parts.size() > 3 || !std::all_of(parts.begin(), parts.end(), is_component) ||
        text.size() > 100)
        return fail(Code::invalid,
                    quote_json(text.substr(0, 100)) + " is no platform: expected OS/ARCHITECTURE[/VARIANT]");
    platform.os = parts[0];
    platform.architecture = parts[1];
    if (parts.size() == 3) platform.variant = parts[2];
    if (platform.os != "linux")
        return fail(Code::unsupported, "platform " + quote_json(text) + ": only linux can be built for");
    return platform;
}

Result<std::vector<Platform>> parse_platforms(const std::vector<std::string>& texts) {
    std::vector<Platform> platforms;
    std::set<std::string> known;
    for (const std::string& text : texts) {
        GANTRY_TRY(Platform platform, parse_platform(text));
        if (!known.insert(normal_platform(platform)).second) continue;
        if (platforms.size() == most_platforms)
            return fail(Code::exhausted,
                        "a build for more than " + std::to_string(most_platforms) + " platforms at once");
        platforms.push_back(std::move(platform));
    }
    return platforms;
}

Graph join_graphs(std::vector<Graph> graphs) {
    if (graphs.size() == 1) return std::move(graphs.front());
    Joiner joiner;
    for (Graph& graph : graphs) joiner.add(std::move(graph));
    return joiner.take();
}

std::string platforms_of(const Graph& graph, StepId step) {
    if (graph.more.empty()) return {};
    std::string platforms;
    for (const Target* target : graph.targets()) {
        if (!target->result) continue;
        std::vector<bool> needed(graph.steps.size());
        needed[*target->result] = true;
        for (StepId id = graph.steps.size(); id-- > 0;)
            if (needed[id])
                for (StepId input : inputs_of(graph.steps[id])) needed[input] = true;
        if (needed[step]) platforms += (platforms.empty() ? "" : ", ") + target->platform.text();
    }
    return platforms;
}

Error explain_foreign(const Step& step, Error failed) {
    const Platform own = own_platform();
    if (step.platform.architecture == own.architecture || failed.text.find("exec format error") == std::string::npos)
        return failed;
    return fail(Code::unsupported,
                "step " + quote_json(step.name) + " is for " + step.platform.text() +
                    ", whose programs this machine, " + own.text() + ", does not run: it needs a handler for " +
                    step.platform.architecture +
                    " in /proc/sys/fs/binfmt_misc (an emulator such as qemu-user-static registers it), or its stage "
                    "FROM --platform=$BUILDPLATFORM (" +
                    failed.text + ")");
}

}  // namespace gantry::build
