// What instructions make of the image's configuration and history.
#include "tests/unit/core/build/dockerfile/plan_fixture.hpp"

namespace gantry::build::dockerfile {

TEST_F(PlanTest, CMD_and_ENTRYPOINT_go_together_as_Dockers) {
    image("both", R"({"Env":["PATH=/bin"],"Cmd":["c"],"Entrypoint":["e"]})");
    struct Case {
        const char *text, *entrypoint, *cmd;
    };
    for (const Case& c :
         std::initializer_list<Case>{{"FROM both", R"(["e"])", R"(["c"])"},
                                     {"FROM both\nCMD [\"x\"]", R"(["e"])", R"(["x"])"},
                                     {"FROM both\nCMD x y", R"(["e"])", R"(["/bin/sh","-c","x y"])"},
                                     {"FROM both\nENTRYPOINT [\"x\"]", R"(["x"])", "null"},
                                     {"FROM both\nENTRYPOINT x", R"(["/bin/sh","-c","x"])", "null"},
                                     {"FROM both\nCMD [\"a\"]\nENTRYPOINT [\"x\"]", R"(["x"])", R"(["a"])"},
                                     {"FROM both\nENTRYPOINT [\"x\"]\nCMD [\"a\"]", R"(["x"])", R"(["a"])"},
                                     {"FROM both\nENTRYPOINT []", "[]", "null"},
                                     {"FROM both\nCMD []", R"(["e"])", "[]"},
                                     {"FROM both AS a\nCMD [\"a\"]\nFROM a\nENTRYPOINT [\"x\"]", R"(["x"])", "null"},
                                     {"FROM both\nSHELL [\"/bin/bash\",\"-ec\"]\nCMD x\nENTRYPOINT y",
                                      R"(["/bin/bash","-ec","y"])", R"(["/bin/bash","-ec","x"])"}}) {
        Json config = this->config(c.text);
        EXPECT_EQ(config.value("Entrypoint", Json()), Json::parse(c.entrypoint)) << c.text;
        EXPECT_EQ(config.value("Cmd", Json()), Json::parse(c.cmd)) << c.text;
    }
}

TEST_F(PlanTest, every_instruction_leaves_its_mark) {
    Graph graph = plan(
        "FROM debian:12\nMAINTAINER A B\nENV b=1 a=\"2 3\"\nENV b=$a\nLABEL z=1 a=\"$b\"\nLABEL old style\nEXPOSE 80 "
        "443/udp 8000-8001\nVOLUME /v [\n"
        "VOLUME [\"/w x\"]\nUSER app:app\nWORKDIR /x\nWORKDIR y/../z\nSTOPSIGNAL SIGUSR1\nHEALTHCHECK --interval=5s "
        "--retries=3 CMD a\n"
        "SHELL [\"/bin/bash\",\"-c\"]\nONBUILD RUN b\nARG c=4 d\n");
    EXPECT_EQ(
        graph.target.config["config"],
        Json::parse(R"({"Cmd":["bash"],"Env":["PATH=/bin","b=2 3","a=2 3"],"Labels":{"a":"2 3","old":"style","z":"1"},
        "ExposedPorts":{"80/tcp":{},"443/udp":{},"8000/tcp":{},"8001/tcp":{}},"Volumes":{"/v":{},"[":{},"/w x":{}},"User":"app:app","WorkingDir":"/x/z",
        "StopSignal":"SIGUSR1","Healthcheck":{"Test":["CMD-SHELL","a"],"Interval":5000000000,"Retries":3},"Shell":["/bin/bash","-c"],"OnBuild":["RUN b"]})"));
    EXPECT_EQ(graph.target.config["author"], "A B");
    EXPECT_EQ(history(graph),
              (Words{"base of debian:12", "MAINTAINER A B -", "ENV b=1 a=2 3 -", "ENV b=2 3 -", "LABEL z=1 a=2 3 -",
                     "LABEL old=style -", "EXPOSE 80 443/udp 8000-8001 -", "VOLUME [\"/v\",\"[\"] -",
                     "VOLUME [\"/w x\"] -", "USER app:app -", "WORKDIR /x", "WORKDIR /x/z", "STOPSIGNAL SIGUSR1 -",
                     "HEALTHCHECK --interval=5s --retries=3 CMD a -", "SHELL [\"/bin/bash\",\"-c\"] -",
                     "ONBUILD RUN b -", "ARG c=4 d -"}));
    for (const Json& entry : graph.target.config["history"])
        if (!entry["created_by"].get<std::string>().starts_with("base")) {
            EXPECT_EQ(entry["comment"], "gantry.dockerfile.v1");
        }
    const auto& directory = std::get<MakeDirectory>(all<FileChange>(graph)[1]->actions[0]);
    EXPECT_EQ(directory.path, "/x/z");
    EXPECT_EQ(directory.owner.text, "app:app");
    EXPECT_EQ(config("FROM debian:12\nHEALTHCHECK NONE")["Healthcheck"], Json::parse(R"({"Test":["NONE"]})"));
}

TEST_F(PlanTest, a_variable_keeps_its_value_within_one_instruction) {
    EXPECT_EQ(config("FROM debian:12\nENV abc=hello\nENV abc=bye def=$abc\nENV ghi=$abc")["Env"],
              (Json{"PATH=/bin", "abc=bye", "def=hello", "ghi=bye"}));
    EXPECT_EQ(config("FROM debian:12\nENV PATH=/x:$PATH")["Env"], Json{"PATH=/x:/bin"});
    EXPECT_EQ(config("FROM debian:12\nENV one two three=$PATH")["Env"], (Json{"PATH=/bin", "one=two three=/bin"}));
    EXPECT_EQ(config("FROM debian:12\nENV a 'x  y' \"z\"")["Env"], (Json{"PATH=/bin", "a=x  y z"}));
    EXPECT_EQ(config("FROM debian:12\nENV n=k\nENV $n=v")["Env"], (Json{"PATH=/bin", "n=k", "k=v"}));
}

TEST_F(PlanTest, variables_are_put_in_where_Docker_does) {
    Json config = this->config(
        "FROM debian:12\nARG v=80 s=TERM\nEXPOSE $v \"${v}81/udp\"\nVOLUME /$v\nUSER u$v\nWORKDIR /w$v\nSTOPSIGNAL "
        "$s\nLABEL l=$v $s=k\n"
        "CMD echo $v\nENTRYPOINT [\"$v\"]\nHEALTHCHECK CMD $v\nSHELL [\"$v\"]");
    EXPECT_EQ(config["ExposedPorts"], Json::parse(R"({"80/tcp":{},"8081/udp":{}})"));
    EXPECT_EQ(config["Volumes"], Json::parse(R"({"/80":{}})"));
    EXPECT_EQ(config["User"], "u80");
    EXPECT_EQ(config["WorkingDir"], "/w80");
    EXPECT_EQ(config["StopSignal"], "TERM");
    EXPECT_EQ(config["Labels"], Json::parse(R"({"l":"80","TERM":"k"})"));
    EXPECT_EQ(config["Cmd"], (Json{"/bin/sh", "-c", "echo $v"}));
    EXPECT_EQ(config["Entrypoint"], Json{"$v"});
    EXPECT_EQ(config["Healthcheck"]["Test"], (Json{"CMD-SHELL", "$v"}));
    EXPECT_EQ(config["Shell"], Json{"$v"});
}

TEST_F(PlanTest, arguments_and_the_environment_reach_RUN_the_later_one_first) {
    options.args = {{"given", "g"}, {"unknown", "u"}};
    Graph graph =
        plan("FROM debian:12\nARG given=x unset own=o\nENV own=e\nRUN a\nARG own=again\nRUN b\nENV given=$given!");
    EXPECT_EQ(all<Exec>(graph)[0]->env, (Words{"PATH=/bin", "given=g", "own=e"}));
    EXPECT_EQ(all<Exec>(graph)[1]->env, (Words{"PATH=/bin", "given=g", "own=again"}));
    EXPECT_EQ(graph.target.config["config"]["Env"], (Json{"PATH=/bin", "own=e", "given=g!"}));
    EXPECT_EQ(history(graph)[3], "RUN |3 given=g unset= own=e /bin/sh -c a");
    EXPECT_EQ(history(graph)[5], "RUN |3 given=g unset= own=again /bin/sh -c b");
}

TEST_F(PlanTest, options_give_labels_and_an_epoch) {
    options.labels = {{"b", "2"}, {"a", "1"}};
    options.source_date_epoch = 1700000000;
    Graph graph = plan("FROM debian:12\nLABEL b=0 c=3\nARG SOURCE_DATE_EPOCH\nRUN a");
    EXPECT_EQ(graph.target.config["config"]["Labels"].dump(), R"({"a":"1","b":"2","c":"3"})");
    EXPECT_EQ(all<Exec>(graph)[0]->env.back(), "SOURCE_DATE_EPOCH=1700000000");
    EXPECT_EQ(all<Exec>(plan("FROM debian:12\nRUN a"))[0]->env, Words{"PATH=/bin"});
    options.source_date_epoch.reset();
    options.args = {{"SOURCE_DATE_EPOCH", "yesterday"}};
    EXPECT_EQ(error("FROM scratch"),
              "Dockerfile: SOURCE_DATE_EPOCH: found \"yesterday\", allowed is a number of seconds since 1970");
    options.args = {{"BUILDKIT_SYNTAX", "me/frontend"}};
    EXPECT_EQ(try_plan("FROM scratch").error().code, Code::unsupported);
    options.args = {{"BUILDKIT_SYNTAX", "docker/dockerfile:1"}};
    plan("FROM scratch");
}

TEST_F(PlanTest, values_that_cannot_be_are_refused) {
    for (auto [text, wrong] : std::initializer_list<std::pair<const char*, const char*>>{
             {"FROM scratch\nSTOPSIGNAL SIGNONE",
              "Dockerfile:2: STOPSIGNAL: found \"SIGNONE\", allowed is a signal's name or number: SIGTERM, 15, "
              "SIGRTMIN+3"},
             {"FROM scratch\nUSER a b", "Dockerfile:2: USER: found \"a b\", allowed is one word: user[:group]"},
             {"FROM scratch\nUSER $u", "Dockerfile:2: USER: found \"\", allowed is one word: user[:group]"},
             {"FROM scratch\nWORKDIR $w", "Dockerfile:2: WORKDIR: the path is empty once its variables are put in"},
             {"FROM scratch\nVOLUME /a $v", "Dockerfile:2: VOLUME: found an empty path"},
             {"FROM scratch\nENV $e=1", "Dockerfile:2: ENV: found the name \"\", allowed is one without \"=\""},
             {"FROM scratch\nLABEL \"\"=1", "Dockerfile:2: LABEL: found an empty name"},
             {"FROM scratch\nENV a=\"${b:?say b}\"", "Dockerfile:2: b: say b"},
             {"FROM scratch\nENV a='b", "Dockerfile:2: the quote ' is not closed in \"'b\""},
             {"FROM scratch\nLABEL a=${b!c}",
              "Dockerfile:2: unsupported modifier \"!\" in \"${b\", allowed are - :- + :+ ? :? # ## % %% / // in "
              "\"${b!c}\""}})
        EXPECT_EQ(error(text), wrong) << text;
    EXPECT_EQ(history(plan("FROM scratch\nWORKDIR /")), Words{"WORKDIR / -"});
    EXPECT_EQ(config("FROM scratch\nWORKDIR ../../..")["WorkingDir"], "/");
}

}  // namespace gantry::build::dockerfile
