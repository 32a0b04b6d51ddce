// Manifests and indexes of image archives. The input is text: a line "== NAME" begins a member, what follows is its content.
// In both "@N@" stands for the digest, in hexadecimal digits, of member N's content (counted from 0, an earlier one), and
// in a name "@@" for that of the member itself, so that an input of any kind has the digests it needs.
#include "core/image/archive_plan.hpp"
#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/fuzz/scratch.hpp"
#include "tests/unit/plugins/storage/tar_maker.hpp"

namespace {

using namespace gantry;

class Memory final : public image::ByteSource {
public:
    explicit Memory(std::string_view bytes) : rest_(bytes) {}
    Result<std::size_t> read(char* data, std::size_t size) override {
        const std::size_t n = std::min(rest_.size(), size);
        std::copy_n(rest_.data(), n, data);
        rest_.remove_prefix(n);
        return n;
    }

private:
    std::string_view rest_;
};

std::string filled_in(std::string_view text, const std::vector<std::string>& digests, const std::string& own) {
    std::string out;
    while (!text.empty()) {
        const std::size_t at = text.find('@');
        out += text.substr(0, at);
        if (at == std::string_view::npos) break;
        text.remove_prefix(at + 1);
        const std::size_t end = text.find('@');
        const auto number = parse_int(text.substr(0, end));
        if (end == 0) {
            out += own;
        } else if (end != std::string_view::npos && number && *number >= 0 &&
                   static_cast<std::size_t>(*number) < digests.size()) {
            out += digests[static_cast<std::size_t>(*number)];
        } else {
            out += '@';
            continue;
        }
        text.remove_prefix(end + 1);
    }
    return out;
}

std::string archive_of(std::string_view text) {
    test::TarMaker tar;
    std::vector<std::string> digests;
    while (text.starts_with("== ")) {
        const std::size_t line = std::min(text.find('\n'), text.size());
        const std::string_view name = text.substr(3, line - 3);
        text.remove_prefix(std::min(line + 1, text.size()));
        const std::size_t next = text.starts_with("== ") ? 0 : text.find("\n== ");
        const std::string content = filled_in(text.substr(0, next), digests, "");
        text = next == std::string_view::npos ? std::string_view() : text.substr(next == 0 ? 0 : next + 1);
        digests.emplace_back(image::hex_of(image::digest_of(content)));
        tar.file(filled_in(name, digests, digests.back()), content);
    }
    return tar.done();
}

void check(const image::PlannedImage& planned) {
    fuzz::require(image::valid_digest(planned.id), "an id that is no digest");
    fuzz::require(image::digest_of(planned.config_text) == planned.id, "an id of another config");
    fuzz::require(planned.layers.size() == image::diff_ids_of(planned.config).size(), "layers that no diff id counts");
    for (const auto& layer : planned.layers)
        fuzz::require(layer.file != nullptr && image::valid_digest(layer.diff_id), "a layer without file or digest");
    for (const std::string& tag : planned.tags) {
        auto reference = image::parse_reference(tag);
        fuzz::require(reference && reference->name + ":" + reference->tag == tag, "a tag that is no reference: " + tag);
    }
    fuzz::require(planned.manifest.empty() || image::digest_of(planned.manifest_text) == planned.manifest,
                  "a manifest of another digest");
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    fuzz::make_scratch();
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto blobs = image::BlobStore::open(fuzz::in_scratch("store"));
    fuzz::require(bool(blobs), "the store cannot be made");
    {
        const std::string tar = archive_of(fuzz::text_of(data, size));
        Memory stream(tar);
        auto spool = image::Spool::read(stream, *blobs);
        if (!spool) {
            fuzz::require_told(spool.error().text);
        } else if (auto plan = image::plan_archive(*spool); !plan) {
            fuzz::require_told(plan.error().text);
        } else {
            fuzz::require(!plan->empty(), "a plan without an image");
            for (const auto& planned : *plan) check(planned);
        }
    }
    auto left = list_directory(fuzz::in_scratch("store/tmp"));
    fuzz::require(left && left->empty(), "files are left behind");
    return 0;
}
