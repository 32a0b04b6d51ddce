// What registries are asked without anything being pulled: search and manifests.
#include "core/cli/credentials.hpp"
#include "core/cli/format.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/key_values.hpp"
#include "core/cli/pull.hpp"
#include "core/cli/registry_host.hpp"
#include "core/cli/units.hpp"

namespace gantry::cli {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct Manifests {
    Client& client;
    std::string auth, suffix;

    // The manifest's own bytes: its digest is over them.
    Result<std::string> raw(const std::string& name) {
        return client.raw("GET", "/gantry/images/" + path_escape(name) + "/manifest" + suffix, nullptr, auth);
    }
    Result<Json> descriptor(const std::string& name) {
        GANTRY_TRY(Json answer, client.get("/distribution/" + path_escape(name) + "/json" + suffix, auth));
        return member(answer, "Descriptor");
    }
    // Docker's record of one manifest: the descriptor beside the document.
    static std::string record(const std::string& name, const Json& descriptor, const std::string& document) {
        const bool oci = text_at(descriptor, "mediaType").find("vnd.oci.") != std::string::npos;
        return "{\"Ref\":" + Json(name).dump(-1, ' ', false, Json::error_handler_t::replace) +
               ",\"Descriptor\":" + descriptor.dump(-1, ' ', false, Json::error_handler_t::replace) + ",\"" +
               (oci ? "OCIManifest" : "SchemaV2Manifest") + "\":" + document + "}";
    }
};

// "reg/app:1" -> "reg/app"
std::string repository_of(const std::string& name) {
    std::string repository = name.substr(0, name.find('@'));
    std::size_t slash = repository.rfind('/');
    std::size_t colon = repository.find(':', slash == std::string::npos ? 0 : slash);
    return repository.substr(0, colon);
}

}  // namespace

Result<int> search(Call& call) {
    std::string format;
    std::vector<std::string> filters;
    bool no_trunc = false;
    std::int64_t limit = 0;
    Flags flags;
    flags.list(filters, 'f', "filter", "Filter output based on conditions provided", "filter");
    flags.text(format, 0, "format", "Pretty-print search using a Go template");
    flags.integer(limit, 0, "limit", "Max number of search results");
    flags.boolean(no_trunc, 0, "no-trunc", "Don't truncate output");
    auto args = call.parse(flags, exactly(1));
    if (!args) return call.exit_code();
    if (flags.given("limit") && (limit < 1 || limit > 100))
        return fail(Code::invalid, "--limit " + std::to_string(limit) + " is outside the range of 1 to 100");
    Pairs pairs{{"term", (*args)[0]}};
    if (limit > 0) pairs.emplace_back("limit", std::to_string(limit));
    GANTRY_TRY(std::string wanted, parse_filters(filters));
    if (!wanted.empty()) pairs.emplace_back("filters", wanted);
    GANTRY_TRY(std::string auth, registry_auth_header((*args)[0]));
    GANTRY_TRY(Json list, call.client().get("/images/search" + query(pairs), auth));
    std::vector<Json> rows;
    if (list.is_array())
        for (const Json& entry : list) {
            std::string description = text_at(entry, "description");
            for (char& c : description)
                if (c == '\n' || c == '\r') c = ' ';
            auto mark = [](bool yes) { return std::string(yes ? "[OK]" : ""); };
            rows.push_back(Json{{"Name", text_at(entry, "name")},
                                {"Description", no_trunc ? description : shorten(description, 45)},
                                {"StarCount", std::to_string(number_at(entry, "star_count"))},
                                {"IsOfficial", mark(flag_at(entry, "is_official"))},
                                {"IsAutomated", mark(flag_at(entry, "is_automated"))}});
        }
    ListShape shape{{"Name", "Description", "StarCount", "IsOfficial"},
                    {{"StarCount", "STARS"}, {"IsOfficial", "OFFICIAL"}, {"IsAutomated", "AUTOMATED"}}};
    GANTRY_TRY(std::string text, format_list(rows, shape, format));
    print_out(text);
    return 0;
}

Result<int> manifest_inspect(Call& call) {
    bool verbose = false, insecure = false;
    Flags flags;
    flags.boolean(verbose, 'v', "verbose", "Output additional info including layers and platform");
    flags.boolean(insecure, 0, "insecure", "Allow communication with an insecure registry");
    auto args = call.parse(flags, exactly(1));
    if (!args) return call.exit_code();
    const std::string name = with_tag((*args)[0]);
    GANTRY_TRY(std::string auth, registry_auth_header(name));
    Manifests manifests{call.client(), auth, insecure ? query({{"insecure", "1"}}) : std::string()};
    GANTRY_TRY(std::string document, manifests.raw(name));
    Json parsed = parse_json(document);
    if (!parsed.is_object()) return fail(Code::corrupt, "the manifest of \"" + name + "\" is not a JSON object");
    if (!verbose) {
        print_out(indent_json(document) + "\n");
        return 0;
    }
    const Json& parts = member(parsed, "manifests");
    if (!parts.is_array()) {
        GANTRY_TRY(Json descriptor, manifests.descriptor(name));
        print_out(indent_json(Manifests::record(complete_name(name), descriptor, document)) + "\n");
        return 0;
    }
    std::string all;
    for (const Json& descriptor : parts) {
        std::string part = repository_of(name) + "@" + text_at(descriptor, "digest");
        GANTRY_TRY(std::string content, manifests.raw(part));
        all += (all.empty() ? "" : ",") + Manifests::record(complete_name(part), descriptor, content);
    }
    print_out(indent_json("[" + all + "]") + "\n");
    return 0;
}

}  // namespace gantry::cli
