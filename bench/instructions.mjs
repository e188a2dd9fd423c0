// Counts the instructions that a proxied request costs lethe outside the kernel, by callgrind: plain
// with a small and a big answer, and with each filter by itself (state in memory, so that no store's
// driver is counted):
//     node bench/instructions.mjs path/to/lethe [requests [folder]]
// In `folder` stay callgrind's files, one per case, for callgrind_annotate.
// One client connection asks one request after the other, so that each turn of the worker's loop
// serves one event; only turns are counted, no start, timer or waiting. What two runs of different
// length differ by is the requests' own cost. Prints "NAME COUNT" lines.
import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

const [binary, requests = '1000', kept = ''] = process.argv.slice(2);
const count = Number(requests), warm = 100;
const folder = mkdtempSync(join(tmpdir(), 'lethe-instructions-'));
const head = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: origin\r\n' +
  'ETag: "abc"\r\nContent-Length: ';
const sizes = { '/big': 10000 };  // of the answers; others 200
const slots = { user: 'user-7', cart: [1, 2, 3], note: 'y'.repeat(100) };
const patch = `Lethe-Session-Patch: :${Buffer.from(JSON.stringify(slots)).toString('base64')}:` +
  ';type=merge\r\n';
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
    const path = request.split(' ')[1], size = sizes[path] ?? 200;
    socket.write(`${head}${size}\r\n${path === '/login' ? patch : ''}\r\n${'x'.repeat(size)}`);
  });
});

// Below those that the system gives to outgoing connections: one that is tried until lethe listens
// must not meet itself.
async function freePort() {
  for (;;) {
    const port = 10000 + Math.floor(Math.random() * 20000);
    const probe = net.createServer();
    try {
      probe.listen(port, '127.0.0.1');
      await once(probe, 'listening');
    } catch {
      continue;
    }
    probe.close();
    await once(probe, 'close');
    return port;
  }
}

async function connect(port, alive, said) {
  for (let i = 0; i < 600 && alive(); i++) {
    const socket = net.connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return socket;
    } catch {
      await sleep(50);
    }
  }
  throw new Error('lethe did not start: ' + said());
}

// A token, and the key that it is verified with: an ES256 one each.
function makeToken() {
  const run = (...words) => execFileSync(binary, ['token', ...words], { encoding: 'utf8' });
  const key = join(folder, 'key.json');
  run('key', '--out', key);
  writeFileSync(join(folder, 'keys.json'), run('jwks', key));
  return run('sign', '--key', key, '--iss', 'https://id.example', '--aud', 'shop', '--sub', 'user-7')
    .trim();
}

const get = (path, fields = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\n${browser}${fields}\r\n`;
const token = makeToken();
// What each asks; `cookie` is that of a session.
const cases = {
  small: () => get('/small'),
  big: () => get('/big'),
  session: (cookie) => get('/session', `Cookie: theme=dark; ${cookie}\r\n`),
  keyed: () => `POST /keyed HTTP/1.1\r\nHost: a\r\n${browser}Idempotency-Key: ${randomUUID()}\r\n` +
    'Content-Type: application/json\r\nContent-Length: 15\r\n\r\n{"order": 1234}',
  token: () => get('/token', `Authorization: Bearer ${token}\r\n`),
};

const configure = (port) => `listen: [{address: "127.0.0.1:${port}"}]
workers: 1
store: "memory:"
log: {level: warn, access: off}
sessions: {cookie_name: sid, cookie_secure: false}
issuers:
  - {name: id, issuer: "https://id.example", audience: [shop], keys: {file: "${join(folder, 'keys.json')}"},
     algorithms: [ES256]}
upstreams: [{name: origin, replicas: ["http://127.0.0.1:${origin.address().port}"]}]
routes:
  - {match: {path: /login}, upstream: origin,
     session: {write: [user, cart, note], allow_lossy: true}}
  - {match: {path: /session}, upstream: origin,
     session: {read: [user], required: true, allow_lossy: true}}
  - {match: {path: /keyed}, upstream: origin,
     idempotency: {mode: required, scope: public, allow_lossy: true}}
  - {match: {path: /token}, upstream: origin, authenticate: {issuers: [id]}}
  - {match: {prefix: /}, upstream: origin}
`;

// All instructions of the turns that serve `times` requests of that case.
async function measure(name, times, port) {
  const config = join(folder, 'lethe.yaml'), out = join(folder, 'callgrind.out');
  rmSync(out, { force: true });
  writeFileSync(config, configure(port));
  const lethe = spawn('valgrind', ['--tool=callgrind', `--callgrind-out-file=${out}`,
    '--toggle-collect=lethe::net::reactor::turn()', stripped, 'serve', config],
  { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '', running = true;
  lethe.stderr.setEncoding('utf8').on('data', (text) => { said += text; });
  const ended = once(lethe, 'exit').then(() => { running = false; });
  try {
    const client = await connect(port, () => running, () => said);
    await new Promise((resolve, reject) => {
      let left = times, cookie = '';
      client.on('error', reject).on('close', () => reject(new Error('lethe closed: ' + said)));
      messages(client, answerEnd, (answer) => {
        if (!answer.startsWith('HTTP/1.1 200 ')) reject(new Error(`${answer}\n${said}`));
        cookie ||= /set-cookie: (sid=[^;]+)/i.exec(answer)?.[1] ?? '';
        if (left--) client.write(cases[name](cookie));
        else resolve();
      });
      client.write(get('/login'));
    });
    client.removeAllListeners('close').destroy();
  } finally {
    lethe.kill('SIGTERM');
    await ended;
  }
  const total = /^(?:summary|totals): (\d+)/m.exec(readFileSync(out, 'utf8'));
  if (!total) throw new Error('callgrind counted nothing: ' + said);
  if (kept) copyFileSync(out, join(kept, `callgrind.${name}.out`));
  return Number(total[1]);
}

// Debian's valgrind gives up on the debug information that clang 19 writes; names are enough.
const stripped = join(folder, 'lethe');
try {
  execFileSync('objcopy', ['--strip-debug', binary, stripped]);
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  for (const name of Object.keys(cases)) {
    const base = await measure(name, warm, await freePort());
    const all = await measure(name, warm + count, await freePort());
    console.log(name, Math.round((all - base) / count));
  }
} finally {
  origin.close();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
