// The source of a network that is written down in documents of a directory (document.hpp); changes of its files take
// effect at once.
#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include <gantry/unique_fd.hpp>

#include "plugins/network/overlay/document.hpp"

namespace gantry::overlay {

class Documents final : public Source {
public:
    // `vtep`: this host's address, "": the one of the document that this machine has.
    static Result<std::unique_ptr<Documents>> create(std::string directory, std::string network, std::string vtep,
                                                     std::function<void(const std::string&)> warn);
    ~Documents() override;

    Result<Facts> join(const Block& subnet, std::uint32_t gateway, bool fixed) override;
    void watch(std::function<void(bool whole)> changed) override;
    std::vector<Peer> peers() override;
    Result<Ranges> ranges(bool more) override;
    Result<void> claim(std::uint32_t address) override;
    void release(std::uint32_t) override {}
    void publish(std::vector<Member>, bool) override {}
    Result<void> leave() override { return {}; }
    Json status() override;

private:
    Documents(std::string directory, std::string network, std::string vtep,
              std::function<void(const std::string&)> warn, UniqueFd notes, UniqueFd stop);
    Result<void> load();  // keeps what was known where the documents are bad
    void run();
    // This host among those of the document, or GANTRY_NOT_FOUND.
    static Result<const DocumentHost*> own(const Document& document, const std::string& vtep);

    const std::string directory_, network_, vtep_;
    const std::function<void(const std::string&)> warn_;
    UniqueFd notes_, stop_;
    std::function<void(bool whole)> changed_;
    std::mutex mutex_;
    std::optional<Document> document_;
    std::string problem_;  // of the documents as they are now
    std::thread thread_;
};

}  // namespace gantry::overlay
