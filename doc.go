/*
Package runloop is a client for the Network Policies API of Runloop.

Runloop runs devboxes: isolated machines in which AI agents execute code. A network
policy says where a devbox may connect to: host names with wildcards, address ranges,
Runloop's gateways, or nothing at all. This package creates such policies, finds them,
keeps them as they are meant to be, and attaches them when a devbox is launched.

# First call

A [Client] is made once and shared. It reads the API key from RUNLOOP_API_KEY:

	client, err := runloop.NewClient()
	if err != nil {
		return err
	}
	policy, err := client.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{
		Name:        "build",
		Description: "package registries only",
		Egress:      runloop.EgressRules{AllowedHostnames: []string{"github.com", "*.npmjs.org"}},
	})

# Options

An [Option] sets what is not to be as it is by default. Given to [NewClient] it holds
for each call of the client:

	client, err := runloop.NewClient(runloop.WithUserAgent("my-orchestrator/1.2"), runloop.WithLogger(slog.Default()))

Given to a call, the same option holds for that call alone:

	policy, err := client.NetworkPolicies.Get(ctx, id, runloop.WithMaxRetries(0))

The key, the base URL and further headers that no option sets come from the environment:
RUNLOOP_API_KEY, RUNLOOP_BASE_URL and RUNLOOP_CUSTOM_HEADERS. [WithAttemptTimeout] limits a single attempt; the context limits the
call, with all its attempts and the waits between them. With [WithHTTPClient], requests
go through a transport of your own, for certificates, a proxy or traces. [WithLogger]
gets an event for each attempt and a warning for each call that gave up.

# Choosing a method

An orchestrator launches each devbox under the policy of its task by
[DevboxesService.Launch], which creates the policy if necessary. If the policy is named
after its rules, tasks with the same rules share it:

	rules := runloop.EgressRules{AllowedHostnames: hosts}
	devbox, err := client.Devboxes.Launch(ctx, runloop.DevboxCreateParams{
		Name:          "task-17",
		NetworkPolicy: &runloop.NetworkPolicyCreateParams{Name: "task-" + rules.Fingerprint(), Egress: rules},
	})
	if err != nil {
		return err
	}
	defer func() {
		_, shutdownErr := client.Devboxes.Shutdown(context.WithoutCancel(ctx), devbox.ID)
		err = errors.Join(err, shutdownErr)
	}()

A program that owns a policy and brings it to what a file says, whatever it was
before, uses [NetworkPoliciesService.Apply]. One that must be the first to make it,
and is to fail otherwise, uses [NetworkPoliciesService.Create].

# Rules

The zero [EgressRules] allow nothing. Each field adds reach, and AllowAll adds all:

	denyAll := runloop.EgressRules{}
	allowAll := runloop.EgressRules{AllowAll: true} // devbox to devbox too
	build := runloop.EgressRules{
		AllowedHostnames:  []string{"github.com", "*.npmjs.org"},       // not npmjs.org itself
		AllowedCIDRs:      []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8"}}, // on every port
		AllowAgentGateway: true,
	}

Rules only add up: what is forgotten stays denied, and none takes away what another
allows. AllowAll beside a list of host names allows all. A nil list and an empty one are
the same in EgressRules. CIDRs without Ports are open on every port.
[EgressRules.Validate] says what the API would refuse or misread, such as a URL in the
place of a host name; the calls that send rules call it themselves.

In an update, nil leaves a field as it is and a pointer sets it. A list is replaced
whole. To take all host names away, point to an empty list:

	nothing := runloop.NetworkPolicyUpdateParams{}
	noHosts := runloop.NetworkPolicyUpdateParams{AllowedHostnames: &[]string{}}
	notAll := runloop.NetworkPolicyUpdateParams{AllowAll: new(false)} // false is sent, nil is not

An update of AllowAll alone keeps the host names that the policy has, and turning it off
leaves AllowDevboxToDevbox on: the API turned that on with it. [NetworkPoliciesService.Apply]
sets them all.

A devbox that is launched without a policy may connect to anything. A policy that is
changed changes for the devboxes that have it, within moments.

# Lists

[NetworkPoliciesService.All] goes through all policies, a page at a time:

	for policy, err := range client.NetworkPolicies.All(ctx, runloop.NetworkPolicyListParams{}) {
		if err != nil {
			return err
		}
		fmt.Println(policy.Name, policy.Egress)
	}

It asks for 1,000 policies a page where the API's own default is 20, sends nothing before
the first step and nothing more once the loop is left, and yields an error once, as its
end.
[NetworkPoliciesService.List] returns a single page, whose NextCursor is the StartingAfter
of the next one. The Name of [NetworkPolicyListParams] also finds the names that contain
it; [NetworkPoliciesService.GetByName] finds the policy that is called just so.

# Devboxes

[DevboxesService.Launch] creates a devbox, verifies that it uses its policy, waits until
it is running, and verifies again. [DevboxesService.Create] and
[DevboxesService.AwaitRunning] are the two halves, for programs that wait elsewhere.

What is verified is the policy's ID, as the API shows it. It is not verified what the
policy allows: other programs may change its rules at any time, which is why policies are
named after their rules. Launch commands and the entrypoint may begin before the first
verification.

A devbox that fails, does not start in time or does not use its policy is shut down, even
if the context has ended. One question covers what an error of Launch or Create may leave:

	if e, ok := errors.AsType[*runloop.DevboxError](err); ok && !e.ShutDown {
		if e.Devbox != nil {
			fmt.Println("may still be running:", e.Devbox.ID)
		} else {
			fmt.Println("may have been created with request ID", e.RequestID)
		}
	}

Creating a devbox is the one write that duplicates when repeated, so it is not retried if
the API may have processed it. Instead, the devbox is looked up by its request ID, which
every created devbox has in its metadata, under [MetadataRequestID]. A devbox that is not
found may still be created by a request that is delayed on the way. To find it later, list
the devboxes and compare their metadata; or repeat the call with
WithIdempotencyKey(e.RequestID), which looks for it and creates a devbox only if the lists
do not contain it. What a killed process leaves ends by its KeepAlive, an hour by default.
With [WithIdempotencyKey], the key is the request ID, and the next call with the key finds
the devbox.

[NetworkPoliciesService.Prune] may delete a policy that a Launch has just looked up. The
API then refuses the devbox, and Launch creates the policy again. Once the devbox is
created, Prune can't delete its policy: it is in use.

# Errors

Sentinels say what an error is about, with [errors.Is]:

	_, err := client.NetworkPolicies.Delete(ctx, id)
	switch {
	case errors.Is(err, runloop.ErrPolicyInUse):
		// wait until the devboxes are shut down
	case errors.Is(err, runloop.ErrNotFound):
		// somebody was faster
	case err != nil:
		return err
	}

Use [errors.AsType] for the details. Every error is one of the following, except that
GetByName may return a plain error that wraps ErrNotFound:

  - [*APIError]: a response came that is not a usable success: an error status, or a
    success that could not be decoded or is too large. The latter wraps
    [ErrInvalidResponse] or [ErrResponseTooLarge].
  - [*TransportError]: no response was received, or one that broke off. It wraps the cause:
    an error of package net, or the context's error.
  - [*ValidationError]: an option or a parameter is invalid. Nothing was sent.
  - [*DriftError]: another policy has the name. It matches [ErrDrift].
  - [*DevboxError]: a devbox did not come to run under its policy. It tells what is left.

Which calls return which:

	status                        matches           from
	400                           ErrBadRequest     every call
	400, 409 "already exists"     ErrNameTaken      Create, Update with a Name
	409 without a message         ErrNameTaken      Create, Update with a Name
	400, 409 "in use"             ErrPolicyInUse    Delete
	400 without a message         ErrPolicyInUse    Delete
	400 to 422 "limit", "quota"   ErrPolicyLimit    Create
	401                           ErrUnauthorized   every call
	403                           ErrForbidden      every call
	404                           ErrNotFound       every call with an ID or StartingAfter
	400 "not found"               ErrNotFound       every call with an ID or StartingAfter
	409                           ErrConflict       every call
	429                           ErrRateLimited    every call
	500 and above                 ErrServer         every call
	none, not in the list         ErrNotFound       GetByName
	none, other rules             ErrDrift          Ensure, Apply, Plan, Launch
	none, the devbox ended        ErrDevboxFailed   Launch, AwaitRunning
	none, the policy is not used  ErrPolicyNotAttached  Launch, Create of a devbox
	any, or none                  ErrMaybeApplied   every write: see Retries

The words are looked for in the API's own message, a JSON object with message or error,
and not in what that quotes. A page of a proxy has no meaning beside its status.

If the context ends a call, the error matches the context's error, and is the last
[*APIError] at the same time if there was one. A final response that arrives as the context
ends is returned as that response.

# Retries

A call makes up to four attempts. [WithMaxRetries] sets how many retries follow the first.

  - Connection errors, attempts that take longer than 30 seconds ([WithAttemptTimeout]),
    and the statuses 408, 425, 429 and 500 and above, except 501 and 505, are retried. So
    is every other 4xx whose body breaks off. The header x-should-retry overrides the
    status.
  - A host name that does not resolve, a certificate that cannot be verified, a redirect,
    409 and every other status are final.
  - Between attempts the client waits 0.5 seconds, then 1, then 2, up to 8, each less a
    random part of up to one half. It waits longer if Retry-After or Retry-After-Ms asks
    for it. A wait of more than 60 seconds, or one that the context's deadline does not
    allow, ends the call immediately, with the API's response.
  - The body is read within the attempt: a response that breaks off is a connection error.
  - All calls of a client share a budget of retries, so that an outage is not multiplied:
    see [WithoutRetryBudget].

Writes are retried too, with the same x-request-id. Names are unique and IDs are assigned
by the API, so a repeated write creates no duplicate, but its response can be misleading.
If an attempt may have been applied and no later one succeeds, the client looks up what
became of the write:

  - Create looks the name up. It returns the policy that it finds if that equals what was
    sent, description included, and was created after the call began, by the server's
    clock. So Create is not a lock under faults: another program may have created the
    policy during the call. After a success response that cannot be decoded, Create looks
    before it retries. If there is no policy, it retries once.
  - Update is repeated. If that does not succeed, Update reads the policy, and succeeds if
    it has the values that were set.
  - Delete looks in the list. If the list does not contain the policy, Delete succeeds. A
    404 alone proves nothing, because load balancers send it too.
  - In an outage, the lookup is one request.
  - What stays unknown is reported: the error matches [ErrMaybeApplied]. Repeating the call
    duplicates nothing, although a repeated Create may find its own policy in the way.

No client can prevent that a proxy delivers a request after its attempt was abandoned, or
repeats it by itself. A deleted policy can then come back, and an old update can overwrite
a new one.

[Client.Do] does not know what its endpoint does, and retries POST and PATCH only when the
request certainly was not received, or after 429, unless [WithIdempotent] is set.

Later versions may retry more kinds of failure.

# Testing

Package runlooptest is a fake of the API with state and with faults to inject, for the
tests of programs that use this package:

	server := runlooptest.NewTestServer(t)
	client, err := server.Client()

# Security

Environment variables of devboxes and the API key appear in no error, log or format verb. It is sent to the host of the base
URL alone: no redirect is followed, and http:// is refused but for loopback addresses.
What the API answers is bounded in size and checked before it is used. Rules that a newer
API has and this version does not know make [EgressRules.Equal] false: a policy that is
wider than the program can say does not pass for the one intended.

# Versions

The two latest releases of Go are supported, 1.26 and 1.27 at present. Versions of the
module follow semantic versioning: before 1.0, a minor version may change what the package
exports, and its changelog says so. A name that is replaced stays for a while, marked as
deprecated, and go fix moves the calls of it.
*/
package runloop
