package peer

import (
	"net/http/httptest"
	"testing"

	"github.com/runloop-community/runloop-go/bench/internal/fixture"
	"github.com/runloop-community/runloop-go/bench/internal/server"
)

func TestPeersReadTheSame(t *testing.T) {
	const policies = 45
	s := httptest.NewServer(server.NewHandler())
	defer s.Close()
	for _, p := range append(All(), Pooled) {
		t.Run(p.Name, func(t *testing.T) {
			client, err := p.New(s.URL+server.Path(policies, 0), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()

			for _, pageSize := range []int{0, 1, 7, 45, 100} {
				i := 0
				err := client.Iterate(t.Context(), pageSize, func(p Policy) {
					if p.ID != fixture.ID(i) || len(p.Hostnames) != fixture.Hostnames {
						t.Errorf("policy %d is %+v", i, p)
					}
					i++
				})
				if err != nil || i != policies {
					t.Errorf("%d policies with pages of %d, %v", i, pageSize, err)
				}
			}
			if policy, err := client.Get(t.Context(), fixture.ID(7)); err != nil || policy.ID != fixture.ID(7) {
				t.Errorf("%+v, %v", policy, err)
			}
			if page, err := client.Page(t.Context(), 7); err != nil || page == nil {
				t.Errorf("%v, %v", page, err)
			}
			if _, err := client.Get(t.Context(), fixture.ID(policies)); err == nil {
				t.Error("no error for a policy that does not exist")
			}
		})
	}
}

func TestNamed(t *testing.T) {
	for _, name := range []string{Floor, Ours, Pooled.Name} {
		if p, err := Named(name); err != nil || p.Name != name {
			t.Errorf("%q: %v, %v", name, p.Name, err)
		}
	}
	if _, err := Named("none"); err == nil {
		t.Error("no error for a name that nobody has")
	}
}
