#include "core/build/solver.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <thread>

#include "core/base/clock.hpp"

namespace gantry::build {
namespace {

template <typename... F>
struct Visitor : F... {
    using F::operator()...;
};
template <typename... F>
Visitor(F...) -> Visitor<F...>;

std::string shown_name(const Graph& graph, StepId step) {
    return "step " + std::to_string(step) + " (\"" + graph.steps[step].name + "\")";
}

class Solver {
public:
    Solver(const Graph& graph, const std::vector<StepId>& wanted, Worker& worker, Listener& listener, Cancel& cancel)
        : graph_(graph), worker_(worker), listener_(listener), cancel_(cancel) {
        solved_.values.resize(graph.steps.size());
        std::vector<bool> needed(graph.steps.size());
        for (StepId step : wanted) needed[step] = true;
        waits_.resize(graph.steps.size());
        users_.resize(graph.steps.size());
        for (StepId step = graph.steps.size(); step-- > 0;) {
            if (!needed[step]) continue;
            ++left_;
            const auto inputs = inputs_of(graph.steps[step]);
            waits_[step] = inputs.size();
            for (StepId input : inputs) {
                needed[input] = true;
                users_[input].push_back(step);
            }
        }
        // In the order of the file, so that what it says first is begun first.
        for (StepId step = 0; step < graph.steps.size(); ++step)
            if (needed[step] && waits_[step] == 0) ready_.push_back(step);
    }

    Solved run(int parallel) {
        parallel_ = static_cast<std::size_t>(std::max(1, parallel));
        {
            Cancel::Watch watch(cancel_, [this] {
                std::lock_guard lock(mutex_);
                stopped_ = true;
                changed_.notify_all();
            });
            std::unique_lock lock(mutex_);
            while (left_ > 0 && !stopped_) {
                if (ready_.empty()) {
                    changed_.wait(lock);
                    continue;
                }
                work(lock);
            }
        }
        changed_.notify_all();
        for (std::thread& thread : threads_) thread.join();
        if (!solved_.error && cancel_.cancelled()) solved_.error = cancel_.check().error();
        return std::move(solved_);
    }

private:
    void work_beside() {
        std::unique_lock lock(mutex_);
        for (;;) {
            while (ready_.empty() && left_ > 0 && !stopped_) changed_.wait(lock);
            --idle_;
            if (left_ == 0 || stopped_) return;
            work(lock);
            ++idle_;
        }
    }

    // As many threads as there are steps that would wait, this one's own apart. mutex_ is held.
    void call_help() {
        while (ready_.size() > idle_ && threads_.size() + 1 < parallel_) {
            ++idle_;
            threads_.emplace_back([this] { work_beside(); });
        }
    }

    // Takes a step that is ready and does it; `lock` is held before and after.
    void work(std::unique_lock<std::mutex>& lock) {
        const StepId step = ready_.front();
        ready_.pop_front();
        call_help();
        lock.unlock();
        const std::int64_t begun = monotonic_ns();
        listener_.step(step, StepState::started, 0, "");
        auto input = [this](StepId id) -> const Value& { return *solved_.values[id]; };
        Result<Outcome> outcome = worker_.run(step, input);
        const std::int64_t ms = (monotonic_ns() - begun) / 1'000'000;
        if (outcome)
            listener_.step(step, outcome->cached ? StepState::cached : StepState::done, ms, "");
        else if (cancel_.cancelled())
            listener_.step(step, StepState::canceled, ms, "");
        else
            listener_.step(step, StepState::error, ms, outcome.error().text);
        const bool first = !outcome && !cancel_.cancelled();
        lock.lock();
        if (!outcome) {
            if (first && !solved_.error) {
                solved_.failed = step;
                solved_.error = std::move(outcome).error();
            }
            lock.unlock();
            cancel_.cancel();
            lock.lock();
            return;
        }
        solved_.values[step] = std::move(outcome->value);
        --left_;
        for (StepId user : users_[step])
            if (--waits_[user] == 0) ready_.push_back(user);
        changed_.notify_all();
    }

    const Graph& graph_;
    Worker& worker_;
    Listener& listener_;
    Cancel& cancel_;
    std::mutex mutex_;  // the members below; values only until they are set
    std::condition_variable changed_;
    Solved solved_;
    std::vector<std::size_t> waits_;
    std::vector<std::vector<StepId>> users_;
    std::deque<StepId> ready_;
    std::vector<std::thread> threads_;  // grows only while steps are left
    std::size_t left_ = 0, idle_ = 0, parallel_ = 1;
    bool stopped_ = false;
};

}  // namespace

std::string_view name_of(StepState state) {
    switch (state) {
    case StepState::started: return "started";
    case StepState::cached: return "cached";
    case StepState::done: return "done";
    case StepState::error: return "error";
    case StepState::canceled: return "canceled";
    }
    return "";
}

std::vector<StepId> inputs_of(const Step& step) {
    std::vector<StepId> inputs;
    auto add = [&](const std::optional<StepId>& id) {
        if (id && std::find(inputs.begin(), inputs.end(), *id) == inputs.end()) inputs.push_back(*id);
    };
    std::visit(Visitor{[&](const FileChange& change) {
                           add(change.base);
                           for (const auto& action : change.actions)
                               if (auto copy = std::get_if<CopyAction>(&action)) add(copy->from);
                       },
                       [&](const Exec& exec) {
                           add(exec.base);
                           for (const Mount& mount : exec.mounts) add(mount.from);
                       },
                       [](const auto&) {}},
               step.operation);
    return inputs;
}

Result<void> check_graph(const Graph& graph) {
    for (StepId step = 0; step < graph.steps.size(); ++step)
        for (StepId input : inputs_of(graph.steps[step]))
            if (input >= step)
                return fail(Code::internal, shown_name(graph, step) + " stands on step " + std::to_string(input) +
                                                ", which does not come before it");
    for (const Target* target : graph.targets()) {
        std::vector<StepId> named = target->layer_steps;
        if (target->result) named.push_back(*target->result);
        for (StepId step : named)
            if (step >= graph.steps.size())
                return fail(Code::internal, "the target names step " + std::to_string(step) + " of " +
                                                std::to_string(graph.steps.size()));
    }
    return {};
}

Solved solve(const Graph& graph, const std::vector<StepId>& wanted, Worker& worker, Listener& listener, Cancel& cancel,
             int parallel) {
    return Solver(graph, wanted, worker, listener, cancel).run(parallel);
}

}  // namespace gantry::build
