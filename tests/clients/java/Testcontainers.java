// What test suites that use testcontainers for Java ask of an engine: `java Testcontainers NAME` runs one of the checks. The
// engine is at DOCKER_HOST; IMAGE, of the environment, is an image with busybox in it.
import com.github.dockerjava.api.exception.NotFoundException;
import com.github.dockerjava.api.model.Bind;
import com.github.dockerjava.api.model.HealthCheck;
import com.github.dockerjava.api.model.Volume;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.containers.ExecConfig;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.containers.Network;
import org.testcontainers.containers.output.OutputFrame;
import org.testcontainers.containers.output.WaitingConsumer;
import org.testcontainers.containers.startupcheck.OneShotStartupCheckStrategy;
import org.testcontainers.containers.wait.strategy.Wait;
import org.testcontainers.containers.wait.strategy.WaitStrategy;
import org.testcontainers.images.builder.ImageFromDockerfile;
import org.testcontainers.images.builder.Transferable;
import org.testcontainers.utility.DockerImageName;
import org.testcontainers.utility.MountableFile;

public class Testcontainers {
  interface Check {
    void run() throws Exception;
  }

  static final DockerImageName IMAGE = DockerImageName.parse(System.getenv("IMAGE"));
  static final String SERVE = "mkdir -p /www && echo hello > /www/index.html && echo serving && exec httpd -f -p 8080 -h /www";

  static void equal(Object got, Object want) {
    if (!Objects.equals(got, want)) throw new AssertionError("got " + got + ", want " + want);
  }

  static GenericContainer<?> server(String before, WaitStrategy wait) {
    return new GenericContainer<>(IMAGE).withCommand("sh", "-c", before + SERVE).withExposedPorts(8080).waitingFor(wait);
  }

  static GenericContainer<?> shell(String script) {
    return new GenericContainer<>(IMAGE).withCommand("sh", "-c", script);
  }

  static GenericContainer<?> sleeper() {
    return new GenericContainer<>(IMAGE).withCommand("sleep", "1000");
  }

  static String page(GenericContainer<?> c) throws Exception {
    URI address = URI.create("http://" + c.getHost() + ":" + c.getMappedPort(8080) + "/index.html");
    return HttpClient.newHttpClient().send(HttpRequest.newBuilder(address).build(), HttpResponse.BodyHandlers.ofString()).body();
  }

  static String output(GenericContainer<?> c, String... command) throws Exception {
    var done = c.execInContainer(command);
    if (done.getExitCode() != 0) throw new AssertionError(String.join(" ", command) + ": " + done.getExitCode() + ": " + done.getStderr());
    return done.getStdout();
  }

  static void waits(WaitStrategy... strategies) throws Exception {
    for (WaitStrategy strategy : strategies)
      try (GenericContainer<?> c = server("sleep 0.5; ", strategy)) {
        c.start();
        equal(page(c), "hello\n");
      }
  }

  static void logs() throws Exception {
    WaitingConsumer consumer = new WaitingConsumer();
    try (GenericContainer<?> c = shell("for i in 1 2; do echo out $i; echo err $i >&2; done; exec sleep 1000").withLogConsumer(consumer)
             .waitingFor(Wait.forLogMessage("out.*\\n", 2))) {
      c.start();
      consumer.waitUntil(frame -> frame.getUtf8StringWithoutLineEnding().equals("err 2"), 20, java.util.concurrent.TimeUnit.SECONDS);
      equal(c.getLogs(OutputFrame.OutputType.STDOUT), "out 1\nout 2\n");
      equal(c.getLogs(OutputFrame.OutputType.STDERR), "err 1\nerr 2\n");
    }
  }

  static void health() throws Exception {
    HealthCheck looks = new HealthCheck().withTest(List.of("CMD-SHELL", "test -f /www/index.html")).withInterval(100_000_000L).withRetries(50);
    try (GenericContainer<?> c = server("sleep 0.5; ", Wait.forHealthcheck()).withCreateContainerCmdModifier(command -> command.withHealthcheck(looks))) {
      c.start();
      equal(c.isHealthy(), true);
    }
  }

  static void one_shot_and_its_failure() throws Exception {
    try (GenericContainer<?> c = shell("echo once").withStartupCheckStrategy(new OneShotStartupCheckStrategy())) {
      c.start();
      equal(c.getLogs(), "once\n");
      equal(c.getCurrentContainerInfo().getState().getExitCodeLong(), 0L);
    }
    for (GenericContainer<?> bad : List.of(shell("exit 3").withStartupCheckStrategy(new OneShotStartupCheckStrategy()),
             sleeper().waitingFor(Wait.forLogMessage("never", 1)).withStartupTimeout(Duration.ofSeconds(1)), new GenericContainer<>(IMAGE).withCommand("/no/such"))) {
      boolean told = false;
      try (bad) {
        bad.start();
      } catch (org.testcontainers.containers.ContainerLaunchException e) {
        told = true;
      }
      equal(told, true);
    }
  }

  static void exec() throws Exception {
    try (GenericContainer<?> c = sleeper().withEnv("A", "b").withWorkingDirectory("/tmp").withLabel("k", "v")) {
      c.start();
      var done = c.execInContainer("sh", "-c", "echo $A; pwd; echo e >&2; exit 7");
      equal(done.getExitCode() + done.getStdout() + done.getStderr(), "7b\n/tmp\ne\n");
      var other = c.execInContainer(ExecConfig.builder().user("1000").workDir("/www-that-is-not").envVars(Map.of("B", "c")).command(new String[] {"id", "-u"}).build());
      equal(other.getExitCode() != 0, true);
      var as = c.execInContainer(ExecConfig.builder().user("1000").workDir("/").envVars(Map.of("B", "c")).command(new String[] {"sh", "-c", "id -u; pwd; echo $B"}).build());
      equal(as.getStdout(), "1000\n/\nc\n");
      equal(c.getContainerInfo().getConfig().getLabels().get("k"), "v");
    }
  }

