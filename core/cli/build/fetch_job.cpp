#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cli/build/beneath.hpp"
#include "core/cli/build/context_jobs.hpp"
#include "core/cli/build/frame.hpp"
#include "core/cli/json_access.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t piece_size = 512u << 10, step_size = 1u << 20;

}  // namespace

Result<std::unique_ptr<Job>> FetchJob::create(int root, const Json& request) {
    auto job = std::make_unique<FetchJob>();
    job->root_ = root;
    job->id_ = member(request, "id");
    job->where_ = request.contains("cache_from") ? "the cache's directory" : "the context";
    const Json& paths = member(request, "paths");
    if (!paths.is_array()) return fail(Code::invalid, "\"paths\" of a fetch is not a list");
    for (const Json& path : paths) {
        std::string text = as_text(path);
        if (text.empty() || text.find('\0') != std::string::npos)
            return fail(Code::invalid, "a path of a fetch is not one");
        job->paths_.push_back(std::move(text));
    }
    return std::unique_ptr<Job>(std::move(job));
}

Result<std::string> FetchJob::read_piece() {
    std::string piece(piece_size, '\0');
    std::size_t have = 0;
    while (have < piece.size()) {
        ssize_t n = ::read(file_.get(), piece.data() + have, piece.size() - have);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("read \"" + paths_[next_] + "\"");
        if (n == 0) break;
        have += static_cast<std::size_t>(n);
    }
    piece.resize(have);
    return piece;
}

Result<bool> FetchJob::step(std::string& out) {
    for (std::size_t sent = 0; sent < step_size && next_ < paths_.size();) {
        const std::string& path = paths_[next_];
        if (!file_) {
            GANTRY_TRY(file_, open_beneath(root_, path, O_RDONLY, Links::none).context(where_));
            struct stat info {};
            if (::fstat(file_.get(), &info) != 0) return fail_errno("stat \"" + path + "\"");
            if (!S_ISREG(info.st_mode))
                return fail(Code::invalid, "\"" + path + "\" in " + where_ + " is not a regular file");
            GANTRY_TRY(piece_, read_piece());
        }
        // Which piece is the last is known once the next one has been looked for.
        std::string next;
        if (piece_.size() == piece_size) {
            GANTRY_TRY(next, read_piece());
        }
        Json header{{"type", "data"}, {"id", id_}, {"path", path}};
        if (next.empty()) header["eof"] = true;
        GANTRY_TRY(std::string frame, encode_frame(header, piece_));
        sent += frame.size();
        out += frame;
        piece_ = std::move(next);
        if (!piece_.empty()) continue;
        file_.reset();
        ++next_;
    }
    if (next_ < paths_.size()) return true;
    GANTRY_TRY(std::string end, encode_frame({{"type", "end"}, {"id", id_}}));
    out += end;
    return false;
}

}  // namespace gantry::cli
