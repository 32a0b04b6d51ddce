#include <gtest/gtest.h>

#include <random>

#include "messages.hpp"

namespace gantry::resolver::test {
namespace {

TEST(Packet, reads_a_query_in_any_case) {
    Query q;
    ASSERT_EQ(parse_query(query("WeB.Front", Type::aaaa, 7, true), q), Verdict::query);
    EXPECT_EQ(q.name, "web.front");
    EXPECT_EQ(q.type, Type::aaaa);
    EXPECT_EQ(q.id, 7);
    EXPECT_TRUE(q.edns);
    EXPECT_EQ(q.udp_bytes, 4096u);
    ASSERT_EQ(parse_query(query(""), q), Verdict::query);
    EXPECT_EQ(q.name, "");
}

TEST(Packet, answers_with_the_same_question_and_its_records) {
    const std::string asked = query("web", Type::a, 0x4711, true);
    Query q;
    ASSERT_EQ(parse_query(asked, q), Verdict::query);
    const std::string answer = build_answer(asked, q, Rcode::ok, {*address_record("172.18.0.2")}, 512);
    EXPECT_EQ(id_of(answer), 0x4711);
    EXPECT_TRUE(answers_the_question(answer, asked));
    EXPECT_EQ(answers(answer), 1);
    EXPECT_NE(answer.find(address_record("172.18.0.2")->data), std::string::npos);
    const std::vector<Record> many(200, *address_record("172.18.0.2"));
    const std::string cut = build_answer(asked, q, Rcode::ok, many, 512);
    EXPECT_EQ(answers(cut), 0);
    EXPECT_TRUE(cut[2] & 2) << "truncated";
    EXPECT_EQ(answers(build_answer(asked, q, Rcode::ok, many, 65535)), 200);
}

TEST(Packet, reads_addresses_backwards) {
    EXPECT_EQ(reverse_address("5.0.18.172.in-addr.arpa"), "172.18.0.5");
    EXPECT_EQ(reverse_address("2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa"), "fd00:1::2");
    for (const char* bad : {"in-addr.arpa", "1.2.3.in-addr.arpa", "300.0.18.172.in-addr.arpa", "ip6.arpa",
                            "2.0.ip6.arpa", "g.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa",
                            "20.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.0.ip6.arpa"})
        EXPECT_FALSE(reverse_address(bad)) << bad;
    EXPECT_EQ(address_record("fd00:1::2")->type, Type::aaaa);
    EXPECT_EQ(address_record("fd00:1::2")->data.size(), 16u);
    EXPECT_FALSE(address_record("fd00::1%eth0"));
}

TEST(Packet, refuses_what_is_no_query) {
    Query q;
    EXPECT_EQ(parse_query("", q), Verdict::drop);
    EXPECT_EQ(parse_query("12345678901", q), Verdict::drop);
    std::string p = query("web");
    p[2] = static_cast<char>(p[2] | 0x80);
    EXPECT_EQ(parse_query(p, q), Verdict::drop) << "a response";
    p = query("web");
    p[2] = 0x28;
    EXPECT_EQ(parse_query(p, q), Verdict::not_implemented);
    p = query("web");
    p[5] = 2;
    EXPECT_EQ(parse_query(p, q), Verdict::format_error) << "two questions";
    p = query("web");
    p.resize(p.size() - 3);
    EXPECT_EQ(parse_query(p, q), Verdict::format_error) << "cut off";
    p = query("web");
    p[11] = 1;
    EXPECT_EQ(parse_query(p, q), Verdict::format_error) << "an additional record that is not there";
}

TEST(Packet, is_not_caught_in_pointer_loops_and_long_names) {
    Query q;
    std::string p = query("").substr(0, header_bytes) + std::string("\xc0\x0c\0\1\0\1", 6);
    EXPECT_EQ(parse_query(p, q), Verdict::format_error);
    p = query("").substr(0, header_bytes);
    for (int i = 0; i < 100; ++i) p += std::string("\3www", 4);
    p += std::string("\0\0\1\0\1", 5);
    EXPECT_EQ(parse_query(p, q), Verdict::format_error);
    // A label with a dot in it is not the name it looks like.
    p = query("").substr(0, header_bytes) + std::string("\7web.com\0\0\1\0\1", 13);
    EXPECT_EQ(parse_query(p, q), Verdict::format_error);
}

TEST(Packet, survives_anything) {
    std::mt19937 random(7);
    const std::string good = query("web.front", Type::a, 1, true);
    for (int i = 0; i < 200'000; ++i) {
        std::string p = good;
        for (auto n = random() % 6; n > 0; --n) p[random() % p.size()] = static_cast<char>(random());
        p.resize(random() % (p.size() + 1));
        Query q;
        if (parse_query(p, q) == Verdict::query) (void)build_answer(p, q, Rcode::ok, {{Type::a, "1234"}}, 512);
        (void)answers_the_question(p, good);
    }
}

TEST(Packet, matches_answers_to_questions) {
    Query q;
    const std::string asked = query("web.example");
    ASSERT_EQ(parse_query(asked, q), Verdict::query);
    EXPECT_TRUE(answers_the_question(build_answer(asked, q, Rcode::ok, {}, 512), query("WEB.example")));
    EXPECT_FALSE(answers_the_question(build_answer(asked, q, Rcode::ok, {}, 512), query("web.example", Type::aaaa)));
    EXPECT_FALSE(answers_the_question(build_answer(asked, q, Rcode::ok, {}, 512), query("other.example")));
    EXPECT_FALSE(answers_the_question(asked, asked)) << "a query is no answer";
}

TEST(Packet, turns_reverse_names_into_addresses) {
    EXPECT_EQ(reverse_address("5.0.18.172.in-addr.arpa"), "172.18.0.5");
    for (const char* bad : {"in-addr.arpa", "0.18.172.in-addr.arpa", "5.0.18.300.in-addr.arpa",
                            "x.0.18.172.in-addr.arpa", "5.0.18.172.example"})
        EXPECT_FALSE(reverse_address(bad)) << bad;
}

}  // namespace
}  // namespace gantry::resolver::test