  static void copy() throws Exception {
    Path directory = Files.createTempDirectory("gantry-java-");
    Files.createDirectories(directory.resolve("tree/sub"));
    Path file = Files.writeString(directory.resolve("tree/sub/file"), "of the host");
    try (GenericContainer<?> c = sleeper().withCopyToContainer(Transferable.of("content", 0600), "/tmp/new/content")
             .withCopyFileToContainer(MountableFile.forHostPath(directory.resolve("tree")), "/tmp/tree")) {
      c.start();
      equal(output(c, "sh", "-c", "cat /tmp/new/content; stat -c ' %a' /tmp/new/content"), "content 600\n");
      equal(output(c, "cat", "/tmp/tree/sub/file"), "of the host");
      byte[] large = "0123456789abcdef".repeat(1 << 18).getBytes(StandardCharsets.US_ASCII);
      c.copyFileToContainer(Transferable.of(large), "/tmp/large");
      equal(c.copyFileFromContainer("/tmp/large", stream -> java.util.Arrays.equals(stream.readAllBytes(), large)), true);
      c.copyFileFromContainer("/tmp/tree/sub/file", directory.resolve("back").toString());
      equal(Files.readString(directory.resolve("back")), "of the host");
      boolean told = false;
      try {
        c.copyFileFromContainer("/no/such", stream -> 0);
      } catch (NotFoundException e) {
        told = true;
      }
      equal(told, true);
    }
    for (Path path : List.of(directory.resolve("back"), file, file.getParent(), directory.resolve("tree"), directory)) Files.delete(path);
  }

  static void network() throws Exception {
    try (Network network = Network.newNetwork();
         GenericContainer<?> web = server("", Wait.forListeningPort()).withNetwork(network).withNetworkAliases("web", "front");
         GenericContainer<?> client = sleeper().withNetwork(network)) {
      web.start();
      client.start();
      for (String name : List.of("web", "front")) equal(output(client, "wget", "-qO-", "http://" + name + ":8080/index.html"), "hello\n");
    }
  }

  static void mounts_and_limits() throws Exception {
    Path directory = Files.createTempDirectory("gantry-java-");
    Path file = Files.writeString(directory.resolve("file"), "of the host");
    try (GenericContainer<?> c = sleeper().withTmpFs(Map.of("/quick", "rw,size=1m")).withCreateContainerCmdModifier(command -> command.getHostConfig()
             .withMemory(64L << 20).withBinds(new Bind(directory.toString(), new Volume("/host"), com.github.dockerjava.api.model.AccessMode.ro),
                 new Bind("java-kept", new Volume("/kept"))))) {
      c.start();
      equal(output(c, "sh", "-c", "cat /host/file; ! touch /host/other 2>/dev/null; echo a > /kept/file; grep -c ' /quick tmpfs ' /proc/mounts"), "of the host1\n");
      equal(c.getContainerInfo().getHostConfig().getMemory(), 64L << 20);
    }
    DockerClientFactory.instance().client().removeVolumeCmd("java-kept").exec();
    Files.delete(file);
    Files.delete(directory);
  }

  static void build() throws Exception {
    ImageFromDockerfile image = new ImageFromDockerfile("java/built:1").withBuildArg("WHO", "me").withFileFromString("given", "given")
        .withFileFromString("Dockerfile", "FROM " + IMAGE + "\nARG WHO\nRUN echo $WHO > /who\nCOPY given /\nCMD [\"sh\", \"-c\", \"cat /who; exec sleep 1000\"]\n");
    try (GenericContainer<?> c = new GenericContainer<>(image).waitingFor(Wait.forLogMessage("me\\n", 1))) {
      c.start();
      equal(output(c, "cat", "/given"), "given");
    }
  }

  /** What this leaves is for the reaper, or for the end of this program where there is none. */
  static void left() throws Exception {
    Network network = Network.newNetwork();
    sleeper().withNetwork(network).start();
  }

  static final Map<String, Check> CHECKS = Map.ofEntries(
      Map.entry("for_log_message", () -> waits(Wait.forLogMessage("serving\\n", 1))),
      Map.entry("for_listening_port", () -> waits(Wait.forListeningPort(), Wait.forListeningPorts(8080))),
      Map.entry("for_http", () -> waits(Wait.forHttp("/index.html").forStatusCode(200).forResponsePredicate("hello"::equals))),
      Map.entry("for_command", () -> waits(Wait.forSuccessfulCommand("wget -qO- http://127.0.0.1:8080/index.html"))),
      Map.entry("logs", Testcontainers::logs),
      Map.entry("health", Testcontainers::health),
      Map.entry("one_shot_and_its_failure", Testcontainers::one_shot_and_its_failure),
      Map.entry("exec", Testcontainers::exec),
      Map.entry("copy", Testcontainers::copy),
      Map.entry("network", Testcontainers::network),
      Map.entry("mounts_and_limits", Testcontainers::mounts_and_limits),
      Map.entry("build", Testcontainers::build),
      Map.entry("left", Testcontainers::left));

  public static void main(String[] arguments) throws Exception {
    CHECKS.get(arguments[0]).run();
  }
}
