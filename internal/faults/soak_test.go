package faults

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

var soakSeed = flag.Uint64("soak.seed", 1, "the first of the ten seeds of Test113; 0 takes new ones")

// soakRegressions are seeds that found a bug. Add the one that a failing test names.
//
// 20, 66: a create of Ensure that may have been applied was forgotten when the look
// after it failed.
var soakRegressions = []uint64{20, 66}

// Ten thousand calls under random faults, a thousand for each seed. One goroutine
// makes them, so that after each call there is no doubt what the account must be: a
// success has its whole effect, an error has none, and an error with MaybeApplied has
// either. To see a seed again: go test -run Test113 -soak.seed=SEED
func Test113Soak(t *testing.T) {
	t.Parallel()
	first := *soakSeed
	if first == 0 {
		first = rand.Uint64N(1e9)
	}
	var seeds []uint64
	for i := range uint64(10) {
		seeds = append(seeds, first+i)
	}
	seeds = append(seeds, soakRegressions...)
	if testing.Short() {
		seeds = seeds[:1]
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), clienttest.InBubble(func(t *testing.T) { soak(t, seed, 1000) }))
	}
}

func soak(t *testing.T, seed uint64, calls int) {
	faults := rand.New(rand.NewPCG(seed, 1))
	s := &soaker{random: rand.New(rand.NewPCG(seed, 2))}
	server, api := faultyServer(t, func(*http.Request) strike {
		strike, giveUp := drawStrike(faults, 2+int(seed%4))
		if giveUp {
			s.cancel()
		}
		return strike
	})
	s.api, s.client = api, clienttest.NewWireClient(t, server)
	succeeded, maybe := 0, 0
	for i := range calls {
		s.call = i
		s.account, s.id = s.api.Policies(), s.anyID()
		var ctx context.Context
		ctx, s.cancel = s.context(t.Context())

		o := s.anyCall()(ctx)

		synctest.Wait() // for what the API may still be at
		s.cancel()
		if problem := o.problem(accountOf(s.account), accountOf(api.Policies())); problem != "" {
			require.Failf(t, problem, "seed %d, call %d: %s\nerror:  %v\nbefore: %v\nafter:  %v",
				seed, i, o.call, o.err, accountOf(s.account), accountOf(api.Policies()))
		}
		if o.err == nil || errors.Is(o.err, o.refusal) {
			succeeded++
		} else if clienttest.MaybeApplied(o.err) {
			maybe++
		}
	}
	t.Logf("seed %d: %d calls, %d as without faults, %d errors that leave the effect open, %d requests, %s",
		seed, calls, succeeded, maybe, len(server.Requests()), server.Now().Round(time.Second))
	assert.Greater(t, succeeded, calls/2, "the soak proves little when most calls fail")
}

// drawStrike lets one in so many requests meet a fault: an answer that is lost, one that
// says success and cannot be read, one that tells the client to stay away, or none
// until the caller gives up.
func drawStrike(random *rand.Rand, oneIn int) (s strike, giveUp bool) {
	portal := lostAnswer{"a page of somebody else", func(c *wiretest.Conn) {
		c.Write(wiretest.Response(200, "<html>sign in</html>", "Content-Type: text/html"))
	}}
	long := lostAnswer{"503 for long", func(c *wiretest.Conn) {
		c.Write(wiretest.Response(503, `{}`, "Retry-After: 90"))
	}}
	cancel := lostAnswer{"the caller gives up", (*wiretest.Conn).Stall}
	all := append([]lostAnswer{portal, long, cancel}, lostAnswers...)
	lost, unserved := all[random.IntN(len(all))], random.IntN(2) == 0
	if random.IntN(oneIn) > 0 {
		return strike{}, false
	}
	// An API that carries a request out and says 429 is not believed to exist.
	return strike{&lost, unserved || lost.name == rateLimited}, lost.name == cancel.name
}

// An account is what policies there are: by name, what they allow and are described
// as. Each call of the soak has a description of its own.
type account map[string]string

func accountOf(policies []runloop.NetworkPolicy) account {
	a := account{}
	for _, p := range policies {
		a[p.Name] = contentOf(p.Description, p.Egress)
	}
	return a
}

func contentOf(description string, egress runloop.EgressRules) string {
	return description + ": " + egress.String() + " " + egress.Fingerprint()
}

