// An answer that is a tar stream: begins when the first byte is due, so that what fails before still has its status, and
// breaks the connection where it cannot go on to its end.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "core/archive/tar_writer.hpp"
#include "core/daemon/http/http.hpp"

namespace gantry::daemon {

class ArchiveReply {
public:
    explicit ArchiveReply(std::shared_ptr<http::Responder> reply) : reply_(std::move(reply)) {}
    // 200 and these headers; gives where the bytes go. Once.
    archive::Sink begin(const std::map<std::string, std::string>& headers = {});
    // The end, as it went.
    void end(const Result<void>& done);

private:
    std::shared_ptr<http::Responder> reply_;
    std::shared_ptr<http::Stream> stream_;
};

}  // namespace gantry::daemon
