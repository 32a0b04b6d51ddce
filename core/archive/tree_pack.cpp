#include "core/archive/tree_pack.hpp"

#include <fcntl.h>

#include <map>

#include "core/archive/node.hpp"
#include "core/base/text.hpp"

namespace gantry::archive {
namespace {

constexpr int deepest_packed = 1024;

class Packer {
public:
    Packer(TarWriter& writer, const PackOptions& options) : writer_(writer), options_(options) {}

    Result<void> node(int fd, const std::string& name, int depth, dev_t above) {
        struct stat info {};
        if (::fstat(fd, &info) != 0) return fail_errno("look up " + quote_json(name));
        if (S_ISSOCK(info.st_mode)) return {};
        UniqueFd open;
        if (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)) {
            auto opened = reopen(fd, O_RDONLY | O_NONBLOCK);
            if (!opened) return std::move(opened).error().context("pack " + quote_json(name));
            open = std::move(*opened);
        }
        Member member;
        member.name = name;
        member.mode = info.st_mode;
        member.mtime = info.st_mtim;
        if (options_.owner == PackOptions::Owner::as_is) {
            member.uid = info.st_uid;
            member.gid = info.st_gid;
        }
        if (S_ISDIR(info.st_mode)) {
            if (!name.empty()) {
                if (!name.ends_with('/')) member.name += '/';
                GANTRY_TRY(member.xattrs, portable_xattrs(open.get()));
                GANTRY_CHECK(writer_.member(member));
            }
            if (depth > 0 && info.st_dev != above && options_.enter_mount && !options_.enter_mount(open.get()))
                return {};
            return directory(open.get(), member.name, depth, info.st_dev);
        }
        if (info.st_nlink > 1) {
            auto [first, fresh] = linked_.try_emplace({info.st_dev, info.st_ino}, name);
            if (!fresh) {
                member.hard_link = first->second;
                return writer_.member(member);
            }
        }
        if (S_ISLNK(info.st_mode)) {
            GANTRY_TRY(member.link, link_target(fd));
        } else if (S_ISREG(info.st_mode)) {
            member.size = info.st_size;
            GANTRY_TRY(member.xattrs, portable_xattrs(open.get()));
        } else {
            member.device = info.st_rdev;
        }
        GANTRY_CHECK(writer_.member(member));
        if (!S_ISREG(info.st_mode)) return {};
        return writer_.data_from(open.get(), info.st_size).context("pack " + quote_json(name));
    }

private:
    Result<void> directory(int fd, const std::string& prefix, int depth, dev_t device) {
        if (depth > deepest_packed || prefix.size() > 4095)
            return fail(Code::exhausted, quote_json(prefix.substr(0, 100)) + "... lies too deep for an archive");
        GANTRY_TRY(auto names, names_in(fd));
        for (const std::string& name : names) {
            if (options_.cancelled && options_.cancelled()) return fail(Code::cancelled, "the copy was given up");
            auto below = open_node(fd, name);
            if (!below && below.error().system_errno == ENOENT) continue;  // deleted meanwhile
            if (!below) return std::move(below).error();
            GANTRY_CHECK(node(below->get(), prefix + name, depth + 1, device));
        }
        return {};
    }

    TarWriter& writer_;
    const PackOptions& options_;
    std::map<std::pair<dev_t, ino_t>, std::string> linked_;
};

}  // namespace

Result<void> pack(TarWriter& writer, int node, const std::string& name, const PackOptions& options) {
    return Packer(writer, options).node(node, name, 0, 0);
}

}  // namespace gantry::archive
