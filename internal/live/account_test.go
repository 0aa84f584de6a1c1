package live

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	runloop "github.com/runloop-community/runloop-go"
)

// An account is where a run makes its trials. It may have policies of others: the run
// touches those alone that it made.
type account struct {
	client *runloop.Client
	// prefix begins the names of all policies of the run. No other policy has it.
	prefix string
	names  int

	// policies and devboxes are what trials could not take away again, by ID.
	policies map[string]string
	devboxes map[string]string
	// lost are the names of devboxes that may have been launched, without an ID.
	lost []string

	// fixtures are what several checks share. Their trials last until the end.
	fixtures struct {
		pair    *pair
		sample  *sample
		deleted *deletedPolicy
		box     *box
		refusal *answer
	}
	lasting []*trial
}

// newAccount returns an account that is cleaned up when the test ends.
func newAccount(t *testing.T, client *runloop.Client) *account {
	word := make([]byte, 4)
	rand.Read(word)
	a := &account{
		client:   client,
		prefix:   "runloop-go-live-" + time.Now().UTC().Format("20060102t150405") + "-" + hex.EncodeToString(word),
		policies: map[string]string{},
		devboxes: map[string]string{},
	}
	t.Cleanup(func() {
		ctx, cancel := afterwards(t.Context())
		defer cancel()
		a.cleanUp(ctx, t)
	})
	return a
}

// owns reports whether the name is one that the run gave. The API may have trimmed
// it, and one check writes it in capitals.
func (a *account) owns(name string) bool {
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(name)), a.prefix)
}

// A reporter is the part of testing.TB that cleaning up needs.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

// cleanUp takes away what the run has made and what is still there, such as a policy
// whose create had no answer. It reports what it cannot take away.
func (a *account) cleanUp(ctx context.Context, t reporter) {
	t.Helper()
	for _, trial := range a.lasting {
		trial.end()
	}
	for id, name := range a.devboxes {
		if err := shutDown(ctx, a.client, id); err != nil {
			t.Errorf("devbox %s (%s) could not be shut down, it may cost money: %v", name, id, err)
		}
	}
	for _, name := range a.lost {
		t.Errorf("a devbox called %s may run and cost money: its launch had no answer", name)
	}
	left := maps.Clone(a.policies)
	for policy, err := range a.client.NetworkPolicies.All(ctx, runloop.NetworkPolicyListParams{}) {
		if err != nil {
			t.Errorf("could not look for policies called %s*, there may be some: %v", a.prefix, err)
			break
		}
		if a.owns(policy.Name) {
			left[policy.ID] = policy.Name
		}
	}
	for id, name := range left {
		if err := remove(ctx, a.client, id); err != nil {
			t.Errorf("policy %s (%s) could not be deleted: %v", name, id, err)
		}
	}
}

// remove deletes a policy, which may be gone already.
func remove(ctx context.Context, client *runloop.Client, id string) error {
	_, err := client.NetworkPolicies.Delete(ctx, id)
	if errors.Is(err, runloop.ErrNotFound) {
		return nil
	}
	return err
}

func shutDown(ctx context.Context, client *runloop.Client, id string) error {
	return client.Do(ctx, "POST", "/v1/devboxes/"+url.PathEscape(id)+"/shutdown", nil, nil)
}

// afterwards returns a context to clean up in, when the run's own may be over.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
}
