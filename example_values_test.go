package runloop_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"

	runloop "github.com/runloop-community/runloop-go"
)

func ExampleEgressRules() {
	denyAll := runloop.EgressRules{}
	allowAll := runloop.EgressRules{AllowAll: true} // devbox to devbox too
	build := runloop.EgressRules{
		AllowedHostnames:  []string{"github.com", "*.npmjs.org"},       // not npmjs.org itself
		AllowedCIDRs:      []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8"}}, // on every port
		AllowAgentGateway: true,
	}

	fmt.Println(denyAll)
	fmt.Println(allowAll)
	fmt.Println(build)
	// Output:
	// deny all
	// allow all
	// 2 hosts, 1 CIDR, agent gateway
}

func ExampleEgressRules_Validate() {
	rules := runloop.EgressRules{AllowedHostnames: []string{"github.com", "https://registry.npmjs.org"}}
	fmt.Println(rules.Validate())

	rules = runloop.EgressRules{AllowedCIDRs: []runloop.AllowedCIDR{{CIDR: "10.1.2.3/8"}}}
	fmt.Println(rules.Validate())
	// Output:
	// runloop: validate egress rules: AllowedHostnames[1]: "https://registry.npmjs.org" has a scheme: write "registry.npmjs.org"
	// runloop: validate egress rules: AllowedCIDRs[0].CIDR: "10.1.2.3/8" has host bits that are not zero: write "10.0.0.0/8"
}

func ExampleEgressRules_Equal() {
	a := runloop.EgressRules{AllowedHostnames: []string{"github.com", "*.npmjs.org"}}
	b := runloop.EgressRules{AllowedHostnames: []string{"*.NPMjs.org", "GitHub.com.", "github.com"}}
	fmt.Println(a.Equal(b))

	b.AllowMCPGateway = true
	fmt.Println(a.Equal(b))
	// Output:
	// true
	// false
}

func ExampleEgressRules_Diff() {
	intended := runloop.EgressRules{AllowedHostnames: []string{"github.com", "*.npmjs.org"}}
	found := runloop.EgressRules{AllowedHostnames: []string{"github.com", "evil.example"}, AllowAgentGateway: true}
	for _, line := range intended.Diff(found) {
		fmt.Println(line)
	}
	// Output:
	// - host *.npmjs.org
	// + agent gateway
	// + host evil.example
}

func ExampleEgressRules_Fingerprint() {
	// Tasks that need the same network get the same name, and so share one policy.
	a := runloop.EgressRules{AllowedHostnames: []string{"github.com", "*.npmjs.org"}}
	b := runloop.EgressRules{AllowedHostnames: []string{"*.npmjs.org", "github.com"}}
	fmt.Println("task-" + a.Fingerprint())
	fmt.Println("task-" + b.Fingerprint())
	// Output:
	// task-824f54ea367e8936
	// task-824f54ea367e8936
}

func ExampleEgressRules_Rules() {
	rules := runloop.EgressRules{
		AllowMCPGateway:  true,
		AllowedHostnames: []string{"GitHub.com", "*.npmjs.org"},
		AllowedCIDRs: []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8", Ports: []runloop.PortRule{
			{Port: 443, Protocol: runloop.ProtocolTCP},
			{Port: 5000, EndPort: 5010, Protocol: runloop.ProtocolUDP},
		}}},
	}
	for _, line := range rules.Rules() {
		fmt.Println(line)
	}
	// Output:
	// MCP gateway
	// cidr 10.0.0.0/8 TCP 443
	// cidr 10.0.0.0/8 UDP 5000-5010
	// host *.npmjs.org
	// host github.com
}

func ExampleEgressRules_Update() {
	ctx := context.Background()
	client, stop := fakeClient(runloop.NetworkPolicy{ID: "npol_1", Name: "build", Egress: runloop.EgressRules{AllowMCPGateway: true}})
	defer stop()

	// The update replaces every rule of the policy.
	rules := runloop.EgressRules{AllowedHostnames: []string{"github.com"}}
	policy, err := client.NetworkPolicies.Update(ctx, "npol_1", rules.Update())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(policy.Egress)
	// Output: 1 host
}

