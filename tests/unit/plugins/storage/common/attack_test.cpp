// Hostile archives (SECURITY-CATALOGUE S31 to S36): whatever they hold, nothing outside the layer changes.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/xattr.h>

#include <chrono>
#include <functional>

#include "plugins/storage/common/overlay_marks.hpp"
#include "plugins/storage/common/tar_apply.hpp"
#include "plugins/storage/common/tree.hpp"
#include "tests/unit/plugins/storage/scratch.hpp"
#include "tests/unit/plugins/storage/tar_maker.hpp"

namespace gantry::storage {
namespace {

using test::content_of;
using test::info_of;
using test::TarEntry;
using test::TarMaker;

enum class Verdict { refused, confined };

struct Attack {
    const char* name;
    Verdict verdict;
    std::function<std::string(const std::string& outside)> tar;  // `outside`: absolute path of the canary's directory
};

TarEntry with_pax(TarEntry entry, const std::string& key, const std::string& value) {
    entry.pax.emplace_back(key, value);
    return entry;
}

TarEntry device_zero() { return {"hidden", '3'}; }

const std::vector<Attack>& attacks() {
    using S = const std::string&;
    static const std::vector<Attack> all = {
        {"dot_dot_name", Verdict::refused, [](S) { return TarMaker().file("../canary").done(); }},
        {"dot_dot_inside", Verdict::refused, [](S) { return TarMaker().file("a/../../canary").done(); }},
        {"dot_dot_deep", Verdict::refused, [](S) { return TarMaker().file("a/b/../../../outside/canary").done(); }},
        {"dot_dot_directory", Verdict::refused, [](S) { return TarMaker().directory("../outside", 0777).done(); }},
        {"dot_dot_alone", Verdict::refused, [](S) { return TarMaker().directory("..", 0777).done(); }},
        {"absolute_name", Verdict::confined, [](S o) { return TarMaker().file(o + "/canary", "evil").done(); }},
        {"prefix_sibling", Verdict::refused, [](S) { return TarMaker().file("../root-evil/canary", "evil").done(); }},
        {"empty_name", Verdict::refused, [](S) { return TarMaker().file("").done(); }},
        {"nul_in_pax_path", Verdict::confined,
         [](S) {
             return TarMaker().add(with_pax({"x", '0', "y"}, "path", std::string("a\0/../../canary", 15))).done();
         }},
        {"very_long_name", Verdict::refused, [](S) { return TarMaker().file(std::string(65536, 'n')).done(); }},
        {"long_component", Verdict::refused, [](S) { return TarMaker().file("d/" + std::string(256, 'n')).done(); }},
        {"too_deep", Verdict::refused,
         [](S) {
             std::string name;
             for (int i = 0; i < 1500; ++i) name += "d/";
             return TarMaker().file(name + "f").done();
         }},
        {"pax_overrides_good_name", Verdict::refused,
         [](S) {
             return TarMaker().add(with_pax({"good", '0', "evil"}, "path", "../canary")).done();
         }},
        {"windows_name", Verdict::confined, [](S) { return TarMaker().file("C:\\x\\..\\..\\canary", "evil").done(); }},
        {"link_then_write_through", Verdict::confined,
         [](S o) { return TarMaker().symlink("l", o).file("l/canary", "evil").done(); }},
        {"relative_link_then_write", Verdict::confined,
         [](S) { return TarMaker().symlink("l", "../outside").file("l/canary", "evil").done(); }},
        {"link_to_file_then_write", Verdict::confined,
         [](S o) { return TarMaker().symlink("l", o + "/canary").file("l", "evil").done(); }},
        {"two_hop_links", Verdict::confined,
         [](S o) { return TarMaker().symlink("a", o).symlink("b", "a").file("b/canary", "evil").done(); }},
        {"two_hop_with_dots", Verdict::confined,
         [](S) { return TarMaker().symlink("a", ".").symlink("a/b", "..").file("a/b/outside/canary", "evil").done(); }},
        {"link_through_a_link", Verdict::confined,
         [](S o) { return TarMaker().symlink("l", o).symlink("l/canary", "/etc/passwd").done(); }},
        {"directory_becomes_link", Verdict::confined,
         [](S o) { return TarMaker().directory("d").file("d/f").symlink("d", o).file("d/canary", "evil").done(); }},
        {"link_loop", Verdict::refused,
         [](S) { return TarMaker().symlink("a", "b").symlink("b", "a").file("a/x").done(); }},
        {"dangling_link_outside", Verdict::confined,
         [](S o) { return TarMaker().symlink("l", o + "/new").file("l/made", "evil").done(); }},
        {"magic_link", Verdict::confined,
         [](S) { return TarMaker().symlink("l", "/proc/self/root").file("l/made-by-test", "evil").done(); }},
        {"hard_link_outside", Verdict::refused, [](S o) { return TarMaker().hardlink("h", o + "/canary").done(); }},
        {"hard_link_dot_dot", Verdict::refused, [](S) { return TarMaker().hardlink("h", "../outside/canary").done(); }},
        {"hard_link_through_link", Verdict::refused,
         [](S o) { return TarMaker().symlink("l", o).hardlink("h", "l/canary").file("h", "evil").done(); }},
        {"hard_link_to_link_then_write", Verdict::confined,
         [](S o) { return TarMaker().symlink("l", o + "/canary").hardlink("h", "l").file("h", "evil").done(); }},
        {"hard_link_to_directory", Verdict::refused,
         [](S) { return TarMaker().directory("d").hardlink("h", "d").done(); }},
        {"hard_link_to_itself", Verdict::confined,
         [](S) { return TarMaker().file("f", "x").hardlink("f", "f").done(); }},
        {"hard_link_of_the_root", Verdict::refused, [](S) { return TarMaker().file("f").hardlink(".", "f").done(); }},
        {"pax_linkpath_outside", Verdict::refused,
         [](S o) {
             return TarMaker().file("f").add(with_pax({"h", '1', "", "f"}, "linkpath", o + "/canary")).done();
         }},
        {"root_becomes_link", Verdict::refused, [](S o) { return TarMaker().symlink(".", o).done(); }},
        {"root_becomes_link_slash", Verdict::refused,
         [](S o) { return TarMaker().symlink("/", o).file("canary", "evil").done(); }},
        {"root_becomes_file", Verdict::refused,
         [](S) {
             return TarMaker().file("./", "evil").add({".", '0', "evil"}).done();
         }},
        {"root_becomes_fifo", Verdict::refused,
         [](S) {
             return TarMaker().add({".", '6'}).done();
         }},
        {"whiteout_of_nothing", Verdict::refused, [](S) { return TarMaker().file(".wh.", "").done(); }},
        {"whiteout_of_dot", Verdict::refused, [](S) { return TarMaker().file(".wh..", "").done(); }},
        {"whiteout_of_dot_dot", Verdict::refused, [](S) { return TarMaker().file(".wh...", "").done(); }},
        {"whiteout_of_dot_dot_below", Verdict::refused, [](S) { return TarMaker().file("d/.wh...", "").done(); }},
        {"whiteout_directory", Verdict::refused, [](S) { return TarMaker().file(".wh.x/../../canary", "").done(); }},
        {"whiteout_as_parent", Verdict::refused, [](S) { return TarMaker().file(".wh.d/x", "").done(); }},
        {"whiteout_with_nul", Verdict::refused,
         [](S) {
             return TarMaker().add(with_pax({"x", '0'}, "path", std::string(".wh.\0x", 6))).done();
         }},
        {"whiteout_below_link", Verdict::confined,
         [](S o) { return TarMaker().symlink("l", o).file("l/.wh.canary", "").done(); }},
        {"opaque_below_link", Verdict::confined,
         [](S o) { return TarMaker().symlink("l", o).file("l/.wh..wh..opq", "").done(); }},
        {"opaque_of_dot_dot", Verdict::refused, [](S) { return TarMaker().file("../.wh..wh..opq", "").done(); }},
        {"device_0_0", Verdict::refused, [](S) { return TarMaker().add(device_zero()).done(); }},
        {"mode_on_link", Verdict::confined,
         [](S o) {
             TarEntry link{"l", '2', "", o + "/canary"};
             link.mode = 0777;
             link.uid = 4242;
             link.mtime = 5;
             return TarMaker().add(link).done();
         }},
        {"attributes_on_link", Verdict::confined,
         [](S o) {
             return TarMaker().add(with_pax({"l", '2', "", o + "/canary"}, "SCHILY.xattr.user.evil", "1")).done();
         }},
        {"directory_attributes_through_link", Verdict::confined,
         [](S o) {
             TarEntry directory{"l/", '5'};
             directory.mode = 0777;
             return TarMaker().symlink("l", o).add(directory).done();
         }},
        {"fifo_then_write", Verdict::confined,
         [](S) {
             return TarMaker().add({"p", '6'}).file("p", "x").done();
         }},
        {"huge_sparse_file", Verdict::refused,
         [](S) {
             std::string map = "1\n9223372036854775000\n1\n";
             map.resize(512, '\0');
             TarEntry sparse{"s", '0', map + "x"};
             sparse.pax = {{"GNU.sparse.major", "1"},
                           {"GNU.sparse.minor", "0"},
                           {"GNU.sparse.name", "s"},
                           {"GNU.sparse.realsize", "9223372036854775001"}};
             return TarMaker().add(sparse).done();
         }},
        {"sparse_name_climbs", Verdict::refused,
         [](S) {
             std::string map = "0\n";
             map.resize(512, '\0');
             TarEntry sparse{"s", '0', map};
             sparse.pax = {{"GNU.sparse.major", "1"},
                           {"GNU.sparse.minor", "0"},
                           {"GNU.sparse.name", "../canary"},
                           {"GNU.sparse.realsize", "0"}};
             return TarMaker().add(sparse).done();
         }},
        {"owner_out_of_range", Verdict::refused,
         [](S) {
             return TarMaker().add(with_pax({"f", '0'}, "uid", "99999999999")).done();
         }},
    };
    return all;
}

struct AttackTest : ::testing::TestWithParam<Attack> {
    test::Scratch scratch;
    std::string outside = scratch.make("outside"), root;

