#include <gtest/gtest.h>

#include "core/image/bootstrap.hpp"
#include "tests/unit/plugins/storage/scratch.hpp"

namespace gantry::image {

TEST(HostSources, are_those_of_the_wanted_suite) {
    test::Scratch scratch;
    scratch.make("sources.list.d");
    test::write_text(scratch / "sources.list",
                     "deb http://mirror/debian bookworm main contrib # comment\ndeb-src http://mirror/debian bookworm "
                     "main\ndeb [arch=amd64 signed-by=/k.gpg] http://mirror/sec bookworm-security main\n"
                     "deb http://other/cloud cloud-sdk main\n");
    test::write_text(scratch / "sources.list.d/a.sources",
                     "Types: deb deb-src\nURIs: http://two/debian\nSuites: bookworm bookworm-updates\nComponents: "
                     "main\nSigned-By: /keys/two.gpg\n\n"
                     "Types: deb\nEnabled: no\nURIs: http://off/debian\nSuites: bookworm\nComponents: main\n\n# "
                     "x\nTypes: deb\nURIs: http://three\nSuites: nodistro\nComponents: main\n");
    test::write_text(scratch / "sources.list.d/ignored.txt", "deb http://no/debian bookworm main\n");
    const std::vector<std::string> expected = {"deb http://mirror/debian bookworm main contrib",
                                               "deb [signed-by=/k.gpg] http://mirror/sec bookworm-security main",
                                               "deb [signed-by=/keys/two.gpg] http://two/debian bookworm main",
                                               "deb [signed-by=/keys/two.gpg] http://two/debian bookworm-updates main"};
    EXPECT_EQ(host_sources(scratch.path(), "bookworm", "bookworm"), expected);
    EXPECT_EQ(host_sources(scratch.path(), "trixie", "bookworm").front(),
              "deb http://mirror/debian trixie main contrib");
    EXPECT_TRUE(host_sources(scratch.path(), "noble", "jammy").empty());
    EXPECT_TRUE(host_sources(scratch / "absent", "bookworm", "bookworm").empty());
}

}  // namespace gantry::image
