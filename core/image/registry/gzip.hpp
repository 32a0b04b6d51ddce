// gzip without a name and a time: the same bytes always become the same.
#pragma once
#include <functional>
#include <memory>
#include <string_view>

#include <gantry/result.hpp>

namespace gantry::image::registry {

class Gzip {
public:
    // `to` takes what comes out; its Error is what write() gives.
    explicit Gzip(std::function<Result<void>(std::string_view)> to);
    ~Gzip();
    Gzip(const Gzip&) = delete;
    Gzip& operator=(const Gzip&) = delete;
    // `last`: these, which may be none, are the last bytes.
    Result<void> write(std::string_view bytes, bool last);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::image::registry
