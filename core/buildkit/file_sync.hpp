// A client's directories, as the packets of its session's FileSync bring them.
#pragma once
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/buildkit/client_session.hpp"

namespace gantry::buildkit {

// One build's. Thread-safe.
class FileSync {
public:
    explicit FileSync(std::shared_ptr<ClientSession> session);
    // Another session serves this directory. Before the first use.
    void serve_from(const std::string& directory, std::shared_ptr<ClientSession> session);
    ~FileSync();

    // All of `directory` that `paths` name (none: all), less what `exclude` shuts out: items of "entries", in the order in which
    // the client tells them, some at a time.
    Result<void> walk(const std::string& directory, const std::vector<std::string>& paths,
                      const std::vector<std::string>& exclude,
                      const std::function<Result<void>(Json entries)>& entries);
    // The content of files that a walk told of, in this order: bytes as often as need be, the last with `end`. Each once a walk.
    Result<void> fetch(
        const std::string& directory, const std::vector<std::string>& paths,
        const std::function<Result<void>(const std::string& path, std::string_view bytes, bool end)>& data);
    // The texts of these files of `directory`, those that are there. GANTRY_EXHAUSTED: one is larger than 1 MiB.
    Result<std::map<std::string, std::string>> read(const std::string& directory,
                                                    const std::vector<std::string>& names);
    // Ends what is under way; later calls fail.
    void cancel();

private:
    struct Stream;
    Result<std::shared_ptr<Stream>> open(const std::string& directory, const std::vector<std::string>& paths,
                                         const std::vector<std::string>& exclude);

    const std::shared_ptr<ClientSession> session_;
    std::map<std::string, std::shared_ptr<ClientSession>> others_;
    std::mutex mutex_;  // the two below
    bool cancelled_ = false;
    std::list<std::pair<std::string, std::shared_ptr<Stream>>> streams_;  // the newest first
};

}  // namespace gantry::buildkit
