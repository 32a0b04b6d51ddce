#include "core/cli/context_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/files.hpp"
#include "core/cli/choice.hpp"

namespace gantry::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Contexts : public ::testing::Test {
protected:
    Contexts() {
        char name[] = "/tmp/gantry-contexts-XXXXXX";
        top_ = ::mkdtemp(name);
        for (const char* variable : {"GANTRY_HOST", "GANTRY_CONTEXT", "DOCKER_HOST", "DOCKER_CONTEXT",
                                     "DOCKER_TLS_VERIFY", "DOCKER_TLS", "DOCKER_CERT_PATH"})
            ::unsetenv(variable);
    }
    ~Contexts() override { EXPECT_TRUE(remove_tree(top_)); }

    ContextStore store() const { return ContextStore(top_ + "/gantry", top_ + "/docker"); }
    std::vector<std::string> names() const {
        std::vector<std::string> all;
        problems_.clear();
        for (const Context& context : store().list(&problems_)) all.push_back(context.name);
        return all;
    }
    static Context context(const std::string& name, const std::string& host) {
        Context made;
        made.name = name;
        made.host = host;
        return made;
    }
    void add_dockers(const std::string& digest, const std::string& meta) const {
        const std::string directory = top_ + "/docker/contexts/meta/" + digest;
        ASSERT_TRUE(make_directories(directory));
        ASSERT_TRUE(write_file(directory + "/meta.json", meta));
    }
    static mode_t mode_of(const std::string& path) {
        struct stat info {};
        EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
        return info.st_mode & 07777;
    }

    std::string top_;
    mutable std::vector<std::string> problems_;
};

TEST_F(Contexts, there_is_always_the_default_one) {
    EXPECT_THAT(names(), ElementsAre("default"));
    EXPECT_EQ(*store().current(), "default");
    EXPECT_EQ(store().find("default")->endpoint()->url(), "unix:///run/gantry/gantry.sock");
    EXPECT_EQ(store().put(context("default", "unix:///x")).error().code, Code::conflict);
    EXPECT_THAT(problems_, IsEmpty());
}

TEST_F(Contexts, what_is_put_is_found_and_nobody_else_can_read_it) {
    Context made = context("box", "tcp://10.0.0.1");
    made.description = "the box";
    made.tls = {"CA", "CERT", "KEY"};
    ASSERT_TRUE(store().put(made));
    EXPECT_THAT(names(), ElementsAre("default", "box"));
    auto found = store().find("box");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->description, "the box");
    EXPECT_EQ(found->tls.key, "KEY");
    const std::string directory = top_ + "/gantry/contexts/box";
    auto endpoint = found->endpoint();
    ASSERT_TRUE(endpoint);
    EXPECT_EQ(endpoint->url(), "tcp://10.0.0.1:2376");
    EXPECT_EQ(endpoint->tls, (Tls{true, true, directory + "/ca.pem", directory + "/cert.pem", directory + "/key.pem"}));
    EXPECT_EQ(mode_of(directory), 0700u);
    for (const char* file : {"/meta.json", "/ca.pem", "/cert.pem", "/key.pem"})
        EXPECT_EQ(mode_of(directory + file), 0600u);
    made.tls = {};
    ASSERT_TRUE(store().put(made));
    EXPECT_FALSE(path_exists(directory + "/key.pem"));
    ASSERT_TRUE(store().remove("box"));
    EXPECT_FALSE(path_exists(directory));
    EXPECT_THAT(names(), ElementsAre("default"));
}

