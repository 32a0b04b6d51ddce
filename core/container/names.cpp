// Names for containers whose user gave none: an adjective and somebody who moved the field.
#include <random>

#include "core/container/container.hpp"

namespace gantry::container {
namespace {

constexpr std::string_view adjectives[] = {
    "able",   "agile",   "amber", "ample",  "apt",    "azure",  "bold",    "brave",   "bright", "brisk",   "calm",
    "candid", "careful", "clear", "clever", "coral",  "cosmic", "crisp",   "curious", "daring", "deft",    "eager",
    "early",  "earnest", "fair",  "fast",   "fine",   "firm",   "fleet",   "fond",    "frank",  "fresh",   "gentle",
    "glad",   "golden",  "grand", "happy",  "hardy",  "honest", "humble",  "jolly",   "keen",   "kind",    "lively",
    "loyal",  "lucid",   "merry", "mild",   "modest", "neat",   "nimble",  "noble",   "open",   "patient", "plain",
    "proud",  "quick",   "quiet", "ready",  "sharp",  "silver", "sincere", "smart",   "solid",  "steady",  "sunny",
    "swift",  "tender",  "tidy",  "upbeat", "vivid",  "warm",   "wise",    "witty",   "zesty",
};

constexpr std::string_view people[] = {
    "abel",       "agnesi",    "allen",        "archimedes", "babbage",  "backus",   "banzhaf",    "bardeen",
    "bell",       "blackwell", "boole",        "borg",       "brooks",   "cantor",   "cerf",       "church",
    "clarke",     "codd",      "curie",        "darwin",     "dijkstra", "driscoll", "easley",     "einstein",
    "engelbart",  "erdos",     "euclid",       "euler",      "faraday",  "fermat",   "feynman",    "floyd",
    "galileo",    "gauss",     "germain",      "godel",      "goldberg", "goodall",  "gosper",     "hamilton",
    "hamming",    "hertz",     "hilbert",      "hoare",      "hodgkin",  "hopper",   "huffman",    "hypatia",
    "ibnsina",    "iverson",   "jepsen",       "johnson",    "kahan",    "kapitsa",  "keller",     "kepler",
    "kernighan",  "knuth",     "kovalevskaya", "lamarr",     "lamport",  "laplace",  "leibniz",    "liskov",
    "lovelace",   "maxwell",   "mccarthy",     "meitner",    "mendel",   "minsky",   "mirzakhani", "naur",
    "newton",     "noether",   "nygaard",      "pascal",     "pasteur",  "perlman",  "pike",       "planck",
    "poincare",   "ptolemy",   "ramanujan",    "ritchie",    "rosalind", "sammet",   "shannon",    "stallman",
    "stroustrup", "tesla",     "thompson",     "torvalds",   "turing",   "tu",       "vaughan",    "wescoff",
    "wilkes",     "wing",      "wirth",        "wu",         "yalow",    "yonath",   "zhang",      "zuse",
};

}  // namespace

std::string random_name(const std::function<bool(const std::string&)>& taken) {
    static std::mutex mutex;
    static std::mt19937 random{std::random_device{}()};
    std::lock_guard lock(mutex);
    for (int attempt = 0;; ++attempt) {
        std::string name = std::string(adjectives[random() % std::size(adjectives)]) + "_" +
                           std::string(people[random() % std::size(people)]);
        if (attempt >= 5) name += std::to_string(random() % 10'000);
        if (!taken(name)) return name;
    }
}

}  // namespace gantry::container
