// The source of a network that neither etcd nor a document knows: this host has it for itself.
#pragma once
#include <condition_variable>
#include <mutex>
#include <thread>

#include "plugins/network/overlay/source.hpp"

namespace gantry::overlay {

struct AloneNetwork {
    std::string id;         // what the engine calls it
    std::string vtep;       // "": the address of the default route, or that of the loopback
    std::uint32_t vni = 0;  // 0: one that follows from the id
    std::string directory;  // where this host's name is kept
};

class Alone final : public Source {
public:
    static Result<std::unique_ptr<Alone>> create(const AloneNetwork& network);
    ~Alone() override;

    Result<Facts> join(const Block& subnet, std::uint32_t gateway, bool fixed) override;
    void watch(std::function<void(bool whole)> changed) override;
    std::vector<Peer> peers() override { return {}; }
    Result<Ranges> ranges(bool more) override;
    Result<void> claim(std::uint32_t) override { return {}; }
    void release(std::uint32_t) override {}
    void publish(std::vector<Member>, bool) override {}
    Result<void> leave() override { return {}; }
    Json status() override;

private:
    explicit Alone(Facts facts) : facts_(std::move(facts)) {}
    void run();

    std::function<void(bool whole)> changed_;
    std::mutex mutex_;
    std::condition_variable wake_;
    Facts facts_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace gantry::overlay
