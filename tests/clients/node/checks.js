// Named checks of a program: `node PROGRAM NAME` runs one; it ends with 0, or with 1 and why.
'use strict';

// The checks are functions; what they give a promise for is waited for.
async function main(checks) {
  const name = process.argv[2];
  if (!checks[name]) {
    console.error(`no check ${name}, there are: ${Object.keys(checks).join(', ')}`);
    process.exit(2);
  }
  try {
    await checks[name]();
  } catch (error) {
    console.error(error.stack || error);
    process.exit(1);
  }
  process.exit(0);
}

// Waits until `seen` gives something true, and gives that.
async function until(what, seen) {
  for (const end = Date.now() + 20000; Date.now() < end;) {
    const value = await seen();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`not seen in 20 s: ${what}`);
}

// All that a stream gives until its end.
function whole(stream) {
  return new Promise((resolve, reject) => {
    const pieces = [];
    stream.on('data', (piece) => pieces.push(Buffer.from(piece)));
    stream.on('end', () => resolve(Buffer.concat(pieces)));
    stream.on('close', () => resolve(Buffer.concat(pieces)));
    stream.on('error', reject);
  });
}

module.exports = {main, until, whole};
