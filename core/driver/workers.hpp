// A few threads that run one driver's operations, so that one that never returns costs a thread here and not its caller.
#pragma once
#include <functional>
#include <memory>

namespace gantry::driver {

class Workers {
public:
    // No thread is made before it is needed; each ends after some seconds without work; never more than `most`.
    explicit Workers(std::size_t most);
    // Threads that are idle end; one that is inside a driver is left to itself.
    ~Workers();
    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;

    // Runs `work` on one of them, now or when one is free. It must not throw. False: no thread could be made.
    bool submit(std::function<void()> work);

private:
    struct State;
    static void loop(const std::shared_ptr<State>& state) noexcept;
    std::shared_ptr<State> state_;
};

}  // namespace gantry::driver
