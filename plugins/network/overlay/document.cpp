#include "plugins/network/overlay/document.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <optional>
#include <set>

#include <gantry/driver.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::overlay {
namespace {

constexpr std::size_t max_file_bytes = 4u << 20, max_files = 1000;
constexpr std::uint32_t max_range = 1024;
constexpr std::int64_t max_vni = 0xffffff;

std::string shown(const Json& value) {
    std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
    return text.size() > 100 ? text.substr(0, 100) + "..." : text;
}
// In quotation marks, and on one line whatever another host has put into it.
std::string in_quotes(const std::string& text) { return shown(Json(text)); }

// One object of a document, and where it stands.
class Reader {
public:
    Reader(const Json& json, std::string where) : json_(json), where_(std::move(where)) {}

    Result<void> known(std::initializer_list<const char*> names) const {
        if (!json_.is_object()) return fail(Code::invalid, where_ + " must be an object, found " + shown(json_));
        for (const auto& [name, value] : json_.items()) {
            if (std::find(names.begin(), names.end(), name) != names.end()) continue;
            std::string all;
            for (const char* n : names) all += std::string(all.empty() ? "" : ", ") + n;
            return fail(Code::invalid, where_ + " has the member " + in_quotes(name) + ", known are " + all);
        }
        return {};
    }
    bool has(const char* name) const { return json_.contains(name); }
    Result<std::string> text(const char* name) const {
        auto found = json_.find(name);
        if (found == json_.end()) return fail(Code::invalid, where_ + " lacks \"" + name + "\"");
        if (!found->is_string() || found->get_ref<const std::string&>().empty())
            return fail(Code::invalid, where_ + "." + name + " must be a text, found " + shown(*found));
        return found->get<std::string>();
    }
    Result<std::uint32_t> address(const char* name) const {
        GANTRY_TRY(const std::string written, text(name));
        auto address = parse_address(written);
        if (!address)
            return fail(Code::invalid, where_ + "." + name + ": " + in_quotes(written) + " is not an IPv4 address");
        return *address;
    }
    Result<Block> block(const char* name) const {
        GANTRY_TRY(const std::string written, text(name));
        auto block = parse_block(written);
        if (!block)
            return fail(Code::invalid,
                        where_ + "." + name + ": " + in_quotes(written) + " is not a subnet such as 10.99.0.0/16");
        return *block;
    }
    Result<std::int64_t> number(const char* name, std::int64_t least, std::int64_t most) const {
        auto found = json_.find(name);
        if (found == json_.end()) return fail(Code::invalid, where_ + " lacks \"" + name + "\"");
        const bool whole =
            found->is_number_integer() && !(found->is_number_unsigned() && found->get<std::uint64_t>() > INT64_MAX);
        if (!whole || found->get<std::int64_t>() < least || found->get<std::int64_t>() > most)
            return fail(Code::invalid, where_ + "." + name + " must be " + std::to_string(least) + " to " +
                                           std::to_string(most) + ", found " + shown(*found));
        return found->get<std::int64_t>();
    }
    Result<std::vector<Json>> list(const char* name) const {
        auto found = json_.find(name);
        if (found == json_.end()) return std::vector<Json>();
        if (!found->is_array())
            return fail(Code::invalid, where_ + "." + name + " must be a list, found " + shown(*found));
        return std::vector<Json>(found->begin(), found->end());
    }
    std::string at(const char* name, std::size_t index) const {
        return where_ + "." + name + "[" + std::to_string(index) + "]";
    }
    const std::string& where() const { return where_; }

private:
    const Json& json_;
    const std::string where_;
};

Result<Member> read_member(const Json& json, const std::string& where, const Block& subnet) {
    const Reader in(json, where);
    GANTRY_CHECK(in.known({"address", "mac", "names"}));
    Member member;
    GANTRY_TRY(member.address, in.address("address"));
    if (!subnet.contains(member.address))
        return fail(Code::invalid, where + ".address: " + show(member.address) + " is outside " + subnet.text());
    member.mac = mac_of(member.address);
    if (in.has("mac")) {
        GANTRY_TRY(member.mac, in.text("mac"));
        std::transform(member.mac.begin(), member.mac.end(), member.mac.begin(),
                       [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; });
        if (!valid_mac(member.mac))
            return fail(Code::invalid, where + ".mac: " + in_quotes(member.mac) + " is not a MAC address");
    }
    GANTRY_TRY(auto names, in.list("names"));
    for (const Json& name : names) {
        if (!name.is_string())
            return fail(Code::invalid, where + ".names must be a list of texts, found " + shown(name));
        member.names.push_back(name.get<std::string>());
    }
    return member;
}

Result<DocumentHost> read_host(const Json& json, const std::string& where, const Document& document) {
    const Reader in(json, where);
    GANTRY_CHECK(in.known({"host", "vtep", "range", "endpoints"}));
    DocumentHost host;
    GANTRY_TRY(host.peer.host, in.text("host"));
    if (!valid_host_name(host.peer.host))
        return fail(Code::invalid, where + ".host: " + in_quotes(host.peer.host) +
                                       " cannot name a host; 1 to 255 printable characters of ASCII without \"/\" can");
    GANTRY_TRY(const std::uint32_t vtep, in.address("vtep"));
    host.peer.vtep = show(vtep);
    std::set<std::uint32_t> listed;
    GANTRY_TRY(auto endpoints, in.list("endpoints"));
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
        GANTRY_TRY(Member member, read_member(endpoints[i], in.at("endpoints", i), document.subnet));
        if (!listed.insert(member.address).second)
            return fail(Code::invalid, in.at("endpoints", i) + ": " + show(member.address) + " is there twice");
        host.peer.members.push_back(std::move(member));
    }
    if (in.has("range")) {
        GANTRY_TRY(Block range, in.block("range"));
        if (!document.subnet.contains(range))
            return fail(Code::invalid, where + ".range: " + range.text() + " is outside " + document.subnet.text());
        if (range.last() - range.base >= max_range)
            return fail(Code::invalid, where + ".range: " + range.text() + " has more than 1024 addresses");
        for (std::uint32_t address = range.base;; ++address) {
            if (address != document.gateway && !listed.contains(address))
                host.peer.members.push_back({address, mac_of(address), {}});
            if (address == range.last()) break;
        }
        host.ranges.push_back(range);
    }
    return host;
}

