/*
Package runloop is a client for Runloop's devboxes and for the network policies that they
run under.

Runloop runs devboxes: isolated machines in which AI agents execute code. A network policy
controls which hosts a devbox may connect to: host names with wildcards, address ranges,
Runloop's gateways, or nothing at all. A devbox that is launched without a policy may
connect to anything.

# Launching a devbox

[DevboxesService.Launch] returns a devbox that is running and uses the policy, or an error.
It creates the policy if necessary; tasks with the same rules share one, however many
programs launch concurrently:

	client, err := runloop.NewClient() // RUNLOOP_API_KEY, RUNLOOP_BASE_URL
	if err != nil {
		return err
	}
	rules := runloop.EgressRules{AllowedHostnames: []string{"github.com", "*.npmjs.org"}}
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

Creating a devbox is the one write that could create a duplicate when it is retried, so it is
retried only when the API certainly did not receive it. If a response is lost, Launch looks
for the devbox by a tag that it puts into the metadata, [MetadataRequestID]. After an error
it shuts down what it created. What it could not shut down, the [*DevboxError] names: by
the devbox's ID, or by the RequestID when nobody knows whether the devbox exists. One
question covers it:

	if e, ok := errors.AsType[*runloop.DevboxError](err); ok && !e.ShutDown {
		if e.Devbox != nil {
			fmt.Println("may still be running:", e.Devbox.ID)
		} else {
			fmt.Println("may have been created with request ID", e.RequestID)
		}
	}

To find such a devbox later, iterate over [DevboxesService.All] and compare its Metadata with
the RequestID; or repeat the call with WithIdempotencyKey(e.RequestID), which looks for the
devbox and creates one only if the lists do not contain it. What a killed process leaves ends
with KeepAlive, by default after an hour.

What is verified is that the devbox uses the policy with this ID. The rules behind the ID can
be changed by others at any time, which is why the examples put a fingerprint of the rules
into the name. The entrypoint and the launch commands of a devbox that does not use its policy
may have started before it is shut down. A proxy that repeats a POST by itself creates two
devboxes with one tag.

# Policies

Choosing a method:

	Ensure    the policy with these rules; created if necessary, an error if they differ
	Apply     the same, but updates rules and description that differ; see Plan
	Create    an error if the name is taken
	Update    sets the fields that are not nil; see EgressRules.Update
	Delete    refused while active devboxes use the policy
	Prune     deletes the unused policies with a name prefix

An account may have 100 policies. A program that names policies after their rules calls Prune
from time to time. A launch that loses its policy to Prune creates it again, and a policy that a
devbox uses is not deleted, so the two can run concurrently:

	deleted, err := client.NetworkPolicies.Prune(ctx, runloop.PruneParams{NamePrefix: "task-", MinAge: time.Hour})

# Rules

The zero [EgressRules] deny everything. Rules are additive: anything not listed is denied, and
no rule revokes another.

	denyAll := runloop.EgressRules{}
	allowAll := runloop.EgressRules{AllowAll: true} // devbox to devbox too
	build := runloop.EgressRules{
		AllowedHostnames:  []string{"github.com", "*.npmjs.org"},       // not npmjs.org itself
		AllowedCIDRs:      []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8"}}, // on every port
		AllowAgentGateway: true,
	}

Pitfalls:

	nil or empty list    allows nothing; in an update, nil keeps the list, a pointer to an empty slice clears it
	AllowAll             makes all other rules irrelevant; turns AllowDevboxToDevbox on, and leaves it on
	CIDR without Ports   every port and protocol
	"*.example.com"      the names one label below; not example.com itself; deeper names are unspecified
	"bücher.example"     rejected: write the xn-- form
	host names           enforced through the addresses that DNS returns: other names on the same address get through

[EgressRules.Validate] reports rules that the API would reject or misinterpret; methods that
send rules call it. Changes to a policy reach the devboxes that use it within moments.

# Lists

[NetworkPoliciesService.All] and [DevboxesService.All] iterate over all pages. The loop may
delete or rename what it gets:

	for policy, err := range client.NetworkPolicies.All(ctx, runloop.NetworkPolicyListParams{}) {
		if err != nil {
			return err
		}
		fmt.Println(policy.Name, policy.Egress)
	}

The Name of [NetworkPolicyListParams] filters by substring; GetByName finds the exact name.

# Errors

Use [errors.Is] with the sentinels, and [errors.AsType] for the details. An error is one of:

	*ValidationError   an option or parameter is invalid; nothing was sent; lists all problems
	*APIError          an error response, or a success that cannot be decoded or is too large
	*TransportError    no response, or one that broke off; wraps the cause
	*DriftError        Ensure, Apply, Plan: another policy has the name
	*DevboxError       Launch and the other devbox methods: what may be left; wraps one of the above

	ErrBadRequest, ErrUnauthorized,
	ErrForbidden, ErrConflict        status 400, 401, 403, 409
	ErrRateLimited, ErrServer        status 429, and 500 or above, after retries
	ErrNotFound                      the ID or cursor is unknown; GetByName: no such name
	ErrNameTaken                     Create, Update: use Ensure, or another name
	ErrPolicyInUse                   Delete: shut down the devboxes first
	ErrPolicyLimit                   Create, Ensure, Apply: Prune, then retry
	ErrDrift                         Ensure, Apply, Plan: use Apply, or another name
	ErrDevboxFailed                  the devbox failed or was shut down; its reasons tell why
	ErrPolicyNotAttached             the devbox did not use its policy, and was shut down
	ErrInvalidResponse               a success that cannot be decoded; often a proxy's page
	ErrResponseTooLarge              more than 32 MiB: ask for a smaller Limit
	ErrMaybeApplied                  a write failed, but may have taken effect
	context.Canceled,
	context.DeadlineExceeded         the context ended the call

The live API reports some unknown IDs, taken names and policies in use with 400, so the words
of its message count: those in a JSON object with message or error, without what they quote.
A proxy's page has no meaning beside its status. If the context ends a call after the API has
responded, the error is that *APIError and matches the context's error as well.

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

# Options

An [Option] passed to NewClient applies to every call, one passed to a method to that call:

	client, err := runloop.NewClient(runloop.WithUserAgent("my-orchestrator/1.2"), runloop.WithLogger(slog.Default()))

	policy, err := client.NetworkPolicies.Get(ctx, id, runloop.WithMaxRetries(0))

# Testing

Package runlooptest is a stateful fake API with fault injection. It runs in a bubble of
testing/synctest, where pauses take no time; its documentation has the rules:

	server := runlooptest.NewTestServer(t)
	client, err := server.Client()

# Security

The API key never appears in errors, logs or formatted output, and is sent only to the host of
the base URL: redirects are not followed, and http:// is accepted only for loopback addresses.
Responses are bounded in size and checked before use. A policy with an unknown rule is never
[EgressRules.Equal] to rules built in Go.

# Versions

The two latest Go releases are supported, currently 1.26 and 1.27. Before 1.0, a minor version
may change the API; CHANGELOG.md lists the changes. Replaced names are kept for a while as
deprecated, and go fix migrates callers.
*/
package runloop
