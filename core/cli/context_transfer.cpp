#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/archive/tar_reader.hpp"
#include "core/archive/tar_writer.hpp"
#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "core/cli/context_store.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/terminal.hpp"

namespace gantry::cli {
namespace {

constexpr const char* material_directory = "tls/docker/";
constexpr int members_limit = 64;

Result<void> add_member(archive::TarWriter& tar, const std::string& name, const std::string& text) {
    archive::Member member;
    member.name = name;
    member.mode = (name.ends_with('/') ? S_IFDIR | 0700 : S_IFREG | 0600);
    member.size = static_cast<std::int64_t>(text.size());
    GANTRY_CHECK(tar.member(member));
    return text.empty() ? Result<void>() : tar.data(text);
}

// The layout of `docker context export`, so that either reads the other's.
Result<void> write_archive(const Context& context, int fd) {
    GANTRY_TRY(auto tar, archive::TarWriter::create(archive::sink_to(fd)));
    GANTRY_CHECK(add_member(*tar, "meta.json", context.meta().dump(-1, ' ', false, Json::error_handler_t::replace)));
    if (!context.tls.empty()) {
        GANTRY_CHECK(add_member(*tar, "tls/", ""));
        GANTRY_CHECK(add_member(*tar, material_directory, ""));
    }
    for (const MaterialFile& file : material_files)
        if (const std::string& text = context.tls.*file.text; !text.empty())
            GANTRY_CHECK(add_member(*tar, material_directory + std::string(file.name), text));
    return tar->finish();
}

Result<std::string> content_of(archive::TarReader& tar, const std::string& name) {
    std::string text;
    for (;;) {
        GANTRY_TRY(std::string_view piece, tar.data());
        if (piece.empty()) return text;
        text += piece;
        if (text.size() > material_limit) return fail(Code::exhausted, quote_json(name) + " is larger than 1 MiB");
    }
}

// Nothing is unpacked: only members with the names that are looked for are read, into memory.
Result<Context> read_archive(int fd) {
    GANTRY_TRY(auto tar, archive::TarReader::create(archive::source_from(fd)));
    std::string meta;
    Context::Material material;
    for (int count = 0;; ++count) {
        GANTRY_TRY(auto member, tar->next());
        if (!member) break;
        if (count == members_limit) return fail(Code::exhausted, "more than 64 members");
        std::string name = member->name.starts_with("./") ? member->name.substr(2) : member->name;
        std::string* to = name == "meta.json" ? &meta : nullptr;
        for (const MaterialFile& file : material_files)
            if (name == material_directory + std::string(file.name)) to = &(material.*file.text);
        if (S_ISDIR(member->mode)) continue;
        if (!to || !S_ISREG(member->mode) || !member->hard_link.empty())
            return fail(Code::invalid,
                        quote_json(member->name) + " is not part of a context: want meta.json and tls/docker/*.pem");
        GANTRY_TRY(*to, content_of(*tar, name));
    }
    if (meta.empty()) return fail(Code::invalid, "there is no meta.json in it");
    GANTRY_TRY(Context context, Context::from_meta(parse_json(meta)));
    context.tls = std::move(material);
    return context;
}

}  // namespace

Result<int> context_export(Call& call) {
    Flags flags;
    auto args = call.parse(flags, between(1, 2));
    if (!args) return call.exit_code();
    GANTRY_TRY(Context context, ContextStore().find((*args)[0]));
    if (context.name == default_context)
        return fail(Code::invalid, "context \"default\" is everywhere and cannot be exported");
    const std::string file = args->size() > 1 ? (*args)[1] : context.name + ".gantrycontext";
    if (file == "-") {
        if (is_terminal(1))
            return fail(Code::invalid, "an archive is not written to a terminal: name a file, or redirect the output");
        GANTRY_CHECK(write_archive(context, 1));
        return 0;
    }
    // There are keys in it, and a file that is there may be somebody's.
    GANTRY_TRY(UniqueFd to, open_file(file, O_WRONLY | O_CREAT | O_EXCL, 0600));
    if (auto written = write_archive(context, to.get()); !written) {
        (void)::unlink(file.c_str());
        return std::move(written).error().context("write \"" + file + "\"");
    }
    print_err("Written file \"" + file + "\"\n");
    return 0;
}

Result<int> context_import(Call& call) {
    Flags flags;
    auto args = call.parse(flags, exactly(2));
    if (!args) return call.exit_code();
    const std::string &name = (*args)[0], &file = (*args)[1];
    GANTRY_CHECK(check_context_name(name));
    const ContextStore store;
    if (auto known = store.find(name); known)
        return fail(Code::conflict, "context \"" + name + "\" already exists");
    else if (known.error().code != Code::not_found)
        return known.error();
    UniqueFd opened;
    if (file != "-") {
        GANTRY_TRY(opened, open_file(file, O_RDONLY));
    }
    auto context = read_archive(opened ? opened.get() : 0);
    if (!context) return std::move(context).error().context(file == "-" ? "standard input" : "\"" + file + "\"");
    context->name = name;
    auto endpoint = context->endpoint();
    if (!endpoint) return endpoint.error();
    GANTRY_CHECK(store.put(*context));
    print_out(name + "\n");
    print_err("Successfully imported context \"" + name + "\"\n");
    return 0;
}

}  // namespace gantry::cli
