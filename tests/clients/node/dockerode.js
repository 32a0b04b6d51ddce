// What programs that use dockerode ask of an engine in a day. IMAGE and REGISTRY come from the environment.
'use strict';
const assert = require('node:assert/strict');
const {PassThrough} = require('node:stream');
const Docker = require('dockerode');
const tar = require('tar-stream');
const {main, until, whole} = require('./checks.js');

const docker = new Docker();  // by DOCKER_HOST
const {IMAGE, REGISTRY} = process.env;

function archive(files) {
  const pack = tar.pack();
  for (const [name, text] of Object.entries(files)) pack.entry({name}, text);
  pack.finalize();
  return pack;
}

function extracted(stream) {
  return new Promise((resolve, reject) => {
    const found = {}, extract = tar.extract();
    extract.on('entry', async (header, entry, next) => {
      found[header.name] = (await whole(entry)).toString();
      next();
    });
    extract.on('finish', () => resolve(found));
    extract.on('error', reject);
    stream.pipe(extract);
  });
}

// The messages of a build, pull or push; an error is one of them.
const followed = (stream, seen = () => {}) => new Promise((resolve, reject) =>
  docker.modem.followProgress(stream, (error, all) => error ? reject(error) : resolve(all), seen));

// Standard output and standard error of a multiplexed stream, at its end.
async function demuxed(stream) {
  const out = new PassThrough(), err = new PassThrough();
  const texts = [whole(out), whole(err)];
  docker.modem.demuxStream(stream, out, err);
  await new Promise((resolve) => stream.on('end', resolve).on('close', resolve));
  out.end();
  err.end();
  return (await Promise.all(texts)).map(String);
}

async function running(options, work) {
  const container = await docker.createContainer({Image: IMAGE, ...options});
  try {
    await container.start();
    return await work(container);
  } finally {
    await container.remove({force: true, v: true});
  }
}

const sleeper = (work, more = {}) => running({Cmd: ['sleep', '1000'], ...more}, work);

// Runs a command to its end: its exit code, standard output and standard error.
async function ran(image, command, host = {}) {
  const out = new PassThrough(), err = new PassThrough(), texts = [whole(out), whole(err)];
  const [ended, container] = await docker.run(image, command, [out, err], {Tty: false, HostConfig: host});
  await container.remove();
  out.end();
  err.end();
  return [ended.StatusCode, ...(await Promise.all(texts)).map(String)];
}

async function refused(status, words, promise) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.statusCode, status);
    if (error.json) assert.match(error.json.message, words);  // streams tell the status alone
    return true;
  });
}

