package runloop_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// The Go blocks of the README stand below word for word, so that they compile, and
// run against the fake.

func TestREADMEHasOnlyCodeThatRuns(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	source, err := os.ReadFile("readme_test.go")
	require.NoError(t, err)
	code := unindented(string(source))

	blocks := strings.Split(string(readme), "```go\n")[1:]

	assert.NotEmpty(t, blocks)
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		assert.Contains(t, code, unindented(block))
	}
}

func unindented(code string) string {
	lines := strings.Split(code, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}

// It reads the environment, so it is not parallel.
func TestREADMEMainCalls(t *testing.T) {
	server := runlooptest.NewLoopbackServer(t)
	t.Setenv("RUNLOOP_API_KEY", "key")
	t.Setenv("RUNLOOP_BASE_URL", server.URL)

	require.NoError(t, readmeMainCalls(t.Context()))

	assert.Empty(t, server.Policies())
	assert.Len(t, server.Requests(runlooptest.DeleteNetworkPolicy), 1)
}

func readmeMainCalls(ctx context.Context) error {
	client, err := runloop.NewClient() // RUNLOOP_API_KEY, RUNLOOP_BASE_URL
	if err != nil {
		return err
	}

	policy, err := client.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{
		Name:        "build",
		Description: "package registries only",
		Egress:      runloop.EgressRules{AllowedHostnames: []string{"github.com", "*.npmjs.org"}},
	})
	if err != nil {
		return err
	}

	for policy, err := range client.NetworkPolicies.All(ctx, runloop.NetworkPolicyListParams{Name: "build"}) {
		if err != nil {
			return err
		}
		fmt.Println(policy.Name, policy.Egress)
	}

	policy, err = client.NetworkPolicies.Update(ctx, policy.ID, runloop.NetworkPolicyUpdateParams{
		AllowedHostnames: &[]string{}, // clear the list: sent as [], never omitted
		AllowMCPGateway:  new(true),   // nil fields are not changed
	})
	if err != nil {
		return err
	}

	_, err = client.NetworkPolicies.Delete(ctx, policy.ID)
	if errors.Is(err, runloop.ErrPolicyInUse) {
		fmt.Println("still in use by active devboxes")
	}
	return err
}

func TestREADMEOrchestrator(t *testing.T) {
	t.Parallel()
	server := runlooptest.NewTestServer(t)
	client, err := server.Client()
	require.NoError(t, err)

	require.NoError(t, readmeOrchestrator(t.Context(), client, []string{"github.com"}))
	require.NoError(t, readmeOrchestrator(t.Context(), client, []string{"GitHub.com."}))

	assert.Len(t, server.Policies(), 1)
	assert.Len(t, server.Devboxes(), 2)
	assert.Empty(t, server.Running())

	deleted, err := readmePrune(t.Context(), client)
	require.NoError(t, err)
	assert.Empty(t, deleted, "it is younger than an hour")
}

func readmePrune(ctx context.Context, client *runloop.Client) ([]runloop.NetworkPolicy, error) {
	deleted, err := client.NetworkPolicies.Prune(ctx, runloop.PruneParams{NamePrefix: "task-", MinAge: time.Hour})
	return deleted, err
}

func readmeOrchestrator(ctx context.Context, client *runloop.Client, hosts []string) (err error) {
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

func TestREADMETesting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // the retry's wait takes no time
		server := runlooptest.NewTestServer(t)
		client, err := server.Client()
		if err != nil {
			t.Fatal(err)
		}

		// The next create succeeds, but its response is lost.
		server.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Disconnect().AfterCommit())

		_, err = client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build"})
		if err != nil {
			t.Fatal(err) // not reached: the client recovers the policy
		}

		assert.Len(t, server.Policies(), 1)
	})
}