TEST_F(Contexts, dockers_are_read_and_hidden_by_ours) {
    add_dockers("aa",
                R"({"Name":"theirs","Metadata":{"Description":"d"},"Endpoints":{"docker":{"Host":"unix:///d.sock"}}})");
    add_dockers("bb", R"({"Name":"both","Metadata":{},"Endpoints":{"docker":{"Host":"unix:///theirs"}}})");
    ASSERT_TRUE(store().put(context("both", "unix:///ours")));
    EXPECT_THAT(names(), ElementsAre("default", "both", "theirs"));
    EXPECT_EQ(store().find("both")->host, "unix:///ours");
    EXPECT_FALSE(store().find("both")->dockers);
    auto theirs = store().find("theirs");
    ASSERT_TRUE(theirs);
    EXPECT_TRUE(theirs->dockers);
    EXPECT_EQ(theirs->description, "d");
    EXPECT_EQ(theirs->endpoint()->url(), "unix:///d.sock");
}

TEST_F(Contexts, a_damaged_one_is_told_of_and_hides_no_other) {
    add_dockers("aa", "{");
    add_dockers("bb", R"({"Name":"../../etc","Endpoints":{"docker":{"Host":"unix:///x"}}})");
    ASSERT_TRUE(make_directories(top_ + "/gantry/contexts/bad"));
    ASSERT_TRUE(write_file(top_ + "/gantry/contexts/bad/meta.json", "[]"));
    ASSERT_TRUE(store().put(context("good", "unix:///x")));
    EXPECT_THAT(names(), ElementsAre("default", "good"));
    EXPECT_EQ(problems_.size(), 2u);
    EXPECT_EQ(store().find("bad").error().code, Code::corrupt);
    auto missing = store().find("none");
    EXPECT_EQ(missing.error().code, Code::not_found);
    EXPECT_EQ(missing.error().text, "context \"none\" not found (there are default, good)");
}

TEST_F(Contexts, names_are_no_paths) {
    for (const char* name : {"", "a", "../x", "a/b", ".hidden", "-x", "a b", "a\nb"}) {
        EXPECT_EQ(check_context_name(name).error().code, Code::invalid) << name;
        EXPECT_FALSE(store().put(context(name, "unix:///x"))) << name;
        EXPECT_FALSE(store().remove(name)) << name;
    }
    EXPECT_FALSE(check_context_name(std::string(129, 'a')));
    EXPECT_TRUE(check_context_name("a.b_c+d-1"));
}

TEST_F(Contexts, what_counts_is_the_options_then_ours_then_dockers_variables_then_what_was_chosen) {
    ASSERT_TRUE(store().put(context("one", "unix:///one")));
    ASSERT_TRUE(store().put(context("two", "unix:///two")));
    auto chosen = [&](const GlobalOptions& options = {}) {
        Choice choice = choose(options, store());
        return (choice.endpoint ? choice.endpoint->url() : choice.endpoint.error().text) + " " + choice.context + " " +
               choice.variable;
    };
    EXPECT_EQ(chosen(), "unix:///run/gantry/gantry.sock default ");
    ASSERT_TRUE(store().set_current("one"));
    EXPECT_EQ(chosen(), "unix:///one one ");
    ::setenv("DOCKER_CONTEXT", "two", 1);
    EXPECT_EQ(chosen(), "unix:///two two DOCKER_CONTEXT");
    ::setenv("DOCKER_HOST", "unix:///docker", 1);
    EXPECT_EQ(chosen(), "unix:///docker default DOCKER_HOST");
    ::setenv("GANTRY_CONTEXT", "two", 1);
    EXPECT_EQ(chosen(), "unix:///two two GANTRY_CONTEXT");
    ::setenv("GANTRY_HOST", "unix:///gantry", 1);
    EXPECT_EQ(chosen(), "unix:///gantry default GANTRY_HOST");
    GlobalOptions options;
    options.context = "one";
    options.context_given = true;
    EXPECT_EQ(chosen(options), "unix:///one one ");
    options.context = "none";
    EXPECT_THAT(chosen(options), HasSubstr("context \"none\" not found"));
    options.context_given = false;
    options.host = "unix:///option";
    options.host_given = true;
    EXPECT_EQ(chosen(options), "unix:///option default ");
    options.context_given = true;
    EXPECT_THAT(chosen(options), HasSubstr("cannot specify both --host and --context"));
    ::setenv("GANTRY_HOST", "what://", 1);
    EXPECT_THAT(chosen(), HasSubstr("GANTRY_HOST: unable to parse host"));
}

TEST_F(Contexts, the_environment_says_which_files_tls_is_made_of) {
    ::setenv("DOCKER_CERT_PATH", top_.c_str(), 1);
    ::setenv("DOCKER_HOST", "tcp://h", 1);
    EXPECT_FALSE(choose({}, store()).endpoint->tls.on);
    ::setenv("DOCKER_TLS_VERIFY", "1", 1);
    EXPECT_EQ(choose({}, store()).endpoint->tls, (Tls{true, true, top_ + "/ca.pem", "", ""}));
    ASSERT_TRUE(write_file(top_ + "/cert.pem", "x"));
    ASSERT_TRUE(write_file(top_ + "/key.pem", "x"));
    EXPECT_EQ(choose({}, store()).endpoint->tls,
              (Tls{true, true, top_ + "/ca.pem", top_ + "/cert.pem", top_ + "/key.pem"}));
    EXPECT_EQ(choose({}, store()).endpoint->url(), "tcp://h:2376");
    ::setenv("DOCKER_HOST", "unix:///x", 1);
    EXPECT_EQ(choose({}, store()).endpoint->url(), "unix:///x");
    GlobalOptions options;
    options.tls = {true, false, "", "", ""};
    options.tls_given = true;
    EXPECT_THAT(choose(options, store()).endpoint.error().text, HasSubstr("TLS is for tcp:// hosts"));
    options.tls = {false, false, "ca", "", ""};
    EXPECT_THAT(choose(options, store()).endpoint.error().text, HasSubstr("need --tls or --tlsverify"));
}

}  // namespace
}  // namespace gantry::cli
