// A tar of files that the engine makes up itself: short names, mode 0644, owner 0:0, no time; the same each time.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <gantry/result.hpp>

namespace gantry::build {

class PlainTar {
public:
    // `write` is borrowed.
    explicit PlainTar(const std::function<Result<void>(std::string_view)>& write) : write_(write) {}
    Result<void> directory(const std::string& name);
    Result<void> file(const std::string& name, std::string_view content);
    // A file whose `size` bytes the caller writes between the two.
    Result<void> begin(const std::string& name, std::int64_t size);
    Result<void> end(std::int64_t size);
    Result<void> finish();

private:
    const std::function<Result<void>(std::string_view)>& write_;
};

}  // namespace gantry::build
