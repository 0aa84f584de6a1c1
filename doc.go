/*
Package runloop is a client for Runloop's devboxes and the network policies that govern them.

A devbox is an isolated machine in which AI agents execute code. A network policy controls
which hosts a devbox may connect to: host names with wildcards, address ranges, Runloop's
gateways, or nothing at all. A devbox that is launched without a policy may connect to
anything.

# Launching a devbox

[NewClient] reads the API key from RUNLOOP_API_KEY. Create one client and share it.
[DevboxesService.Launch] creates the policy if necessary, and returns a running devbox that is
verified to use it, or an error. In this example, the policy is named after its rules, so all
tasks with these rules share it, even if several programs launch them concurrently. The error is
a named result, so that the deferred function can set it:

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

Repeating the request could start a second devbox, so Launch retries it only if the API certainly
did not process it. If the response is lost, Launch searches for the devbox by its request ID,
which it stores in the metadata under [MetadataRequestID].

After an error, Launch shuts down the devbox that it created. If a devbox may be left, the error
is a [*DevboxError] with the devbox, or with only a request ID if it is unknown whether one exists:

	if e, ok := errors.AsType[*runloop.DevboxError](err); ok && !e.ShutDown {
		fmt.Println("a devbox may be left:", e.Devbox, e.RequestID) // Devbox can be nil
	}

To find such a devbox later, repeat the call with WithIdempotencyKey(e.RequestID), as
examples/orchestrator does. The call creates a devbox only if none with this request ID is
listed as queued, provisioning, initializing or running. If the process is killed, the devbox
ends after its KeepAlive, by default one hour.

Launch verifies the ID of the policy, but not its rules, which others can change. So put a
fingerprint of the rules into the name, and do not edit such policies. A devbox that does not
use its policy is shut down, but its entrypoint and launch commands may already have run.

# Policies

	Ensure    returns the policy with this name and these rules; creates it if necessary; an error if its rules differ
	Apply     like Ensure, but updates rules and description that differ; see Plan
	Create    creates a policy; an error if the name is taken
	Update    sets the fields that are not nil; see EgressRules.Update to replace all rules
	Delete    deletes a policy; an error while active devboxes use it
	Prune     deletes the policies with a name prefix that no active devbox uses

An account is limited to 100 policies by default. A program that names policies after their rules
should call Prune regularly. Pruning is safe while devboxes are being launched: a policy in use is
not deleted, and a Launch with NetworkPolicy creates a deleted policy again.

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
	host names           enforced through the addresses that DNS returns: other names on the same address can be reached too
	changes              reach the devboxes that use the policy within moments

[EgressRules.Validate] reports rules that the API would reject or misinterpret; methods that
send rules call it.

# Lists

[NetworkPoliciesService.All] and [DevboxesService.All] iterate over all pages. The loop may
delete, rename or shut down what it receives. Lists of devboxes include those that have ended.
Name filters by substring; GetByName finds the exact name:

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
	*DriftError           Ensure, Apply, Plan, Launch: the policy and a line for each difference
	*DevboxError          Launch, Create, AwaitRunning of a devbox: the devbox that may be left; wraps the cause, if any

	ErrBadRequest         status 400: correct the request
	ErrUnauthorized       status 401: check the API key
	ErrForbidden          status 403: the key lacks a permission, or a proxy refuses
	ErrConflict           status 409: look up the current state
	ErrRateLimited        status 429: wait for RetryAfter, then try again
	ErrServer             status 500 and above: try again later
	ErrNotFound           the ID or cursor is unknown; GetByName: no policy has the name
	ErrNameTaken          Create, Update: use Ensure, or another name
	ErrPolicyInUse        Delete: shut down the devboxes first
	ErrPolicyLimit        Create, Ensure, Apply, Launch: Prune, then try again
	ErrDrift              Ensure, Launch: use Apply, or another name; Apply, Plan: see WithIgnoredRules
	ErrDevboxFailed       Launch, AwaitRunning: the devbox failed or was shut down; see its FailureReason or ShutdownReason
	ErrPolicyNotAttached  Launch, Create: the devbox does not use its policy
	ErrInvalidResponse    a success that cannot be decoded: often a proxy's page
	ErrResponseTooLarge   a success that is too large: set a smaller Limit
	ErrMaybeApplied       a write failed, but may have taken effect: read the current state
	context errors        context.Canceled and context.DeadlineExceeded: the context ended the call

The live API reports some unknown IDs, taken names and policies in use with status 400. The
client recognizes them by the API's JSON error, never by a proxy's page.

# Retries

A call makes up to four attempts. [WithMaxRetries] sets the number of retries.

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
  - All calls of a client share a budget of retries, so that they do not multiply the load of
    an outage: see [WithoutRetryBudget].

Writes are retried too, with the same x-request-id. Names are unique and IDs are assigned by the
API, so a repeated write creates no duplicate, but its response can be misleading. If an attempt
may have been applied and no later one succeeds, the client looks up whether the write took effect:

  - Create looks up the name. It returns the policy found if it equals what was sent, including
    the description, and was created after the call began, by the server's clock. So do not use
    Create as a lock: another program may have created the policy during the call. After a
    success response that cannot be decoded, Create looks up the name before it retries. If
    there is no such policy, it retries once.
  - Update is retried. If the retries fail, Update reads the policy, and succeeds if the policy
    has the values that were set.
  - Delete looks for the policy in the list. If the list does not contain it, Delete succeeds. A
    404 alone proves nothing, because load balancers send it too.
  - In an outage, the lookup is not retried.
  - If the outcome remains unknown, the error matches [ErrMaybeApplied]. Repeating the call
    creates no duplicate, although a repeated Create may report [ErrNameTaken] for the policy
    that the first call created.

No client can prevent a proxy from delivering a request late or twice. A deleted policy can then
come back, and an old update can overwrite a new one.

Unless [WithIdempotent] is set, [Client.Do] retries POST and PATCH only if the API certainly did
not receive the request, or after 429. Later versions may retry more kinds of failure.

# Options

An [Option] passed to NewClient applies to every call. Passed to a method, it applies to that
call only:

	client, err := runloop.NewClient(runloop.WithBaseURL(baseURL), runloop.WithAPIKey("my-key"))

	policy, err := client.NetworkPolicies.Get(ctx, id, runloop.WithMaxRetries(0))

# Testing

Package runlooptest is a stateful fake API with fault injection. It works in testing/synctest
bubbles, where pauses take no real time: create server and client inside the bubble, and hold no
mutex during a call. For scripted responses, pass an [http.Client] with a transport such as that
of httpmock to [WithHTTPClient]. Or declare an interface with the methods that your program calls.

# Security

The API key never appears in errors, logs or formatted output, and is sent only to the host of
the base URL: redirects are not followed, and http:// is accepted only for loopback addresses,
unless [WithPlaintextHTTP] allows it. Responses are limited in size and validated before use. A
policy with an unknown rule that may allow something never equals rules written in Go.
*/
package runloop
