package peer

import (
	"net/http/httptest"
	"testing"

	"github.com/runloop-community/runloop-go/bench/internal/server"
)

func TestPeersReadTheSame(t *testing.T) {
	const policies = 45
	s := httptest.NewServer(server.NewHandler())
	defer s.Close()
	for _, p := range append(All(), Pooled) {
		for _, api := range []server.API{{Policies: policies}, {Policies: policies, Gzip: true}} {
			t.Run(p.Name+api.Path(), func(t *testing.T) {
				client, err := p.New(s.URL+api.Path(), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()

				for _, pageSize := range []int{0, 1, 7, 45, 100} {
					i := 0
					err := client.Iterate(t.Context(), pageSize, func(p Policy) {
						if p.ID != server.ID(i) || len(p.Hostnames) != server.Hostnames {
							t.Errorf("policy %d is %+v", i, p)
						}
						i++
					})
					if err != nil || i != policies {
						t.Errorf("%d policies with pages of %d, error %v", i, pageSize, err)
					}
				}
				if policy, err := client.Get(t.Context(), server.ID(7)); err != nil || policy.ID != server.ID(7) {
					t.Errorf("policy %+v, error %v", policy, err)
				}
				if page, more, err := client.List(t.Context(), 7, "", func(Policy) {}); err != nil || page == nil || !more {
					t.Errorf("page %v, more %t, error %v", page, more, err)
				}
				if _, err := client.Get(t.Context(), server.ID(policies)); err == nil {
					t.Error("no error for a policy that does not exist")
				}
			})
		}
	}
}
