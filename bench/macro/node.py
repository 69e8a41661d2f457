"""Node with two worker threads: buffers, JSON, zlib, regular expressions.

V8 keeps JavaScript objects in its own heap; buffers, zlib's state, the
compiler's zones and strings from outside are malloc's, from several threads.
"""
from . import Command

NEEDS = {"node": "nodejs"}

SCRIPT = r'''
'use strict';
const { Worker, isMainThread, parentPort, workerData } =
    require('worker_threads');
const zlib = require('zlib');
const crypto = require('crypto');

function work({ seed, n }) {
    let s = seed;
    const rnd = k => (s = (s * 1103515245 + 12345) % 2147483648,
                      Math.floor(s / 65536) % k);
    const hash = crypto.createHash('sha256');
    const live = new Array(400);
    for (let i = 0; i < n; i++) {
        const b = Buffer.allocUnsafeSlow(64 + rnd(9000));
        b.fill(String.fromCharCode(97 + rnd(26)) + i);
        live[rnd(live.length)] = b;
        if (i % 40 === 0) {
            const some = live.filter((x, k) => x && k % 7 === i % 7);
            const packed = zlib.deflateSync(Buffer.concat(some), { level: 1 });
            hash.update(zlib.inflateSync(packed));
        }
        if (i % 25 === 0) {
            const o = { id: i, list: Array.from({ length: 60 }, () => rnd(99)),
                        text: b.toString('latin1', 0, 300) };
            const copy = JSON.parse(JSON.stringify(o));
            hash.update(copy.text.replace(/([a-m])(\d+)/g, '$2$1'));
        }
    }
    return hash.digest('hex');
}

if (isMainThread) {
    const n = Number(process.argv[2]);
    Promise.all([1, 2].map(seed => new Promise((done, fail) => {
        const w = new Worker(__filename, { workerData: { seed, n } });
        w.on('message', done);
        w.on('error', fail);
    }))).then(all => console.log([...all, work({ seed: 3, n })].join('\n')));
} else {
    parentPort.postMessage(work(workerData));
}
'''


def prepare(here, small):
    (here / "work.js").write_text(SCRIPT)


def command(here, small):
    n = 2000 if small else 9000
    return Command(["node", str(here / "work.js"), str(n)])
