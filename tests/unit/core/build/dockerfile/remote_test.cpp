#include "core/build/dockerfile/remote.hpp"

#include <gtest/gtest.h>

namespace gantry::build::dockerfile {
namespace {

// "git URL REF SUBDIR", "http URL NAME", "path" or the error.
std::string shown(std::string_view source) {
    auto remote = parse_remote(source);
    if (!remote) return remote.error().text;
    if (!*remote) return "path";
    if (const auto* git = std::get_if<GitSource>(&**remote))
        return "git " + git->url + " " + git->ref + " " + git->subdir;
    const auto& http = std::get<HttpSource>(**remote);
    return "http " + http.url + " " + http.file_name;
}

}  // namespace

TEST(Remote, tells_git_and_urls_from_paths) {
    for (auto [source, what] : std::initializer_list<std::pair<const char*, const char*>>{
             {"app.py", "path"},
             {".", "path"},
             {"a:b", "path"},
             {"dir/a@b", "path"},
             {"github.com/me/repo", "path"},
             {"https://example.com/a/file.tar.gz", "http https://example.com/a/file.tar.gz file.tar.gz"},
             {"http://example.com", "http http://example.com "},
             {"http://example.com/", "http http://example.com/ "},
             {"https://example.com/a%20b?x=/y#frag", "http https://example.com/a%20b?x=/y a b"},
             {"https://example.com/%2e%2e", "http https://example.com/%2e%2e "},
             {"https://example.com/a%2fb", "http https://example.com/a%2fb "},
             {"https://user:secret@example.com:8443/f", "http https://user:secret@example.com:8443/f f"},
             {"http://[::1]:80/f", "http http://[::1]:80/f f"},
             {"https://example.com/me/repo.git", "git https://example.com/me/repo.git  "},
             {"https://example.com/me/repo.git#v1.2", "git https://example.com/me/repo.git v1.2 "},
             {"https://example.com/me/repo.git#main:docs/x/", "git https://example.com/me/repo.git main docs/x"},
             {"https://example.com/me/repo.git#:docs", "git https://example.com/me/repo.git  docs"},
             {"https://example.com/me/repo.git#a/b:/docs", "git https://example.com/me/repo.git a/b docs"},
             {"git://example.com/me/repo", "git git://example.com/me/repo  "},
             {"ssh://git@example.com:22/me/repo", "git ssh://git@example.com:22/me/repo  "},
             {"git@example.com:me/repo.git#v1:sub", "git git@example.com:me/repo.git v1 sub"}})
        EXPECT_EQ(shown(source), what) << source;
}

TEST(Remote, refuses_what_git_or_curl_could_take_otherwise) {
    const char* ref = ", allowed is a branch, a tag or a commit";
    const char* dir = ", allowed is a path within the repository";
    for (auto [source, error] : std::initializer_list<std::pair<std::string, std::string>>{
             {"https://example.com/r.git#--upload-pack=x", std::string("found the ref \"--upload-pack=x\"") + ref},
             {"https://example.com/r.git#-x", std::string("found the ref \"-x\"") + ref},
             {"https://example.com/r.git#a..b", std::string("found the ref \"a..b\"") + ref},
             {"https://example.com/r.git#a^{}", std::string("found the ref \"a^{}\"") + ref},
             {"https://example.com/r.git#x.lock", std::string("found the ref \"x.lock\"") + ref},
             {"https://example.com/r.git#main:../..", std::string("found the directory \"../..\"") + dir},
             {"https://example.com/r.git#main:a/../../b", std::string("found the directory \"a/../../b\"") + dir},
             {"git@example.com:r.git#-oProxyCommand=x", std::string("found the ref \"-oProxyCommand=x\"") + ref},
             {"git@example.com:../r.git", "found a path upwards or a blank in it"},
             {"file:///etc/passwd", "found the protocol \"file\", allowed are http, https, ssh and git"},
             {"ftp://example.com/f", "found the protocol \"ftp\", allowed are http, https, ssh and git"},
             {"unix:///run/docker.sock", "found the protocol \"unix\", allowed are http, https, ssh and git"},
             {"git+ssh://example.com/r", "found the protocol \"git+ssh\", allowed are http, https, ssh and git"},
             {"ext::sh -c touch", "found the git transport \"ext\", allowed are http, https, ssh and git"},
             {"ssh://-oProxyCommand=x/r", "found no valid host in the URL"},
             {"ssh://git@-x/r", "found no valid host in the URL"},
             {"https:///f", "found no valid host in the URL"},
             {"https://exa mple.com/f", "found a blank or a control character in a URL"},
             {"https://example.com:99999/f", "found no valid host in the URL"},
             {"https://example.com/../r.git", "found no path of a repository in the URL, or one upwards"},
             {"ssh://example.com/-x", "found no path of a repository in the URL, or one upwards"}}) {
        auto remote = parse_remote(source);
        ASSERT_FALSE(remote) << source << shown(source);
        EXPECT_EQ(remote.error().code, Code::invalid);
        EXPECT_EQ(remote.error().text, "\"" + without_credentials(source) + "\": " + error);
    }
    auto query = parse_remote("https://example.com/r.git?ref=x");
    ASSERT_FALSE(query);
    EXPECT_EQ(query.error().code, Code::unsupported);
    EXPECT_EQ(query.error().text,
              "\"https://example.com/r.git?ref=x\": a query in a git URL is not supported: use #ref:directory");
}

TEST(Remote, shows_nobody_a_password) {
    EXPECT_EQ(without_credentials("https://user:secret@example.com/a@b"), "https://example.com/a@b");
    EXPECT_EQ(without_credentials("https://example.com/a@b"), "https://example.com/a@b");
    EXPECT_EQ(without_credentials("git@example.com:a"), "git@example.com:a");
    auto remote = parse_remote("https://user:secret@example.com/r.git#-x");
    ASSERT_FALSE(remote);
    EXPECT_EQ(remote.error().text.find("secret"), std::string::npos);
}

}  // namespace gantry::build::dockerfile
