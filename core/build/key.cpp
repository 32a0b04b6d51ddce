#include "core/build/key.hpp"

#include "core/image/digest.hpp"

namespace gantry::build {
namespace {

// Raised whenever a step of the same words gives another result than before.
constexpr int version = 1;

Json json_of(const KeyInputs& inputs) {
    Json from = Json::array();
    for (const auto& [place, identity] : inputs.from) from.push_back({place, identity});
    return {{"base", inputs.base},
            {"from", from},
            {"hosts", inputs.hosts},
            {"platform", inputs.platform},
            {"epoch", inputs.epoch}};
}

// CBOR, not JSON: text need not be UTF-8, and two different ones must stay different.
std::string digest(const Json& document) {
    const std::vector<std::uint8_t> bytes = Json::to_cbor(document);
    return image::digest_of({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

Json json_of(const CopyAction& copy) {
    Json files = Json::array();
    for (const auto& file : copy.inline_files)
        files.push_back({{"name", file.name}, {"content", image::digest_of(file.content)}});
    return {{"sources", copy.sources},  {"files", files},    {"destination", copy.destination},
            {"owner", copy.owner.text}, {"mode", copy.mode}, {"parents", copy.parents},
            {"unpack", copy.unpack},    {"link", copy.link}, {"exclude", copy.exclude}};
}

}  // namespace

std::string key_of(const FileChange& change, const KeyInputs& inputs) {
    Json actions = Json::array();
    for (const auto& action : change.actions)
        if (auto copy = std::get_if<CopyAction>(&action))
            actions.push_back({{"copy", json_of(*copy)}});
        else {
            const auto& directory = std::get<MakeDirectory>(action);
            actions.push_back({{"mkdir", {{"path", directory.path}, {"owner", directory.owner.text}}}});
        }
    return digest({{"version", version}, {"files", actions}, {"inputs", json_of(inputs)}});
}

std::string key_of(const Exec& exec, const KeyInputs& inputs) {
    Json mounts = Json::array();
    for (const Mount& mount : exec.mounts)
        mounts.push_back({{"kind", static_cast<int>(mount.kind)},
                          {"target", mount.target},
                          {"source", mount.source},
                          {"writable", mount.writable},
                          {"id", mount.id},
                          {"sharing", static_cast<int>(mount.sharing)},
                          {"size", mount.size},
                          {"env", mount.env},
                          {"required", mount.required},
                          {"mode", mount.mode ? static_cast<std::int64_t>(*mount.mode) : -1},
                          {"uid", mount.uid},
                          {"gid", mount.gid},
                          {"content", image::digest_of(mount.content)}});
    return digest({{"version", version},
                   {"exec",
                    {{"argv", exec.argv},
                     {"env", exec.env},
                     {"workdir", exec.workdir},
                     {"user", exec.user},
                     {"mounts", mounts},
                     {"network", static_cast<int>(exec.network)},
                     {"insecure", exec.insecure}}},
                   {"inputs", json_of(inputs)}});
}

}  // namespace gantry::build