Result<std::string> read_file(const std::string& path) {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd) return fail_errno("open \"" + path + "\"");
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) return fail_errno("look at \"" + path + "\"");
    if (!S_ISREG(info.st_mode)) return fail(Code::invalid, "\"" + path + "\" is not a regular file");
    std::string text;
    char buffer[65536];
    for (;;) {
        const ssize_t length = ::read(fd.get(), buffer, sizeof buffer);
        if (length < 0 && errno == EINTR) continue;
        if (length < 0) return fail_errno("read \"" + path + "\"");
        if (length == 0) return text;
        text.append(buffer, static_cast<std::size_t>(length));
        if (text.size() > max_file_bytes) return fail(Code::invalid, "\"" + path + "\" has more than 4 MiB");
    }
}

Result<std::vector<std::string>> files_of(const std::string& directory) {
    struct Close {
        void operator()(DIR* d) const { ::closedir(d); }
    };
    std::unique_ptr<DIR, Close> open(::opendir(directory.c_str()));
    std::vector<std::string> files;
    if (!open && errno == ENOENT) return files;
    if (!open) return fail_errno("open directory \"" + directory + "\"");
    while (const dirent* entry = ::readdir(open.get())) {
        const std::string name = entry->d_name;
        if (!name.starts_with(".") && name.ends_with(".json")) files.push_back(directory + "/" + name);
        if (files.size() > max_files)
            return fail(Code::invalid,
                        "directory \"" + directory + "\" has more than " + std::to_string(max_files) + " documents");
    }
    std::sort(files.begin(), files.end());
    return files;
}

