// Dockerfiles: planned against images that a hostile registry may have, or refused with the line told; the same each time.
#include "core/build/dockerfile/dockerfile.hpp"
#include "tests/fuzz/require.hpp"

namespace {

using namespace gantry;
namespace dockerfile = build::dockerfile;

Result<dockerfile::ResolvedImage> resolve(const std::string& reference, const build::Platform&) {
    if (reference.find("missing") != std::string::npos) return fail(Code::not_found, "no such image");
    static const Json config = Json::parse(R"({"architecture": "amd64", "os": "linux", "config": {
        "Env": ["PATH=/bin", "A=b", "=", "NOTHING"], "Cmd": ["sh"], "Entrypoint": null, "WorkingDir": "/work", "User": "1",
        "OnBuild": ["RUN triggered $A", "COPY . /x", "ARG FROM_TRIGGER"], "Shell": ["/bin/sh", "-c"], "Labels": {"l": "1"},
        "Volumes": {"/v": {}}, "ExposedPorts": {"80/tcp": {}}}, "rootfs": {"type": "layers", "diff_ids": []}})");
    Json own = config;
    if (reference.find("plain") != std::string::npos) own["config"].erase("OnBuild");
    return dockerfile::ResolvedImage{reference, "sha256:" + std::string(64, 'a'), own};
}

std::string outcome(std::string_view text, bool all_stages) {
    dockerfile::PlanOptions options;
    options.platform.os = options.build_platform.os = "linux";
    options.platform.architecture = options.build_platform.architecture = "amd64";
    options.args = {{"GIVEN", "value"}, {"HTTP_PROXY", "http://proxy"}};
    options.all_stages = all_stages;
    options.ignore_lines = {"*.log"};
    dockerfile::Diagnosis diagnosis;
    auto graph = dockerfile::plan(text, options, resolve, &diagnosis);
    if (graph) return "planned";
    fuzz::require_told(graph.error().text);
    return graph.error().text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = fuzz::text_of(data, size);
    const std::string first = outcome(text, false);
    fuzz::require(first == outcome(text, false), "planned again, it is another outcome: " + first);
    (void)outcome(text, true);
    return 0;
}
