// Where one of the build's outputs goes on this side: a file, a directory or standard output.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include <gantry/result.hpp>

#include "core/cli/build/specs.hpp"

namespace gantry::cli {

class OutputSink {
public:
    virtual ~OutputSink() = default;
    virtual Result<void> push(std::string_view bytes) = 0;
    // All has come: the file takes its place, the directory its modes. Without it a file is not left behind.
    virtual Result<void> finish() = 0;
    // What was left out, in a sentence; "" for nothing.
    virtual std::string note() const { return {}; }

    // `output.target` is not the engine. GANTRY_INVALID, GANTRY_DENIED: the place cannot be written to.
    static Result<std::unique_ptr<OutputSink>> create(const BuildOutput& output);
};

}  // namespace gantry::cli
