// Counts the instructions that a proxied request costs lethe outside the kernel, by callgrind:
//     node bench/instructions.mjs path/to/lethe [requests]
// One client connection asks one request after the other, so that each turn of the worker's loop
// serves one event; only turns are counted, no start, timer or waiting. What two runs of different
// length differ by is the requests' own cost. Prints "NAME COUNT" lines.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

const [binary, requests = '1000'] = process.argv.slice(2);
const count = Number(requests), warm = 100;
const folder = mkdtempSync(join(tmpdir(), 'lethe-instructions-'));
const head = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: origin\r\n' +
  'ETag: "abc"\r\nContent-Length: ';
const answers = { '/small': 200, '/big': 10000 };
const browser = 'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n' +
  'Accept: application/json, */*;q=0.8\r\nAccept-Language: en-GB,en;q=0.7\r\n' +
  'Accept-Encoding: gzip, br\r\nX-Request-Id: 0123456789abcdef\r\n';

// One message is complete once `full` says how long it is and that many bytes are here.
function messages(socket, full, use) {
  let text = '';
  socket.setNoDelay(true).setEncoding('latin1').on('data', (piece) => {
    text += piece;
    for (let size; (size = full(text)) && text.length >= size;) {
      const one = text.slice(0, size);
      text = text.slice(size);
      use(one);
    }
  });
}
const headEnd = (text) => { const at = text.indexOf('\r\n\r\n'); return at < 0 ? 0 : at + 4; };
const answerEnd = (text) => {
  const end = headEnd(text);
  return end && end + Number(/content-length: (\d+)/i.exec(text.slice(0, end))[1]);
};

const origin = net.createServer((socket) => {
  socket.on('error', () => {});
  messages(socket, headEnd, (request) => {
    const size = answers[request.split(' ')[1]];
    socket.write(`${head}${size}\r\n\r\n${'x'.repeat(size)}`);
  });
});

async function freePort() {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

async function connect(port, alive) {
  for (let i = 0; i < 600 && alive(); i++) {
    const socket = net.connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return socket;
    } catch {
      await sleep(50);
    }
  }
  throw new Error('lethe did not start');
}

// All instructions of the turns that serve `times` requests for `path`.
async function measure(path, times, port) {
  const config = join(folder, 'lethe.yaml'), out = join(folder, 'callgrind.out');
  rmSync(out, { force: true });
  writeFileSync(config, `listen: [{address: "127.0.0.1:${port}"}]
workers: 1
store: "memory:"
log: {level: warn, access: off}
upstreams: [{name: origin, replicas: ["http://127.0.0.1:${origin.address().port}"]}]
routes: [{match: {prefix: /}, upstream: origin}]
`);
  const lethe = spawn('valgrind', ['--tool=callgrind', `--callgrind-out-file=${out}`,
    '--toggle-collect=lethe::net::reactor::turn()', stripped, 'serve', config],
  { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '', running = true;
  lethe.stderr.setEncoding('utf8').on('data', (text) => { said += text; });
  const ended = once(lethe, 'exit').then(() => { running = false; });
  try {
    const client = await connect(port, () => running);
    const request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${browser}\r\n`;
    await new Promise((resolve, reject) => {
      let left = times;
      client.on('error', reject).on('close', () => reject(new Error('lethe closed: ' + said)));
      messages(client, answerEnd, (answer) => {
        if (!answer.startsWith('HTTP/1.1 200 ')) reject(new Error(answer));
        else if (--left) client.write(request);
        else resolve();
      });
      client.write(request);
    });
    client.removeAllListeners('close').destroy();
  } finally {
    lethe.kill('SIGTERM');
    await ended;
  }
  const total = /^(?:summary|totals): (\d+)/m.exec(readFileSync(out, 'utf8'));
  if (!total) throw new Error('callgrind counted nothing: ' + said);
  return Number(total[1]);
}

// Debian's valgrind gives up on the debug information that clang 19 writes; names are enough.
const stripped = join(folder, 'lethe');
try {
  execFileSync('objcopy', ['--strip-debug', binary, stripped]);
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  for (const path of Object.keys(answers)) {
    const base = await measure(path, warm, await freePort());
    const all = await measure(path, warm + count, await freePort());
    console.log(path.slice(1), Math.round((all - base) / count));
  }
} finally {
  origin.close();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
