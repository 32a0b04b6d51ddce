// Attestations as BuildKit writes them: entries of an index that speak about an image beside them. Such an entry's manifest
// names in-toto statements as its layers. They are kept as they came, and bounded; what they state is nobody's here to judge.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "core/image/image_record.hpp"

namespace gantry::image {

inline constexpr std::size_t max_attestations = 16;  // of one image
inline constexpr std::size_t max_attestation_layers = 64;
inline constexpr std::int64_t max_statement_bytes = 32 << 20;
inline constexpr std::int64_t max_attested_bytes = 64 << 20;  // of all blobs of one image's

// Whether an index's entry speaks about another one: it is no image then, whatever else it says.
bool speaks_of_another(const Json& entry);
// The digest of the image manifest that an index's entry attests, "" for an entry that is no attestation or whose digests are
// not such.
std::string attested_by(const Json& entry);

struct AttestationDocument {
    std::vector<LayerBlob> blobs;  // what the manifest names: its config, then its layers; each once
    std::vector<Json> statements;  // the descriptors of its in-toto layers
};
// The manifest of an attestation of the image manifest `image`; `type` is what the index calls it. GANTRY_INVALID: not a manifest
// of exactly one meaning, descriptors without valid digest and size, or a "subject" that is another image. GANTRY_EXHAUSTED:
// more or larger layers than are kept.
Result<AttestationDocument> parse_attestation(std::string_view text, const std::string& digest, std::string_view type,
                                              const std::string& image);

// Whether one more is kept beside those that an image has. GANTRY_EXHAUSTED says why it is not.
Result<void> fits_beside(const std::vector<Attestation>& kept, const Attestation& more);

// Those of an image that comes (`added`) and the ones that it has here already, of the same manifest, within the bounds.
std::vector<Attestation> joined_attestations(std::vector<Attestation> added, const std::vector<Attestation>& there);

// The entry of an index for an attestation of `image`, as BuildKit writes it.
Json attestation_entry(const Attestation& attestation, const std::string& image);

}  // namespace gantry::image
