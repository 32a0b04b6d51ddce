// What a Dockerfile may cost. Far above what people write, low enough that nobody fills the engine's memory.
#pragma once
#include <cstddef>

namespace gantry::build::dockerfile {

inline constexpr std::size_t kMaxText = 2 << 20;          // bytes of a Dockerfile
inline constexpr std::size_t kMaxLine = 256 << 10;        // bytes of an instruction with its continuations
inline constexpr std::size_t kMaxInstructions = 10'000;   // triggers of base images with them
inline constexpr std::size_t kMaxStages = 1'000;          //
inline constexpr std::size_t kMaxValue = 128 << 10;       // bytes of an expanded word: what Linux takes as one argument
inline constexpr std::size_t kMaxEnvironment = 1 << 20;   // bytes of all variables of a stage
inline constexpr std::size_t kMaxPlan = 64 << 20;         // bytes of everything that a plan is made of
inline constexpr std::size_t kMaxPatternSteps = 1 << 22;  // of matching the patterns of "${v#p}" and the like
inline constexpr std::size_t kMaxExpansionDepth = 32;     // "${a:-${b:-..}}"
inline constexpr std::size_t kMaxWarnings = 1'000;        // the rest is left out
inline constexpr std::size_t kMaxMounts = 100;            // of one RUN

}  // namespace gantry::build::dockerfile
