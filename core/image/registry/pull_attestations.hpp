// The attestations that an index has beside an image which is pulled from it: fetched while its layers are, kept with it.
#pragma once
#include "core/image/attestation.hpp"
#include "core/image/registry/remote.hpp"
#include "core/image/registry/service_impl.hpp"

namespace gantry::image::registry {

class AttestationPull {
public:
    AttestationPull(Service::Impl& service, std::shared_ptr<Sources> sources, std::size_t source, Cancelled cancelled,
                    int side_by_side)
        : service_(service),
          sources_(std::move(sources)),
          source_(source),
          cancelled_(std::move(cancelled)),
          side_by_side_(side_by_side) {}

    // Reads the manifests and begins to fetch what they name. One that the registry does not have, or that is larger than what
    // is kept, is left out; one that is not what the index says fails the pull.
    Result<void> begin(const Resolved& resolved, Pins::Hold& hold);
    // Waits for what was begun; its blobs are linked.
    Result<void> take(ImageStore::Impl::Made& made);
    // Once they are recorded.
    void discard_partials();

    const std::vector<Attestation>& kept() const { return kept_; }
    const std::vector<std::string>& left_out() const { return left_out_; }  // why, one line each

private:
    struct Part {
        Descriptor blob;
        std::optional<Downloads::Place> place = {};  // none: it is here
    };
    Result<std::string> manifest_text(const Descriptor& entry);
    Result<void> add(const Descriptor& entry, const std::string& image, Pins::Hold& hold);
    Result<void> begin(const LayerBlob& blob, Pins::Hold& hold);
    Result<void> settle(Part& part);
    // Nothing where the attestation is to be left out for this reason.
    Result<void> judge(const Error& failed);

    Service::Impl& service_;
    const std::shared_ptr<Sources> sources_;
    const std::size_t source_;
    const Cancelled cancelled_;
    const int side_by_side_;
    std::vector<Attestation> kept_;
    std::map<std::string, std::string> texts_;  // of the manifests, by digest
    std::map<std::string, Part> parts_;         // by digest
    std::vector<std::string> left_out_;
};

}  // namespace gantry::image::registry