Result<void> merge(Document& into, Document more) {
    if (more.subnet != into.subnet || more.gateway != into.gateway || more.vni != into.vni)
        return fail(Code::invalid, "network " + in_quotes(into.network) + " has subnet " + more.subnet.text() +
                                       ", gateway " + show(more.gateway) + " and vni " + std::to_string(more.vni) +
                                       " here, and " + into.subnet.text() + ", " + show(into.gateway) + " and " +
                                       std::to_string(into.vni) + " in another document");
    for (DocumentHost& host : more.hosts) {
        for (const DocumentHost& other : into.hosts)
            if (other.peer.host == host.peer.host)
                return fail(Code::invalid, "host " + in_quotes(host.peer.host) + " of network " +
                                               in_quotes(into.network) + " is in another document already");
        into.hosts.push_back(std::move(host));
    }
    return {};
}

}  // namespace

Result<Document> parse_document(const std::string& text) {
    const Json json = Json::parse(text, nullptr, false);
    if (json.is_discarded()) return fail(Code::invalid, "it is not JSON");
    const Reader in(json, "document");
    GANTRY_CHECK(in.known({"network", "subnet", "gateway", "vni", "hosts"}));
    Document document;
    GANTRY_TRY(document.network, in.text("network"));
    GANTRY_TRY(document.subnet, in.block("subnet"));
    if (document.subnet.length > 30)
        return fail(Code::invalid,
                    "document.subnet: " + document.subnet.text() + " has no room for a gateway and a container");
    document.gateway = document.subnet.base + 1;
    if (in.has("gateway")) {
        GANTRY_TRY(document.gateway, in.address("gateway"));
        if (!document.subnet.contains(document.gateway))
            return fail(Code::invalid,
                        "document.gateway: " + show(document.gateway) + " is outside " + document.subnet.text());
    }
    GANTRY_TRY(const std::int64_t vni, in.number("vni", 1, max_vni));
    document.vni = static_cast<std::uint32_t>(vni);
    GANTRY_TRY(auto hosts, in.list("hosts"));
    std::set<std::string> names, vteps;
    for (std::size_t i = 0; i < hosts.size(); ++i) {
        GANTRY_TRY(DocumentHost host, read_host(hosts[i], in.at("hosts", i), document));
        if (!names.insert(host.peer.host).second || !vteps.insert(host.peer.vtep).second)
            return fail(Code::invalid, in.at("hosts", i) + ": host " + in_quotes(host.peer.host) + " or its vtep " +
                                           host.peer.vtep + " is there twice");
        document.hosts.push_back(std::move(host));
    }
    return document;
}

Result<Document> read_documents(const std::string& directory, const std::string& network) {
    GANTRY_TRY(auto files, files_of(directory));
    std::optional<Document> whole;
    std::string bad;
    for (const std::string& file : files) {
        auto text = read_file(file);
        auto document = text ? parse_document(*text) : Result<Document>(std::move(text).error());
        if (!document) {
            // Perhaps ours: told of where no other names the network.
            if (bad.empty()) bad = "; \"" + file + "\": " + document.error().text;
            continue;
        }
        if (document->network != network) continue;
        if (!whole) {
            whole = std::move(document).value();
            continue;
        }
        GANTRY_CHECK(merge(*whole, std::move(document).value()).context("\"" + file + "\""));
    }
    if (!whole)
        return fail(Code::not_found, "no document in \"" + directory + "\" names network \"" + network + "\"" + bad);
    return std::move(*whole);
}

Result<bool> has_documents(const std::string& directory) {
    GANTRY_TRY(const auto files, files_of(directory));
    return !files.empty();
}

}  // namespace gantry::overlay
