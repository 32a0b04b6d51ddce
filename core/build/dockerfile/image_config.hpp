// The configuration of an image while a stage is planned: what instructions do to it. Its JSON is the OCI image config.
#pragma once
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "core/build/dockerfile/instruction.hpp"
#include "core/build/graph.hpp"

namespace gantry::build::dockerfile {

inline constexpr std::string_view kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

class ImageConfig {
public:
    // Of "scratch".
    explicit ImageConfig(const Platform& platform);
    // Of a base image. Fields are of the kinds that the specification says: GANTRY_INVALID names one that is not.
    static Result<ImageConfig> of_base(const Json& document);

    // The document without "created" and "rootfs".
    Json document() const;
    Platform platform() const;

    std::vector<std::pair<std::string, std::string>> environment() const;
    std::string text(const char* field) const;  // "WorkingDir", "User"; "": absent
    std::vector<std::string> shell() const;     // {"/bin/sh", "-c"} unless SHELL says otherwise
    bool has_shell() const;
    std::vector<std::string> triggers() const;

    void set_platform(const Platform& platform);
    void set_author(const std::string& author) { document_["author"] = author; }
    void set_environment(const std::string& name, const std::string& value);
    void set_label(const std::string& name, const std::string& value);
    void set_text(const char* field, const std::string& value) { config()[field] = value; }
    void set_list(const char* field, const std::vector<std::string>& words) { config()[field] = words; }
    void remove(const char* field) { config().erase(field); }
    void add_key(const char* field, const std::string& key) {
        config()[field][key] = Json::object();
    }  // ports, volumes
    void add_trigger(const std::string& trigger) { config()["OnBuild"].push_back(trigger); }
    void set_healthcheck(const Healthcheck& check);
    void add_history(const std::string& created_by, bool empty_layer);

private:
    ImageConfig() = default;
    Json& config() { return document_["config"]; }
    Result<void> check() const;

    Json document_;                 // without Env
    std::vector<std::string> env_;  // "NAME=value"
    std::unordered_map<std::string, std::size_t> env_places_;
};

// As Docker takes them: "SIGTERM", "term", "15", "SIGRTMIN+3".
bool is_signal(std::string_view text);

// EXPOSE's words after expansion: "80", "8000-8010/udp". `port_key` is one port of it: "80/tcp".
struct ExposedPorts {
    std::vector<std::string> keys;
    bool odd_case = false;  // "80/TCP"
    bool mapping = false;   // "8080:80", of which only the container's port counts
};
Result<ExposedPorts> parse_exposed(std::string_view word);

}  // namespace gantry::build::dockerfile