    void SetUp() override {
        REQUIRE_ROOT();
        scratch.make("root-evil");
        test::write_text(outside + "/canary", "canary");
        test::write_text(scratch / "canary", "canary");
        test::write_text(scratch / "root-evil/canary", "canary");
        ::chmod((outside + "/canary").c_str(), 0640);
    }

    // Everything outside the roots, as one text.
    std::string outside_state() const {
        std::string state;
        for (const std::string& path : {scratch.path(), outside, outside + "/canary", scratch / "canary",
                                        scratch / "root-evil", scratch / "root-evil/canary"}) {
            struct stat info = info_of(path);
            state += path + " " + std::to_string(info.st_ino) + " " + std::to_string(info.st_mode) + " " +
                     std::to_string(info.st_uid) + " " + std::to_string(info.st_nlink) + " " +
                     std::to_string(S_ISREG(info.st_mode) ? info.st_mtim.tv_nsec : 0) + " " +
                     (S_ISREG(info.st_mode) ? content_of(path) : "") + "\n";
            char names[256];
            state += std::to_string(::llistxattr(path.c_str(), names, sizeof names));
        }
        for (const auto& entry : std::filesystem::recursive_directory_iterator(outside))
            state += entry.path().string() + "\n";
        return state;
    }
    std::string tree_state(const std::string& base) const {
        std::vector<std::string> lines;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(base)) {
            struct stat info = info_of(entry.path());
            lines.push_back(entry.path().string().substr(base.size()) + " " + std::to_string(info.st_mode) + " " +
                            std::to_string(info.st_uid) + " " + std::to_string(info.st_size) + " " +
                            // A whiteout's is the time at which it was made; nobody sees it.
                            std::to_string(S_ISCHR(info.st_mode) ? 0 : info.st_mtim.tv_sec));
        }
        std::sort(lines.begin(), lines.end());
        std::string all;
        for (const auto& line : lines) all += line + "\n";
        return all;
    }
    Result<std::int64_t> apply(const std::string& base, const std::string& tar) const {
        UniqueFd directory = test::open_directory(base), stream = test::stream_of(tar);
        return apply_tar(stream.get(), {directory.get(), {}}, {}, nullptr);
    }
};

}  // namespace