// An outcome is what came of a call, and what would have come of it without faults.
type outcome struct {
	call string
	err  error
	// wrong says what is wrong with the value that was returned without an error.
	wrong string
	// want is the account after a success, nil when the call must change nothing.
	want account
	// refusal is the error of a call that cannot succeed.
	refusal error
	// mayBeDone is set when what was asked for may have been so before.
	mayBeDone bool
}

// problem compares what the client believes with what is.
func (o outcome) problem(before, after account) string {
	want := o.want
	if want == nil {
		want = before
	}
	unchanged, changed := maps.Equal(after, before), maps.Equal(after, want)
	switch {
	case o.err == nil && o.refusal != nil && !o.mayBeDone:
		return "a success of what cannot succeed"
	case o.err == nil && !changed:
		return "a success that is none"
	case o.err == nil:
		return o.wrong
	case clienttest.MaybeApplied(o.err):
		if !unchanged && !changed {
			return "an effect that nobody asked for"
		}
	case !unchanged:
		return "an effect that the error denies"
	case o.refusal != nil && errors.Is(o.err, o.refusal):
	case !isTransient(o.err):
		return "an error that no fault explains"
	}
	return ""
}

// isTransient reports whether an error is one of the faults that are drawn.
func isTransient(err error) bool {
	if e, ok := errors.AsType[*runloop.APIError](err); ok {
		return e.Attempts <= 4 && (e.StatusCode == 408 || e.StatusCode == 429 || e.StatusCode >= 500)
	}
	e, ok := errors.AsType[*runloop.TransportError](err)
	return ok && e.Attempts <= 4
}

// A soaker makes random calls. Its account is the one before the call.
type soaker struct {
	random  *rand.Rand
	api     *runlooptest.API
	client  *runloop.Client
	cancel  func() // ends the call's context
	call    int
	account []runloop.NetworkPolicy
	id      string
}

// context gives every fifth call a deadline. All waits of a call are shorter, so that
// the deadline ends only those to which the API is silent, by whatever jitter.
func (s *soaker) context(parent context.Context) (context.Context, context.CancelFunc) {
	if s.random.IntN(5) > 0 {
		return context.WithCancel(parent)
	}
	return context.WithTimeout(parent, 20*time.Second)
}

func (s *soaker) anyCall() func(context.Context) outcome {
	all := []func(context.Context) outcome{
		s.create, s.create, s.update, s.update, s.delete, s.get, s.list, s.all, s.getByName, s.ensure, s.apply,
	}
	return all[s.random.IntN(len(all))]
}

// anyID is mostly that of a policy that exists.
func (s *soaker) anyID() string {
	if len(s.account) == 0 || s.random.IntN(5) == 0 {
		return fmt.Sprintf("npol_%06d", 1+s.random.IntN(50))
	}
	return s.account[s.random.IntN(len(s.account))].ID
}

func (s *soaker) anyName() string {
	return []string{"a", "b", "c", "ab", "bc", "abc", "A", "é"}[s.random.IntN(8)]
}

func (s *soaker) anyParams() runloop.NetworkPolicyCreateParams {
	return runloop.NetworkPolicyCreateParams{
		Name:        s.anyName(),
		Description: fmt.Sprintf("of call %d", s.call),
		Egress: []runloop.EgressRules{
			{}, {AllowAll: true}, {AllowedHostnames: []string{"github.com", "*.npmjs.org"}}, {AllowMCPGateway: true},
		}[s.random.IntN(4)],
	}
}

// find returns the policy of the account that has the ID or the name, or nil.
func (s *soaker) find(idOrName string) *runloop.NetworkPolicy {
	for i, p := range s.account {
		if p.ID == idOrName || p.Name == idOrName {
			return &s.account[i]
		}
	}
	return nil
}

// with returns the account after a policy has got other content, and maybe another
// name.
func (s *soaker) with(old, name, content string) account {
	a := accountOf(s.account)
	delete(a, old)
	a[name] = content
	return a
}

// compare says what is wrong with a policy that was returned: nothing when the
// account has it to the letter.
func (s *soaker) compare(got *runloop.NetworkPolicy, err error) string {
	if err != nil {
		return ""
	}
	for _, p := range s.api.Policies() {
		if assert.ObjectsAreEqual(p, *got) {
			return ""
		}
	}
	return fmt.Sprintf("a policy that does not exist: %+v", *got)
}
