/*
Package runloop is a client for Runloop's devboxes and the network policies that govern them.

A devbox is an isolated machine in which AI agents execute code. A network policy controls
which hosts a devbox may connect to: host names with wildcards, address ranges, Runloop's
gateways, or nothing at all. A devbox that is launched without a policy may connect to
anything.

# Launching a devbox

[NewClient] reads the API key from RUNLOOP_API_KEY. Create one client and share it. Its
[DevboxesService.Launch] returns a running devbox that verifiably uses its policy, or an error.
It creates the policy if necessary. Tasks with the same rules share one policy, however many
programs launch devboxes at the same time. Here, err is a named result of the function:

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

A repeated create could start a second devbox, so it is retried only if the API certainly did
not receive it. If the response is lost, Launch looks for the devbox by the request ID that it
puts into the metadata, under [MetadataRequestID].

After an error, Launch shuts down what it created. If a devbox may be left, the error is a
[*DevboxError] that names it: by ID, or by request ID only if nobody knows whether it exists:

	if e, ok := errors.AsType[*runloop.DevboxError](err); ok && !e.ShutDown {
		fmt.Println("a devbox may be left:", e.Devbox, e.RequestID) // Devbox can be nil
	}

To find such a devbox later, repeat the call with WithIdempotencyKey(e.RequestID), which creates
a devbox only if that one is not listed as queued, provisioning, initializing or running;
examples/orchestrator does so. A devbox left by a killed process ends after its KeepAlive, by
default an hour.

Launch verifies the ID of the policy. Others can change the rules behind an ID, so put a
fingerprint of the rules into the name, and let nobody edit such policies. A devbox that does
not use its policy is shut down, but its entrypoint and launch commands may already have run.

# Policies

	Ensure    returns the policy with these rules; creates it if necessary; an error if the rules differ
	Apply     like Ensure, but updates rules and description that differ; see Plan
	Create    an error if the name is taken
	Update    sets the fields that are not nil; see EgressRules.Update to replace all rules
	Delete    an error while active devboxes use the policy
	Prune     deletes the unused policies with a name prefix

An account may have 100 policies. A program that names policies after their rules calls Prune
from time to time. It is safe to prune while devboxes are being launched: a policy that a devbox
uses is not deleted, and a launch that loses its policy creates it again.

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
	AllowAll             makes the other rules irrelevant; turns AllowDevboxToDevbox on, which stays on after AllowAll is turned off
	CIDR without Ports   every port and protocol
	"*.example.com"      the names one label below; not example.com itself; deeper names are unspecified
	"bücher.example"     rejected: write the xn-- form
	host names           enforced through the addresses that DNS returns: other names on the same address get through
	changes              reach the devboxes that use the policy within moments

[EgressRules.Validate] reports rules that the API would reject or misinterpret; methods that
send rules call it.

# Lists

[NetworkPoliciesService.All] and [DevboxesService.All] iterate over all pages. The loop may
delete or rename what it gets. The Name filters by substring; GetByName finds the exact name:

	for policy, err := range client.NetworkPolicies.All(ctx, runloop.NetworkPolicyListParams{Name: "build"}) {
		if err != nil {
			return err
		}
		fmt.Println(policy.Name, policy.Egress)
	}

# Errors

Classify an error with [errors.Is], and get its details with [errors.AsType]:

	*ValidationError      every invalid option and parameter; nothing was sent
	*APIError             an error response, or a success that cannot be decoded or is too large
	*TransportError       no response, or one that broke off; wraps the cause
	*DriftError           Ensure, Apply, Plan: the policy and a line for each difference
	*DevboxError          Launch, Create, AwaitRunning of a devbox: what may be left; wraps one of the above

	ErrBadRequest         status 400: correct the request
	ErrUnauthorized       status 401: check the API key
	ErrForbidden          status 403: the key lacks a permission, or a proxy refuses
	ErrConflict           status 409: look up the current state
	ErrRateLimited        status 429 after all retries: wait for RetryAfter
	ErrServer             status 500 and above after all retries: try again later
	ErrNotFound           the ID or cursor is unknown; GetByName: no policy has the name
	ErrNameTaken          Create, Update: use Ensure, or another name
	ErrPolicyInUse        Delete: shut down the devboxes first
	ErrPolicyLimit        Create, Ensure, Apply, Launch: Prune, then try again
	ErrDrift              Ensure, Apply, Plan: use Apply, or another name
	ErrDevboxFailed       Launch, AwaitRunning: the devbox failed or was shut down; FailureReason has the cause
	ErrPolicyNotAttached  Launch, Create: the devbox did not use its policy, and was shut down
	ErrInvalidResponse    a success that cannot be decoded: often a proxy's page
	ErrResponseTooLarge   more than 32 MiB: ask for a smaller Limit
	ErrMaybeApplied       a write failed, but may have taken effect: read before you decide
	context errors        context.Canceled and context.DeadlineExceeded: the context ended the call

The live API reports some unknown IDs, taken names and policies in use with status 400. The
client recognizes them by the message of the API's JSON error, never by a proxy's page.

# Retries

A call makes up to four attempts. [WithMaxRetries] sets how many retries follow the first.

  - Connection errors, attempts that take longer than 30 seconds ([WithAttemptTimeout]), and the
    statuses 408, 425, 429 and 500 and above, except 501 and 505, are retried. Any other 4xx is
    retried if its body breaks off. The header x-should-retry overrides the status.
  - A host name that does not resolve, a certificate that cannot be verified, a redirect, 409
    and every other status are final.
  - Between attempts the client waits 0.5 seconds, then 1, then 2, up to 8, each shortened at
    random by up to half. It waits longer if Retry-After or Retry-After-Ms asks for it. A wait
    of more than 60 seconds, or one that the context's deadline does not allow, ends the call
    immediately, with the API's response.
  - The body is read within the attempt: a response that breaks off is a connection error.
  - All calls of a client share a budget of retries, so that an outage is not multiplied: see
    [WithoutRetryBudget].

Writes are retried too, with the same x-request-id. Names are unique and IDs are assigned by the
API, so a repeated write creates no duplicate, but its response can be misleading. If an attempt
may have been applied and no later one succeeds, the client looks up what became of the write:

  - Create looks the name up. It returns the policy that it finds if that equals what was sent,
    description included, and was created after the call began, by the server's clock. So do not
    use Create as a lock: another program may have created the policy during the call. After a
    success response that cannot be decoded, Create looks before it retries. If there is no
    policy, it retries once.
  - Update is repeated. If that does not succeed, Update reads the policy, and succeeds if it
    has the values that were set.
  - Delete looks in the list. If the list does not contain the policy, Delete succeeds. A 404
    alone proves nothing, because load balancers send it too.
  - In an outage, the lookup is not retried.
  - What stays unknown is reported: the error matches [ErrMaybeApplied]. Repeating the call
    duplicates nothing, although a repeated Create may report [ErrNameTaken] for the policy that
    it created itself.

No client can stop a proxy from delivering a request after its attempt was abandoned, or from
repeating it. A deleted policy can then come back, and an old update can overwrite a new one.

[Client.Do] does not know what its endpoint does, and retries POST and PATCH only when the
request certainly was not received, or after 429, unless [WithIdempotent] is set. Later versions
may retry more kinds of failure.

# Options

An [Option] passed to NewClient applies to every call, one passed to a method to that call:

	client, err := runloop.NewClient(runloop.WithBaseURL(baseURL), runloop.WithAPIKey("my-key"))

	policy, err := client.NetworkPolicies.Get(ctx, id, runloop.WithMaxRetries(0))

# Testing

Package runlooptest is a stateful fake API with fault injection. It runs in a bubble of
testing/synctest, where pauses take no time; its documentation has the rules. For scripted
responses, pass an [http.Client] with a transport such as httpmock's to [WithHTTPClient].

# Security

The API key never appears in errors, logs or formatted output, and is sent only to the host of
the base URL: redirects are not followed, and http:// is accepted only for loopback addresses.
Responses are bounded in size and checked before use. A policy with a rule that this version does
not know never equals rules written in Go: see [EgressRules.Equal].
*/
package runloop
