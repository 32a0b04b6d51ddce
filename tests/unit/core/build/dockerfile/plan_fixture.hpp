// Plans with images that are made up here.
#pragma once
#include <gtest/gtest.h>

#include "core/build/dockerfile/dockerfile.hpp"
#include "core/image/references.hpp"

namespace gantry::build::dockerfile {

// What a short name has before it when it is complete.
inline const std::string library = [] {
    std::string name = image::qualified_name("x");
    name.pop_back();
    return name;
}();

struct PlanTest : testing::Test {
    PlanTest() {
        options.platform = options.build_platform = {"linux", "amd64", ""};
        image("debian:12", R"({"Env":["PATH=/bin"],"Cmd":["bash"]})");
        image("python:3.9-slim-buster", R"({"Env":["PATH=/usr/local/bin:/bin","LANG=C.UTF-8"],"Cmd":["python3"]})");
    }
    void image(const std::string& reference, const std::string& config, const std::string& more = "{}") {
        Json document = {{"architecture", "amd64"},
                         {"os", "linux"},
                         {"created", "2024-01-01T00:00:00Z"},
                         {"rootfs", {{"type", "layers"}, {"diff_ids", {"sha256:base"}}}},
                         {"history", Json::array({{{"created_by", "base of " + reference}}})}};
        document["config"] = Json::parse(config);
        document.update(Json::parse(more));
        images[library + reference + (reference.find(':') == std::string::npos ? ":latest" : "")] = document;
    }
    Result<Graph> try_plan(std::string_view text) {
        asked.clear();
        diagnosis = {};
        return dockerfile::plan(
            text, options,
            [this](const std::string& reference, const Platform& platform) -> Result<ResolvedImage> {
                asked.push_back(reference + " " + platform.text());
                auto found = images.find(reference);
                if (found == images.end()) return fail(Code::not_found, "no such image");
                return ResolvedImage{reference, "sha256:config", found->second};
            },
            &diagnosis);
    }
    Graph plan(std::string_view text) {
        auto graph = try_plan(text);
        EXPECT_TRUE(graph) << text << "\n" << (graph ? "" : graph.error().text);
        return graph ? std::move(*graph) : Graph();
    }
    std::string error(std::string_view text) {
        auto graph = try_plan(text);
        EXPECT_FALSE(graph) << text;
        return graph ? "" : graph.error().text;
    }
    Json config(std::string_view text) { return plan(text).target.config["config"]; }

    static std::vector<std::string> names(const Graph& graph) {
        std::vector<std::string> names;
        for (const Step& step : graph.steps) names.push_back(step.name);
        return names;
    }
    static std::vector<std::string> history(const Graph& graph) {
        std::vector<std::string> entries;
        for (const Json& entry : graph.target.config["history"])
            entries.push_back(entry.value("created_by", "") + (entry.value("empty_layer", false) ? " -" : ""));
        return entries;
    }
    template <typename Kind>
    static std::vector<const Kind*> all(const Graph& graph) {
        std::vector<const Kind*> found;
        for (const Step& step : graph.steps)
            if (const auto* operation = std::get_if<Kind>(&step.operation)) found.push_back(operation);
        return found;
    }
    static const CopyAction& copy(const Graph& graph, std::size_t change = 0, std::size_t action = 0) {
        return std::get<CopyAction>(all<FileChange>(graph).at(change)->actions.at(action));
    }
    // "Rule:line message", in the order found.
    static std::vector<std::string> shown(const std::vector<Warning>& warnings) {
        std::vector<std::string> lines;
        for (const Warning& warning : warnings)
            lines.push_back(warning.rule + ":" + std::to_string(warning.lines.first) + " " + warning.message);
        return lines;
    }

    PlanOptions options;
    Diagnosis diagnosis;
    std::map<std::string, Json> images;
    std::vector<std::string> asked;
};

using Words = std::vector<std::string>;

}  // namespace gantry::build::dockerfile
