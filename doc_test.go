package runloop_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

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

	snippets := 0
	for _, block := range blocks {
		if strings.Contains(block, ":=") { // not a table
			snippets++
			assert.Contains(t, code, unindented(block))
		}
	}
	assert.Greater(t, snippets, 6)
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

	require.NoError(t, docLaunch(t.Context()))
	assert.Empty(t, server.Running(), "it was shut down")
	require.NoError(t, docOptions(t.Context(), server.Policies()[0].ID))
	require.NoError(t, docLists(t.Context()))
	deleted, err := docPrune(t.Context())
	require.NoError(t, err)
	assert.Zero(t, deleted, "it is younger than an hour")
	docWhatIsLeft(&runloop.DevboxError{Op: "launch devbox"})
	docRules(t)
	docTesting(t)
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

func docLaunch(ctx context.Context) (err error) {
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
	return nil
}

func docPrune(ctx context.Context) (int, error) {
	client, err := runloop.NewClient()
	if err != nil {
		return 0, err
	}
	deleted, err := client.NetworkPolicies.Prune(ctx, runloop.PruneParams{NamePrefix: "task-", MinAge: time.Hour})
	return len(deleted), err
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
