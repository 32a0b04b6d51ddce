// What test suites that use testcontainers for Node ask of an engine. IMAGE comes from the environment.
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const {GenericContainer, Network, Wait} = require('testcontainers');
const tar = require('tar-stream');
const {main, until, whole} = require('./checks.js');

const {IMAGE} = process.env;
const SERVE = 'mkdir -p /www && echo hello > /www/index.html && echo serving && exec httpd -f -p 8080 -h /www';
const server = (before = '') => new GenericContainer(IMAGE).withCommand(['sh', '-c', before + SERVE]).withExposedPorts(8080);
const sleeper = () => new GenericContainer(IMAGE).withCommand(['sleep', '1000']);

async function page(container) {
  const answer = await fetch(`http://${container.getHost()}:${container.getMappedPort(8080)}/index.html`);
  return answer.text();
}

async function started(container, work) {
  const running = await container.start();
  try {
    await work(running);
  } finally {
    await running.stop();
  }
}

main({
  async for_log_message() {
    await started(server().withWaitStrategy(Wait.forLogMessage(/serving/)), async (container) => {
      await until('the page', async () => (await page(container).catch(() => '')) === 'hello\n');
      const text = [];
      (await container.logs()).on('data', (line) => text.push(line.toString()));
      await until('the log', () => text.join('').includes('serving'));
    });
  },

  async for_listening_ports() {
    await started(server('sleep 0.5; ').withWaitStrategy(Wait.forListeningPorts()), async (container) =>
      assert.equal(await page(container), 'hello\n'));
  },

  async for_http() {
    await started(server('sleep 0.5; ').withWaitStrategy(Wait.forHttp('/index.html', 8080).forStatusCode(200)), async (container) =>
      assert.equal(await page(container), 'hello\n'));
  },

  async for_health_check() {
    const healthCheck = {test: ['CMD-SHELL', 'test -f /www/index.html'], interval: 500, timeout: 2000, retries: 20, startPeriod: 0};
    await started(server('sleep 0.5; ').withHealthCheck(healthCheck).withWaitStrategy(Wait.forHealthCheck()), async (container) =>
      assert.equal(await page(container), 'hello\n'));
  },

  async for_one_shot_and_its_failure() {
    const once = await new GenericContainer(IMAGE).withCommand(['true']).withWaitStrategy(Wait.forOneShotStartup()).start();
    await once.stop();
    await assert.rejects(new GenericContainer(IMAGE).withCommand(['sh', '-c', 'exit 3']).withWaitStrategy(Wait.forOneShotStartup()).start());
    await assert.rejects(sleeper().withWaitStrategy(Wait.forLogMessage('never')).withStartupTimeout(1000).start(), /not received after 1000ms/);
  },

  async exec() {
    await started(sleeper().withEnvironment({A: 'b'}), async (container) => {
      const done = await container.exec(['sh', '-c', 'echo $A; pwd; echo e >&2; exit 7'], {workingDir: '/tmp'});
      assert.deepEqual([done.exitCode, done.stdout, done.stderr], [7, 'b\n/tmp\n', 'e\n']);
      assert.equal((await container.exec('whoami', {user: 'app'})).output, 'app\n');
    });
  },

  async copy() {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'gantry-node-'));
    fs.writeFileSync(path.join(directory, 'file'), 'of the host');
    const container = sleeper().withCopyContentToContainer([{content: 'content', target: '/tmp/content'}])
      .withCopyFilesToContainer([{source: path.join(directory, 'file'), target: '/tmp/file'}])
      .withCopyDirectoriesToContainer([{source: directory, target: '/tmp/directory'}]);
    await started(container, async (running) => {
      const read = async (name) => (await running.exec(['cat', name])).output;
      assert.deepEqual([await read('/tmp/content'), await read('/tmp/file'), await read('/tmp/directory/file')],
        ['content', 'of the host', 'of the host']);
      await running.copyContentToContainer([{content: 'later', target: '/tmp/later', mode: 0o600}]);
      assert.equal((await running.exec(['stat', '-c', '%a', '/tmp/later'])).output, '600\n');
      const names = [], extract = tar.extract();
      extract.on('entry', async (header, entry, next) => {
        names.push(`${header.name} ${await whole(entry)}`);
        next();
      });
      (await running.copyArchiveFromContainer('/tmp/later')).pipe(extract);
      await until('the file', () => names.length === 1);
      assert.deepEqual(names, ['later later']);
    });
    fs.rmSync(directory, {recursive: true});
  },

  async network() {
    const network = await new Network().start();
    await started(server().withNetwork(network).withNetworkAliases('web'), async () =>
      started(sleeper().withNetwork(network), async (client) =>
        assert.equal((await client.exec(['wget', '-qO-', 'http://web:8080/index.html'])).output, 'hello\n')));
    await network.stop();
  },

  async build() {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'gantry-node-'));
    fs.writeFileSync(path.join(directory, 'Dockerfile'), `FROM ${IMAGE}\nARG WHO\nRUN echo $WHO > /who\nCMD ["sh", "-c", "cat /who; sleep 1000"]\n`);
    const built = await GenericContainer.fromDockerfile(directory).withBuildArgs({WHO: 'me'}).build('node/tc:1');
    await started(built.withWaitStrategy(Wait.forLogMessage('me')), async (container) =>
      assert.equal((await container.exec(['cat', '/who'])).output, 'me\n'));
    fs.rmSync(directory, {recursive: true});
  },

  async limits_and_restart() {
    const limited = sleeper().withResourcesQuota({memory: 0.064, cpu: 0.5}).withTmpFs({'/fast': 'rw,size=1m'}).withUser('app')
      .withLabels({a: 'b'}).withHostname('named');
    await started(limited, async (container) => {
      assert.equal((await container.exec(['sh', '-c', 'id -un; hostname; mount | grep -c /fast'])).output, 'app\nnamed\n1\n');
      assert.equal(container.getLabels().a, 'b');
      await container.restart({timeout: 0});
      assert.equal((await container.exec(['echo', 'again'])).output, 'again\n');
      const image = await container.commit({repo: 'node/committed', tag: '1'});
      assert.match(image, /sha256:|node\/committed/);
    });
  },
});
