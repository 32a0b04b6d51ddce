// The smuggling corpus: never two requests from one, and nothing that two parsers could read differently.
#include "core/daemon/http/request_reader.hpp"

#include <gtest/gtest.h>

#include <algorithm>

using namespace gantry;
using namespace gantry::http;

namespace {

const Limits limits;

struct Outcome {
    int requests = 0;
    int refused = 0;  // the status
    std::vector<std::string> bodies;
    std::string last_path;
};

// Feeds the bytes in pieces of `step`.
Outcome feed(std::string_view bytes, std::size_t step) {
    RequestReader reader(limits);
    Outcome outcome;
    std::string body;
    while (true) {
        switch (reader.next()) {
        case RequestReader::Step::more: {
            if (bytes.empty()) return outcome;
            const std::string_view piece = bytes.substr(0, step);
            auto room = reader.prepare(piece.size());
            std::copy(piece.begin(), piece.end(), room.begin());
            reader.commit(piece.size());
            bytes.remove_prefix(piece.size());
            break;
        }
        case RequestReader::Step::head: outcome.last_path = reader.take_head().request.path; break;
        case RequestReader::Step::body: body += reader.piece(); break;
        case RequestReader::Step::end:
            ++outcome.requests;
            outcome.bodies.push_back(std::move(body));
            body.clear();
            reader.reset();
            break;
        case RequestReader::Step::refused: outcome.refused = reader.verdict().status; return outcome;
        }
    }
}

}  // namespace

TEST(RequestReader, refuses_the_smuggling_corpus_however_the_bytes_are_cut) {
    const std::string post = "POST /containers/create HTTP/1.1\r\nHost: docker\r\n";
    const std::string smuggled = "GET /smuggled HTTP/1.1\r\nHost: docker\r\n\r\n";
    const std::vector<std::string> corpus = {
        post + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
        post + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + smuggled,
        post + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde" + smuggled,
        post + "Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd" + smuggled,
        post + "Content-Length: 4, 4\r\n\r\nabcd" + smuggled,
        post + "Content-Length: +4\r\n\r\nabcd",
        post + "Content-Length: -1\r\n\r\n",
        post + "Content-Length: 0x4\r\n\r\nabcd",
        post + "Content-Length: \r\n\r\n",
        post + "Content-Length: 99999999999999999999\r\n\r\n",
        post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        post + "Transfer-Encoding: identity\r\n\r\n",
        post + "Transfer-Encoding: xchunked\r\n\r\n",
        post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        post +
            "Transfer-Encoding:\x0b"
            "chunked\r\n\r\n0\r\n\r\n",
        post + "Content-Length : 4\r\n\r\nabcd",
        post + "X: a\r\n folded\r\n\r\n",
        post + "X: a\r\n\tfolded\r\n\r\n",
        post + " Content-Length: 4\r\n\r\nabcd",
        post + "X: a\nContent-Length: 4\r\n\r\nabcd",
        post + "X: a\rContent-Length: 4\r\n\r\nabcd",
        post + "X: a\r\n\nGET / HTTP/1.1\r\n\r\n",
        post + "X\r\n\r\n",
        post + ": a\r\n\r\n",
        post + std::string("X: a\0b\r\n\r\n", 10),
        post + "Host: other\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\nHost: docker\n\n",
        "GET  / HTTP/1.1\r\nHost: docker\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: docker\r\n\r\n",
        "GET /\r\nHost: docker\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: docker\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET http://docker/info HTTP/1.1\r\nHost: docker\r\n\r\n",
        "GET /a\x01 HTTP/1.1\r\nHost: docker\r\n\r\n",
        "G(T / HTTP/1.1\r\nHost: docker\r\n\r\n",
        post + "Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n",
        post + "Transfer-Encoding: chunked\r\n\r\n2\r\nabX\r\n0\r\n\r\n",
        post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nab",
        post + "Transfer-Encoding: chunked\r\n\r\n-2\r\nab\r\n0\r\n\r\n",
        post + "Expect: 200-ok\r\nContent-Length: 1\r\n\r\na",
        post + "Origin: http://evil.example\r\nContent-Length: 0\r\n\r\n",
        post + "Sec-Fetch-Site: cross-site\r\n\r\n",
        post + "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\na",
    };
    for (const std::string& bytes : corpus)
        for (std::size_t step : {std::size_t(1), std::size_t(7), bytes.size()}) {
            const Outcome outcome = feed(bytes, step);
            EXPECT_EQ(outcome.requests, 0) << bytes << "\nin steps of " << step;
            EXPECT_GE(outcome.refused, 400) << bytes << "\nin steps of " << step;
        }
}

TEST(RequestReader, reads_bodies_by_length_and_by_chunks_however_they_are_cut) {
    const std::string bytes =
        "POST /a HTTP/1.1\r\nHost: docker\r\nContent-Length: 5\r\n\r\nhello"
        "POST /b HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: "
        "Chunked\r\n\r\n3\r\nabc\r\nA;ext=1\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
        "\r\nGET /c HTTP/1.1\r\nHost: docker\r\n\r\n";
    for (std::size_t step : {std::size_t(1), std::size_t(3), std::size_t(50), bytes.size()}) {
        const Outcome outcome = feed(bytes, step);
        EXPECT_EQ(outcome.refused, 0);
        EXPECT_EQ(outcome.bodies, (std::vector<std::string>{"hello", "abc0123456789", ""})) << step;
        EXPECT_EQ(outcome.last_path, "/c");
    }
}

TEST(RequestReader, holds_the_limits_exactly) {
    auto with_line = [](std::size_t length) {
        std::string line = "GET / HTTP/1.1";
        line.insert(5, std::string(length - line.size(), 'a'));
        return line + "\r\nHost: docker\r\n\r\n";
    };
    EXPECT_EQ(feed(with_line(8192), 4096).requests, 1);
    EXPECT_EQ(feed(with_line(8193), 4096).refused, 414);
    EXPECT_EQ(feed("GET /" + std::string(20'000, 'a'), 4096).refused, 414);
    auto with_headers = [](int count) {
        std::string head = "GET / HTTP/1.1\r\nHost: docker\r\n";
        for (int i = 1; i < count; ++i) head += "X-" + std::to_string(i) + ": a\r\n";
        return head + "\r\n";
    };
    EXPECT_EQ(feed(with_headers(64), 100'000).requests, 1);
    EXPECT_EQ(feed(with_headers(65), 100'000).refused, 431);
    const std::string start = "GET / HTTP/1.1\r\nHost: docker\r\nX: ";
    EXPECT_EQ(feed(start + std::string(32'768 - start.size() - 4, 'x') + "\r\n\r\n", 4096).requests, 1);
    EXPECT_EQ(feed(start + std::string(32'769 - start.size() - 4, 'x') + "\r\n\r\n", 4096).refused, 431);
    EXPECT_EQ(feed(start + std::string(60'000, 'x'), 4096).refused, 431);
}

TEST(RequestReader, knows_its_own_host_names) {
    for (const char* host :
         {"", "localhost", "docker", "gantry", "d", "api.moby.localhost", "localhost:2375", "127.0.0.1", "[::1]:80",
          "%2Fvar%2Frun%2Fdocker.sock", "/var/run/docker.sock", "2f7661722f72756e2f646f636b65722e736f636b:0"})
        EXPECT_TRUE(host_is_local(host)) << host;
    for (const char* host :
         {"evil.example", "evil.example:2375", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1",
          "169.254.169.254", "a.b", "[fe80::1]", "user@localhost", "local host", "docker."})
        EXPECT_FALSE(host_is_local(host)) << host;
}
