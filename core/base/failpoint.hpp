// Failpoints: named places at which a test makes a fault happen. Compiled in only with GANTRY_FAILPOINTS; elsewhere
// the macros are nothing. Turned on by the environment: GANTRY_FAILPOINT="name=action[;name=action]", action:
// kill (SIGKILL to this process), error (the call fails with code internal), enospc (fails with ENOSPC),
// delay:MS, pause:PATH (makes the file PATH.reached, and waits until the file PATH exists).
#pragma once
#include <string_view>
#include <vector>

#include <gantry/result.hpp>

namespace gantry::failpoint {

// Registers a name at load time; the macros do this.
struct Registered {
    explicit Registered(const char* name);
};
// What the test asked for at `name`: nothing, or the error to return. Kills or waits where it says so.
Result<void> hit(std::string_view name);
// Every name compiled into this program, sorted.
std::vector<std::string_view> names();

}  // namespace gantry::failpoint

#ifdef GANTRY_FAILPOINTS
// In a function that returns Result: a place where a step may fail or the process may die.
#define GANTRY_FAILPOINT(name)                                                                \
    do {                                                                                      \
        static constinit const char gantry_failpoint_name[] = name;                           \
        (void)::gantry::failpoint::registered<[] { return std::string_view(name); }>;         \
        if (auto gantry_hit_ = ::gantry::failpoint::hit(gantry_failpoint_name); !gantry_hit_) \
            return std::move(gantry_hit_).error();                                            \
    } while (false)
// The same in a function that cannot fail: only kill, delay and pause have an effect.
#define GANTRY_FAILPOINT_VOID(name)                                                   \
    do {                                                                              \
        (void)::gantry::failpoint::registered<[] { return std::string_view(name); }>; \
        (void)::gantry::failpoint::hit(name);                                         \
    } while (false)
namespace gantry::failpoint {
template <auto name>
inline const Registered registered{name().data()};
}
#else
#define GANTRY_FAILPOINT(name) \
    do {                       \
    } while (false)
#define GANTRY_FAILPOINT_VOID(name) GANTRY_FAILPOINT(name)
#endif
