#include "core/daemon/api/archive_reply.hpp"

#include "core/base/log.hpp"

namespace gantry::daemon {

archive::Sink ArchiveReply::begin(const std::map<std::string, std::string>& headers) {
    stream_ = reply_->stream(200, "application/x-tar", headers);
    return [stream = stream_](std::string_view bytes) { return stream->write(bytes); };
}

void ArchiveReply::end(const Result<void>& done) {
    if (!done && !stream_) return reply_->error(done.error());
    if (!done) {
        if (done.error().code != Code::cancelled)
            log::warn("an archive was cut off while it was sent", {{"reason", done.error().text}});
        stream_->abort();
    }
    stream_.reset();
    reply_.reset();
}

}  // namespace gantry::daemon
