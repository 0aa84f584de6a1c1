// The official client: reads a task as a line of JSON from stdin, and writes its cost as a
// line to stdout.
import { createInterface } from 'node:readline';
import { Runloop } from '@runloop/api-client';

const clients = new Map();

function clientFor(baseURL) {
  if (!clients.has(baseURL)) {
    // By default the client uses HTTP/2, for which it needs TLS.
    clients.set(baseURL, new Runloop({ bearerToken: 'benchmark-key', baseURL, http2: false }));
  }
  return clients.get(baseURL);
}

async function find(client, name) {
  for await (const policy of client.networkPolicies.list({ name })) {
    if (policy.name === name) return policy;
  }
  return null;
}

// The client has no ensure: this is what a program does instead.
async function ensure(client, name) {
  const existing = await find(client, name);
  if (existing) return existing;
  try {
    return await client.networkPolicies.create({ name, allowed_hostnames: ['github.com'] });
  } catch (error) {
    if (error.status !== 400) throw error; // 400: the name is taken
    return find(client, name);
  }
}

// Each task returns the number of policies that it got.
const tasks = {
  async get({ baseURL, ids }) {
    const client = clientFor(baseURL);
    let policies = 0;
    for (const id of ids) {
      const policy = await client.networkPolicies.retrieve(id);
      if (policy.id === id) policies++;
    }
    return policies;
  },

  async iterate({ baseURL, pageSize }) {
    let policies = 0;
    for await (const policy of clientFor(baseURL).networkPolicies.list(pageSize > 0 ? { limit: pageSize } : {})) {
      if (policy.egress.allowed_hostnames.length > 0) policies++;
    }
    return policies;
  },

  async ensure({ baseURL, policies }) {
    const client = clientFor(baseURL);
    const found = await Promise.all(Array.from({ length: policies }, () => ensure(client, 'build')));
    return found.filter((policy) => policy?.id === found[0].id).length;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line);
  const cpuBefore = process.cpuUsage();
  const start = process.hrtime.bigint();
  let response;
  try {
    const policies = await tasks[task.task](task);
    const cpu = process.cpuUsage(cpuBefore);
    response = {
      policies,
      wall: Number(process.hrtime.bigint() - start),
      cpu: 1000 * (cpu.user + cpu.system),
    };
  } catch (error) {
    response = { error: String(error) };
  }
  process.stdout.write(JSON.stringify(response) + '\n');
}
