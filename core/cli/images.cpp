#include "core/base/clock.hpp"
#include "core/cli/format.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/image_tree.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/key_values.hpp"
#include "core/cli/platform.hpp"
#include "core/cli/pull.hpp"
#include "core/cli/units.hpp"

namespace gantry::cli {
namespace {

Json image_row(const Json& image, const std::string& repository, const std::string& tag, const std::string& digest,
               bool shortened) {
    std::string id = text_at(image, "Id");
    std::int64_t containers = number_at(image, "Containers"), shared = number_at(image, "SharedSize"),
                 size = number_at(image, "Size");
    auto size_or_none = [](std::int64_t bytes) {
        return bytes < 0 ? std::string("N/A") : human_size(static_cast<double>(bytes));
    };
    return Json{{"ID", shortened ? short_image_id(id) : id},
                {"Repository", repository},
                {"Tag", tag},
                {"Digest", digest},
                {"CreatedSince", human_ago(number_at(image, "Created"))},
                {"CreatedAt", local_time(number_at(image, "Created"))},
                {"Size", human_size(static_cast<double>(size))},
                {"VirtualSize", human_size(static_cast<double>(size))},
                {"Containers", containers < 0 ? std::string("N/A") : std::to_string(containers)},
                {"SharedSize", size_or_none(shared)},
                {"UniqueSize", shared < 0 ? std::string("N/A") : size_or_none(size - shared)}};
}

// One row for each name of an image; "<none>" where it has none.
void add_rows(std::vector<Json>& rows, const Json& image, bool shortened, bool digests) {
    std::vector<std::array<std::string, 3>> names;
    const Json& tags = member(image, "RepoTags");
    const Json& hashes = member(image, "RepoDigests");
    auto digest_of = [&](const std::string& repository) {
        if (hashes.is_array())
            for (const Json& entry : hashes)
                if (as_text(entry).starts_with(repository + "@")) return as_text(entry).substr(repository.size() + 1);
        return std::string("<none>");
    };
    if (tags.is_array())
        for (const Json& entry : tags) {
            std::string name = as_text(entry);
            std::size_t colon = name.rfind(':');
            if (name == "<none>:<none>" || colon == std::string::npos) continue;
            names.push_back({name.substr(0, colon), name.substr(colon + 1), digest_of(name.substr(0, colon))});
        }
    if (names.empty() && hashes.is_array())
        for (const Json& entry : hashes) {
            std::string name = as_text(entry);
            std::size_t at = name.find('@');
            if (at == std::string::npos || name == "<none>@<none>") continue;
            names.push_back({name.substr(0, at), "<none>", name.substr(at + 1)});
            if (!digests) break;
        }
    if (names.empty()) names.push_back({"<none>", "<none>", "<none>"});
    for (const auto& [repository, tag, digest] : names)
        rows.push_back(image_row(image, repository, tag, digest, shortened));
}

}  // namespace

Result<int> images(Call& call) {
    bool all = false, quiet = false, no_trunc = false, digests = false, tree = false;
    std::string format;
    std::vector<std::string> filters;
    Flags flags;
    flags.boolean(all, 'a', "all", "Show all images (default hides intermediate images)");
    flags.boolean(quiet, 'q', "quiet", "Only show image IDs");
    flags.boolean(no_trunc, 0, "no-trunc", "Don't truncate output");
    flags.boolean(digests, 0, "digests", "Show digests");
    flags.text(format, 0, "format",
               "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'");
    flags.list(filters, 'f', "filter", "Filter output based on conditions provided", "filter");
    flags.boolean(tree, 0, "tree", "List images with the platforms that they are for");
    auto args = call.parse(flags, between(0, 1));
    if (!args) return call.exit_code();
    if (tree && (quiet || digests || !format.empty()))
        return fail(Code::invalid,
                    std::string("--tree shows a table of its own: not together with ") + (quiet     ? "--quiet"
                                                                                          : digests ? "--digests"
                                                                                                    : "--format"));
    if (!args->empty()) filters.push_back("reference=" + (*args)[0]);
    std::vector<std::pair<std::string, std::string>> pairs;
    if (all) pairs.emplace_back("all", "1");
    if (digests) pairs.emplace_back("digests", "1");
    if (tree) pairs.emplace_back("manifests", "1");
    GANTRY_TRY(std::string wanted, parse_filters(filters));
    if (!wanted.empty()) pairs.emplace_back("filters", wanted);
    GANTRY_TRY(Json list, call.client().get("/images/json" + query(pairs)));
    if (tree) {
        GANTRY_TRY(std::string text, image_tree(call.client(), list, !no_trunc));
        print_out(text);
        return 0;
    }
    std::vector<Json> rows;
    if (list.is_array())
        for (const Json& image : list) add_rows(rows, image, !no_trunc, digests);
    ListShape shape{{"Repository", "Tag", "ID", "CreatedSince", "Size"},
                    {{"ID", "IMAGE ID"},
                     {"CreatedSince", "CREATED"},
                     {"CreatedAt", "CREATED AT"},
                     {"SharedSize", "SHARED SIZE"},
                     {"UniqueSize", "UNIQUE SIZE"}}};
    if (digests) shape.columns.insert(shape.columns.begin() + 2, "Digest");
    if (quiet) format = "{{.ID}}";
    GANTRY_TRY(std::string text, format_list(rows, shape, format));
    print_out(text);
    return 0;
}

Result<int> rmi(Call& call) {
    bool force = false, no_prune = false;
    std::vector<std::string> platforms;
    Flags flags;
    flags.boolean(force, 'f', "force", "Force removal of the image");
    flags.boolean(no_prune, 0, "no-prune", "Do not delete untagged parents");
    flags.list(platforms, 0, "platform",
               "Remove only the given platform variant. Formatted as \"os[/arch[/variant]]\"");
    auto args = call.parse(flags, at_least(1));
    if (!args) return call.exit_code();
    std::vector<std::pair<std::string, std::string>> pairs;
    if (force) pairs.emplace_back("force", "1");
    if (no_prune) pairs.emplace_back("noprune", "1");
    for (const std::string& platform : platforms) {
        GANTRY_TRY(std::string value, platform_json(platform));
        pairs.emplace_back("platforms", value);
    }
    return for_each_name(*args, [&](const std::string& name) -> Result<std::string> {
        auto removed = call.client().remove("/images/" + path_escape(name) + query(pairs));
        if (!removed && force && removed.error().code == Code::not_found) {
            print_error(removed.error());
            return std::string();
        }
        if (!removed) return removed.error();
        std::string text;
        if (removed->is_array())
            for (const Json& entry : *removed) {
                bool deleted = entry.is_object() && entry.contains("Deleted");
                text += (text.empty() ? "" : "\n") +
                        (deleted ? "Deleted: " + text_at(entry, "Deleted") : "Untagged: " + text_at(entry, "Untagged"));
            }
        return text;
    });
}

Result<int> history(Call& call) {
    bool quiet = false, no_trunc = false, human = true;
    std::string format, platform;
    Flags flags;
    flags.boolean(quiet, 'q', "quiet", "Only show image IDs");
    flags.boolean(no_trunc, 0, "no-trunc", "Don't truncate output");
    flags.text(platform, 0, "platform", "Show history for the given platform. Formatted as \"os[/arch[/variant]]\"");
    flags.boolean(human, 'H', "human", "Print sizes and dates in human readable format");
    flags.text(format, 0, "format",
               "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'");
    auto args = call.parse(flags, exactly(1));
    if (!args) return call.exit_code();
    std::vector<std::pair<std::string, std::string>> wanted;
    if (!platform.empty()) {
        GANTRY_TRY(std::string value, platform_json(platform));
        wanted.emplace_back("platform", value);
    }
    GANTRY_TRY(Json list, call.client().get("/images/" + path_escape((*args)[0]) + "/history" + query(wanted)));
    std::vector<Json> rows;
    if (list.is_array())
        for (const Json& entry : list) {
            std::string id = text_at(entry, "Id"), by = text_at(entry, "CreatedBy");
            std::replace(by.begin(), by.end(), '\t', ' ');
            std::int64_t created = number_at(entry, "Created"), size = number_at(entry, "Size");
            rows.push_back(Json{{"ID", no_trunc || id == "<missing>" ? id : short_image_id(id)},
                                {"CreatedBy", no_trunc ? by : shorten(by, 45)},
                                {"CreatedSince", human ? human_ago(created) : rfc3339(created * 1000000000)},
                                {"CreatedAt", rfc3339(created * 1000000000)},
                                {"Size", human ? human_size(static_cast<double>(size)) : std::to_string(size)},
                                {"Comment", text_at(entry, "Comment")}});
        }
    ListShape shape{{"ID", "CreatedSince", "CreatedBy", "Size", "Comment"},
                    {{"ID", "IMAGE"},
                     {"CreatedSince", human ? "CREATED" : "CREATED AT"},
                     {"CreatedBy", "CREATED BY"},
                     {"CreatedAt", "CREATED AT"}}};
    if (quiet) format = "{{.ID}}";
    GANTRY_TRY(std::string text, format_list(rows, shape, format));
    print_out(text);
    return 0;
}

Result<int> tag(Call& call) {
    Flags flags;
    auto args = call.parse(flags, exactly(2));
    if (!args) return call.exit_code();
    std::string target = with_tag((*args)[1]);
    std::size_t colon = target.rfind(':');
    if (target.find('@') != std::string::npos)
        return fail(Code::invalid, "refusing to create a tag with a digest reference: \"" + target + "\"");
    GANTRY_TRY(Json done,
               call.client().post("/images/" + path_escape((*args)[0]) + "/tag" +
                                  query({{"repo", target.substr(0, colon)}, {"tag", target.substr(colon + 1)}})));
    return 0;
}

}  // namespace gantry::cli
