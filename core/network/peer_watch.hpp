// Networks of which a driver said that something changed on other hosts: looked after on a thread of its own, one after
// another, each once however often it was told of meanwhile.
#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>

namespace gantry::network {

class PeerWatch {
public:
    // `look` is called on the thread with a network's id.
    explicit PeerWatch(std::function<void(const std::string& network)> look) : look_(std::move(look)) {}
    ~PeerWatch() { stop(); }
    PeerWatch(const PeerWatch&) = delete;
    PeerWatch& operator=(const PeerWatch&) = delete;

    // Does not block; any thread, also after stop().
    void tell(const std::string& network);
    // No call comes after it has returned.
    void stop();

private:
    void run();
    const std::function<void(const std::string&)> look_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<std::string> waiting_;
    bool stopping_ = false;
    std::thread thread_;  // started with the first network
};

}  // namespace gantry::network
