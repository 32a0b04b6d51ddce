#include "core/container/mount_points.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "core/archive/tar_writer.hpp"

namespace gantry::container {
namespace {

class Bytes final : public image::ByteSource {
public:
    explicit Bytes(std::string text) : text_(std::move(text)) {}
    Result<std::size_t> read(char* data, std::size_t size) override {
        const std::size_t n = std::min({size, text_.size() - at_, std::size_t{77}});  // pieces that fit nothing
        text_.copy(data, n, at_);
        at_ += n;
        return n;
    }

private:
    std::string text_;
    std::size_t at_ = 0;
};

std::string stream_of(const std::vector<std::pair<std::string, std::string>>& members) {
    std::string out;
    auto writer = archive::TarWriter::create([&](std::string_view bytes) -> Result<void> {
        out += bytes;
        return {};
    });
    for (const auto& [name, content] : members) {
        archive::Member member;
        member.name = name;
        member.mode = name.ends_with('/') ? S_IFDIR | 0755 : S_IFREG | 0644;
        member.size = static_cast<std::int64_t>(content.size());
        EXPECT_TRUE((*writer)->member(member));
        EXPECT_TRUE((*writer)->data(content));
    }
    EXPECT_TRUE((*writer)->finish());
    return out;
}

Result<std::string> filtered(const std::string& stream, std::set<std::string> paths) {
    auto source = without_members(std::make_unique<Bytes>(stream), std::move(paths));
    std::string out;
    char block[1000];
    for (;;) {
        GANTRY_TRY(std::size_t n, source->read(block, sizeof block));
        if (n == 0) return out;
        out.append(block, n);
    }
}

}  // namespace

TEST(MountPoints, are_hidden_with_what_is_listed_for_them_alone) {
    std::vector<Change> changes = {{"/etc", 0},  {"/etc/hosts", 1}, {"/new", 1},
                                   {"/proc", 1}, {"/dev", 1},       {"/dev/own", 1}};
    const auto hidden = hide_mount_points(changes);
    EXPECT_EQ(changes, (std::vector<Change>{{"/new", 1}, {"/dev/own", 1}}));
    // A directory with somebody's file in it stays, else the file would have none.
    EXPECT_EQ(hidden, (std::set<std::string>{"/etc/hosts", "/proc"}));
}

TEST(MountPoints, leave_the_stream_as_if_they_had_never_been) {
    const std::string longest(200, 'n');
    const std::string large(3000, 'x');
    const std::string all =
        stream_of({{"dev/", ""}, {"dev/pts/", ""}, {"etc/", ""}, {"etc/hosts", ""}, {longest, large}, {"sys/", ""}});
    const std::string some = stream_of({{"etc/", ""}, {longest, large}});
    auto out = filtered(all, {"/dev", "/dev/pts", "/etc/hosts", "/sys"});
    ASSERT_TRUE(out) << out.error().text;
    // The padding at the very end follows the size of a block.
    EXPECT_EQ(out->substr(0, some.size() - 1024), some.substr(0, some.size() - 1024));
    EXPECT_EQ(out->find_first_not_of('\0', some.size() - 1024), std::string::npos);
    EXPECT_EQ(*filtered(all, {}), all);
    // Content is never taken for a mount point.
    const std::string full = stream_of({{"etc/hosts", "127.0.0.1"}});
    EXPECT_EQ(*filtered(full, {"/etc/hosts"}), full);
}

TEST(MountPoints, tell_of_a_stream_that_is_cut_off) {
    const std::string all = stream_of({{"etc/", ""}, {"f", std::string(3000, 'x')}});
    for (std::size_t size : {100u, 700u, 1600u, 2000u})
        EXPECT_EQ(filtered(all.substr(0, size), {}).error().code, Code::corrupt) << size;
}

}  // namespace gantry::container
