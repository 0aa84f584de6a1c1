// What programs do with Runloop's own client for TypeScript, as it was published. It reads
// the server and the key from RUNLOOP_BASE_URL and RUNLOOP_API_KEY. No policy is left
// afterwards.
import assert from 'node:assert/strict';
import { after, afterEach, describe, it } from 'node:test';
import {
  APIError,
  AuthenticationError,
  BadRequestError,
  NetworkPolicy,
  NotFoundError,
  RunloopSDK,
} from '@runloop/api-client';

// A client without a response retries for half a minute or more; once is enough.
const timeout = 60_000;
const suites = { 'over HTTP/2, the default': {}, 'over HTTP/1.1': { http2: false } };

// finished resolves when all tests have ended.
export const finished = Promise.all(
  Object.entries(suites).map(
    ([what, options]) =>
      new Promise((resolve) => {
        describe(what, { timeout }, () => {
          suite(options);
          after(resolve);
        });
      }),
  ),
);

function suite(options) {
  const sdk = new RunloopSDK(options);
  const { networkPolicies, devboxes } = sdk.api;

  // The names of all that a test creates have this prefix.
  const prefix = 'typescript-';
  let names = 0;
  const newName = () => `${prefix}${++names}`;
  const create = (params) => networkPolicies.create({ name: newName(), ...params });
  const createMany = (n) => Promise.all(Array.from({ length: n }, () => create()));
  const ids = (policies) => policies.map((policy) => policy.id).sort();

  const launched = [];
  async function launch(policyID) {
    const devbox = await devboxes.create({ name: newName(), launch_parameters: { network_policy_id: policyID } });
    launched.push(devbox.id);
    return devbox;
  }

  afterEach(async () => {
    await Promise.all(launched.splice(0).map((id) => devboxes.shutdown(id)));
    const left = await networkPolicies.list({ name: prefix, limit: 5000 });
    await Promise.all(ids(left.network_policies).map((id) => networkPolicies.delete(id)));
  });

  describe('policies', () => {
    it('creates with a name alone, and everything denied', async () => {
      const name = newName();
      const { id, create_time_ms, update_time_ms, ...policy } = await networkPolicies.create({ name });
      assert.ok(id);
      assert.ok(Math.abs(Date.now() - create_time_ms) < 60_000);
      assert.equal(update_time_ms, create_time_ms);
      assert.deepEqual(policy, {
        name,
        description: null,
        egress: {
          allow_agent_gateway: false,
          allow_all: false,
          allow_devbox_to_devbox: false,
          allow_mcp_gateway: false,
          allow_runloop_mirrors: false,
          allowed_cidrs: [],
          allowed_hostnames: [],
        },
      });
    });

    it('creates with everything that the client knows, the fields added after version 0.1 included', async () => {
      const egress = {
        allow_agent_gateway: true,
        allow_all: false,
        allow_devbox_to_devbox: true,
        allow_mcp_gateway: true,
        allow_runloop_mirrors: true,
        allowed_cidrs: [{ cidr: '10.12.0.0/16', ports: [{ port: 8000, end_port: 8080, protocol: 'TCP' }] }],
        allowed_hostnames: ['github.com', '*.npmjs.org'],
      };
      const policy = await create({ description: 'all of it', ...egress });
      assert.equal(policy.description, 'all of it');
      assert.deepEqual(policy.egress, egress);
    });

    it('accepts null for every optional field', async () => {
      const policy = await create({ description: null, allow_all: null, allowed_hostnames: null, allowed_cidrs: null });
      assert.equal(policy.egress.allow_all, false);
      assert.deepEqual(policy.egress.allowed_hostnames, []);
    });

    it('accepts CIDRs with any port, one port and either protocol', async () => {
      const { egress } = await create({
        allowed_cidrs: [
          { cidr: '10.0.0.0/8' },
          { cidr: '192.0.2.1/32', ports: null },
          { cidr: '0.0.0.0/0', ports: [{ port: 443 }, { port: 53, protocol: 'UDP' }] },
        ],
      });
      assert.deepEqual(egress.allowed_cidrs.map(({ cidr }) => cidr), ['10.0.0.0/8', '192.0.2.1/32', '0.0.0.0/0']);
      assert.ok(!egress.allowed_cidrs[0].ports?.length);
      assert.ok(!egress.allowed_cidrs[1].ports?.length);
      assert.deepEqual(egress.allowed_cidrs[2].ports.map(({ port }) => port), [443, 53]);
      assert.equal(egress.allowed_cidrs[2].ports[1].protocol, 'UDP');
    });

    it('allows devbox to devbox if it allows all', async () => {
      const { egress } = await create({ allow_all: true, allow_devbox_to_devbox: false });
      assert.equal(egress.allow_all, true);
      assert.equal(egress.allow_devbox_to_devbox, true);
    });

    it('retrieves what was created', async () => {
      const policy = await create({ description: 'kept', allowed_hostnames: ['github.com'] });
      assert.deepEqual(await networkPolicies.retrieve(policy.id), policy);
    });

    it('updates a field and keeps the others', async () => {
      const before = await create({
        description: 'kept',
        allow_mcp_gateway: true,
        allowed_hostnames: ['github.com'],
        allowed_cidrs: [{ cidr: '10.0.0.0/8' }],
      });
      const after = await networkPolicies.update(before.id, { allow_agent_gateway: true });
      assert.deepEqual(after.egress, { ...before.egress, allow_agent_gateway: true });
      assert.equal(after.name, before.name);
      assert.equal(after.description, 'kept');
      assert.ok(after.update_time_ms >= before.update_time_ms);
      assert.deepEqual(await networkPolicies.retrieve(before.id), after);
    });

    it('replaces lists as a whole', async () => {
      const { id } = await create({ allowed_hostnames: ['github.com', 'pypi.org'], allowed_cidrs: [{ cidr: '10.0.0.0/8' }] });
      const replaced = await networkPolicies.update(id, { allowed_hostnames: ['*.example.com'] });
      assert.deepEqual(replaced.egress.allowed_hostnames, ['*.example.com']);
      assert.equal(replaced.egress.allowed_cidrs.length, 1);
      const emptied = await networkPolicies.update(id, { allowed_hostnames: [], allowed_cidrs: [] });
      assert.deepEqual(emptied.egress.allowed_hostnames, []);
      assert.deepEqual(emptied.egress.allowed_cidrs, []);
    });

    it('keeps a field that is null in an update', async () => {
      const before = await create({ description: 'kept', allow_all: true, allowed_hostnames: ['github.com'] });
      const after = await networkPolicies.update(before.id, {
        name: null,
        description: null,
        allow_all: null,
        allowed_hostnames: null,
        allowed_cidrs: null,
      });
      assert.deepEqual({ ...after, update_time_ms: 0 }, { ...before, update_time_ms: 0 });
    });

    it('clears a description', async () => {
      const { id } = await create({ description: 'gone' });
      assert.ok(!(await networkPolicies.update(id, { description: '' })).description);
    });

    it('accepts an update without fields', async () => {
      const before = await create({ allowed_hostnames: ['github.com'] });
      const after = await networkPolicies.update(before.id);
      assert.deepEqual(after.egress, before.egress);
    });

    it('deletes, with a body and without, and returns the policy', async () => {
      for (const body of [undefined, {}]) {
        const policy = await create();
        assert.deepEqual(await networkPolicies.delete(policy.id, body), policy);
        await refuses(networkPolicies.retrieve(policy.id), NotFoundError, /not found/);
      }
    });

    it('frees the name of a deleted policy', async () => {
      const { id, name } = await create();
      await networkPolicies.delete(id);
      assert.notEqual((await create({ name })).id, id);
    });
  });

  describe('lists', () => {
    it('iterates over all pages, with each policy once', async () => {
      const policies = await createMany(7);
      const met = [];
      for await (const policy of networkPolicies.list({ name: prefix, limit: 3 })) {
        met.push(policy);
      }
      assert.deepEqual(ids(met), ids(policies));
      assert.deepEqual(met.find(({ id }) => id === policies[0].id), policies[0]);
    });

    it('has pages of the requested size', async () => {
      await createMany(7);
      const sizes = [];
      for await (const page of (await networkPolicies.list({ name: prefix, limit: 3 })).iterPages()) {
        assert.equal(page.total_count, 7);
        sizes.push(page.network_policies.length);
      }
      assert.deepEqual(sizes, [3, 3, 1]);
    });

    it('has 20 policies in a page by default', async () => {
      await createMany(21);
      const page = await networkPolicies.list({ name: prefix });
      assert.equal(page.network_policies.length, 20);
      assert.equal(page.has_more, true);
      const last = await page.getNextPage();
      assert.equal(last.network_policies.length, 1);
      assert.equal(last.has_more, false);
    });

    it('ends with a full page', async () => {
      await createMany(4);
      const page = await networkPolicies.list({ name: prefix, limit: 4 });
      assert.equal(page.network_policies.length, 4);
      assert.equal(page.hasNextPage(), false);
    });

    it('is empty if nothing matches', async () => {
      const page = await networkPolicies.list({ name: `${prefix}nobody` });
      assert.deepEqual(page.network_policies, []);
      assert.equal(page.total_count, 0);
    });

    it('filters by a part of the name, by id, and by either', async () => {
      const [first, second] = await createMany(2);
      const part = await create({ name: `${first.name}-and-more` });
      const found = async (query) => ids((await networkPolicies.list(query)).network_policies);
      assert.deepEqual(await found({ name: `${first.name}-` }), [part.id]);
      assert.deepEqual(await found({ id: second.id }), [second.id]);
      assert.deepEqual(await found({ search: second.id }), [second.id]);
      assert.deepEqual(await found({ search: 'and-more' }), [part.id]);
    });

    it('omits the count on request', async () => {
      await createMany(1);
      const response = await networkPolicies.list({ name: prefix, include_total_count: false }).asResponse();
      assert.ok(!('total_count' in (await response.json())));
    });
  });

  describe('errors', () => {
    it('refuses a wrong key', async () => {
      const stranger = new RunloopSDK({ ...options, bearerToken: 'wrong-key' });
      await refuses(stranger.api.networkPolicies.list(), AuthenticationError, /authentication/);
      await refuses(stranger.api.networkPolicies.create({ name: newName() }), AuthenticationError, /authentication/);
    });

    it('does not find an unknown id', async () => {
      await refuses(networkPolicies.retrieve('npol_unknown'), NotFoundError, /not found/);
      await refuses(networkPolicies.update('npol_unknown', { name: newName() }), NotFoundError, /not found/);
      await refuses(networkPolicies.delete('npol_unknown'), NotFoundError, /not found/);
    });

    it('refuses a name that is taken', async () => {
      const [first, second] = await createMany(2);
      await refuses(networkPolicies.create({ name: first.name }), BadRequestError, /already exists/);
      await refuses(networkPolicies.update(second.id, { name: first.name }), BadRequestError, /already exists/);
      assert.equal((await networkPolicies.retrieve(second.id)).name, second.name);
    });

    const refused = {
      'no name': { name: undefined },
      'a blank name': { name: ' ' },
      'a field that does not exist': { allow_everything: true },
      'a field inside another': { egress: { allow_all: true } },
      'a value of another type': { allow_all: 'true' },
      'a wildcard after the first label': { allowed_hostnames: ['registry.*.org'] },
      'a CIDR with host bits': { allowed_cidrs: [{ cidr: '10.12.0.1/16' }] },
      'a CIDR of IPv6': { allowed_cidrs: [{ cidr: '2001:db8::/32' }] },
      'a port out of range': { allowed_cidrs: [{ cidr: '10.0.0.0/8', ports: [{ port: 65536 }] }] },
      'ports in reverse': { allowed_cidrs: [{ cidr: '10.0.0.0/8', ports: [{ port: 443, end_port: 80 }] }] },
      'a protocol that is neither TCP nor UDP': { allowed_cidrs: [{ cidr: '10.0.0.0/8', ports: [{ port: 1, protocol: 'ICMP' }] }] },
    };
    for (const [what, params] of Object.entries(refused)) {
      it(`refuses ${what}`, () => refuses(create(params), BadRequestError));
    }

    it('refuses malformed JSON', async () => {
      const body = new TextEncoder().encode('{"name": "cut');
      await refuses(sdk.api.post('/v1/network-policies', { body }), BadRequestError, /malformed/i);
    });

    it('refuses a limit over 5000, a limit of 0, and an unknown cursor', async () => {
      await refuses(networkPolicies.list({ limit: 5001 }), BadRequestError);
      await refuses(networkPolicies.list({ limit: 0 }), BadRequestError);
      await refuses(networkPolicies.list({ starting_after: 'npol_unknown' }), BadRequestError);
    });
  });

  describe('devboxes', () => {
    it('launches with a policy, and reads its id back', async () => {
      const policy = await create();
      const devbox = await launch(policy.id);
      assert.equal(devbox.launch_parameters.network_policy_id, policy.id);
      assert.equal(devbox.status, 'provisioning');
      const { status, state_transitions, ...running } = await devboxes.retrieve(devbox.id);
      assert.equal(status, 'running');
      assert.deepEqual({ ...running, status: devbox.status, state_transitions: state_transitions.slice(0, 1) }, devbox);
    });

    it('launches and waits until the devbox runs', async () => {
      const policy = await create();
      const devbox = await devboxes.createAndAwaitRunning({ launch_parameters: { network_policy_id: policy.id } });
      launched.push(devbox.id);
      assert.equal(devbox.status, 'running');
      assert.equal(devbox.launch_parameters.network_policy_id, policy.id);
    });

    it('launches without a policy', async () => {
      const devbox = await devboxes.create();
      launched.push(devbox.id);
      assert.ok(!devbox.launch_parameters.network_policy_id);
    });

    it('updates the policy of a devbox that runs', async () => {
      const policy = await create();
      await launch(policy.id);
      const { egress } = await networkPolicies.update(policy.id, { allowed_hostnames: ['github.com'] });
      assert.deepEqual(egress.allowed_hostnames, ['github.com']);
    });

    it('deletes a policy only after its last devbox is shut down', async () => {
      const policy = await create();
      for (const devbox of [await launch(policy.id), await launch(policy.id)]) {
        await refuses(networkPolicies.delete(policy.id), BadRequestError, /in use/);
        const { status, shutdown_reason } = await devboxes.shutdown(devbox.id);
        assert.equal(status, 'shutdown');
        assert.equal(shutdown_reason, 'api_shutdown');
      }
      await networkPolicies.delete(policy.id);
    });

    it('refuses a launch with an unknown policy', () => refuses(launch('npol_unknown'), BadRequestError, /not found/));

    it('responds 400 for an unknown devbox', async () => {
      await refuses(devboxes.retrieve('dbx_unknown'), BadRequestError, /not found/);
      await refuses(devboxes.awaitRunning('dbx_unknown'), BadRequestError, /not found/);
      await refuses(devboxes.shutdown('dbx_unknown'), BadRequestError, /not found/);
    });

    it('waits until a devbox runs, and returns it', async () => {
      const { id } = await launch((await create()).id);
      const running = await devboxes.awaitRunning(id);
      assert.equal(running.status, 'running');
      assert.deepEqual(await devboxes.retrieve(id), running);
      await devboxes.shutdown(id);
      await assert.rejects(devboxes.awaitRunning(id), /non-running state shutdown/);
    });

    it('responds 408 at the end of a wait', async () => {
      const { id } = await launch((await create()).id);
      const wait = (body) => sdk.api.post(`/v1/devboxes/${id}/wait_for_status`, { body, maxRetries: 0 });
      await refuses(wait({ statuses: ['suspended'], timeout_seconds: 1 }), APIError, /within 1 second/);
      await refuses(wait({ statuses: [] }), BadRequestError);
      await refuses(wait({ statuses: ['made-up'] }), BadRequestError);
      await refuses(wait({ statuses: ['running'], timeout_seconds: 31 }), BadRequestError);
    });

    it('keeps metadata', async () => {
      const metadata = { task: '17', 'a/b?c=d&e': '100% "é"' };
      const { id } = await devboxes.create({ name: newName(), metadata });
      launched.push(id);
      assert.deepEqual((await devboxes.retrieve(id)).metadata, metadata);
    });

    it('lists devboxes by status and page by page, those that have ended included', async () => {
      const policy = await create();
      const created = await Promise.all([1, 2, 3].map(() => launch(policy.id)));
      await devboxes.shutdown(created[0].id);
      const listed = async (query) => {
        const found = [];
        for await (const { id } of devboxes.list(query)) {
          found.push(id);
        }
        return ids(created).filter((id) => found.filter((other) => other === id).length === 1);
      };
      assert.deepEqual(await listed({ limit: 2 }), ids(created));
      assert.deepEqual(await listed({ status: 'shutdown' }), [created[0].id]);
      assert.deepEqual(await listed({ status: 'running', limit: 1 }), ids(created.slice(1)));
      const page = await devboxes.list({ limit: 1 });
      assert.equal(page.devboxes.length, 1);
      assert.equal(page.has_more, true);
      await refuses(devboxes.list({ status: 'made-up' }), BadRequestError);
      await refuses(devboxes.list({ starting_after: 'dbx_unknown' }), BadRequestError);
    });
  });

  // The assertions of the tests that Runloop runs against its live API.
  describe('objects', () => {
    const createObject = (params) => sdk.networkPolicy.create({ name: newName(), ...params });

    it('creates a policy and gets its data', async () => {
      const params = { name: newName(), description: 'd', allow_all: false, allowed_hostnames: ['github.com', '*.npmjs.org'] };
      const policy = await sdk.networkPolicy.create(params);
      assert.ok(policy instanceof NetworkPolicy);
      const { id, name, description, egress } = await policy.getInfo();
      assert.equal(id, policy.id);
      assert.equal(name, params.name);
      assert.equal(description, 'd');
      assert.equal(egress.allow_all, false);
      assert.equal(egress.allow_devbox_to_devbox, false);
      assert.deepEqual(egress.allowed_hostnames, params.allowed_hostnames);
    });

    it('updates name, host names and description at once', async () => {
      const policy = await createObject({ allowed_hostnames: ['github.com'] });
      const params = { name: newName(), description: 'new', allowed_hostnames: ['api.openai.com', '*.example.com'] };
      const updated = await policy.update(params);
      assert.equal(updated.name, params.name);
      assert.equal(updated.description, 'new');
      assert.deepEqual(updated.egress.allowed_hostnames, params.allowed_hostnames);
      assert.deepEqual(await policy.getInfo(), updated);
    });

    for (const flag of ['allow_all', 'allow_devbox_to_devbox']) {
      it(`turns ${flag} on alone`, async () => {
        const policy = await createObject();
        assert.equal((await policy.update({ [flag]: true })).egress[flag], true);
        assert.equal((await policy.getInfo()).egress[flag], true);
      });
    }

    it('deletes, and then get fails', async () => {
      const policy = await createObject();
      await policy.delete();
      await refuses(policy.getInfo(), APIError);
    });

    it('lists, with new policies among them', async () => {
      const created = [await createObject(), await createObject()];
      const listed = await sdk.networkPolicy.list({ limit: 10 });
      assert.ok(Array.isArray(listed));
      assert.deepEqual(ids(listed).filter((id) => ids(created).includes(id)), ids(created));
    });

    it('lists only one page', async () => {
      await createMany(3);
      assert.equal((await sdk.networkPolicy.list({ limit: 2 })).length, 2);
    });

    it('finds a policy by its id', async () => {
      const policy = await create();
      assert.deepEqual(await sdk.networkPolicy.fromId(policy.id).getInfo(), policy);
    });

    it('creates with allow_all and no host names', async () => {
      const policy = await createObject({ allow_all: true });
      assert.equal((await policy.getInfo()).egress.allow_all, true);
    });

    it('allows devbox to devbox without allowing all', async () => {
      const policy = await createObject({ allow_devbox_to_devbox: true, allowed_hostnames: ['github.com'] });
      const { egress } = await policy.getInfo();
      assert.equal(egress.allow_devbox_to_devbox, true);
      assert.equal(egress.allow_all, false);
    });

    const hostnames = {
      'four host names, two of them wildcards': ['github.com', '*.npmjs.org', 'api.openai.com', '*.googleapis.com'],
      'three wildcards': ['*.github.com', '*.npmjs.org', '*.openai.com'],
      'an empty list of host names': [],
    };
    for (const [what, allowed_hostnames] of Object.entries(hostnames)) {
      it(`keeps ${what}`, async () => {
        const policy = await createObject({ allow_all: false, allowed_hostnames });
        assert.deepEqual((await policy.getInfo()).egress.allowed_hostnames, allowed_hostnames);
      });
    }

    it('updates name, description and host names one by one', async () => {
      const policy = await createObject({ allowed_hostnames: ['github.com', '*.npmjs.org'] });
      const name = newName();
      assert.equal((await policy.update({ name })).name, name);
      assert.equal((await policy.update({ description: 'd' })).description, 'd');
      const { egress } = await policy.update({ allowed_hostnames: ['api.openai.com'] });
      assert.deepEqual(egress.allowed_hostnames, ['api.openai.com']);
    });

    it('goes from allow_all to host names in one call', async () => {
      const policy = await createObject({ allow_all: true });
      const { egress } = await policy.update({ allow_all: false, allowed_hostnames: ['github.com'] });
      assert.equal(egress.allow_all, false);
      assert.deepEqual(egress.allowed_hostnames, ['github.com']);
    });

    it('launches a devbox with a policy, and shuts it down', async () => {
      const policy = await createObject();
      const devbox = await sdk.devbox.create({ launch_parameters: { network_policy_id: policy.id } });
      assert.equal((await devbox.getInfo()).launch_parameters.network_policy_id, policy.id);
      await refuses(policy.delete(), BadRequestError, /in use/);
      await devbox.shutdown();
      assert.equal((await devbox.getInfo()).status, 'shutdown');
      await policy.delete();
    });
  });
}

// refuses expects the client to throw its error class for the API's status, with the
// message of the API's error body.
function refuses(call, kind, text = /./) {
  return assert.rejects(call, (error) => {
    assert.ok(error instanceof kind, `${error}`);
    assert.equal(error.message, `${error.status} ${error.error.message}`);
    assert.match(error.error.message, text);
    return true;
  });
}
