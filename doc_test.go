package runloop_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// The code of the package documentation stands below word for word, so that it
// compiles, and runs against the fake.

func TestThePackageDocumentationHasOnlyCodeThatRuns(t *testing.T) {
	t.Parallel()
	documentation, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	source, err := os.ReadFile("doc_test.go")
	require.NoError(t, err)
	code := unindented(string(source))

	blocks := indentedBlocks(string(documentation))

	assert.Greater(t, len(blocks), 8)
	for _, block := range blocks {
		if !strings.HasPrefix(block, "\tstatus") { // the table of errors
			assert.Contains(t, code, unindented(block))
		}
	}
}

// indentedBlocks returns the runs of lines that start with a tab.
func indentedBlocks(text string) []string {
	var blocks []string
	inBlock := false
	for line := range strings.Lines(text) {
		indented := strings.HasPrefix(line, "\t")
		switch {
		case indented && !inBlock:
			blocks = append(blocks, line)
		case indented:
			blocks[len(blocks)-1] += line
		}
		inBlock = indented
	}
	return blocks
}

// It reads the environment, so it is not parallel.
func TestTheCodeOfThePackageDocumentation(t *testing.T) {
	server := runlooptest.NewLoopbackServer(t)
	t.Setenv("RUNLOOP_API_KEY", "key")
	t.Setenv("RUNLOOP_BASE_URL", server.URL)

	require.NoError(t, docFirstCall(t.Context()))
	require.NoError(t, docOptions(t.Context(), server.Policies()[0].ID))
	require.NoError(t, docOrchestrator(t.Context(), []string{"github.com"}))
	docWhatIsLeft(&runloop.DevboxError{Op: "launch devbox"})
	require.NoError(t, docLists(t.Context()))
	require.NoError(t, docErrors(t.Context(), server.Policies()[0].ID))
	docRules(t)
	docTesting(t)

	assert.Len(t, server.Policies(), 1, "two made, one deleted")
}

func docFirstCall(ctx context.Context) error {
	client, err := runloop.NewClient()
	if err != nil {
		return err
	}
	policy, err := client.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{
		Name:        "build",
		Description: "package registries only",
		Egress:      runloop.EgressRules{AllowedHostnames: []string{"github.com", "*.npmjs.org"}},
	})
	if policy == nil {
		return err
	}
	return nil
}

func docOptions(ctx context.Context, id string) error {
	client, err := runloop.NewClient(runloop.WithUserAgent("my-orchestrator/1.2"), runloop.WithLogger(slog.Default()))
	if err != nil {
		return err
	}
	policy, err := client.NetworkPolicies.Get(ctx, id, runloop.WithMaxRetries(0))
	if policy == nil {
		return err
	}
	return nil
}

func docOrchestrator(ctx context.Context, hosts []string) (err error) {
	client, err := runloop.NewClient()
	if err != nil {
		return err
	}
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
	return nil
}

func docWhatIsLeft(err error) {
	if e, ok := errors.AsType[*runloop.DevboxError](err); ok && !e.ShutDown {
		if e.Devbox != nil {
			fmt.Println("may still be running:", e.Devbox.ID)
		} else {
			fmt.Println("may have been created with request ID", e.RequestID)
		}
	}
}

func docLists(ctx context.Context) error {
	client, err := runloop.NewClient()
	if err != nil {
		return err
	}
	for policy, err := range client.NetworkPolicies.All(ctx, runloop.NetworkPolicyListParams{}) {
		if err != nil {
			return err
		}
		fmt.Println(policy.Name, policy.Egress)
	}
	return nil
}

func docErrors(ctx context.Context, id string) error {
	client, err := runloop.NewClient()
	if err != nil {
		return err
	}
	for range 2 { // the second time, somebody was faster
		_, err := client.NetworkPolicies.Delete(ctx, id)
		switch {
		case errors.Is(err, runloop.ErrPolicyInUse):
			// wait until the devboxes are shut down
		case errors.Is(err, runloop.ErrNotFound):
			// somebody was faster
		case err != nil:
			return err
		}
	}
	return nil
}

func docRules(t *testing.T) {
	denyAll := runloop.EgressRules{}
	allowAll := runloop.EgressRules{AllowAll: true} // devbox to devbox too
	build := runloop.EgressRules{
		AllowedHostnames:  []string{"github.com", "*.npmjs.org"},       // not npmjs.org itself
		AllowedCIDRs:      []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8"}}, // on every port
		AllowAgentGateway: true,
	}
	assert.Equal(t, "deny all", denyAll.String())
	assert.Equal(t, "allow all", allowAll.String())
	assert.Equal(t, "2 hosts, 1 CIDR, agent gateway", build.String())

	nothing := runloop.NetworkPolicyUpdateParams{}
	noHosts := runloop.NetworkPolicyUpdateParams{AllowedHostnames: &[]string{}}
	notAll := runloop.NetworkPolicyUpdateParams{AllowAll: new(false)} // false is sent, nil is not
	server := runlooptest.NewTestServer(t)
	client, err := server.Client()
	require.NoError(t, err)
	id := server.AddPolicy(runloop.NetworkPolicy{Name: "build", Egress: runloop.EgressRules{AllowAll: true, AllowedHostnames: []string{"github.com"}}}).ID
	for _, change := range []runloop.NetworkPolicyUpdateParams{nothing, noHosts, notAll} {
		_, err := client.NetworkPolicies.Update(t.Context(), id, change)
		require.NoError(t, err)
	}
	requests := server.Requests(runlooptest.UpdateNetworkPolicy)
	assert.JSONEq(t, `{}`, string(requests[0].Body))
	assert.JSONEq(t, `{"allowed_hostnames": []}`, string(requests[1].Body))
	assert.JSONEq(t, `{"allow_all": false}`, string(requests[2].Body))
	assert.Equal(t, "devbox to devbox", server.Policies()[0].Egress.String(), "the API turned that on with all")
}

func docTesting(t *testing.T) {
	server := runlooptest.NewTestServer(t)
	client, err := server.Client()
	require.NoError(t, err)
	assert.NotNil(t, client)
}
