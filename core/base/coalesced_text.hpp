// One text for all who ask for it at the same time.
#pragma once
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace gantry {

class CoalescedText {
public:
    using Text = std::shared_ptr<const std::string>;
    // What `make` gives, made after this call began: by this thread, or by another that asks too. While one is being made,
    // those who come wait for the next, and share that. Throws what the making it waits for has thrown. Any thread; `make`
    // runs without a lock, one at a time.
    Text get(const std::function<std::string()>& make);

private:
    struct Making;

    std::mutex mutex_;
    std::shared_ptr<Making> now_, next_;
};

}  // namespace gantry
