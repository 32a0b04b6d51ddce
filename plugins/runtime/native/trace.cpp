#include "trace.hpp"

#include <time.h>

namespace gantry::native {
namespace {

long now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

}  // namespace

Trace::Trace(bool on) : on_(on), last_ns_(on ? now_ns() : 0) {}

void Trace::step(const char* name) {
    if (!on_) return;
    const long now = now_ns();
    text_ += std::string(name) + " " + std::to_string((now - last_ns_) / 1000) + "\n";
    last_ns_ = now;
}

}  // namespace gantry::native