// The file form is strict: the API's own flat form is an error instead of a policy that
// denies everything.
func ExampleNetworkPolicyCreateParams_UnmarshalJSON() {
	var params runloop.NetworkPolicyCreateParams
	err := json.Unmarshal([]byte(`{"name": "build", "egress": {"allowed_hostnames": ["github.com"]}}`), &params)
	fmt.Println(params.Name, "allows", params.Egress, err)

	err = json.Unmarshal([]byte(`{"name": "build", "allowed_hostnames": ["github.com"]}`), &params)
	fmt.Println(err)
	// Output:
	// build allows 1 host <nil>
	// runloop: read network policy: /allowed_hostnames is a field of "egress": write it there
}

// The JSON of a policy is that of the API. Rules that this version does not know are kept.
func ExampleNetworkPolicy_UnmarshalJSON() {
	var policy runloop.NetworkPolicy
	err := json.Unmarshal([]byte(`{
		"id": "npol_1",
		"name": "build",
		"egress": {"allowed_hostnames": ["github.com"], "allow_tunnels": true},
		"create_time_ms": 1767225600000
	}`), &policy)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(policy.Name, "allows", policy.Egress, "since", policy.CreateTime)
	// Output: build allows 1 host, 1 unknown rule since 2026-01-01 00:00:00 +0000 UTC
}

func ExampleAPIError() {
	ctx := context.Background()
	client, stop := fakeClient(runloop.NetworkPolicy{Name: "build"})
	defer stop()

	_, err := client.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: "build"})

	// errors.Is classifies the error, errors.AsType has the details for a log.
	if errors.Is(err, runloop.ErrNameTaken) {
		fmt.Println("choose another name")
	}
	if e, ok := errors.AsType[*runloop.APIError](err); ok {
		fmt.Println(e.StatusCode, e.Message)
	}
	// Output:
	// choose another name
	// 400 Network policy with name "build" already exists
}

func ExampleTransportError() {
	ctx := context.Background()
	client, stop := fakeClient()
	stop() // the API is down

	_, err := client.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: "build"}, runloop.WithMaxRetries(0))
	if e, ok := errors.AsType[*runloop.TransportError](err); ok {
		fmt.Println(e.Op, "after", e.Attempts, "attempt, may be applied:", e.MaybeApplied)
	}
	// Output: create network policy after 1 attempt, may be applied: false
}

func ExampleValidationError() {
	ctx := context.Background()
	client, stop := fakeClient()
	defer stop()

	_, err := client.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{
		Name:   "build",
		Egress: runloop.EgressRules{AllowedHostnames: []string{"github.com:443"}},
	})
	if e, ok := errors.AsType[*runloop.ValidationError](err); ok {
		fmt.Println("nothing was sent, invalid is", e.Field)
	}
	// Output: nothing was sent, invalid is Egress.AllowedHostnames[0]
}

func ExampleDriftError() {
	ctx := context.Background()
	client, stop := fakeClient(runloop.NetworkPolicy{Name: "no-network", Egress: runloop.EgressRules{
		AllowedHostnames: []string{"evil.example"},
	}})
	defer stop()

	_, err := client.NetworkPolicies.Ensure(ctx, runloop.NetworkPolicyCreateParams{Name: "no-network"})
	if e, ok := errors.AsType[*runloop.DriftError](err); ok {
		fmt.Println(e.Policy.Name, "was changed:", e.Diff)
	}
	// Output: no-network was changed: [+ host evil.example]
}

func ExampleWithResponseInto() {
	ctx := context.Background()
	client, stop := fakeClient(runloop.NetworkPolicy{ID: "npol_1", Name: "build"})
	defer stop()

	var response *http.Response
	_, err := client.NetworkPolicies.Get(ctx, "npol_1", runloop.WithResponseInto(&response))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.Status, response.Header.Get("X-Runloop-Request-Id"))
	// Output: 200 OK req_000001
}

func ExampleWithIdempotencyKey() {
	ctx := context.Background()
	client, stop := fakeClient()
	defer stop()

	// A job that runs again after a crash uses the same key.
	policy, err := client.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: "build"},
		runloop.WithIdempotencyKey("job-17"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(policy.Name)
	// Output: build
}
