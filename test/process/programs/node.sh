# Buffers, JSON, streams, compression, worker threads.
wants=node

prepare() { cat >"$shared/script.js" <<'J'
const crypto = require('crypto'), zlib = require('zlib');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const hash = (d) => crypto.createHash('sha256').update(d).digest('hex').slice(0, 16);
function churn(seed, rounds) {
	let x = seed, kept = [], sum = 0;
	for (let i = 0; i < rounds; i++) {
		x = (x * 1103515245 + 12345) & 0x7fffffff;
		const b = Buffer.allocUnsafeSlow(1 + x % (i % 100 ? 5000 : 500000)).fill(i & 255);
		kept[x % 500] = b;
		sum += b[b.length - 1];
	}
	return sum;
}
if (!isMainThread) {
	parentPort.postMessage([workerData, churn(workerData, 20000)]);
} else {
	console.log(churn(1, 60000));
	const o = Array.from({ length: 50000 }, (_, i) => ({ id: i, name: 'n' + i % 977, list: [i, i * 2, { deep: 'x'.repeat(i % 40) }] }));
	const text = JSON.stringify(o);
	console.log(text.length, hash(text), hash(JSON.stringify(JSON.parse(text))));
	const packed = zlib.gzipSync(text), br = zlib.brotliCompressSync(text.slice(0, 300000));
	console.log(hash(zlib.gunzipSync(packed)), hash(zlib.brotliDecompressSync(br)));
	const m = new Map();
	for (let i = 0; i < 300000; i++) m.set('k' + i % 70000, i);
	console.log(m.size, text.match(/"name":"n(\d+)"/g).length);
	let left = 4; const results = [];
	for (let w = 1; w <= 4; w++)
		new Worker(__filename, { workerData: w }).on('message', (r) => results.push(r.join(':')))
			.on('exit', (code) => { if (code) process.exit(code); if (!--left) console.log(results.sort().join(' ')); });
	let pending = 40;
	for (let i = 0; i < 40; i++)
		zlib.deflate(Buffer.alloc(200000, 'abc' + i), (e, d) => { if (e) throw e; if (!--pending) console.log('deflated', d.length > 0); });
}
J
}

job() { node "$shared/script.js" | sort; return "${PIPESTATUS[0]}"; }
