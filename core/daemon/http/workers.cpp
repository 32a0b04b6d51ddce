#include "core/daemon/http/workers.hpp"

#include <malloc.h>
#include <pthread.h>

#include <exception>

#include "core/base/log.hpp"

namespace gantry::http {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto idle_time = std::chrono::seconds(10);
constexpr auto patience = std::chrono::milliseconds(40);
constexpr int most_threads = 256;
// What jobs walk through may be as deep as 1,024 directories, and whoever fills a container decides how deep. Only what
// is used of it takes memory.
constexpr std::size_t stack_bytes = 8u << 20;

struct Job {
    std::function<void()> work;
    Clock::time_point since;
};

void run_guarded(const std::function<void()>& work) {
    try {
        work();
    } catch (const std::exception& e) {
        log::error("an exception left a worker's job", {{"what", e.what()}});
    } catch (...) {
        log::error("an exception of unknown type left a worker's job");
    }
}

}  // namespace

struct Workers::State {
    const int usual;
    mutable std::mutex mutex;
    std::condition_variable wake, ended;
    std::deque<Job> queue;
    int threads = 0, idle = 0;
    bool stop = false;
    explicit State(int count) : usual(count < 1 ? 1 : count) {}
};

Workers::Workers(int usual) : state_(std::make_shared<State>(usual)) {}

void Workers::stop() {
    std::unique_lock lock(state_->mutex);
    if (state_->stop) return;
    state_->stop = true;
    state_->queue.clear();
    state_->wake.notify_all();
    state_->ended.wait_for(lock, std::chrono::seconds(1), [this] { return state_->threads == 0; });
    if (state_->threads)
        log::warn("worker threads are still busy at the end", {{"threads", std::to_string(state_->threads)}});
}

// Called with the mutex held.
void Workers::add_thread(const std::shared_ptr<State>& state) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, stack_bytes);
    auto* argument = new std::shared_ptr<State>(state);
    pthread_t thread{};
    const int error = pthread_create(
        &thread, &attributes,
        [](void* p) -> void* {
            std::unique_ptr<std::shared_ptr<State>> owned(static_cast<std::shared_ptr<State>*>(p));
            run(*owned);
            return nullptr;
        },
        argument);
    pthread_attr_destroy(&attributes);
    if (error == 0) {
        ++state->threads;
        return;
    }
    delete argument;
    log::error("a worker thread could not be made",
               {{"errno", std::to_string(error)}, {"threads", std::to_string(state->threads)}});
}

void Workers::run(const std::shared_ptr<State>& state) {
    std::unique_lock lock(state->mutex);
    for (;;) {
        if (state->queue.empty() && !state->stop) {
            ++state->idle;
            state->wake.wait_for(lock, idle_time, [&] { return state->stop || !state->queue.empty(); });
            --state->idle;
        }
        if (state->queue.empty()) {  // nothing came in all this time, or it is the end
            if (state->threads > 1 || state->stop) break;
            // The last one: what a burst of requests needed goes back.
            lock.unlock();
            ::malloc_trim(0);
            lock.lock();
            if (state->queue.empty()) break;
            continue;
        }
        {
            Job job = std::move(state->queue.front());
            state->queue.pop_front();
            lock.unlock();
            run_guarded(job.work);
        }
        lock.lock();
    }
    --state->threads;
    state->ended.notify_all();
}

Workers::Posted Workers::post(std::function<void()> work) {
    std::lock_guard lock(state_->mutex);
    if (state_->stop) return Posted::soon;
    state_->queue.push_back({std::move(work), Clock::now()});
    const bool enough = static_cast<std::size_t>(state_->idle) >= state_->queue.size();
    if (!enough && state_->threads < state_->usual) {
        add_thread(state_);
        return Posted::soon;
    }
    state_->wake.notify_one();
    return enough ? Posted::soon : Posted::waits;
}

void Workers::relieve() {
    std::lock_guard lock(state_->mutex);
    if (state_->stop || state_->queue.empty() || Clock::now() - state_->queue.front().since < patience) return;
    for (std::size_t i = 0; i < 8 && i < state_->queue.size() && state_->threads < most_threads; ++i)
        add_thread(state_);
}

bool Workers::has_backlog() const {
    std::lock_guard lock(state_->mutex);
    return !state_->queue.empty();
}

int Workers::threads() const {
    std::lock_guard lock(state_->mutex);
    return state_->threads;
}

}  // namespace gantry::http
