#include <gantry/driver.hpp>

#include <fcntl.h>
#include <sys/stat.h>

#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "core/image/registry/auth.hpp"

namespace gantry::image::registry {
namespace {

constexpr std::size_t largest_certificate = 1u << 20;

Result<void> add_roots(const std::string& path, std::string& roots) {
    GANTRY_TRY(std::string pem, read_file(path, largest_certificate));
    if (pem.find("-----BEGIN ") == std::string::npos)
        return fail(Code::invalid, "\"" + path + "\" holds no certificate in PEM form");
    roots += pem;
    if (!roots.ends_with('\n')) roots += '\n';
    return {};
}

bool is_directory(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

// *.crt are trusted; of NAME.cert and NAME.key the first pair is shown, and one without the other is a mistake.
Result<void> read_directory(const std::string& directory, Trust& trust) {
    GANTRY_TRY(auto names, list_directory(directory));
    for (const std::string& name : names) {
        const std::string path = directory + "/" + name, stem = path.substr(0, path.rfind('.'));
        if (name.ends_with(".crt")) GANTRY_CHECK(add_roots(path, trust.roots));
        const bool certificate = name.ends_with(".cert");
        if (!certificate && !name.ends_with(".key")) continue;
        const std::string other = stem + (certificate ? ".key" : ".cert");
        if (!path_exists(other)) return fail(Code::invalid, "\"" + path + "\" is there without \"" + other + "\"");
        if (trust.certificate.empty()) trust.certificate = stem + ".cert", trust.key = stem + ".key";
    }
    return {};
}

}  // namespace

Result<Trust> named_trust(const Settings& settings, const std::string& authority) {
    Trust trust;
    if (auto found = settings.hosts.find(authority); found != settings.hosts.end()) {
        trust.verify = !found->second.insecure.value_or(false);
        const std::string& ca = found->second.ca;
        if (!ca.empty())
            GANTRY_CHECK((is_directory(ca) ? read_directory(ca, trust) : add_roots(ca, trust.roots))
                             .context("certificates of the registry " + authority));
    }
    // It becomes part of a path.
    if (authority.find('/') != std::string::npos || authority.starts_with('.')) return trust;
    for (const std::string& top : settings.certificate_directories)
        if (const std::string directory = top + "/" + authority; is_directory(directory))
            GANTRY_CHECK(read_directory(directory, trust).context("certificates of the registry " + authority));
    return trust;
}

}  // namespace gantry::image::registry
