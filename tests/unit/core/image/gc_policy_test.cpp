#include "core/image/gc_policy.hpp"

#include <gtest/gtest.h>

namespace gantry::image {
namespace {

using Ids = std::vector<std::string>;

GcImage image(const char* id, std::int64_t used, std::vector<std::pair<std::string, std::int64_t>> layers,
              std::vector<std::string> tags = {}, bool in_use = false) {
    return {id, std::move(tags), std::move(layers), used, in_use};
}

}  // namespace

TEST(GcPolicy, lets_nothing_go_where_it_says_nothing) {
    EXPECT_EQ(choose_images({image("a", 0, {{"l", 1 << 30}})}, {}, 1'000'000), Ids{});
}

TEST(GcPolicy, takes_what_was_not_used_for_longer_than_its_age) {
    const std::vector<GcImage> images = {image("new", 95, {}), image("old", 10, {}), image("edge", 50, {}),
                                         image("older", 5, {}), image("busy", 1, {}, {"x:1"}, true)};
    EXPECT_EQ(choose_images(images, {50, 0, {}}, 100), (Ids{"older", "old"}));
    EXPECT_EQ(choose_images(images, {49, 0, {}}, 100), (Ids{"older", "old", "edge"}));
}

TEST(GcPolicy, keeps_names_that_fit) {
    const std::vector<GcImage> images = {image("a", 1, {}, {"debian:12"}),
                                         image("b", 2, {}, {"registry.local/team/x:1"}),
                                         image("c", 3, {}, {"web:1", "keep/web:1"}), image("d", 4, {})};
    EXPECT_EQ(choose_images(images, {1, 0, {"debian"}}, 100), (Ids{"b", "c", "d"}));
    EXPECT_EQ(choose_images(images, {1, 0, {"debian:1?", "registry.local/*/*", "keep/*"}}, 100), (Ids{"d"}));
    EXPECT_EQ(choose_images(images, {1, 0, {"registry.local/*"}}, 100), (Ids{"a", "b", "c", "d"}));
}

TEST(GcPolicy, frees_until_it_fits_the_longest_unused_first) {
    const std::vector<GcImage> images = {image("a", 3, {{"base", 100}, {"a", 10}}),
                                         image("b", 1, {{"base", 100}, {"b", 10}}), image("c", 2, {{"c", 50}})};
    EXPECT_EQ(choose_images(images, {0, 170, {}}, 100), Ids{});
    EXPECT_EQ(choose_images(images, {0, 169, {}}, 100), (Ids{"b"}));
    // What is shared goes with the last that has it.
    EXPECT_EQ(choose_images(images, {0, 150, {}}, 100), (Ids{"b", "c"}));
    EXPECT_EQ(choose_images(images, {0, 50, {}}, 100), (Ids{"b", "c", "a"}));
}

TEST(GcPolicy, does_not_go_below_what_is_in_use) {
    const std::vector<GcImage> images = {image("a", 1, {{"l", 100}}, {}, true), image("b", 2, {{"l", 100}})};
    EXPECT_EQ(choose_images(images, {0, 10, {}}, 100), (Ids{"b"}));
}

}  // namespace gantry::image
