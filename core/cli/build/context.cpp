#include "core/cli/build/context.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/base/text.hpp"
#include "core/build/dockerignore.hpp"
#include "core/cli/build/beneath.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t file_limit = 512u << 10;

Result<std::string> real_path(const std::string& path) {
    std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), &::free);
    if (!real) return fail_errno("path \"" + path + "\"");
    return std::string(real.get());
}

bool is_directory(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

// Names this directory on this machine for this user. Nobody is kept out by it, so that no cryptographic digest is needed:
// 128 bits of FNV-1a tell directories apart.
std::string key_of(const std::string& path) {
    auto machine = read_file("/etc/machine-id", 4096);
    const std::string text =
        std::string(machine ? trim(*machine) : std::string_view()) + "\n" + std::to_string(::getuid()) + "\n" + path;
    unsigned __int128 hash = (static_cast<unsigned __int128>(0x6c62272e07bb0142u) << 64) | 0x62b821756295c58du;
    const unsigned __int128 prime = (static_cast<unsigned __int128>(0x0000000001000000u) << 64) | 0x000000000000013bu;
    for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * prime;
    std::string bytes;
    for (int shift = 120; shift >= 0; shift -= 8)
        bytes += static_cast<char>(static_cast<unsigned>(hash >> shift) & 0xff);
    return to_hex(bytes);
}

// "git" or "http" for a URL, "" for what is none.
std::string url_kind(const std::string& text) {
    std::string_view path = std::string_view(text).substr(0, text.find('#'));
    for (std::string_view begin : {"git://", "ssh://", "git@", "github.com/"})
        if (path.starts_with(begin)) return "git";
    if (!path.starts_with("http://") && !path.starts_with("https://")) return {};
    return path.ends_with(".git") ? "git" : "http";
}

Result<UniqueFd> open_directory(const std::string& path) {
    auto opened = open_file(path, O_RDONLY | O_DIRECTORY);
    if (opened) return opened;
    if (opened.error().system_errno == ENOTDIR)
        return fail(Code::invalid, "unable to prepare context: \"" + path + "\" is not a directory");
    if (opened.error().system_errno == ENOENT)
        return fail(Code::not_found, "unable to prepare context: path \"" + path + "\" not found");
    return std::move(opened).error().context("unable to prepare context");
}

// A file of the context, whose links must not lead out of it. Regular, 512 KiB at most.
Result<std::string> read_beneath(int root, const std::string& path) {
    GANTRY_TRY(UniqueFd file, open_beneath(root, path, O_RDONLY, Links::inside));
    struct stat info {};
    if (::fstat(file.get(), &info) != 0) return fail_errno("stat \"" + path + "\"");
    if (!S_ISREG(info.st_mode)) return fail(Code::invalid, "\"" + path + "\" is not a regular file");
    return read_all(file.get(), file_limit).context("read \"" + path + "\"");
}

// Which file -f means: below the context it is reached from there, elsewhere the user's own path counts.
struct DockerfilePlace {
    bool inside = true;
    std::string path;  // relative to the context, or as given
};

Result<DockerfilePlace> place_dockerfile(const std::string& root, const std::string& file) {
    std::string absolute = file;
    if (!file.starts_with('/')) {
        GANTRY_TRY(std::string here, real_path("."));
        absolute = here + "/" + file;
    }
    absolute = build::clean_path(absolute);
    const std::string begin = root == "/" ? "/" : root + "/";
    if (absolute.starts_with(begin)) return DockerfilePlace{true, absolute.substr(begin.size())};
    // By another name of the same directory (a link on the way to the context).
    std::size_t slash = absolute.rfind('/');
    if (auto above = real_path(absolute.substr(0, slash == 0 ? 1 : slash)); above && (*above + "/").starts_with(begin))
        return DockerfilePlace{true, (*above + "/").substr(begin.size()) + absolute.substr(slash + 1)};
    return DockerfilePlace{false, file};
}

Result<std::string> read_outside(const std::string& path) {
    GANTRY_TRY(UniqueFd file, open_file(path, O_RDONLY | O_NONBLOCK));
    struct stat info {};
    if (::fstat(file.get(), &info) != 0) return fail_errno("stat \"" + path + "\"");
    if (!S_ISREG(info.st_mode) && !S_ISFIFO(info.st_mode)) return fail(Code::invalid, "\"" + path + "\" is not a file");
    if (::fcntl(file.get(), F_SETFL, 0) != 0) return fail_errno("fcntl");
    return read_all(file.get(), file_limit).context("read \"" + path + "\"");
}

// The Dockerfile and the .dockerignore that goes with it, of a context that is a directory here.
Result<void> read_files(BuildContext& context, const std::string& root, const std::string& file) {
    const int directory = context.roots.at("context").get();
    DockerfilePlace place{true, "Dockerfile"};
    if (!context.dockerfile && !file.empty()) {
        if (root.empty()) {
            place.path = build::clean_path(file);
        } else {
            GANTRY_TRY(place, place_dockerfile(root, file));
        }
    }
    auto read = [&](const std::string& suffix) {
        return place.inside ? read_beneath(directory, place.path + suffix) : read_outside(place.path + suffix);
    };
    if (!context.dockerfile) {
        auto text = read("");
        if (!text && text.error().code == Code::not_found && file.empty()) {
            auto other = read_beneath(directory, "Containerfile");
            if (other || other.error().code != Code::not_found) {
                place.path = "Containerfile";
                text = std::move(other);
            }
        }
        if (!text && text.error().code == Code::not_found)
            return fail(Code::not_found, "failed to read the Dockerfile: \"" + place.path + "\" not found" +
                                             (file.empty() ? " (nor \"Containerfile\")" : ""));
        if (!text) return std::move(text).error().context("failed to read the Dockerfile");
        context.dockerfile = std::move(*text);
        context.dockerfile_name = place.path;
    }
    auto ignore = read(".dockerignore");
    if (!ignore && ignore.error().code == Code::not_found) ignore = read_beneath(directory, ".dockerignore");
    if (ignore)
        context.ignore_lines = build::read_dockerignore(*ignore);
    else if (ignore.error().code != Code::not_found)
        return std::move(ignore).error().context("failed to read .dockerignore");
    return {};
}

Result<Json> named_context(BuildContext& context, const std::string& name, const std::string& value) {
    constexpr std::string_view image = "docker-image://";
    if (value.starts_with(image)) return Json{{"kind", "image"}, {"reference", value.substr(image.size())}};
    if (!is_directory(value)) {
        if (std::string kind = url_kind(value); !kind.empty()) return Json{{"kind", kind}, {"url", value}};
        if (value.find("://") != std::string::npos)
            return fail(Code::unsupported,
                        "--build-context " + name + ": \"" + value +
                            "\" is not supported: want a directory, docker-image://REF or a URL of git, http or https");
    }
    GANTRY_TRY(UniqueFd root, open_directory(value).context("--build-context " + name));
    GANTRY_TRY(std::string real, real_path(value));
    context.roots[name] = std::move(root);
    return Json{{"kind", "local"}, {"key", key_of(real)}};
}

}  // namespace

