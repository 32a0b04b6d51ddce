// The standard streams of a request: its descriptors, /dev/null where it has none.
#pragma once
#include <array>

#include <gantry/driver.hpp>
#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::native {

class Stdio {
public:
    static Result<Stdio> open(const Fds& fds);
    const std::array<int, 3>& numbers() const { return numbers_; }

private:
    std::array<int, 3> numbers_{-1, -1, -1};
    UniqueFd null_;
};

}  // namespace gantry::native
