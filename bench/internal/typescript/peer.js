// The official client behind a line of JSON for each task on stdin, and a line for
// its cost on stdout.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Runloop } from '@runloop/api-client';

const clients = new Map();

function clientFor(baseURL) {
  if (!clients.has(baseURL)) {
    // By default the client speaks HTTP/2, which it does over TLS only.
    clients.set(baseURL, new Runloop({ bearerToken: 'benchmark-key', baseURL, http2: false }));
  }
  return clients.get(baseURL);
}

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

  // A page size of 0 is the client's own.
  async iterate({ baseURL, pageSize }) {
    let policies = 0;
    for await (const policy of clientFor(baseURL).networkPolicies.list(pageSize > 0 ? { limit: pageSize } : {})) {
      if (policy.egress.allowed_hostnames.length > 0) policies++;
    }
    return policies;
  },
};

function peakResident() {
  try {
    return 1024 * Number(/VmHWM:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
  } catch {
    return 0;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line);
  const cpuBefore = process.cpuUsage();
  const start = process.hrtime.bigint();
  let answer;
  try {
    const policies = await tasks[task.task](task);
    const cpu = process.cpuUsage(cpuBefore);
    answer = {
      policies,
      wall: Number(process.hrtime.bigint() - start),
      cpu: 1000 * (cpu.user + cpu.system),
      peakResident: peakResident(),
    };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