Result<TemporaryDirectory> TemporaryDirectory::create() {
    const char* top = std::getenv("TMPDIR");
    TemporaryDirectory made;
    std::string name = std::string(top && *top ? top : "/tmp") + "/gantry-build-XXXXXX";
    if (!::mkdtemp(name.data())) return fail_errno("make a directory in \"" + name.substr(0, name.rfind('/')) + "\"");
    made.path_ = name;
    return made;
}

TemporaryDirectory::~TemporaryDirectory() {
    if (!path_.empty()) (void)remove_tree(path_);
}

Result<BuildContext> prepare_context(const ContextWish& wish, Interrupt& interrupt) {
    BuildContext context;
    context.dockerfile_name = "Dockerfile";
    std::string root;
    const bool from_input = wish.where == "-";
    if (from_input && wish.file == "-")
        return fail(Code::invalid, "standard input cannot be both the context and the Dockerfile");
    const bool local = !from_input && is_directory(wish.where);
    const std::string kind = from_input || local ? std::string() : url_kind(wish.where);
    if (wish.file == "-") {
        GANTRY_TRY(context.dockerfile, read_input_dockerfile(interrupt));
    }
    if (from_input) {
        GANTRY_TRY(context.unpacked, TemporaryDirectory::create());
        GANTRY_TRY(UniqueFd directory, open_directory(context.unpacked.path()));
        GANTRY_TRY(UniqueFd target, open_directory(context.unpacked.path()));
        GANTRY_TRY(InputContext input, read_input_context(std::move(target), interrupt));
        if (!input.archive && !wish.file.empty())
            return fail(Code::invalid, "-f \"" + wish.file + "\": standard input is no archive that it could be in");
        if (!input.archive) context.dockerfile = std::move(input.text);
        // Each archive is a directory of its own: what an earlier one held must not be taken for this one's.
        context.context = {{"kind", "local"}, {"key", key_of(new_id())}};
        context.roots["context"] = std::move(directory);
    } else if (!kind.empty()) {
        context.context = {{"kind", kind}, {"url", wish.where}};
        if (!wish.file.empty() && wish.file != "-") context.dockerfile_name = build::clean_path(wish.file);
    } else {
        GANTRY_TRY(UniqueFd directory, open_directory(wish.where));
        GANTRY_TRY(root, real_path(wish.where));
        context.context = {{"kind", "local"}, {"key", key_of(root)}};
        context.roots["context"] = std::move(directory);
    }
    if (context.roots.count("context"))
        GANTRY_CHECK(read_files(context, root, wish.file == "-" ? std::string() : wish.file));
    for (const std::string& given : wish.named) {
        std::size_t equals = given.find('=');
        std::string name = given.substr(0, equals);
        if (equals == std::string::npos || name.empty() || equals + 1 == given.size())
            return fail(Code::invalid, "invalid value \"" + given +
                                           "\" for --build-context: want NAME=PATH, URL or docker-image://REF");
        if (name == "context" || context.contexts.contains(name))
            return fail(Code::invalid, "--build-context \"" + name +
                                           "\": " + (name == "context" ? "the name is taken" : "given twice"));
        GANTRY_TRY(context.contexts[name], named_context(context, name, given.substr(equals + 1)));
    }
    return context;
}

}  // namespace gantry::cli
