#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"

namespace gantry::cli {

Result<int> commit(Call& call) {
    std::string author, message;
    bool pause = true, no_pause = false;
    std::vector<std::string> changes;
    Flags flags;
    flags.text(author, 'a', "author", "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")");
    flags.list(changes, 'c', "change", "Apply Dockerfile instruction to the created image");
    flags.text(message, 'm', "message", "Commit message");
    flags.boolean(pause, 'p', "pause", "Pause container during commit");
    flags.boolean(no_pause, 0, "no-pause", "Disable pausing container during commit");
    auto args = call.parse(flags, between(1, 2));
    if (!args) return call.exit_code();
    if (flags.given("pause") && flags.given("no-pause"))
        return fail(Code::invalid, "conflicting options: --no-pause and --pause cannot be used together");
    std::vector<std::pair<std::string, std::string>> pairs{{"container", (*args)[0]},
                                                           {"pause", pause && !no_pause ? "1" : "0"}};
    if (args->size() > 1) {
        const std::string& reference = (*args)[1];
        if (reference.find('@') != std::string::npos)
            return fail(Code::invalid, "\"" + reference + "\": an image is not made under a digest");
        const std::size_t colon = reference.find(':', reference.rfind('/') + 1);
        pairs.emplace_back("repo", reference.substr(0, colon));
        if (colon != std::string::npos) pairs.emplace_back("tag", reference.substr(colon + 1));
    }
    if (!author.empty()) pairs.emplace_back("author", author);
    if (!message.empty()) pairs.emplace_back("comment", message);
    for (const std::string& change : changes) pairs.emplace_back("changes", change);
    const Json body = Json::object();
    GANTRY_TRY(Json answer, call.client().post("/commit" + query(pairs), &body));
    print_out(text_at(answer, "Id") + "\n");
    return 0;
}

}  // namespace gantry::cli
