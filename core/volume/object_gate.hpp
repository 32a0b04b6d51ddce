// One call at a time per object: drivers are promised that the calls of one object never overlap. No lock is held
// while the holder of a gate works; others wait for that one object only.
#pragma once
#include <condition_variable>
#include <mutex>
#include <set>
#include <string>

#include <gantry/result.hpp>

namespace gantry::volume {

class ObjectGate {
public:
    // Holds the gate of one object until destroyed.
    class Pass {
    public:
        Pass(ObjectGate* gate, std::string name) : gate_(gate), name_(std::move(name)) {}
        Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)), name_(std::move(other.name_)) {}
        Pass(const Pass&) = delete;
        Pass& operator=(const Pass&) = delete;
        Pass& operator=(Pass&&) = delete;
        ~Pass();

    private:
        ObjectGate* gate_;
        std::string name_;
    };

    // Waits for the object `name`, five minutes at most: then GANTRY_RETRY_LATER.
    Result<Pass> enter(const std::string& name);

private:
    std::mutex mutex_;
    std::condition_variable left_;
    std::set<std::string> inside_;
};

}  // namespace gantry::volume
