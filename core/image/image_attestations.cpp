// What is attested of an image, read from what it came with.
#include <gantry/driver.hpp>

#include "core/image/attestation.hpp"
#include "core/image/catalog_indexes.hpp"
#include "core/image/image_store_impl.hpp"
#include "core/image/media_types.hpp"
#include "core/image/strict_json.hpp"

namespace gantry::image {

Result<std::vector<ImageStore::Statement>> ImageStore::statements_of(const std::string& id) {
    const auto record = impl_->catalog.record(id);
    if (!record) return no_such_image(id);
    std::vector<Statement> all;
    for (const Attestation& one : record->attestations) {
        GANTRY_TRY(std::string text, impl_->blobs.read(one.digest, max_document_bytes));
        GANTRY_TRY(auto document, parse_attestation(text, one.digest, one.media_type, record->manifest));
        for (Json& layer : document.statements) {
            const Json notes = member<Json>(layer, "annotations", Json::object());
            auto predicate = notes.is_object() ? member<std::string>(notes, media::predicate_type) : std::string();
            all.push_back({std::move(layer), std::move(predicate)});
        }
    }
    return all;
}

Result<std::string> ImageStore::statement(const Statement& statement) {
    const auto digest = member<std::string>(statement.descriptor, "digest");
    GANTRY_TRY(std::string text, impl_->blobs.read(digest, static_cast<std::size_t>(max_statement_bytes)));
    const std::size_t begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string::npos || text[begin] != '{' || !Json::accept(text))
        return fail(Code::corrupt, "the statement \"" + digest + "\" is not a JSON object");
    return text;
}

}  // namespace gantry::image
