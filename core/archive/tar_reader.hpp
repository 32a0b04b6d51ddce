// The members of a tar stream, one after another. What it gives is hostile: names may be anything.
#pragma once
#include <functional>
#include <memory>
#include <optional>

#include <gantry/result.hpp>

#include "core/archive/member.hpp"

namespace gantry::archive {

// Up to `size` bytes of a stream; 0 is its end.
using Source = std::function<Result<std::size_t>(char* data, std::size_t size)>;
// A source that reads from a descriptor, borrowed.
Source source_from(int fd);

class TarReader {
public:
    static Result<std::unique_ptr<TarReader>> create(Source source);
    ~TarReader();

    // The next member; nullopt at the end. GANTRY_INVALID: not a tar stream, damaged or cut off.
    Result<std::optional<Member>> next();
    // The next piece of the member's content, "" at its end. Valid until the next call.
    Result<std::string_view> data();
    // Whether what data() gave last are the zeros of a hole of a sparse file, which need not be written.
    bool hole() const;

private:
    struct Impl;
    explicit TarReader(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::archive