main({
  async versions() {
    assert.equal((await docker.ping()).toString(), 'OK');
    const version = await docker.version(), info = await docker.info();
    assert.equal(version.Os, 'linux');
    assert.equal(info.LoggingDriver, 'json-file');
    assert.ok(info.NCPU > 0 && info.MemTotal > 0);
    const old = new Docker({version: 'v1.24'});
    assert.ok((await old.listImages()).some((image) => image.RepoTags.includes(`${IMAGE}:latest`)));
    await refused(404, /No such container: nobody/, docker.getContainer('nobody').inspect());
    await refused(404, /No such image/, docker.createContainer({Image: 'test/none:1'}));
  },

  async build() {
    const context = archive({Dockerfile: `FROM ${IMAGE}\nARG WHO\nCOPY page /page\nRUN echo $WHO >> /page\nCMD ["cat", "/page"]\n`, page: 'hello\n'});
    const stream = await docker.buildImage(context, {t: 'node/built:1', buildargs: {WHO: 'me'}});
    const all = await followed(stream);
    assert.ok(all.some((message) => /Successfully built/.test(message.stream || '')));
    assert.match(all.find((message) => message.aux).aux.ID, /^sha256:[0-9a-f]{64}$/);
    assert.deepEqual(await ran('node/built:1', []), [0, 'hello\nme\n', '']);
    await docker.getImage('node/built:1').remove();
    const broken = await docker.buildImage(archive({Dockerfile: `FROM ${IMAGE}\nRUN exit 9\n`}), {t: 'node/broken:1'});
    assert.match((await followed(broken)).at(-1).error, /returned a non-zero code: 9/);
  },

  async run() {
    assert.deepEqual(await ran(IMAGE, ['sh', '-c', 'echo out; echo err >&2; exit 3']), [3, 'out\n', 'err\n']);
    const out = new PassThrough(), text = whole(out);
    await docker.run(IMAGE, ['tty'], out, {Tty: true, HostConfig: {AutoRemove: true}});
    out.end();
    assert.match((await text).toString(), /^\/dev\/(console|pts\/0)\r\n$/);
  },

  async attach() {
    const container = await docker.createContainer({Image: IMAGE, Cmd: ['sh', '-c', 'while read x; do echo got $x; done; echo end >&2'],
      OpenStdin: true, StdinOnce: true});
    const stream = await container.attach({stream: true, stdin: true, stdout: true, stderr: true, hijack: true});
    const texts = demuxed(stream);
    await container.start();
    stream.write('one\n');
    stream.end('two\n');  // half of the connection: what comes back still comes
    assert.deepEqual(await texts, ['got one\ngot two\n', 'end\n']);
    assert.equal((await container.wait()).StatusCode, 0);
    await container.remove();
  },

  async attach_with_a_terminal() {
    await running({Cmd: ['sh'], Tty: true, OpenStdin: true}, async (container) => {
      const stream = await container.attach({stream: true, stdin: true, stdout: true, stderr: true, hijack: true});
      await container.resize({h: 31, w: 97});
      let text = '';
      stream.on('data', (piece) => { text += piece; });
      stream.write('stty size; exit 4\n');
      assert.equal((await container.wait()).StatusCode, 4);
      await until('the size', () => text.includes('31 97'));
    });
  },

  async exec() {
    await sleeper(async (container) => {
      const plain = await container.exec({Cmd: ['sh', '-c', 'cat; echo $A >&2; exit 5'], Env: ['A=b'], AttachStdin: true, AttachStdout: true,
        AttachStderr: true});
      const stream = await plain.start({hijack: true, stdin: true});
      const texts = demuxed(stream);
      stream.end('given');
      assert.deepEqual(await texts, ['given', 'b\n']);
      const ended = await plain.inspect();
      assert.deepEqual([ended.ExitCode, ended.Running], [5, false]);
      const shell = await container.exec({Cmd: ['sh'], AttachStdin: true, AttachStdout: true, Tty: true});
      const terminal = await shell.start({hijack: true, stdin: true, Tty: true});
      const all = whole(terminal);
      await shell.resize({h: 22, w: 88});
      terminal.write('stty size; tty; exit 6\n');
      assert.match((await all).toString(), /22 88\r\n\/dev\/pts\/\d/);
      assert.equal((await shell.inspect()).ExitCode, 6);
      await refused(409, /is not running/, (async () => {
        await container.stop({t: 0});
        return container.exec({Cmd: ['true']});
      })());
    });
  },

  async logs() {
    await running({Cmd: ['sh', '-c', 'for i in 1 2 3; do echo line $i; sleep 0.1; done; echo last >&2']}, async (container) => {
      assert.deepEqual(await demuxed(await container.logs({follow: true, stdout: true, stderr: true})), ['line 1\nline 2\nline 3\n', 'last\n']);
      const tail = await container.logs({stdout: true, tail: 1, timestamps: true});
      assert.match(tail.subarray(8).toString(), /^\d{4}-\d\d-\d\dT[\d:.]+Z line 3\n$/);
    });
  },

  async stats() {
    await running({Cmd: ['sh', '-c', 'while :; do :; done'], HostConfig: {Memory: 64 << 20}}, async (container) => {
      const once = await container.stats({stream: false});
      assert.equal(once.memory_stats.limit, 64 << 20);
      assert.ok(once.cpu_stats.cpu_usage.total_usage > once.precpu_stats.cpu_usage.total_usage);
      assert.ok(once.networks.eth0.rx_bytes >= 0);
      const stream = await container.stats();
      const first = await new Promise((resolve) => stream.once('data', resolve));
      assert.equal(JSON.parse(first.toString()).id, container.id);
      stream.destroy();
    });
  },

  async events() {
    const stream = await docker.getEvents({filters: {container: ['node-seen'], type: ['container']}});
    let text = '';
    stream.on('data', (piece) => { text += piece; });
    const container = await docker.createContainer({Image: IMAGE, Cmd: ['true'], name: 'node-seen'});
    await container.start();
    await container.wait();
    await container.remove();
    await until('the last event', () => text.includes('"destroy"'));
    stream.destroy();
    assert.deepEqual(text.trim().split('\n').map((line) => JSON.parse(line).Action), ['create', 'start', 'die', 'destroy']);
  },

  async archives() {
    await sleeper(async (container) => {
      await container.putArchive(archive({'one': '1', 'two': '22'}), {path: '/tmp'});
      assert.deepEqual(await extracted(await container.getArchive({path: '/tmp/two'})), {two: '22'});
      const stat = await container.infoArchive({path: '/tmp/two'});
      const told = JSON.parse(Buffer.from(stat.headers['x-docker-container-path-stat'], 'base64').toString());
      assert.deepEqual([told.name, told.size], ['two', 2]);
      await refused(404, /Could not find the file/, container.getArchive({path: '/none'}));
      const changes = await container.changes();
      assert.ok(changes.some((change) => change.Path === '/tmp/one' && change.Kind === 1));
      const committed = await container.commit({repo: 'node/committed', tag: '1', comment: 'why'});
      assert.match(committed.Id, /^sha256:/);
      assert.equal((await docker.getImage('node/committed:1').history())[0].Comment, 'why');
      const saved = await whole(await docker.getImage('node/committed:1').get());
      await docker.getImage('node/committed:1').remove();
      const loaded = await followed(await docker.loadImage(require('node:stream').Readable.from([saved])));
      assert.ok(loaded.some((message) => /Loaded image: node\/committed:1/.test(message.stream || '')));
      await docker.getImage('node/committed:1').remove();
      assert.ok('tmp/one' in await extracted(await container.export()));
    });
  },

  async networks() {
    const network = await docker.createNetwork({Name: 'node-net', Driver: 'bridge', IPAM: {Config: [{Subnet: '10.88.11.0/24'}]}, Labels: {a: 'b'}});
    await sleeper(async (one) => sleeper(async (two) => {
      await network.connect({Container: two.id, EndpointConfig: {Aliases: ['second'], IPAMConfig: {IPv4Address: '10.88.11.77'}}});
      const exec = await one.exec({Cmd: ['probe', 'resolve', 'second'], AttachStdout: true});
      assert.deepEqual(await demuxed(await exec.start({})), ['10.88.11.77\n', '']);
      assert.equal(Object.keys((await network.inspect()).Containers).length, 2);
      await refused(403, /has active endpoints/, network.remove());
      await network.disconnect({Container: two.id, Force: true});
    }), {HostConfig: {NetworkMode: 'node-net'}});
    assert.deepEqual((await docker.listNetworks({filters: {label: ['a=b']}})).map((found) => found.Name), ['node-net']);
    await network.remove();
  },

  async volumes() {
    await docker.createVolume({Name: 'node-data', Labels: {a: 'b'}});
    const volume = docker.getVolume('node-data');
    assert.deepEqual(await ran(IMAGE, ['sh', '-c', 'echo kept > /mnt/f'], {Binds: ['node-data:/mnt']}), [0, '', '']);
    assert.deepEqual(await ran(IMAGE, ['cat', '/mnt/f'], {Binds: ['node-data:/mnt:ro']}), [0, 'kept\n', '']);
    assert.deepEqual((await docker.listVolumes({filters: {label: ['a=b']}})).Volumes.map((found) => found.Name), ['node-data']);
    await sleeper(() => refused(409, /volume is in use/, volume.remove()), {HostConfig: {Binds: ['node-data:/mnt']}});
    await volume.remove();
    await refused(404, /no such volume/i, volume.inspect());
  },

  async registry() {
    const name = `${REGISTRY}/node/app`;
    await docker.getImage(IMAGE).tag({repo: name, tag: '1'});
    const pushed = await followed(await docker.getImage(`${name}:1`).push({authconfig: {}}));
    assert.match(pushed.find((message) => message.aux).aux.Digest, /^sha256:/);
    await docker.getImage(`${name}:1`).remove();
    const seen = [];
    const pulled = await followed(await docker.pull(`${name}:1`), (message) => seen.push(message.status));
    assert.deepEqual(seen, pulled.map((message) => message.status));
    assert.match(seen.at(-1), /^Status: /);
    await docker.getImage(`${name}:1`).remove();
    await assert.rejects((async () => followed(await docker.pull(`${name}:none`)))(), /manifest unknown|not found/);
  },

  async prune() {
    const container = await docker.createContainer({Image: IMAGE, Cmd: ['true'], Labels: {old: '1'}});
    assert.deepEqual((await docker.pruneContainers({filters: {label: ['old=1']}})).ContainersDeleted, [container.id]);
    await docker.createNetwork({Name: 'node-old', Labels: {old: '1'}});
    assert.deepEqual((await docker.pruneNetworks({filters: {label: ['old=1']}})).NetworksDeleted, ['node-old']);
    await docker.createVolume({Name: 'node-old', Labels: {old: '1'}});
    const all = await docker.pruneVolumes({filters: {all: ['true'], label: ['old=1']}});
    assert.deepEqual(all.VolumesDeleted, ['node-old']);
    assert.equal(typeof (await docker.pruneImages({filters: {label: ['old=1']}})).SpaceReclaimed, 'number');
    assert.ok((await docker.df()).ImageUsage.TotalCount > 0);
    assert.ok((await new Docker({version: 'v1.43'}).df()).Images.length > 0);
  },
});