TEST_P(AttackTest, changes_nothing_outside_the_layer) {
    const std::string tar = GetParam().tar(outside);
    const std::string first = scratch.make("root"), second = scratch.make("root2");
    const std::string before = outside_state();
    auto result = apply(first, tar);
    EXPECT_EQ(outside_state(), before);
    if (GetParam().verdict == Verdict::refused) {
        ASSERT_FALSE(result);
        EXPECT_FALSE(result.error().text.empty());
        EXPECT_EQ(result.error().text.find('\n'), std::string::npos);
    } else {
        ASSERT_TRUE(result) << result.error().text;
        ASSERT_TRUE(apply(second, tar));
        EXPECT_EQ(tree_state(first), tree_state(second)) << "two runs must give the same";
    }
    EXPECT_FALSE(std::filesystem::exists("/made-by-test"));
}

INSTANTIATE_TEST_SUITE_P(Corpus, AttackTest, ::testing::ValuesIn(attacks()),
                         [](const auto& attack) { return std::string(attack.param.name); });

TEST(AttackCost, many_whiteouts_and_hard_links_take_linear_time) {
    REQUIRE_ROOT();
    auto seconds = [](int count) {
        test::Scratch scratch;
        const std::string root = scratch.make("root");
        TarMaker maker;
        maker.file("one").directory("d");
        for (int i = 0; i < count; ++i) {
            maker.file("d/.wh..wh..opq", "")
                .file("d/.wh.gone" + std::to_string(i), "")
                .hardlink("d/link" + std::to_string(i), "one");
        }
        UniqueFd directory = test::open_directory(root), stream = test::stream_of(maker.done());
        auto begin = std::chrono::steady_clock::now();
        auto result = apply_tar(stream.get(), {directory.get(), {}}, {}, nullptr);
        EXPECT_TRUE(result) << result.error().text;
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    };
    seconds(500);
    const double half = seconds(5'000), whole = seconds(10'000);
    EXPECT_LT(whole, half * 4 + 0.5);  // generous: the machine is shared
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    EXPECT_LT(usage.ru_maxrss, 256 * 1024);
}

}  // namespace gantry::storage
