// Image references: what is accepted reads the same when written out, and never climbs out of a path.
#include "core/image/digest.hpp"
#include "core/image/references.hpp"
#include "tests/fuzz/require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gantry;
    auto reference = image::parse_reference(fuzz::text_of(data, size));
    if (!reference) {
        fuzz::require_told(reference.error().text);
        return 0;
    }
    fuzz::require(!reference->name.empty() && reference->name.size() <= 255, "a name of a bad length");
    fuzz::require(reference->name.find("..") == std::string::npos && reference->name.front() != '/' &&
                      reference->name.find("//") == std::string::npos && reference->name.back() != '/',
                  "a name that is no path below another: " + reference->name);
    fuzz::require(reference->digest.empty() || image::valid_digest(reference->digest), "a bad digest");
    fuzz::require(!reference->tag.empty() || !reference->digest.empty(), "neither tag nor digest");
    fuzz::require(reference->tag.find('/') == std::string::npos && reference->tag.find(':') == std::string::npos,
                  "a tag with a separator");
    auto again = image::parse_reference(reference->text());
    fuzz::require(bool(again), "refused when written out: " + reference->text());
    fuzz::require(again->text() == reference->text(), "\"" + reference->text() + "\" reads as " + again->text());
    return 0;
}
