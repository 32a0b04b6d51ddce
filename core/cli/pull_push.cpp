#include "core/base/text.hpp"
#include "core/cli/credentials.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/pull.hpp"
#include "core/cli/registry_host.hpp"

namespace gantry::cli {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// "reg:5000/a/b:1" -> {"reg:5000/a/b", "1"}; a digest counts as the tag, as it does for the daemon.
std::pair<std::string, std::string> split_reference(const std::string& reference) {
    std::size_t at = reference.find('@');
    if (at == std::string::npos) {
        std::size_t slash = reference.rfind('/');
        at = reference.find(':', slash == std::string::npos ? 0 : slash);
    }
    if (at == std::string::npos) return {reference, {}};
    return {reference.substr(0, at), reference.substr(at + 1)};
}

// The name to pull or push; where neither tag nor -a is given, the default tag is, and the user is told.
Result<std::string> name_or_default(const std::string& given, bool all_tags, bool quiet) {
    if (all_tags) {
        if (with_tag(given) == given) return fail(Code::invalid, "tag can't be used with --all-tags/-a");
        return given;
    }
    std::string full = with_tag(given);
    if (full != given && !quiet) print_out("Using default tag: latest\n");
    return full;
}

}  // namespace

std::string with_tag(const std::string& reference) {
    return split_reference(reference).second.empty() ? reference + ":latest" : reference;
}

Result<std::string> platform_json(const std::string& platform) {
    std::vector<std::string_view> parts = split(platform, '/');
    if (parts.size() > 3 || std::find(parts.begin(), parts.end(), std::string_view()) != parts.end())
        return fail(Code::invalid,
                    "invalid platform \"" + platform + "\": want OS[/ARCH[/VARIANT]], such as \"linux/arm64\"");
    Json value{{"os", parts[0]}};
    if (parts.size() > 1) value["architecture"] = parts[1];
    if (parts.size() > 2) value["variant"] = parts[2];
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<void> pull_image(Client& client, const PullWish& wish) {
    auto [name, tag] = split_reference(wish.all_tags ? wish.reference : with_tag(wish.reference));
    Pairs pairs{{"fromImage", name}};
    if (!tag.empty()) pairs.emplace_back("tag", tag);
    if (!wish.platform.empty()) pairs.emplace_back("platform", wish.platform);
    GANTRY_TRY(std::string auth, registry_auth_header(name));
    GANTRY_TRY(Connection answer,
               client.open("POST", "/images/create" + query(pairs), nullptr, Connection::Upgrade::no, auth));
    return show_progress(answer, wish.to, wish.verbosity);
}

Result<void> push_image(Client& client, const PushWish& wish) {
    auto [name, tag] = split_reference(wish.reference);
    Pairs pairs;
    if (!tag.empty()) pairs.emplace_back("tag", tag);
    if (!wish.platform.empty()) {
        GANTRY_TRY(std::string value, platform_json(wish.platform));
        pairs.emplace_back("platform", value);
    }
    GANTRY_TRY(std::string auth, registry_auth_header(name));
    GANTRY_TRY(Connection answer, client.open("POST", "/images/" + path_escape(name) + "/push" + query(pairs), nullptr,
                                              Connection::Upgrade::no, auth));
    return show_progress(answer, wish.to, wish.verbosity);
}

Result<int> pull(Call& call) {
    bool quiet = false;
    PullWish wish;
    Flags flags;
    flags.boolean(wish.all_tags, 'a', "all-tags", "Download all tagged images in the repository");
    flags.boolean(quiet, 'q', "quiet", "Suppress verbose output");
    flags.text(wish.platform, 0, "platform", "Set platform if server is multi-platform capable");
    auto args = call.parse(flags, exactly(1));
    if (!args) return call.exit_code();
    GANTRY_TRY(wish.reference, name_or_default((*args)[0], wish.all_tags, quiet));
    if (quiet) wish.verbosity = Verbosity::quiet;
    GANTRY_CHECK(pull_image(call.client(), wish));
    print_out(complete_name(wish.reference) + "\n");
    return 0;
}

Result<int> push(Call& call) {
    bool all_tags = false, quiet = false;
    std::string platform;
    Flags flags;
    flags.boolean(all_tags, 'a', "all-tags", "Push all tags of an image to the repository");
    flags.boolean(quiet, 'q', "quiet", "Suppress verbose output");
    flags.text(platform, 0, "platform", "Push a platform-specific manifest as a single-platform image to the registry");
    auto args = call.parse(flags, exactly(1));
    if (!args) return call.exit_code();
    GANTRY_TRY(std::string reference, name_or_default((*args)[0], all_tags, quiet));
    if (reference.find('@') != std::string::npos)
        return fail(Code::invalid, "cannot push a digest reference: \"" + reference + "\"");
    GANTRY_CHECK(push_image(call.client(), {reference, platform, 1, quiet ? Verbosity::quiet : Verbosity::normal}));
    if (quiet) print_out(reference + "\n");
    return 0;
}

}  // namespace gantry::cli
