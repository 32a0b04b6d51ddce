#include "core/buildkit/cache_wish.hpp"

#include <gtest/gtest.h>

namespace gantry::buildkit {
namespace {

PruneWish with(std::vector<std::string> filters) {
    PruneWish wish;
    wish.filters = std::move(filters);
    return wish;
}

TEST(CacheWish, APruneSaysWhatStays) {
    PruneWish wish = with({"type==regular,id~=abc123", ""});
    wish.all = true;
    wish.keep_ns = 5;
    wish.reserved_bytes = 7;
    EXPECT_EQ(*read_prune(wish), (Json{{"type", "prune"},
                                       {"ids", {"abc123"}},
                                       {"types", {"regular"}},
                                       {"all", true},
                                       {"keep_ns", 5},
                                       {"keep_bytes", 7}}));
}

TEST(CacheWish, AListIsOfWhatTheFiltersName) {
    EXPECT_EQ(*read_usage({}), (Json{{"type", "usage"}, {"ids", Json::array()}, {"types", Json::array()}}));
    EXPECT_EQ((*read_usage({"id==ff"}))["ids"], Json::array({"ff"}));
}

TEST(CacheWish, WhatIsNotThereIsNamed) {
    EXPECT_EQ(read_prune(with({"shared==true"})).error().text,
              "filter \"shared==true\" of the build cache is not supported, allowed: until, id, type");
    EXPECT_EQ(read_prune(with({"private"})).error().text,
              "filter \"private\" of the build cache is not supported, allowed: until, id, type");
    EXPECT_EQ(read_prune(with({"type~=r.*"})).error().text,
              "filter \"type~=r.*\" of the build cache is not supported, allowed: until, id, type");
    EXPECT_EQ(read_prune(with({"id~=.*"})).error().text, "filter id \".*\", allowed: an id or its first digits");
    PruneWish wish;
    wish.free_bytes = 1;
    EXPECT_EQ(read_prune(wish).error().text, "min-free-space is not supported, allowed: keep-storage");
    wish = {};
    wish.keep_ns = -1;
    EXPECT_FALSE(read_prune(wish));
}

}  // namespace
}  // namespace gantry::buildkit
