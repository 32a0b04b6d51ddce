#include <gtest/gtest.h>

#include "core/daemon/http/http.hpp"
#include "core/daemon/http/target.hpp"

using namespace gantry;
using namespace gantry::http;

namespace {

Router router_of(std::initializer_list<std::pair<const char*, const char*>> routes) {
    Router router;
    for (auto [method, pattern] : routes) router.add(method, pattern, [](Request, std::shared_ptr<Responder>) {});
    return router;
}

}  // namespace

TEST(Router, finds_a_route_and_its_parameters) {
    Router router = router_of({{"GET", "/containers/{id}/json"}, {"GET", "/containers/json"}});
    auto match = router.match("GET", "/containers/abc/json");
    ASSERT_NE(match.handler, nullptr);
    EXPECT_EQ(match.parameters.at("id"), "abc");
    EXPECT_NE(router.match("GET", "/containers/json").handler, nullptr);
    EXPECT_TRUE(router.match("GET", "/containers/json").parameters.empty());
}

TEST(Router, finds_neither_an_unknown_path_nor_an_unknown_method) {
    Router router = router_of({{"GET", "/info"}});
    EXPECT_EQ(router.match("GET", "/nothing").status, 404);
    EXPECT_EQ(router.match("GET", "/info/").status, 404);
    EXPECT_EQ(router.match("GET", "//info").status, 404);
    EXPECT_EQ(router.match("POST", "/info").status, 404);
    EXPECT_EQ(router.match("get", "/info").status, 404);
}

TEST(Router, lets_a_name_with_slashes_stand_before_a_suffix) {
    Router router = router_of({{"GET", "/images/{name:*}/json"},
                               {"GET", "/images/json"},
                               {"DELETE", "/images/{name:*}"},
                               {"POST", "/images/{name:*}/tag"}});
    EXPECT_EQ(router.match("GET", "/images/localhost:5000/a/b/json").parameters.at("name"), "localhost:5000/a/b");
    EXPECT_EQ(router.match("GET", "/images/debian/json").parameters.at("name"), "debian");
    EXPECT_TRUE(router.match("GET", "/images/json").parameters.empty());
    EXPECT_EQ(router.match("DELETE", "/images/a/b").parameters.at("name"), "a/b");
    EXPECT_EQ(router.match("POST", "/images/json/tag").parameters.at("name"), "json");
    EXPECT_EQ(router.match("GET", "/images/a//b/json").status, 400);
}

TEST(Router, lets_an_encoded_slash_stand_in_names_but_not_in_ids) {
    Router router = router_of({{"GET", "/images/{name:*}/json"}, {"GET", "/containers/{id}/json"}});
    EXPECT_EQ(router.match("GET", parse_target("/images/a%2Fb/json")->path).parameters.at("name"), "a/b");
    auto refused = router.match("GET", parse_target("/containers/a%2Fb/json")->path);
    EXPECT_EQ(refused.handler, nullptr);
    EXPECT_EQ(refused.status, 400);
}

TEST(Router, answers_head_by_get_unless_there_is_a_head_route) {
    Router router;
    std::string called;
    router.add("GET", "/_ping", [&](Request, std::shared_ptr<Responder>) { called = "get"; });
    (*router.match("HEAD", "/_ping").handler)({}, nullptr);
    EXPECT_EQ(called, "get");
    router.add("HEAD", "/_ping", [&](Request, std::shared_ptr<Responder>) { called = "head"; });
    (*router.match("HEAD", "/_ping").handler)({}, nullptr);
    EXPECT_EQ(called, "head");
}

TEST(Router, prefers_the_more_literal_pattern) {
    Router router;
    std::string called;
    router.add("GET", "/networks/{id}", [&](Request, std::shared_ptr<Responder>) { called = "id"; });
    router.add("GET", "/networks/prune", [&](Request, std::shared_ptr<Responder>) { called = "prune"; });
    (*router.match("GET", "/networks/prune").handler)({}, nullptr);
    EXPECT_EQ(called, "prune");
}
