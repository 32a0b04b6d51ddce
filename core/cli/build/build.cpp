#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.hpp"
#include "core/base/files.hpp"
#include "core/cli/build/report.hpp"
#include "core/cli/build/session.hpp"
#include "core/cli/build/views.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/pull.hpp"
#include "core/cli/terminal.hpp"
#include "core/cli/units.hpp"

namespace gantry::cli {
namespace {

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

// What --progress says, or where it says "auto" the environment, or what standard error is.
Result<std::string> progress_kind(const BuildOptions& options) {
    if (options.quiet || options.progress == "quiet") return std::string("quiet");
    std::string kind = options.progress;
    for (const char* name : {"GANTRY_PROGRESS", "BUILDKIT_PROGRESS"}) {
        if (kind != "auto") break;
        std::string value = environment(name);
        if (value.empty()) continue;
        if (value != "auto" && value != "plain" && value != "tty" && value != "quiet" && value != "rawjson")
            return fail(Code::invalid,
                        std::string(name) + " \"" + value + "\" is unknown: want auto, plain, tty, quiet or rawjson");
        kind = value;
    }
    if (kind == "auto") return std::string(can_draw(2) ? "tty" : "plain");
    if (kind == "tty" && !is_terminal(2))
        return fail(Code::invalid, "--progress tty: standard error is not a terminal");
    return kind;
}

std::unique_ptr<BuildView> make_view(const std::string& kind) {
    auto write = [](std::string_view text) { (void)write_all(2, text); };
    if (kind == "plain") return make_plain_view(write);
    if (kind == "rawjson") return make_json_view(write);
    if (kind == "quiet") return make_quiet_view();
    return make_terminal_view(
        write,
        [] {
            return terminal_size().value_or(TerminalSize{80, 24});
        },
        monotonic_ns, wants_colour(2));
}

// --iidfile and --metadata-file.
Result<void> write_results(const BuildOptions& options, const Json& result) {
    if (!options.iidfile.empty())
        GANTRY_CHECK(write_file_atomic(options.iidfile, text_at(result, "id"), 0644).context("--iidfile"));
    if (options.metadata_file.empty()) return {};
    Json metadata = member(result, "metadata");
    if (!metadata.is_object()) metadata = Json::object();
    auto add = [&](const char* key, const std::string& value) {
        if (!value.empty() && !metadata.contains(key)) metadata[key] = value;
    };
    // Of several platforms the id is that of the index, which is no image's configuration.
    if (text_at(result, "id") != text_at(result, "digest")) add("containerimage.config.digest", text_at(result, "id"));
    add("containerimage.digest", text_at(result, "digest"));
    const Json& tags = member(result, "tags");
    if (tags.is_array()) {
        std::string names;
        for (const Json& tag : tags) names += (names.empty() ? "" : ",") + as_text(tag);
        add("image.name", names);
    }
    return write_file_atomic(options.metadata_file, metadata.dump(2, ' ', false, Json::error_handler_t::replace) + "\n",
                             0644)
        .context("--metadata-file");
}

// Docker's closing lines.
std::string success_text(const Json& result) {
    const std::string id = text_at(result, "id");
    if (id.empty()) return {};
    std::string text = "Successfully built " + short_image_id(id) + "\n";
    const Json& tags = member(result, "tags");
    if (tags.is_array())
        for (const Json& tag : tags) text += "Successfully tagged " + as_text(tag) + "\n";
    return text;
}

int report_check(const std::vector<BuildWarning>& warnings, const BuildContext& context) {
    if (warnings.empty()) {
        print_out("Check complete, no warnings found.\n");
        return 0;
    }
    print_out("Check complete, " + std::to_string(warnings.size()) +
              (warnings.size() == 1 ? " warning has" : " warnings have") + " been found!\n" +
              warnings_report(warnings, context.dockerfile.value_or(""), context.dockerfile_name));
    return 1;
}

Result<Json> first_message(const BuildOptions& options, const BuildContext& context) {
    GANTRY_TRY(Json message, options.message());
    message["context"] = context.context;
    message["contexts"] = context.contexts;
    if (context.dockerfile) message["dockerfile"] = *context.dockerfile;
    message["dockerfile_name"] = context.dockerfile_name;
    message["ignore_lines"] = context.ignore_lines;
    return message;
}

}  // namespace

Result<int> build(Call& call) {
    BuildOptions options;
    Flags flags;
    options.declare(flags);
    auto args = call.parse(flags, exactly(1));
    if (!args) return call.exit_code();
    GANTRY_CHECK(options.finish());
    GANTRY_TRY(const std::string kind, progress_kind(options));
    GANTRY_TRY(Interrupt made, Interrupt::create());
    std::optional<Interrupt> interrupt(std::move(made));
    auto context = prepare_context({(*args)[0], options.file, options.named_contexts}, *interrupt);
    if (!context && context.error().code == Code::cancelled) return 128 + interrupt->take();
    if (!context) return std::move(context).error();
    GANTRY_TRY(Json message, first_message(options, *context));
    // An id from an earlier build must not be taken for this one's.
    if (!options.iidfile.empty() && ::unlink(options.iidfile.c_str()) != 0 && errno != ENOENT)
        return fail_errno("--iidfile \"" + options.iidfile + "\"");

    GANTRY_TRY(Connection connection, call.client().open("POST", "/gantry/build", nullptr, Connection::Upgrade::build));
    if (connection.status() != 101)
        return fail(Code::corrupt,
                    "the daemon did not begin a build session: status " + std::to_string(connection.status()));
    std::unique_ptr<BuildView> view = make_view(kind);
    BuildState state(*view);
    BuildSession session(connection, options, *context, state, *view, *interrupt);
    auto end = session.run(message);
    state.finish(end && end->success);
    if (!end && interrupt->take() != 0) {
        print_error(fail(Code::cancelled, "the build was cancelled"));
        return 128 + interrupt->take();
    }
    if (!end) return std::move(end).error();
    interrupt.reset();  // what follows ends as any command does

    const std::string dockerfile = context->dockerfile.value_or("");
    const bool json = kind == "rawjson", quiet = kind == "quiet";
    // What was asked for and is not used is told of also where nothing else is; the rules' warnings have a name.
    if (quiet)
        for (const BuildWarning& warning : state.warnings())
            if (warning.rule.empty()) print_err("WARNING: " + warning.message + "\n");
    if (!end->success) {
        // Who asked for an error as JSON reads nothing else there.
        if (!json && error_form() == ErrorForm::text)
            print_err(error_report(end->error, dockerfile, context->dockerfile_name));
        print_error(fail(end->error.usage ? Code::invalid : Code::internal,
                         end->error.message.empty() ? "the build failed" : end->error.message));
        // A mistake in the Dockerfile is none at the command line.
        return end->error.usage && end->error.first == 0 ? 125 : 1;
    }
    if (!json && !quiet) print_err(success_text(end->result));
    for (const std::string& name : options.pushes)
        GANTRY_CHECK(
            push_image(call.client(), {with_tag(name), {}, 2, json || quiet ? Verbosity::quiet : Verbosity::normal}));
    GANTRY_CHECK(write_results(options, end->result));
    for (const std::string& note : end->notes) print_err("NOTE: " + note + "\n");
    if (options.check) return report_check(state.warnings(), *context);
    if (!json && !quiet && !state.warnings().empty()) {
        const std::size_t count = state.warnings().size();
        print_err("\n " + std::to_string(count) + (count == 1 ? " warning" : " warnings") + " found:\n" +
                  warnings_report(state.warnings(), dockerfile, context->dockerfile_name));
    }
    if (std::string id = text_at(end->result, "id"); quiet && !id.empty()) print_out(id + "\n");
    return 0;
}

}  // namespace gantry::cli
