// A tar archive pushed in as it comes: ustar, pax and GNU long names. What is in it is handed on; nothing is written here.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include <gantry/result.hpp>

namespace gantry::cli {

struct TarEntry {
    enum class Kind { file = 1, directory, symbolic_link, hard_link, other };
    Kind kind = Kind::file;
    std::string path, link;  // as the archive has them: hostile
    std::uint64_t size = 0;
    std::uint32_t mode = 0;
    std::int64_t mtime_s = 0;
    std::int64_t mtime_ns = 0;  // of the second
};

// True where 512 bytes or more look like the head of a tar archive.
bool looks_like_tar(std::string_view bytes);

class TarReader {
public:
    struct Sink {
        std::function<Result<void>(const TarEntry&)> entry;  // a new one; of a file, `data` follows, then `end`
        std::function<Result<void>(std::string_view)> data;
        std::function<Result<void>()> end;
    };
    explicit TarReader(Sink sink) : sink_(std::move(sink)) {}
    // GANTRY_CORRUPT: not such an archive; or the sink's own error.
    Result<void> push(std::string_view bytes);
    // No more comes. GANTRY_CORRUPT: that is in the middle of an entry.
    Result<void> finish();

private:
    enum class State { header = 1, records, data, padding, done };
    Result<void> take_header(std::string_view block);
    Result<void> take_records();

    Sink sink_;
    State state_ = State::header;
    std::string block_;       // a header, or the records of a special entry, as far as they have come
    char special_ = 0;        // 'x', 'g', 'L', 'K': what block_ is
    std::uint64_t left_ = 0;  // of records or data
    std::uint64_t padding_ = 0;
    std::map<std::string, std::string> global_, local_;  // pax
    bool is_file_ = false;
};

}  // namespace gantry::cli
