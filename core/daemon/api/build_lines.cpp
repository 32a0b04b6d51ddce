#include "core/daemon/api/build_lines.hpp"

#include "core/base/text.hpp"
#include "core/image/references.hpp"

namespace gantry::daemon {
namespace {

// More than this of what waits for its turn is shown at once, out of order.
constexpr std::size_t most_waiting = 1u << 20;

std::string short_id(std::string_view id) {
    if (id.starts_with("sha256:")) id.remove_prefix(7);
    return std::string(id.substr(0, 12));
}

// "shop-web" is "shop-web:latest".
std::string with_tag(const std::string& name) {
    auto parsed = image::parse_reference(name);
    return !parsed || name.ends_with(":" + parsed->tag) ? name : name + ":" + parsed->tag;
}

std::string triggers_of(const build::Listed& from) {
    if (from.triggers == 0) return "";
    return "# Executing " + std::to_string(from.triggers) + " build trigger" + (from.triggers > 1 ? "s" : "") + "\n";
}

// Of another stage, and of what triggers have made, there is no image, so that no id is told.
std::string base_of(const build::Listed& from) {
    return from.base && from.triggers == 0 ? " ---> " + short_id(*from.base) + "\n" : "";
}

}  // namespace

void BuildLines::plan(const build::Graph& graph) {
    std::lock_guard lock(mutex_);
    std::map<int, std::size_t> by_line;
    for (const build::Listed& listed : graph.listing) {
        by_line[listed.lines.first] = items_.size();
        items_.push_back({listed.text, triggers_of(listed), base_of(listed), listed.planned, false, {}, ""});
    }
    if (!graph.listing.empty())
        for (const auto& [name, value] : options_.labels)
            items_.push_back({"LABEL " + name + "=" + value, "", "", true, false, {}, ""});
    for (build::StepId id = 0; id < graph.steps.size(); ++id) {
        const build::Step& step = graph.steps[id];
        Known known;
        known.source = !std::holds_alternative<build::FileChange>(step.operation) &&
                       !std::holds_alternative<build::Exec>(step.operation);
        if (const auto* process = std::get_if<build::Exec>(&step.operation)) known.command = join(process->argv, " ");
        // The context is whoever's asks for it first, and nobody's work.
        auto item = by_line.find(step.lines.first);
        if (item != by_line.end() && !std::holds_alternative<build::ContextSource>(step.operation)) {
            known.item = item->second;
            items_[item->second].open.insert(id);
        }
        steps_.push_back(std::move(known));
    }
    for (const build::Warning& warning : graph.warnings)
        say("[Warning] " + warning.rule + ": " + warning.message + " (line " + std::to_string(warning.lines.first) +
            ")\n");
}

void BuildLines::warn(const std::string& warning) {
    std::lock_guard lock(mutex_);
    say("[Warning] " + warning + "\n");
}

void BuildLines::step(build::StepId step, build::StepState state, std::int64_t, const std::string&) {
    std::lock_guard lock(mutex_);
    if (step >= steps_.size()) return;
    // The first line is not sent before work begins: a request that is refused until then has the status of its error.
    if (state == build::StepState::started) return advance();
    Known& known = steps_[step];
    const bool well = state == build::StepState::done || state == build::StepState::cached;
    if (state == build::StepState::cached && !known.source) say_of(step, " ---> Using cache\n");
    if (!known.container.empty() && (well || options_.remove_failed))
        say_of(step, " ---> Removed intermediate container " + short_id(known.container) + "\n");
    known.container.clear();
    if (!well || known.item >= items_.size()) return;
    items_[known.item].open.erase(step);
    advance();
}

void BuildLines::process(build::StepId step, const std::string& id) {
    std::lock_guard lock(mutex_);
    if (step >= steps_.size()) return;
    steps_[step].container = id;
    say_of(step, " ---> Running in " + short_id(id) + "\n");
}

void BuildLines::log(build::StepId step, int, std::string_view bytes) {
    std::lock_guard lock(mutex_);
    say_of(step, std::string(bytes));
}

void BuildLines::done(const std::string& id, const std::vector<std::string>& tags) {
    std::lock_guard lock(mutex_);
    for (Item& item : items_) item.open.clear();
    advance();
    // Of all that instructions make, the image is what comes of the last one.
    if (!items_.empty() && items_.back().last.empty()) say(" ---> " + short_id(id) + "\n");
    stream_.send({{"aux", {{"ID", id}}}});
    if (options_.quiet) return stream_.send({{"stream", id + "\n"}});
    say("Successfully built " + short_id(id) + "\n");
    for (const std::string& tag : tags) say("Successfully tagged " + with_tag(tag) + "\n");
}

Error BuildLines::failed(Error error, const build::BuildProblem& problem) {
    std::lock_guard lock(mutex_);
    for (std::size_t i = at_; i < items_.size(); ++i)
        if (!items_[i].waiting.empty()) begin(items_[i], i);
    if (problem.exit_code != 0 && problem.step && *problem.step < steps_.size())
        error.text = "The command '" + steps_[*problem.step].command +
                     "' returned a non-zero code: " + std::to_string(problem.exit_code);
    return error;
}

// mutex_ is held, here and below.
void BuildLines::say(const std::string& text) {
    if (!options_.quiet && !text.empty()) stream_.send({{"stream", text}});
}

void BuildLines::say_of(build::StepId step, const std::string& text) {
    if (step >= steps_.size()) return;
    const std::size_t number = steps_[step].item;
    if (number >= items_.size() || number <= at_ || items_[number].begun) return say(text);
    Item& item = items_[number];
    item.waiting += text;
    waiting_bytes_ += text.size();
    if (waiting_bytes_ > most_waiting) begin(item, number);
}

// Its line, and what has waited for that.
void BuildLines::begin(Item& item, std::size_t number) {
    if (!std::exchange(item.begun, true)) {
        say("Step " + std::to_string(number + 1) + "/" + std::to_string(items_.size()) + " : " + item.text);
        say("\n");
        say(item.first);
    }
    say(item.waiting);
    waiting_bytes_ -= item.waiting.size();
    item.waiting.clear();
}

void BuildLines::advance() {
    for (; at_ < items_.size(); ++at_) {
        Item& item = items_[at_];
        if (!item.shown) continue;
        begin(item, at_);
        if (!item.open.empty()) return;
        say(item.last);
    }
}

}  // namespace gantry::daemon
