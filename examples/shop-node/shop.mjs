// The shop of examples/shop once more, in plain Node (18 or later) and nothing but its own modules:
// what a service behind lethe needs is HTTP. The cart is read from the field Lethe-Session and changed
// with the field Lethe-Session-Patch; no session library, no retry logic, no stickiness.
//
// Orders are kept in a file of JSON lines that all replicas append to: one write(2) with O_APPEND puts
// a whole line at the end, whoever else writes. It does not look for doubles; that is lethe's part.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { randomBytes, randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';

const usage = `usage: node shop.mjs --port PORT --db FILE [--name NAME] [--slow-ms N]
  --port PORT   listen on 127.0.0.1:PORT
  --db FILE     the orders, shared by all replicas
  --name NAME   what X-Replica says (default: shop-PORT)
  --slow-ms N   wait so long between the work and the answer; also ?delay=N per request
`;

function readOptions() {
  const kinds = { port: 'string', db: 'string', name: 'string', 'slow-ms': 'string', help: 'boolean' };
  const options = Object.fromEntries(Object.entries(kinds).map(([k, type]) => [k, { type }]));
  try {
    const { values } = parseArgs({ options });
    if (values.help) { process.stdout.write(usage); process.exit(0); }
    const port = Number(values.port), slow = Number(values['slow-ms'] ?? 0);
    if (!Number.isInteger(port) || port < 1 || port > 65535) throw new Error('--port must be 1 to 65535');
    if (!values.db) throw new Error('--db is missing');
    if (!Number.isInteger(slow) || slow < 0 || slow > 30000) throw new Error('--slow-ms must be 0 to 30000');
    return { port, db: values.db, name: values.name ?? `shop-${port}`, slow };
  } catch (error) {
    process.stderr.write(`shop: ${error.message}\n${usage}`);
    process.exit(2);
  }
}
const { port, db, name, slow } = readOptions();

const articles = [
  { sku: 'tea', name: 'Tea from the river bank', price: 450 },
  { sku: 'mug', name: 'A mug that forgets its owner', price: 1200 },
  { sku: 'boat', name: 'Passage, one way', price: 100 },
  { sku: 'print', name: 'Numbered print: print-1 to print-99999', price: 2500 },
];
const isForSale = (sku) => typeof sku === 'string' && sku.length <= 11
  && (/^print-[1-9]\d{0,4}$/.test(sku) || articles.some((a) => a.sku === sku && sku !== 'print'));
const linesMax = 40;

class Refused extends Error {
  constructor(status, title) { super(title); this.status = status; }
}

// The lines of the cart, each {id, qty, sku}, as lethe handed them over.
function cartLines(request) {
  const field = request.headers['lethe-session'];
  if (!field) return [];
  const session = JSON.parse(Buffer.from(field.split(':')[1], 'base64').toString('utf8'));
  return session.cart?.items ?? [];
}
// Adding and removing whole lines commutes, so concurrent changes of one cart never conflict.
const patch = (op, lines) => ({
  'Lethe-Session-Patch': `:${Buffer.from(JSON.stringify(lines.map((value) =>
    ({ op, path: '/cart/items', value })))).toString('base64')}:;type=ops`,
});
function summed(lines) {
  const bySku = new Map();
  for (const { sku, qty } of lines) bySku.set(sku, (bySku.get(sku) ?? 0) + qty);
  return [...bySku].sort().map(([sku, qty]) => ({ sku, qty }));
}
// A last line without its end belongs to a replica that is writing it now.
const allOrders = () => (existsSync(db) ? readFileSync(db, 'utf8') : '')
  .split('\n').slice(0, -1).map((line) => JSON.parse(line));
function userOf(request) {
  if (!request.headers['x-user']) throw new Refused(401, 'Nobody is logged in');
  return request.headers['x-user'];
}
function parseObject(body) {
  let value;
  try { value = JSON.parse(body || '{}'); } catch { /* refused below */ }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new Refused(400, 'The body is not a JSON object');
  return value;
}

function addToCart(request, body) {
  const { sku, qty = 1 } = parseObject(body);
  if (!isForSale(sku)) throw new Refused(422, 'No such article');
  if (!Number.isInteger(qty) || qty < 1 || qty > 99) throw new Refused(422, 'qty must be 1 to 99');
  if (cartLines(request).length >= linesMax) throw new Refused(409, 'The cart is full');
  const line = { id: randomBytes(4).toString('hex'), qty, sku };
  return [201, { added: { sku, qty } }, patch('set_add', [line])];
}
function createOrder(request, body) {
  const user = userOf(request), { reference = '' } = parseObject(body), lines = cartLines(request);
  if (typeof reference !== 'string' || reference.length > 64) throw new Refused(422, 'reference must be a string of at most 64 characters');
  if (lines.length === 0) throw new Refused(422, 'The cart is empty');
  const order = { id: randomUUID(), user, reference, items: summed(lines) };
  appendFileSync(db, JSON.stringify(order) + '\n');
  return [201, { order }, { Location: `/orders/${order.id}`, ...patch('set_remove', lines) }];
}
const routes = {
  'GET /healthz': () => [200, { status: 'ok' }],
  'GET /catalogue': () => [200, { articles }],
  'GET /cart': (request) => [200, { items: summed(cartLines(request)) }],
  'POST /cart/items': addToCart,
  'POST /orders': createOrder,
  'GET /orders': (request) => [200, { orders: allOrders().filter((o) => o.user === userOf(request)) }],
  'GET /orders/count': () => [200, { count: allOrders().length }],
};

let stopping = false;
const server = createServer(async (request, response) => {
  try {
    let body = '';
    for await (const piece of request.setEncoding('utf8')) if ((body += piece).length > 65536) throw new Refused(413, 'The body is too large');
    const url = new URL(request.url, 'http://shop');
    const route = routes[`${request.method} ${url.pathname}`];
    if (!route) throw new Refused(404, 'No such page');
    const [status, answer, fields = {}] = route(request, body);
    const delay = Math.min(30000, Number(url.searchParams.get('delay')) || slow);
    if (delay > 0) await new Promise((go) => setTimeout(go, delay));
    if (stopping) response.setHeader('Connection', 'close');
    response.writeHead(status, { 'Content-Type': 'application/json', 'X-Replica': name, ...fields });
    response.end(JSON.stringify(answer) + '\n');
  } catch (error) {
    if (!(error instanceof Refused)) process.stderr.write(`shop: ${error.stack}\n`);
    response.writeHead(error.status ?? 500, { 'Content-Type': 'application/problem+json', 'X-Replica': name });
    const title = error instanceof Refused ? error.message : 'Internal error';
    response.end(JSON.stringify({ type: 'about:blank', status: error.status ?? 500, title }) + '\n');
  }
});
// Longer than lethe keeps an idle connection: a server that closes first may meet a request half-way.
server.keepAliveTimeout = 75000;
server.on('error', (error) => { process.stderr.write(`shop: ${error.message}\n`); process.exit(1); });
server.listen(port, '127.0.0.1', () => process.stdout.write(`shop ${name} on 127.0.0.1:${port}\n`));
for (const signal of ['SIGTERM', 'SIGINT'])
  process.on(signal, () => {
    stopping = true;
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
